"""Write a ruleset in the syntax of nft(8), one nft rule for each rule, and parse nft's listings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from netorch.firewall.shell import ShellCommand
from netorch.values.filter_rules import (
    Address,
    DestinationTo,
    FilterRule,
    Hook,
    Match,
    Not,
    PortRange,
    Ruleset,
    SourceTo,
    Verdict,
)
from netorch.values.marks import Mark

if TYPE_CHECKING:
    from netorch.firewall.chains import ListedChain
    from netorch.values.snapshot import FilterListing

MODULE, CONFIG = "nf_tables", "CONFIG_NF_TABLES"

BASE_CHAINS = {
    Hook.PREROUTING: ("nat", -100),
    Hook.OUTPUT: ("nat", -100),
    Hook.POSTROUTING: ("nat", 100),
    Hook.FORWARD: ("filter", 0),
    Hook.INPUT: ("filter", 0),
}
"""The type and the priority of the chain for each hook."""

_FAMILIES = {4: ("ip", "ipv4"), 6: ("ip6", "ipv6")}
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_STATES = frozenset({"new", "established", "related", "invalid", "untracked"})
# nft cannot escape a quote, and interprets * and \ as parts of a pattern
_INTERFACE = re.compile(r'[^\s"*\\/:\x00-\x1f\x7f]{1,15}')
_COMMENT = re.compile(r"[ !#-~]{1,100}")
_TRANSLATES = re.compile(r" (?:masquerade|[sd]nat ip6? to)(?: |$)")
_HANDLE = re.compile(r"(.*) # handle (\d+)")
_TABLE = re.compile(r"table (\S+) (\S+) \{")
_CHAIN = re.compile(r"type \w+ hook |comment ")
"""Statements of a chain that are not rules: its hook and its comment."""
_OTHER_BLOCKS = (
    "set ",
    "map ",
    "flowtable ",
    "counter ",
    "quota ",
    "limit ",
    "ct ",
    "secmark ",
    "synproxy ",
)
_QUOTED = re.compile(r'"[^"]*"')


def table_name(topology: str) -> str:
    """Return the name of a topology's table, such as `netorch_my_lab` for `my-lab`.

    Two topologies never have the same table, because a topology's name has no underscores.
    """
    if not re.fullmatch(r"[a-z0-9-]+", topology):
        raise ValueError(f"{topology!r} is not the name of a topology")
    return f"netorch_{topology.replace('-', '_')}"


def mark(topology: str) -> str:
    """Return the comment that marks the topology's table."""
    return Mark(topology).alias


def script(topology: str, ruleset: Ruleset) -> str:
    """Return nft input that replaces the topology's table by the ruleset in one transaction.

    If the ruleset is empty, the input only removes the table. Raise ValueError for a rule that nft
    would interpret differently: if it contains a name that nft would look up, a network of the
    wrong IP version, or ports without a protocol.
    """
    table = table_name(topology)
    text = delete(table)
    if not ruleset:
        return text
    lines = [f"table inet {table} {{", f'\tcomment "{mark(topology)}"']
    for hook in Hook:
        rules = [rule for rule in ruleset if rule.hook is hook]
        if rules:
            kind, priority = BASE_CHAINS[hook]
            lines += [
                f"\tchain {hook.value} {{",
                f"\t\ttype {kind} hook {hook.value} priority {priority}; policy accept;",
            ]
            lines += [f"\t\t{rule_text(rule)}" for rule in rules]
            lines.append("\t}")
    return text + "\n".join([*lines, "}", ""])


def line(rule: FilterRule) -> str:
    """Return one rule in the form of `listing`, or its repr if nft cannot express it."""
    try:
        return f"{rule.hook.value} {rule_text(rule)}"
    except ValueError:
        return repr(rule)


def create(topology: str, text: str) -> str:
    """Return nft input that makes a table from its text and fails if the table exists already.

    `text` is a listing of the table, or the result of `script`. Because the input fails, netorch
    never overwrites a table that another program has made in the meantime.
    """
    table = table_name(topology)
    comment = f' {{ comment "{mark(topology)}"; }}' if is_marked(topology, text) else ""
    return f"create table inet {table}{comment}\n{text.removeprefix(delete(table))}"


