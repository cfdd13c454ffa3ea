"""Write a ruleset in the syntax of iptables-save(8), with chains that belong to the topology.

The lines of a table are commands of iptables(8) in a fixed order. Reading the kernel results in the
same text, so that rules are compared by comparing lines:

    -N netorch-lab-pre
    -I PREROUTING -m comment --comment "netorch:lab" -j netorch-lab-pre
    -A netorch-lab-pre -m comment --comment "netorch:lab"
    -A netorch-lab-pre -p tcp -m tcp --dport 80 … -j DNAT --to-destination 10.0.0.2:80

The first line makes a chain. The second one is the jump to it, before all foreign rules; if foreign
rules are before it, the kernel's line is `-I PREROUTING 3 …`. The third line marks the chain.

The sets and maps of a ruleset become further chains (`iptables_chains`), such as
`netorch-lab-fwd_lan` for what arrives on lan.
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from shlex import quote
from typing import TYPE_CHECKING

from netorch.firewall.iptables_chains import HOOK_CHAIN, ChainRule, Jump
from netorch.firewall.iptables_chains import chains_of as plain_chains
from netorch.firewall.shell import ShellCommand
from netorch.immutable import Value
from netorch.values.digest import blake2b
from netorch.values.filter_rules import (
    WITH_PORTS,
    Address,
    DestinationTo,
    FilterRule,
    Group,
    Hook,
    Match,
    Network,
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

CHAIN_LENGTH = 28
"""The longest name of a chain, less than XT_EXTENSION_MAXNAMELEN (linux/netfilter/x_tables.h)."""

MODULE, CONFIG = "ip_tables", "CONFIG_IP_NF_IPTABLES"

Lines = tuple[str, ...]

TableKey = tuple[int, str]
"""The IP version (4 or 6) and the name of a table."""

_NAT, _FILTER = "nat", "filter"
_HOOKS = {
    Hook.PREROUTING: (_NAT, "PREROUTING", "pre"),
    Hook.OUTPUT: (_NAT, "OUTPUT", "out"),
    Hook.POSTROUTING: (_NAT, "POSTROUTING", "post"),
    Hook.FORWARD: (_FILTER, "FORWARD", "fwd"),
    Hook.INPUT: (_FILTER, "INPUT", "in"),
    Hook.OUTPUT_FILTER: (_FILTER, "OUTPUT", "fout"),
}
_WITHOUT_IIF = (Hook.OUTPUT, Hook.POSTROUTING, Hook.OUTPUT_FILTER)
_WITHOUT_OIF = (Hook.PREROUTING, Hook.INPUT)
_NAMES = {"icmpv6": "ipv6-icmp", "50": "esp", "51": "ah", "47": "gre"}
"""Protocol → its name in the output of iptables-save, if that is another one."""
_ICMP = {4: ("icmp", "icmp", "--icmp-type"), 6: ("icmpv6", "icmp6", "--icmpv6-type")}
"""IP version → the protocol of its ICMP, the match for that, and its option for the type."""
_UNREACHABLE = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}
"""IP version → the ICMP error that answers a rejected packet."""
_STATES = {
    "invalid": "INVALID",
    "new": "NEW",
    "related": "RELATED",
    "established": "ESTABLISHED",
    "untracked": "UNTRACKED",
}
"""The states in the order of iptables-save."""

# iptables interprets a final + as a pattern, and cannot escape the other excluded characters
_INTERFACE = re.compile(r"[^\s\"'\\/:\x00-\x1f\x7f]*[^\s\"'\\/:\x00-\x1f\x7f+]")
_COMMENT = re.compile(r"[ !#-~]{1,100}")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_TRANSLATES = re.compile(r" -j (?:MASQUERADE|[SD]NAT)\b")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LISTED = re.compile(r"ip6?tables ")
_RULE = re.compile(r"ip6?tables -t \w+ -A netorch[-_]")
_LABEL = re.compile(r"[_=][A-Za-z0-9_.=-]+")
_FURTHER = re.compile(r"([^_=]+)[_=]")
_MARKING = re.compile(r'\S+ -t \S+ -A \S+ -m comment --comment "netorch:[a-z0-9-]+"')


class ChainNames(Value, dict=True):
    """The names of a topology's chains, and the comments of its rules."""

    topology: str

    @cached_property
    def mark(self) -> str:
        """The comment that marks the topology's rules.

        It is the comment of the first rule of each chain of the topology, of each of its rules in
        built-in chains, and of its other rules that have no comment.
        """
        return Mark(self.topology).alias

    def chain(self, hook: Hook) -> str:
        """Return the name of the chain for a hook, such as `netorch-lab-pre`.

        A long name is shortened, and distinguished by a hash after a full stop, which no topology's
        name contains.
        """
        name = self.topology
        if len(name) > CHAIN_LENGTH - len("netorch--post"):
            digest = b32encode(blake2b(name.encode(), digest_size=10).digest()).decode().lower()
            name = f"{name[:4]}.{digest[:10]}"
        return f"netorch-{name}-{_HOOKS[hook][2]}"

    def further_chain(self, hook: Hook, label: str) -> str:
        """Return the name of a further chain for a hook, such as `netorch-lab-fwd_lan`.

        A name that is too long, or has other characters than these, is replaced by a hash.
        """
        name = f"{self.chain(hook)}{label}"
        if len(name) <= CHAIN_LENGTH and _LABEL.fullmatch(label):
            return name
        digest = b32encode(blake2b(name.encode(), digest_size=10).digest()).decode().lower()
        return f"{self._hashed}{digest[:13]}"

    @cached_property
    def _hashed(self) -> str:
        """The beginning of the names that contain a hash. No name of `chain` begins like this."""
        digest = b32encode(blake2b(self.topology.encode(), digest_size=5).digest()).decode()
        return f"netorch_{digest.lower()[:7]}"

    @cached_property
    def chains(self) -> ChainSet:
        """The names of all chains that the topology may have, in any table."""
        return ChainSet(frozenset(map(self.chain, Hook)), self._hashed)


