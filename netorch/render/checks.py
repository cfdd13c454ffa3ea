"""Writes the outcomes of checks as text and as JSON.

The text has a row for each check, and a matrix for a check of all members of a network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netorch.checks.probes import Outcome, Try
from netorch.errors import printable
from netorch.render.text import count_text, paint
from netorch.resolve.desired import Check

MATRIX = 24
"""The most members of a network that get a matrix: a larger one is too wide for a terminal."""
PAIRS = 20
"""The most failed pairs of a network that are listed without `-v`."""
_GREEN, _RED = "32", "31"


class Listed:
    """Tells which failed outcomes are listed, if it is asked for each of them in their order."""

    def __init__(self, *, all_pairs: bool) -> None:
        self._all_pairs = all_pairs
        self._counts: Counter[int] = Counter()

    def lists(self, failed: Outcome) -> bool:
        """Return whether the outcome is listed. The others of a large network are only counted."""
        self._counts[failed.number] += 1
        return self._all_pairs or not failed.network or self._counts[failed.number] <= PAIRS


def lines(
    checks: Sequence[Check],
    outcomes: Sequence[Outcome],
    *,
    colour: bool = False,
    verbose: bool = False,
    file: str = "",
) -> Iterator[str]:
    """Yield a row for each check.

    Its columns are whether the check passed, the source, the target, the probe, and the round trip
    or the reason.
    """
    by_check = _by_check(outcomes)
    rows = [_row(check, by_check.get(number, [])) for number, check in enumerate(checks)]
    widths = [max((len(cells[column]) for cells in rows), default=0) for column in range(4)]
    for (*cells, last), (number, check) in zip(rows, enumerate(checks), strict=True):
        first, *others = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        text = "  ".join(
            [paint(first, _GREEN if cells[0] == "ok" else _RED, colour), *others, last]
        ).rstrip()
        own = by_check.get(number, [])
        failed = [outcome for outcome in own if not outcome.passed]
        where = own[0].where if own else None
        yield (
            f"{text}  # {file}:{where.line}"
            if where is not None and (verbose or failed) and file
            else text
        )
        if check.network:
            yield from _matrix(check, own, colour)
            yield from _failed(failed, colour, verbose)
        else:
            yield from (f"        {printable(why)}" for outcome in failed for why in outcome.why)


_NO_MACHINES: Mapping[str, int] = {}


def summarize(
    checks: Sequence[Check],
    outcomes: Sequence[Outcome],
    skipped: Mapping[str, int] = _NO_MACHINES,
) -> str:
    """Return the result in one line.

    `skipped` is another machine → the number of checks that can be tried only there.
    """
    elsewhere = ", ".join(f"{number} on {machine}" for machine, number in skipped.items())
    more = f"; not tried here: {elsewhere}" if skipped else ""
    if not checks and skipped:
        return f"nothing was tried here{more}"
    if not checks:
        return "the file has no `checks`: nothing was tried"
    result = counts(checks, outcomes)
    if not result["failed"]:
        return f"{count_text(result['ok'], 'check')} ok{more}"
    return f"{result['failed']} of {count_text(len(checks), 'check')} FAILED{more}"


def counts(checks: Sequence[Check], outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return how many entries of `checks` passed and failed.

    A check of a network fails if one of its pairs does.
    """
    failed = {outcome.number for outcome in outcomes if not outcome.passed}
    return {"ok": len(checks) - len(failed), "failed": len(failed)}