def count_of(text: str) -> int:
    """Return the number of rules in a filter's text."""
    if not text.startswith("table "):
        return len(text.splitlines())
    return sum(
        not block.startswith(_OTHER_BLOCKS) and bool(statement) and not _CHAIN.match(statement)
        for _, _, block, statement, _ in _statements(text)
    )


def is_marked(topology: str, text: str) -> bool:
    """Return whether the table in `text` has the topology's mark.

    Rules that the kernel has not listed yet are not a table, and count as marked.
    """
    return not _is_listing(text) or f'\tcomment "{mark(topology)}"' in text.splitlines()


def delete(table: str) -> str:
    """Return nft input that removes the table, or does nothing if it does not exist."""
    if not re.fullmatch(r"netorch_[a-z0-9_]+", table):
        raise ValueError(f"{table!r} is not the name of a table that netorch makes")
    return f"add table inet {table}\ndelete table inet {table}\n"


def listing(text: str) -> tuple[str, ...]:
    """Return the statements of a table in the output of `nft --stateless list table`.

    Each one has the name of its chain, or the head of another block, in front:
    `prerouting type nat hook prerouting priority dstnat; policy accept;`,
    `prerouting tcp dport 80 … comment "web"`, `set s type …`. The table's comment is left out.
    """
    return tuple(
        f"{block} {statement}".strip()
        for _, _, block, statement, _ in _statements(text)
        if block or not statement.startswith("comment ")
    )


def rule_texts(text: str) -> dict[tuple[str, str, int], str]:
    """Return the rules of a listing with handles, by family, table and handle."""
    return {
        (family, table, handle): statement
        for family, table, block, statement, handle in _statements(text)
        if handle and not block.startswith(_OTHER_BLOCKS)
    }


def _statements(text: str) -> Iterator[tuple[str, str, str, str, int]]:
    """Yield the statements of a listing.

    Each one has family, table, chain (or the head of another block), text, and handle (or 0).
    """
    family = table = block = statement = ""
    inside = empty = False
    for line in text.splitlines():
        if not inside:
            if (head := _TABLE.match(line)) is not None:
                family, table, inside = head[1], head[2], True
            continue
        if line == "}":
            inside = False
            continue
        words = line.strip()
        numbered = _HANDLE.fullmatch(words)
        words, handle = (numbered[1], int(numbered[2])) if numbered is not None else (words, 0)
        statement = f"{statement} {words}".strip()
        if not block and statement.endswith("{"):
            block, empty, statement = (
                statement.removesuffix("{").removeprefix("chain ").strip(),
                True,
                "",
            )
        elif block and statement == "}":
            if empty:
                yield family, table, block, "", 0
            block = statement = ""
        elif statement and _balanced(statement):
            yield family, table, block, statement, handle
            statement, empty = "", False


def lines_of(text: str) -> Sequence[str]:
    """Return the filter's lines, one for each rule, without the marks."""
    # The rules of a file already have one line each, unlike what the kernel lists.
    return listing(text) if _is_listing(text) else text.splitlines()


def _is_listing(text: str) -> bool:
    return text.startswith("table ")


def translations_of(text: str) -> frozenset[str]:
    """Return the lines that translate addresses."""
    return frozenset(line for line in lines_of(text) if _TRANSLATES.search(_QUOTED.sub("", line)))


def commands_to_replace(
    topology: str, rules: Ruleset, text: str, before: str
) -> list[ShellCommand]:
    """Return commands that replace the filter `before` by the rules, or by `text` without rules."""
    table = table_name(topology)
    made = script(topology, rules) if rules else delete(table) + text
    if not before:
        # there is no table to delete
        made = made.removeprefix(delete(table))
    return [ShellCommand("nft -f -", made)]


def commands_to_delete(topology: str, before: str) -> list[ShellCommand]:
    """Return commands that remove the filter."""
    return [ShellCommand(f"nft delete table inet {table_name(topology)}")]


def chains_of(listing: FilterListing) -> tuple[ListedChain, ...]:
    """Return all chains of a listing. Raises ValueError if it is not understood."""
    from netorch.firewall import nftables_json

    return nftables_json.chains(listing.json, rule_texts(listing.text), listing.extensions)


def _balanced(statement: str) -> bool:
    """Return whether a statement is complete. Sets and chains in a rule may span several lines."""
    bare = _QUOTED.sub("", statement)
    return bare.count("{") == bare.count("}")


