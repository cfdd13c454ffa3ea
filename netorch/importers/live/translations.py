"""The translations and packet filters of namespaces, and a remark for each rule without words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from netorch.firewall.chains import ChosenPort, Clause, ListedChain, ListedRule
from netorch.firewall.nftables import table_name
from netorch.firewall.syntax import syntax_of
from netorch.importers.chain_steps import Chains, steps
from netorch.importers.draft import Draft
from netorch.importers.exemptions import Exemptions, SparesMore, sparing
from netorch.importers.live.filter_rules import FilterWords
from netorch.importers.live.ownership import Machine
from netorch.importers.live.released import MARK, GivenUp, given_up, released_topologies
from netorch.importers.refused import refusals
from netorch.importers.shorten import only_or_all
from netorch.render.topology_file import LowLevelFile
from netorch.state.key import HOST, is_attached
from netorch.values.filter_rules import WITH_PORTS

Network = IPv4Network | IPv6Network

_PROGRAMS = (
    ("DOCKER", "Docker"),
    ("docker", "Docker"),
    ("LIBVIRT", "libvirt"),
    ("libvirt", "libvirt"),
    ("NETAVARK", "Podman"),
    ("netavark", "Podman"),
    ("KUBE", "Kubernetes"),
    ("CNI", "CNI"),
    ("netorch", "netorch"),
)
"""The beginning of the name of a chain or table → the program that makes it."""
_ANY = {4: "0.0.0.0/0", 6: "::/0"}
"""IP version → every address."""
_NO_RULE = "a topology has no such rule"


class _NoWords(Exception):
    """Raised for a rule that `nat` cannot say."""


def add(draft: Draft, low: LowLevelFile, machine: Machine, labels: list[str]) -> None:
    """Add the rules of namespaces to a draft."""
    for label in labels:
        if label not in machine.asked:
            continue
        passage = machine.snapshot.namespaces[label].passage
        node = low.node(label)
        for backend, listing in (passage.filters if passage is not None else {}).items():
            try:
                chains = syntax_of(backend).chains_of(listing)
            except ValueError as error:
                draft.lose(("nodes", node), f"rules of {backend}", str(error), matters=True)
                continue
            there = machine.snapshot.namespaces[label]
            topologies = released_topologies(backend, listing, there)
            released = given_up(chains, backend, topologies)
            add_chains(
                draft,
                node,
                released.chains,
                label == HOST,
                may_filter=label != HOST and not is_attached(label),
                released=released,
                stays=machine.stays,
                forwards_ipv6=there.forwarding[1] is not False,
                topologies=machine.others.names,
            )
            for name in sorted(topologies) if machine.stays else ():
                draft.note(("nodes", node), _of_released(name, backend, draft))


def would_delete(draft: Draft, machine: Machine) -> bool:
    """Return whether `apply` would delete chains that a topology of the same name has released.

    Chains of iptables do not show that they are released, so a topology of their name has them, and
    deletes those of a node for which its file has no rules.
    """
    for label in machine.asked:
        netns = machine.snapshot.namespaces[label]
        listing = netns.passage.filters.get("iptables") if netns.passage is not None else None
        if (
            listing is not None
            and machine.mark.topology in released_topologies("iptables", listing, netns)
            and not {"filter", "nat"} & draft.nodes.get(label, {}).keys()
        ):
            return True
    return False


def _of_released(name: str, backend: str, draft: Draft) -> str:
    """Return a sentence about the filter that a topology has released."""
    if name == draft.tree["name"]:
        return "`apply` takes over the packet filter that a topology of this name has released"
    what = f"the packet filter that topology {name} has released stays beside that of this file"
    if backend == "nftables":
        return f"{what}: `nft delete table inet {table_name(name)}` after `apply`"
    return f"{what}: remove its chains after `apply`, or give this file the name {name}"


def add_chains(
    draft: Draft,
    node: str,
    chains: Sequence[ListedChain],
    is_host: bool,
    *,
    may_filter: bool = False,
    released: GivenUp | None = None,
    stays: bool = True,
    forwards_ipv6: bool = False,
    topologies: Collection[str] = (),
) -> None:
    """Add the rules of a namespace. `may_filter` says whether its node can have a `filter`.

    `released` says which of the chains a topology has given up. `stays` says whether the rules are
    there after the import. `forwards_ipv6` says whether a translation of IPv4 alone has to say so.
    `topologies` are those whose rules are left to them.
    """
    may_filter = may_filter and "filter" not in draft.nodes.get(node, {})
    for family, table in dict.fromkeys(
        (chain.family, chain.table) for chain in chains if not chain.active
    ):
        what = f"not in this file: the table {family} {table}, which is dormant and does nothing"
        draft.note(("nodes", node), what)
    chains = [chain for chain in chains if chain.active]
    own = released.own if released is not None else frozenset()
    own_names = {chain.name for chain in chains if id(chain) in own}
    by_hand = [chain for chain in chains if id(chain) in own or not _program(chain)]
    policies = released.policies if released is not None and may_filter else None
    filter_words = FilterWords(by_hand if may_filter else [], policies)
    translations = _Translations(chains, by_hand, own, is_host)
    to_remove: list[str] = []
    others: list[tuple[str, str, bool]] = []
    programs: dict[str, int] = {}
    for chain in chains:
        whose = "" if id(chain) in own else _program(chain)
        for rule in chain.rules:
            if id(rule) in filter_words.rules:
                continue
            why = filter_words.too_strict.get(id(rule))
            if why and id(chain) not in own:
                others.append((f"{chain.title}: {rule.text}", why, True))
                continue
            # the rules of a chain to which another one always jumps are looked at one by one
            always_jumps_to = (
                str(rule.target) if rule.verdict == "jump" and not rule.clauses else ""
            )
            if always_jumps_to in own_names:
                continue
            if program := whose or _program_of(rule, is_host):
                if program == "netorch":
                    program = _topology_of(chain, rule, topologies) or program
                programs[program] = programs.get(program, 0) + 1
            elif id(rule) in translations.rules:
                if id(chain) not in own:
                    to_remove.append(f"{chain.title}: {rule.text}")
            elif id(rule) in translations.without_remark:
                continue
            elif id(chain) in own:
                programs["netorch"] = programs.get("netorch", 0) + 1
            else:
                # what one rule accepts, another one of `filter` may drop
                accepts = chain.kind == "filter" and rule.verdict == "accept"
                matters = _matters(rule) or (accepts and bool(filter_words.words))
                why = filter_words.reasons.get(id(rule), _NO_RULE)
                why, matters = translations.reasons.get(id(rule), (why, matters))
                others.append((f"{chain.title}: {rule.text}", why, matters))
        if chain.policy == "drop" and id(chain) not in filter_words.policies:
            why = filter_words.too_strict.get(id(chain), _NO_RULE)
            others.append((f"{chain.title}: policy drop", why, True))
    entries: list[dict[str, Any]] = []
    for chain, rule, entry in translations.entries:
        of_version = forwards_ipv6 and rule.verdict == "masquerade"
        one = _of_one_version(entry, chain, rule) if of_version else entry
        if one not in entries:
            entries.append(one)
    entries = _of_both_versions(entries)
    if entries:
        nat = draft.nodes.setdefault(node, {}).setdefault("nat", [])
        nat += (entry for entry in entries if entry not in nat)
        for text in to_remove if stays else ():
            what = f"{text}: stays in the kernel beside `nat` of netorch: remove it after `apply`"
            draft.note(("nodes", node, "nat"), what)
    if filter_words.words:
        draft.nodes.setdefault(node, {})["filter"] = filter_words.words
    if filter_words.words and stays and not own:
        what = (
            "the rules from which `filter` was made stay in the kernel beside those of netorch:"
            " remove them after `apply`"
        )
        draft.note(("nodes", node, "filter"), what)
    for whose, count in programs.items():
        rules = f"{count} rules of the packet filter"
        if whose == "netorch":
            why = "they belong to networks or `nat` of a topology"
            draft.lose(("nodes", node), rules, why, matters=True)
        else:
            draft.note(("nodes", node), f"not in this file: {rules}, which {whose} looks after")
    for text, why, matters in others:
        draft.lose(("nodes", node), text, why, matters=matters)


class _Translations:
    """The rules of the chains of translations, as entries of `nat`."""

    def __init__(
        self,
        chains: Sequence[ListedChain],
        by_hand: Sequence[ListedChain],
        own: frozenset[int],
        is_host: bool,
    ) -> None:
        """`own` are the chains that a topology has given up."""
        self.entries: list[tuple[ListedChain, ListedRule, dict[str, Any]]] = []
        """Base chain, rule and entry of each translation, in the order of packets."""
        self.rules: set[int] = set()
        """The `id` of each rule that is in `entries`."""
        self.without_remark: set[int] = set()
        """The `id` of each jump to rules that are looked at one by one, and of each rule that the
        entries after it say.
        """
        self.reasons: dict[int, tuple[str, bool]] = {}
        """The `id` of a rule without words → the reason, and whether it matters."""
        self._of_own = {id(rule) for chain in chains if id(chain) in own for rule in chain.rules}
        self._is_host = is_host
        for base in by_hand:
            if base.kind == "nat" and base.hook in ("prerouting", "postrouting"):
                self._read(base, {one.name: one for one in by_hand if one.group == base.group})

    def _read(self, base: ListedChain, chains: Chains) -> None:
        exemptions = Exemptions(chains)
        exempting: list[ListedRule] = []
        read = [
            (step, *_entry_or_reason(base, step.rule))
            for step in steps(base, chains, with_returns=True)
        ]
        entries = [entry for _, entry, _ in read if entry is not None]
        reasons = refusals(entries, lambda some: {"nat": some})
        wrong = {id(entries[place]): why for place, why in reasons.items()}
        for step, entry, why in read:
            rule = step.rule
            if step.is_unfolded:
                self.without_remark.add(id(rule))
            elif id(rule) in self._of_own or not _program_of(rule, self._is_host):
                try:
                    if entry is None or id(entry) in wrong:
                        raise _NoWords
                    spared = exemptions.interface(step)
                    self.entries.append((base, rule, sparing(entry, spared)))
                    self.rules.add(id(rule))
                except _NoWords:
                    if why := wrong.get(id(entry), why):
                        self.reasons[id(rule)] = why, True
                    if id(rule) not in self._of_own and exemptions.add(step):
                        exempting.append(rule)
                except SparesMore as error:
                    self.reasons[id(rule)] = str(error), True
        for rule in exempting:
            reason = exemptions.reason(rule)
            if reason is None:
                self.without_remark.add(id(rule))
            elif rule.verdict in ("accept", "return"):
                self.reasons[id(rule)] = reason


def _program(chain: ListedChain) -> str:
    return next(
        (
            whose
            for begin, whose in _PROGRAMS
            if chain.name.startswith(begin) or chain.table.startswith(begin)
        ),
        "",
    )


def _topology_of(chain: ListedChain, rule: ListedRule, others: Collection[str]) -> str:
    """Return which of the other topologies has a rule, as `topology NAME`, or ""."""
    # the first rule of a chain of iptables has the mark of all
    marked = [name for one in (rule, *chain.rules) for name in MARK.findall(one.text)][:1]
    own = (name for name in sorted(others) if chain.table == table_name(name) or name in marked)
    return next((f"topology {name}" for name in own), "")


def _program_of(rule: ListedRule, is_host: bool) -> str:
    """Return the program to whose chains a rule jumps, or that has the bridge which it names."""
    target = str(rule.target or "")
    names = {str(value) for clause in rule.clauses for value in clause.values}
    if is_host and "docker0" in names:
        return "Docker"
    return next((whose for begin, whose in _PROGRAMS if target.startswith(begin)), "")


def _matters(rule: ListedRule) -> bool:
    """Return whether other packets arrive without a rule."""
    if rule.cases:
        return any(map(_matters, rule.cases))
    return rule.verdict not in {"", "accept", "return"}


def _entry_or_reason(base: ListedChain, rule: ListedRule) -> tuple[dict[str, Any] | None, str]:
    """Return a rule as an entry of `nat`. Without words it is None with the reason, if known."""
    try:
        return _entry(base, base.hook, rule), ""
    except _NoWords as error:
        return None, str(error)


def _entry(chain: ListedChain, hook: str, rule: ListedRule) -> dict[str, Any]:
    """Return a rule as an entry of `nat`. Raise _NoWords if it is not one."""
    if chain.kind != "nat" or rule.cases or rule.mark is not None:
        raise _NoWords
    clauses = {clause.field: clause for clause in rule.clauses if clause.field != "version"}
    if len(clauses) != sum(clause.field != "version" for clause in rule.clauses):
        raise _NoWords
    if hook == "postrouting" and rule.verdict in {"masquerade", "snat"}:
        return _source(rule, clauses)
    if hook == "prerouting" and rule.verdict == "dnat":
        return _destination(rule, clauses)
    raise _NoWords


def _of_one_version(entry: dict[str, Any], chain: ListedChain, rule: ListedRule) -> dict[str, Any]:
    """Return an entry that holds only for packets of the IP version that its rule sees."""
    sees = [
        version
        for version in (4, 6)
        if chain.sees(version)
        and all(
            (version in clause.values) != clause.negated
            for clause in rule.clauses
            if clause.field == "version"
        )
    ]
    if len(sees) != 1 or "from" in entry["masquerade"]:
        return entry
    return {"masquerade": {"from": _ANY[sees[0]], **entry["masquerade"]}}


def _of_both_versions(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries with one in place of two that differ only in the IP version."""
    merged: list[dict[str, Any]] = []
    for entry in entries:
        words = entry.get("masquerade", {})
        rest = {key: value for key, value in words.items() if key != "from"}
        halves = [{"masquerade": {"from": each, **rest}} for each in _ANY.values()]
        is_half = words.get("from") in _ANY.values() and all(half in entries for half in halves)
        one = {"masquerade": rest} if is_half else entry
        if one not in merged:
            merged.append(one)
    return merged


