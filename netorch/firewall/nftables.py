"""Write a ruleset in the syntax of nft(8), and parse nft's listings.

Each group and each map of a ruleset is a set or map of the table, so that a packet is looked up in
it once. The rules of a branch or of a case are a chain:

    set networks4 { type ifname; elements = { "lan", "dmz" }; }
    map into4 { type ifname : verdict; elements = { "lan" comment "lan: …" : drop }; }
    chain forward { …; meta nfproto ipv4 iifname @networks4 ct status dnat accept; … }
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from netorch.firewall.shell import ShellCommand
from netorch.immutable import replace
from netorch.values.digest import blake2b
from netorch.values.filter_rules import (
    STATES,
    WITH_PORTS,
    Address,
    Branch,
    Case,
    Choice,
    DestinationTo,
    FilterRule,
    Group,
    Hook,
    Match,
    Not,
    PortMap,
    PortRange,
    PortTarget,
    Ruleset,
    SourceTo,
    Verdict,
)
from netorch.values.icmp import icmp_name
from netorch.values.marks import Mark

if TYPE_CHECKING:
    from netorch.firewall.chains import ListedChain
    from netorch.values.snapshot import FilterListing

MODULE, CONFIG = "nf_tables", "CONFIG_NF_TABLES"

BASE_CHAINS = {
    Hook.PREROUTING: ("prerouting", "nat", -100),
    Hook.OUTPUT: ("output", "nat", -100),
    Hook.POSTROUTING: ("postrouting", "nat", 100),
    Hook.FORWARD: ("forward", "filter", 0),
    Hook.INPUT: ("input", "filter", 0),
    Hook.OUTPUT_FILTER: ("output", "filter", 0),
}
"""The hook of the kernel, the type and the priority of the chain for each hook."""

_FAMILIES = {4: ("ip", "ipv4"), 6: ("ip6", "ipv6")}
_ADDRESSES = {4: "ipv4_addr", 6: "ipv6_addr"}
_LABEL_LENGTH = 64
_ICMP = {"icmp": ("icmp", 4), "icmpv6": ("ipv6-icmp", 6)}
"""Protocol → its name in /etc/protocols, and the IP version that has it."""
# nft cannot escape a quote, and interprets * and \ as parts of a pattern
_INTERFACE = re.compile(r'[^\s"*\\/:\x00-\x1f\x7f]{1,15}')
_COMMENT = re.compile(r"[ !#-~]{1,100}")
_TRANSLATES = re.compile(r" (?:masquerade|[sd]nat ip6? to)(?: |$)")
_HANDLE = re.compile(r"(.*) # handle (\d+)")
_TABLE = re.compile(r"table (\S+) (\S+) \{")
_HEAD = re.compile(
    r"type |comment |flags |elements = |size |policy |timeout |auto-merge|gc-interval "
)
"""Statements of a chain, set or map that are neither rules nor elements."""
_ELEMENTS = "elements = "
_ELEMENT = re.compile(r'(?:"[^"]*"|[^",])+')
_LABEL = re.compile(r"[A-Za-z0-9_.-]+")
_KEYS = {"iif": "iifname", "oif": "oifname"}
_VERDICTS = frozenset((Verdict.ACCEPT, Verdict.DROP))
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
_SETS = ("set ", "map ")
_MAPPED = re.compile(r" dnat ip6? to .* map @(\S+)$")
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


def released_mark(topology: str) -> str:
    """Return the comment of the topology's table after a release."""
    return f"{mark(topology)} released"


def script(topology: str, ruleset: Ruleset) -> str:
    """Return nft input that replaces the topology's table by the ruleset in one transaction.

    If the ruleset is empty, the input only removes the table. Raise ValueError for a rule that nft
    would interpret differently: if it contains a name that nft would look up, a network of the
    wrong IP version, or ports without a protocol.
    """
    return delete(table_name(topology)) + text_of_rules(topology, ruleset)


