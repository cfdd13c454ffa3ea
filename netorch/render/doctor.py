"""What doctor found, as tables of text and as JSON."""

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
    found: Diagnosis, *, colour: bool = False, verbose: bool = False, quiet: bool = False
) -> Iterator[str]:
    """The table of features, then what is in the way, each with its remedy; last a line that sums up. `quiet`: errors alone."""
    if quiet:
        for finding in found.findings:
            if finding.level is Level.ERROR:
                yield from _finding(finding, colour)
        return
    yield f"Linux {printable(found.release)}"
    rows = [(ability.what, ability.state.value, ability.keys) for ability in found.abilities]
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(2)]
    yield f"{_HEADER[0].ljust(widths[0])}  {_HEADER[1].ljust(widths[1])}  {_HEADER[2]}"
    for ability, (what, state, keys) in zip(found.abilities, rows, strict=True):
        yield f"{what.ljust(widths[0])}  {paint(state.ljust(widths[1]), _STATES[state], colour)}  {keys}"
        if ability.hint and state == "no":
            yield f"{''.ljust(widths[0])}  {printable(ability.hint)}"
        if verbose and (ability.module or ability.config):
            yield f"{''.ljust(widths[0])}  {', '.join(filter(None, (ability.config, ability.module and f'module {ability.module}')))}"
    yield ""
    for finding in found.findings:
        yield from _finding(finding, colour)
    yield _summary(found)


def document(found: Diagnosis) -> dict[str, Any]:
    """The fields of the JSON document."""
    return {
        "kernel": found.release,
        "root": found.root,
        "topology": found.topology or None,
        "well": found.well,
        "features": [
            {
                "feature": ability.what,
                "state": ability.state.value,
                "needed_by": ability.keys,
                "module": ability.module or None,
                "config": ability.config or None,
                "reason": ability.hint or None if ability.state.value == "no" else None,
            }
            for ability in found.abilities
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
            for finding in found.findings
        ],
    }


def _finding(finding: Finding, colour: bool) -> Iterator[str]:
    yield f"{paint(finding.level.value, _COLOURS[finding.level], colour)}: {printable(finding.what)}."
    if finding.command:
        yield f"    {printable(finding.command)}"
    if finding.remedy:
        yield f"    # {printable(finding.remedy)}"


def _summary(found: Diagnosis) -> str:
    counts = [
        (sum(finding.level is level for finding in found.findings), level)
        for level in (Level.ERROR, Level.WARNING)
    ]
    said = " and ".join(count_text(count, level.value) for count, level in counts if count)
    what = f" for {found.topology}" if found.topology else ""
    return f"{said} in the way{what}" if said else f"nothing is in the way{what}"
