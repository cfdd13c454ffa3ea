"""Commands of ip-route(8)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from netorch.importers.shell_lines.arguments import (
    Arguments,
    NotCarriedError,
    address_of,
    full_word,
    is_ipv6,
    names,
    without_words,
)
from netorch.importers.shell_lines.encaps import encap
from netorch.importers.shell_lines.node import MAIN, Node, version_of

_ACTS = names("add change chg replace prepend append test delete get list show lst flush save")
_TYPES = ("blackhole", "unreachable", "prohibit")
_OTHER_TYPES = frozenset(names("local broadcast multicast throw nat anycast"))
_SKIP = frozenset(("proto", "protocol", "pref"))
"""Words with a value. netorch has a protocol of its own."""
_TUNING = frozenset(
    names(
        """
        advmss initcwnd initrwnd rtt rttvar rto_min window cwnd ssthresh hoplimit features
        quickack congctl fastopen_no_cookie reordering expires realm realms
        """
    )
)
_SCOPES = {"global": "global", "0": "global", "link": "link", "253": "link", "host": "host"}
_SCOPES |= {"254": "host", "universe": "global"}
IPV6_METRIC = 1024


def route(node: Node, words: Arguments, version: int) -> None:
    act = full_word(words.take(), (*_ACTS, "restore", "help")) if words else "list"
    if act in ("add", "replace", "change", "chg", "prepend", "append"):
        entry, number, lost = _route(node, words, version)
        add_route(node, entry, act)
        if number:
            node.nexthop_users.append((number, entry))
            part = f"`{' '.join([f'nhid {number}', *lost])}` of ip route"
            why = "the route has the next hops of the object"
            rest = ", and a topology has no word for the rest" if lost else ""
            raise NotCarriedError(f"{why}{rest}", matters=False, part=part)
        if lost:
            raise without_words("ip route", lost)
    elif act == "delete":
        delete_route(node, _route(node, words, version)[0])
    elif act == "flush":
        _flush(node, words, version)
    elif act in ("restore", "test", ""):
        raise NotCarriedError("a topology has no word for this command of `ip route`")


def network_of(text: str) -> str:
    """Return a subnet in its usual form. A single address stands for itself."""
    try:
        network = ip_network(text)
    except ValueError:
        try:
            ip_network(text, strict=False)
        except ValueError:
            raise NotCarriedError(f"`{text}` is not a subnet") from None
        raise NotCarriedError(
            f"Linux refuses it, because {text} is an address in a subnet", matters=False
        ) from None
    if network.prefixlen == 0:
        return "default"
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def table_of(node: Node, word: str) -> int:
    if word in node.tables:
        return node.tables[word]
    if word.isdecimal():
        return int(word)
    raise NotCarriedError(f"netorch does not know the number of the table {word}")


def add_route(node: Node, entry: dict[str, Any], act: str = "add") -> None:
    """Add a route, or replace the one with the same destination, table and metric."""
    old = next((one for one in node.routes if _place(one) == _place(entry)), None)
    if act in ("prepend", "append") and old is not None:
        raise NotCarriedError("a topology has no two routes to one place with the same metric")
    if old is not None and act == "add":
        if old == entry:
            raise NotCarriedError("a line before makes the same route", matters=False)
        raise NotCarriedError(
            "Linux refuses it, because there is a route to this place already", matters=False
        )
    for device in [entry["dev"]] if "dev" in entry else []:
        interface = node.interface(device)
        networks = {
            str(one.interface.network if not one.peer else ip_network(one.peer))
            for one in interface.addresses
        }
        if "via" not in entry and entry["to"] in networks and "src" not in entry:
            raise NotCarriedError("Linux makes this route with the address", matters=False)
    if old is not None:
        node.routes[node.routes.index(old)] = entry
    else:
        node.routes.append(entry)


def delete_route(node: Node, pattern: dict[str, Any]) -> None:
    """Delete the first route that has everything that the command names."""
    keys = ("via", "dev", "src", "type")
    for one in node.routes:
        same = one["to"] == pattern["to"] and version_of(one) == version_of(pattern)
        if same and all(one.get(key) == pattern[key] for key in keys if key in pattern):
            node.routes.remove(one)
            return
    if pattern["to"] == "default":
        node.drops_default_route.add(version_of(pattern))
    else:
        raise NotCarriedError("a topology keeps the routes that Linux makes for addresses")


def _place(entry: dict[str, Any]) -> tuple[Any, ...]:
    metric = entry.get("metric", IPV6_METRIC if version_of(entry) == 6 else 0)
    return version_of(entry), entry["to"], metric, entry.get("table", MAIN), entry.get("vrf")


def _route(node: Node, words: Arguments, version: int) -> tuple[dict[str, Any], int, list[str]]:
    """Return a route, the number of its next hop object, and the words that are not carried over.

    The number is 0 if it has no next hop object.
    """
    lost: list[str] = []
    entry: dict[str, Any] = {}
    number = 0
    hops: list[dict[str, Any]] = []
    while words:
        word = words.take()
        if word == "nexthop":
            hops.append(_hop(node, words))
        elif word in HOP_WORDS:
            hop_word(node, entry, word, words)
        elif word == "nhid":
            number = words.number()
            entry |= object_keys(node, number)
            hops += entry.pop("nexthops", [])
        elif word in ("metric", "priority", "preference"):
            entry["metric"] = words.number()
        elif word in ("table", "vrf"):
            name = words.take("table")
            entry[word] = table_of(node, name) if word == "table" else name
        elif word == "src":
            entry["src"] = str(address_of(words.take("address")).ip)
        elif word == "mtu":
            lost += ["mtu lock"] if words.take_if("lock") else []
            entry["mtu"] = words.number()
        elif word == "scope":
            scope = words.take("scope")
            if scope not in _SCOPES:
                raise NotCarriedError(f"a topology has no word for the scope `{scope}`")
            entry["scope"] = _SCOPES[scope]
        elif word in _TYPES:
            entry["type"] = word
        elif word in _SKIP:
            if (value := words.take(word)) != "medium" and word == "pref":
                lost.append(f"pref {value}")
        elif word in _TUNING:
            lost.append(f"{word} lock" if words.take_if("lock") else word)
            lost[-1] += f" {words.take(word)}"
        elif word not in ("unicast", "to"):
            if word in _OTHER_TYPES or "to" in entry:
                raise NotCarriedError(f"a topology has no word for `{word}` of a route")
            entry["to"] = word
    return _complete(entry, hops, version), number, lost


def object_keys(node: Node, number: int) -> dict[str, Any]:
    """Return the keys that a route gets from a next hop object."""
    if number not in node.nexthops:
        raise NotCarriedError(
            f"Linux refuses it, because there is no next hop object {number}", matters=False
        )
    keys = dict(node.nexthops[number])
    if "nexthops" in keys:
        keys["nexthops"] = [dict(hop) for hop in keys["nexthops"]]
    return keys


def _complete(entry: dict[str, Any], hops: list[dict[str, Any]], version: int) -> dict[str, Any]:
    if "to" not in entry:
        raise NotCarriedError("the command is not complete: a destination is missing")
    to = entry["to"]
    entry = {"to": "default" if to in ("default", "any", "all") else network_of(to)} | {
        key: value for key, value in entry.items() if key != "to"
    }
    if hops:
        entry["nexthops"] = hops
    has_gateway = any("via" in hop for hop in (entry, *hops))
    if entry["to"] == "default" and not has_gateway:
        # the family of a default route without a gateway, which its words do not show
        entry["family"] = "ipv6" if version == 6 or is_ipv6(to) else "ipv4"
    usual = "global" if has_gateway or "type" in entry or hops else "link"
    if version_of(entry) == 6 or entry.get("scope") == usual:
        entry.pop("scope", None)
    if entry.get("table") == MAIN:
        del entry["table"]
    return entry


HOP_WORDS = ("via", "dev", "oif", "onlink", "encap")


def _hop(node: Node, words: Arguments) -> dict[str, Any]:
    hop: dict[str, Any] = {}
    while words.peek() in (*HOP_WORDS, "weight"):
        word = words.take()
        if word == "weight":
            weight = words.number()
            if weight != 1:
                hop["weight"] = weight
        else:
            hop_word(node, hop, word, words)
    return hop


def hop_word(node: Node, entry: dict[str, Any], word: str, words: Arguments) -> None:
    if word == "encap":
        entry["encap"] = encap(words, lambda name: table_of(node, name))
    elif word == "via":
        words.take_if("inet", "inet6")
        entry["via"] = str(address_of(words.take("gateway")).ip)
    elif word == "onlink":
        entry["onlink"] = True
    else:
        entry["dev"] = words.take("interface")


def _flush(node: Node, words: Arguments, version: int) -> None:
    table, device, to = MAIN, "", ""
    while words:
        word = words.take()
        if word == "cache":
            return
        if word == "table":
            name = words.take("table")
            if name == "cache":
                return
            table = table_of(node, name) if name != "all" else 0
        elif word == "dev":
            device = words.take("interface")
        elif word in ("proto", "protocol", "scope", "type", "root", "match", "exact", "via"):
            raise NotCarriedError("netorch reads `ip route flush` of tables and interfaces only")
        else:
            to = "default" if word == "default" else network_of(word)
    versions = (version,) if version else (4,)
    node.routes = [
        one
        for one in node.routes
        if version_of(one) not in versions
        or (table and one.get("table", MAIN) != table)
        or (device and device not in node.devices(one))
        or (to and one["to"] != to)
    ]
    if not device and to in ("", "default"):
        node.drops_default_route.update(versions)