class ChainSet(Value):
    """The names of all chains that a topology may have."""

    hook_chains: frozenset[str]
    """The names of the chains to which built-in chains jump."""
    hashed: str
    """The beginning of the other names that contain a hash."""

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        if name in self.hook_chains or name.startswith(self.hashed):
            return True
        # because the name of a topology contains neither of these characters
        base = _FURTHER.match(name)
        return base is not None and base[1] in self.hook_chains


class OwnChain(Value):
    """A chain that belongs to the topology."""

    name: str
    builtin: str
    """The built-in chain with the jump to it, "" if other chains lead to it."""
    mark: str
    rules: Lines
    """The rules without `-A CHAIN`, and without the rule that marks the chain."""

    @property
    def jump(self) -> str:
        """The line that adds the jump to the chain."""
        return f"-I {self.builtin} {_comment(self.mark)} -j {self.name}"

    @property
    def lines(self) -> Lines:
        """The lines that add the rules, beginning with the one that marks the chain."""
        return tuple(f"-A {self.name} {rule}" for rule in (_comment(self.mark), *self.rules))


class IptablesTable(Value):
    """The desired contents of one table."""

    version: int
    """The IP version."""
    name: str
    chains: tuple[OwnChain, ...]

    @property
    def lines(self) -> Lines:
        """The lines of the table: chains, then jumps, then rules, each of them sorted by chain."""
        chains = sorted(self.chains, key=lambda chain: chain.name)
        made = [f"-N {chain.name}" for chain in chains]
        jumps = [
            chain.jump for chain in sorted(chains, key=lambda chain: chain.builtin) if chain.builtin
        ]
        return (
            *made,
            *jumps,
            *(line for chain in chains for line in chain.lines),
        )


def translate(topology: str, ruleset: Ruleset) -> tuple[IptablesTable, ...]:
    """Return the tables for a ruleset, none if it is empty.

    Raises ValueError for a rule that iptables cannot express.
    """
    names = ChainNames(topology)
    tables: dict[tuple[int, str], list[OwnChain]] = {}
    by_place: dict[tuple[int, Hook], list[FilterRule]] = {}
    for rule in ruleset:
        by_place.setdefault((rule.family, rule.hook), []).append(rule)
    for (family, hook), rules in by_place.items():
        for label, chain in plain_chains(rules).items():
            is_first = label == HOOK_CHAIN
            own = OwnChain(
                names.chain(hook) if is_first else names.further_chain(hook, label),
                _HOOKS[hook][1] if is_first else "",
                names.mark,
                tuple(
                    line for rule in chain for line in _lines(_Placed(family, hook, rule), names)
                ),
            )
            tables.setdefault((family, _HOOKS[hook][0]), []).append(own)
    return tuple(
        IptablesTable(version, table, tuple(chains))
        for (version, table), chains in sorted(tables.items())
    )


