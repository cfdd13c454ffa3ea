"""What other programs have put on a topology's links, and what Linux deletes together with these.

No plan has these objects, because they do not belong to the topology. So a plan that deletes such a
link says what goes with it, and a rollback makes it again. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from netorch.immutable import Value
from netorch.kinds.address import address_key, exact_request, ifaddr_of, is_made_by_linux
from netorch.kinds.base.ip_tunnel import MADE_BY_LINUX
from netorch.kinds.base.link import link_key
from netorch.kinds.neighbour import is_added, neighbour_key
from netorch.kinds.netns import netns_key
from netorch.kinds.port import TAKES_DOWN, options_as_read, port_key
from netorch.kinds.route import route_key
from netorch.netlink.constants import AF_INET6, RTPROT_KERNEL, RTPROT_RA, RTPROT_REDIRECT
from netorch.state.key import HOST, Key, is_attached, label_text
from netorch.state.plan import Plan
from netorch.state.resource import Resource
from netorch.values.requests import LinkSet, NeighbourAdd, Request, RouteAdd
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot

_BY_LINUX = frozenset((RTPROT_KERNEL, RTPROT_RA, RTPROT_REDIRECT))
"""The protocols of routes that Linux makes again by itself."""
_UPPER = frozenset(("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec", "vxlan"))
"""The kinds of links that Linux deletes with their parent."""

Links = Mapping[str, frozenset[int]]
"""Label → the indices of links."""


class Part(Value):
    """An object of another program that disappears with a link of the topology."""

    title: str
    link: str
    """The title of the link that it disappears with."""
    netns: str
    requests: tuple[Request, ...] = ()
    """The requests that make it again, empty if netorch cannot make it."""

    @property
    def what(self) -> tuple[str, tuple[Request, ...]]:
        """What identifies it: a route of the same key may have lost some of its next hops."""
        is_route = any(isinstance(request, RouteAdd) for request in self.requests)
        return self.title, self.requests if is_route else ()


def warnings_of(plan: Plan, snapshot: Snapshot, own: Mapping[Key, Resource]) -> list[str]:
    """Return a warning for each link outside of own namespaces whose deletion deletes more."""
    dying = {*(step.key for step in plan.deletes), *(one.key for one in plan.implied)}
    again = {step.key for step in plan.changes}
    links = {
        label: frozenset(link.index for link in netns.links if link_key(label, link.name) in dying)
        for label, netns in snapshot.namespaces.items()
        if label == HOST or is_attached(label)
    }
    by_link: dict[tuple[str, str], list[str]] = {}
    for part in parts(snapshot, own, links):
        by_link.setdefault((part.netns, part.link), []).append(part.title)
    remade = {own[key].title() for key in again if key.kind == "link" and key in own}
    return [
        f"{link} is {'made anew' if link in remade else 'deleted'}, and with it goes what netorch"
        f" did not make: {', '.join(titles)}"
        for (_, link), titles in by_link.items()
    ]


def lost_parts(before: Snapshot, now: Snapshot, own: Mapping[Key, Resource]) -> Sequence[Part]:
    """Return what disappeared with links and namespaces of the topology that were made again.

    `own` is what the topology had in the snapshot `before`.
    """
    gone: dict[str, frozenset[int]] = {}
    lost: list[Part] = []
    for label, netns in before.namespaces.items():
        there = now.namespaces.get(label)
        if there is None:
            continue
        stays = there.identity == netns.identity
        indices = {link.index for link in there.links} if stays else set()
        gone[label] = frozenset(
            link.index
            for link in netns.links
            if link.index not in indices and _is_own(label, link, own)
        )
        if not stays:
            lost += _links_inside(netns, own)
    present = {part.what for part in parts(now, own, _links_of(now, own))}
    return [*lost, *(part for part in parts(before, own, gone) if part.what not in present)]


def _links_inside(netns: NetnsSnapshot, own: Mapping[Key, Resource]) -> Iterator[Part]:
    """Yield the links of other programs in a namespace that was deleted."""
    resource = own.get(netns_key(netns.label))
    for link in netns.links if resource is not None else ():
        is_upper = link.kind in _UPPER and link.link and link.link_netnsid is None
        made = link.name == "lo" or link.name in MADE_BY_LINUX or not link.kind
        if resource and not (made or is_upper or link_key(netns.label, link.name) in own):
            title = f"{link.kind} {label_text(netns.label)}/{link.name}"
            yield Part(title, resource.title(), netns.label)


def _is_own(label: str, link: LinkRecord, own: Collection[Key]) -> bool:
    return link_key(label, link.name) in own or (link.name == "lo" and netns_key(label) in own)


def _links_of(snapshot: Snapshot, own: Collection[Key]) -> Links:
    return {
        label: frozenset(link.index for link in netns.links if _is_own(label, link, own))
        for label, netns in snapshot.namespaces.items()
    }


def parts(snapshot: Snapshot, own: Mapping[Key, Resource], links: Links) -> Iterator[Part]:
    """Yield what other programs have on these links. `own` is what the topology has."""
    for label, indices in links.items():
        if indices:
            yield from _parts(snapshot.namespaces[label], own, indices)


def _parts(
    netns: NetnsSnapshot, own: Mapping[Key, Resource], indices: frozenset[int]
) -> Iterator[Part]:
    label, by_index = netns.label, {link.index: link for link in netns.links}
    names = {by_index[index].name: index for index in indices}

    def part(what: str, name: str, *requests: Request) -> Part:
        resource = own.get(link_key(label, name))
        title = resource.title() if resource is not None else f"link {label_text(label)}/{name}"
        return Part(what, title, label, requests)

    place = label_text(label)
    for link in netns.links:
        if link.index in indices or link_key(label, link.name) in own:
            continue
        parent, master = by_index.get(link.link), by_index.get(link.master)
        if link.kind in _UPPER and link.link_netnsid is None and parent and parent.index in indices:
            yield part(f"{link.kind} {place}/{link.name}", parent.name)
        if master and master.index in indices and port_key(label, link.name) not in own:
            what = f"port {place}/{link.name} of {master.name}"
            yield part(what, master.name, *_join(label, link, master))
    sources: dict[bytes, str] = {}
    for record in netns.addresses:
        if record.index not in indices:
            continue
        link, address = by_index[record.index], ifaddr_of(record)
        if address_key(label, link.name, address) not in own and not is_made_by_linux(record, link):
            sources[record.local] = link.name
            what = f"address {place}/{link.name} {address}"
            yield part(what, link.name, exact_request(label, link.name, record))
    for spec in netns.routes:
        over = [hop.dev for hop in spec.hops if hop.dev in names]
        over += [sources[spec.src]] if spec.src in sources else []
        if over and over[0] and spec.protocol not in _BY_LINUX:
            key = route_key(label, spec)
            if key not in own:
                what = f"route {place} {key.name}"
                # Linux has each next hop of an IPv6 route by itself, and some may be there still
                legs = spec.legs if spec.family == AF_INET6 else (spec,)
                again = (RouteAdd(label, leg, append=spec.family == AF_INET6) for leg in legs)
                yield part(what, over[0], *again)
    for entry in netns.neighbours:
        if entry.index in indices and is_added(entry, by_index[entry.index]):
            name, text = by_index[entry.index].name, str(ip_address(entry.address))
            if neighbour_key(label, name, text) not in own:
                what = f"neighbour {place}/{name} {text}"
                values = (entry.family, entry.address, entry.mac, entry.protocol)
                yield part(what, name, NeighbourAdd(label, name, *values))


def _join(label: str, link: LinkRecord, master: LinkRecord) -> Iterable[Request]:
    alone = master.kind in TAKES_DOWN
    yield LinkSet(label, link.name, master=master.name, alone=alone)
    if master.kind == "bridge" and (options := options_as_read(link)):
        yield LinkSet(label, link.name, kind="bridge_slave", data=options)
