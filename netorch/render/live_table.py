"""Writes the list of live topologies."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from netorch.converge.live import Live
from netorch.errors import printable
from netorch.render.changes import count_differences
from netorch.render.json import intended
from netorch.state.key import HOST
from netorch.values.marks import Mark

_HEADER = ("NAME", "NODES", "LINKS", "STATUS", "APPLIED", "FILE")


def row(entry: Live) -> dict[str, Any]:
    """Return one topology for the JSON document. A link with two ends counts once."""
    links = {
        frozenset((key, resource.paired_key or key))
        for key, resource in entry.state.items()
        if key.kind == "link" and key.name != "lo"
    }
    # a namespace that somebody has deleted leaves its files in /etc/netns
    labels = {key.netns for key in entry.state if key.kind != "file"}
    nodes = labels - {HOST, Mark(entry.name).fabric}
    machine = entry.record.machine if entry.record else ""
    return {
        "name": entry.name,
        **({"machine": machine} if machine else {}),
        "nodes": len(nodes),
        "links": sum(len(pair) == 2 for pair in links),
        "status": _status(entry),
        "differences": None if entry.difference is None else count_differences(entry.difference),
        "intended": intended(entry.intended),
        "applied": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(entry.record.applied))
        if entry.record
        else None,
        "file": printable(entry.record.source) if entry.record else None,
    }


def listing(live: Sequence[Live]) -> Iterator[str]:
    if not live:
        yield "no topology is live here"
        return
    on_machines = any(entry.record and entry.record.machine for entry in live)
    rows = [(*_HEADER[:1], "MACHINE", *_HEADER[1:]) if on_machines else _HEADER]
    for entry in live:
        values = row(entry)
        applied = (values["applied"] or "-").replace("T", " ")[:19]
        rows.append(
            (
                values["name"],
                *([values.get("machine", "-")] if on_machines else []),
                str(values["nodes"]),
                str(values["links"]),
                values["status"] + (f", {len(entry.intended)} intended" if entry.intended else ""),
                applied,
                values["file"] or "-",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(cells, widths, strict=True)
        ).rstrip()


def _status(entry: Live) -> str:
    if entry.difference is None:
        return "unknown"
    return "drifted" if entry.difference else "in sync"
