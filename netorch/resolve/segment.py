"""One network while it is resolved: its bridges, its members, its gateways."""

from __future__ import annotations

from msgspec import Struct

from netorch.immutable import field
from netorch.language.scalars import Address, Network
from netorch.resolve.draft import Draft, Iface, Path, Site
from netorch.resolve.roles import BridgeRole
from netorch.state.key import HOST
from netorch.topology import Membership, NetworkModel

LEADING_OUT = {"nat", "routed"}
"""Modes in which the owner forwards."""


class Member(Struct):
    """A node's interface in a network, with what it is told and what it got."""

    iface: Iface
    model: Membership
    path: Path


class Segment(Struct):
    """A network on its way: bridges (the root first), members in the order of the file, gateways by IP version.

    `ends`: of an overlay, endpoint node → what is there of it, with members of its own.
    """

    name: str
    model: NetworkModel
    path: Path
    owner: Site
    bridges: list[Iface] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    gateways: dict[int, Address] = field(default_factory=dict)
    gateway_node: str | None = None
    ends: dict[str, Segment] = field(default_factory=dict)
    _of_node: dict[str, Member] = field(default_factory=dict)

    def plug(self, member: Member) -> None:
        self.members.append(member)
        self._of_node[member.iface.site.name] = member

    def member(self, node: str) -> Member | None:
        """What a node has in it."""
        return self._of_node.get(node)

    @property
    def root(self) -> Iface:
        return self.bridges[0]

    def pools(self, subnet: Network) -> list[Network]:
        """The parts of a subnet that automatic addresses come from, if the file names any."""
        return [
            pool
            for pool in self.model.ip_range
            if pool.version == subnet.version and pool.subnet_of(subnet)  # type: ignore[arg-type]
        ]

    def subnet_of(self, version: int) -> list[Network]:
        return [subnet for subnet in self.model.subnet if subnet.version == version]

    def opens_to(self, other: Segment) -> bool:
        """Whether one of the two lists the other in `allow`."""
        return other.name in self.model.allow or self.name in other.model.allow


def closed(one: Segment, other: Segment) -> bool:
    """Whether members of two networks of one owner are kept apart."""
    return not one.opens_to(other) and (one.model.is_isolated or other.model.is_isolated)


def bridge_of(draft: Draft, segment: Segment, name: str) -> Iface:
    owner, model = segment.owner, segment.model
    if name == "lo":
        draft.complain(
            "loopback",
            segment.path,
            f"network {segment.name}: its bridge cannot be called lo, as the loopback interface is.",
            "Say `bridge: NAME`.",
        )
    elif name in owner.ifaces:
        draft.complain(
            "name-twice",
            segment.path,
            f"the bridge of network {segment.name} and the interface {owner.name}:{name} have one name",
        )
    long = draft.prefix + name if owner.label == HOST else name
    dev, altname = owner.short(long)
    bridge = Iface(
        owner,
        name,
        segment.path,
        dev,
        altname,
        role=BridgeRole(model),
        made_up=True,
        mtu_hint=model.mtu,
    )
    owner.ifaces[name] = bridge
    return bridge


def make_interface(draft: Draft, segment: Segment, long: str, path: Path) -> Iface:
    owner = segment.owner
    dev, altname = owner.short(draft.prefix + long if owner.label == HOST else long)
    if long in owner.ifaces:
        draft.complain(
            "name-twice",
            path,
            f"{owner.name} has an interface {long!r}, which is the name of a port of network {segment.name}",
        )
    owner.ifaces[long] = Iface(owner, long, path, dev, altname, made_up=True)
    return owner.ifaces[long]
