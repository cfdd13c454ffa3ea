"""Masters and their ports: bridges, bonds and VRFs, who can be whose port, and what that asks of the port."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.kinds.base.link import InterfaceModel
from netorch.kinds.bond import OWN_MACS, BondModel
from netorch.kinds.vrf import VrfModel
from netorch.resolve.draft import BRIDGE_PORTS, Draft, Iface, Path, Site
from netorch.resolve.roles import BridgeRole, ExistingRole, LoopbackRole, StandaloneRole

_NAMES = {"bridge": "a bridge", "vrf": "a VRF", "lo": "the loopback interface"}
_REFUSED = {
    "bridge": frozenset(("lo", "bridge", "vrf", "macvtap", "ipvlan")),
    "bond": frozenset(("lo", "vrf", "macvtap", "ipvlan", "ifb")),
    "vrf": frozenset(("lo", "vrf")),
}
"""Kind of master → kinds of links that the kernel does not take as its port, beside what carries no Ethernet frames."""


def kind_of(iface: Iface) -> str:
    """The kind of link that it is, as `kind` in the file says it; "" while nothing makes it."""
    role = iface.role
    return str(role.model.kind) if isinstance(role, StandaloneRole) else role.NAME


def takes_ports(iface: Iface) -> bool:
    role = iface.role
    return isinstance(role, BridgeRole) or (
        isinstance(role, StandaloneRole) and role.model.TAKES_PORTS
    )


def bond_of(iface: Iface) -> Iface | None:
    """The bond that it is a port of."""
    if (master := iface.master) is None:
        return None
    role = master.role
    return (
        master if isinstance(role, StandaloneRole) and isinstance(role.model, BondModel) else None
    )


def vrf_of(iface: Iface) -> Iface | None:
    """The VRF whose table has the routes over it: the one that it is a port of, or itself."""
    for at in (iface, iface.master):
        if (
            at is not None
            and isinstance(at.role, StandaloneRole)
            and isinstance(at.role.model, VrfModel)
        ):
            return at
    return None


def table_of(vrf: Iface) -> int:
    assert isinstance(vrf.solo, VrfModel)
    return vrf.solo.table


def keeps_addresses(port: Iface) -> bool:
    return vrf_of(port) is not None


def keeps_mac(port: Iface) -> bool:
    """Whether a bond leaves its ports their own MACs, in an order of its choice."""
    bond = bond_of(port)
    return bond is not None and isinstance(bond.solo, BondModel) and bond.solo.mode in OWN_MACS


def can_be_bridged(iface: Iface) -> bool:
    """Whether its kind can be a bridge's port."""
    has_frames = iface.solo is None or iface.solo.MAKES.HAS_MAC
    return has_frames and kind_of(iface) not in _REFUSED["bridge"]


def attach_ports(draft: Draft) -> None:
    """Ports: `ports` of a master and `master` of a port say the same thing."""
    for site in draft.sites.values():
        for iface in list(site.ifaces.values()):
            words = (
                iface.layers[0]
                if iface.layers and isinstance(iface.layers[0], InterfaceModel)
                else None
            )
            if words is None or isinstance(iface.role, LoopbackRole):
                continue
            for index, port in enumerate(words.ports):
                path = (*iface.path, "members" if "members" in iface.path else "ports", index)
                if port in site.ifaces:
                    join(draft, site.ifaces[port], iface, path)
                else:
                    draft.unknown(
                        "unknown-interface",
                        path,
                        f"interface {site.name}:",
                        port,
                        site.ifaces,
                        "Ports are interfaces that this file declares.",
                    )
            if words.master is not None:
                path = (*iface.path, "master")
                master = site.ifaces.get(words.master)
                if master is None or not takes_ports(master):
                    masters = [name for name, other in site.ifaces.items() if takes_ports(other)]
                    what = "bridge, bond or VRF"
                    draft.unknown(
                        "unknown-interface",
                        path,
                        f"{what} {site.name}:",
                        words.master,
                        masters,
                        f"Declare it under nodes.{site.name}.interfaces.",
                    )
                else:
                    join(draft, iface, master, path)
        _check_tables(draft, site)


