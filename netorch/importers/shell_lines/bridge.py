"""Commands of bridge(8) and brctl(8)."""

from __future__ import annotations

import re
from typing import Any

from netorch.importers.shell_lines.arguments import (
    Arguments,
    NotCarriedError,
    full_word,
    names,
    without_words,
)
from netorch.importers.shell_lines.ip_link import join
from netorch.importers.shell_lines.link_kinds import read_options
from netorch.importers.shell_lines.node import Node, PortVlan

_OBJECTS = names("link fdb mdb mst vlan vni monitor")
_ACTS = names("add append replace delete set show list lst get flush")
_NO_WORD = "a topology has no word for `{}` of bridge(8)"


def bridge(node: Node, words: Arguments) -> None:
    while words.peek().startswith("-"):
        if words.take() in ("-n", "-netns", "-b", "-batch"):
            raise NotCarriedError("netorch reads the lines of one node")
    name = full_word(words.take("object"), _OBJECTS)
    act = full_word(words.take(), _ACTS) if words else "show"
    if act in ("show", "list", "lst", "get"):
        return
    if name == "vlan" and act in ("add", "delete"):
        _vlan(node, words, act)
    elif name == "fdb" and act in ("add", "append", "replace", "delete"):
        _fdb(node, words, act)
    elif name == "link" and act == "set":
        _link(node, words)
    elif name != "monitor":
        raise NotCarriedError(_NO_WORD.format(f"{name} {act}"))


def _vlan(node: Node, words: Arguments, act: str) -> None:
    device, vlans, pvid, untagged = "", "", False, False
    while words:
        word = words.take()
        if word == "dev":
            device = words.take("interface")
        elif word == "vid":
            vlans = words.take("VLAN")
        elif word == "pvid":
            pvid = True
        elif word == "untagged":
            untagged = True
        elif word not in ("self", "master"):
            raise NotCarriedError(_NO_WORD.format(f"vlan … {word}"))
    interface = node.interface(device)
    first, _, last = vlans.partition("-")
    if not all(re.fullmatch("[0-9]{1,4}", number) for number in (first, last or first)):
        raise NotCarriedError(f"`{vlans}` is not a VLAN")
    if interface.kind == "bridge" and not interface.vlans:
        interface.join_default_vlan(interface)
    for number in range(int(first), int(last or first) + 1):
        interface.vlans.pop(number, None)
        if act == "add":
            if pvid:
                for other, vlan in list(interface.vlans.items()):
                    interface.vlans[other] = PortVlan(False, vlan.untagged)
            interface.vlans[number] = PortVlan(pvid, untagged)


def _fdb(node: Node, words: Arguments, act: str) -> None:
    mac, device, end, vlan, is_of_bridge = words.take("MAC address").lower(), "", "", 0, False
    while words:
        word = words.take()
        if word == "dev":
            device = words.take("interface")
        elif word == "dst":
            end = words.take("address")
        elif word == "vlan":
            vlan = words.number()
        elif word == "master":
            is_of_bridge = True
        elif word not in ("self", "permanent", "static", "local", "dynamic"):
            raise NotCarriedError(_NO_WORD.format(f"fdb … {word}"))
    interface = node.interface(device)
    if interface.kind == "vxlan" and end:
        entry: dict[str, Any] = {"mac": mac, "dst": end}
        known = interface.options.setdefault("fdb", [])
        if act == "replace":
            known[:] = [one for one in known if one["mac"] != mac]
    elif is_of_bridge and interface.master:
        known = interface.port.setdefault("fdb", [])
        entry = {"mac": mac, "vlan": vlan} if vlan else {"mac": mac}
    else:
        raise NotCarriedError(_NO_WORD.format("fdb, of an interface that is neither a port nor a"))
    if act == "delete":
        known[:] = [one for one in known if one != entry]
    elif entry not in known:
        known.append(entry)


def _link(node: Node, words: Arguments) -> None:
    if words.take() != "dev":
        raise NotCarriedError("the command is not complete: `dev` is missing")
    interface = node.interface(words.take("interface"))
    rest = [word for word in words.rest() if word not in ("self", "master")]
    options, lost = read_options("bridge_slave", Arguments(rest))
    interface.port |= options
    if lost:
        raise without_words("bridge", lost)


_SECONDS = {
    "setfd": "forward_delay",
    "sethello": "hello_time",
    "setmaxage": "max_age",
    "setageing": "ageing_time",
}


def brctl(node: Node, words: Arguments) -> None:
    act = words.take() if words else "show"
    if act in ("show", "showmacs", "showstp"):
        return
    name = words.take("bridge")
    if act == "addbr":
        node.add_interface(name, "bridge")
        return
    interface = node.interface(name)
    if act == "delbr":
        node.remove_interface(name)
    elif act in ("addif", "delif"):
        for port in words.rest():
            join(node, node.interface(port), name if act == "addif" else "")
    elif act == "stp":
        interface.options["stp"] = words.take() in ("on", "yes", "1")
    elif act in _SECONDS:
        interface.options[_SECONDS[act]] = f"{words.take('seconds')}s"
    elif act == "setbridgeprio":
        interface.options["priority"] = words.number()
    elif act in ("setpathcost", "setportprio", "hairpin"):
        member = node.interface(words.take("port"))
        value = words.take("value")
        if act == "hairpin":
            member.port["hairpin"] = value in ("on", "yes", "1")
        else:
            member.port["cost" if act == "setpathcost" else "priority"] = int(value)
    else:
        raise NotCarriedError(f"a topology has no word for `brctl {act}`")
