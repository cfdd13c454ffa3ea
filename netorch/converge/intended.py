"""Intended deviations: what users have done to a running topology on purpose.

`netorch link` sets a link down, and `netorch impair` impairs what it sends. The file of the
topology still says otherwise, but this is not drift. The deviations are on record in
`/run/netorch/NAME`, and `overlay` puts them over the desired state, so that everything that
compares knows of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from netorch.immutable import Value, replace
from netorch.kernel.files import records
from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.kernel.files.records import INTENDED
from netorch.language.impairment import Impairment
from netorch.state.key import Key
from netorch.values.typed_json import decode, encode

if TYPE_CHECKING:
    from netorch.resolve.desired import Desired
    from netorch.state.resource import Resource

MOST = 100_000
"""The largest number of deviations of one topology."""


class Flap(Value):
    """The process that sets a link down and up again and again."""

    every: float
    """The seconds between two changes."""
    pid: int
    started: int
    """Start time of the process (proc(5), field 22), because PIDs are used again."""
    down: bool
    """Whether the link is down now."""


class Deviation(Value):
    """One interface that is not as the file says, because a user wants that."""

    node: str
    """The node in the file."""
    interface: str
    """The interface as the user named it."""
    netns: str
    """The label of its namespace."""
    link: str
    """The name of the interface in the kernel."""
    since: float
    """The time of the command, in seconds since 1970."""
    who: str = ""
    """The user who ran the command, or ""."""
    impairment: Impairment | None = None
    """What is impaired instead of what the file says. None if the deviation is a link that is down.
    """
    flap: Flap | None = None
    """The process that flaps the link, or None."""

    @property
    def place(self) -> tuple[str, str, bool]:
        """What the deviation is about. A topology has one deviation for each place."""
        return self.netns, self.link, self.impairment is None

    @property
    def is_down(self) -> bool:
        """Whether the link is to be down."""
        return self.impairment is None and (self.flap is None or self.flap.down)

    @property
    def command(self) -> str:
        """The command that made it."""
        return "netorch link" if self.impairment is None else "netorch impair"

    @property
    def what(self) -> str:
        """The sentence about the interface, without its end."""
        subject = f"{self.node} {self.interface}"
        if self.impairment is None:
            if self.flap is not None:
                state = "down" if self.flap.down else "up"
                return f"{subject} flaps every {self.flap.every:g}s and is {state} now"
            return f"{subject} is down"
        values = self.impairment.file_values()
        if not values:
            return f"{subject} is not impaired"
        return f"{subject} has {', '.join(f'{key} {value}' for key, value in values.items())}"

    def text(self) -> str:
        """Return the sentence with its origin: `r1 eth0 is down (netorch link, 10:02)`."""
        return f"{self.what} ({self.command}, {self.clock})"

    @property
    def clock(self) -> str:
        """The local time of the command, with the date if that was not today."""
        then, now = time.localtime(self.since), time.localtime()
        form = "%H:%M" if then[:3] == now[:3] else "%Y-%m-%d %H:%M"
        return time.strftime(form, then)


Deviations = tuple[Deviation, ...]


class _Stored(Value):
    """The content of the file."""

    deviations: Deviations


def read(topology: str) -> tuple[Deviations, str]:
    """Return the deviations and "", or none and a warning if their record is damaged."""
    try:
        text = records.read_file(topology, INTENDED)
        return (() if text is None else _deviations_in(text)), ""
    except ValueError as error:
        return (), (
            f"{RUN_NETORCH}/{topology}/{INTENDED}: the record of intended deviations is "
            f"damaged and ignored ({error})."
        )


def _deviations_in(text: str) -> Deviations:
    """Decode the deviations. Raise ValueError if they are damaged."""
    deviations = decode(text, _Stored).deviations
    if len(deviations) > MOST:
        raise ValueError(f"it has more than {MOST} entries")
    if len({deviation.place for deviation in deviations}) < len(deviations):
        raise ValueError("it has an interface twice")
    for deviation in deviations:
        if deviation.impairment is not None and not deviation.impairment.is_possible:
            raise ValueError(f"{deviation.node} {deviation.interface} has an impossible impairment")
    return tuple(one for one in map(_without_dead_process, deviations) if one is not None)


def _without_dead_process(deviation: Deviation) -> Deviation | None:
    """Return a deviation as it is, whatever its process did before it was killed.

    A link that no longer flaps stays as it is: down on purpose, or up as in the file.
    """
    flap = deviation.flap
    if flap is None:
        return deviation
    from netorch.kernel.files.pending import start_time

    if start_time(flap.pid) == flap.started:
        return deviation
    return replace(deviation, flap=None) if flap.down else None


def write(topology: str, deviations: Deviations) -> None:
    """Write the deviations, replacing earlier ones. The caller holds the topology's lock."""
    if deviations:
        records.write_file(topology, INTENDED, encode(_Stored(deviations), indent=1))
    else:
        records.remove_file(topology, INTENDED)


def restore(topology: str, deviations: Deviations) -> None:
    """Restore the deviations that `records.keep` saved. `deviations` is their content."""
    if read(topology)[0] == deviations:
        return
    if deviations:
        records.restore_intended(topology)
    if read(topology)[0] != deviations:
        write(topology, deviations)


