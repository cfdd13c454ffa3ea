"""Turn sites and interfaces into resources.

These are links, their state, ports, settings and addresses, in an order that is easy to read and to
send.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from netorch.immutable import replace
from netorch.kinds.address import SCOPES, Address, Ifaddr
from netorch.kinds.base.link import TXQUEUELEN, Link, LinkFields
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.bond import Primary
from netorch.kinds.bridge import Bridge
from netorch.kinds.loopback import MTU as LOOPBACK_MTU
from netorch.kinds.loopback import Loopback
from netorch.kinds.neighbour import Neighbour
from netorch.kinds.netns import IPV4_FORWARDING, IPV6_FORWARDING, Netns
from netorch.kinds.port import TAKES_DOWN, USUAL_COST, Port, port_key
from netorch.kinds.sysctl import Sysctl, interface_of, sysctl_key, sysctl_paths
from netorch.kinds.up import FLAGS, WITH_ARP, Up, up_key
from netorch.kinds.uplink import Uplink
from netorch.kinds.veth import Veth
from netorch.language.addresses import Address as IPAddress
from netorch.netlink.constants import IPV6_MIN_MTU, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, DraftAddress, Iface, Site
from netorch.resolve.interfaces import carrier, mtu_below, mtu_of
from netorch.resolve.masters import bond_of, keeps_mac, kind_of
from netorch.resolve.models import is_bond, is_vlan, is_vrf
from netorch.resolve.roles import BridgeRole, StandaloneRole, VethRole
from netorch.state.key import Key
from netorch.topology.interfaces.port import PortModel
from netorch.topology.interfaces.standalone import StandaloneModel
from netorch.values.marks import ALIAS_BYTES

_FORWARDING = {IPV4_FORWARDING: 4, "net/ipv4/conf/all/forwarding": 4, IPV6_FORWARDING: 6}


def put_site(draft: Draft, site: Site) -> None:
    """Put the namespace of a node with its settings and lo."""
    forwarding = {
        version: site.model.forwarding if version not in site.forwards else True
        for version in (4, 6)
    }
    if site.model.forwarding is False and site.forwards:
        draft.complain(
            "needs-forwarding",
            (*site.path, "forwarding"),
            f"node {site.name} owns a network whose members reach other networks through it, so"
            " it must forward: remove `forwarding: false`",
        )
    sysctls = dict(site.model.sysctls)
    for path in list(sysctls):
        if path in _FORWARDING:
            place = (*site.path, "sysctls", path.replace("/", "."))
            value = sysctls.pop(path)
            if site.model.forwarding is not None and str(int(site.model.forwarding)) != value:
                draft.complain(
                    "contradiction",
                    place,
                    f"node {site.name}: `forwarding` and the sysctl {path.replace('/', '.')}"
                    " contradict each other: leave out one of them",
                )
            forwarding[_FORWARDING[path]] = value != "0"
    if site.created:
        own = Netns(
            site.label, draft.mark.alias, bool(forwarding[4]), bool(forwarding[6]), site.is_fabric
        )
        draft.put(own, site.path)
    else:
        for version, path in ((4, IPV4_FORWARDING), (6, IPV6_FORWARDING)):
            if forwarding[version] is not None:
                draft.put(
                    Sysctl(site.label, (path,), (str(int(bool(forwarding[version]))),)),
                    (*site.path, "forwarding"),
                )
    for path, value in sysctls.items():
        place = (*site.path, "sysctls", path.replace("/", "."))
        name = interface_of(path)
        if name is not None and name in site.ifaces:
            iface = site.ifaces[name]
            here = path.replace(f"/{name}/", f"/{iface.dev}/")
            _put_setting(draft, iface, (here,), value, place)
            continue
        if name is not None and site.created and name != "lo":
            draft.unknown(
                "unknown-interface", place, f"node {site.name}: interface", name, site.ifaces
            )
        draft.put(Sysctl(site.label, (path,), (value,)), place)
    if site.created:
        lo = site.ifaces.get("lo")
        mtu = lo.explicit_mtu if lo else None
        queue = lo.explicit_value("txqueuelen") if lo else None
        draft.put(
            Loopback(site.label, mtu or LOOPBACK_MTU, TXQUEUELEN if queue is None else queue),
            lo.path if lo else site.path,
        )
        draft.put(Up(site.label, "lo"), lo.path if lo else site.path)
    if "lo" in site.ifaces:
        _put_settings(draft, site.ifaces["lo"])
        put_addresses(draft, site.ifaces["lo"])


def put_bridge(draft: Draft, iface: Iface, role: BridgeRole) -> None:
    """Put a bridge with everything that belongs to it."""
    if role.existing:
        put_existing(draft, iface)
        return
    model = role.settings
    if model.stp and model.forward_delay < 200:
        draft.complain(
            "bad-forward-delay",
            (*iface.path, "forward_delay"),
            f"{iface.display} has `stp`, so its `forward_delay` must be at least 2s",
        )
    label = iface.site.label
    fields = _common(draft, iface, None)
    if role.uplink:
        fields["mac"], fields["mtu"] = "", iface.explicit_mtu or 0
    draft.put(
        Bridge(
            **fields,
            stp=model.stp,
            priority=model.priority,
            forward_delay=model.forward_delay,
            hello_time=model.hello_time,
            max_age=model.max_age,
            ageing_time=model.ageing_time,
            mcast_snooping=model.mcast_snooping,
            mcast_querier=model.mcast_querier,
            vlan_filtering=model.vlan_filtering,
            vlan_default_pvid=model.vlan_default_pvid,
        ),
        iface.path,
    )
    _put_settings(draft, iface)
    _put_port(draft, iface)
    if iface.is_up:
        _put_up(draft, iface)
    if role.uplink:
        follows = iface.explicit_mtu is None
        draft.put(
            Uplink(label, _nic(iface, role), iface.dev, draft.mark.protocol, mtu=follows),
            (*iface.path, "uplink"),
        )
    put_addresses(draft, iface)


def _nic(bridge: Iface, role: BridgeRole) -> str:
    """Return the kernel's name of a bridge's uplink.

    It is the name in the file, unless the file makes the interface.
    """
    ifaces = bridge.site.ifaces
    return ifaces[role.uplink].dev if role.uplink in ifaces else role.uplink


def put_veth(draft: Draft, iface: Iface, role: VethRole) -> None:
    """Put one end of a veth pair with everything that belongs to it."""
    peer = (role.peer.site.label, role.peer.dev)
    draft.put(Veth(**_common(draft, iface, peer), peer=peer, far=role.far), iface.path)
    _put_port(draft, iface)
    _put_settings(draft, iface)
    if iface.is_up:
        _put_up(draft, iface)
    put_addresses(draft, iface)


def put_standalone(draft: Draft, iface: Iface, role: StandaloneRole) -> None:
    """Put a standalone link with everything that belongs to it."""
    model, site = role.model, iface.site
    parent = (role.parent.site.label, role.parent.dev) if role.parent is not None else None
    fields = _common(
        draft, iface, parent if parent is not None and parent[0] != site.label else None
    )
    link = model.link(fields, parent)
    if not link.HAS_MAC:
        if iface.explicit_value("mac") is not None:
            draft.complain(
                "no-mac",
                (*iface.path, "mac"),
                f"{iface.display} is of kind {model.kind}, which has no MAC of its own",
            )
        link = replace(link, mac="")
    _check_standalone(draft, iface, model, link)
    draft.put(link, iface.path)
    for resource, place in model.child_resources(link):
        draft.put(resource, (*iface.path, *place))
    _put_port(draft, iface)
    if is_bond(model) and model.primary in site.ifaces:
        draft.put(
            Primary(site.label, iface.dev, site.ifaces[model.primary].dev), (*iface.path, "primary")
        )
    _put_settings(draft, iface)
    if iface.is_up:
        _put_up(draft, iface)
    put_addresses(draft, iface)


def _check_standalone(
    draft: Draft, iface: Iface, model: StandaloneModel, link: StandaloneLink
) -> None:
    """Complain of a standalone link that the kernel would refuse, or whose MTU it would lower."""
    below = carrier(iface)
    if iface.dev in link.RESERVED:
        draft.complain(
            "reserved-name",
            iface.path,
            f"{iface.display}: Linux itself makes a device {iface.dev} in every namespace when it"
            " loads the module.",
            "Take another name.",
        )
    if is_vlan(model) and below is not None and below.name == "lo":
        draft.complain(
            "loopback",
            (*iface.path, "parent"),
            f"{below.display} is the loopback interface, which carries no {model.kind}",
        )
    if (claim := link.claim) is not None and (
        first := draft.claims.setdefault(claim, iface)
    ) is not iface:
        keys = {key: key for key in type(model).model_fields} | {
            a.key: a.word or a.key for a in link.ATTRIBUTES
        }
        same = ", ".join(
            f"`{keys[key]}`"
            for key in link.UNIQUE
            if key in keys and (key != "parent" or link.parent is not None)
        )
        draft.complain(
            "same-tunnel",
            iface.path,
            f"{iface.display} and {first.display} have the same {same}, so Linux could not tell"
            " their packets apart",
        )
    if link.KIND == "vxlan":
        _check_port_of_vxlan(draft, iface, link)
    if (
        below is not None
        and (mtu := mtu_below(iface, below))
        and (most := model.largest_mtu(mtu)) is not None
        and link.mtu > most
    ):
        headers = f", which leaves {most} after the headers" if most < mtu else ""
        reason = f"{below.display} has {mtu}{headers}"
        path = (*iface.path, "mtu")
        if iface.parent is None:
            # Linux does not compare the MTUs unless the tunnel is bound to an interface
            what = f"{iface.display} has MTU {link.mtu}, but {reason}: longer packets are lost"
            draft.warn("mtu-too-large", path, f"{what} or sent in fragments.", "Lower this MTU.")
        else:
            what = f"{iface.display} cannot have MTU {link.mtu}: {reason}"
            draft.complain("mtu-too-large", path, what)
    parent = None if link.FITS_PARENT or iface.own_mtu is not None else iface.parent
    if parent is not None and is_vrf(parent.standalone):
        draft.warn(
            "mtu-too-large",
            (*iface.path, "parent"),
            f"{iface.display} leaves by the VRF {parent.name}, whose MTU is not that of its"
            " ports, so Linux may give it an MTU with which packets are lost.",
            "Add an `mtu`.",
        )


def _check_port_of_vxlan(draft: Draft, iface: Iface, link: StandaloneLink) -> None:
    """Complain of an external vxlan and another one on one port.

    Linux shares the socket of a port only among vxlans of one sort (vxlan_find_sock), so the second
    one could not come up.
    """
    from netorch.kinds.vxlan import Vxlan

    if not isinstance(link, Vxlan):
        return
    stack = link.parent[0] if link.parent is not None else link.birthplace or link.netns
    port = ("port", stack, link.port)
    draft.claims.setdefault((*port, link.external), iface)
    if (other := draft.claims.get((*port, not link.external))) is not None:
        draft.complain(
            "same-tunnel",
            iface.path,
            f"{iface.display} and {other.display} both have the `port` {link.port}, and an external"
            " vxlan takes all packets to its port: give one of them another `port`",
        )


def put_existing(draft: Draft, iface: Iface) -> None:
    """Put what the file adds to an interface that it does not make."""
    _put_settings(draft, iface)
    put_addresses(draft, iface)


def _is_quick(draft: Draft, iface: Iface) -> bool:
    """Whether to turn duplicate address detection off for an interface by itself.

    In namespaces that netorch makes, it is off for all interfaces. Elsewhere netorch turns it off
    for interfaces with an IPv6 address in the file, unless the file sets `accept_dad`.
    """
    explicit = sysctl_key(iface.site.label, sysctl_paths(iface.dev, "accept_dad")[0]) in draft.state
    return (
        not iface.site.created
        and not explicit
        and any(entry.interface.version == 6 for entry in iface.addresses)
    )


def _put_port(draft: Draft, iface: Iface) -> None:
    master, site = iface.master, iface.site
    if master is None:
        return
    if not isinstance(master.role, BridgeRole):
        after = (_up_below(iface),) if is_bond(master.standalone) else ()
        joined = Port(
            site.label,
            iface.dev,
            master.dev,
            of=kind_of(master),
            after=tuple(key for key in after if key is not None),
        )
    else:
        options, usual = iface.port.model or PortModel(), USUAL_COST.get(kind_of(iface), 0)
        joined = Port(
            site.label,
            iface.dev,
            master.dev,
            hairpin=iface.port.hairpin or options.hairpin,
            isolated=iface.port.isolated or options.isolated,
            learning=options.learning,
            neigh_suppress=options.neigh_suppress,
            cost=usual if options.cost is None else options.cost,
            priority=options.priority,
            usual=usual,
        )
    draft.put(joined, iface.path)


def _put_up(draft: Draft, iface: Iface) -> None:
    """Put the state `up` of an interface.

    It comes after the interface's ports and its parent. A port of a bond or a VRF comes up after it
    has joined, because joining changes its state.
    """
    label, master = iface.site.label, iface.master
    after = [
        key for port in iface.ports for key in (port_key(label, port.dev), up_key(label, port.dev))
    ]
    if isinstance(iface.role, BridgeRole):
        # It also comes after the far ends of its cables. Otherwise the bridge would go through all
        # its ports for each carrier that comes up, and would forward the first multicasts of each
        # member to all others.
        far = [port.role.peer for port in iface.ports if isinstance(port.role, VethRole)]
        after += [up_key(end.site.label, end.dev) for end in far if end.is_up]
    if (below := _up_below(iface)) is not None:
        after.append(below)
    inside = master.dev if master is not None and kind_of(master) in TAKES_DOWN else ""
    flags = _flags(draft, iface)
    up = Up(
        label,
        iface.dev,
        inside,
        tuple(after),
        _is_quick(draft, iface),
        arp=flags["arp"],
        multicast=flags["multicast"],
        promisc=flags["promisc"],
        allmulti=flags["allmulti"],
    )
    draft.put(up, iface.path)


def _flags(draft: Draft, iface: Iface) -> dict[str, bool]:
    """Return the flags of an interface.

    Those of `defaults.interface` hold for the interfaces that can have them.
    """
    flags = dict(FLAGS)
    kind = kind_of(iface)
    for name, usual in FLAGS.items():
        value = iface.explicit_value(name)
        if value is None:
            continue
        lent = iface.standalone is not None and iface.standalone.MAKES.LENT
        if not lent and (kind in WITH_ARP or not usual):
            flags[name] = value
        elif any(name in layer.model_fields_set for layer in iface.layers):
            why = (
                "netorch leaves the flags of a NIC as they are"
                if lent
                else f"Linux itself chooses whether an interface of kind {kind} uses it"
            )
            draft.complain(
                "no-such-flag",
                (*iface.path, name),
                f"{iface.display} cannot have `{name}`: {why}.",
                "Remove it.",
            )
    return flags


def _up_below(iface: Iface) -> Key | None:
    """Return the key of the parent's `up` resource, or None if there is none."""
    parent = iface.parent
    return (
        up_key(parent.site.label, parent.dev)
        if parent is not None and not parent.is_existing and parent.is_up
        else None
    )