def lines(topology: str, ruleset: Ruleset) -> dict[TableKey, Lines]:
    """Return the lines of each table, to compare them with the kernel's and to apply them."""
    return {(table.version, table.name): table.lines for table in translate(topology, ruleset)}


def commands(tables: Mapping[TableKey, Lines]) -> Iterator[str]:
    """Yield the lines as commands for a shell: `ip6tables -t nat -A …`."""
    return map(_typed, text_of(tables).splitlines())


def text_of(tables: Mapping[TableKey, Sequence[str]]) -> str:
    """Return the lines of all tables as one text. `tables_of` is the inverse function."""
    return "\n".join(
        f"{'iptables' if version == 4 else 'ip6tables'} -t {table} {line}"
        for (version, table), table_lines in sorted(tables.items())
        for line in table_lines
    )


def text_of_rules(topology: str, rules: Ruleset) -> str:
    """Return the rules as text. Raises ValueError if iptables cannot express them."""
    return text_of(lines(topology, rules))


def tables_of(text: str) -> dict[TableKey, Lines]:
    """Return the lines of each table in a text of `text_of`."""
    tables: dict[TableKey, list[str]] = {}
    for line in text.splitlines():
        command, _, table, rest = line.split(" ", 3)
        tables.setdefault((4 if command == "iptables" else 6, table), []).append(rest)
    return {key: tuple(lines) for key, lines in tables.items()}


def lines_of(text: str) -> list[str]:
    """Return the filter's lines, one for each rule, without the marks."""
    return [line for line in text.splitlines() if not _MARKING.fullmatch(line)]


def count_of(text: str) -> int:
    """Return the number of rules in a filter's text."""
    lines = text.splitlines()
    if not any(map(_LISTED.match, lines)):
        return len(lines)
    # chains, the jumps to them and their marks do not count as rules
    return sum(bool(_RULE.match(line)) and not _MARKING.fullmatch(line) for line in lines)


def is_marked(topology: str, text: str) -> bool:
    """Return whether all chains of the filter have the topology's mark."""
    made = {line.replace(" -N ", " -A ") for line in text.splitlines() if " -N " in line}
    comment = f" {_comment(ChainNames(topology).mark)}"
    return made <= {line.removesuffix(comment) for line in text.splitlines()}


def released(topology: str, text: str) -> str:
    """Return "", because the marks of chains are the only proof of who made them."""
    return ""


def is_released(topology: str, text: str) -> bool:
    return False


def translations_of(text: str) -> frozenset[str]:
    """Return the lines that translate addresses."""
    return frozenset(line for line in lines_of(text) if _TRANSLATES.search(line))


def commands_to_replace(
    topology: str, rules: Ruleset, text: str, before: str
) -> list[ShellCommand]:
    """Return commands that replace the filter `before` by the rules, or by `text` without rules."""
    made = commands(lines(topology, rules)) if rules else map(_typed, text.splitlines())
    return [ShellCommand(_legacy(line)) for line in (*_undone(before), *made)]


def commands_to_delete(topology: str, before: str) -> list[ShellCommand]:
    """Return commands that remove the filter."""
    return [ShellCommand(_legacy(line)) for line in _undone(before)]


def chains_of(listing: FilterListing) -> tuple[ListedChain, ...]:
    """Return all chains of a listing."""
    from netorch.firewall import iptables_save

    return iptables_save.chains(tables_of(listing.text))


def own_chains(text: str) -> tuple[ListedChain, ...]:
    """Return the chains of a topology's own filter, without foreign rules.

    The built-in chains contain only the jumps to the topology's chains.
    """
    from netorch.firewall import iptables_save

    tables = {
        key: tuple(re.sub(r"^-I (\S+)( \d+)?", r"-A \1", line) for line in lines)
        for key, lines in tables_of(text).items()
    }
    return iptables_save.chains(tables)


def _legacy(line: str) -> str:
    """Replace `iptables` or `ip6tables` in a line by the command for the legacy tables.

    The backend uses these tables, but on some machines the command `iptables` means nftables.
    """
    return line.replace("tables ", "tables-legacy ", 1)


def _typed(line: str) -> str:
    """Return a line with its quotes in the syntax of a shell."""
    return _QUOTED.sub(lambda quoted: quote(re.sub(r"\\(.)", r"\1", quoted[1])), line)


