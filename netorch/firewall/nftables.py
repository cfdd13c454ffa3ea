"""A ruleset as nft text, one nft rule for each of its rules, and the lines of a listing in nft's own words (nft(8))."""

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
"""Type and priority of the chain at each hook."""

_FAMILIES = {4: ("ip", "ipv4"), 6: ("ip6", "ipv6")}
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_STATES = frozenset({"new", "established", "related", "invalid", "untracked"})
# nft has no way to quote a quote, and reads * and \ as a pattern
_INTERFACE = re.compile(r'[^\s"*\\/:\x00-\x1f\x7f]{1,15}')
_COMMENT = re.compile(r"[ !#-~]{1,100}")
_TRANSLATES = re.compile(r" (?:masquerade|[sd]nat ip6? to)(?: |$)")
_HANDLE = re.compile(r"(.*) # handle (\d+)")
_TABLE = re.compile(r"table (\S+) (\S+) \{")
_CHAIN = re.compile(r"type \w+ hook |comment ")
"""What says of a chain where packets come to it, or whose it is, and is not a rule."""
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
    """`netorch_my_lab`. No two topologies share a table: their names have no underscore, so that each one is a hyphen."""
    if not re.fullmatch(r"[a-z0-9-]+", topology):
        raise ValueError(f"no name of a topology: {topology!r}")
    return f"netorch_{topology.replace('-', '_')}"


def mark(topology: str) -> str:
    """The comment of the topology's table, by which it is known."""
    return Mark(topology).alias


