"""Puts what the lines of a node declare into a draft."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from netorch.importers.draft import Draft
from netorch.importers.shell_lines.arguments import names
from netorch.importers.shell_lines.filter_rules import filter_of
from netorch.importers.shell_lines.ip_nexthop import lose_unused
from netorch.importers.shell_lines.iptables import translations
from netorch.importers.shell_lines.node import (
    MAIN,
    SEGMENTS,
    Interface,
    Node,
    PortVlan,
    version_of,
)
from netorch.importers.shorten import only_or_all
from netorch.kinds.up import FLAGS

_ORDER = ("mtu", "mac", "txqueuelen", "description", "neighbours", "impair")
_BOTH = frozenset(
    names(
        """
        forwarding mc_forwarding accept_redirects accept_source_route disable_policy
        drop_unicast_in_l2_multicast ignore_routes_with_linkdown
        """
    )
)
"""Settings of interfaces that IPv4 and IPv6 have each."""
_WITH_PARENT = frozenset(("vlan", "macvlan", "macvtap", "ipvlan"))
_OWN_DEFAULT = {"net.ipv6.conf.default.accept_dad": "0"}
"""Settings that each node has without a line about it."""


def write(node: Node, draft: Draft, *, forwards: bool = False) -> None:
    """Put the node into the draft. `forwards` says whether `defaults.node` has `forwarding`.

    An entry of the node that exists already keeps its keys.
    """
    entry = draft.nodes.setdefault(node.name, {})
    place = ("nodes", node.name)
    _write_forwarding(node, entry, forwards)
    _write_sysctls(node, entry)
    for interface in node.interfaces.values():
        _write_interface(node, entry, interface)
    _name_memberships(node, entry)
    _write_routes(node, entry)
    lose_unused(node)
    _write_rules(node, entry)
    nat: list[dict[str, Any]] = []
    for one in translations(node):
        if one not in nat:
            nat.append(one)
    if nat:
        entry["nat"] = nat
    if words := filter_of(node, has_ipv6=_has_ipv6(node, draft)):
        entry["filter"] = words
    if node.name_servers:
        entry["dns"] = dict(node.name_servers)
    for target in node.pings:
        _write_check(node, draft, target)
    draft.lines.setdefault(node.name, []).extend(node.lines)
    for loss in node.losses:
        where = loss.where[0] if loss.where else ""
        draft.lose(place, loss.text, loss.why, where, matters=loss.matters)


def _has_ipv6(node: Node, draft: Draft) -> bool:
    """Whether the node or a network of the file has addresses of IPv6."""
    subnets = [one.get("subnet", ()) for one in draft.networks.values() if isinstance(one, dict)]
    texts = [text for one in subnets for text in (one if isinstance(one, list) else [one])]
    own = (one.version for interface in node.interfaces.values() for one in interface.addresses)
    return 6 in own or any(":" in str(text) for text in texts)


def _write_forwarding(node: Node, entry: dict[str, Any], forwards: bool) -> None:
    if node.forwards == {4: forwards, 6: forwards}:
        return
    if node.forwards[4] == node.forwards[6]:
        entry["forwarding"] = node.forwards[4]
        return
    if forwards:
        # because `forwarding: true` of the defaults contradicts a setting of 0
        entry["forwarding"] = False
        why = "a node forwards the packets of both IP versions, or of none"
        node.lose(f"forwarding of IPv{4 if node.forwards[4] else 6}", why, "", matters=True)
        return
    path = "net.ipv4.ip_forward" if node.forwards[4] else "net.ipv6.conf.all.forwarding"
    entry.setdefault("sysctls", {})[path] = 1


def _write_sysctls(node: Node, entry: dict[str, Any]) -> None:
    """Distribute the settings to the interfaces that they belong to."""
    rest: dict[str, Any] = {}
    for path, value in node.sysctls.items():
        number = int(value) if value.isdecimal() and value == str(int(value)) else value
        parts = [part.replace("/", ".") for part in path.split(".")]
        if _OWN_DEFAULT.get(path) == value:
            continue
        if len(parts) == 5 and parts[2] == "conf" and parts[3] not in ("all", "default"):
            family, name = parts[1], parts[4]
            other = path.replace(f"net.{family}.", f"net.{_other(family)}.", 1)
            if name not in _BOTH or node.sysctls.get(other) == value:
                interface = node.interfaces.get(parts[3])
                if interface is not None:
                    interface.settings.setdefault("sysctls", {})[name] = number
                continue
        rest[path] = number
    if rest:
        entry.setdefault("sysctls", {}).update(rest)


def _other(family: str) -> str:
    return "ipv6" if family == "ipv4" else "ipv4"


def _write_interface(node: Node, entry: dict[str, Any], interface: Interface) -> None:
    settings = _settings(node, interface)
    addresses = [one.entry() for one in _addresses(node, interface)]
    own: dict[str, Any] = {}
    if interface.entry is None:
        if interface.kind not in ("lo", "peer"):
            own["kind"] = interface.kind
            own |= _options(node, interface)
        if addresses:
            own["addresses"] = addresses
        own |= settings
    else:
        _write_common(interface, own, settings, addresses)
    port = interface.port | _port_vlans(node, interface)
    if port:
        own["port"] = _short_port(port, set(interface.vlans))
    if own:
        entry.setdefault("interfaces", {})[interface.name] = own


def _name_memberships(node: Node, entry: dict[str, Any]) -> None:
    """Name the interfaces of memberships where netorch would choose other names.

    It skips the names under `interfaces`.
    """
    if not any(re.fullmatch(r"eth\d+", name) for name in entry.get("interfaces", ())):
        return
    for interface in node.interfaces.values():
        if interface.is_membership and interface.entry is not None:
            keys = dict(interface.entry)
            interface.entry.clear()
            interface.entry.update({"name": interface.name} | keys)


def _write_common(
    interface: Interface, own: dict[str, Any], settings: dict[str, Any], addresses: list[Any]
) -> None:
    """Put the keys into the end of a link or the membership that makes the interface."""
    assert interface.entry is not None
    target = interface.entry
    if interface.is_membership:
        # because `impair` of a membership holds for both directions
        if "impair" in settings:
            own["impair"] = settings.pop("impair")
        has_others = interface.subnets or "address" in target
        if addresses and not has_others and all(isinstance(one, str) for one in addresses):
            target["address"] = only_or_all(addresses)
            addresses = []
        if addresses:
            own["addresses"] = addresses
    elif addresses:
        target["addresses"] = addresses
    target |= settings


def _settings(node: Node, interface: Interface) -> dict[str, Any]:
    """Return the keys that all kinds of interfaces have, in the order of the documentation."""
    values = {key: interface.settings[key] for key in _ORDER if key in interface.settings}
    values |= {
        key: value
        for key, value in interface.settings.items()
        if key not in values and (key not in FLAGS or value != FLAGS[key])
    }
    mtu = _mtu(node, interface)
    if interface.kind in (*_WITH_PARENT, "bridge", "bond", "dummy", "veth", "peer") and (
        interface.entry is None
    ):
        if mtu == 1500:
            values.pop("mtu", None)
        else:
            values["mtu"] = mtu
    elif values.get("mtu") == interface.mtu:
        del values["mtu"]
    if _is_port_of(node, interface, "bond"):
        values.pop("mac", None)
        values.pop("mtu", None)
    if not interface.up:
        values["state"] = "down"
    return values


def _mtu(node: Node, interface: Interface, depth: int = 0) -> int:
    """Return the MTU that the interface has in the source."""
    if "mtu" in interface.settings:
        return int(interface.settings["mtu"])
    if depth > len(node.interfaces):
        return interface.mtu
    if interface.kind in _WITH_PARENT:
        parent = node.interfaces.get(interface.options.get("parent", ""))
        return interface.mtu if parent is None else _mtu(node, parent, depth + 1)
    if interface.kind == "bridge":
        # not a bond, because its ports take its MTU and not the reverse
        ports = [_mtu(node, port, depth + 1) for port in node.ports(interface.name)]
        return min(ports, default=interface.mtu)
    return interface.mtu


def _is_port_of(node: Node, interface: Interface, *kinds: str) -> bool:
    master = node.interfaces.get(interface.master)
    return master is not None and master.kind in kinds


def _addresses(node: Node, interface: Interface) -> list[Any]:
    """Return the addresses that the file can have; a port has none."""
    if not _is_port_of(node, interface, *SEGMENTS):
        return interface.addresses
    for one in interface.addresses:
        why = f"a port of {interface.master} has no addresses in a topology"
        node.lose(f"{interface.name} {one.interface}", why, "", matters=True)
    return []


def _options(node: Node, interface: Interface) -> dict[str, Any]:
    """Return the keys of the kind, with the ports of a bridge, bond or VRF."""
    options = dict(interface.options)
    ports = [port.name for port in node.ports(interface.name)]
    if interface.kind == "vlan" and options.get("protocol") == "802.1q":
        del options["protocol"]
    if interface.kind == "bridge" and options.get("vlan_filtering") is False:
        del options["vlan_filtering"]
    if interface.kind == "vxlan" and options.get("port") == 4789:
        del options["port"]
    if ports and interface.kind in ("bridge", "bond", "vrf"):
        options["ports"] = ports
    return options


def _port_vlans(node: Node, interface: Interface) -> dict[str, Any]:
    """Return the keys for the VLANs of a port, or of a bridge as a port of its own."""
    bridge = interface if interface.kind == "bridge" else node.interfaces.get(interface.master)
    if bridge is None or bridge.kind != "bridge" or not interface.vlans:
        return {}
    default = bridge.options.get("vlan_default_pvid", 1)
    usual = {default: PortVlan(True, True)} if default else {}
    vlans = dict(interface.vlans)
    if interface is bridge:
        # netorch adds the VLANs of VLAN interfaces itself
        for one in node.interfaces.values():
            number = one.options.get("id", 0)
            is_on_top = one.kind == "vlan" and one.options.get("parent") == bridge.name
            if is_on_top and vlans.get(number) == PortVlan(False, False):
                del vlans[number]
    if vlans == usual:
        return {}
    if not bridge.options.get("vlan_filtering"):
        why = f"{bridge.name} has no `vlan_filtering`, so VLANs of ports have no effect"
        node.lose(f"VLANs of {interface.name}", why, "", matters=False)
        return {}
    keys: dict[str, Any] = {}
    pvid = next((number for number, vlan in vlans.items() if vlan.pvid), 0)
    if pvid != default:
        keys["pvid"] = pvid
    if pvid and vlans[pvid].untagged:
        del vlans[pvid]
    if vlans:
        keys["vlans"] = _vlan_entries(vlans, pvid)
    return keys


def _vlan_entries(vlans: dict[int, PortVlan], pvid: int) -> list[Any]:
    """Return the entries of `vlans`, with ranges."""
    entries: list[Any] = []
    numbers = sorted(vlans)
    while numbers:
        first = last = numbers.pop(0)
        while numbers and numbers[0] == last + 1 and vlans[last + 1] == vlans[first]:
            last = numbers.pop(0)
        name: Any = first if first == last else f"{first}-{last}"
        if first == pvid:
            entries.append({"id": name, "untagged": False})
        elif vlans[first].untagged:
            entries.append({"id": name, "untagged": True})
        else:
            entries.append(name)
    return entries


def _short_port(port: dict[str, Any], all_vlans: set[int]) -> dict[str, Any]:
    """Return the settings of a port with short entries of its forwarding database.

    `all_vlans` are the VLANs of the port. An entry for all of them names none.
    """
    short = {key: value for key, value in port.items() if key != "fdb"}
    vlans: dict[str, set[int]] = {}
    for one in port.get("fdb", []):
        vlans.setdefault(one["mac"], set()).add(one.get("vlan", 0))
    entries: list[Any] = []
    for mac, numbers in vlans.items():
        if 0 in numbers or (len(numbers) > 1 and numbers == all_vlans):
            entries.append(mac)
        else:
            entries += [{"mac": mac, "vlan": number} for number in sorted(numbers)]
    return short | {"fdb": entries} if entries else short


def _write_routes(node: Node, entry: dict[str, Any]) -> None:
    routes = []
    for route in node.routes:
        problem = _problem(node, route)
        if problem:
            text = "route " + " ".join(f"{key} {value}" for key, value in route.items())
            node.lose(text, problem, "", matters=True)
        else:
            routes.append(_route(node, route))
    if routes:
        entry["routes"] = routes


def _problem(node: Node, route: dict[str, Any]) -> str:
    """Return why Linux refuses a route, "" if it does not."""
    for hop in route.get("nexthops") or [route]:
        local = hop.get("encap", {}).get("seg6local", {})
        for device in (hop.get("dev"), local.get("oif")):
            if device is not None and device not in node.interfaces:
                return f"the node has no interface {device}"
        if "vrftable" in local:
            if not any(
                one.kind == "vrf" and one.options.get("table") == local["vrftable"]
                for one in node.interfaces.values()
            ):
                return "Linux refuses it, because the node has no VRF with this table"
            if node.sysctls.get("net.vrf.strict_mode") != "1":
                return "Linux refuses it without the setting net.vrf.strict_mode=1"
        device = hop.get("dev")
        gateway = hop.get("via")
        if gateway is None or hop.get("onlink"):
            continue
        address = ip_address(gateway)
        if address.is_link_local and device:
            continue
        if not any(
            address in network and device in (None, interface.name)
            for interface, network in node.subnets()
        ):
            where = f"no subnet of {device} has" if device else "no subnet of the node has"
            return f"Linux refuses it, because {where} the gateway"
    return ""


def _route(node: Node, route: dict[str, Any]) -> dict[str, Any]:
    """Return a route as an entry of the file."""
    version = version_of(route)
    result = {key: value for key, value in route.items() if key not in ("family", "nexthops")}
    if route["to"] == "default" and "family" in route and version == 6:
        result["to"] = "::/0"
    elif route["to"] == "default" and "family" in route:
        result["to"] = "0.0.0.0/0"
    device = _device(node, route)
    _shorten_hop(node, result)
    if "nexthops" in route:
        result["nexthops"] = [dict(hop) for hop in route["nexthops"]]
        for hop in result["nexthops"]:
            _shorten_hop(node, hop)
    master = node.interfaces.get(device.master) if device is not None else None
    if master is not None and master.kind == "vrf":
        if result.get("table") == master.options.get("table"):
            del result["table"]
        elif "table" not in result and "vrf" not in result:
            result["table"] = MAIN
    return result


def _device(node: Node, route: dict[str, Any]) -> Interface | None:
    names = sorted(node.devices(route))
    return node.interfaces.get(names[0]) if names else None


def _shorten_hop(node: Node, hop: dict[str, Any]) -> None:
    """Remove the interface of a hop if netorch finds the same one."""
    gateway, device = hop.get("via"), hop.get("dev")
    if gateway and device and not hop.get("onlink"):
        holders = {
            interface.name
            for interface, network in node.subnets()
            if ip_address(gateway) in network
        }
        if holders == {device}:
            del hop["dev"]


def _write_rules(node: Node, entry: dict[str, Any]) -> None:
    """Write the rules in the order in which Linux looks at them.

    netorch chooses their priorities if Linux chose them all.
    """
    rules = sorted(node.rules, key=lambda one: one["priority"])
    chosen = all(one.get("chosen") for one in rules)
    keys = (
        *("not", "from", "to", "ipproto", "sport", "dport", "iif", "oif", "fwmark", "tos"),
        *("uidrange", "suppress_prefixlength", "table", "priority", "action", "family"),
    )
    if rules:
        entry["rules"] = [
            {key: one[key] for key in keys if key in one and not (chosen and key == "priority")}
            for one in rules
        ]


def _write_check(node: Node, draft: Draft, target: str) -> None:
    try:
        ip_address(target)
    except ValueError:
        if target not in draft.nodes:
            why = "netorch asks no name servers, and no node has this name"
            node.lose(f"ping {target}", why, "", matters=False)
            return
    draft.check(source=node.name, to=target)
