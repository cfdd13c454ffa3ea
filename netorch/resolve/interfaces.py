"""The interfaces that nodes and links declare, their cables and their parents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netorch.immutable import replace
from netorch.kinds.base.standalone import ETHERNET_MTU
from netorch.kinds.loopback import MTU as LOOPBACK_MTU
from netorch.language.addresses import Network
from netorch.resolve.desired import Path
from netorch.resolve.draft import (
    Draft,
    DraftAddress,
    Iface,
    Site,
    all_interfaces,
    cable,
    draft_addresses,
)
from netorch.resolve.masters import bond_of, check_port, keeps_addresses, kind_of
from netorch.resolve.models import is_bridge, is_veth
from netorch.resolve.roles import (
    EXISTING,
    LOOPBACK,
    BridgeRole,
    ExistingRole,
    LoopbackRole,
    RefusedRole,
    StandaloneRole,
    UnmadeRole,
    VethRole,
)
from netorch.topology import EndpointModel, LinkModel, parse_endpoint
from netorch.topology.interfaces.common import CommonModel, InterfaceModel
from netorch.topology.interfaces.standalone import StandaloneModel, parse_place

if TYPE_CHECKING:
    from netorch.topology.interfaces.veth import VethModel

NO_LINKS = {"all", "default"}
"""Names that Linux refuses for a link (sysctl_dev_name_is_allowed in net/core)."""
FOREIGN_KEYS = {"addresses", "kind", "neighbours", "sysctls"}
"""Keys that the file may set on an interface that netorch did not make."""


def declare(draft: Draft) -> None:
    """Make the interfaces of the nodes' `interfaces`, without their cables."""
    for site in list(draft.sites.values()):
        for name, model in site.model.interfaces.items():
            path = (*site.path, "interfaces", name)
            iface = site.interface(name, path, draft.prefix)
            iface.layers.insert(0, model)
            iface.addresses += draft_addresses(model.addresses, (*path, "addresses"))
            iface.impair(model.impair, path)
            iface.port.model, iface.port.path = model.port, (*path, "port")
            if name == "lo":
                iface.role = LOOPBACK
                _check_loopback(draft, iface, model)
            elif is_bridge(model):
                iface.role = BridgeRole(model)
            elif isinstance(model, StandaloneModel):
                iface.role = StandaloneRole(model)


def wire_links(draft: Draft) -> None:
    """Connect the veth pairs of `links`, and those of `kind: veth` with a `peer`."""
    without_peer: list[Iface] = []
    for site in list(draft.sites.values()):
        for name, model in site.model.interfaces.items():
            if is_veth(model) and not _wire_veth(draft, site.ifaces[name], model):
                without_peer.append(site.ifaces[name])
    for index, link in enumerate(draft.topology.links):
        _wire_link(draft, link, ("links", index))
    # afterwards, because an entry of `links` may make the interface
    for iface in without_peer:
        iface.refuse()


def set_parents(draft: Draft) -> None:
    """Set the parents of upper links.

    In a namespace that netorch does not make, a parent may be an interface that the file does not
    mention.
    """
    upper_links = [
        (iface, iface.role)
        for site in draft.sites.values()
        for iface in site.ifaces.values()
        if isinstance(iface.role, StandaloneRole)
    ]
    for iface, role in upper_links:
        if role.parent is None and role.model.parent_name is not None:
            iface.role = replace(
                role, parent=_parent(draft, iface, role.model, role.model.parent_name)
            )
    circles = _circles(iface for iface, _ in upper_links)
    reported: set[int] = set()
    for iface, _ in upper_links:
        circle = circles.get(id(iface))
        if circle is not None and circle not in reported:
            reported.add(circle)
            draft.complain(
                "parent-circle",
                (*iface.path, "parent"),
                f"{iface.display} is its own parent, directly or through other interfaces: "
                "change one `parent`",
            )
            assert isinstance(iface.role, StandaloneRole)
            iface.role = replace(iface.role, parent=None)


def _circles(upper_links: Iterable[Iface]) -> dict[int, int]:
    """Return the identity of each interface in a circle of parents → the number of the circle."""
    circles: dict[int, int] = {}
    walks: dict[int, int] = {}
    for walk, iface in enumerate(upper_links):
        at: Iface | None = iface
        while at is not None and id(at) not in walks:
            walks[id(at)] = walk
            at = at.parent
        if at is None or walks[id(at)] != walk:
            continue
        while at is not None and id(at) not in circles:
            circles[id(at)] = walk
            at = at.parent
    return circles


