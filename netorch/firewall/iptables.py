"""The neutral ruleset as iptables says it: tables, chains of the topology's own, and rules in the words of iptables-save.

A table's lines are commands of iptables(8) in one fixed order, and the same text comes back when the kernel is read, so that lines
that are equal are rules that are equal:

    -N netorch-lab-pre                                                     the chain is there
    -I PREROUTING -m comment --comment "netorch:lab" -j netorch-lab-pre    ahead of everybody else's rules; -I PREROUTING 3 is not
    -A netorch-lab-pre -m comment --comment "netorch:lab"                  the chain is the topology's
    -A netorch-lab-pre -p tcp -m tcp --dport 80 … -j DNAT --to-destination 10.0.0.2:80
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from shlex import quote
from typing import TYPE_CHECKING

from netorch.firewall.shell import ShellCommand
from netorch.immutable import Value
from netorch.values.filter_rules import (
    Address,
    DestinationTo,
    FilterRule,
    Hook,
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
"""Characters that a chain's name may have: less than XT_EXTENSION_MAXNAMELEN (linux/netfilter/x_tables.h)."""

MODULE, CONFIG = "ip_tables", "CONFIG_IP_NF_IPTABLES"

Lines = tuple[str, ...]

TableKey = tuple[int, str]
"""IP version (4, 6) and table."""

_NAT, _FILTER = "nat", "filter"
_HOOKS = {
    Hook.PREROUTING: (_NAT, "PREROUTING", "pre"),
    Hook.OUTPUT: (_NAT, "OUTPUT", "out"),
    Hook.POSTROUTING: (_NAT, "POSTROUTING", "post"),
    Hook.FORWARD: (_FILTER, "FORWARD", "fwd"),
    Hook.INPUT: (_FILTER, "INPUT", "in"),
}
_WITHOUT_IIF = (Hook.OUTPUT, Hook.POSTROUTING)
_WITHOUT_OIF = (Hook.PREROUTING, Hook.INPUT)
_PROTOCOLS = ("tcp", "udp", "sctp")
_STATES = {
    "invalid": "INVALID",
    "new": "NEW",
    "related": "RELATED",
    "established": "ESTABLISHED",
    "untracked": "UNTRACKED",
}
"""In the order of iptables-save."""

# iptables takes a + at the end for any end, and has no way to quote the rest
_INTERFACE = re.compile(r"[^\s\"'\\/:\x00-\x1f\x7f]*[^\s\"'\\/:\x00-\x1f\x7f+]")
_COMMENT = re.compile(r"[ !#-~]{1,100}")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_TRANSLATES = re.compile(r" -j (?:MASQUERADE|[SD]NAT)\b")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LISTED = re.compile(r"ip6?tables ")
_RULE = re.compile(r"ip6?tables -t \w+ -A netorch-")
_MARKING = re.compile(r'\S+ -t \S+ -A \S+ -m comment --comment "netorch:[a-z0-9-]+"')


class ChainNames(Value, dict=True):
    """What the chains and rules of a topology are called."""

    topology: str

    @cached_property
    def mark(self) -> str:
        """The comment of the first rule of each chain of ours, of every rule of ours in a chain that is not, and of rules that
        have none of their own.
        """
        return Mark(self.topology).alias

    def chain(self, hook: Hook) -> str:
        """`netorch-lab-pre`. A long name is cut and told apart by a hash, behind a full stop, which no topology's name has."""
        name = self.topology
        if len(name) > CHAIN_LENGTH - len("netorch--post"):
            name = f"{name[:4]}.{b32encode(blake2b(name.encode(), digest_size=10).digest()).decode().lower()[:10]}"
        return f"netorch-{name}-{_HOOKS[hook][2]}"

    @cached_property
    def chains(self) -> frozenset[str]:
        """All chains that the topology may have, in any table."""
        return frozenset(map(self.chain, Hook))


class OwnChain(Value):
    """A chain of the topology and the rule in `builtin` that leads to it. `rules` are `-s … -j …`, without `-A CHAIN`; the
    one that marks the chain goes before them.
    """

    name: str
    builtin: str
    mark: str
    rules: Lines

    @property
    def jump(self) -> str:
        return f"-I {self.builtin} {_comment(self.mark)} -j {self.name}"

    @property
    def lines(self) -> Lines:
        return tuple(f"-A {self.name} {rule}" for rule in (_comment(self.mark), *self.rules))


class IptablesTable(Value):
    """What is to be in one table; `version` is that of IP."""

    version: int
    name: str
    chains: tuple[OwnChain, ...]

    @property
    def lines(self) -> Lines:
        """Chains, then jumps, then rules, each sorted by chain."""
        chains = sorted(self.chains, key=lambda chain: chain.name)
        made = [f"-N {chain.name}" for chain in chains]
        jumps = [chain.jump for chain in sorted(chains, key=lambda chain: chain.builtin)]
        return (
            *made,
            *jumps,
            *(line for chain in chains for line in chain.lines),
        )


