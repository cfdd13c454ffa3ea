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
    diagnosis: Diagnosis, *, colour: bool = False, verbose: bool = False, quiet: bool = False
) -> Iterator[str]:
    """Yield the table of features, the findings with their remedies, and a summary.

    With `quiet`, yield the errors alone. With `verbose`, name the modules and build options too.
    """
    if quiet:
        for finding in diagnosis.findings:
            if finding.level is Level.ERROR:
                yield from _finding(finding, colour)
        return
    yield f"Linux {printable(diagnosis.release)}"
    rows = [(ability.what, ability.state.value, ability.keys) for ability in diagnosis.abilities]
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(2)]
    yield f"{_HEADER[0].ljust(widths[0])}  {_HEADER[1].ljust(widths[1])}  {_HEADER[2]}"
    for ability, (what, state, keys) in zip(diagnosis.abilities, rows, strict=True):
        label = paint(state.ljust(widths[1]), _STATES[state], colour)
        yield f"{what.ljust(widths[0])}  {label}  {keys}"
        if ability.hint and state == "no":
            yield f"{''.ljust(widths[0])}  {printable(ability.hint)}"
        if verbose and (ability.module or ability.config):
            module = ability.module and f"module {ability.module}"
            yield f"{''.ljust(widths[0])}  {', '.join(filter(None, (ability.config, module)))}"
    if diagnosis.needs:
        yield f"{diagnosis.topology} needs {', '.join(map(printable, diagnosis.needs))}"
    yield ""
    for finding in diagnosis.findings:
        yield from _finding(finding, colour)
    yield _summary(diagnosis)


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


def _finding(finding: Finding, colour: bool) -> Iterator[str]:
    level = paint(finding.level.value, _COLOURS[finding.level], colour)
    yield f"{level}: {printable(finding.what)}."
    if finding.command:
        yield f"    {printable(finding.command)}"
    if finding.remedy:
        yield f"    # {printable(finding.remedy)}"


def _summary(diagnosis: Diagnosis) -> str:
    counts = [
        (sum(finding.level is level for finding in diagnosis.findings), level)
        for level in (Level.ERROR, Level.WARNING)
    ]
    summary = " and ".join(count_text(count, level.value) for count, level in counts if count)
    what = f" for {diagnosis.topology}" if diagnosis.topology else ""
    return f"{summary} in the way{what}" if summary else f"nothing is in the way{what}"
