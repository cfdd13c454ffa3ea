"""The measurements as a plain table, and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from tests.benchmarks import figures
from tests.benchmarks.figures import Clock, Round
from tests.benchmarks.peers import PEERS
from tests.benchmarks.targets import judge


class Row(NamedTuple):
    """An operation, and the parts of the floor that do the same work."""

    subject: str
    operation: str
    floor: tuple[str, ...]


ROWS = (
    Row("whole", "apply", ("create",)),
    Row("whole", "apply again", ("read",)),
    Row("whole", "diff", ("read",)),
    Row("whole", "change", ("read", "change")),
    Row("whole", "destroy", ("destroy",)),
    Row("engine", "apply", ("create",)),
    Row("engine", "read", ("read",)),
    Row("engine", "change", ("change",)),
    Row("engine", "destroy", ("destroy",)),
)
PARTS = {
    "load": "engine load",
    "read": "engine read",
    "plan": "engine plan",
    "execute": "engine apply",
    "floor": "floor create",
}
"""Parts whose growth is reported → the measurement of each."""

LEGEND = """\
The times are medians of the rounds; ratios are medians of the ratios within each round. `whole` is
the command from the start of Python to the end of the process. `engine` is the work alone, in a
process that has all imports. `floor` is the bare system calls for the same work, by their own clock:
create for apply; read for diff and for an apply with nothing to do; read and change for an apply of
one change; nft for published ports. Destroying ends when the kernel has torn everything down. `cpu`
is the processor time of the process: it is steadier on a busy machine than the wall clock, and lacks
the work that the kernel does in the background. netorch writes a hosts file for each node, reads
back everything that it made, and can undo; the floor does not. Peers make the same star; they are
measured from the start of their process."""


@dataclass(slots=True)
class Results:
    """All measurements."""

    rounds: dict[str, list[Round]] = field(default_factory=dict)
    """Shape → its rounds."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Shape → its size."""
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    """Shape → series that failed → message."""
    pure: dict[int, dict[str, float]] = field(default_factory=dict)
    """Size → part → milliseconds of the parts that need no kernel."""
    peers: bool = True
    """Whether other tools are measured."""


def operations(results: Results) -> list[dict[str, object]]:
    """Return a row for each operation at each shape."""
    rows: list[dict[str, object]] = []
    for shape, rounds in results.rounds.items():
        for row in ROWS:
            what, floors = f"{row.subject} {row.operation}", [f"floor {name}" for name in row.floor]
            if (milliseconds := figures.median(rounds, what)) is None:
                continue
            parts = [figures.median(rounds, name) for name in floors]
            rows.append(
                {
                    "shape": shape,
                    "subject": row.subject,
                    "operation": row.operation,
                    "milliseconds": milliseconds,
                    "floor": "+".join(row.floor),
                    "floor_milliseconds": None
                    if None in parts
                    else sum(part for part in parts if part is not None),
                    "ratio": figures.ratio(rounds, what, *floors),
                    "ratio_to_create": figures.ratio(rounds, what, "floor create"),
                    "processor_milliseconds": figures.median(rounds, what, "processor"),
                    "processor_ratio": figures.ratio(rounds, what, *floors, clock="processor"),
                    "peak_megabytes": figures.peak(rounds, what),
                }
            )
    return rows