def with_deviation(deviations: Deviations, deviation: Deviation) -> Deviations:
    """Return the deviations with another one, which replaces that of the same place."""
    return (*without_places(deviations, [deviation.place]), deviation)


def without_places(deviations: Deviations, places: Iterable[tuple[str, str, bool]]) -> Deviations:
    """Return the deviations that are about other places."""
    ended = set(places)
    return tuple(deviation for deviation in deviations if deviation.place not in ended)


def with_intended(desired: Desired, deviations: Deviations) -> tuple[Desired, Deviations]:
    """Return what the file asks for with the deviations over it, and those that have an effect.

    A deviation has none if the file has no such interface, or says the same.
    """
    if not deviations:
        return desired, ()
    effective = tuple(
        deviation for deviation in deviations if not why_without_effect(desired.state, deviation)
    )
    return replace(desired, state=overlay(desired.state, effective)), effective


def why_without_effect(state: Mapping[Key, Resource], deviation: Deviation) -> str:
    """Return why a deviation has no effect on what a file asks for, or "" if it has one."""
    from netorch.kinds.base.link import link_key
    from netorch.kinds.up import up_key

    if link_key(deviation.netns, deviation.link) not in state:
        return "the file does not have this interface"
    if deviation.impairment is None:
        has_effect = up_key(deviation.netns, deviation.link) in state
    else:
        has_effect = overlay(state, [deviation]) is not state
    return "" if has_effect else "the file says the same"


def overlay(
    state: Mapping[Key, Resource], deviations: Sequence[Deviation]
) -> Mapping[Key, Resource]:
    """Return a desired state with the deviations over it.

    It is the same object if nothing changes. A link that is down loses what the kernel deletes with
    it: its routes, its IPv6 addresses, and what depends on them. A route with several next hops
    keeps those over other links. A deviation of an interface that the state does not have has no
    effect.
    """
    from netorch.kinds.up import up_key

    down = {
        key
        for deviation in deviations
        if deviation.is_down and (key := up_key(deviation.netns, deviation.link)) in state
    }
    result = _without_links(state, down) if down else state
    for deviation in deviations:
        if deviation.impairment is not None:
            result = _impaired(result, deviation, deviation.impairment)
    return result


def without_intended(
    observed: Mapping[Key, Resource],
    state: Mapping[Key, Resource],
    deviations: Sequence[Deviation],
) -> Mapping[Key, Resource]:
    """Return what was observed, as if the deviations over the desired `state` did not exist."""
    deviating = overlay(state, deviations)
    result = {
        key: resource for key, resource in observed.items() if key in state or key not in deviating
    }
    changed = {key: state[key] for key in state if deviating.get(key) is not state[key]}
    # in the order of the file, because readers expect the parts of a node in it
    return {
        **{key: changed.get(key, result[key]) for key in result},
        **changed,
    }


def _without_links(state: Mapping[Key, Resource], ups: set[Key]) -> Mapping[Key, Resource]:
    """Return the state after these links have gone down."""
    from netorch.kinds.route import Route
    from netorch.state.planner import deleted_with

    down = ups | _vlans_on(state, ups)
    gone = deleted_with(state, [*down])
    links = {(key.netns, key.parts[0]) for key in down}
    result: dict[Key, Resource] = {}
    for key, resource in state.items():
        if key in gone:
            continue
        result[key] = resource
        if isinstance(resource, Route) and len(resource.spec.hops) > 1:
            hops = tuple(hop for hop in resource.spec.hops if (key.netns, hop.dev) not in links)
            if not hops:
                del result[key]
            elif len(hops) < len(resource.spec.hops):
                # the kernel ignores the weight of a single next hop
                hops = (replace(hops[0], weight=1),) if len(hops) == 1 else hops
                result[key] = replace(resource, spec=replace(resource.spec, hops=hops))
    return result


def _vlans_on(state: Mapping[Key, Resource], ups: set[Key]) -> set[Key]:
    """Return the keys of the VLAN links that the kernel takes down with their parents."""
    from netorch.kinds.up import up_key
    from netorch.kinds.vlan import Vlan

    uppers: dict[Key, list[Key]] = {}
    for resource in state.values():
        if isinstance(resource, Vlan) and resource.parent is not None:
            uppers.setdefault(up_key(*resource.parent), []).append(
                up_key(resource.netns, resource.name)
            )
    above: set[Key] = set()
    queue = [*ups] if uppers else []
    while queue:
        for upper in uppers.get(queue.pop(), ()):
            if upper not in above:
                above.add(upper)
                queue.append(upper)
    return above & state.keys()


def _impaired(
    state: Mapping[Key, Resource], deviation: Deviation, impairment: Impairment
) -> Mapping[Key, Resource]:
    """Return the state with another impairment of one interface."""
    from netorch.kinds.base.link import link_key
    from netorch.kinds.impair import Impair, impair_key

    link = state.get(link_key(deviation.netns, deviation.link))
    if link is None:
        return state
    key = impair_key(deviation.netns, deviation.link)
    if not impairment:
        if key not in state:
            return state
        return {other: resource for other, resource in state.items() if other != key}
    asked = Impair.of(deviation.netns, deviation.link, impairment, getattr(link, "mtu", 0))
    return state if state.get(key) == asked else {**state, key: asked}