def rows(checks: Sequence[Check], outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the checks for the JSON document."""
    by_check = _by_check(outcomes)
    return [_entry(check, by_check.get(number, [])) for number, check in enumerate(checks)]


def _by_check(outcomes: Sequence[Outcome]) -> Mapping[int, list[Outcome]]:
    by_check: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        by_check.setdefault(outcome.number, []).append(outcome)
    return by_check


def _probe_text(check: Check) -> str:
    what = f"tcp {check.tcp}" if check.tcp else f"mtu {check.mtu}" if check.mtu else "ping"
    return what if check.reachable else f"no {what}"


def _row(check: Check, outcomes: Sequence[Outcome]) -> tuple[str, str, str, str, str]:
    failed = sum(not outcome.passed for outcome in outcomes)
    verdict = "FAILED" if failed else "ok"
    if check.network:
        size = f"{count_text(len(check.members), 'member')}, {count_text(len(outcomes), 'pair')}"
        return (
            verdict,
            "all",
            check.network,
            _probe_text(check),
            f"{size}, {failed} FAILED" if failed else size,
        )
    outcome = outcomes[0]
    if outcome.passed and outcome.reachable:
        assert outcome.seconds is not None
        return verdict, outcome.source, outcome.target, outcome.what, _time(outcome.seconds)
    return verdict, outcome.source, outcome.target, outcome.what, outcome.reason


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.{2 if seconds < 0.01 else 1 if seconds < 0.1 else 0}f} ms"


def _matrix(check: Check, outcomes: Sequence[Outcome], colour: bool) -> Iterator[str]:
    """Yield a matrix with a row for each source and a column for each target."""
    names = [end.name for end in check.members]
    if not 2 <= len(names) <= MATRIX:
        return
    cells = {(outcome.source, outcome.target): outcome.passed for outcome in outcomes}
    # members on other machines send nothing from here
    senders = {end.name for end in check.members if end.label}
    width = max(len("from"), *map(len, names))
    # names that are too long for column heads are replaced by numbers, which the rows have too
    numbered = (width + 2) * len(names) > 100
    heads = [str(number) for number in range(1, len(names) + 1)] if numbered else names
    rows = (
        [f"{number:>2} {name.ljust(width)}" for number, name in enumerate(names, 1)]
        if numbered
        else [name.ljust(width) for name in names]
    )
    column = max(6, *map(len, heads)) if not numbered else 2
    yield (
        f"        {'from':<{len(rows[0])}}  "
        + "  ".join(head.ljust(column) for head in heads).rstrip()
    )
    for name, row in zip(names, rows, strict=True):
        if name not in senders:
            continue
        texts = []
        for other in names:
            passed = cells.get((name, other))
            word = "·" if passed is None else ("ok" if passed else "x" if numbered else "FAILED")
            texts.append(
                paint(word.ljust(column), _RED, colour) if passed is False else word.ljust(column)
            )
        yield f"        {row}  " + "  ".join(texts).rstrip()


def _failed(failed: Sequence[Outcome], colour: bool, verbose: bool) -> Iterator[str]:
    listed = failed if verbose else failed[:PAIRS]
    for outcome in listed:
        yield paint(f"        {outcome.source} → {outcome.target}: {outcome.reason}", _RED, colour)
        yield from (f"          {printable(why)}" for why in outcome.why)
    if len(listed) < len(failed):
        worst = Counter(
            end for outcome in failed for end in (outcome.source, outcome.target)
        ).most_common(3)
        most = ", ".join(f"{name} ({count})" for name, count in worst)
        more = len(failed) - len(listed)
        yield f"        … and {more} more, most of them with {most} (-v lists them all)"


def _entry(check: Check, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    where = outcomes[0].where if outcomes else None
    return {
        "passed": all(outcome.passed for outcome in outcomes),
        "what": "tcp" if check.tcp else "mtu" if check.mtu else "ping",
        "tcp": check.tcp or None,
        "mtu": check.mtu or None,
        "reachable": check.reachable,
        "network": check.network or None,
        **({"tunnel": check.tunnel} if check.tunnel else {}),
        "pairs": [_pair(outcome) for outcome in outcomes],
        "line": where.line if where else None,
        "column": where.column if where else None,
    }


def _pair(outcome: Outcome) -> dict[str, Any]:
    return {
        "from": outcome.source,
        "to": outcome.target,
        "passed": outcome.passed,
        "reason": outcome.reason or None,
        "why": list(outcome.why),
        "rtt_ms": _ms(outcome.seconds),
        "tries": [_try(entry) for entry in outcome.tries],
    }


def _try(entry: Try) -> dict[str, Any]:
    return {
        "address": str(entry.address),
        "result": entry.reply.sort.value,
        "reason": entry.text or None,
        "rtt_ms": _ms(entry.seconds),
        "sender": entry.reply.sender or None,
        "mtu": entry.reply.mtu or None,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