def text_of_rules(topology: str, rules: Ruleset) -> str:
    """Return the table of a ruleset, almost as a kernel would list it.

    It is "" if the ruleset is empty. Raise ValueError as `script` does.
    """
    if not rules:
        return ""
    table = _Table()
    for hook in Hook:
        of_hook = [rule for rule in rules if rule.hook is hook]
        if of_hook:
            place, kind, priority = BASE_CHAINS[hook]
            head = f"type {kind} hook {place} priority {priority}; policy accept;"
            table.chains[hook.value] = [head, *map(table.rule, of_hook)]
    lines = [f"table inet {table_name(topology)} {{", f'\tcomment "{mark(topology)}"']
    for head, (types, elements) in table.sets.items():
        lines += [f"\t{head} {{", *(f"\t\t{word}" for word in types)]
        # One element for each line, because that is how differences are shown.
        lines.append(f"\t\telements = {{ {f',{_INDENT}'.join(elements)} }}")
        lines.append("\t}")
    for name, chain in table.chains.items():
        lines += [f"\tchain {name} {{", *(f"\t\t{line}" for line in chain), "\t}"]
    return "\n".join([*lines, "}", ""])


_INDENT = "\n\t\t\t     "


class _Table:
    """The sets, maps and chains of a table that is being written."""

    def __init__(self) -> None:
        self.sets: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        """`set NAME` or `map NAME` → the lines of its type, and its elements."""
        self.chains: dict[str, list[str]] = {}
        """Name → rules."""

    def rule(self, rule: FilterRule) -> str:
        """Return a rule, and add the sets, maps and chains to which it refers."""
        match, family = rule.match, rule.family
        for group in (match.iif, match.oif, match.source, match.destination):
            if isinstance(group, Group) and group.name:
                self._group(group, family)
        if match.pair is not None:
            pairs = tuple(" . ".join(map(_interface, pair)) for pair in match.pair.pairs)
            self._set(f"set {match.pair.name}", ("type ifname . ifname",), pairs)
        match rule.act:
            case Branch(name=name, rules=rules):
                self.chains.setdefault(name, [self.rule(inner) for inner in rules])
            case Choice():
                self._choice(rule.act, family)
            case PortMap():
                self._ports(rule.act, family)
        return rule_text(rule)

    def _set(self, head: str, kind: tuple[str, ...], elements: tuple[str, ...]) -> None:
        if self.sets.setdefault(head, (kind, elements)) != (kind, elements):
            raise ValueError(f"the {head} has two contents")

    def _group(self, group: Group, family: int) -> None:
        kind: tuple[str, ...] = ("type ifname",)
        if not all(isinstance(member, str) for member in group.members):
            kind = (f"type {_ADDRESSES[family]}", "flags interval")
        elements = tuple(_member(member, family) for member in group.members)
        self._set(f"set {group.name}", kind, elements)

    def _choice(self, choice: Choice, family: int) -> None:
        elements: list[str] = []
        for case in choice.cases:
            value = _member(case.value, family)
            if (end := verdict_of(case)) is not None:
                elements.append(f"{value}{_comment(end)} : {_act(end)}")
                continue
            chain = chain_of(choice, case)
            elements.append(f"{value} : jump {chain}")
            if chain not in self.chains:
                self.chains[chain] = []  # its place is before the chains of its own rules
                self.chains[chain] = [self.rule(inner) for inner in case.rules]
        kind: tuple[str, ...] = ("type ifname : verdict",)
        if choice.field == "source":
            kind = (f"type {_ADDRESSES[family]} : verdict", "flags interval")
        self._set(f"map {choice.name}", kind, tuple(elements))

    def _ports(self, act: PortMap, family: int) -> None:
        key = f"{_ADDRESSES[family]} . inet_service" if _has_addresses(act) else "inet_service"
        kind = (f"type {key} : {_ADDRESSES[family]} . inet_service",)
        elements = tuple(port_text(entry, family) for entry in act.ports)
        self._set(f"map {act.name}", kind, elements)