def put_addresses(draft: Draft, iface: Iface) -> None:
    """Put the addresses of an interface, in order.

    The first address of an IPv4 subnet is the primary one. The kernel deletes the later ones with
    it.
    """
    firsts: dict[object, Ifaddr] = {}
    mtu = mtu_of(iface) if iface.addresses else 0
    for entry in iface.addresses:
        address = address_of(entry)
        if why := _address_obstacle(entry.ip, iface):
            draft.complain(
                "not-a-host-address",
                entry.path,
                f"{iface.display} cannot have the address {address}: {why}",
            )
            continue
        if entry.interface.version == 6 and 0 < mtu < IPV6_MIN_MTU:
            draft.complain(
                "mtu-too-small",
                entry.path,
                f"{iface.display} has MTU {mtu}, but IPv6 needs {IPV6_MIN_MTU}, so it cannot have"
                f" the address {address}",
            )
        if entry.interface.version == 6 and (switch := _ipv6_switch(draft, iface)):
            draft.complain(
                "ipv6-off",
                entry.path,
                f"the sysctl {switch} turns IPv6 off on {iface.display}, so it cannot have the"
                f" address {address}",
            )
        primary = address
        if entry.interface.version == 4:
            subnet = entry.interface.network if entry.peer is None else address_network(entry)
            primary = firsts.setdefault(subnet, address)
        after = None if primary == address else primary
        resource = Address(
            iface.site.label, iface.dev, address, _scope(entry), draft.mark.protocol, after
        )
        if resource.key in draft.state:
            draft.complain(
                "address-twice", entry.path, f"{iface.display} has the address {address} twice"
            )
        draft.put(resource, entry.path)
    _put_neighbours(draft, iface)


