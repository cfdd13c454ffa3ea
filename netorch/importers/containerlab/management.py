"""The management network, to which containerlab connects each container by its eth0."""

from __future__ import annotations

import re
from ipaddress import ip_interface, ip_network
from typing import Any

from netorch.importers.containerlab.lab import MANAGEMENT, Lab
from netorch.importers.containerlab.settings import Setting
from netorch.importers.shell_lines.arguments import IpInterface, NotCarriedError, address_of
from netorch.importers.shell_lines.node import Interface, Node
from netorch.importers.shorten import only_or_all
from netorch.language.yaml_tree import Map
from netorch.render.yaml_text import flow

_SUBNET = "172.20.20.0/24"
_SUBNET6 = "3fff:172:20:20::/64"
"""The subnets of the management network if the file has none (core/config.go of containerlab)."""
_MENTION = re.compile(r"\beth0\b|\b172\.20\.20\.")
_LEFT_OUT = (
    "containerlab connects eth0 of each container to a management network, with a default route; "
    "the lab does not use it, and `netorch exec` needs none. With it: `networks: {mgmt: {mode: "
    "nat}}`, and `networks: [mgmt]` in each node"
)
_MEMBERS = (
    "eth0 of each member has an address and the default route here, as the container engine gives "
    "them; `default_route: false` in a membership leaves the route out"
)
_KEYS = {
    "ipv4-gw": "gateway",
    "ipv6-gw": "gateway",
    "ipv4-range": "ip_range",
    "ipv6-range": "ip_range",
}
_ENGINE = frozenset(("network", "external-access", "driver-opts"))
NODE_KEYS = ("mgmt-ipv4", "mgmt-ipv6", "mgmt_ipv4", "mgmt_ipv6")
_OWN_STACK = ("none", "host")


def add_management(lab: Lab) -> None:
    """Add the management network if the file mentions it, else a comment."""
    mgmt = lab.source.tree.get("mgmt")
    if not _is_mentioned(lab):
        if lab.settings:
            lab.draft.note((), _LEFT_OUT)
            _lose_rest(lab, mgmt, ())
        return
    network: dict[str, Any] = {"mode": "nat"}
    lab.draft.networks[MANAGEMENT] = network
    if isinstance(mgmt, Map):
        _read(lab, mgmt, network)
    _choose_subnets(lab, network)
    if MANAGEMENT in lab.bridges:
        network.setdefault("bridge", f"br-{MANAGEMENT}")  # because the other one has the name
    lab.draft.note(("networks", MANAGEMENT), _MEMBERS)
    for name, settings in lab.settings.items():
        node = lab.nodes.get(name)
        if node is not None and _is_member(settings):
            _join(lab, node, settings)
            lab.managed.add(name)


def _is_mentioned(lab: Lab) -> bool:
    for settings in lab.settings.values():
        if any(key in settings for key in (*NODE_KEYS, "ports")):
            return True
        lines = settings.get("exec")
        if lines is not None and _MENTION.search(str(list(lines.value))) and _is_member(settings):
            return True
    links = lab.topology.get("links") or []
    return any(isinstance(link, Map) and _leads_to_management(link) for link in links)


def _leads_to_management(link: Map) -> bool:
    if str(link.get("type")).strip().lower() == "mgmt-net":
        return True
    ends = link.get("endpoints")
    nodes = [
        end.get("node") if isinstance(end, Map) else str(end).partition(":")[0].strip()
        for end in (ends if isinstance(ends, list) else ())
    ]
    return "mgmt-net" in nodes


def _is_member(settings: dict[str, Setting]) -> bool:
    mode = str(settings["network-mode"].value) if "network-mode" in settings else ""
    kind = str(settings["kind"].value) if "kind" in settings else ""
    shares = mode in _OWN_STACK or mode.startswith("container:")
    return not shares and kind not in ("ext-container", "host")


def _read(lab: Lab, mgmt: Map, network: dict[str, Any]) -> None:
    used = []
    for key, value in mgmt.items():
        line = mgmt.where[key].line
        if key in ("ipv4-subnet", "ipv4_subnet", "ipv6-subnet", "ipv6_subnet"):
            if value not in ("auto", "", None):
                _add_subnet(lab, network, f"mgmt.{key}: {value}", str(value), line)
            used.append(key)
        elif key in _KEYS:
            if value not in ("", None):
                network.setdefault(_KEYS[key], []).append(value)
                lab.set_place(("networks", MANAGEMENT, _KEYS[key]), line)
            used.append(key)
        elif key in ("bridge", "mtu"):
            if value not in ("", None, 0):
                network[key] = value
                lab.set_place(("networks", MANAGEMENT, key), line)
            used.append(key)
    _lose_rest(lab, mgmt, used)