def verdict_of(case: Case) -> FilterRule | None:
    """Return the rule of a case that consists of nothing but a verdict, else None."""
    if len(case.rules) == 1 and case.rules[0].match == Match() and case.rules[0].act in _VERDICTS:
        return case.rules[0]
    return None


def chain_of(choice: Choice, case: Case) -> str:
    """Return the name of the chain for a case, such as `out4_lan`."""
    label = case.label
    if not _LABEL.fullmatch(label) or len(label) > _LABEL_LENGTH:
        label = blake2b(label.encode(), digest_size=8).hexdigest()
    return f"{choice.name}_{label}"


def port_text(entry: PortTarget, family: int) -> str:
    """Return an entry of a map of ports."""
    ports = [(port, port) for port in (entry.port, entry.to)]
    key, to = map(_ports, ports)
    if entry.address is not None:
        key = f"{_address(entry.address, family)} . {key}"
    return f"{key}{_comment_text(entry.comment)} : {_address(entry.target, family)} . {to}"


def _has_addresses(act: PortMap) -> bool:
    addressed = {entry.address is not None for entry in act.ports}
    if len(addressed) > 1:
        raise ValueError(f"some ports of the map {act.name} have an address, and others do not")
    return True in addressed


def create(topology: str, text: str) -> str:
    """Return nft input that makes a table from its text and fails if the table exists already.

    `text` is a listing of the table, or the result of `script`. Because the input fails, netorch
    never overwrites a table that another program has made in the meantime.
    """
    table = table_name(topology)
    comment = f' {{ comment "{mark(topology)}"; }}' if is_marked(topology, text) else ""
    return f"create table inet {table}{comment}\n{text.removeprefix(delete(table))}"


def count_of(text: str) -> int:
    """Return the number of rules in a filter's text. An element of a set or map counts as one."""
    if not _is_listing(text):
        return len(text.splitlines())
    return sum(
        bool(statement) and (block.startswith(_SETS) or not block.startswith(_OTHER_BLOCKS))
        for block, statement in _entries(text)
        if not _HEAD.match(statement)
    )


def is_marked(topology: str, text: str) -> bool:
    """Return whether the table in `text` has the topology's mark.

    Rules that the kernel has not listed yet are not a table, and count as marked.
    """
    return not _is_listing(text) or f'\tcomment "{mark(topology)}"' in text.splitlines()


def released(topology: str, text: str) -> str:
    """Return the text of a filter that the topology has given up, "" if it cannot be told apart."""
    own, free = (f'\tcomment "{one(topology)}"' for one in (mark, released_mark))
    lines = text.splitlines(keepends=True)
    given_up = [free + line[len(own) :] if line.rstrip("\n") == own else line for line in lines]
    return "".join(given_up) if given_up != lines else ""


def is_released(topology: str, text: str) -> bool:
    """Return whether the topology has given up the filter."""
    return f'\tcomment "{released_mark(topology)}"' in text.splitlines()


def delete(table: str) -> str:
    """Return nft input that removes the table, or does nothing if it does not exist."""
    if not re.fullmatch(r"netorch_[a-z0-9_]+", table):
        raise ValueError(f"{table!r} is not the name of a table that netorch makes")
    return f"add table inet {table}\ndelete table inet {table}\n"