def _address_obstacle(ip: IPAddress, iface: Iface) -> str:
    """Return why an interface cannot have an address, or "" if it can."""
    if ip.is_unspecified:
        return "it means any address"
    if ip.is_multicast:
        return "it is a multicast address"
    if ip.version == 6 and ip.is_loopback and iface.name != "lo":
        return "it belongs to lo"
    return ""


def _put_neighbours(draft: Draft, iface: Iface) -> None:
    layers = (*iface.layers, *((iface.default,) if iface.default and not iface.internal else ()))
    for index, model in enumerate(model for layer in layers for model in layer.neighbours):
        path = (*iface.path, "neighbours", index)
        if model.address.is_multicast or model.address.is_unspecified:
            draft.complain(
                "not-a-host-address",
                path,
                f"{iface.display}: {model.address} is not the address of a host, so it cannot be a"
                " neighbour",
            )
            continue
        if iface.name == "lo" and model.address.version == 4 and not iface.site.created:
            draft.complain(
                "loopback",
                path,
                f"{iface.display} is the loopback interface, so it has no IPv4 neighbours",
            )
            continue
        if iface.standalone is not None and not iface.standalone.MAKES.HAS_MAC:
            draft.complain(
                "no-mac",
                path,
                f"{iface.display} is of kind {iface.standalone.kind}, which has no MACs, so it"
                " cannot have `neighbours`",
            )
            continue
        neighbour = Neighbour(
            iface.site.label, iface.dev, str(model.address), model.mac, draft.mark.protocol
        )
        if draft.state.get(neighbour.key, neighbour) != neighbour:
            draft.complain(
                "neighbour-twice",
                path,
                f"{iface.display} has the neighbour {model.address} twice, with different MACs",
            )
        draft.put(neighbour, path)