def translate(topology: str, ruleset: Ruleset) -> tuple[IptablesTable, ...]:
    """The tables that the ruleset needs, none for an empty one. ValueError for a rule that iptables has no words for."""
    names = ChainNames(topology)
    found: dict[tuple[int, str], dict[Hook, list[str]]] = {}
    for rule in ruleset:
        hooks = found.setdefault((rule.family, _HOOKS[rule.hook][0]), {})
        hooks.setdefault(rule.hook, []).extend(_lines(rule, names.mark))
    return tuple(
        IptablesTable(
            version,
            table,
            tuple(
                OwnChain(names.chain(hook), _HOOKS[hook][1], names.mark, tuple(rules))
                for hook, rules in hooks.items()
            ),
        )
        for (version, table), hooks in sorted(found.items())
    )


def lines(topology: str, ruleset: Ruleset) -> dict[TableKey, Lines]:
    """The lines of each table by IP version and name: what is compared with the kernel's, and what is put there."""
    return {(table.version, table.name): table.lines for table in translate(topology, ruleset)}


def commands(tables: Mapping[TableKey, Lines]) -> Iterator[str]:
    """The lines as a person would type them in a shell: `ip6tables -t nat -A …`."""
    return map(_typed, text_of(tables).splitlines())


def text_of(tables: Mapping[TableKey, Sequence[str]]) -> str:
    """All tables' lines in one text, each behind its command; `tables_of` is the way back."""
    return "\n".join(
        f"{'iptables' if version == 4 else 'ip6tables'} -t {table} {line}"
        for (version, table), found in sorted(tables.items())
        for line in found
    )


def tables_of(text: str) -> dict[TableKey, Lines]:
    """The lines of each table."""
    found: dict[TableKey, list[str]] = {}
    for line in text.splitlines():
        command, _, table, rest = line.split(" ", 3)
        found.setdefault((4 if command == "iptables" else 6, table), []).append(rest)
    return {key: tuple(lines) for key, lines in found.items()}


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if not _MARKING.fullmatch(line)]


def count_of(text: str) -> int:
    lines = text.splitlines()
    if not any(map(_LISTED.match, lines)):
        return len(lines)
    # chains, the jumps to them and their marks are not rules of the file
    return sum(bool(_RULE.match(line)) and not _MARKING.fullmatch(line) for line in lines)


def is_marked(topology: str, text: str) -> bool:
    made = {line.replace(" -N ", " -A ") for line in text.splitlines() if " -N " in line}
    comment = f" {_comment(ChainNames(topology).mark)}"
    return made <= {line.removesuffix(comment) for line in text.splitlines()}


def translations_of(text: str) -> frozenset[str]:
    return frozenset(line for line in lines_of(text) if _TRANSLATES.search(line))


def commands_to_replace(
    topology: str, rules: Ruleset, text: str, before: str
) -> list[ShellCommand]:
    made = commands(lines(topology, rules)) if rules else map(_typed, text.splitlines())
    return [ShellCommand(_legacy(line)) for line in (*_undone(before), *made)]


def commands_to_delete(topology: str, before: str) -> list[ShellCommand]:
    return [ShellCommand(_legacy(line)) for line in _undone(before)]


def chains_of(listing: FilterListing) -> tuple[ListedChain, ...]:
    from netorch.firewall import iptables_save

    return iptables_save.chains(tables_of(listing.text))


def own_chains(text: str) -> tuple[ListedChain, ...]:
    """The chains of a topology's own filter. Its jumps go ahead of everybody else's rules, which are
    not here.
    """
    from netorch.firewall import iptables_save

    tables = {
        key: tuple(re.sub(r"^-I (\S+)( \d+)?", r"-A \1", line) for line in lines)
        for key, lines in tables_of(text).items()
    }
    return iptables_save.chains(tables)


def _legacy(line: str) -> str:
    """The backend's tables are the legacy ones, whatever `iptables` alone means on the machine."""
    return line.replace("tables ", "tables-legacy ", 1)


def _typed(line: str) -> str:
    """A line with its quotes as a shell takes them."""
    return _QUOTED.sub(lambda quoted: quote(re.sub(r"\\(.)", r"\1", quoted[1])), line)


def _undone(text: str) -> Iterator[str]:
    """What takes back `iptables -t nat -N …` and its like: the jumps first, then the chains."""
    found = text.splitlines()
    chains = [line for line in found if " -N " in line]
    yield from (
        _typed(re.sub(r" -I (\S+)( \d+)?", r" -D \1", line, count=1))
        for line in found
        if " -I " in line
    )
    yield from (line.replace(" -N ", " -F ") for line in chains)
    yield from (line.replace(" -N ", " -X ") for line in chains)