def listing(text: str) -> tuple[str, ...]:
    """Return the statements of a table in the output of `nft --stateless list table`.

    Each one has the name of its chain, or the head of another block, in front:
    `prerouting type nat hook prerouting priority dstnat; policy accept;`,
    `prerouting tcp dport 80 … comment "web"`, `set s type …`, and for each element of a set or map
    `set s "lan"`. The table's comment is left out.
    """
    return tuple(
        f"{block} {statement}".strip()
        for block, statement in _entries(text)
        if block or not statement.startswith("comment ")
    )


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield chain (or the head of another block) and text of each rule and element."""
    for _, _, block, statement, _ in _statements(text):
        if block.startswith(_SETS) and statement.startswith(_ELEMENTS):
            inside = statement.removeprefix(_ELEMENTS).strip()[1:-1]
            yield from ((block, element.strip()) for element in _ELEMENT.findall(inside))
        else:
            yield block, statement


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
    family = table = block = ""
    parts: list[str] = []
    depth = 0
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
        numbered = _HANDLE.fullmatch(words) if "# handle " in words else None
        words, handle = (numbered[1], int(numbered[2])) if numbered is not None else (words, 0)
        if not words and not parts:
            continue
        if not block and words.endswith("{"):
            block, empty = words.removesuffix("{").removeprefix("chain ").strip(), True
            continue
        if block and not parts and words == "}":
            if empty:
                yield family, table, block, "", 0
            block = ""
            continue
        # Sets and chains in a rule, and the elements of a set, may span several lines.
        parts.append(words)
        bare = _QUOTED.sub("", words) if '"' in words else words
        depth += bare.count("{") - bare.count("}")
        if depth <= 0:
            yield family, table, block, " ".join(parts), handle
            parts, depth, empty = [], 0, False


def lines_of(text: str) -> Sequence[str]:
    """Return the filter's lines, one for each rule and element, without the marks."""
    # Rules that nft cannot express have one line each.
    return listing(text) if _is_listing(text) else text.splitlines()


def _is_listing(text: str) -> bool:
    return text.startswith("table ")


def translations_of(text: str) -> frozenset[str]:
    """Return the lines that translate addresses."""
    if not _is_listing(text):
        return frozenset(line for line in text.splitlines() if _TRANSLATES.search(line))
    lines: list[str] = []
    maps = _port_maps(text)
    for block, statement in _entries(text):
        if block in maps:
            if not _HEAD.match(statement):
                lines += (f"{rule}{block} {statement}" for rule in maps[block])
        elif not block.startswith(_OTHER_BLOCKS):
            bare = _QUOTED.sub("", statement)
            if _TRANSLATES.search(bare) and _MAPPED.search(bare) is None:
                lines.append(f"{block} {statement}")
    return frozenset(lines)


def _port_maps(text: str) -> dict[str, list[str]]:
    """Return the head of each map of ports → the rules that use it, without the map."""
    rules: dict[str, list[str]] = {}
    for block, statement in _entries(text):
        mapped = None if block.startswith(_OTHER_BLOCKS) else _MAPPED.search(statement)
        if mapped is not None:
            head = f"{block} {statement[: mapped.start(1)]}"
            rules.setdefault(f"map {mapped[1]}", []).append(head)
    return rules


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

    chains = nftables_json.chains(listing.json, rule_texts(listing.text), listing.extensions)
    dormant = _dormant_tables(listing.text)
    return tuple(
        replace(chain, active=False) if (chain.family, chain.table) in dormant else chain
        for chain in chains
    )


def _dormant_tables(text: str) -> frozenset[tuple[str, str]]:
    """Return the family and the name of each table in a listing whose rules have no effect."""
    # not from the JSON, in which version 1.0.6 of the library has the name of the table as flag
    if " dormant" not in text and ",dormant" not in text:
        return frozenset()
    return frozenset(
        (family, table)
        for family, table, block, statement, _ in _statements(text)
        if not block and statement.startswith("flags ") and "dormant" in statement
    )


def rule_text(rule: FilterRule) -> str:
    """Return one rule in nft's syntax. Raises ValueError if nft cannot express it."""
    return " ".join((*_matches(rule), _act(rule))) + _comment(rule)


def _comment(rule: FilterRule) -> str:
    return _comment_text(rule.comment) if rule.comment else ""


def _comment_text(comment: str) -> str:
    if not _COMMENT.fullmatch(comment):
        raise ValueError(f"{comment!r} cannot be the comment of a rule")
    return f' comment "{comment}"'


def _member(value: object, family: int) -> str:
    return _interface(value) if isinstance(value, str) else _network(value, family)