def peers(results: Results) -> list[dict[str, object]]:
    """Return a row for each peer at each shape at which it is measured.

    `state` is measured, not measured, failed, or not installed.
    """
    rows: list[dict[str, object]] = []
    for shape, rounds in results.rounds.items():
        for peer in PEERS if results.peers else ():
            if shape not in peer.shapes:
                continue
            milliseconds = figures.median(rounds, peer.name)
            if not peer.installed():
                state = f"not installed: {peer.install}"
            elif peer.name in results.failed.get(shape, {}):
                state = "failed"
            else:
                state = "measured" if milliseconds is not None else "not measured"
            row: dict[str, object] = {
                "shape": shape,
                "peer": peer.name,
                "state": state,
                "milliseconds": milliseconds,
            }
            row["ratio_to_apply"] = figures.ratio(rounds, peer.name, "whole apply")
            row["ratio_to_floor"] = figures.ratio(rounds, peer.name, "floor create")
            rows.append(row)
    return rows


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of a part with the size of a star."""

    milliseconds_per_node: dict[int, float]
    """Size → milliseconds of wall-clock time for each node."""
    fitted: list[int]
    """The sizes from which the exponents are computed."""
    exponent: float | None
    """The exponent of wall-clock time."""
    processor_exponent: float | None
    """The exponent of processor time."""


def growth(results: Results) -> dict[str, Growth]:
    """Return part → its growth with the size of a star."""
    stars = {
        results.sizes[shape]: rounds
        for shape, rounds in results.rounds.items()
        if shape.startswith("star-")
    }
    growths = {
        part: _grown(_costs(stars, what, "milliseconds"), _costs(stars, what, "processor"))
        for part, what in PARTS.items()
    }
    for part in ("load", "plan"):
        costs = {size: parts[part] for size, parts in results.pure.items()}
        growths[f"{part}, without a kernel"] = _grown(costs, costs)
    return growths


def _costs(stars: Mapping[int, Sequence[Round]], what: str, clock: Clock) -> dict[int, float]:
    return {
        size: cost
        for size, rounds in sorted(stars.items())
        if (cost := figures.median(rounds, what, clock)) is not None
    }


def _large(costs: Mapping[int, float]) -> Mapping[int, float]:
    """Return the costs from 100 nodes on, which show how a cost grows.

    Most of the cost of ten nodes is fixed. Returns all costs if fewer than two are large enough.
    """
    large = {size: cost for size, cost in costs.items() if size >= 100}
    return large if len(large) > 1 else costs


def _grown(clock: Mapping[int, float], processor: Mapping[int, float]) -> Growth:
    fitted = _large(clock)
    per_node = {size: cost / size for size, cost in clock.items()}
    return Growth(
        per_node, list(fitted), figures.exponent(fitted), figures.exponent(_large(processor))
    )


def document(results: Results) -> dict[str, object]:
    """Return everything for JSON; `rounds` has the raw figures."""
    return {
        "machine": {
            "kernel": platform.release(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
        "operations": operations(results),
        "floor": {shape: _floors(rounds) for shape, rounds in results.rounds.items()},
        "phases": {
            shape: figures.phase_medians(rounds) for shape, rounds in results.rounds.items()
        },
        "peers": peers(results),
        "growth": {part: asdict(grown) for part, grown in growth(results).items()},
        "targets": [asdict(verdict) for verdict in judge(results.rounds)],
        "failed": results.failed,
        "rounds": {
            shape: [asdict(one) for one in rounds] for shape, rounds in results.rounds.items()
        },
    }


def _floors(rounds: Sequence[Round]) -> dict[str, float | None]:
    return {
        what: figures.median(rounds, f"floor {what}")
        for what in ("create", "read", "change", "destroy")
    }


def number(value: object, digits: int = 1) -> str:
    return f"{value:,.{digits}f}" if isinstance(value, float | int) else "–"


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return lines in columns; the first `left` columns are aligned to the left."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return [line(head), *(line(row) for row in rows)]


def table(results: Results) -> str:
    """Return everything as a text for reading."""
    lines = [LEGEND, ""]
    head = (
        "shape",
        "",
        "operation",
        "ms",
        "floor ms",
        "× floor",
        "× its create",
        "cpu ms",
        "× floor",
        "peak MB",
    )
    rows = [
        (
            *(str(row[key]) for key in ("shape", "subject", "operation")),
            *(number(row[key]) for key in ("milliseconds", "floor_milliseconds")),
            *(number(row[key], 2) for key in ("ratio", "ratio_to_create")),
            number(row["processor_milliseconds"]),
            number(row["processor_ratio"], 2),
            number(row["peak_megabytes"], 0),
        )
        for row in operations(results)
    ]
    lines += [*aligned(head, rows, 3), ""]
    phases = {shape: figures.phase_medians(rounds) for shape, rounds in results.rounds.items()}
    if named := list(next(iter(phases.values()), {})):
        rows = [
            (shape, *(number(medians.get(phase)) for phase in named), number(sum(medians.values())))
            for shape, medians in phases.items()
        ]
        lines += [*aligned(("phases of apply, ms", *named, "sum"), rows), ""]
    if peer_rows := peers(results):
        rows = [
            (
                str(row["shape"]),
                str(row["peer"]),
                number(row["milliseconds"]),
                number(row["ratio_to_apply"]),
                number(row["ratio_to_floor"]),
            )
            for row in peer_rows
        ]
        peer_lines = aligned(("shape", "peer", "ms", "× apply", "× floor"), rows, 2)
        lines += [
            peer_lines[0],
            *(_with_state(line, row) for line, row in zip(peer_lines[1:], peer_rows, strict=True)),
            "",
        ]
    lines += [*_growth_lines(growth(results)), ""]
    verdicts = [
        (
            verdict.what,
            verdict.target,
            verdict.measured,
            {True: "met", False: "missed", None: ""}[verdict.met],
        )
        for verdict in judge(results.rounds)
    ]
    lines += aligned(("target", "", "measured", ""), verdicts)
    lines += [
        f"FAILED {shape}: {series}: {message}"
        for shape, failed in results.failed.items()
        for series, message in failed.items()
    ]
    return "\n".join(lines)


def _with_state(line: str, row: Mapping[str, object]) -> str:
    return line if row["state"] == "measured" else f"{line}  {row['state']}"


def _growth_lines(grown: Mapping[str, Growth]) -> list[str]:
    sizes = sorted({size for part in grown.values() for size in part.milliseconds_per_node})
    rows = [
        (
            name,
            *(number(part.milliseconds_per_node.get(size), 3) for size in sizes),
            number(part.exponent, 2),
            number(part.processor_exponent, 2),
        )
        for name, part in grown.items()
    ]
    return aligned(
        ("star, ms a node", *(f"{size:,}" for size in sizes), "exponent", "of cpu"), rows
    )