def _add_subnet(lab: Lab, network: dict[str, Any], words: str, text: str, line: int) -> None:
    try:
        subnet = str(ip_network(text, strict=False))
    except ValueError:
        why = "it is not a subnet, and netorch takes another one"
        lab.lose(("networks", MANAGEMENT), words, why, line, matters=True)
        return
    if subnet != text and "/" in text and ip_interface(text).ip != ip_network(subnet)[0]:
        why = f"netorch writes {subnet}, because a subnet has no address of a host"
        lab.lose(("networks", MANAGEMENT), words, why, line)
    network.setdefault("subnet", []).append(subnet)


def _lose_rest(lab: Lab, mgmt: Any, used: Any) -> None:
    if not isinstance(mgmt, Map):
        return
    for key, value in mgmt.items():
        if key not in used:
            why = "the network is left out"
            if key in _ENGINE:
                why = "the container engine reads it"
            elif MANAGEMENT in lab.draft.networks:
                why = "netorch has no word for it"
            lab.lose(
                ("networks", MANAGEMENT), f"mgmt.{key}: {flow(value)}", why, mgmt.where[key].line
            )


def _choose_subnets(lab: Lab, network: dict[str, Any]) -> None:
    """Give the network the subnets that the addresses of the file need.

    They are those of containerlab, or others if the addresses are not of them.
    """
    subnets = network.setdefault("subnet", [])
    addresses = [
        address.ip
        for settings in lab.settings.values()
        for key in NODE_KEYS
        if key in settings and (address := _address(key, settings[key])) is not None
    ]
    texts = str(
        [settings["exec"].value for settings in lab.settings.values() if "exec" in settings]
    )
    for version, usual in ((4, _SUBNET), (6, _SUBNET6)):
        of_version = [one for one in addresses if one.version == version]
        if any(ip_network(subnet, strict=False).version == version for subnet in subnets):
            continue
        is_usual = any(one in ip_network(usual) for one in of_version)
        if of_version and not is_usual:
            subnets.append(str(_around(of_version)))
            lab.draft.note(("networks", MANAGEMENT), f"netorch chose {subnets[-1]}")
        elif of_version or usual.partition("0/")[0].rstrip(":") in texts:
            subnets.append(usual)
    for key in ("subnet", "gateway", "ip_range"):
        values = network.get(key)
        if values is not None and len(values) < 2:
            network.pop(key)
            if values:
                network[key] = values[0]


def _version(key: str) -> str:
    return "IPv6" if key.endswith("ipv6") else "IPv4"


def _address(key: str, setting: Setting) -> IpInterface | None:
    """Return the address in the management network, None if it is not one of the IP version."""
    try:
        address = address_of(str(setting.value))
    except NotCarriedError:
        return None
    return address if f"IPv{address.version}" == _version(key) else None


def _around(addresses: list[Any]) -> Any:
    """Return the smallest subnet of a usual size that has all addresses."""
    for length in (24, 16, 8, 0) if addresses[0].version == 4 else (64, 48, 32, 0):
        network = ip_network(f"{addresses[0]}/{length}", strict=False)
        if all(one in network for one in addresses):
            return network
    raise AssertionError("a network of length 0 has all addresses")


def _join(lab: Lab, node: Node, settings: dict[str, Setting]) -> None:
    membership = lab.join(node, MANAGEMENT, "eth0")
    path = ("nodes", node.name, "networks", MANAGEMENT)
    addresses = []
    for key in NODE_KEYS:
        if key in settings:
            setting = settings[key]
            if _address(key, setting) is None:
                text, why = f"{key}: {setting.value}", f"it is not an address of {_version(key)}"
                lab.lose(path, text, why, setting.line, matters=True)
            else:
                lab.set_place(path, setting.line)
                addresses.append(str(setting.value))
    if addresses:
        membership["address"] = only_or_all(addresses)
    node.interfaces["eth0"] = Interface("eth0", entry=membership)
    ports = settings.get("ports")
    if ports is not None:
        entry = lab.draft.nodes[node.name]
        entry["publish"] = [str(one) for one in ports.value if ":" in str(one)]
        lab.set_place(("nodes", node.name, "publish"), ports.line)
        for one, line in zip(ports.value, ports.lines, strict=False):
            if ":" not in str(one):
                why = "the container engine chooses the port of the host"
                lab.lose(("nodes", node.name), f"ports: {one}", why, line)
