"""The packet filters that topologies have given up, as somebody could have written them.

`destroy --release` leaves the rules of a topology where they are. Those that netorch adds for its
own reasons, such as the ones that make a policy, have no words in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from netorch.firewall.chains import ListedChain, ListedRule
from netorch.firewall.nftables import released_mark, table_name
from netorch.immutable import Value, replace
from netorch.values.marks import read_alias
from netorch.values.snapshot import FilterListing, NetnsSnapshot

MARK = re.compile(r"netorch:([a-z0-9]+(?:-[a-z0-9]+)*)")
"""The name of a topology in its mark."""
_OWN_CHAIN = re.compile(r"netorch[-_].+")
_SERVICE = re.compile(
    r'comment "?filter: (?:answers|the node to itself|neighbour discovery)(?:"|$| -)'
)
_POLICY = re.compile(r'comment "?filter: policy of (\w+)')
_UNTRANSLATED = re.compile(r'comment "?nat: [^"]*, of no connection')


class GivenUp(Value):
    """The filters of one namespace that topologies have given up."""

    chains: tuple[ListedChain, ...]
    """All chains, without the rules that netorch adds for its own reasons."""
    own: frozenset[int]
    """The `id` of each chain that a topology has given up."""
    policies: Mapping[str, str]
    """Way of packets → the policy of the topology."""


def released_topologies(backend: str, listing: FilterListing, netns: NetnsSnapshot) -> set[str]:
    """Return the names of the topologies that have given up a filter in a namespace."""
    names = set(MARK.findall(listing.text))
    if backend == "nftables":
        return {name for name in names if f'"{released_mark(name)}"' in listing.text}
    # chains of iptables have no such mark, so another mark shows that the topology is alive
    return names if not any(read_alias(link.alias).topology for link in netns.links) else set()


def given_up(chains: Sequence[ListedChain], backend: str, topologies: set[str]) -> GivenUp:
    """Return the chains of a namespace without what netorch adds to those of some topologies."""
    tables = {table_name(name) for name in topologies}
    is_own = [
        bool(topologies and _OWN_CHAIN.fullmatch(chain.name))
        if backend == "iptables"
        else chain.table in tables
        for chain in chains
    ]
    own = [chain for chain, is_one in zip(chains, is_own, strict=True) if is_one]
    policies = _policies(own)
    helpers = {chain.name for chain in own if _is_helper(chain)}
    result: list[ListedChain] = []
    marked: set[int] = set()
    for chain, is_one in zip(chains, is_own, strict=True):
        if not is_one:
            result.append(chain)
        elif chain.name not in helpers:
            changed = replace(chain, rules=tuple(_rules(chain, helpers, policies)))
            result.append(changed)
            marked.add(id(changed))
    return GivenUp(tuple(result), frozenset(marked), policies)


def _policies(chains: Iterable[ListedChain]) -> dict[str, str]:
    """Return the policies that the rules for both IP versions make."""
    count: dict[tuple[str, str], int] = {}
    for chain in chains:
        for rule in chain.rules:
            if (match := _POLICY.search(rule.text)) is not None:
                count[match[1], rule.verdict] = count.get((match[1], rule.verdict), 0) + 1
    return {way: verdict for (way, verdict), number in count.items() if number == 2}


def _is_helper(chain: ListedChain) -> bool:
    """Return whether a chain only drops what needs a translation and has none."""
    rules = [rule for rule in chain.rules if rule.verdict]
    return bool(rules) and all(_UNTRANSLATED.search(rule.text) for rule in rules)


def _rules(
    chain: ListedChain, helpers: set[str], policies: Mapping[str, str]
) -> Iterable[ListedRule]:
    has_policy = any(
        (match := _POLICY.search(rule.text)) is not None and match[1] in policies
        for rule in chain.rules
    )
    for rule in chain.rules:
        is_mark = not (rule.verdict or rule.clauses or rule.cases)
        if is_mark or (rule.verdict == "jump" and str(rule.target) in helpers):
            continue
        if has_policy and (_SERVICE.search(rule.text) or _POLICY.search(rule.text)):
            continue
        # the chains of iptables return what they accept to the chain that jumps to them
        is_return = rule.verdict == "return" and chain.kind == "filter"
        yield replace(rule, verdict="accept") if is_return else rule