def _undone(text: str) -> Iterator[str]:
    """Yield commands that remove a filter: first its jumps, then its chains."""
    listed = text.splitlines()
    chains = [line for line in listed if " -N " in line]
    yield from (
        _typed(re.sub(r" -I (\S+)( \d+)?", r" -D \1", line, count=1))
        for line in listed
        if " -I " in line
    )
    yield from (line.replace(" -N ", " -F ") for line in chains)
    yield from (line.replace(" -N ", " -X ") for line in chains)


class _Placed(Value):
    """A rule in a chain."""

    family: int
    hook: Hook
    rule: ChainRule

    @property
    def match(self) -> Match:
        return self.rule.match

    @property
    def comment(self) -> str:
        return self.rule.comment


def _lines(rule: _Placed, names: ChainNames) -> Iterator[str]:
    """Yield the lines of a rule.

    Ports that are translated one to one need one rule each, because from a range after
    --to-destination the kernel may choose any port.
    """
    act, port, mark = rule.rule.act, rule.match.port, names.mark
    if isinstance(act, Jump):
        chain = names.further_chain(rule.hook, act.label)
        yield _line(rule, port, chain, mark, "-g" if act.goto else "-j")
        return
    if not isinstance(act, DestinationTo):
        yield _line(rule, port, _target(rule), mark)
        return
    if rule.hook not in (Hook.PREROUTING, Hook.OUTPUT):
        raise _wrong(rule, "iptables translates destinations only in PREROUTING and OUTPUT")
    address = _address(rule, act.address)
    bracketed = f"[{address}]" if rule.family == 6 else address
    if act.ports is None:
        yield _line(rule, port, f"DNAT --to-destination {address}", mark)
        return
    if rule.match.protocol is None:
        raise _wrong(rule, "ports need a protocol")
    first, last = act.ports
    if first == last:
        yield _line(
            rule, port, f"DNAT --to-destination {bracketed}:{_ports(rule, act.ports)}", mark
        )
    elif act.ports == port:
        # without a port, DNAT does not change the packet's port
        yield _line(rule, port, f"DNAT --to-destination {address}", mark)
    elif port is None or port[1] - port[0] != last - first:
        raise _wrong(
            rule,
            f"the ranges {port} and {act.ports} differ in length",
        )
    else:
        _ports(rule, port), _ports(rule, act.ports)
        for offset in range(last - first + 1):
            single = port[0] + offset
            yield _line(
                rule, (single, single), f"DNAT --to-destination {bracketed}:{first + offset}", mark
            )


def _line(rule: _Placed, port: PortRange | None, target: str, mark: str, option: str = "-j") -> str:
    comment = rule.comment or mark
    if not _COMMENT.fullmatch(comment):
        raise _wrong(rule, f"{comment!r} cannot be the comment of a rule")
    return " ".join(
        (
            *_header(rule),
            *_matches(rule, port),
            _comment(comment),
            f"{option} {target}",
        )
    )


def _header(rule: _Placed) -> Iterator[str]:
    match = rule.match
    for option, network in (("-s", match.source), ("-d", match.destination)):
        words = _network(rule, option, network)
        if words:
            yield words
    for option, interface, without in (
        ("-i", match.iif, _WITHOUT_IIF),
        ("-o", match.oif, _WITHOUT_OIF),
    ):
        if interface is not None:
            if rule.hook in without:
                raise _wrong(rule, f"{option} is not possible there")
            yield f"{_not(interface)}{option} {_interface(rule, interface)}"
    if match.protocol is not None:
        if not (match.protocol in (*WITH_PORTS, "icmp", "icmpv6") or match.protocol.isdecimal()):
            raise _wrong(rule, f"{match.protocol!r} is not a protocol")
        yield f"-p {_NAMES.get(match.protocol, match.protocol)}"


