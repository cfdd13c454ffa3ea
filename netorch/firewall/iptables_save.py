"""Parse lines of iptables-save(8) to chains. An unknown option becomes a field or a verdict "?"."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network

from netorch.firewall.chains import UNKNOWN, ChosenPort, Clause, ListedChain, ListedRule
from netorch.values.icmp import icmp_name

_HOOKS = {
    **{("raw", name): (name.lower(), -300) for name in ("PREROUTING", "OUTPUT")},
    **{
        ("mangle", name): (name.lower(), -150)
        for name in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
    },
    **{("security", name): (name.lower(), 50) for name in ("INPUT", "FORWARD", "OUTPUT")},
    ("filter", "INPUT"): ("input", 0),
    ("filter", "FORWARD"): ("forward", 0),
    ("filter", "OUTPUT"): ("output", 0),
    ("nat", "PREROUTING"): ("prerouting", -100),
    ("nat", "OUTPUT"): ("output", -100),
    ("nat", "INPUT"): ("input", 100),
    ("nat", "POSTROUTING"): ("postrouting", 100),
}
_VERDICTS = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "REJECT": "reject",
    "RETURN": "return",
}
_RANDOM = frozenset(("--random", "--random-fully"))
_GOES_ON = frozenset(
    (
        "LOG",
        "NFLOG",
        "TRACE",
        "MARK",
        "CONNMARK",
        "CT",
        "NOTRACK",
        "TCPMSS",
        "CHECKSUM",
        "DSCP",
        "TOS",
        "TTL",
        "HL",
    )
)
_NUMBER = re.compile(r"0x[0-9a-f]+|[1-9]\d*|0")
_INTERFACES = {"-i": "iif", "-o": "oif"}
_PROTOCOLS = {"ipv6-icmp": "icmpv6", "58": "icmpv6", "1": "icmp", "6": "tcp", "17": "udp"}
_MATCHES = frozenset(
    (
        "tcp",
        "udp",
        "sctp",
        "comment",
        "conntrack",
        "state",
        "addrtype",
        "multiport",
        "icmp",
        "icmp6",
        "iprange",
        "mark",
    )
)


def chains(tables: Mapping[tuple[int, str], tuple[str, ...]]) -> tuple[ListedChain, ...]:
    """Return all chains of the tables.

    `tables` maps IP version and table to lines `-P CHAIN POLICY`, `-N CHAIN` and `-A CHAIN …`.
    """
    return tuple(
        chain
        for (version, table), lines in tables.items()
        for chain in _chains(version, table, lines)
    )


def _chains(version: int, table: str, lines: tuple[str, ...]) -> Iterator[ListedChain]:
    policies: dict[str, str] = {}
    rules: dict[str, list[ListedRule]] = {}
    names = frozenset(line.split(" ", 2)[1] for line in lines)
    for line in lines:
        act, chain, *rest = line.split(" ", 2)
        rules.setdefault(chain, [])
        if act == "-P":
            policies[chain] = rest[0] if rest else "ACCEPT"
        elif act == "-A":
            rules[chain].append(rule(rest[0] if rest else "", names))
    for chain, chain_rules in rules.items():
        hook, priority = _HOOKS.get((table, chain), ("", 0))
        policy = "drop" if policies.get(chain) == "DROP" else "accept"
        kind = "nat" if table == "nat" else "filter"
        family, tool = ("ip", "iptables") if version == 4 else ("ip6", "ip6tables")
        yield ListedChain(
            family, table, chain, hook, kind, priority, policy, tuple(chain_rules), tool
        )


def rule(text: str, names: frozenset[str] = frozenset()) -> ListedRule:
    """Parse one rule without `-A CHAIN`. `names` are the chains to which it may jump."""
    try:
        words = shlex.split(text)
    except ValueError:
        return ListedRule((Clause(UNKNOWN),), UNKNOWN, text=text)
    clauses: list[Clause] = []
    verdict, target = "", ""
    place, negated = 0, False
    options: dict[str, str] = {}
    while place < len(words):
        word, value = words[place], words[place + 1] if place + 1 < len(words) else ""
        place += 2
        if word == "!":
            negated, place = True, place - 1
            continue
        if word in {"-j", "-g"}:
            verdict, target = word, value
        elif word in {
            "--to-destination",
            "--to-source",
            "--to-ports",
            "--comment",
            "--reject-with",
            "--set-xmark",
            "--set-mark",
        }:
            options[word] = value
        elif word in _RANDOM:
            options[word], place = "", place - 1
        elif target:
            # further options of the target, with or without a value
            place -= value.startswith("-")
        elif (clause := _clause(word, value, negated)) is not None:
            clauses.append(clause)
            place -= clause.field == UNKNOWN and value.startswith("-")
        negated = False
    act = _act(verdict, target, options, names)
    return ListedRule(tuple(clauses), *act, text=text, mark=_mark(target, options))


def _mark(target: str, options: Mapping[str, str]) -> tuple[int, int] | str | None:
    """Return the change of the packet's mark by a target."""
    if target == "CONNMARK":
        # it sets the packet's mark only with --restore-mark, and otherwise the connection's
        return UNKNOWN
    if target != "MARK":
        return None
    value, _, mask = options.get("--set-xmark", options.get("--set-mark", "")).partition("/")
    if _NUMBER.fullmatch(value) and (not mask or _NUMBER.fullmatch(mask)):
        return int(value, 0), int(mask or "0xffffffff", 0)
    return UNKNOWN


