"""Topology files with mistakes that a user might make: good files with a few wrong values or keys.

`seeds()` returns the good files, and `mutate()` makes a file with mistakes from one of them. While
`tests.fuzz` damages the text, this module changes the meaning: most of the files are well formed,
and many of them are valid.
"""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Callable, Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from netorch.errors import NetorchError
from netorch.language.yaml_tree import Findings, parse
from netorch.resolve.loader import load

SOURCE = Path(__file__).resolve().parents[1]
NAME = "mutant"
"""The topology's `name` in all of these files."""
LARGEST = 6_000
"""The longest seed, in characters: a large topology takes long and tests nothing more."""

Tree = Any
Place = tuple[Any, Any]
"""A mapping or list, and a key or position in it."""

NUMBERS = (
    *(-1, 0, 1, 2, 10, 67, 68, 255, 256, 1279, 1280, 1400, 1499, 1500, 1501, 4094, 4095, 9000),
    *(65521, 65534, 65535, 65536, 2**24 - 1, 2**24, 2**31, 2**32 - 1, 2**32),
)
ADDRESSES = (
    *("0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "10.99.0.1", "169.254.1.1"),
    *("::", "::1", "fe80::9", "ff02::1", "fd99::1", "::ffff:10.0.0.1", "2001:db8::1"),
)
SUBNETS = (
    *("0.0.0.0/0", "10.99.0.0/24", "10.99.0.0/30", "10.99.0.0/31", "10.99.0.1/32", "127.0.0.0/8"),
    *("224.0.0.0/24", "169.254.0.0/16", "::/0", "fd99::/64", "fd99::/127", "fe80::/64"),
    *("ff00::/8", "fd99::1/128"),
)
NAMES = ("lo", "all", "default", "eth0", "eth9", "host", "nobody", "x" * 15, "x" * 16, "tunl0")
MACS = ("02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00")
KINDS = ("dummy", "bridge", "vlan", "macvlan", "macvtap", "ipvlan", "vxlan", "ifb", "tap", "tun")
MODES = ("segment", "host-only", "nat", "routed", "bridged", "bridge", "private", "passthru", "l3")


def seeds() -> list[Tree]:
    """Return the good files of the source tree as plain values, in a fixed order, no large ones."""
    texts = [
        path.read_text()
        for folder in ("topologies", "docs/examples")
        for path in sorted((SOURCE / folder).glob("*.yaml"))
    ]
    texts += [
        text for path in sorted((SOURCE / "tests/kernel").glob("test_*.py")) for text in _in(path)
    ]
    trees: dict[str, Tree] = {}
    for text in texts:
        tree = _tree(re.sub(r"(\d)-\d{2,}\]", r"\1-9]", text))
        if tree is not None and len(text) <= LARGEST:
            trees.setdefault(json.dumps(tree), tree)
    return list(trees.values())


def _in(path: Path) -> Iterator[str]:
    """Yield the constant strings of a Python file that may be topology files."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "nodes:" in node.value
        ):
            yield node.value


def _tree(text: str) -> Tree | None:
    """Return a good file as plain values, and None for any other text."""
    try:
        tree = _plain(parse(text.encode(), Findings()))
        load(json.dumps(tree).encode(), f"{NAME}.yaml")
    except NetorchError:
        return None
    return tree


def _plain(value: Any) -> Tree:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def mutate(seed: Tree, dice: random.Random) -> str:
    """Make one to three mistakes in the seed. The result is JSON, which is also YAML."""
    tree = json.loads(json.dumps(seed))
    for _ in range(dice.choice((1, 1, 2, 3))):
        dice.choice(_WAYS)(tree, dice)
    tree["name"] = NAME
    return json.dumps(tree)


def with_a_wrong_value(seed: Tree, dice: random.Random) -> tuple[str, frozenset[int]]:
    """Put a value into the file that is wrong everywhere.

    Return the file, and the numbers of the lines of the value and of the entries that contain it.
    """
    tree = json.loads(json.dumps(seed))
    tree["name"] = NAME
    place = _choose(tree, dice, lambda key, value: key != "name" and _is_scalar(key, value))
    where, key = place if place is not None else (tree, "wrong-key")
    where[key] = {"wrong-value": 1}
    lines = json.dumps(tree, indent=1).split("\n")
    at = next(number for number, line in enumerate(lines) if "wrong-value" in line)
    indent, about = len(lines[at]) - len(lines[at].lstrip()), {at, at + 1}
    for number in range(at, -1, -1):  # a section as a whole is not about one of its entries
        if 2 <= len(lines[number]) - len(lines[number].lstrip()) < indent:
            indent = len(lines[number]) - len(lines[number].lstrip())
            about.add(number + 1)
    return "\n".join(lines), frozenset(about)


def _places(tree: Tree) -> Iterator[Place]:
    """Yield every key and position of a tree."""
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield tree, key
            yield from _places(value)


def _choose(tree: Tree, dice: random.Random, fits: Callable[[Any, Any], bool]) -> Place | None:
    places = [(where, key) for where, key in _places(tree) if fits(key, where[key])]
    return dice.choice(places) if places else None


def _is_scalar(_: Any, value: Any) -> bool:
    return not isinstance(value, dict | list)


def _words(tree: Tree, key: str) -> list[Any]:
    """Return all values that a key has in the tree."""
    return [where[at] for where, at in _places(tree) if at == key]


def _mapping(value: Any) -> dict[str, Any]:
    """Return the value if it is a mapping, and an empty one otherwise.

    An earlier mutation may have put something else there.
    """
    return value if isinstance(value, dict) else {}


def _named(tree: Tree, dice: random.Random) -> str:
    """Return the name of something in the file, or a name that the file may not have."""
    known = [*_mapping(tree.get("nodes")), *_mapping(tree.get("networks"))]
    for where, key in _places(tree):
        value = where[key]
        if key in {"interfaces", "networks"}:
            known += _mapping(value)
        elif isinstance(value, str) and value.count(":") == 1:
            known.append(value.partition(":")[2])
    return dice.choice([*known, *NAMES])


def _addresses(tree: Tree) -> list[str]:
    """Return addresses of the file, and the first, last and some other addresses of its subnets."""
    addresses: list[str] = []
    for where, key in _places(tree):
        if isinstance(where[key], str) and ("." in where[key] or ":" in where[key]):
            try:
                interface = ip_interface(where[key])
            except ValueError:
                continue
            network = interface.network
            size = network.num_addresses
            addresses += [str(interface.ip), str(network[0]), str(network[-1])]
            addresses += [str(network[at]) for at in (1, 2, 3, 9) if at < size]
    return addresses or [*ADDRESSES]


def _address(tree: Tree, dice: random.Random) -> str:
    return dice.choice(_addresses(tree) if dice.random() < 0.75 else ADDRESSES)


def _subnet(tree: Tree, dice: random.Random) -> str:
    known = [
        where[key]
        for where, key in _places(tree)
        if isinstance(where[key], str) and "/" in where[key] and where[key][-1:].isdigit()
    ]
    return str(dice.choice(known if known and dice.random() < 0.6 else SUBNETS))


def _like(tree: Tree, old: Any, dice: random.Random) -> Any:
    """Return another value of about the same type."""
    if isinstance(old, bool):
        return not old
    if isinstance(old, int):
        return dice.choice(NUMBERS)
    text = str(old)
    if text.count(":") == 5:
        return dice.choice(MACS)
    if "/" in text:
        return dice.choice((_subnet(tree, dice), f"{_address(tree, dice)}/{dice.choice(NUMBERS)}"))
    if text.count(".") == 3 or "::" in text:
        return _address(tree, dice)
    if text in KINDS:
        return dice.choice(KINDS)
    if text in MODES:
        return dice.choice(MODES)
    if ":" in text:
        return f"{_named(tree, dice)}:{_named(tree, dice)}"
    return dice.choice((_named(tree, dice), _named(tree, dice), dice.choice(NUMBERS)))


def _value(tree: Tree, dice: random.Random) -> None:
    if (place := _choose(tree, dice, _is_scalar)) is not None:
        where, key = place
        where[key] = _like(tree, where[key], dice)


def _same_key(tree: Tree, dice: random.Random) -> None:
    """Give a key the value that the same key has elsewhere."""
    if (place := _choose(tree, dice, lambda key, _: isinstance(key, str))) is not None:
        where, key = place
        where[key] = json.loads(json.dumps(dice.choice(_words(tree, key))))


def _delete(tree: Tree, dice: random.Random) -> None:
    if (place := _choose(tree, dice, lambda *_: True)) is not None:
        where, key = place
        del where[key]


def _empty(tree: Tree, dice: random.Random) -> None:
    if (place := _choose(tree, dice, lambda _, value: isinstance(value, dict | list))) is not None:
        where, key = place
        where[key] = type(where[key])() if dice.random() < 0.8 else None


def _double(tree: Tree, dice: random.Random) -> None:
    if (place := _choose(tree, dice, lambda _, value: isinstance(value, list))) is not None:
        where, key = place
        if where[key]:
            where[key].append(json.loads(json.dumps(dice.choice(where[key]))))


def _move(tree: Tree, dice: random.Random) -> None:
    """Move a key to another mapping."""
    if (place := _choose(tree, dice, lambda key, _: isinstance(key, str))) is not None:
        where, key = place
        value = where.pop(key)
        target = _choose(tree, dice, lambda _, value: isinstance(value, dict))
        (target[0][target[1]] if target is not None else tree)[key] = value


def _rename(tree: Tree, dice: random.Random) -> None:
    if (place := _choose(tree, dice, lambda key, _: isinstance(key, str))) is not None:
        where, key = place
        new = _named(tree, dice)
        renamed = [(new if old == key else old, value) for old, value in where.items()]
        where.clear()
        where.update(renamed)


def _route(tree: Tree, dice: random.Random) -> Tree:
    to = dice.choice(("default", _subnet(tree, dice), _subnet(tree, dice), _address(tree, dice)))
    hop = {"via": _address(tree, dice), "dev": _named(tree, dice), "onlink": True, "weight": 3}
    kinds = (("via",), ("via",), ("dev",), ("via", "dev"), ("via", "dev", "onlink"))

    def leg() -> Tree:
        return {key: {**hop, "via": _address(tree, dice)}[key] for key in dice.choice(kinds)}

    route = {"to": to} | (leg() if dice.random() < 0.7 else {"nexthops": [leg(), leg()]})
    extra = {
        "metric": dice.choice(NUMBERS),
        "table": dice.choice(NUMBERS),
        "src": _address(tree, dice),
        "mtu": dice.choice(NUMBERS),
        "scope": dice.choice(("global", "link", "host")),
        "type": dice.choice(("unicast", "blackhole", "unreachable", "prohibit")),
    }
    for key in dice.sample(sorted(extra), dice.choice((0, 0, 0, 1, 2))):
        route[key] = extra[key]
    return route


def _interface(tree: Tree, dice: random.Random) -> Tree:
    own = {
        "kind": dice.choice(KINDS),
        "addresses": [f"{_address(tree, dice)}/{dice.choice((0, 8, 24, 30, 31, 32, 64, 128))}"],
        "mtu": dice.choice(NUMBERS),
        "mac": dice.choice(MACS),
        "state": "down",
        "master": _named(tree, dice),
        "parent": _named(tree, dice),
        "ports": [_named(tree, dice)],
        "vni": dice.choice(NUMBERS),
        "id": dice.choice(NUMBERS),
        "local": _address(tree, dice),
        "remote": _address(tree, dice),
        "group": "239.1.1.1",
        "mode": dice.choice(MODES),
        "stp": True,
        "forward_delay": dice.choice(NUMBERS),
        "vlan_filtering": True,
        "port": {"pvid": dice.choice(NUMBERS)},
        "txqueuelen": dice.choice(NUMBERS),
        "sysctls": {dice.choice(("rp_filter", "disable_ipv6", "mtu", "nonsense")): 1},
        "neighbours": [{"address": _address(tree, dice), "mac": dice.choice(MACS)}],
        "impair": {"rate": "1mbit"},
    }
    keys = dice.sample(sorted(own), dice.choice((1, 1, 2, 3)))
    return {key: own[key] for key in own if key in keys}


def _insert(tree: Tree, dice: random.Random) -> None:
    """Add a key to a node or to a network."""
    networks = [words for words in _mapping(tree.get("networks")).values() if _mapping(words)]
    nodes = _mapping(tree.get("nodes"))
    if networks and dice.random() < 0.4:
        more = {
            "gateway": _address(tree, dice),
            "egress": _address(tree, dice),
            "subnet": [_subnet(tree, dice), _subnet(tree, dice)],
            "ip_range": _subnet(tree, dice),
            "uplink": _named(tree, dice),
            "parent": _named(tree, dice),
            "node": _named(tree, dice),
            "bridge": _named(tree, dice),
            "mode": dice.choice(MODES),
            "mtu": dice.choice(NUMBERS),
            "driver": dice.choice(("bridge", "macvlan", "ipvlan", "vxlan")),
            "stp": True,
            "vlan_filtering": True,
            "isolated": dice.random() < 0.5,
            "allow": [_named(tree, dice)],
            "port_isolation": True,
            "vni": dice.choice(NUMBERS),
        }
        key = dice.choice(sorted(more))
        dice.choice(networks)[key] = more[key]
        return
    if not nodes:
        return
    name = dice.choice(sorted(nodes))
    nodes[name] = node = _mapping(nodes[name])
    match dice.choice(("routes", "routes", "routes", "rules", "interfaces", "interfaces", "rest")):
        case "routes":
            _put(node, "routes", _route(tree, dice))
        case "rules":
            rule = {
                "from": _subnet(tree, dice),
                "to": _subnet(tree, dice),
                "iif": _named(tree, dice),
                "oif": _named(tree, dice),
                "priority": dice.choice(NUMBERS),
                "fwmark": dice.choice(NUMBERS),
            }
            keys = dice.sample(sorted(rule), dice.choice((0, 1, 2)))
            _put(node, "rules", {key: rule[key] for key in keys} | {"table": dice.choice(NUMBERS)})
        case "interfaces":
            node["interfaces"] = there = _mapping(node.get("interfaces"))
            dev = _named(tree, dice)
            there[dev] = _mapping(there.get(dev)) | _interface(tree, dice)
        case "rest":
            more = {
                "forwarding": dice.random() < 0.5,
                "sysctls": {
                    dice.choice(
                        (
                            "net.ipv6.conf.all.disable_ipv6",
                            "net.ipv6.conf.default.disable_ipv6",
                            "net.ipv4.ip_forward",
                            "net.ipv4.nonsense",
                            "net.ipv4.conf.all.rp_filter",
                        )
                    ): dice.choice(NUMBERS)
                },
                "publish": [f"{dice.choice(NUMBERS)}:{dice.choice(NUMBERS)}"],
                "networks": [_named(tree, dice)],
                "nat": [{"masquerade": {"out": _named(tree, dice)}}],
                "aliases": [_named(tree, dice)],
            }
            key = dice.choice(sorted(more))
            node[key] = more[key]


def _put(node: Tree, key: str, value: Tree) -> None:
    node[key] = [*(node[key] if isinstance(node.get(key), list) else []), value]


def _link(tree: Tree, dice: random.Random) -> None:
    """Add a link."""
    nodes = sorted(_mapping(tree.get("nodes"))) or ["a"]
    ends = [f"{dice.choice(nodes)}:{_named(tree, dice)}" for _ in range(2)]
    link: Tree = {"endpoints": ends}
    if dice.random() < 0.6:
        link["subnet"] = _subnet(tree, dice)
    if dice.random() < 0.3:
        link["mtu"] = dice.choice(NUMBERS)
    if not isinstance(tree.get("links"), list):
        tree["links"] = []
    tree["links"].append(link)


_WAYS: tuple[Callable[[Tree, random.Random], None], ...] = (
    *(_value, _value, _value, _same_key, _same_key, _delete, _empty, _double, _move, _rename),
    *(_insert, _insert, _insert, _insert, _link),
)
