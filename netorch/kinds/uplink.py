"""Uplinks: foreign NICs that are ports of a bridge of the topology.

While a NIC is an uplink, its addresses and routes are on the bridge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds import address, route
from netorch.kinds.base.link import link_key
from netorch.kinds.base.stacked import KINDS
from netorch.kinds.netns import netns_key
from netorch.kinds.up import up_key
from netorch.netlink.address_moves import goes_along, identity
from netorch.state.key import Key, label_text
from netorch.state.registry import View, observed
from netorch.state.resource import Disruption, Obstacle, Resource, State
from netorch.values.marks import maker, read_alias
from netorch.values.requests import BelongingIdentity, Request, UplinkJoin, UplinkLeave
from netorch.values.snapshot import LinkRecord, Snapshot

NO_PORTS = frozenset(
    (
        *("bridge", "vrf", "macvtap", "ipvlan", "ipvtap", "wireguard", "openvswitch"),
        *("ipip", "sit", "gre", "ip6gre", "ip6tnl", "vti", "vti6", "ppp"),
    )
)
"""Kinds of links that carry no Ethernet frames, or whose driver does not let them be ports."""


def uplink_key(netns: str, nic: str) -> Key:
    return Key("uplink", netns, nic)


@observed
class Uplink(Resource):
    """An uplink of a network's bridge.

    The bridge's alias names the NIC, so that netorch can undo the uplink whatever else is lost.
    """

    KIND: ClassVar[str] = "uplink"
    FOREIGN_KIND: ClassVar[str] = "uplink"
    CREATION: ClassVar[Disruption] = Disruption.FLAP
    REMEDY: ClassVar[str] = (
        "Take another interface as `uplink`, or take this one out of its master first"
        " (`ip link set … nomaster`)."
    )
    HINTS: ClassVar[tuple[str, ...]] = ("mtu", "own")

    TAKEN: ClassVar[str] = "nic-in-use"
    netns: str
    nic: str
    bridge: str
    protocol: int
    whole: bool = True
    """Whether the NIC is a port of the bridge, with its addresses on the bridge.

    That is not so if an apply was killed, if somebody took the NIC out of the bridge, or if a DHCP
    client still puts addresses on the NIC.
    """
    mtu: bool = True
    """Whether the bridge takes the MTU of the NIC."""
    own: tuple[BelongingIdentity, ...] | None = None
    """The addresses and routes on the bridge that belong to the topology, as read.

    None in a desired state.
    """

    @property
    def key(self) -> Key:
        return uplink_key(self.netns, self.nic)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return netns_key(self.netns), link_key(self.netns, self.nic)

    @property
    def needs(self) -> tuple[Key, ...]:
        return (
            link_key(self.netns, self.bridge),
            up_key(self.netns, self.bridge),
            up_key(self.netns, self.nic),
        )

    @property
    def deleted_before(self) -> tuple[Key, ...]:
        return (link_key(self.netns, self.bridge),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for bridge in view.our_links:
            name = read_alias(bridge.alias).uplink if bridge.kind == "bridge" else ""
            if name:
                nic = view.links_by_any_name.get(name)
                yield cls(
                    view.label,
                    name,
                    bridge.name,
                    view.mark.protocol,
                    nic is not None and _is_whole(view, nic, bridge),
                    own=tuple(_own(view, bridge)),
                )

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        for nic in view.netns.links:
            master = view.links.get(nic.master)
            if master is not None and master.name not in view.our_names:
                for name in (nic.name, *nic.altnames):
                    yield (
                        uplink_key(view.label, name),
                        f"{name} is a port of {master.name} already, and {maker(master.alias)}",
                    )

    def differs(self, before: Resource) -> bool:
        # A rollback may ask for an uplink that is not whole, but leaves a whole one as it is.
        return (
            not isinstance(before, Uplink)
            or self.bridge != before.bridge
            or (self.whole and not before.whole)
        )

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterator[Obstacle]:
        """Yield the reasons why a bridge cannot take a foreign link as a port.

        Some links cannot be ports, and the frames of others already go to their upper links
        (br_add_if in net/bridge/br_if.c).
        """
        netns = snapshot.namespaces.get(self.netns)
        if netns is None or link_key(self.netns, self.nic) in desired:
            return
        nic = next((x for x in netns.links if self.nic in {x.name, *x.altnames}), None)
        if nic is None:
            return
        if nic.kind in NO_PORTS or (nic.kind == "tun" and not nic.mac):
            what = f"{nic.name} is a {nic.kind} link, which cannot be a port of a bridge"
            yield Obstacle("bad-uplink", what, "Take another interface as `uplink`.")
        upper_links = [
            link.name
            for link in netns.links
            if link.kind in KINDS and link.link == nic.index and link.link_netnsid is None
        ]
        if upper_links:
            what = f"{nic.name} carries {', '.join(upper_links)}, which get its frames"
            yield Obstacle("nic-in-use", what, "Take another interface as `uplink`, or free it.")

    def with_number(self, number: int) -> Self:
        return replace(self, protocol=number)

    def create(self) -> Iterable[Request]:
        return (UplinkJoin(self.netns, self.nic, self.bridge, self.protocol, self.mtu),)

    def update(self, before: Self) -> Sequence[Request] | None:
        return list(self.create()) if self.bridge == before.bridge else None

    def delete(self) -> Iterable[Request]:
        return (UplinkLeave(self.netns, self.nic, self.bridge, self.protocol, self.own),)

    def disruption(self, before: Self) -> Disruption:
        return Disruption.FLAP

    def attributes(self) -> Mapping[str, str]:
        return {"bridge": self.bridge, "joined": "true" if self.whole else "in part"}

    def absent(self) -> Mapping[str, str]:
        return {"bridge": "none", "joined": "false"}

    def title(self) -> str:
        return f"uplink {label_text(self.netns)}/{self.nic}"


def _own(view: View, bridge: LinkRecord) -> Iterator[BelongingIdentity]:
    """Yield the addresses and routes on a bridge that do not go back to its NIC."""
    for record in view.addresses_by_link.get(bridge.index, ()):
        if address.is_ours(view, record):
            yield identity(record)
    for spec in view.routes_by_link.get(bridge.name, ()):
        if route.is_ours(view, spec):
            yield spec.family, spec.dst or b"", spec.prefixlen, spec.table, spec.metric


def _is_whole(view: View, nic: LinkRecord, bridge: LinkRecord) -> bool:
    return nic.master == bridge.index and not any(
        goes_along(record, nic.mac, view.mark.protocol)
        for record in view.addresses_by_link.get(nic.index, ())
    )
