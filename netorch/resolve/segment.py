"""A network while it is resolved: its bridges, members and gateways."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from netorch.immutable import field
from netorch.language.addresses import Address, Network
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Iface, Site
from netorch.resolve.prefixes import Prefixes
from netorch.resolve.roles import BridgeRole, ExistingRole, UnmadeRole
from netorch.topology import Membership, NetworkModel

LEADING_OUT = {"nat", "routed"}
"""The modes in which the owner forwards to the outside."""


class Member(Struct):
    """A node's interface in a network."""

    iface: Iface
    """The interface."""
    model: Membership
    """The membership in the file."""
    path: Path
    """The place of the membership in the file."""


class Segment(Struct):
    """A network of any mode while it is resolved."""

    name: str
    """The name in the file."""
    model: NetworkModel
    """The network in the file."""
    path: Path
    """The place in the file."""
    owner: Site
    """The owner of the network."""
    bridges: list[Iface] = field(default_factory=list)
    """The bridges. Further bridges are ports of the first one."""
    members: list[Member] = field(default_factory=list)
    """The members, in the order of the file."""
    gateways: dict[int, Address] = field(default_factory=dict)
    """IP version → the gateway."""
    gateway_node: str | None = None
    """The member that routes for the others, if `gateway` names a node."""
    routers: dict[int, Address] = field(default_factory=dict)
    """Position in `routes` → the gateway of that route."""
    ends: dict[str, Segment] = field(default_factory=dict)
    """Endpoint of a vxlan network → the part of the network in that node."""
    _of_node: dict[str, list[Member]] = field(default_factory=dict)
    """Node → its members in this network."""
    _subnets: Prefixes[Network] | None = None
    """The subnets, None until somebody looks for one."""

    def plug(self, member: Member) -> None:
        """Add a member."""
        self.members.append(member)
        self._of_node.setdefault(member.iface.site.name, []).append(member)

    def members_of(self, node: str) -> Sequence[Member]:
        """Return the members of a node: one for each interface that it has in the network."""
        return self._of_node.get(node, ())

    @property
    def root(self) -> Iface:
        """The first bridge, which leads to the owner."""
        return self.bridges[0]

    def pools(self, subnet: Network) -> list[Network]:
        """Return the ranges of `ip_range` in a subnet."""
        return [
            pool
            for pool in self.model.ip_range
            if pool.version == subnet.version and pool.subnet_of(subnet)  # type: ignore[arg-type]
        ]

    def subnet_around(self, address: Address) -> Network | None:
        """Return the subnet that contains an address, or None."""
        if self._subnets is None:
            self._subnets = Prefixes((subnet, subnet) for subnet in self.model.subnets)
        return next(iter(self._subnets.nearest(address)), None)

    def subnet_of(self, version: int) -> list[Network]:
        """Return the subnets of one IP version."""
        return [subnet for subnet in self.model.subnets if subnet.version == version]

    def opens_to(self, other: Segment) -> bool:
        """Whether one of two networks has the other in its `allow`."""
        return other.name in self.model.allow or self.name in other.model.allow


def bridge_of(draft: Draft, segment: Segment, name: str) -> Iface:
    """Make a bridge of a network in its owner."""
    owner, model = segment.owner, segment.model
    if name == "lo":
        draft.complain(
            "loopback",
            segment.path,
            f"network {segment.name}: its bridge cannot be called lo, because that is the loopback"
            " interface.",
            "Write `bridge: NAME`.",
        )
    elif name in owner.ifaces:
        draft.complain(
            "name-twice",
            segment.path,
            f"the bridge of network {segment.name} and the interface {owner.name}:{name} have the"
            " same name",
        )
    long = draft.prefix + name if owner.is_host else name
    dev, altname = owner.short(long)
    bridge = Iface(
        owner,
        name,
        segment.path,
        dev,
        altname,
        role=BridgeRole(model),
        internal=True,
        mtu_hint=model.mtu,
    )
    owner.ifaces[name] = bridge
    return bridge


def existing_bridge(draft: Draft, segment: Segment) -> Iface | None:
    """Return the bridge of a network whose bridge netorch does not make.

    Complain, and return None, if it cannot exist.
    """
    owner, name = segment.owner, segment.model.bridge or segment.name
    path = (*segment.path, "bridge")
    if owner.created:
        draft.complain(
            "existing-in-new-node",
            path,
            f"network {segment.name}: netorch makes the node {owner.name}, so no bridge exists in"
            " it already.",
            "Remove `existing`.",
        )
        return None
    iface = owner.ifaces.get(name)
    if iface is None:
        iface = Iface(owner, name, path, name, "", internal=True)
        owner.ifaces[name] = iface
    elif not isinstance(iface.role, (ExistingRole, UnmadeRole)):
        draft.complain(
            "name-twice",
            path,
            f"network {segment.name}: the file makes {iface.display} itself, so `existing` is"
            " wrong.",
            "Remove `existing` and `bridge`, or give the interface another name.",
        )
        return None
    iface.role = BridgeRole(segment.model, existing=True)
    return iface


def make_interface(draft: Draft, segment: Segment, long: str, path: Path) -> Iface:
    """Make an interface that a network has for itself, in its owner."""
    owner = segment.owner
    dev, altname = owner.short(draft.prefix + long if owner.is_host else long)
    if long in owner.ifaces:
        draft.complain(
            "name-twice",
            path,
            f"{owner.name} has an interface {long!r}, but network {segment.name} has a port of that"
            " name",
        )
    owner.ifaces[long] = Iface(owner, long, path, dev, altname, internal=True)
    return owner.ifaces[long]