def script(topology: str, ruleset: Ruleset) -> str:
    """Text that puts the ruleset in the place of the topology's table in one transaction; an empty ruleset is not a table.

    ValueError for what nft would read as something else: a name that it looks up, a wrong family, ports without a protocol.
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
    """One rule as `listing` gives it, for people; what nft could not be told in whatever words there are."""
    try:
        return f"{rule.hook.value} {rule_text(rule)}"
    except ValueError:
        return repr(rule)


def create(topology: str, text: str) -> str:
    """Text that makes the table that a listing or `script` says, and does nothing where one of that name is there.

    Only `create` refuses a table that somebody else has made meanwhile.
    """
    table = table_name(topology)
    comment = f' {{ comment "{mark(topology)}"; }}' if is_marked(topology, text) else ""
    return f"create table inet {table}{comment}\n{text.removeprefix(delete(table))}"


def count_of(text: str) -> int:
    if not text.startswith("table "):
        return len(text.splitlines())
    return sum(
        not block.startswith(_OTHER_BLOCKS) and bool(statement) and not _CHAIN.match(statement)
        for _, _, block, statement, _ in _statements(text)
    )


def is_marked(topology: str, text: str) -> bool:
    # the rules of a file that no kernel has listed yet are not table
    return not _is_listing(text) or f'\tcomment "{mark(topology)}"' in text.splitlines()


def delete(table: str) -> str:
    """Text that removes the table, or does nothing where there is none."""
    if not re.fullmatch(r"netorch_[a-z0-9_]+", table):
        raise ValueError(f"no name of a table of netorch's: {table!r}")
    return f"add table inet {table}\ndelete table inet {table}\n"


def listing(text: str) -> tuple[str, ...]:
    """The lines of a table as `nft --stateless list table` shows it, each with its chain in front; anything else in it too
    but the table's comment.

    `prerouting type nat hook prerouting priority dstnat; policy accept;`, `prerouting tcp dport 80 … comment "web"`, `set s type …`.
    """
    return tuple(
        f"{block} {statement}".strip()
        for _, _, block, statement, _ in _statements(text)
        if block or not statement.startswith("comment ")
    )


def rule_texts(text: str) -> dict[tuple[str, str, int], str]:
    """The rules of a listing with handles, by family, table and handle."""
    return {
        (family, table, handle): statement
        for family, table, block, statement, handle in _statements(text)
        if handle and not block.startswith(_OTHER_BLOCKS)
    }


def _statements(text: str) -> Iterator[tuple[str, str, str, str, int]]:
    """Family, table, chain (or the head of another block), text, and handle or 0 of each statement."""
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
    # the rules of a file that no kernel has listed yet are lines already
    return listing(text) if _is_listing(text) else text.splitlines()


def _is_listing(text: str) -> bool:
    return text.startswith("table ")


def translations_of(text: str) -> frozenset[str]:
    return frozenset(line for line in lines_of(text) if _TRANSLATES.search(_QUOTED.sub("", line)))


def commands_to_replace(
    topology: str, rules: Ruleset, text: str, before: str
) -> list[ShellCommand]:
    table = table_name(topology)
    made = script(topology, rules) if rules else delete(table) + text
    if not before:
        # where there is none, none has to make room
        made = made.removeprefix(delete(table))
    return [ShellCommand("nft -f -", made)]


def commands_to_delete(topology: str, before: str) -> list[ShellCommand]:
    return [ShellCommand(f"nft delete table inet {table_name(topology)}")]


def chains_of(listing: FilterListing) -> tuple[ListedChain, ...]:
    from netorch.firewall import nftables_json

    return nftables_json.chains(listing.json, rule_texts(listing.text), listing.extensions)


def _balanced(statement: str) -> bool:
    """Sets and chains within a rule may go over several lines."""
    bare = _QUOTED.sub("", statement)
    return bare.count("{") == bare.count("}")


def rule_text(rule: FilterRule) -> str:
    """One rule as nft reads it."""
    words = [*_matches(rule.match, rule.family), _act(rule)]
    if rule.comment:
        if not _COMMENT.fullmatch(rule.comment):
            raise ValueError(f"no comment for a rule: {rule.comment!r}")
        words.append(f'comment "{rule.comment}"')
    return " ".join(words)


def _matches(match: Match, family: int) -> Iterator[str]:
    """The cheap and the telling ones first: a packet leaves a rule at the first one that fails."""
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
        raise ValueError(f"no protocol with ports: {match.protocol!r}")
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
            raise ValueError(f"no states of a connection: {match.states}")
        yield f"ct state {','.join(match.states)}"
    if match.translated is not None:
        yield "ct status dnat" if match.translated else "ct status & dnat == 0"


def _interface(value: object) -> str:
    match value:
        case Not(name):
            return f"!= {_interface(name)}"
        case str() if _INTERFACE.fullmatch(value) and len(value.encode()) <= 15:
            return f'"{value}"'
    raise ValueError(f"no name of an interface that nft can be told: {value!r}")


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
    raise ValueError(f"no network of IPv{family}: {value!r}")


def _address(address: Address, family: int) -> str:
    scoped = isinstance(address, IPv6Address) and address.scope_id is not None
    if not isinstance(address, IPv4Address | IPv6Address) or address.version != family or scoped:
        raise ValueError(f"no address of IPv{family}: {address!r}")
    return str(address)


def _ports(ports: PortRange) -> str:
    first, last = ports
    if not 0 <= first <= last <= 65535:
        raise ValueError(f"no range of ports: {ports}")
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
    """A range after `to` would be a choice for the kernel; what is one to one is a port that is kept, or a map."""
    if ports is None:
        return address
    if match.protocol is None:
        raise ValueError("a port needs a protocol")
    shown = _ports(ports)
    literal = f"[{address}]" if ":" in address else address
    if ports[0] == ports[1]:
        return f"{literal}:{shown}"
    if match.port == ports:
        return address
    if match.port is None or match.port[1] - match.port[0] != ports[1] - ports[0]:
        raise ValueError(f"ranges of different length: {match.port} and {ports}")
    pairs = ", ".join(
        f"{port} : {port - match.port[0] + ports[0]}"
        for port in range(match.port[0], match.port[1] + 1)
    )
    return f"{address} : {match.protocol} dport map {{ {pairs} }}"
