"""What iptables, in both its flavours, and the nftables of others drop of what is forwarded, and a topology's accepts among it.

An accept ends the way through one base chain only, a drop in any of them is the end: an accept has to stand where the drop is.
Ours are the last rules before it, so that Docker, libvirt and the administrator judge first.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache

from msgspec import Struct

from netorch.immutable import field
from netorch.kernel.firewall import libnftables, nf_tables_netlink
from netorch.kernel.firewall.nf_tables_netlink import BaseChain, KernelRule
from netorch.kernel.system import sysctl
from netorch.values.marks import ALIAS
from netorch.values.requests import Accept
from netorch.values.snapshot import DroppingChain, ForwardChain, ForwardSnapshot, UnreadableRules

_FORWARD, _USER = "FORWARD", "DOCKER-USER"
"""Accepts are put into the first. In the second, the administrator's own chain, an earlier netorch put them."""

NFT, LEGACY = "nft", "legacy"
_MARK_ENDS = {NFT: "", LEGACY: ":forward"}
"""In the legacy tables the plain mark is that of the jumps to a packet filter of ours."""

_NAMES = (_FORWARD, _USER)
_VERSIONS = {"ip": 4, "ip6": 6}
_BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
_OUR_CHAINS = "netorch-"
_QUOTED = re.compile(r'"([^"\n]*)"')
_INTERFACE = re.compile(r'[^\s"*\\/:\x00-\x1f\x7f]{1,15}')

_Chains = Callable[[str], Sequence[KernelRule]]
"""The rules of a chain by its name; none where there is no such chain."""

_Pairs = list[tuple[str, str]]
"""Of interfaces: by which a packet comes and by which it leaves."""


def read(topology: str, *, dropping: bool) -> ForwardSnapshot:
    """The topology's accepts; with `dropping` also what others drop, and what cannot be looked into."""
    forward: list[ForwardChain] = []
    others: list[DroppingChain] = []
    blind: list[UnreadableRules] = []
    ours = _our_tables() if dropping else frozenset()
    for chain in nf_tables_netlink.forward_chains():
        if _is_iptables(chain):
            forward.append(
                _forward_chain(
                    NFT, _VERSIONS[chain.family], chain.drops, _nft_chains(chain.family), topology
                )
            )
        elif (
            dropping
            and (chain.family, chain.table) not in ours
            and (handle := _drop(chain)) is not None
        ):
            listing = libnftables.list_rules(chain.family, chain.table) or ""
            others.append(
                DroppingChain(
                    chain.family,
                    chain.table,
                    chain.name,
                    frozenset(_QUOTED.findall(listing)),
                    handle,
                )
            )
    if (
        dropping
        and any(chain.drops for chain in forward)
        and (reason := libnftables.run("")) is not None
    ):
        lost = "netorch cannot let its networks through there"
        what = f"iptables (nft) drops what is forwarded, and {lost}: {reason}"
        blind.append(UnreadableRules("nftables", what))
    for version in _legacy_versions():
        from netorch.kernel.firewall import legacy_forward

        if reason := legacy_forward.missing():
            if dropping:
                lost = "if its chain FORWARD drops, the networks here do not forward"
                blind.append(
                    UnreadableRules("iptables", f"iptables-legacy has rules: {lost}. {reason}")
                )
            break

        def look(policy: bool, chains: _Chains, version: int = version) -> ForwardChain:
            return _forward_chain(LEGACY, version, policy, chains, topology)

        forward.append(legacy_forward.read(version, look))
    bridged = frozenset(version for version in _BRIDGED if dropping and _is_bridged(version))
    return ForwardSnapshot(tuple(forward), tuple(others), bridged, tuple(blind))


def put(topology: str, bridge: str, rules: Collection[Accept]) -> None:
    """Make the topology's accepts for the bridge these, where there are such tables; what is right is not touched. OSError."""
    if not _INTERFACE.fullmatch(bridge):
        raise OSError(errno.EINVAL, f"no name of an interface that nft can be told: {bridge!r}")
    script: list[str] = []
    for chain in nf_tables_netlink.forward_chains():
        if _is_iptables(chain):
            script += _nft_script(
                topology, bridge, _pairs(rules, NFT, _VERSIONS[chain.family]), chain
            )
    if script and (error := libnftables.run("\n".join([*script, ""]))) is not None:
        raise OSError(errno.EINVAL, error)
    for version in _legacy_versions():
        _put_legacy(topology, bridge, _pairs(rules, LEGACY, version), version)


def _our_tables() -> frozenset[tuple[str, str]]:
    """Family and name of the tables that a topology has made, whichever."""
    found = nf_tables_netlink.tables()
    return frozenset(place for place, comment in found.items() if comment.startswith(ALIAS))


def _leads_to_ours(rule: KernelRule) -> bool:
    """Whether it leads to a packet filter of a topology's."""
    return rule.target.startswith(_OUR_CHAINS) and ALIAS.encode() in rule.data


def _is_iptables(chain: BaseChain) -> bool:
    return chain.family in _VERSIONS and (chain.table, chain.name) == ("filter", _FORWARD)


def _nft_chains(family: str) -> _Chains:
    return cache(lambda name: nf_tables_netlink.rules(family, "filter", name))


def _legacy_versions() -> list[int]:
    """Those with a table `filter`; looking into one that is not there would make it."""
    found = []
    for family, version in _VERSIONS.items():
        with (
            suppress(OSError),
            open(f"/proc/thread-self/net/{family}_tables_names", encoding="ascii") as names,
        ):
            if "filter" in names.read().split():
                found.append(version)
    return found