def _source(rule: ListedRule, clauses: dict[str, Clause]) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if "saddr" in clauses:
        words["from"] = str(_network(clauses.pop("saddr")))
    if "oif" in clauses:
        words["out"] = _interface(clauses.pop("oif"))
    if "proto" in clauses:
        words["proto"] = only_or_all(_protocols(clauses.pop("proto")))
    if clauses:
        raise _NoWords
    match rule.target:
        case (address, 0):
            pass
        case (address, ChosenPort(ports, random)):
            if ports is not None:
                words["ports"] = _range(*ports)
            if random:
                words["random"] = True
        case _:
            raise _NoWords
    if rule.verdict == "masquerade":
        return {"masquerade": words}
    return {"snat": {**words, "to": str(address)}}


def _protocols(clause: Clause) -> list[str]:
    if clause.negated or not clause.values or not WITH_PORTS.issuperset(clause.values):
        raise _NoWords
    return [*map(str, clause.values)]


def _destination(rule: ListedRule, clauses: dict[str, Clause]) -> dict[str, Any]:
    if "dport" not in clauses or "proto" not in clauses:
        raise _NoWords
    first, last = _ports(clauses.pop("dport"))
    protocol = _one(clauses.pop("proto"))
    if protocol not in {"tcp", "udp", "sctp"}:
        raise _NoWords
    words: dict[str, Any] = {"proto": protocol} if protocol != "tcp" else {}
    words["port"] = _range(first, last)
    if "daddr" in clauses:
        network = _network(clauses.pop("daddr"))
        if network.num_addresses > 1:
            raise _NoWords
        words["address"] = str(network.network_address)
    if "iif" in clauses:
        words["in"] = _interface(clauses.pop("iif"))
    if clauses:
        raise _NoWords
    address, ports = _target(rule)
    words["to"] = _end(address, _new_ports(ports, first, last))
    return {"dnat": words}