def rule_text(rule: FilterRule) -> str:
    """Return one rule in nft's syntax. Raises ValueError if nft cannot express it."""
    words = [*_matches(rule.match, rule.family), _act(rule)]
    if rule.comment:
        if not _COMMENT.fullmatch(rule.comment):
            raise ValueError(f"{rule.comment!r} cannot be the comment of a rule")
        words.append(f'comment "{rule.comment}"')
    return " ".join(words)


def _matches(match: Match, family: int) -> Iterator[str]:
    """Yield the conditions, cheap and selective ones first.

    The kernel stops evaluating a rule at the first condition that a packet does not meet.
    """
    payload, nfproto = _FAMILIES[family]
    if match.source is None and match.destination is None:
        yield f"meta nfproto {nfproto}"
    for word, interface in (("iifname", match.iif), ("oifname", match.oif)):
        if interface is not None:
            yield f"{word} {_interface(interface)}"
    for word, network in (("saddr", match.source), ("daddr", match.destination)):
        if network is not None:
            yield f"{payload} {word} {_network(network, family)}"
    if match.protocol is not None and match.protocol not in _PROTOCOLS:
        raise ValueError(f"{match.protocol!r} is not a protocol with ports")
    if match.port is not None:
        if match.protocol is None:
            raise ValueError("a port needs a protocol")
        yield f"{match.protocol} dport {_ports(match.port)}"
    elif match.protocol is not None:
        yield f"meta l4proto {match.protocol}"
    if match.local is not None:
        yield f"fib daddr type {'' if match.local else '!= '}local"
    if match.states:
        if not _STATES.issuperset(match.states):
            raise ValueError(f"{match.states} are not states of a connection")
        yield f"ct state {','.join(match.states)}"
    if match.translated is not None:
        yield "ct status dnat" if match.translated else "ct status & dnat == 0"


def _interface(value: object) -> str:
    match value:
        case Not(name):
            return f"!= {_interface(name)}"
        case str() if _INTERFACE.fullmatch(value) and len(value.encode()) <= 15:
            return f'"{value}"'
    raise ValueError(f"{value!r} is not an interface name that nft accepts")


def _network(value: object, family: int) -> str:
    match value:
        case Not(network):
            return f"!= {_network(network, family)}"
        case IPv4Network() | IPv6Network() if value.version == family:
            address = _address(value.network_address, family)
            return (
                address
                if value.prefixlen == value.max_prefixlen
                else f"{address}/{value.prefixlen}"
            )
    raise ValueError(f"{value!r} is not a network of IPv{family}")


def _address(address: Address, family: int) -> str:
    scoped = isinstance(address, IPv6Address) and address.scope_id is not None
    if not isinstance(address, IPv4Address | IPv6Address) or address.version != family or scoped:
        raise ValueError(f"{address!r} is not an address of IPv{family}")
    return str(address)


def _ports(ports: PortRange) -> str:
    first, last = ports
    if not 0 <= first <= last <= 65535:
        raise ValueError(f"{ports} is not a range of ports")
    return str(first) if first == last else f"{first}-{last}"


def _act(rule: FilterRule) -> str:
    payload, _ = _FAMILIES[rule.family]
    match rule.act:
        case Verdict():
            return rule.act.value
        case SourceTo(address):
            return f"snat {payload} to {_address(address, rule.family)}"
        case DestinationTo(address, ports):
            return f"dnat {payload} to {_target(_address(address, rule.family), ports, rule.match)}"


def _target(address: str, ports: PortRange | None, match: Match) -> str:
    """Return the target of a translation.

    From a range after `to`, the kernel would choose any port. To translate ports one to one, the
    target has no port, which leaves it unchanged, or a map.
    """
    if ports is None:
        return address
    if match.protocol is None:
        raise ValueError("a port needs a protocol")
    text = _ports(ports)
    literal = f"[{address}]" if ":" in address else address
    if ports[0] == ports[1]:
        return f"{literal}:{text}"
    if match.port == ports:
        return address
    if match.port is None or match.port[1] - match.port[0] != ports[1] - ports[0]:
        raise ValueError(f"the ranges {match.port} and {ports} differ in length")
    pairs = ", ".join(
        f"{port} : {port - match.port[0] + ports[0]}"
        for port in range(match.port[0], match.port[1] + 1)
    )
    return f"{address} : {match.protocol} dport map {{ {pairs} }}"