def _clause(word: str, value: str, negated: bool) -> Clause | None:
    """Return the condition of an option, None if it has none."""
    match word:
        case "-m":
            return None if value in _MATCHES else Clause(UNKNOWN)
        case "-s" | "-d":
            try:
                return Clause(
                    "saddr" if word == "-s" else "daddr",
                    (ip_network(value, strict=False),),
                    negated,
                )
            except ValueError:
                return Clause(UNKNOWN)
        case "-i" | "-o":
            return Clause(
                _INTERFACES[word], (f"{value[:-1]}*" if value.endswith("+") else value,), negated
            )
        case "-p":
            return Clause("proto", (_PROTOCOLS.get(value, value),), negated)
        case "--dport" | "--sport":
            ports = _ports(value)
            return Clause(word[2:], (ports,), negated) if ports is not None else Clause(UNKNOWN)
        case "--dports" | "--sports":
            ranges = tuple(map(_ports, value.split(",")))
            return Clause(word[2:-1], ranges, negated) if None not in ranges else Clause(UNKNOWN)
        case "--icmp-type" | "--icmpv6-type" if value.isdigit():
            version = 4 if word == "--icmp-type" else 6
            return Clause("icmp", (icmp_name(version, int(value)),), negated)
        case "--src-range" | "--dst-range":
            try:
                first, last = map(ip_address, value.split("-"))
            except ValueError:
                return Clause(UNKNOWN)
            return Clause("saddr" if word == "--src-range" else "daddr", ((first, last),), negated)
        case "--mark" if _NUMBER.fullmatch(value):
            return Clause("mark", (int(value, 0),), negated)
        case "--dst-type" if value == "LOCAL":
            return Clause("local", (True,), negated)
        case "--ctstate" | "--state":
            states = value.split(",")
            if states == ["DNAT"]:
                return Clause("translated", (True,), negated)
            return (
                Clause(UNKNOWN)
                if {"DNAT", "SNAT"} & set(states)
                else Clause("state", tuple(map(str.lower, states)), negated)
            )
    return Clause(UNKNOWN)


def _ports(text: str) -> tuple[int, int] | None:
    """Return the first and the last port of `80` or `80:90`, None if it is something else."""
    first, _, last = text.partition(":")
    last = last or first
    return (int(first), int(last)) if first.isdigit() and last.isdigit() else None


def _act(
    verdict: str, target: str, options: Mapping[str, str], names: frozenset[str]
) -> tuple[str, object]:
    if target in names:
        return "goto" if verdict == "-g" else "jump", target
    if target in _VERDICTS:
        return _VERDICTS[target], None
    if target in _GOES_ON or not target:
        return "", None
    if target == "DNAT":
        return "dnat", _place(options.get("--to-destination", ""))
    if target in {"SNAT", "MASQUERADE"}:
        return target.lower(), _source(target, options)
    if target == "REDIRECT":
        port = options.get("--to-ports", "0")
        return "redirect", (None, int(port)) if port.isdigit() else UNKNOWN
    return UNKNOWN, None


def _place(text: str) -> object:
    """Return address and port of a translation's target, "?" if it is not a single one."""
    host, port = host_and_port(text)
    try:
        return ip_address(host), int(port or 0)
    except ValueError:
        return UNKNOWN


def _source(target: str, options: Mapping[str, str]) -> object:
    """Return the new address of a source and its port, "?" if there are several addresses."""
    host, port = "", options.get("--to-ports", "")
    if target == "SNAT":
        host, port = host_and_port(options.get("--to-source", ""))
    ports = _ports(port.replace("-", ":")) if port else None
    if port and ports is None:
        return UNKNOWN
    random = not _RANDOM.isdisjoint(options)
    try:
        address = ip_address(host) if target == "SNAT" else None
    except ValueError:
        return UNKNOWN
    return address, ChosenPort(ports, random) if ports is not None or random else 0


def host_and_port(text: str) -> tuple[str, str]:
    """Return the two parts of `10.0.0.1:80`, `10.0.0.1`, `[fd00::1]:80` or `fd00::1`."""
    host, _, port = (
        text[1:].partition("]")
        if text.startswith("[")
        else (text, "", "")
        if text.count(":") > 1
        else text.partition(":")
    )
    return host, port.removeprefix(":")
