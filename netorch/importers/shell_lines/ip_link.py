"""Commands of ip-link(8), ip-tunnel(8) and ip-tuntap(8)."""

from __future__ import annotations

from typing import Any

from netorch.importers.shell_lines.arguments import (
    Arguments,
    NotCarriedError,
    full_word,
    names,
    without_words,
)
from netorch.importers.shell_lines.link_kinds import KINDS, read_options
from netorch.importers.shell_lines.node import Interface, Node

_ACTS = names("add delete set change replace show lst list property afstats xstats help")
_VALUES = frozenset(("numtxqueues", "numrxqueues", "index", "txqueues", "rxqueues"))
_HARMLESS = frozenset(("addrgenmode", "group", "protodown"))
_HAS_PEER = frozenset(("veth", "netkit", "vxcan"))
_FLAGS = {"arp": "arp", "multicast": "multicast", "promisc": "promisc", "allmulticast": "allmulti"}
"""Word of ip(8) → key of an interface."""
_NO_WORD = "a topology has no word for `{}` of an interface"


def link(node: Node, words: Arguments, version: int) -> None:
    act = full_word(words.take(), _ACTS) if words else "show"
    if act in ("add", "replace"):
        _add(node, words)
    elif act in ("set", "change"):
        _set(node, words)
    elif act == "delete":
        name = _name(words)
        if name in node.interfaces:
            node.remove_interface(name)
    elif act in ("property", ""):
        raise NotCarriedError("a topology has no word for this command of `ip link`")


def _name(words: Arguments) -> str:
    """Return the name in `[dev] NAME [type KIND]`."""
    words.take_if("dev")
    words.take_if("link")
    return words.take("interface")


class _Words:
    """What the words before `type` say."""

    def __init__(self) -> None:
        self.name = ""
        self.parent = ""
        self.kind = ""
        self.settings: dict[str, Any] = {}
        self.master: str | None = None
        """The bridge, bond or VRF to join, "" to leave it, None to stay."""
        self.up: bool | None = None
        self.group = ""
        self.new_name = ""
        self.lost: list[str] = []


def _read(words: Arguments) -> _Words:
    """Return what the words up to the options of a kind say."""
    common = _Words()
    while words:
        word = words.take()
        if word == "type":
            common.kind = words.take("kind")
            break
        if word in ("name", "dev"):
            name = words.take("name")
            if word == "name" and common.name:
                common.new_name = name
            else:
                common.name = name
        elif word == "link":
            common.parent = words.take("interface")
        elif not _read_setting(common, word, words):
            if common.name or word in _HARMLESS:
                raise NotCarriedError(_NO_WORD.format(word))
            common.name = word
    return common


def _read_setting(common: _Words, word: str, words: Arguments) -> bool:
    """Read a word that sets something. Return whether it is such a word."""
    if word == "address":
        common.settings["mac"] = words.take("MAC address").lower()
    elif word == "mtu":
        common.settings["mtu"] = words.number()
    elif word in ("txqueuelen", "txqlen", "qlen"):
        common.settings["txqueuelen"] = words.number()
    elif word == "alias":
        common.settings["description"] = words.take("text")
    elif word in ("master", "vrf"):
        common.master = words.take("interface")
    elif word == "nomaster":
        common.master = ""
    elif word in ("up", "down"):
        common.up = word == "up"
    elif word in _VALUES:
        words.take(word)
    elif word == "group" and not common.name and not common.kind:
        common.group = words.take("group")
    elif word in _HARMLESS:
        common.lost.append(f"{word} {words.take(word)}")
    elif word in _FLAGS or word in ("dynamic", "trailers"):
        _flag(common, word, words.take(word))
    elif word == "netns":
        raise NotCarriedError("netorch reads the lines of one node, not those of other namespaces")
    else:
        return False
    return True


def _flag(common: _Words, word: str, value: str) -> None:
    if word in _FLAGS and value in ("on", "off"):
        common.settings[_FLAGS[word]] = value == "on"
    elif value != "off":
        common.lost.append(f"{word} {value}")


def _add(node: Node, words: Arguments) -> None:
    common = _read(words)
    if not common.kind:
        raise NotCarriedError("the command is not complete: a kind is missing")
    if common.kind in _HAS_PEER:
        _add_pair(node, common, words)
        return
    options, lost = read_options(common.kind, words, new=True)
    if not common.name:
        raise NotCarriedError("the command is not complete: a name is missing")
    if common.parent:
        options["parent"] = common.parent
    if "parent" in options:
        node.interface(options["parent"])
    interface = node.add_interface(common.name, common.kind)
    interface.options = options
    _apply(node, interface, common)
    _report(common.lost + lost)


