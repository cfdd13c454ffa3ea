"""Commands of ifconfig(8), route(8) and vconfig(8)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from netorch.importers.shell_lines.arguments import (
    Arguments,
    NotCarriedError,
    address_of,
    is_ipv6,
    without_words,
)
from netorch.importers.shell_lines.ip_address import add_address
from netorch.importers.shell_lines.ip_route import add_route, delete_route, network_of
from netorch.importers.shell_lines.ip_rule import set_neighbour
from netorch.importers.shell_lines.node import Address, Interface, Node
from netorch.kinds.up import FLAGS

_WITH_VALUE = frozenset(("broadcast", "metric", "keepalive", "outfill"))


def ifconfig(node: Node, words: Arguments) -> None:
    names = []
    while words.peek().startswith("-"):
        words.take()
    if words:
        names.append(words.take())
    if not words:
        return
    name, _, label = names[0].partition(":")
    interface = node.interface(name)
    text, mask, peer, version = "", "", "", 4
    lost: list[str] = []
    while words:
        word = words.take()
        if word in ("up", "down"):
            node.set_state(interface, word == "up")
        elif word == "netmask":
            mask = words.take("mask")
        elif word in ("pointopoint", "dstaddr"):
            peer = words.take("address")
        elif word in ("hw", "ether", "mtu", "txqueuelen"):
            _set(interface, word, words)
        elif word in ("inet6", "add", "del"):
            version = 6 if word == "inet6" else version
            if word == "del":
                raise NotCarriedError("netorch does not read `ifconfig … del`")
            words.take_if("add")
            add_address(interface, Address(address_of(words.take("address"))), replace=True)
        elif word in _WITH_VALUE:
            value = words.take(word)
            lost += [f"{word} {value}"] if word != "broadcast" else []
        elif (flag := word.removeprefix("-")) in FLAGS:
            interface.settings[flag] = flag == word
        elif flag == "dynamic":
            lost.append(word)
        elif word != "inet":
            text = word
    if text or mask:
        _set_address(node, interface, label, text, mask, peer)
    if lost:
        raise without_words("ifconfig", lost)


def _set(interface: Interface, word: str, words: Arguments) -> None:
    if word == "hw":
        words.take("class")
    if word in ("hw", "ether"):
        interface.settings["mac"] = words.take("MAC address").lower()
    else:
        interface.settings[word] = words.number()


def _set_address(
    node: Node, interface: Interface, label: str, text: str, mask: str, peer: str
) -> None:
    """Set the address, as ifconfig does: the first one of the interface, or that of a label."""
    old = next((one for one in interface.addresses if one.version == 4), None)
    if not text and old is None:
        raise NotCarriedError("the command is not complete: an address is missing")
    address = text or str(old.interface.ip if old else "")
    if "/" in address:
        new = Address(address_of(address))
    else:
        length = mask or str(_classful(address))
        new = Address(address_of(f"{address}/{length}"))
    if peer:
        new = Address(address_of(f"{address}/32"), peer)
    if old is not None and not label and new.version == 4:
        interface.addresses[interface.addresses.index(old)] = new
    else:
        add_address(interface, new, replace=True)
    node.set_state(interface, True)


def _classful(text: str) -> int:
    """Return the length of the prefix that the class of an address has."""
    first = int(address_of(text).ip) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24


def route(node: Node, words: Arguments) -> None:
    version, act = 4, ""
    while words and not act:
        word = words.take()
        if word in ("-A", "--inet6", "-6"):
            version = 6 if word != "-A" or words.take() == "inet6" else 4
        elif word in ("add", "del", "delete"):
            act = word
        elif word == "flush":
            raise NotCarriedError("a topology has no word for `route flush`")
    if act:
        entry, lost = _route(words, version)
        if act == "add":
            add_route(node, entry)
            if lost:
                raise without_words("route", lost)
        else:
            delete_route(node, entry)


def _route(words: Arguments, version: int) -> tuple[dict[str, Any], list[str]]:
    """Return a route, and the words that are not carried over."""
    lost: list[str] = []
    entry: dict[str, Any] = {}
    to, mask, kind = "", "", ""
    while words:
        word = words.take()
        if word in ("-net", "-host"):
            kind = word
        elif word == "netmask":
            mask = words.take("mask")
        elif word in ("gw", "gateway"):
            entry["via"] = str(address_of(words.take("gateway")).ip)
        elif word in ("dev", "device"):
            entry["dev"] = words.take("interface")
        elif word == "metric":
            entry["metric"] = words.number()
        elif word == "reject":
            entry["type"] = "unreachable"
        elif word in ("mss", "window", "irtt"):
            lost.append(f"{word} {words.take(word)}")
        elif word in ("mod", "dyn", "reinstate"):
            lost.append(word)
        elif not to:
            to = word
        else:
            entry["dev"] = word
    if to in ("default", "0.0.0.0", "0.0.0.0/0", "::/0") and not mask.strip("0."):
        entry["to"] = "default"
        if "via" not in entry:
            entry["family"] = "ipv6" if version == 6 else "ipv4"
    elif "/" in to or is_ipv6(to):
        entry["to"] = network_of(to)
    else:
        entry["to"] = network_of(f"{to}/{mask or _length(to, kind)}")
    if entry.get("metric") == 0:
        del entry["metric"]
    return {"to": entry["to"]} | entry, lost


def _length(to: str, kind: str) -> int:
    try:
        address = ip_address(to)
    except ValueError:
        raise NotCarriedError(f"`{to}` is not an IP address") from None
    has_host = int(address) & ((1 << (32 - _classful(to))) - 1)
    return 32 if kind == "-host" or (kind != "-net" and has_host) else _classful(to)


def arp(node: Node, words: Arguments) -> None:
    device, act, rest = "", "", list[str]()
    while words:
        word = words.take()
        if word in ("-i", "--device"):
            device = words.take("interface")
        elif word in ("-s", "--set", "-d", "--delete"):
            act = word.lstrip("-")[0]
        elif word in ("-f", "--file", "-Ds", "-D", "--use-device", "pub", "temp", "netmask"):
            raise NotCarriedError(f"a topology has no word for `{word}` of arp(8)")
        elif word in ("-H", "--hw-type", "-t", "-A"):
            words.take("class")
        elif not word.startswith("-"):
            rest.append(word)
    if act:
        address = str(address_of(rest[0] if rest else "").ip)
        name = device or node.device_to(address)
        if not name:
            raise NotCarriedError(f"Linux refuses it, because no subnet of the node has {address}")
        mac = rest[1].lower() if act == "s" and len(rest) > 1 else ""
        set_neighbour(node.interface(name), address, mac)


def vconfig(node: Node, words: Arguments) -> None:
    act = words.take("command")
    if act == "add":
        parent, number = words.take("interface"), words.number()
        node.interface(parent)
        node.add_interface(f"{parent}.{number}", "vlan").options = {"parent": parent, "id": number}
    elif act == "rem":
        node.remove_interface(words.take("interface"))
    else:
        raise NotCarriedError(f"a topology has no word for `vconfig {act}`")