def _members(group: Group, family: int) -> str:
    if group.name:
        return f"@{group.name}"
    texts = [_member(member, family) for member in group.members]
    # nft lists a set of one element like this
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"


def _matches(rule: FilterRule) -> Iterator[str]:
    """Yield the conditions, cheap and selective ones first.

    The kernel stops evaluating a rule at the first condition that a packet does not meet.
    """
    match, family, act = rule.match, rule.family, rule.act
    payload, nfproto = _FAMILIES[family]
    if match.source is None and match.destination is None:
        yield f"meta nfproto {nfproto}"
    for word, interface in (("iifname", match.iif), ("oifname", match.oif)):
        if isinstance(interface, Group):
            yield f"{word} {_members(interface, family)}"
        elif interface is not None:
            yield f"{word} {_interface(interface)}"
    if match.pair is not None:
        yield f"iifname . oifname @{match.pair.name}"
    for word, network in (("saddr", match.source), ("daddr", match.destination)):
        if isinstance(network, Group):
            yield f"{payload} {word} {_members(network, family)}"
        elif network is not None:
            yield f"{payload} {word} {_network(network, family)}"
    if match.port is not None or match.sport is not None:
        if match.protocol is None:
            raise ValueError("a port needs a protocol")
        if match.protocol not in WITH_PORTS:
            raise ValueError(f"{match.protocol!r} is not a protocol with ports")
        for word, ports in (("sport", match.sport), ("dport", match.port)):
            if ports is not None:
                yield f"{match.protocol} {word} {_ports(ports)}"
    elif match.icmp is not None:
        if _ICMP.get(match.protocol or "", ("", 0))[1] != family:
            raise ValueError(f"{match.protocol!r} is not the ICMP of IPv{family}")
        yield f"{match.protocol} type {icmp_name(family, match.icmp)}"
    elif match.protocol is not None and not isinstance(act, PortMap):
        yield f"meta l4proto {_protocol(match.protocol)}"
    if match.local is not None:
        yield f"fib daddr type {'' if match.local else '!= '}local"
    if match.states:
        if not STATES.issuperset(match.states):
            raise ValueError(f"{match.states} are not states of a connection")
        yield f"ct state {','.join(match.states)}"
    if match.translated is not None:
        yield "ct status dnat" if match.translated else "ct status & dnat == 0"


def _protocol(name: str) -> str:
    if name in WITH_PORTS or name in _ICMP:
        return _ICMP.get(name, (name, 0))[0]
    if not name.isdecimal() or not 0 < int(name) < 256:
        raise ValueError(f"{name!r} is not a protocol")
    return name


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
        case SourceTo():
            return _source(rule, rule.act)
        case DestinationTo(address, ports):
            return f"dnat {payload} to {_target(_address(address, rule.family), ports, rule.match)}"
        case PortMap(name=name):
            if rule.match.protocol is None:
                raise ValueError("a port needs a protocol")
            key = f"{rule.match.protocol} dport"
            if _has_addresses(rule.act):
                key = f"{payload} daddr . {key}"
            return f"dnat {payload} to {key} map @{name}"
        case Choice(name=name, field=field):
            return f"{_KEYS.get(field, f'{payload} saddr')} vmap @{name}"
        case Branch(name=name):
            return f"jump {name}"


def _source(rule: FilterRule, act: SourceTo) -> str:
    """Return the translation of a source."""
    payload, _ = _FAMILIES[rule.family]
    host = "" if act.address is None else _address(act.address, rule.family)
    where = host
    if act.ports is not None:
        if rule.match.protocol not in WITH_PORTS:
            raise ValueError("a port needs a protocol with ports")
        where = f"{f'[{host}]' if ':' in host else host}:{_ports(act.ports)}"
    words = ["masquerade"] if act.address is None else ["snat", payload]
    words += ["to", where] if where else []
    return " ".join([*words, *(["fully-random"] if act.random else [])])


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
