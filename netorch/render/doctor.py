"""Writes doctor's diagnosis as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netorch.doctor import Diagnosis, Finding, Level
from netorch.errors import printable
from netorch.render.text import count_text, paint

_COLOURS = {Level.ERROR: "31", Level.WARNING: "33", Level.HANDLED: "32"}
_STATES = {"yes": "32", "no": "31", "on demand": "33", "unknown": "33"}
_HEADER = ("FEATURE", "HERE", "NEEDED BY")


def lines(
    diagnosis: Diagnosis,
    *,
    colour: bool = False,
    verbose: bool = False,
    quiet: bool = False,
    columns: int = 0,
) -> Iterator[str]:
    """Yield the features, the findings with their remedies, and a summary.

    Of a file, the features are those that it needs. With `quiet`, yield the errors alone. With
    `verbose`, yield every feature, and name the modules and build options too. `columns` is the
    width of the terminal, 0 if lines may be of any length.
    """
    errors = [finding for finding in diagnosis.findings if finding.level is Level.ERROR]
    if quiet:
        for finding in errors:
            yield from _finding(finding, colour, columns)
        return
    yield f"Linux {printable(diagnosis.release)}"
    if diagnosis.topology:
        yield from _needs(diagnosis, colour, columns)
    if verbose or not diagnosis.topology:
        yield from _features(diagnosis, colour, verbose, columns)
    yield ""
    for finding in diagnosis.findings:
        yield from _finding(finding, colour, columns)
    yield _summary(diagnosis)


def _needs(diagnosis: Diagnosis, colour: bool, columns: int) -> Iterator[str]:
    """Yield what the file needs of the kernel, and whether that is there."""
    if not diagnosis.needs:
        yield f"{diagnosis.topology} needs nothing of the kernel"
        return
    yield f"{diagnosis.topology} needs:"
    width = max(map(len, diagnosis.needs))
    for need in diagnosis.needs:
        ability = diagnosis.ability_for(need)
        state = ability.state.value if ability is not None else "yes"
        yield f"  {printable(need).ljust(width)}  {paint(state, _STATES[state], colour)}"
        if ability is not None and ability.hint and state == "no":
            yield from _wrapped(printable(ability.hint), columns, "    ")


def _features(diagnosis: Diagnosis, colour: bool, verbose: bool, columns: int) -> Iterator[str]:
    """Yield the table of all features."""
    rows = [(ability.what, ability.state.value) for ability in diagnosis.abilities]
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(2)]
    indent = " " * (sum(widths) + 4)
    yield f"{_HEADER[0].ljust(widths[0])}  {_HEADER[1].ljust(widths[1])}  {_HEADER[2]}"
    for ability, (what, state) in zip(diagnosis.abilities, rows, strict=True):
        label = paint(state.ljust(widths[1]), _STATES[state], colour)
        first, *more = _wrapped(ability.keys, columns, indent)
        yield f"{what.ljust(widths[0])}  {label}  {first.strip()}"
        yield from more
        if ability.hint and state == "no":
            yield from _wrapped(printable(ability.hint), columns, " " * (widths[0] + 2))
        if verbose and (ability.module or ability.config):
            module = ability.module and f"module {ability.module}"
            yield f"{''.ljust(widths[0])}  {', '.join(filter(None, (ability.config, module)))}"


def _wrapped(text: str, columns: int, indent: str, first: str | None = None) -> list[str]:
    """Return the lines of a text. `first` is the indentation of the first line if it differs."""
    begin = indent if first is None else first
    if not columns:
        return [f"{begin}{text}"]
    # here, because a pipe gets lines of any length
    from textwrap import wrap

    # a command in a text must stay whole, so nothing is cut between hyphens
    width = max(columns, len(indent) + 20)
    return wrap(
        text,
        width,
        initial_indent=begin,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [begin]


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the fields of the JSON document."""
    return {
        "kernel": diagnosis.release,
        "root": diagnosis.root,
        "topology": diagnosis.topology or None,
        "well": diagnosis.well,
        "needs": list(diagnosis.needs),
        "features": [
            {
                "feature": ability.what,
                "state": ability.state.value,
                "needed_by": ability.keys,
                "module": ability.module or None,
                "config": ability.config or None,
                "reason": ability.hint or None if ability.state.value == "no" else None,
            }
            for ability in diagnosis.abilities
        ],
        "findings": [
            {
                "check": finding.check,
                "level": finding.level.value,
                "code": finding.code,
                "object": finding.object or None,
                "what": finding.what,
                "command": finding.command or None,
                "remedy": finding.remedy or None,
            }
            for finding in diagnosis.findings
        ],
    }


def _finding(finding: Finding, colour: bool, columns: int) -> Iterator[str]:
    level = finding.level.value
    first, *more = _wrapped(f"{level}: {printable(finding.what)}.", columns, "  ", "")
    yield f"{paint(level, _COLOURS[finding.level], colour)}{first.removeprefix(level)}"
    yield from more
    if finding.command:
        # in one line, because it is there to be copied
        yield f"    {printable(finding.command)}"
    if finding.remedy:
        yield from _wrapped(printable(finding.remedy), columns, "    # ")


def _summary(diagnosis: Diagnosis) -> str:
    counts = [
        (sum(finding.level is level for finding in diagnosis.findings), level)
        for level in (Level.ERROR, Level.WARNING)
    ]
    summary = " and ".join(count_text(count, level.value) for count, level in counts if count)
    what = f" for {diagnosis.topology}" if diagnosis.topology else ""
    return f"{summary} in the way{what}" if summary else f"nothing is in the way{what}"