def _lines(rule: FilterRule, mark: str) -> Iterator[str]:
    """Ports that move one to one are one rule each: of a range after --to-destination the kernel may choose any."""
    act, port = rule.act, rule.match.port
    if not isinstance(act, DestinationTo):
        yield _line(rule, port, _target(rule), mark)
        return
    if rule.hook not in (Hook.PREROUTING, Hook.OUTPUT):
        raise _wrong(rule, "destinations are translated in PREROUTING and OUTPUT")
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
        # without a port DNAT keeps the packet's
        yield _line(rule, port, f"DNAT --to-destination {address}", mark)
    elif port is None or port[1] - port[0] != last - first:
        raise _wrong(
            rule,
            f"ranges of different length cannot be translated one to one: {port} and {act.ports}",
        )
    else:
        _ports(rule, port), _ports(rule, act.ports)
        for offset in range(last - first + 1):
            single = port[0] + offset
            yield _line(
                rule, (single, single), f"DNAT --to-destination {bracketed}:{first + offset}", mark
            )


def _line(rule: FilterRule, port: PortRange | None, target: str, mark: str) -> str:
    comment = rule.comment or mark
    if not _COMMENT.fullmatch(comment):
        raise _wrong(rule, f"no comment for a rule: {comment!r}")
    return " ".join(
        (
            *_header(rule),
            *_matches(rule, port),
            _comment(comment),
            f"-j {target}",
        )
    )


def _header(rule: FilterRule) -> Iterator[str]:
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
                raise _wrong(rule, f"{option} says nothing there")
            yield f"{_not(interface)}{option} {_interface(rule, interface)}"
    if match.protocol is not None:
        if match.protocol not in _PROTOCOLS:
            raise _wrong(rule, f"no protocol with ports: {match.protocol!r}")
        yield f"-p {match.protocol}"


def _matches(rule: FilterRule, port: PortRange | None) -> Iterator[str]:
    match = rule.match
    if port is not None:
        if match.protocol is None:
            raise _wrong(rule, "ports need a protocol")
        yield f"-m {match.protocol}"
        if port != (0, 65535) or match.protocol == "sctp":
            yield f"--dport {_ports(rule, port)}"
    if match.local is not None:
        yield f"-m addrtype {'' if match.local else '! '}--dst-type LOCAL"
    if match.states:
        if not _STATES.keys() >= set(match.states):
            raise _wrong(rule, f"no states of a connection: {match.states}")
        yield f"-m conntrack --ctstate {','.join(word for state, word in _STATES.items() if state in match.states)}"
    if match.translated is not None:
        # a match of its own, since states in one list are alternatives
        yield f"-m conntrack {'' if match.translated else '! '}--ctstate DNAT"


def _target(rule: FilterRule) -> str:
    act = rule.act
    translates = isinstance(act, SourceTo) or act is Verdict.MASQUERADE
    if translates and rule.hook is not Hook.POSTROUTING:
        raise _wrong(rule, "sources are translated in POSTROUTING")
    if isinstance(act, SourceTo):
        return f"SNAT --to-source {_address(rule, act.address)}"
    assert isinstance(act, Verdict)
    if act is Verdict.DROP and _HOOKS[rule.hook][0] == _NAT:
        raise _wrong(rule, "the table nat drops nothing")
    if act is Verdict.ACCEPT and _HOOKS[rule.hook][0] == _FILTER:
        # whoever else filters in the table is still to judge, as behind a table of nftables
        return Verdict.RETURN.name
    return act.name


def _address(rule: FilterRule, address: Address) -> str:
    if address.version != rule.family or getattr(address, "scope_id", None):
        raise _wrong(rule, f"no address of IPv{rule.family}: {address}")
    return str(address)


def _network(rule: FilterRule, option: str, value: Network | Not | None) -> str:
    network = value.value if isinstance(value, Not) else value
    if network is None:
        return ""
    if isinstance(network, str) or network.version != rule.family:
        raise _wrong(rule, f"no network of IPv{rule.family}: {network}")
    # what is anything is not written down
    return f"{_not(value)}{option} {network}" if network.prefixlen or isinstance(value, Not) else ""


def _interface(rule: FilterRule, value: str | Not) -> str:
    name = value.value if isinstance(value, Not) else value
    if not isinstance(name, str) or not _INTERFACE.fullmatch(name) or len(name.encode()) > 15:
        raise _wrong(rule, f"no name of an interface that iptables can be told: {name!r}")
    return name


def _ports(rule: FilterRule, ports: PortRange) -> str:
    first, last = ports
    if not 0 <= first <= last <= 65535:
        raise _wrong(rule, f"no range of ports: {ports}")
    return f"{first}" if first == last else f"{first}:{last}"


def _comment(text: str) -> str:
    return f"-m comment --comment {_quoted(text)}"


def _not(value: object) -> str:
    return "! " if isinstance(value, Not) else ""


def _quoted(text: str) -> str:
    """As iptables-save does it (xtables_save_string)."""
    return text if _PLAIN.fullmatch(text) else '"' + re.sub(r"([\"\\'])", r"\\\1", text) + '"'


def _wrong(rule: FilterRule, why: str) -> ValueError:
    return ValueError(
        f"a rule in {_HOOKS[rule.hook][1]}{f' ({rule.comment})' if rule.comment else ''}: {why}"
    )