def join(draft: Draft, port: Iface, master: Iface, path: Path) -> None:
    """Make `port` a port of `master`."""
    if port.master is master:
        return
    kind, what = kind_of(master), kind_of(port)
    into = f"it cannot be a port of the {kind if kind != 'vrf' else 'VRF'} {master.name}"
    if port.master is not None:
        draft.complain(
            "port-of-two",
            path,
            f"{port.display} is a port of {port.master.name} already, and cannot be one of {master.name} too",
        )
    elif what in _REFUSED[kind]:
        draft.complain(
            "cannot-be-port", path, f"{port.display} is {_NAMES.get(what, f'a {what}')}: {into}"
        )
    elif (
        not isinstance(master.solo, VrfModel)
        and port.solo is not None
        and not port.solo.MAKES.HAS_MAC
    ):
        draft.complain(
            "cannot-be-port",
            path,
            f"{port.display} is a {what}, which carries no Ethernet frames: {into}",
        )
    elif master is port or any(below is master for below in _below(port)):
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
            f"bridge {master.display} has {BRIDGE_PORTS} ports, and takes no more",
        )
    else:
        port.master = master
        master.ports.append(port)


def check_port(draft: Draft, iface: Iface) -> None:
    """What can be said of a port, and of a master, only when all have joined."""
    role = iface.role
    if (
        isinstance(role, StandaloneRole)
        and isinstance(role.model, BondModel)
        and (primary := role.model.primary) is not None
    ):
        ports = [port.name for port in iface.ports]
        if primary not in ports:
            draft.unknown(
                "unknown-interface",
                (*iface.path, "primary"),
                f"among the ports of {iface.display},",
                primary,
                ports,
                "Add it to its ports.",
            )
    if iface.master is not None and isinstance(role, ExistingRole):
        what = (
            f"{iface.display} is not made by this file: it cannot be a port of {iface.master.name}."
        )
        draft.complain(
            "existing-interface",
            iface.path,
            what,
            "A network of mode bridged takes a NIC of the host as its `uplink`.",
        )
    if (bond := bond_of(iface)) is not None:
        _check_bonded(draft, iface, bond)
    _check_options(draft, iface)


def _check_bonded(draft: Draft, port: Iface, bond: Iface) -> None:
    """The bond's MAC and MTU are its ports', so that those cannot have others."""
    for key, mine, theirs in (
        ("mac", port.explicit_value("mac"), bond.explicit_value("mac")),
        ("mtu", port.own_mtu, bond.own_mtu),
    ):
        if mine is not None and mine != theirs:
            had = f"{key.upper()} {theirs}" if theirs is not None else f"own {key.upper()}"
            draft.complain(
                "bond-port-differs",
                _place(port, key),
                f"{port.display} is a port of the bond {bond.name} and gets its {had}: it cannot have {key.upper()} {mine}.",
                f"Say `{key}` of {bond.display}.",
            )


def _place(iface: Iface, key: str) -> Path:
    """Where the file says a key of an interface, as near as is known."""
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
                f"{iface.display} is a bridge, whose own port has a `pvid` and `vlans`, but no `{key}`",
            )
        bridge, settings = iface, iface.role.settings
    elif iface.master is None or not isinstance(iface.master.role, BridgeRole):
        of = (
            "not a port"
            if iface.master is None
            else f"a port of the {kind_of(iface.master)} {iface.master.name}"
        )
        remedy = (
            "In a network it is the membership that says `port`."
            if iface.master is None and iface.peer is not None
            else ""
        )
        draft.complain(
            "not-a-port",
            path,
            f"{iface.display} is {of}: `port` says how a bridge treats a port of its.",
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
                f"`{key}` means nothing to the bridge {bridge.name}.",
                "Say `vlan_filtering: true` of it.",
            )


def _check_tables(draft: Draft, site: Site) -> None:
    seen: dict[int, Iface] = {}
    for iface in site.ifaces.values():
        role = iface.role
        if not isinstance(role, StandaloneRole) or not isinstance(role.model, VrfModel):
            continue
        if (first := seen.setdefault(role.model.table, iface)) is not iface:
            draft.complain(
                "table-taken",
                (*iface.path, "table"),
                f"the VRFs {first.display} and {iface.display} both have table {role.model.table}",
            )


def _below(iface: Iface) -> Iterator[Iface]:
    """What an interface is made of, directly or not: its ports, its parent, and theirs."""
    queue, seen = [iface], {id(iface)}
    while queue:
        at = queue.pop()
        for lower in (*at.ports, *((at.parent,) if at.parent is not None else ())):
            if id(lower) not in seen:
                seen.add(id(lower))
                queue.append(lower)
                yield lower
