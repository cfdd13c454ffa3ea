"""Links of a lab, in all their forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from netorch.immutable import Value
from netorch.importers.containerlab.lab import HOST, MANAGEMENT, MTU, Lab
from netorch.importers.names import interface_names
from netorch.importers.shell_lines.arguments import NotCarriedError, address_of
from netorch.importers.shell_lines.node import Address, Interface, Node
from netorch.language.yaml_tree import Map, Seq

_SRLINUX = re.compile(r"ethernet-(\d+)/(\d+)(?:/(\d+))?")
_SROS = re.compile(r"\d+/\d+(?:/[a-z]?\d+)+")
_EOS = re.compile(r"[Ee]thernet(\d+)(?:/(\d+))?(?:/(\d+))?")
_JUNOS = re.compile(r"(?:ge|xe|et)-0/0/(\d+)")
_SPECIAL = {"host": "host", "macvlan": "macvlan", "mgmt-net": "mgmt-net"}
"""The words in place of a node in the brief form → the type of the link."""
_TEMPLATES = frozenset(("labels", "vars"))
_ONLY_TEMPLATES = "only templates of configurations use it"
_KEYS = {
    "veth": {"ipv4", "ipv6"},
    "host": {"host-interface"},
    "mgmt-net": {"host-interface"},
    "macvlan": {"host-interface", "mode"},
    "dummy": set(),
    "vxlan": {"dst-port", "parent-interface", "remote", "udp-port", "vni"},
    "vxlan-stitch": {"dst-port", "parent-interface", "remote", "udp-port", "vni"},
}
"""Type of a link → its keys that are carried over, besides those of all links."""
_ALL_KEYS = frozenset(("endpoint", "endpoints", "mtu", "type"))
_END_KEYS = frozenset(("interface", "ipv4", "ipv6", "mac", "node"))
_NO_WORD = "netorch has no word for it"


class End(Value):
    """An end of a link in the source."""

    node: str
    interface: str
    mac: str = ""
    addresses: tuple[str, ...] = ()


class Link(Value):
    type: str
    ends: tuple[End, ...]
    keys: Map
    line: int

    def text(self, key: str) -> str:
        value = self.keys.get(key)
        return "" if value is None else str(value)

    def value(self, key: str, default: Any = None) -> Any:
        """Return the value of a key as the file has it, `default` if it is empty."""
        value = self.keys.get(key)
        return default if value in (None, "") else value

    def mtu(self) -> int | None:
        """Return the MTU, None if the link has none that is a number."""
        text = self.text("mtu")
        return int(text) if text.isdecimal() and int(text) else None

    @property
    def description(self) -> str:
        ends = ", ".join(f"{end.node}:{end.interface}" for end in self.ends)
        return f"link {ends}" if self.type == "veth" else f"link of type {self.type}: {ends}"


def linux_name(name: str) -> str:
    """Return the name of an interface in its namespace: `ethernet-1/1` is `e1-1`."""
    if match := _SRLINUX.fullmatch(name):
        return "e" + "-".join(part for part in match.groups() if part)
    if match := _EOS.fullmatch(name):
        return "eth" + "_".join(part for part in match.groups() if part)
    if match := _JUNOS.fullmatch(name):
        return f"eth{int(match[1]) + 1}"
    if _SROS.fullmatch(name):
        return "e" + name.replace("/", "-")
    return name


def add_links(lab: Lab) -> None:
    """Add the links to the draft."""
    links = lab.topology.get("links")
    if not isinstance(links, Seq):
        return
    for keys, at in zip(links, links.where, strict=True):
        line = at.line
        link = _read(lab, keys, line) if isinstance(keys, Map) else None
        if link is None:
            lab.lose(("links",), f"link in line {line}", "it has no two ends", line, matters=True)
            continue
        lab.set_place(_place(lab), line)
        if link.type in _NEEDS_HOST_INTERFACE and not link.text("host-interface"):
            why = "it has no `host-interface`, so containerlab refuses it"
            lab.lose(("links",), link.description, why, line, matters=True)
            continue
        if link.type in _ADD:
            _lose_keys(lab, link, keys)
        _ADD.get(link.type, _add_unknown)(lab, link)


def _lose_keys(lab: Lab, link: Link, keys: Map) -> None:
    """Record the keys of a link that are not carried over."""
    known = _ALL_KEYS | _KEYS[link.type]
    for key, value in keys.items():
        line = keys.where[key].line
        if key in _TEMPLATES:
            lab.lose(_place(lab), f"{key} of a link", _ONLY_TEMPLATES, line)
        elif key not in known and value not in (None, ""):
            lab.lose(_place(lab), f"{key}: {value}", _NO_WORD, line, matters=True)
        elif key in ("ipv4", "ipv6") and not isinstance(value, Seq):
            why = "it is not a list with an address for each end"
            lab.lose(_place(lab), f"{key}: {value}", why, line, matters=True)
        elif key == "mtu" and value is not None and not str(value).isdecimal():
            lab.lose(_place(lab), f"mtu: {value}", "it is not a whole number", line)
    ends = keys.get("endpoints") or [keys.get("endpoint")]
    for end in ends if isinstance(ends, list) else ():
        for key, value in end.items() if isinstance(end, Map) else ():
            if key in _TEMPLATES:
                lab.lose(_place(lab), f"{key} of a link", _ONLY_TEMPLATES, end.where[key].line)
            elif key not in _END_KEYS and value not in (None, ""):
                lab.lose(_place(lab), f"{key}: {value}", _NO_WORD, end.where[key].line)


def _place(lab: Lab) -> tuple[str, int]:
    """Return the path of the next link."""
    return "links", len(lab.draft.links)


def _read(lab: Lab, keys: Map, line: int) -> Link | None:
    ends = tuple(_ends(keys))
    kind = str(keys.get("type") or "veth").strip().lower()
    kind = "veth" if kind == "brief" else kind
    special = [end for end in ends if end.node in _SPECIAL and end.node not in _names(lab)]
    if special and kind == "veth" and len(ends) == 2:
        (outer, *_), (inner, *_) = special, [end for end in ends if end not in special] or special
        keys = _with(keys, {"host-interface": outer.interface})
        return Link(_SPECIAL[outer.node], (inner,), keys, line)
    if len(ends) != (2 if kind in ("veth", "veth-stitch") else 1):
        return None
    return Link("veth" if kind == "veth-stitch" else kind, ends, keys, line)


def _with(keys: Map, more: dict[str, Any]) -> Map:
    result = Map(keys.at)
    result.update(keys)
    result.update(more)
    result.where = keys.where
    return result


def _names(lab: Lab) -> set[str]:
    return set(lab.nodes) | set(lab.settings) | set(lab.bridges) | lab.hosts


def _ends(keys: Map) -> Iterator[End]:
    """Yield the ends, which are texts `node:interface` or mappings."""
    ends = keys.get("endpoints") or [keys.get("endpoint")]
    for index, end in enumerate(ends if isinstance(ends, list) else ()):
        addresses = [_nth(keys.get(family), index) for family in ("ipv4", "ipv6")]
        if isinstance(end, str) and ":" in end:
            node, _, interface = end.partition(":")
            yield End(node.strip(), interface.strip(), "", tuple(filter(None, addresses)))
        elif isinstance(end, dict) and end.get("node"):
            own = [str(end[key]) for key in ("ipv4", "ipv6") if end.get(key)]
            name = str(end.get("interface") or f"eth{index + 1}")
            yield End(str(end["node"]), name, str(end.get("mac") or ""), tuple(own))


def _nth(values: Any, index: int) -> str:
    if isinstance(values, list) and index < len(values) and values[index]:
        return str(values[index])
    return ""


def _interface(lab: Lab, node: Node, end: End, entry: dict[str, Any] | None) -> Interface:
    """Return the new interface of an end."""
    name = _new_name(lab, node, end)
    interface = Interface(name, entry=entry, mtu=MTU)
    if entry is not None and "node" in entry:
        entry["interface"] = name
    node.interfaces[name] = interface
    if end.mac:
        interface.settings["mac"] = end.mac.lower()
    _add_addresses(lab, node, interface, end)
    return interface


def _add_addresses(lab: Lab, node: Node, interface: Interface, end: End) -> None:
    for text in end.addresses:
        try:
            interface.addresses.append(Address(address_of(text)))
        except NotCarriedError as error:
            where = lab.draft.place_of(_place(lab))
            node.lose(f"{end.interface} {text}", error.why, where, matters=True)


def _new_name(lab: Lab, node: Node, end: End) -> str:
    name = lab.interfaces[node.name](linux_name(end.interface))
    if name != end.interface:
        lab.draft.note(("nodes", node.name), f"{name} is {end.interface} in containerlab")
    return name


def _host_name(lab: Lab, end: End) -> str:
    """Return the name of an interface of the host."""
    name = lab.interfaces.setdefault(HOST, interface_names())(linux_name(end.interface))
    if name != end.interface:
        path = ("links", len(lab.draft.links))
        lab.draft.note(path, f"{name} is {end.interface} in containerlab")
    return name


def _add_veth(lab: Lab, link: Link) -> None:
    ends = link.ends
    bridges = [end for end in ends if end.node in lab.bridges]
    if len(bridges) == 2:
        why = "networks have no links to each other; a node with a bridge in it has"
        lab.lose(("links",), link.description, why, link.line, matters=True)
    elif bridges:
        (other,) = [end for end in ends if end not in bridges]
        _add_member(lab, link, other, lab.bridges[bridges[0].node])
    else:
        _add_cable(lab, link)


def _add_member(lab: Lab, link: Link, end: End, network: str) -> None:
    node = lab.node(end.node)
    if node is None:
        why = "the end of a network is a node"
        lab.lose(("networks", network), link.description, why, link.line, matters=True)
        return
    own = lab.draft.networks[network]
    mtu = own.setdefault("mtu", link.mtu() or MTU)
    if mtu != (link.mtu() or MTU):
        why = f"all members of {network} have the MTU of its first link, {mtu}"
        lab.lose(("networks", network), f"mtu: {link.mtu() or MTU}", why, link.line)
    name = _new_name(lab, node, end)
    lab.join(node, network, name)
    interface = node.interfaces[name]
    if end.mac:
        interface.settings["mac"] = end.mac.lower()
    _add_addresses(lab, node, interface, end)


def _add_cable(lab: Lab, link: Link) -> None:
    nodes = [None if end.node in lab.hosts else lab.node(end.node) for end in link.ends]
    missing = [
        end.node
        for end, node in zip(link.ends, nodes, strict=True)
        if node is None and end.node not in lab.hosts
    ]
    if missing:
        why = f"{missing[0]} is not a node here"
        lab.lose(("links",), link.description, why, link.line, matters=True)
        return
    endpoints: list[dict[str, Any]] = []
    for end, node in zip(link.ends, nodes, strict=True):
        entry: dict[str, Any] = {"node": HOST if node is None else node.name}
        if node is None:
            entry["interface"] = _host_name(lab, end)
        else:
            _interface(lab, node, end, entry)
        endpoints.append(entry)
    result: dict[str, Any] = {"endpoints": endpoints}
    if link.mtu() not in (None, MTU):
        result["mtu"] = link.mtu()
        for entry, node in zip(endpoints, nodes, strict=True):
            if node is not None:
                node.interfaces[entry["interface"]].mtu = result["mtu"]
    lab.draft.links.append(result)


def _add_host(lab: Lab, link: Link) -> None:
    (end,) = link.ends
    far = End(HOST, link.text("host-interface"))
    lab.hosts.add(HOST)
    _add_cable(lab, Link("veth", (end, far), link.keys, link.line))


def _own(lab: Lab, link: Link, kind: str, options: dict[str, Any]) -> None:
    """Add an interface that the node itself makes."""
    (end,) = link.ends
    node = lab.node(end.node)
    if node is None:
        lab.lose(("links",), link.description, "its end is not a node", link.line, matters=True)
        return
    interface = _interface(lab, node, end, None)
    interface.kind, interface.options, interface.up = kind, options, True
    if kind == "dummy":
        interface.settings["mtu"] = link.mtu() or MTU
    else:
        interface.mtu = 1500
        if link.mtu() is not None:
            interface.settings["mtu"] = link.mtu()
    lab.set_place(("nodes", node.name, "interfaces", interface.name), link.line)


def _add_macvlan(lab: Lab, link: Link) -> None:
    mode = link.text("mode") or "bridge"
    _own(lab, link, "macvlan", {"parent": f"{HOST}:{link.text('host-interface')}", "mode": mode})


def _add_dummy(lab: Lab, link: Link) -> None:
    _own(lab, link, "dummy", {})


def _add_vxlan(lab: Lab, link: Link) -> None:
    parent = link.text("parent-interface")
    if not parent:
        why = "containerlab sends it over the NIC with the route to the other end: name this NIC"
        lab.lose(("links",), link.description, why, link.line, matters=True)
        return
    options = {
        "vni": link.value("vni", 0),
        "remote": link.text("remote"),
        "port": link.value("dst-port", link.value("udp-port", 4789)),
        "parent": f"{HOST}:{parent}",
    }
    _own(lab, link, "vxlan", options)


def _add_stitch(lab: Lab, link: Link) -> None:
    why = "containerlab makes the VXLAN on the host, and a cable to it: here the node has it itself"
    lab.draft.note(("nodes", lab.names(link.ends[0].node)), why)
    _add_vxlan(lab, link)


def _add_management(lab: Lab, link: Link) -> None:
    """Connect a further interface to the bridge of the management network, without an address."""
    (end,) = link.ends
    node = lab.node(end.node)
    if node is None:
        lab.lose(("links",), link.description, "its end is not a node", link.line, matters=True)
        return
    name = _new_name(lab, node, end)
    entry = lab.join(node, MANAGEMENT, name)
    if not end.addresses:
        entry |= {"addresses": False, "default_route": False}
    if end.mac:
        node.interfaces[name].settings["mac"] = end.mac.lower()
    mtu = link.mtu()
    if mtu is not None and mtu != node.interfaces[name].mtu:
        node.interfaces[name].settings["mtu"] = mtu
    _add_addresses(lab, node, node.interfaces[name], end)
    if port := link.text("host-interface"):
        why = "netorch names the ports of its bridges itself"
        lab.lose(("nodes", node.name), f"host-interface: {port}", why, link.line)


def _add_unknown(lab: Lab, link: Link) -> None:
    why = "a topology has no such links"
    lab.lose(("links",), link.description, why, link.line, matters=True)


_NEEDS_HOST_INTERFACE = frozenset(("host", "macvlan"))
_ADD = {
    "veth": _add_veth,
    "host": _add_host,
    "macvlan": _add_macvlan,
    "dummy": _add_dummy,
    "vxlan": _add_vxlan,
    "vxlan-stitch": _add_stitch,
    "mgmt-net": _add_management,
}