def _parent(draft: Draft, iface: Iface, model: StandaloneModel, place: str) -> Iface | None:
    path = (*iface.path, "parent")
    node, name = parse_place(place)
    if node is None:
        site = iface.site
    elif (other := _site(draft, node, path, iface.site.machine)) is None:
        return None
    else:
        site = other
    if site is not iface.site and not (model.FAR_PARENT and site.machine == iface.site.machine):
        draft.complain(
            "parent-elsewhere",
            path,
            f"a {model.kind} and its parent must be"
            f" {'on one machine' if model.FAR_PARENT else 'in one namespace'}, but {place} is"
            f" {f'on {site.machine}' if model.FAR_PARENT else 'in another node'}",
        )
        return None
    if name not in site.ifaces:
        if name == "lo":
            site.interface(name, path).role = LOOPBACK
        elif site.created:
            draft.unknown(
                "unknown-interface",
                path,
                f"node {site.name}: interface",
                name,
                site.ifaces,
                "A parent must be an interface that this file declares.",
            )
            return None
        else:
            site.ifaces[name] = Iface(site, name, path, name, role=EXISTING)
    return site.ifaces[name]


def check_unmade(draft: Draft) -> None:
    """Complain of interfaces that nothing makes and of ports with addresses.

    This needs all links, networks and ports.
    """
    default = draft.topology.defaults.interface
    for site in draft.sites.values():
        for iface in site.ifaces.values():
            if iface.name != "lo":
                iface.default = default
            iface.up = iface.is_up
            if default.addresses and iface.name != "lo" and not iface.internal:
                iface.addresses += draft_addresses(
                    default.addresses, ("defaults", "interface", "addresses")
                )
            if isinstance(iface.role, UnmadeRole):
                _resolve_unmade(draft, iface)
            check_port(draft, iface)
            if iface.master is not None and iface.addresses and not keeps_addresses(iface):
                draft.complain(
                    "address-on-port",
                    iface.addresses[0].path,
                    f"{iface.display} is a port of {iface.master.name}, so it cannot have the"
                    f" address {iface.addresses[0].interface}.",
                    f"Give it to {iface.master.display}.",
                )


def check_names(draft: Draft) -> None:
    """Complain of names that no link can have.

    Only names from networks and from the prefix need this check. The models check the others.
    """
    for site in draft.sites.values():
        for iface in site.ifaces.values():
            if iface.dev in NO_LINKS and not iface.is_existing:
                where = iface.path[1] if iface.internal else iface.name
                what = (
                    f"{where} would be an interface {iface.dev} in {site.name}, a name which Linux"
                    " does not allow:"
                )
                draft.complain(
                    "reserved-name",
                    iface.path,
                    f"{what} /proc/sys/net/ipv4/conf/{iface.dev} is not for a single interface.",
                    "Write `bridge: NAME`."
                    if isinstance(iface.role, BridgeRole)
                    else "Take another name or prefix.",
                )


def _resolve_unmade(draft: Draft, iface: Iface) -> None:
    site = iface.site
    if site.created:
        network = next(iter(site.model.networks), None)
        of_network = (
            f"If it belongs to network {network}, write"
            f" `networks: {{{network}: {{name: {iface.name}}}}}`; else add"
            if network
            else "Add"
        )
        draft.complain(
            "unmade-interface",
            iface.path,
            f"nothing makes the interface {iface.display}: it is in no link and no network.",
            f"{of_network} it to `links`, or give it a `kind`.",
        )
        return
    iface.role, iface.dev, iface.altname = EXISTING, iface.name, ""
    for key in sorted(
        {key for layer in iface.layers for key in layer.model_fields_set} - FOREIGN_KEYS
    ):
        draft.complain(
            "existing-interface",
            (*iface.path, key),
            f"{iface.display} is not made by this file: this release cannot set `{key}` of an"
            " existing interface, only `addresses`, `neighbours` and `sysctls`",
        )


