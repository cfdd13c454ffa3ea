"""Wrong values that newcomers write, each with what to write instead.

Only an error about a value reads this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_VALUES: Mapping[str, Mapping[str, str]] = {
    "mode": {
        "bridge": "Every network has a bridge. A switch is `segment`, a network like those of "
        "Docker is `nat`, and one on the segment of a NIC is `bridged` with `uplink`.",
        "switch": "Write `segment`.",
        "l2": "Write `segment`.",
        "none": "Write `segment`.",
        "internal": "Write `host-only`.",
        "isolated": "Write `host-only`, or `segment` if not even the host is on it.",
        "hostonly": "Write `host-only`.",
        "masquerade": "Write `nat`.",
        "l3": "Write `routed`.",
        "macvlan": "Write `driver: macvlan`.",
        "ipvlan": "Write `driver: ipvlan`.",
        "vxlan": "Write `driver: vxlan`.",
        "lacp": "Write `802.3ad`.",
        "round-robin": "Write `balance-rr`.",
        "failover": "Write `active-backup`.",
        "xor": "Write `balance-xor`.",
    },
    "driver": {
        "overlay": "Write `driver: vxlan` with `vni` and `endpoints`, or name the machines in "
        "`hosts`.",
        "nat": "Write `mode: nat`.",
        "bridged": "Write `mode: bridged` with `uplink`.",
        "routed": "Write `mode: routed`.",
        "host": "Leave out `driver`. A link to this machine ends at `host`: `[host:v0, a:eth0]`.",
        "none": "Leave out `networks` in a node that is in no network.",
        "null": "Leave out `networks` in a node that is in no network.",
        "default": "Leave it out.",
    },
    "address": {
        "dhcp": "netorch has no DHCP. Leave it out: each member gets an address of the `subnet`.",
        "auto": "Leave it out: each member gets an address of the `subnet`.",
        "none": "Leave it out: a network without `subnet` gives no addresses.",
    },
    "subnet": {
        "auto": "Only a network has `subnet: auto`: write a subnet such as 10.0.0.0/30.",
        "auto6": "Only a network has `subnet: auto6`: write a subnet such as fd00::/126.",
    },
    "type": {
        "local": "netorch has no local routes: give the address to lo, "
        "`interfaces: {lo: {addresses: [10.0.0.1/32]}}`.",
        "throw": "netorch has no routes of this type: a rule with `suppress_prefixlength: 0` "
        "ignores the default route of its table.",
        "nat": "Write `nat: [{snat: {to: 192.0.2.1}}]` in the node.",
    },
    "kind": {
        **dict.fromkeys(
            ("ethernet", "eth", "nic", "cable", "interface"),
            "An interface of a link or a network needs no `kind`. One without a cable is `dummy`.",
        ),
        "wg": "Write `wireguard`.",
        "loopback": "Every node has lo. Another interface of this sort is `dummy`.",
        "hardware": "Write `physical`.",
        "phys": "Write `physical`.",
        "tunnel": "Write `gre`, `ipip`, `sit`, `vxlan` or `wireguard`.",
        "switch": "Write `bridge`.",
        "team": "Write `bond`.",
        "lag": "Write `bond`.",
        "802.1q": "Write `vlan`.",
        "wifi": "netorch makes no wireless interfaces. One of this machine is `physical`.",
        "wlan": "netorch makes no wireless interfaces. One of this machine is `physical`.",
        "ovs": "netorch makes bridges of Linux: write `bridge`.",
    },
    "table": {
        "main": "Leave it out: it is the main table.",
        "default": "Write 253.",
        "local": "Write 255.",
    },
}
"""Key → its wrong value in lower case → what to write."""

_ROUTE = re.compile(r"(?:to )?(default|[\da-f.:/]+)(?: via ([\da-f.:]+))?(?: dev (\S+))?")
_SOURCE = re.compile(r"(?:\[([\da-f:]+)\]|([\d.]+))(-[\d.]+)?(?::(\d+(?:-\d+)?))?")
_DELAY_AND_JITTER = re.compile(r"(\d\S*)[ ,±]+(\d\S*)")
_RANGE = re.compile(r"([\w.-]*)[\[{](\d+)(?:\.\.+|:|\s*,\s*\.\.+,?\s*)(\d+)[\]}]([\w.-]*)")
_PAIR = re.compile(r"([\w.*:-]*[\w*])\s*(?:<?-+>|--+|→|=>|\bto\b)\s*([\w.*:-]+)")
_SUBNET = re.compile(r"[\d.]+/\d+|[\da-f:]+:[\da-f:]*/\d+", re.IGNORECASE)
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|[\da-f]*:[\da-f:]+", re.IGNORECASE)
_WITH_MASK = re.compile(r"([\d.]+)(?:[ /]| netmask )(255\.[\d.]+)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(b|bits?)(?:/s|/sec|ps)", re.IGNORECASE)
_COLON = re.compile(r"(\d+):(\d+)")
_PARTIAL_SUBNET = re.compile(r"(\d+(?:\.\d+){0,2})\.?/(\d+)")
_END_WITH_ADDRESS = re.compile(r"([\w.-]+):([\w.-]+)[ ,]+([\da-fA-F:.]+/\d+)")
_SERVICES = {
    **{"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "dns": 53, "domain": 53, "http": 80},
    **{"ntp": 123, "snmp": 161, "bgp": 179, "https": 443, "mysql": 3306, "postgres": 5432},
}
"""Service → its port, of those that are in files of labs."""
_ACTIONS = frozenset(("accept", "drop", "reject"))
_OTHER_ACTIONS = {
    **dict.fromkeys(("allow", "permit", "pass", "ok", "yes"), "Write `action: accept`."),
    **dict.fromkeys(("deny", "block", "discard", "no"), "Write `action: drop`, or `reject`."),
    **dict.fromkeys(("log", "return", "jump"), "A rule only accepts, drops or rejects packets."),
}

Path = tuple[str | int, ...]


def remedy(path: Path, value: object) -> str:
    """Return what to write in place of a wrong value at a path of the file, "" if unknown."""
    # without the position in a list, and without the IP version in a `mode`
    names = [part for part in path if isinstance(part, str) and part not in ("v4", "v6")]
    key = names[-1] if names else ""
    if isinstance(value, str) and (known := _VALUES.get(key, {}).get(value.lower())):
        return known
    in_list = bool(path) and isinstance(path[-1], int)
    of_key = _IN_LISTS.get(key) if in_list else _OF_KEYS.get(key)
    return (of_key(value, names) if of_key is not None else "") or _entries(path, value)


def _rate(value: object, _: list[str]) -> str:
    """Return what to write for a rate such as `10Mbit/s`. `B` means bytes, `b` bits."""
    if not isinstance(value, str) or (match := _RATE.fullmatch(value.strip())) is None:
        return ""
    unit = "bps" if match[3] == "B" else "bit"
    return f"Write {match[1]}{match[2].lower()}{unit}."


def _delay(value: object, _: list[str]) -> str:
    match = _DELAY_AND_JITTER.fullmatch(str(value).strip())
    return f"Write `delay: {match[1]}, jitter: {match[2]}`." if match else ""


def _attach(value: object, _: list[str]) -> str:
    match = re.fullmatch("(?:container:)?([^:]*)", str(value))
    if not isinstance(value, str) or match is None:
        return ""
    name = match[1]
    container = f"docker:{name} or podman:{name} for a container"
    return f"Write {container}, netns:{name} for a namespace with this name."


def _encap(value: object, _: list[str]) -> str:
    labels = re.fullmatch(r"mpls (\d+(?:/\d+)*)", str(value))
    stack = labels[1].replace("/", ", ") if labels else "100, 200"
    is_text = isinstance(value, str)
    return f"Write a mapping, such as `encap: {{mpls: [{stack}]}}`." if is_text else ""


def _one_name(value: object, names: list[str]) -> str:
    if isinstance(value, list) and len(value) == 1:
        return f"Write `{names[-1]}: {value[0]}`."
    return ""


def _via(value: object, names: list[str]) -> str:
    if isinstance(value, list) and len(value) > 1:
        hops = ", ".join(f"{{via: {one}}}" for one in value)
        return f"Write `nexthops: [{hops}]`."
    if isinstance(value, str) and re.fullmatch("[a-z][\\w.-]*", value):
        return f"A gateway is an address. For the interface, write `dev: {value}`."
    return _one_name(value, names)


def _existing(value: object, _: list[str]) -> str:
    return f"Write `existing: true, bridge: {value}`." if isinstance(value, str) else ""


def _label(value: object, _: list[str]) -> str:
    several = isinstance(value, str) and "\n" in value.strip()
    return "Write it in one line, without `|`." if several else ""


def _dns(value: object, _: list[str]) -> str:
    if not isinstance(value, str | list):
        return ""
    servers = value if isinstance(value, list) else [value]
    return f"Write `dns: {{servers: [{', '.join(map(str, servers))}]}}`."


def _pairs(value: object, names: list[str]) -> str:
    """Return what to write for a list of texts such as `name=value`."""
    rows = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    pairs = [re.split("[:=]", str(row), maxsplit=1) for row in rows]
    words = ", ".join(": ".join(map(str.strip, pair)) for pair in pairs if len(pair) == 2)
    return f"Write `{names[-1]}: {{{words}}}`." if words else ""


def _table(value: object, _: list[str]) -> str:
    is_name = isinstance(value, str)
    return "Tables have no names here: write the number, such as 100." if is_name else ""


def _source(value: object, names: list[str]) -> str:
    """Return what to write for a new source with ports, or for a range of addresses."""
    match = _SOURCE.fullmatch(str(value)) if names[-2:] == ["snat", "to"] else None
    if match is None:
        return ""
    if match[3]:
        return "netorch translates to one address: write one of them."
    return f'Write `to: "{match[1] or match[2]}", proto: tcp, ports: {match[4] or "1024-65535"}`.'


def _addresses(value: object, names: list[str]) -> str:
    if not isinstance(value, list) or "networks" not in names:
        return ""
    words = ", ".join(map(str, value))
    return f"Write `address: {words if len(value) == 1 else f'[{words}]'}`."


def _nat(value: object, _: list[str]) -> str:
    if isinstance(value, dict):
        return "Write `nat: [{…}]`, a list of translations."
    return "Write `nat: [{masquerade: {}}]`." if value is True else ""


def _masquerade(value: object, _: list[str]) -> str:
    if value is True:
        return "Write `masquerade: {}`."
    return f"Write `masquerade: {{out: {value}}}`." if isinstance(value, str) else ""


def _snat(value: object, _: list[str]) -> str:
    return f"Write `snat: {{to: {value}}}`." if isinstance(value, str) else ""


def _dnat(value: object, _: list[str]) -> str:
    return f'Write `dnat: {{port: 80, to: "{value}"}}`.' if isinstance(value, str) else ""


def _translation(value: object, _: list[str]) -> str:
    return "Write {masquerade: {}}, {snat: {…}} or {dnat: {…}}." if isinstance(value, str) else ""


def _port(value: object, _: list[str]) -> str:
    number = _SERVICES.get(str(value).lower())
    return f"Write {number}." if number is not None else ""


def _mtu(value: object, _: list[str]) -> str:
    return "Write a number of bytes, such as 9000." if isinstance(value, str) else ""


def _subnet(value: object, _: list[str]) -> str:
    text = "".join(str(value).split())
    if (match := _PARTIAL_SUBNET.fullmatch(text)) is not None:
        octets = [*match[1].split("."), "0", "0", "0"][:4]
        return f"Write {'.'.join(octets)}/{match[2]}."
    return f"Write {text}." if text != value and _SUBNET.fullmatch(text) else ""


def _sysctl(value: object, names: list[str]) -> str:
    if value != names[-1]:
        return ""
    return "Write `forwarding: true` in the node, or net.ipv4.ip_forward here."


def _check_to(value: object, names: list[str]) -> str:
    if names[0] == "checks" and isinstance(value, list):
        return "Write a check for each of them."
    return _source(value, names)


def _interfaces(value: object, _: list[str]) -> str:
    several = value if isinstance(value, list) else [value]
    if not several or not all(isinstance(name, str) for name in several):
        return ""
    return f"Write `interfaces: {{{', '.join(f'{name}: {{…}}' for name in several)}}}`."


def _endpoints(value: object, names: list[str]) -> str:
    if "networks" in names and isinstance(value, list):
        return f"Write `endpoints: {{{', '.join(f'{name}: ADDRESS' for name in value)}}}`."
    if not isinstance(value, dict) or not all(isinstance(end, str) for end in value.values()):
        return ""
    return f"Write `endpoints: [{', '.join(f'{node}:{end}' for node, end in value.items())}]`."


def _policy(value: object, names: list[str]) -> str:
    if "filter" not in names[2:]:
        return ""
    action = value.get("policy") if isinstance(value, dict) else value
    if isinstance(action, str) and action in _ACTIONS:
        return f"Write `policy: {{{names[-1]}: {action}}}`, beside the rules."
    return f"Write a list of rules: `{names[-1]}: [{{…}}]`." if isinstance(value, dict) else ""


def _policies(value: object, _: list[str]) -> str:
    is_action = isinstance(value, str) and value in _ACTIONS
    return f"Write `policy: {{forward: {value}}}`." if is_action else ""


def _action(value: object, names: list[str]) -> str:
    word = value.lower() if isinstance(value, str) and "filter" in names[2:] else ""
    return _OTHER_ACTIONS.get(word, "")


def _ports(value: object, _: list[str]) -> str:
    match = _COLON.fullmatch(value) if isinstance(value, str) else None
    return f"Write {match[1]}-{match[2]}." if match is not None else ""


def _rule(value: object, names: list[str]) -> str:
    if not isinstance(value, str) or "filter" not in names:
        return ""
    if value in _ACTIONS:
        return f"Write {{action: {value}}}."
    return "Write a mapping such as {proto: tcp, port: 22, action: accept}."


def _hop(value: object, _: list[str]) -> str:
    return f"Write {{via: {value}}}." if isinstance(value, str) else ""


def _mac(value: object, _: list[str]) -> str:
    digits = str(value)
    if not re.fullmatch("[0-9A-Fa-f]{12}", digits):
        return ""
    return f'Write "{":".join(re.findall("..", digits))}".'


def _from(value: object, names: list[str]) -> str:
    several = names[0] == "checks" and isinstance(value, list)
    return "Write a check for each of them." if several else ""


def _all(value: object, names: list[str]) -> str:
    return "Write `all: NETWORK`." if names[0] == "checks" and value is True else ""


def _routes(value: object, _: list[str]) -> str:
    if not isinstance(value, dict):
        return ""
    rows = (
        _route(str(to), via if isinstance(via, str) else "…", None)
        for to, via in value.items()
        if to not in ("to", "via", "dev")
    )
    text = next(rows, "{to: …, via: …}")
    return f"Write `routes: [{text}]`."


def _one_route(value: object, _: list[str]) -> str:
    if not isinstance(value, str):
        return ""
    match = _ROUTE.fullmatch(value.strip())
    return f"Write {_route(*match.groups())}." if match else "Write {to: …, via: …}."


def _route(to: str, via: str | None, dev: str | None) -> str:
    """Return a route as an entry of `routes`."""
    keys = {"to": to, "via": via, "dev": dev}
    return "{" + ", ".join(f"{key}: {word}" for key, word in keys.items() if word) + "}"


Find = Callable[[object, list[str]], str]
_OF_KEYS: Mapping[str, Find] = {
    "rate": _rate,
    "delay": _delay,
    "attach": _attach,
    "encap": _encap,
    "uplink": _one_name,
    "parent": _one_name,
    "dev": _one_name,
    "master": _one_name,
    "via": _via,
    "existing": _existing,
    "label": _label,
    "dns": _dns,
    "extra_hosts": _pairs,
    "sysctls": _pairs,
    "table": _table,
    "to": _check_to,
    "snat": _snat,
    "dnat": _dnat,
    "mtu": _mtu,
    "subnet": _subnet,
    "ip_forward": _sysctl,
    "tcp": _port,
    "port": _port,
    "sport": _port,
    "dport": _port,
    "addresses": _addresses,
    "nat": _nat,
    "masquerade": _masquerade,
    "interfaces": _interfaces,
    "endpoints": _endpoints,
    "forward": _policy,
    "input": _policy,
    "output": _policy,
    "policy": _policies,
    "action": _action,
    **dict.fromkeys(("port", "sport", "ports"), _ports),
    "mac": _mac,
    "from": _from,
    "all": _all,
    "routes": _routes,
}
"""Key → the function from its wrong value, and the names that lead to it, to what to write."""

_IN_LISTS: Mapping[str, Find] = {
    "routes": _one_route,
    "nexthops": _hop,
    "nat": _translation,
    "subnet": _subnet,
    "port": _port,
    "forward": _rule,
    "input": _rule,
    "output": _rule,
    **dict.fromkeys(("port", "sport", "ports"), _ports),
}
"""Key of a list → the same for a wrong item of the list."""


def _entries(path: Path, value: object) -> str:
    """Return what to write in place of a whole entry, or of a wrong name."""
    section, depth = (str(path[0]), len(path)) if path else ("", 0)
    if path == ("hosts",):
        return "Write `NAME: {address: 192.0.2.1}` for each machine."
    is_interface = section == "nodes" and depth == 4 and path[2] == "interfaces"
    if is_interface and (ends := _of_interface(value)):
        return f"Write {{addresses: [{', '.join(ends)}]}}."
    return _texts(path, section, depth, value) if isinstance(value, str) else ""


def _of_interface(value: object) -> list[str]:
    """Return the addresses that stand in place of an interface."""
    ends = [str(end) for end in (value if isinstance(value, list) else [value])]
    return ends if all(_SUBNET.fullmatch(end) for end in ends) else []


def _texts(path: Path, section: str, depth: int, text: str) -> str:
    if depth > 1 and path[-1] == text and (match := _RANGE.fullmatch(text)) is not None:
        before, first, last, after = match.groups()
        return f"Write {before}[{first}-{last}]{after}."
    if "endpoints" in path and (match := _END_WITH_ADDRESS.fullmatch(text.strip())) is not None:
        node, interface, address = match.groups()
        return f"Write {{node: {node}, interface: {interface}, addresses: [{address}]}}."
    if depth == 2 and section == "nodes" and path[-1] == text and not re.search(r"[\[\]{}$]", text):
        name = re.sub(r"[^\w.-]+", "-", text).strip("-.")[:63]
        return f"Write {name}." if name and name != text else ""
    if "addresses" in path and (match := _WITH_MASK.fullmatch(text.strip())) is not None:
        return f"Write {_with_length(match[1], match[2])}."
    if path == ("name",):
        name = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:32].strip("-")
        return f"Write `name: {name}`." if name else ""
    if depth != 2:
        return ""
    if section == "networks" and _SUBNET.fullmatch(text):
        return f"Write {{subnet: {text}}}."
    if section == "hosts" and _ADDRESS.fullmatch(text):
        return f"Write {{address: {text}}}."
    pair = _PAIR.fullmatch(text.strip()) if section in ("checks", "links") else None
    if pair is None:
        return ""
    if section == "checks":
        return f"Write {{from: {pair[1]}, to: {pair[2]}}}."
    ends = ", ".join(end if ":" in end else f"{end}:eth0" for end in pair.groups())
    return f"Write [{ends}]."


def _with_length(address: str, mask: str) -> str:
    """Return an address with the prefix length of a mask."""
    bits = "".join(f"{int(part):08b}" for part in mask.split("."))
    return f"{address}/{bits.count('1')}"
