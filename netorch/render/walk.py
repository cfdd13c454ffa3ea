"""Writes a walk as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.errors import printable
from netorch.walk.result import ARRIVES, FAILS, LEAVES, Leg, Walk, WalkStep

_WAYS = {ARRIVES: "arrives", FAILS: "does not arrive", LEAVES: "leaves what netorch can see"}


def lines(walk: Walk) -> Iterator[str]:
    """Yield the numbered hops there and back, then the ways, doubts, remarks and the verdict."""
    # escaped, because anyone may have chosen the names of links and the comments of rules
    return map(printable, _lines(walk))


def _lines(walk: Walk) -> Iterator[str]:
    if walk.target_address:
        origin = f" from {walk.source_address}" if walk.source_address else ""
        ends = f"{walk.source} → {walk.target}"
        yield f"{ends}: {_protocol_text(walk)}{origin} to {walk.target_address}"
    number = 0
    for title, leg in (("", walk.there), ("the answer:", walk.back)):
        if leg is None:
            continue
        if title and leg.steps:
            yield title
        for step in leg.steps:
            number += 1
            yield from _step(number, step)
    for way in walk.ways:
        yield f"way {way.text}: {_WAYS[way.outcome]}{f': {way.cause}' if way.cause else ''}"
    for doubt in walk.doubts:
        yield f"not certain: {doubt}"
    for remark in walk.remarks:
        yield f"remark: {remark}"
    yield _verdict(walk)


def verdict(walk: Walk) -> str:
    """Return a sentence that says whether the packet arrives, and if not, where it ends and why."""
    return printable(_verdict(walk))


def _verdict(walk: Walk) -> str:
    names = f"{walk.source} → {walk.target}"
    if walk.outcome == ARRIVES:
        sure = ", as far as could be evaluated" if walk.doubts else ""
        ways = f" by each of {len(walk.ways)} ways" if walk.ways else ""
        return f"{names}: arrives{ways}, and the answer comes back{sure}"
    unsure = "" if walk.certain else ", as far as could be evaluated"
    if walk.outcome == LEAVES:
        which = "" if walk.back is None else "the answer: "
        return f"{names}: {which}{walk.cause}{unsure}"
    by = ""
    if walk.differs:
        failing = [way for way in walk.ways if way.outcome == FAILS]
        by = f" by {len(failing)} of {len(walk.ways)} ways ({failing[0].text})"
    if walk.there.outcome == ARRIVES:
        return f"{names}: arrives, but the answer does not come back{by}: {walk.cause}{unsure}"
    return f"{names}: does not arrive{by}: {walk.cause}{unsure}"


def _protocol_text(walk: Walk) -> str:
    return (
        f"TCP port {walk.port}"
        if walk.protocol == "tcp"
        else "ICMP echo"
        if walk.protocol == "icmp"
        else "ICMPv6 echo"
    )


def _step(number: int, step: WalkStep) -> Iterator[str]:
    where = f" ({step.machine}{', as in the file' if step.by_file else ''})" if step.machine else ""
    yield f"{number:3}. {step.node}{where}: {step.text}"
    for note in step.notes:
        yield f"     {note}"
    if step.through:
        yield f"     through {', '.join(step.through)}"


def document(walk: Walk, *, live: bool) -> dict[str, object]:
    """Return the fields of `explain -o json`."""
    return {
        "from": walk.source,
        "to": walk.target,
        "live": live,
        "protocol": walk.protocol,
        "port": walk.port or None,
        "source": walk.source_address or None,
        "destination": walk.target_address or None,
        "outcome": walk.outcome,
        "cause": walk.cause or None,
        "there": _leg(walk.there),
        "back": None if walk.back is None else _leg(walk.back),
        "ways": [
            {"by": way.text, "outcome": way.outcome, "cause": way.cause or None}
            for way in walk.ways
        ],
        "certain": walk.certain,
        "doubts": list(walk.doubts),
        "remarks": list(walk.remarks),
    }


def _leg(leg: Leg) -> dict[str, object]:
    return {
        "outcome": leg.outcome,
        "cause": leg.cause or None,
        "hops": [_hop(step) for step in leg.steps],
    }


def _hop(step: WalkStep) -> dict[str, object]:
    return {
        "node": step.node,
        "in": step.iif or None,
        "out": step.oif or None,
        "via": step.via or None,
        "route": step.route or None,
        "text": step.text,
        "notes": list(step.notes),
        "through": list(step.through),
        **_machines(step),
    }


def _machines(step: WalkStep) -> dict[str, object]:
    """Return the fields that a hop has in a topology over several machines."""
    if not step.machine:
        return {}
    crossings = [
        {
            "from": crossing.source,
            "to": crossing.target,
            "vni": crossing.vni,
            "port": crossing.port,
            "local": str(crossing.local),
            "remote": str(crossing.remote),
            "encrypted": crossing.encrypted,
            "mtu": crossing.mtu,
        }
        for crossing in step.crossings
    ]
    return {"machine": step.machine, "by_file": step.by_file, "tunnels": crossings}