def _check_loopback(draft: Draft, iface: Iface, model: InterfaceModel) -> None:
    allowed = (
        {"addresses", "mtu", "txqueuelen", "sysctls", "impair", "kind"}
        if iface.site.created
        else FOREIGN_KEYS
    )
    for key in sorted(model.model_fields_set - allowed):
        draft.complain(
            "loopback",
            (*iface.path, key),
            f"{iface.display} is the loopback interface: it cannot have `{key}`",
        )
    if model.kind is not None:
        draft.complain(
            "loopback",
            (*iface.path, "kind"),
            "lo is the loopback interface: it cannot have a `kind`",
        )


def _wire_veth(draft: Draft, near: Iface, model: VethModel) -> bool:
    """Connect an interface with its `peer`, or complain and return False if that is not an end."""
    path = (*near.path, "peer")
    try:
        node, name = parse_endpoint(model.peer)
    except ValueError as error:
        draft.complain("bad-end", path, str(error))
        return False
    if (site := _site(draft, node, path, near.site.machine)) is None:
        return False
    far = site.interface(name, path, draft.prefix)
    if near.peer is not far or far.peer is not near:
        _connect(draft, near, far, path)
    return True


def _wire_link(draft: Draft, link: LinkModel, path: Path) -> None:
    ends: list[Iface] = []
    machine = "" if draft.spread is None else draft.spread.machine_of_link(link, path)
    if machine is None:
        return
    for index, model in enumerate(link.endpoints):
        place = (*path, "endpoints", index)
        site = _site(draft, model.node, place, machine)
        if site is None:
            continue
        iface = site.interface(model.interface, place, draft.prefix)
        _layer(iface, model)
        iface.addresses += draft_addresses(model.addresses, (*place, "addresses"))
        iface.impair(model.impair, place)
        iface.impair(link.impair, path)
        iface.mtu_hint = link.mtu if link.mtu is not None else iface.mtu_hint
        ends.append(iface)
    if len(ends) < len(link.endpoints):
        for iface in ends:
            iface.refuse()
    elif _connect(draft, ends[0], ends[1], path):
        for index, subnet in enumerate(link.subnet):
            _assign_subnet(draft, ends, subnet, (*path, "subnet", index))


def _layer(iface: Iface, model: EndpointModel) -> None:
    """Add what a link sets on its end. What the node sets overrides it."""
    position = 1 if iface.layers and isinstance(iface.layers[0], InterfaceModel) else 0
    iface.layers.insert(position, model)


def _site(draft: Draft, node: str, path: Path, machine: str) -> Site | None:
    site = draft.site_of(node, machine)
    if site is None:
        draft.unknown(
            "unknown-node", path, "node", node, draft.topology.nodes, "Declare it under nodes."
        )
    elif node in draft.sharing:
        draft.complain(
            "shared-namespace",
            path,
            f"{node} shares the namespace of {site.name}, so it has no interfaces of its own.",
            f"Write {site.name} here.",
        )
    return site


def _connect(draft: Draft, near: Iface, far: Iface, path: Path) -> bool:
    """Make two interfaces the ends of one cable, or complain of what prevents that."""
    if (obstacle := _obstacle(near, far)) is not None:
        draft.complain("already-wired", path, obstacle)
        for iface in (near, far):
            iface.refuse()
        return False
    if draft.spread is not None and near.site.machine != far.site.machine:
        return draft.spread.cross(near, far, path)
    cable(near, far)
    return True


def _obstacle(near: Iface, far: Iface) -> str | None:
    """Return why two interfaces cannot be the ends of one cable, or None if they can."""
    if near is far:
        return f"a link cannot have {near.display} at both its ends"
    for iface in (near, far):
        if iface.name == "lo":
            return f"{iface.display} is the loopback interface: no link can end there"
        if iface.peer is not None:
            return (
                f"{iface.display} is already connected to {iface.peer.display}:"
                " use another interface name"
            )
        if isinstance(iface.role, RefusedRole):
            return f"{iface.display} is already in another link: use another interface name"
        if not isinstance(iface.role, UnmadeRole):
            return f"{iface.display} is of kind {kind_of(iface)}: no link can end there"
    return None


def _assign_subnet(draft: Draft, ends: list[Iface], subnet: Network, path: Path) -> None:
    """Give the ends of a link addresses of a subnet, in order.

    An end that has an address of the subnet already gets no other.
    """
    first = 0 if subnet.prefixlen >= subnet.max_prefixlen - 1 else 1
    if subnet.num_addresses < 2:
        what = f"{subnet} has no room for the two ends of a link: use a larger subnet"
        draft.complain("subnet-full", path, what)
        return
    for offset, iface in enumerate(ends, first):
        if not any(entry.ip in subnet for entry in iface.addresses):
            iface.addresses.append(
                DraftAddress(type_of(subnet)((subnet[offset], subnet.prefixlen)), path)
            )


