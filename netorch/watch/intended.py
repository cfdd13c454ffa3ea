"""What users of netorch have done on purpose: events for its begin and its end.

This module is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netorch.converge.intended import Deviation
from netorch.immutable import Value
from netorch.watch.events import Event, Sort


class Intention(Value):
    """What users are told of a deviation."""

    object: str
    text: str


def intentions(deviations: Iterable[Deviation]) -> dict[tuple[object, ...], Intention]:
    """Return the deviations by their places. A link that flaps stays the same in all its states."""
    return {one.place: Intention(f"{one.node}/{one.interface}", _text(one)) for one in deviations}


def _text(deviation: Deviation) -> str:
    if deviation.flap is not None:
        return f"flaps every {deviation.flap.every:g} s"
    return deviation.what.removeprefix(f"{deviation.node} {deviation.interface} ")


def advance(
    reports: Mapping[tuple[object, ...], Intention], now: Mapping[tuple[object, ...], Intention]
) -> list[Event]:
    """Return the events for deviations that have begun or changed, and for those that ended."""
    return [
        *(
            Event(0.0, "", Sort.INTENDED, one.object, reason=one.text)
            for place, one in now.items()
            if reports.get(place) != one
        ),
        *(
            Event(0.0, "", Sort.RESTORED, one.object, reason="is as in the file again")
            for place, one in reports.items()
            if place not in now
        ),
    ]
