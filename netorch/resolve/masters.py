"""Masters (bridges, bonds and VRFs) and their ports."""

from __future__ import annotations

from collections.abc import Container, Iterator

from netorch.kinds.bond import OWN_MACS
from netorch.resolve.desired import Path
from netorch.resolve.draft import BRIDGE_PORTS, Draft, Iface, Site, all_interfaces
from netorch.resolve.models import is_bond, is_vrf
from netorch.resolve.roles import BridgeRole, ExistingRole, LoopbackRole, StandaloneRole
from netorch.topology.interfaces.common import InterfaceModel

_NAMES = {"bridge": "a bridge", "vrf": "a VRF", "lo": "the loopback interface"}
_REFUSED = {
    "bridge": frozenset(("lo", "bridge", "vrf", "macvtap", "ipvlan")),
    "bond": frozenset(("lo", "vrf", "macvtap", "ipvlan", "ifb")),
    "vrf": frozenset(("lo", "vrf")),
}
"""Kind of master → kinds of links that the kernel refuses as its ports.

Bridges and bonds also refuse all links that carry no Ethernet frames.
"""


def kind_of(iface: Iface) -> str:
    """Return the kind of an interface as in `kind` of the file, or "" if nothing makes it yet."""
    role = iface.role
    return str(role.model.kind) if isinstance(role, StandaloneRole) else role.NAME


def takes_ports(iface: Iface) -> bool:
    """Whether an interface is a bridge, a bond or a VRF."""
    role = iface.role
    return isinstance(role, BridgeRole) or (
        isinstance(role, StandaloneRole) and role.model.TAKES_PORTS
    )


def bond_of(iface: Iface) -> Iface | None:
    """Return the bond whose port an interface is, or None."""
    if (master := iface.master) is None:
        return None
    role = master.role
    return master if isinstance(role, StandaloneRole) and is_bond(role.model) else None


def vrf_of(iface: Iface) -> Iface | None:
    """Return the VRF whose table has the routes over an interface, or None.

    It is the VRF whose port the interface is, or the interface itself if that is a VRF.
    """
    for at in (iface, iface.master):
        if at is not None and isinstance(at.role, StandaloneRole) and is_vrf(at.role.model):
            return at
    return None


def table_of(vrf: Iface) -> int:
    """Return the routing table of a VRF."""
    assert is_vrf(vrf.standalone)
    return vrf.standalone.table


def keeps_addresses(port: Iface) -> bool:
    """Whether a port can have addresses, as a VRF's ports can."""
    return vrf_of(port) is not None


def keeps_mac(port: Iface) -> bool:
    """Whether an interface is a bond's port and keeps its own MAC, because of the bond's mode."""
    bond = bond_of(port)
    return bond is not None and is_bond(bond.standalone) and bond.standalone.mode in OWN_MACS


def can_be_bridged(iface: Iface) -> bool:
    """Whether the kind of an interface can be a bridge's port."""
    has_frames = iface.standalone is None or iface.standalone.MAKES.HAS_MAC
    return has_frames and kind_of(iface) not in _REFUSED["bridge"]


def attach_ports(draft: Draft) -> None:
    """Attach ports to their masters, by `ports` of a master or by `master` of a port."""
    parents = {
        id(iface.role.parent)
        for iface in all_interfaces(draft.sites)
        if isinstance(iface.role, StandaloneRole)
    }
    for site in draft.sites.values():
        masters: dict[str, Iface] | None = None
        for iface in list(site.ifaces.values()):
            model = (
                iface.layers[0]
                if iface.layers and isinstance(iface.layers[0], InterfaceModel)
                else None
            )
            if model is None or isinstance(iface.role, LoopbackRole):
                continue
            for index, port in enumerate(model.ports):
                path = (*iface.path, "members" if "members" in iface.path else "ports", index)
                if port in site.ifaces:
                    join(draft, site.ifaces[port], iface, path, parents)
                else:
                    draft.unknown(
                        "unknown-interface",
                        path,
                        f"node {site.name}: interface",
                        port,
                        site.ifaces,
                        "A port must be an interface that this file declares.",
                    )
            if model.master is not None:
                path = (*iface.path, "master")
                master = site.ifaces.get(model.master)
                if master is None or not takes_ports(master):
                    if masters is None:
                        masters = {
                            name: other for name, other in site.ifaces.items() if takes_ports(other)
                        }
                    what = "bridge, bond or VRF"
                    draft.unknown(
                        "unknown-interface",
                        path,
                        f"node {site.name}: {what}",
                        model.master,
                        masters,
                        f"Declare it under nodes.{site.name}.interfaces.",
                    )
                else:
                    join(draft, iface, master, path, parents)
        _check_tables(draft, site)