def _add_pair(node: Node, common: _Words, words: Arguments) -> None:
    if common.kind != "veth":
        raise NotCarriedError(f"a topology has no interfaces of kind {common.kind}")
    peer = _Words()
    if words:
        if words.take() != "peer":
            raise NotCarriedError("the command is not complete: `peer` is missing")
        peer = _read(words)
    if not common.name or not peer.name:
        raise NotCarriedError("the names of both ends are needed")
    one, other = (node.add_interface(each.name, "veth") for each in (common, peer))
    one.options["peer"] = f"{node.name}:{peer.name}"
    other.kind = "peer"
    other.options["peer"] = f"{node.name}:{common.name}"
    _apply(node, one, common)
    _apply(node, other, peer)
    _report(common.lost + peer.lost)


def _set(node: Node, words: Arguments) -> None:
    common = _read(words)
    if common.group == "default" and common.up is not None:
        for interface in node.interfaces.values():
            node.set_state(interface, common.up)
        return
    interface = node.interface(common.name.partition("@")[0])
    lost: list[str] = []
    if common.kind:
        lost = _change_kind(interface, common.kind, words)
    if common.new_name:
        node.rename(interface.name, common.new_name)
    _apply(node, interface, common)
    _report(common.lost + lost)


def _change_kind(interface: Interface, kind: str, words: Arguments) -> list[str]:
    """Change the options of a kind. Return the words that a topology has none for."""
    options, lost = read_options(kind, words)
    if kind == "bridge_slave":
        interface.port |= options
    elif kind == interface.kind:
        interface.options |= options
    elif kind in KINDS:
        raise NotCarriedError(f"{interface.name} is not a {kind}", matters=False)
    return lost


def _apply(node: Node, interface: Interface, common: _Words) -> None:
    interface.settings |= common.settings
    if common.master is not None:
        join(node, interface, common.master)
    if common.up is not None:
        node.set_state(interface, common.up)


def join(node: Node, interface: Interface, master: str) -> None:
    """Make an interface a port of a bridge, bond or VRF; "" makes it leave the one it is in."""
    interface.master, interface.port, interface.vlans = master, {}, {}
    if not master:
        return
    owner = node.interface(master)
    if owner.kind == "bridge":
        interface.join_default_vlan(owner)
    elif owner.kind == "bond":
        # A bond brings its ports up and gives them its MTU. It takes the MAC of the first one.
        interface.up = True
        interface.settings.pop("mtu", None)
        if (mac := interface.settings.pop("mac", None)) is not None:
            owner.settings.setdefault("mac", mac)


def _report(lost: list[str]) -> None:
    """Raise NotCarriedError for words that the topology does not have, but the rest is carried."""
    if lost:
        raise without_words("ip link", lost)


_TUNNEL_MODES = {
    "gre": "gre",
    "gre/ip": "gre",
    "ipip": "ipip",
    "ip/ip": "ipip",
    "sit": "sit",
    "ipv6/ip": "sit",
    "ip6gre": "ip6gre",
    "gre/ipv6": "ip6gre",
    "ip6ip6": "ip6tnl",
    "ipip6": "ip6tnl",
    "any": "ip6tnl",
    "ipv6/ipv6": "ip6tnl",
    "ip/ipv6": "ip6tnl",
}


def tunnel(node: Node, words: Arguments, version: int) -> None:
    act = full_word(words.take(), _ACTS) if words else "show"
    if act == "add":
        options: list[str] = []
        name, mode = "", "any" if version == 6 else ""
        while words:
            word = words.take()
            if word == "mode":
                mode = words.take("mode")
            elif word == "dev":
                options += [word, words.take("interface")]
            elif word in ("local", "remote", "ttl", "hoplimit", "key", "tos", "encaplimit"):
                options += [word, words.take(word)]
            elif word in ("nopmtudisc", "pmtudisc"):
                continue
            else:
                name = word if word != "name" else words.take("name")
        if mode not in _TUNNEL_MODES:
            raise NotCarriedError(f"a topology has no tunnels of mode `{mode}`")
        kind = _TUNNEL_MODES[mode]
        values, lost = read_options(kind, Arguments(options), new=True)
        if "parent" in values:
            node.interface(values["parent"])
        node.add_interface(name, kind).options = values
        _report(lost)
    elif act == "delete":
        node.remove_interface(_name(words))
    elif act not in ("show", "lst", "list"):
        raise NotCarriedError("a topology has no word for this command of `ip tunnel`")


def tuntap(node: Node, words: Arguments, version: int) -> None:
    act = full_word(words.take(), _ACTS) if words else "show"
    name, mode = "", "tun"
    options: dict[str, Any] = {}
    while words:
        word = words.take()
        if word in ("mode", "dev", "name", "user", "group"):
            value = words.take(word)
            if word == "mode":
                mode = value
            elif word in ("dev", "name"):
                name = value
            else:
                options[{"user": "owner"}.get(word, word)] = value
        elif word == "multi_queue":
            options["multi_queue"] = True
        elif word not in ("pi", "one_queue", "vnet_hdr"):
            name = word
    if act == "add":
        node.add_interface(name, mode).options = options
    elif act == "delete":
        node.remove_interface(name)