def type_of(subnet: Network) -> type:
    """Return the interface-address class for the IP version of a subnet."""
    from ipaddress import IPv4Interface, IPv6Interface

    return IPv4Interface if subnet.version == 4 else IPv6Interface


def mtu_of(iface: Iface) -> int:
    """Return the MTU that an interface gets, or 0 if it is unknown.

    It is the interface's own, else that of the other end of its cable, else the kernel's default.
    A bond's port has the MTU of the bond.
    """
    if iface.mtu is not None:
        return iface.mtu
    mtu = 0
    for each in reversed(_tower(iface)):
        mtu = _mtu_on(each, mtu)
    return mtu


def settle_mtus(draft: Draft) -> None:
    """Note the MTU of each interface, once nothing changes the MTUs any more."""
    for start in all_interfaces(draft.sites):
        mtu = 0
        for iface in reversed(_tower(start)):
            mtu = iface.mtu = _mtu_on(iface, mtu)


def _tower(iface: Iface) -> list[Iface]:
    """Return an interface and those below on which its MTU may depend, from the top down.

    A loop walks down, because the tower may be higher than Python's stack. It ends, because
    `set_parents` and `join` leave no circles.
    """
    tower: list[Iface] = []
    at: Iface | None = iface
    while at is not None:
        tower.append(at)
        if at.mtu is not None or (at.master is None and not isinstance(at.role, StandaloneRole)):
            break
        at = bond_of(at) or carrier(at)
    return tower


def _mtu_on(iface: Iface, mtu: int) -> int:
    """Return the MTU of an interface if the next one of its tower has this MTU."""
    if iface.mtu is not None:
        return iface.mtu
    if bond_of(iface) is not None:
        return mtu
    role = iface.role
    explicit = iface.own_mtu
    peer = role.peer if isinstance(role, VethRole) else None
    if explicit is None and peer is not None:
        explicit = peer.own_mtu
        if explicit is None and (bond := bond_of(peer)) is not None:
            explicit = bond.own_mtu
    for end in (iface, peer):
        if explicit is None and end is not None and end.default is not None:
            explicit = end.default.mtu
    if explicit is not None:
        return explicit
    if isinstance(role, ExistingRole):
        return 0
    if isinstance(role, LoopbackRole):
        return LOOPBACK_MTU if iface.site.created else 0
    if not isinstance(role, StandaloneRole):
        return 1500
    below = carrier(iface)
    if below is not None and _is_routed_by_lo(iface, below):
        mtu = mtu_below(iface, below)
    least, most = role.model.MAKES.MTUS
    own = role.model.default_mtu(None if below is None else mtu)
    return max(least, min(own, most)) if own else own


def mtu_below(iface: Iface, below: Iface) -> int:
    """Return the MTU into which the packets of an upper link or a tunnel must fit.

    If `below` is lo, its MTU does not apply, because the packets leave by an interface that the
    routes choose.
    """
    if _is_routed_by_lo(iface, below):
        return below.own_mtu or ETHERNET_MTU
    return mtu_of(below)


def _is_routed_by_lo(iface: Iface, below: Iface) -> bool:
    return iface.parent is None and isinstance(below.role, LoopbackRole)


def carrier(iface: Iface) -> Iface | None:
    """Return the interface by which the outer packets of an upper link or a tunnel leave.

    It is the parent, or else the interface that has the tunnel's local address. Return None if the
    file does not define that interface, or if it is a standalone link.
    """
    if (
        iface.parent is not None
        or iface.standalone is None
        or (source := iface.standalone.sends_from) is None
    ):
        return iface.parent
    below = holder(iface.site, source)
    return below if below is not None and below.standalone is None else None


def holder(site: Site, address: str) -> Iface | None:
    """Return the interface of a site to which the file gives an address.

    This needs the addresses of all interfaces.
    """
    if site.holders is None:
        site.holders = {}
        for iface in site.ifaces.values():
            for entry in iface.addresses:
                site.holders.setdefault(str(entry.ip), iface)
    return site.holders.get(address)


__all__ = ["CommonModel", "check_unmade", "declare", "mtu_of", "type_of", "wire_links"]