def join(
    draft: Draft, port: Iface, master: Iface, path: Path, parents: Container[int] = ()
) -> None:
    """Make `port` a port of `master`, or complain of what prevents that.

    `parents` has the identities of all interfaces with upper links.
    """
    if port.master is master:
        return
    kind, what = kind_of(master), kind_of(port)
    into = f"it cannot be a port of the {kind if kind != 'vrf' else 'VRF'} {master.name}"
    if port.master is not None:
        draft.complain(
            "port-of-two",
            path,
            f"{port.display} is a port of {port.master.name} already, so it cannot be a port of"
            f" {master.name} too",
        )
    elif what in _REFUSED[kind]:
        draft.complain(
            "cannot-be-port", path, f"{port.display} is {_NAMES.get(what, f'a {what}')}: {into}"
        )
    elif (
        not is_vrf(master.standalone)
        and port.standalone is not None
        and not port.standalone.MAKES.HAS_MAC
    ):
        draft.complain(
            "cannot-be-port",
            path,
            f"{port.display} is a {what}, which carries no Ethernet frames: {into}",
        )
    elif master is port or (
        # because only then can the port be on top of the master
        (master.master is not None or id(master) in parents)
        and any(below is master for below in _below(port))
    ):
        draft.complain(
            "cannot-be-port",
            path,
            f"{port.display} is on top of {master.name}: {into}"
            if master is not port
            else f"{port.display}: {into}",
        )
    elif isinstance(master.role, BridgeRole) and len(master.ports) >= BRIDGE_PORTS:
        draft.complain(
            "bridge-full",
            path,
            f"bridge {master.display} has {BRIDGE_PORTS} ports already, which is the maximum",
        )
    else:
        port.master = master
        master.ports.append(port)


def check_port(draft: Draft, iface: Iface) -> None:
    """Check a port and a master, after all ports have joined."""
    role = iface.role
    if (
        isinstance(role, StandaloneRole)
        and is_bond(role.model)
        and (primary := role.model.primary) is not None
    ):
        ports = [port.name for port in iface.ports]
        if primary not in ports:
            draft.unknown(
                "unknown-interface",
                (*iface.path, "primary"),
                "interface",
                primary,
                ports,
                "Add it to its ports.",
                group=f"a port of {iface.display}",
            )
    if iface.master is not None and isinstance(role, ExistingRole):
        what = (
            f"{iface.display} is not made by this file: it cannot be a port of {iface.master.name}."
        )
        draft.complain(
            "existing-interface",
            iface.path,
            what,
            "To bridge a NIC of the host, make a network of mode bridged with the NIC as `uplink`.",
        )
    if (bond := bond_of(iface)) is not None:
        _check_bonded(draft, iface, bond)
    _check_options(draft, iface)


def _check_bonded(draft: Draft, port: Iface, bond: Iface) -> None:
    """Complain of a port whose MAC or MTU differs from its bond's, because it gets the bond's."""
    for key, own, of_bond in (
        ("mac", port.explicit_value("mac"), bond.explicit_value("mac")),
        ("mtu", port.own_mtu, bond.own_mtu),
    ):
        if own is not None and own != of_bond:
            had = f"{key.upper()} {of_bond}" if of_bond is not None else f"own {key.upper()}"
            draft.complain(
                "bond-port-differs",
                _place(port, key),
                f"{port.display} is a port of the bond {bond.name} and gets the bond's {had}, so it"
                f" cannot have {key.upper()} {own}.",
                f"Set `{key}` on {bond.display}.",
            )


def _place(iface: Iface, key: str) -> Path:
    """Return the path of a key of an interface, or of the interface if the key is elsewhere."""
    declared = (
        iface.layers
        and isinstance(iface.layers[0], InterfaceModel)
        and key in iface.layers[0].model_fields_set
    )
    return (*iface.site.path, "interfaces", iface.name, key) if declared else iface.path


def _check_options(draft: Draft, iface: Iface) -> None:
    options, path = iface.port.model, iface.port.path
    if options is None:
        return
    if isinstance(iface.role, BridgeRole):
        for key in sorted(options.model_fields_set - {"pvid", "vlans"}):
            draft.complain(
                "not-a-port",
                (*path, key),
                f"{iface.display} is a bridge, whose own port takes `pvid` and `vlans`, but no"
                f" `{key}`",
            )
        bridge, settings = iface, iface.role.settings
    elif iface.master is None or not isinstance(iface.master.role, BridgeRole):
        of = (
            "not a port"
            if iface.master is None
            else f"a port of the {kind_of(iface.master)} {iface.master.name}"
        )
        remedy = (
            "In a network write `port` in the membership."
            if iface.master is None and iface.peer is not None
            else ""
        )
        draft.complain(
            "not-a-port",
            path,
            f"{iface.display} is {of}, but `port` is for ports of a bridge.",
            remedy,
        )
        return
    else:
        bridge, settings = iface.master, iface.master.role.settings
    if not settings.vlan_filtering:
        for key in sorted(options.model_fields_set & {"pvid", "vlans"}):
            draft.complain(
                "needs-vlan-filtering",
                (*path, key),
                f"`{key}` means nothing to the bridge {bridge.name}, which does not filter VLANs.",
                "Set `vlan_filtering: true` on the bridge.",
            )


def _check_tables(draft: Draft, site: Site) -> None:
    seen: dict[int, Iface] = {}
    for iface in site.ifaces.values():
        role = iface.role
        if not isinstance(role, StandaloneRole) or not is_vrf(role.model):
            continue
        if (first := seen.setdefault(role.model.table, iface)) is not iface:
            draft.complain(
                "table-taken",
                (*iface.path, "table"),
                f"the VRFs {first.display} and {iface.display} both have table {role.model.table}",
            )


def _below(iface: Iface) -> Iterator[Iface]:
    """Yield the interfaces below an interface, directly or not: its ports and its parent.

    For Linux, an IP tunnel is not on top of its parent.
    """
    queue, seen = [iface], {id(iface)}
    while queue:
        at = queue.pop()
        free = at.standalone is not None and at.standalone.MAKES.REBINDS
        for lower in (*at.ports, *((at.parent,) if at.parent is not None and not free else ())):
            if id(lower) not in seen:
                seen.add(id(lower))
                queue.append(lower)
                yield lower