def _ipv6_switch(draft: Draft, iface: Iface) -> str:
    """Return the sysctl by which the file turns IPv6 off on an interface, or "".

    It is the interface's own setting, else the one for new interfaces, else the one for all.
    """
    new = [_off("default")] if iface.name != "lo" else []
    for path in (*sysctl_paths(iface.dev, "disable_ipv6"), *new, _off("all")):
        setting = draft.state.get(sysctl_key(iface.site.label, path))
        if isinstance(setting, Sysctl):
            return "" if setting.value == "0" else setting.paths[-1].replace("/", ".")
    return ""


def _off(where: str) -> str:
    return f"net/ipv6/conf/{where}/disable_ipv6"


def address_of(entry: DraftAddress) -> Ifaddr:
    """Return an address in the form of a resource."""
    return Ifaddr(
        str(entry.ip),
        entry.interface.network.prefixlen,
        "" if entry.peer is None else str(entry.peer),
    )


def address_network(entry: DraftAddress) -> object:
    """Return the subnet that the kernel takes from an address with another end: that end's."""
    network = entry.interface.network
    return type(network)((entry.peer, network.prefixlen), strict=False)


def _common(draft: Draft, iface: Iface, peer: tuple[str, str] | None) -> LinkFields:
    """Return the fields of a link that all kinds have, and check its description and MTU."""
    site = iface.site
    description = " ".join((iface.explicit_value("description") or "").split())
    role = iface.role
    origin = role.model.taken_from(iface.name) if isinstance(role, StandaloneRole) else ""
    uplink = _nic(iface, role) if isinstance(role, BridgeRole) else ""
    alias = draft.mark.link_alias(peer, description, uplink, origin)
    if description.startswith(("peer=", "uplink=", "from=")):
        prefix = description.partition("=")[0]
        draft.complain(
            "bad-description",
            (*iface.path, "description"),
            f"a description cannot begin with `{prefix}=`, because netorch itself writes that into"
            " the alias of links",
        )
    elif not description.isprintable():
        draft.complain(
            "bad-description",
            (*iface.path, "description"),
            "a description must be one line of printable text",
        )
    elif len(alias.encode()) > ALIAS_BYTES:
        draft.complain(
            "bad-description",
            (*iface.path, "description"),
            f"the description is {len(alias.encode()) - ALIAS_BYTES} bytes too long",
        )
    _check_mtu(draft, iface)
    queue = iface.explicit_value("txqueuelen")
    own_mac = iface.explicit_value("mac") or ("" if origin else draft.mac_of(iface))
    return {
        "netns": site.label,
        "name": iface.dev,
        "mtu": mtu_of(iface),
        "mac": own_mac
        if bond_of(iface) is None
        else ""
        if origin or keeps_mac(iface)
        else _mac_of(draft, iface),
        "group": draft.mark.group,
        "alias": alias,
        "txqueuelen": queue
        if queue is not None
        else role.model.MAKES.QUEUE
        if isinstance(role, StandaloneRole)
        else TXQUEUELEN,
        "altname": iface.altname,
        "own_mac": "" if bond_of(iface) is None else own_mac,
    }