def _new_ports(ports: object, first: int, last: int) -> str:
    """Return the new ports as text, "" if they stay. Raise _NoWords if they do not go along."""
    if not ports:
        return ""
    if isinstance(ports, int):
        if first != last:
            raise _NoWords
        return str(ports)
    pairs = dict(ports) if isinstance(ports, tuple) else {}
    if sorted(pairs) != [*range(first, last + 1)]:
        raise _NoWords
    if any(pairs[port] - port != pairs[first] - first for port in pairs):
        raise _NoWords
    return f"{pairs[first]}-{pairs[last]}" if first != last else str(pairs[first])


def _end(address: IPv4Address | IPv6Address, ports: str) -> str:
    if not ports:
        return str(address)
    return f"[{address}]:{ports}" if address.version == 6 else f"{address}:{ports}"


def _target(rule: ListedRule) -> tuple[IPv4Address | IPv6Address, object]:
    match rule.target:
        case (IPv4Address() | IPv6Address() as address, ports):
            return address, ports
    raise _NoWords


def _one(clause: Clause) -> object:
    if clause.negated or len(clause.values) != 1:
        raise _NoWords
    return clause.values[0]


def _network(clause: Clause) -> Network:
    match _one(clause):
        case IPv4Network() | IPv6Network() as network:
            return network
    raise _NoWords


def _interface(clause: Clause) -> str:
    match clause.values:
        case (str(name),) if not name.endswith(("*", "+")):
            return f"!{name}" if clause.negated else name
        case (str(),):
            raise _NoWords("`nat` has no word for several interfaces")
    raise _NoWords


def _range(first: int, last: int) -> int | str:
    return first if first == last else f"{first}-{last}"


def _ports(clause: Clause) -> tuple[int, int]:
    match _one(clause):
        case int(port):
            return port, port
        case (int(first), int(last)):
            return first, last
    raise _NoWords