def _is_bridged(version: int) -> bool:
    with suppress(OSError):
        return sysctl.read(_BRIDGED[version]) != "0"
    return False


def _mark(topology: str, flavour: str) -> str:
    return f"netorch:{topology}{_MARK_ENDS[flavour]}"


# the way of a packet


class _Way(Struct):
    """Through FORWARD: whether it `drops` in the end, and which accepts of ours a packet meets on it.

    `last` is the rule of FORWARD at which every packet ends that comes so far, None where it is the policy.
    """

    drops: bool
    last: KernelRule | None = None
    met: list[KernelRule] = field(default_factory=list)


def _way(chains: _Chains, policy: bool, mark: str) -> _Way:
    rules = chains(_FORWARD)
    # an accept ahead of a packet filter of ours would let pass what that is to drop
    filters = [place for place, rule in enumerate(rules) if _leads_to_ours(rule)]
    way, ends = _Way(policy), False
    for place, rule in enumerate(rules):
        is_late = place > max(filters, default=-1)
        if _is_marked(rule, mark):
            way.met += [rule] if is_late else []
        elif place not in filters and (end := _end(chains, rule)):
            if not ends:
                way.drops = policy if end == "return" else end == "drop"
                ends = True
            if is_late:
                way.last = rule
                break
    return way


def _end(chains: _Chains, rule: KernelRule) -> str:
    """The verdict at which every packet ends that comes to the rule; empty if some go on to the next one."""
    if not rule.bare or rule.verdict not in {"jump", "goto"}:
        return rule.verdict if rule.bare else ""
    ends = (_end(chains, inner) for inner in chains(rule.target))
    end = next(filter(None, ends), "return")
    return "" if end == "return" and rule.verdict == "jump" else end


def _is_marked(rule: KernelRule, mark: str) -> bool:
    return (
        rule.verdict == "accept"
        and bool(rule.iif or rule.oif)
        and mark.encode() + b"\0" in rule.data
    )


def _drop(chain: BaseChain) -> int | None:
    """The handle of the rule that drops what comes so far, 0 where it is the policy; None if nothing drops it."""
    for rule in nf_tables_netlink.rules(chain.family, chain.table, chain.name):
        if rule.bare and rule.verdict in {"accept", "drop"}:
            return rule.handle if rule.verdict == "drop" else None
    return 0 if chain.drops else None


def _forward_chain(
    flavour: str, version: int, policy: bool, chains: _Chains, topology: str
) -> ForwardChain:
    mark = _mark(topology, flavour)
    way = _way(chains, policy, mark)
    rules = [rule for name in _NAMES for rule in chains(name)]
    marked = [rule for rule in rules if _is_marked(rule, mark)]
    accepts = (Accept(flavour, version, rule.iif, rule.oif, rule in way.met) for rule in marked)
    names = frozenset(name for rule in rules for name in (rule.iif, rule.oif) if name)
    return ForwardChain(flavour, version, way.drops, tuple(accepts), names)


# writing


def _pairs(rules: Iterable[Accept], flavour: str, version: int) -> _Pairs:
    return sorted(
        (rule.iif, rule.oif) for rule in rules if (rule.flavour, rule.version) == (flavour, version)
    )


def _stale(
    chains: _Chains, way: _Way, bridge: str, wanted: _Pairs, mark: str
) -> list[KernelRule] | None:
    """The bridge's accepts, all to be made anew; None where just the wanted ones are there, and packets come to them."""
    mine = [
        rule
        for name in _NAMES
        for rule in chains(name)
        if _is_marked(rule, mark) and bridge == (rule.iif or rule.oif)
    ]
    well = sorted((rule.iif, rule.oif) for rule in mine) == wanted and all(
        rule in way.met for rule in mine
    )
    return None if well else mine


def _nft_script(topology: str, bridge: str, wanted: _Pairs, chain: BaseChain) -> Iterator[str]:
    mark, chains = _mark(topology, NFT), _nft_chains(chain.family)
    way = _way(chains, chain.drops, mark)
    stale = _stale(chains, way, bridge, wanted, mark)
    if stale is None:
        return
    for rule in stale:
        yield f"delete rule {chain.family} filter {rule.chain} handle {rule.handle}"
    place = f"{chain.family} filter {_FORWARD}"
    where = f"add rule {place}"
    if way.last is not None:
        where = f"insert rule {place} handle {way.last.handle}"
    for iif, oif in wanted:
        match = " ".join(
            f'{word} "{name}"' for word, name in (("iifname", iif), ("oifname", oif)) if name
        )
        # with anything more in it iptables-nft would find the chain incompatible
        yield f'{where} {match} counter accept comment "{mark}"'


def _put_legacy(topology: str, bridge: str, wanted: _Pairs, version: int) -> None:
    from netorch.kernel.firewall import legacy_forward

    mark = _mark(topology, LEGACY)

    def edit(policy: bool, chains: _Chains) -> legacy_forward.Edit | None:
        way = _way(chains, policy, mark)
        stale = _stale(chains, way, bridge, wanted, mark)
        if stale is None:
            return None
        kept = [rule for rule in chains(_FORWARD) if rule not in stale]
        place = len(kept) if way.last is None else kept.index(way.last)
        return legacy_forward.Edit(
            stale, _FORWARD, place, [_legacy_rule(*pair, mark) for pair in wanted]
        )

    if not legacy_forward.missing():
        legacy_forward.change(version, edit)


def _legacy_rule(iif: str, oif: str, mark: str) -> str:
    words = [f"-{letter} {name}" for letter, name in (("i", iif), ("o", oif)) if name]
    return " ".join([*words, f'-m comment --comment "{mark}"', "-j ACCEPT"])