def _check_mtu(draft: Draft, iface: Iface) -> None:
    """Complain of an MTU that Linux refuses for the kind of link."""
    made: type[Link] = Veth
    if isinstance(iface.role, StandaloneRole):
        made = iface.role.model.MAKES
    elif isinstance(iface.role, BridgeRole):
        made = Bridge
    least, most = made.MTUS
    mtu = iface.explicit_mtu
    if mtu is None or least <= mtu <= most or bond_of(iface) is not None:
        return
    code, limit = ("mtu-too-small", least) if mtu < least else ("mtu-too-large", most)
    what = f"{iface.display} cannot have MTU {mtu}: that of a {made.KIND} is"
    end = "or more" if mtu < least else "or less"
    draft.complain(code, (*iface.path, "mtu"), f"{what} {limit} {end}")


def _mac_of(draft: Draft, iface: Iface) -> str:
    """Return the MAC that a bond's port gets, from the outermost bond that sets its ports' MAC."""
    at = iface
    while (bond := bond_of(at)) is not None and not keeps_mac(at):
        at = bond
    return at.explicit_value("mac") or draft.mark.mac(at.site.name, at.name)


def _put_settings(draft: Draft, iface: Iface) -> None:
    for layer in reversed(
        (*iface.layers, *((iface.default,) if iface.default and not iface.internal else ()))
    ):
        for name, value in layer.sysctls.items():
            path = (*iface.path, "sysctls", name)
            _put_setting(draft, iface, sysctl_paths(iface.dev, name), value, path)


def _put_setting(
    draft: Draft, iface: Iface, paths: tuple[str, ...], value: str, place: Path
) -> None:
    """Put a setting of an interface.

    IPv6 settings are left out if the MTU is too small for IPv6, because the interface then has
    none.
    """
    if 0 < mtu_of(iface) < IPV6_MIN_MTU and all(path.startswith("net/ipv6/") for path in paths):
        return
    role = iface.role
    far = role.peer if isinstance(role, VethRole) and role.peer.is_up else None
    after = (up_key(far.site.label, far.dev),) if far is not None else ()
    draft.put(Sysctl(iface.site.label, paths, (value,), after=after), place)


def _scope(entry: DraftAddress) -> int:
    ip = entry.ip
    if isinstance(ip, IPv6Address):
        return (
            RT_SCOPE_LINK
            if ip.is_link_local
            else RT_SCOPE_HOST
            if ip.is_loopback
            else RT_SCOPE_UNIVERSE
        )
    if entry.scope is not None:
        return SCOPES[entry.scope]
    return RT_SCOPE_HOST if ip.is_loopback else RT_SCOPE_UNIVERSE
