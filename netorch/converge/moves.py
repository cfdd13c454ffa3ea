"""Find what a plan moves: addresses, MACs and bridge ports that others may have learned.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address

from netorch.kinds.address import Address
from netorch.kinds.base.link import Link, link_key
from netorch.kinds.netns import Netns
from netorch.kinds.port import Port, port_key
from netorch.kinds.route import Route
from netorch.kinds.up import Up, up_key
from netorch.kinds.vlans import PortVlans
from netorch.state.by_class import of_class
from netorch.state.key import HOST, Key, is_attached
from netorch.state.plan import Plan, Step
from netorch.state.resource import Disruption, Resource, State
from netorch.values.moves import Links, Moves

_LEARNING = frozenset(("bridge", "vxlan"))
"""Kinds of links that learn MACs."""
_TAKES_FRAMES = frozenset(("bridge", "bond"))
"""Kinds of masters whose ports do not answer for addresses themselves."""
_ETHERNET = 6
"""The number of bytes of a MAC. Links with other addresses have no neighbours to announce to."""

Place = tuple[Key, bytes]
"""A link and its MAC."""


def moves(plan: Plan, before: State, after: State) -> Moves | None:
    """Return what `plan` has moved between the two states, or None if it moved nothing.

    The result is also None if nothing existed before, because then nobody can have learned
    anything.
    """
    macs = _macs(before)
    macs_now = _macs(after) if macs else {}
    if not macs_now:
        return None
    places, places_now = _places(before, macs), _places(after, macs_now)
    elsewhere = [address for address, where in places.items() if where != places_now.get(address)]
    touched, any_mac = _touched(plan, before, after)
    touched |= {key for key, mac in macs_now.items() if macs.get(key, mac) != mac}
    touched = _with_upper_links(touched, after)
    announcing = touched | {
        key
        for address, where in places_now.items()
        if where != places.get(address)
        for key, _ in where
    }
    gone = frozenset(macs.values()) - frozenset(macs_now.values())
    announced: dict[str, set[str]] = {}
    for key in announcing & macs_now.keys():
        port = after.get(port_key(key.netns, key.parts[0]))
        if isinstance(port, Port) and port.of in _TAKES_FRAMES:
            continue
        announced.setdefault(key.netns, set()).add(key.parts[0])
    rerouted = any(isinstance(step.before, Route | Netns) for step in plan.steps) or any(
        _links_of(places[address]) != _links_of(places_now.get(address, ()))
        for address in elsewhere
    )
    if not (announced or elsewhere or gone or any_mac or rerouted):
        return None
    return Moves(
        announced={label: frozenset(names) for label, names in announced.items()},
        places={
            ip_address(address).packed: frozenset(mac for _, mac in places_now.get(address, ()))
            for address in elsewhere
        },
        gone=gone,
        macs=gone | {mac for key in touched for mac in _both(key, macs, macs_now)},
        any_mac=any_mac,
        rerouted=rerouted,
        neighbours=_links(macs_now, macs_now),
        bridges=_links(macs_now, [key for key in macs_now if after[key].KIND in _LEARNING]),
    )


def _macs(state: State) -> dict[Key, bytes]:
    """Return the MACs of the Ethernet links."""
    macs = {}
    for link in of_class(state, Link):
        if len(link.mac) == 3 * _ETHERNET - 1:
            macs[link.key] = bytes.fromhex(link.mac.replace(":", ""))
    return macs


def _places(state: State, macs: Mapping[Key, bytes]) -> dict[str, set[Place]]:
    """Return address → the links that answer for it, with their MACs. These links are up."""
    places: dict[str, set[Place]] = {}
    for address in of_class(state, Address):
        key = link_key(address.netns, address.link)
        if key in macs and up_key(address.netns, address.link) in state:
            places.setdefault(address.address.local, set()).add((key, macs[key]))
    return places


def _links_of(places: Iterable[Place]) -> set[Key]:
    return {key for key, _ in places}


def _touched(plan: Plan, before: State, after: State) -> tuple[set[Key], bool]:
    """Return the links that are new or behind another port now.

    Also returns whether a port moved with an unknown set of MACs behind it.
    """
    touched: set[Key] = set()
    any_mac = False
    for resource in _moving(plan):
        key = resource.key if isinstance(resource, Link) else resource.part_of
        assert key is not None
        touched.add(key)
        if isinstance(resource, Port | PortVlans):
            link = after.get(key, before.get(key))
            peer = link.paired_key if link is not None else None
            if peer is not None and not _is_port(before, after, peer):
                touched.add(peer)
                continue
            any_mac = True
            if isinstance(resource, Port):
                touched.add(link_key(resource.netns, resource.master))
    return touched, any_mac


def _moving(plan: Plan) -> Iterator[Resource]:
    for step in plan.steps:
        if _moves_frames(step):
            yield step.resource
    for resource in plan.implied:
        if isinstance(resource, Link | Port):
            yield resource


def _moves_frames(step: Step) -> bool:
    resource = step.resource
    if isinstance(resource, Link):
        return step.before is None or step.after is None
    if isinstance(resource, Port):
        return step.disruption is not Disruption.UPDATE
    return isinstance(resource, PortVlans) or (isinstance(resource, Up) and step.after is not None)


def _is_port(before: State, after: State, link: Key) -> bool:
    """Whether a link is or was a port, so that other nodes may be behind it, too."""
    key = port_key(link.netns, link.parts[0])
    return key in before or key in after


def _with_upper_links(touched: set[Key], state: State) -> set[Key]:
    """Return `touched` with all upper links of these links."""
    children: dict[Key, list[Key]] = {}
    for link in of_class(state, Link):
        for container in link.dies_with:
            if container.kind == "link":
                children.setdefault(container, []).append(link.key)
    result, queue = set(touched), list(touched)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in result:
                result.add(child)
                queue.append(child)
    return result


def _both(key: Key, before: Mapping[Key, bytes], after: Mapping[Key, bytes]) -> list[bytes]:
    """Return the old and the new MAC of a link; none for a new link, which nobody knows yet."""
    return [macs[key] for macs in (before, after) if key in macs] if key in before else []


def _links(links: Iterable[Key], chosen: Iterable[Key]) -> Links:
    """Return namespace → its links to look at, for the namespaces of the `chosen` links.

    None means all links; in namespaces that netorch did not make, only its own links count.
    """
    names: dict[str, set[str]] = {}
    for key in links:
        names.setdefault(key.netns, set()).add(key.parts[0])
    return {
        label: frozenset(names[label]) if label == HOST or is_attached(label) else None
        for label in dict.fromkeys(key.netns for key in chosen)
    }