def _matches(rule: _Placed, port: PortRange | None) -> Iterator[str]:
    match = rule.match
    if port is not None or match.sport is not None:
        if match.protocol is None:
            raise _wrong(rule, "ports need a protocol")
        if match.protocol not in WITH_PORTS:
            raise _wrong(rule, f"{match.protocol!r} is not a protocol with ports")
        yield f"-m {match.protocol}"
        for option, ports in (("--sport", match.sport), ("--dport", port)):
            if ports is not None and (ports != (0, 65535) or match.protocol == "sctp"):
                yield f"{option} {_ports(rule, ports)}"
    if match.icmp is not None:
        protocol, name, option = _ICMP[rule.family]
        if match.protocol != protocol:
            raise _wrong(rule, f"{match.protocol!r} is not the ICMP of IPv{rule.family}")
        yield f"-m {name} {option} {match.icmp}"
    if match.local is not None:
        yield f"-m addrtype {'' if match.local else '! '}--dst-type LOCAL"
    if match.states:
        if not _STATES.keys() >= set(match.states):
            raise _wrong(rule, f"{match.states} are not states of a connection")
        states = ",".join(word for state, word in _STATES.items() if state in match.states)
        yield f"-m conntrack --ctstate {states}"
    if match.translated is not None:
        # a separate match, because states in one list are alternatives
        yield f"-m conntrack {'' if match.translated else '! '}--ctstate DNAT"


def _target(rule: _Placed) -> str:
    act = rule.rule.act
    if isinstance(act, SourceTo):
        return _source(rule, act)
    assert isinstance(act, Verdict)
    if act in (Verdict.DROP, Verdict.REJECT) and _HOOKS[rule.hook][0] == _NAT:
        raise _wrong(rule, f"the table nat cannot {act.value} packets")
    if act is Verdict.REJECT:
        return f"REJECT --reject-with {_UNREACHABLE[rule.family]}"
    if act is Verdict.ACCEPT and _HOOKS[rule.hook][0] == _FILTER:
        # RETURN, so that foreign rules in the table still decide, as with a table of nftables
        return Verdict.RETURN.name
    return act.name


def _source(rule: _Placed, act: SourceTo) -> str:
    """Return the translation of a source."""
    if rule.hook is not Hook.POSTROUTING:
        raise _wrong(rule, "iptables translates sources only in POSTROUTING")
    words = ["MASQUERADE"] if act.address is None else ["SNAT --to-source"]
    host = "" if act.address is None else _address(rule, act.address)
    ports = ""
    if act.ports is not None:
        if rule.match.protocol not in WITH_PORTS:
            raise _wrong(rule, "ports need a protocol with ports")
        ports = _ports(rule, act.ports).replace(":", "-")
    if act.address is None:
        words += ["--to-ports", ports] if ports else []
    elif ports:
        words.append(f"{f'[{host}]' if rule.family == 6 else host}:{ports}")
    else:
        words.append(host)
    return " ".join([*words, *(["--random-fully"] if act.random else [])])


def _address(rule: _Placed, address: Address) -> str:
    if address.version != rule.family or getattr(address, "scope_id", None):
        raise _wrong(rule, f"{address} is not an address of IPv{rule.family}")
    return str(address)


def _network(rule: _Placed, option: str, value: Network | Not | Group | None) -> str:
    network = value.value if isinstance(value, Not) else value
    if network is None:
        return ""
    if isinstance(network, str | Group) or network.version != rule.family:
        raise _wrong(rule, f"{network} is not a network of IPv{rule.family}")
    # iptables-save leaves out a network that contains every address
    return f"{_not(value)}{option} {network}" if network.prefixlen or isinstance(value, Not) else ""


def _interface(rule: _Placed, value: object) -> str:
    name = value.value if isinstance(value, Not) else value
    if not isinstance(name, str) or not _INTERFACE.fullmatch(name) or len(name.encode()) > 15:
        raise _wrong(rule, f"{name!r} is not an interface name that iptables accepts")
    return name


def _ports(rule: _Placed, ports: PortRange) -> str:
    first, last = ports
    if not 0 <= first <= last <= 65535:
        raise _wrong(rule, f"{ports} is not a range of ports")
    return f"{first}" if first == last else f"{first}:{last}"


def _comment(text: str) -> str:
    return f"-m comment --comment {_quoted(text)}"


def _not(value: object) -> str:
    return "! " if isinstance(value, Not) else ""


def _quoted(text: str) -> str:
    """Return a text in the notation of iptables-save (xtables_save_string)."""
    return text if _PLAIN.fullmatch(text) else '"' + re.sub(r"([\"\\'])", r"\\\1", text) + '"'


def _wrong(rule: _Placed, why: str) -> ValueError:
    return ValueError(
        f"a rule in {_HOOKS[rule.hook][1]}{f' ({rule.comment})' if rule.comment else ''}: {why}"
    )
