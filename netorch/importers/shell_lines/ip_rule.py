"""Commands of ip-rule(8) and ip-neighbour(8)."""

from __future__ import annotations

from typing import Any

from netorch.importers.shell_lines.arguments import (
    Arguments,
    NotCarriedError,
    address_of,
    full_word,
    is_ipv6,
    names,
)
from netorch.importers.shell_lines.ip_route import network_of, table_of
from netorch.importers.shell_lines.node import FIRST_RULE, Interface, Node

_RULE_ACTS = names("add delete list show lst flush save restore help")
_NEIGHBOUR_ACTS = names("add change chg replace delete get show list flush help")
_ACTIONS = ("blackhole", "unreachable", "prohibit")


def rule(node: Node, words: Arguments, version: int) -> None:
    act = full_word(words.take(), _RULE_ACTS) if words else "list"
    if act == "add":
        entry = _rule(node, words, version)
        _set_priority(node, entry)
        node.rules.append(entry)
    elif act == "delete":
        _delete(node, _rule(node, words, version))
    elif act in ("flush", "restore", ""):
        raise NotCarriedError("a topology has no word for this command of `ip rule`")


def _rule(node: Node, words: Arguments, version: int) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    while words:
        word = words.take()
        if word in ("from", "to"):
            prefix = words.take("subnet")
            if prefix not in ("all", "any", "default", "0.0.0.0/0", "::/0"):
                entry[word] = network_of(prefix)
        elif word in ("iif", "dev"):
            entry["iif"] = words.take("interface")
        elif word == "oif":
            entry["oif"] = words.take("interface")
        elif word == "fwmark":
            entry["fwmark"] = words.take("mark")
        elif word == "not":
            entry["not"] = True
        elif word in ("ipproto", "uidrange"):
            entry[word] = words.take(word)
        elif word in ("sport", "dport"):
            ports = words.take("port")
            entry[word] = int(ports) if ports.isdecimal() else ports
        elif word in ("tos", "dsfield"):
            entry["tos"] = words.take("TOS")
        elif word in ("suppress_prefixlength", "sup_pl"):
            entry["suppress_prefixlength"] = words.number()
        elif word in ("priority", "preference", "pref", "prio", "order"):
            entry["priority"] = words.number()
        elif word in ("table", "lookup"):
            entry["table"] = table_of(node, words.take("table"))
        elif word in _ACTIONS:
            entry["action"] = word
        elif word in ("protocol", "proto"):
            words.take("protocol")
        elif word not in ("type", "unicast"):
            raise NotCarriedError(f"a topology has no word for `{word}` of a rule")
    if version == 6 and not any(is_ipv6(entry.get(key, "")) for key in ("from", "to")):
        entry["family"] = "ipv6"
    if "action" not in entry:
        entry.setdefault("table", 254)
    return entry


def _set_priority(node: Node, entry: dict[str, Any]) -> None:
    """Give a rule the priority that Linux chooses, and mark it as chosen."""
    if "priority" not in entry:
        first = min((one["priority"] for one in node.rules), default=FIRST_RULE)
        entry["priority"] = max(first - 1, 0)
        entry["chosen"] = True


def _delete(node: Node, pattern: dict[str, Any]) -> None:
    """Delete the first rule that has everything that the command names."""
    named = {key: value for key, value in pattern.items() if (key, value) != ("table", 254)}
    for one in node.rules:
        if all(one.get(key) == value for key, value in named.items()):
            node.rules.remove(one)
            return
    raise NotCarriedError("a topology keeps the rules that Linux makes")


def neighbour(node: Node, words: Arguments, version: int) -> None:
    act = full_word(words.take(), _NEIGHBOUR_ACTS) if words else "show"
    if act in ("add", "replace", "change", "chg", "delete"):
        _change(node, words, act)
    elif act == "":
        raise NotCarriedError("a topology has no word for this command of `ip neighbour`")


def _change(node: Node, words: Arguments, act: str) -> None:
    entry: dict[str, str] = {}
    device = ""
    while words:
        word = words.take()
        if word == "dev":
            device = words.take("interface")
        elif word == "lladdr":
            entry["mac"] = words.take("MAC address").lower()
        elif word == "nud":
            if words.take("state") not in ("permanent", "noarp"):
                raise NotCarriedError("a topology has permanent neighbours only", matters=False)
        elif word in ("proxy", "router", "extern_learn", "use"):
            raise NotCarriedError(f"a topology has no word for `{word}` of a neighbour")
        elif word == "protocol":
            words.take("protocol")
        else:
            entry["address"] = str(address_of(word if word != "to" else words.take()).ip)
    interface = node.interface(device)
    if act != "delete" and set(entry) != {"address", "mac"}:
        raise NotCarriedError("the command is not complete: an address is missing")
    mac = entry["mac"] if act != "delete" else ""
    set_neighbour(interface, entry.get("address", ""), mac)


def set_neighbour(interface: Interface, address: str, mac: str) -> None:
    """Set the MAC address of a neighbour, or remove the neighbour if the address is ""."""
    known = interface.settings.setdefault("neighbours", [])
    known[:] = [one for one in known if one["address"] != address]
    if mac:
        known.append({"address": address, "mac": mac})
    if not known:
        del interface.settings["neighbours"]
