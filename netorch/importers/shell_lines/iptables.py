"""Commands of iptables(8) and ip6tables(8)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import Any

from netorch.firewall import iptables_save
from netorch.firewall.chains import ListedChain, ListedRule
from netorch.firewall.iptables_save import host_and_port
from netorch.immutable import Value, replace
from netorch.importers.chain_steps import steps
from netorch.importers.exemptions import Exemptions, SparesMore, sparing
from netorch.importers.refused import refusals
from netorch.importers.shell_lines.arguments import Arguments, NotCarriedError, names
from netorch.importers.shell_lines.node import Node
from netorch.values.filter_rules import WITH_PORTS

_LONG = {
    "--table": "-t",
    "--append": "-A",
    "--insert": "-I",
    "--delete": "-D",
    "--check": "-C",
    "--replace": "-R",
    "--policy": "-P",
    "--flush": "-F",
    "--delete-chain": "-X",
    "--new-chain": "-N",
    "--list": "-L",
    "--list-rules": "-S",
    "--zero": "-Z",
    "--rename-chain": "-E",
    "--source": "-s",
    "--src": "-s",
    "--destination": "-d",
    "--dst": "-d",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--protocol": "-p",
    "--match": "-m",
    "--jump": "-j",
    "--goto": "-g",
    "--destination-port": "--dport",
    "--source-port": "--sport",
}
_ACTS = frozenset(names("-A -I -D -C -R -P -F -X -N -L -S -Z -E"))
_SWITCHES = frozenset(
    names("-w --wait -n --numeric -v --verbose --line-numbers -4 -6 --persistent -x")
)
_MATCHES = frozenset(
    ("tcp", "udp", "sctp", "comment", "state", "conntrack", "multiport", "icmp", "icmp6", "icmpv6")
)
"""The matches whose options say all that they are for."""
_TARGET = {
    "--to-source": "to",
    "--to-destination": "to",
    "--to-ports": "to",
    "--to": "to",
}
UNREAD = "?"
"""The target of a rule that netorch did not read, and that may accept packets."""
_CHAINS = ("INPUT", "FORWARD", "OUTPUT")
_TRANSLATING = ("PREROUTING", "POSTROUTING")
_NUMBERS = {"0": "all", "6": "tcp", "17": "udp", "132": "sctp"}
_RESTRICTS = frozenset(("DROP", "REJECT", "LOG", "NFLOG"))
_COMMAND = re.compile(r"\b(ip6?tables)(?:-legacy|-nft)?(-restore)?(?=\s|$)([^\n;&|]*)")
_NAME = re.compile(r"[\w.-]+")
OUT = "!lo"
"""Every interface over which packets leave, for a translation that names none."""


class Rule(Value):
    """A rule, or the policy of a chain."""

    chain: str
    target: str
    matches: tuple[tuple[str, str], ...]
    """Option and value of each match, `!` before the value that is negated."""
    to: str
    text: str
    where: str
    comment: str = ""
    goto: bool = False
    """Whether the end of the chain to which it jumps is also the end of its own chain."""
    random: bool = False
    """Whether the kernel chooses the ports of a translation at random."""


def iptables(node: Node, words: Arguments, version: int, text: str, where: str) -> None:
    """Take a command. `text` and `where` are the words of the source and their place."""
    table, act, chain, number, rule = "filter", "", "", "", Rule("", "", (), "", text, where)
    matches: list[tuple[str, str]] = []
    target, to, negated, comment, goto, random = "", "", "", "", False, False
    while words:
        word = _LONG.get(words.peek(), words.peek())
        words.take()
        if word == "-t":
            table = words.take("table")
        elif word in _ACTS:
            act = word
            if words and not words.peek().startswith("-"):
                chain = words.take()
            if act in ("-I", "-D", "-R") and words.peek().isdecimal():
                number = words.take()
            if act == "-P":
                target = words.take("policy")
            if act == "-E":
                raise NotCarriedError("netorch does not read new names of chains")
            if act == "-N":
                words.rest()
        elif word == "!":
            negated = "!"
        elif word in ("-j", "-g"):
            goto = word == "-g"
            target = words.take("target")
        elif word in _TARGET:
            to = words.take("target")
        elif word in ("--random", "--random-fully"):
            random = True
        elif word in _SWITCHES:
            if word in ("-w", "--wait") and words.peek().isdecimal():
                words.take()
        elif word == "--comment":
            comment = words.take("comment")
        elif word == "-m" and words.peek() in _MATCHES:
            words.take()
        else:
            value = words.take() if words and not words.peek().startswith("-") else ""
            if value == "!" and words:
                negated, value = "!", words.take()
            matches.append((word, negated + value))
            negated = ""
    rule = Rule(chain, target, tuple(matches), to, text, where, comment, goto, random)
    if act in ("-L", "-S", "-Z", "-C", ""):
        return
    if table == "nat":
        _change(node.nat, act, number, rule, version)
    elif table == "filter" and act == "-P":
        node.policies[version, chain] = rule
    elif table == "filter":
        _change(node.filters, act, number, rule, version)
    elif act in ("-A", "-I"):
        raise NotCarriedError(
            f"a topology has no rules in the table {table}", matters=target == "MARK"
        )


def _change(
    tables: dict[tuple[int, str], list[Any]], act: str, number: str, rule: Rule, version: int
) -> None:
    rules = tables.setdefault((version, rule.chain), [])
    if act == "-A":
        rules.append(rule)
    elif act == "-I":
        rules.insert(int(number) - 1 if number else 0, rule)
    elif act == "-F":
        for (family, chain), others in tables.items():
            if family == version and rule.chain in ("", chain):
                others.clear()
    elif act == "-D":
        if number:
            del rules[int(number) - 1 : int(number)]
        else:
            same = [one for one in rules if _key(one) == _key(rule)]
            for one in same[:1]:
                rules.remove(one)
    elif act == "-R" and number and 0 < int(number) <= len(rules):
        rules[int(number) - 1] = rule
    elif act == "-R":
        raise NotCarriedError("the chain has no such rule")
    elif act == "-P" and rule.target != "ACCEPT":
        raise NotCarriedError("a topology has no policies of chains")


def add_unread(node: Node, text: str) -> None:
    """Add a rule that may accept for each command of iptables in a text that is not read.

    What is removed or changed otherwise counts as a rule at the beginning of its chain. In the
    table nat, only a rule counts that may keep packets from the translations after it.
    """
    for program, restore, rest in _COMMAND.findall(text):
        version = 6 if program == "ip6tables" else 4
        words = [_LONG.get(word, word) for word in rest.replace("'", "").replace('"', "").split()]
        after = dict(pairwise(words))
        if (table := after.get("-t", "filter")) not in ("filter", "nat"):
            continue
        act = next((word for word in words if word in _ACTS), "" if not restore else "-F")
        chain = after.get(act, "")
        target = after.get(chain, "") if act == "-P" else after.get("-j", "")
        if table == "nat":
            if act in ("-A", "-I") and target in ("ACCEPT", "RETURN"):
                text = f"{program} {rest.strip()}"
                _insert_unread(node.nat, version, chain, _TRANSLATING, act, text)
            continue
        if act in ("-A", "-I", "-P") and target in _RESTRICTS:
            continue
        if act in ("-L", "-S", "-Z", "-C", "-N", "-E", "") or (act == "-D" and target == "ACCEPT"):
            continue
        text = f"{program}{restore}{rest}".strip()
        _insert_unread(node.filters, version, chain, _CHAINS, act, text)


def _insert_unread(
    tables: dict[tuple[int, str], list[Any]],
    version: int,
    chain: str,
    every_chain: tuple[str, ...],
    act: str,
    text: str,
) -> None:
    """Insert a rule that is not read into its chain, or into every one if that is not known."""
    unread = Rule(chain, UNREAD, (), "", text, "")
    for one in (chain,) if _NAME.fullmatch(chain) and chain[0] != "-" else every_chain:
        rules = tables.setdefault((version, one), [])
        rules.insert(len(rules) if act == "-A" else 0, unread)


def _key(rule: Rule) -> tuple[Any, ...]:
    return rule.chain, rule.target, rule.matches, rule.to, rule.random


class Listed(Value):
    """The chains of one table and IP version."""

    chains: dict[str, ListedChain]
    sources: dict[int, Rule]
    """The `id` of each rule in `chains` → the rule that it was made from."""


def listed(
    rules: Mapping[tuple[int, str], list[Any]], version: int, policies: Mapping[Any, Any]
) -> Listed:
    """Return the chains of one IP version. `policies` maps version and chain to policies."""
    names = frozenset(chain for family, chain in rules if family == version)
    chains: dict[str, ListedChain] = {}
    sources: dict[int, Rule] = {}
    for name in names:
        own: list[ListedRule] = []
        for rule in rules[version, name]:
            one = replace(iptables_save.rule(_words(rule), names), text=rule.text)
            sources[id(one)] = rule
            own.append(one)
        policy = policies.get((version, name))
        drops = policy is not None and policy.target == "DROP"
        chains[name] = ListedChain(
            "", "", name, policy="drop" if drops else "accept", rules=tuple(own)
        )
    return Listed(chains, sources)


def _words(rule: Rule) -> str:
    """Return the conditions and the target of a rule as iptables-save writes them."""
    words: list[str] = []
    for option, value in rule.matches:
        if option != "-p" or value.lower() not in ("all", "0"):
            words += ["!"] if value.startswith("!") else []
            words += [option, value.removeprefix("!").lower() if option == "-p" else value]
            words[-1] = words[-1].removeprefix("!")
    words += ["-g" if rule.goto else "-j", rule.target] if rule.target else []
    return shlex.join(word for word in words if word)


def translations(node: Node) -> Iterator[dict[str, Any]]:
    """Yield the entries of `nat`. What none expresses becomes a loss."""
    read: set[int] = set()
    for version in (4, 6):
        table = listed(node.nat, version, {})
        for chain in _TRANSLATING:
            if base := table.chains.get(chain):
                yield from _of_chain(node, table, base, read)
    jumps = {(version, one.target) for (version, _), rules in node.nat.items() for one in rules}
    for (version, chain), rules in node.nat.items():
        for rule in rules:
            if id(rule) in read or rule.target in ("", UNREAD):
                continue
            if chain in ("OUTPUT", "INPUT") or (version, chain) in jumps:
                why = f"a topology has no translations in {chain}"
                node.lose(rule.text, why, rule.where, matters=True)
            else:
                node.lose(rule.text, f"no rule jumps to {chain}", rule.where, matters=False)


def _of_chain(
    node: Node, table: Listed, base: ListedChain, read: set[int]
) -> Iterator[dict[str, Any]]:
    """Yield the entries for a base chain. The `id` of each rule that is looked at joins `read`."""
    exemptions = Exemptions(table.chains)
    exempting: list[tuple[ListedRule, Rule]] = []
    all_steps = [*steps(base, table.chains, with_returns=True)]
    read |= {id(table.sources[id(step.rule)]) for step in all_steps}
    rules = [
        (step, rule)
        for step in all_steps
        if not step.is_unfolded and (rule := table.sources[id(step.rule)]).target
    ]
    words = [_translation_or_reason(rule) for _, rule in rules]
    entries = [one for one in words if isinstance(one, dict)]
    reasons = refusals(entries, lambda some: {"nat": some})
    wrong = {id(entries[place]): why for place, why in reasons.items()}
    for (step, rule), word in zip(rules, words, strict=True):
        try:
            if isinstance(word, NotCarriedError):
                raise word
            if id(word) in wrong:
                raise NotCarriedError(wrong[id(word)])
            yield sparing(word, exemptions.interface(step))
        except SparesMore as error:
            node.lose(rule.text, str(error), rule.where, matters=True)
        except NotCarriedError as error:
            if exemptions.add(step) and rule.target in ("ACCEPT", "RETURN", UNREAD):
                exempting.append((step.rule, rule))
            else:
                node.lose(rule.text, error.why, rule.where, matters=error.matters)
    for one, rule in exempting:
        if rule.target != UNREAD and (reason := exemptions.reason(one)) is not None:
            node.lose(rule.text, reason[0], rule.where, matters=reason[1])


def _translation_or_reason(rule: Rule) -> dict[str, Any] | NotCarriedError:
    """Return the entry of a rule, or the error for one that has none."""
    try:
        return _translation(rule)
    except NotCarriedError as error:
        return error


def _translation(rule: Rule) -> dict[str, Any]:
    values = dict(rule.matches)
    if len(values) < len(rule.matches):
        raise NotCarriedError("`nat` has no word for two matches of a kind")
    source = values.pop("-s", "")
    if rule.target in ("MASQUERADE", "SNAT"):
        entry: dict[str, Any] = {}
        if source:
            entry["from"] = network_text(source)
        entry["out"] = _interface(values.pop("-o", OUT))
        result = {"masquerade" if rule.target == "MASQUERADE" else "snat": entry}
        entry.update(_new_source(rule, values.pop("-p", "all")))
    elif rule.target == "DNAT":
        if source:
            raise NotCarriedError("`dnat` has no word for a source")
        result = {"dnat": _dnat(values, rule.to)}
    else:
        raise NotCarriedError(f"`nat` has no word for the target {rule.target}")
    if values:
        raise NotCarriedError(f"`nat` has no word for {', '.join(values)}")
    return result


def _new_source(rule: Rule, protocol: str) -> dict[str, Any]:
    """Return the keys of an entry that say which source the packets of a protocol get."""
    host, ports = "", rule.to
    entry: dict[str, Any] = {}
    if rule.target == "SNAT":
        host, ports = host_and_port(rule.to)
        try:
            entry["to"] = str(ip_address(host))
        except ValueError:
            raise NotCarriedError("`snat` translates to one address") from None
    protocol = _NUMBERS.get(protocol, protocol.lower())
    if protocol != "all":
        if protocol not in WITH_PORTS:
            raise NotCarriedError(f"`nat` has no word for the protocol {protocol}")
        entry["proto"] = protocol
    if ports:
        entry["ports"] = int(ports) if ports.isdecimal() else ports
        if protocol == "all":
            raise NotCarriedError("`ports` need a protocol")
    return entry | ({"random": True} if rule.random else {})


def _dnat(values: dict[str, str], to: str) -> dict[str, Any]:
    protocol, port = values.pop("-p", ""), values.pop("--dport", "")
    if not port or protocol.startswith("!") or port.startswith("!"):
        raise NotCarriedError("`dnat` needs a port")
    entry: dict[str, Any] = {"proto": protocol}
    entry["port"] = int(port) if port.isdecimal() else port.replace(":", "-")
    if "-d" in values:
        entry["address"] = network_text(values.pop("-d"))
    if "-i" in values:
        entry["in"] = _interface(values.pop("-i"))
    entry["to"] = to
    return entry


def _interface(text: str) -> str:
    if text.endswith("+"):
        raise NotCarriedError("`nat` has no word for several interfaces")
    return text


def network_text(text: str) -> str:
    if text.startswith("!"):
        raise NotCarriedError("`nat` has no word for the negation of a subnet")
    try:
        # iptables ignores the bits of the host, which a subnet of the file cannot have
        network = ip_network(text, strict=False)
    except ValueError:
        raise NotCarriedError(f"`{text}` is not a subnet") from None
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)
