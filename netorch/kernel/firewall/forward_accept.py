"""Find out which forwarded packets other programs drop, and accept a topology's packets there.

Rules that drop are looked for in iptables, both its nft and its legacy variant, and in the nftables
tables that netorch did not make. An accept ends the processing of a packet in one base chain only,
whereas a drop in any base chain is final: an accept has to stand in the same chain as the drop.
netorch puts its accepts directly before the rule that drops, so that the rules of Docker, libvirt
and the administrator decide first.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache

from msgspec import Struct

from netorch.immutable import field
from netorch.kernel.firewall import libnftables, nf_tables_names, nf_tables_netlink
from netorch.kernel.firewall.nf_tables_netlink import BaseChain, KernelRule
from netorch.kernel.system import sysctl
from netorch.values.marks import ALIAS
from netorch.values.requests import Accept
from netorch.values.snapshot import DroppingChain, ForwardChain, ForwardSnapshot, UnreadableRules

_FORWARD, _USER = "FORWARD", "DOCKER-USER"
"""netorch puts its accepts into FORWARD. Earlier versions put them into DOCKER-USER, the
administrator's own chain.
"""

NFT, LEGACY = "nft", "legacy"
_MARK_ENDS = {NFT: "", LEGACY: ":forward"}
"""The end of the mark. In the legacy tables, the plain mark belongs to the jumps to netorch's own
packet filter.
"""

_NAMES = (_FORWARD, _USER)
_VERSIONS = {"ip": 4, "ip6": 6}
_BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
_OUR_CHAINS = "netorch-"
_QUOTED = re.compile(r'"([^"\n]*)"')
_INTERFACE = re.compile(r'[^\s"*\\/:\x00-\x1f\x7f]{1,15}')

_Chains = Callable[[str], Sequence[KernelRule]]
"""Returns the rules of a chain by its name, or none if there is no such chain."""

_Pairs = Mapping[str, list[tuple[str, str]]]
"""Bridge → pairs of the interface by which a packet arrives and the one by which it leaves."""


def read(topology: str, *, dropping: bool) -> ForwardSnapshot:
    """Read the topology's accepts. With `dropping`, also read which chains of other programs drop
    forwarded packets, and which rules cannot be read.
    """
    forward: list[ForwardChain] = []
    foreign_chains: list[DroppingChain] = []
    unreadable: list[UnreadableRules] = []
    own_tables = _our_tables() if dropping else frozenset()
    for chain in nf_tables_netlink.forward_chains():
        if _is_iptables(chain):
            forward.append(
                _forward_chain(
                    NFT, _VERSIONS[chain.family], chain.drops, _nft_chains(chain.family), topology
                )
            )
        elif (
            dropping
            and (chain.family, chain.table) not in own_tables
            and (handle := _drop(chain)) is not None
        ):
            listing = libnftables.list_rules(chain.family, chain.table) or ""
            foreign_chains.append(
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
        lost = "netorch cannot accept its networks there"
        what = f"iptables (nft) drops forwarded packets, and {lost}: {reason}"
        unreadable.append(UnreadableRules("nftables", what))
    for version in _legacy_versions():
        from netorch.kernel.firewall import legacy_forward

        if reason := legacy_forward.missing():
            if dropping:
                lost = "if the chain FORWARD drops packets, networks here do not forward"
                unreadable.append(
                    UnreadableRules("iptables", f"iptables-legacy has rules: {lost}. {reason}")
                )
            break

        def look(policy: bool, chains: _Chains, version: int = version) -> ForwardChain:
            return _forward_chain(LEGACY, version, policy, chains, topology)

        forward.append(legacy_forward.read(version, look))
    bridged = frozenset(version for version in _BRIDGED if dropping and _is_bridged(version))
    return ForwardSnapshot(tuple(forward), tuple(foreign_chains), bridged, tuple(unreadable))


def put(topology: str, bridges: Mapping[str, Collection[Accept]]) -> None:
    """Make the topology's accepts for each bridge equal to its rules, in each table that exists.

    Rules that are right already are not touched. Raise OSError if the kernel refuses.
    """
    for bridge in bridges:
        if not _INTERFACE.fullmatch(bridge):
            raise OSError(errno.EINVAL, f"{bridge!r} is not an interface name that nft can express")
    script: list[str] = []
    for chain in nf_tables_netlink.forward_chains():
        if _is_iptables(chain):
            script += _nft_script(topology, _pairs(bridges, NFT, _VERSIONS[chain.family]), chain)
    if script and (error := libnftables.run("\n".join([*script, ""]))) is not None:
        raise OSError(errno.EINVAL, error)
    for version in _legacy_versions():
        _put_legacy(topology, _pairs(bridges, LEGACY, version), version)


def _our_tables() -> frozenset[tuple[str, str]]:
    """Return family and name of the tables that any topology's filter is in."""
    tables = nf_tables_names.tables()
    return frozenset(place for place, comment in tables.items() if comment.startswith(ALIAS))


def _leads_to_ours(rule: KernelRule) -> bool:
    """Return whether the rule jumps to the packet filter of a topology."""
    return rule.target.startswith(_OUR_CHAINS) and ALIAS.encode() in rule.data


def _is_iptables(chain: BaseChain) -> bool:
    return chain.family in _VERSIONS and (chain.table, chain.name) == ("filter", _FORWARD)


def _nft_chains(family: str) -> _Chains:
    return cache(lambda name: nf_tables_netlink.rules(family, "filter", name))


def _legacy_versions() -> list[int]:
    """Return the IP versions whose table `filter` exists. Reading a missing table would make it."""
    versions = []
    for family, version in _VERSIONS.items():
        with (
            suppress(OSError),
            open(f"/proc/thread-self/net/{family}_tables_names", encoding="ascii") as names,
        ):
            if "filter" in names.read().split():
                versions.append(version)
    return versions


def _is_bridged(version: int) -> bool:
    with suppress(OSError):
        return sysctl.read(_BRIDGED[version]) != "0"
    return False


def _mark(topology: str, flavour: str) -> str:
    return f"netorch:{topology}{_MARK_ENDS[flavour]}"


# The path of a packet through the chain FORWARD


class _Path(Struct):
    """The path of a packet through FORWARD to the rule that decides about all packets."""

    drops: bool
    """Whether a packet that no earlier rule accepts is dropped in the end."""
    last: KernelRule | None = None
    """The rule of FORWARD that decides about every packet that reaches it. None if the policy
    decides.
    """
    reached: set[int] = field(default_factory=set)
    """The handles of netorch's accepts in FORWARD that packets reach on this path."""

    def reaches(self, rule: KernelRule) -> bool:
        return rule.chain == _FORWARD and rule.handle in self.reached


def _path(chains: _Chains, policy: bool, mark: str) -> _Path:
    rules = chains(_FORWARD)
    # because an accept ahead of netorch's own packet filter would accept packets that it drops
    filters = [place for place, rule in enumerate(rules) if _leads_to_ours(rule)]
    last_filter = max(filters, default=-1)
    path, ends = _Path(policy), False
    for place, rule in enumerate(rules):
        is_late = place > last_filter
        if _is_marked(rule, mark):
            path.reached |= {rule.handle} if is_late else set()
        elif place not in filters and (end := _end(chains, rule)):
            if not ends:
                path.drops = policy if end == "return" else end == "drop"
                ends = True
            if is_late:
                path.last = rule
                break
    return path


def _end(chains: _Chains, rule: KernelRule) -> str:
    """Return the verdict for every packet that reaches the rule, or "" if some packets continue
    with the next rule.
    """
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
    """Return the handle of the rule that drops all remaining packets. It is 0 if the policy drops
    them, and None if nothing does.
    """
    for rule in nf_tables_netlink.rules(chain.family, chain.table, chain.name):
        if rule.bare and rule.verdict in {"accept", "drop"}:
            return rule.handle if rule.verdict == "drop" else None
    return 0 if chain.drops else None


def _forward_chain(
    flavour: str, version: int, policy: bool, chains: _Chains, topology: str
) -> ForwardChain:
    mark = _mark(topology, flavour)
    path = _path(chains, policy, mark)
    rules = [rule for name in _NAMES for rule in chains(name)]
    marked = [rule for rule in rules if _is_marked(rule, mark)]
    accepts = (Accept(flavour, version, rule.iif, rule.oif, path.reaches(rule)) for rule in marked)
    names = frozenset(name for rule in rules for name in (rule.iif, rule.oif) if name)
    return ForwardChain(flavour, version, path.drops, tuple(accepts), names)


# Writing


def _pairs(bridges: Mapping[str, Collection[Accept]], flavour: str, version: int) -> _Pairs:
    return {
        bridge: sorted(
            (rule.iif, rule.oif)
            for rule in rules
            if (rule.flavour, rule.version) == (flavour, version)
        )
        for bridge, rules in bridges.items()
    }


def _changed(
    chains: _Chains, path: _Path, desired: _Pairs, mark: str
) -> tuple[list[KernelRule], list[tuple[str, str]]]:
    """Return the rules to delete and the pairs to accept, for all bridges whose accepts are not
    exactly the desired ones, or are not reached.
    """
    own_rules: dict[str, list[KernelRule]] = {}
    for name in _NAMES:
        for rule in chains(name):
            if _is_marked(rule, mark):
                own_rules.setdefault(rule.iif or rule.oif, []).append(rule)
    stale: list[KernelRule] = []
    missing: list[tuple[str, str]] = []
    for bridge, pairs in desired.items():
        rules = own_rules.get(bridge, [])
        are_right = sorted((rule.iif, rule.oif) for rule in rules) == pairs
        if not are_right or not all(map(path.reaches, rules)):
            stale += rules
            missing += pairs
    return stale, missing


def _nft_script(topology: str, desired: _Pairs, chain: BaseChain) -> Iterator[str]:
    mark, chains = _mark(topology, NFT), _nft_chains(chain.family)
    path = _path(chains, chain.drops, mark)
    stale, missing = _changed(chains, path, desired, mark)
    for rule in stale:
        yield f"delete rule {chain.family} filter {rule.chain} handle {rule.handle}"
    place = f"{chain.family} filter {_FORWARD}"
    where = f"add rule {place}"
    if path.last is not None:
        where = f"insert rule {place} handle {path.last.handle}"
    for iif, oif in missing:
        match = " ".join(
            f'{word} "{name}"' for word, name in (("iifname", iif), ("oifname", oif)) if name
        )
        # because iptables-nft would report the chain as incompatible with anything more in the rule
        yield f'{where} {match} counter accept comment "{mark}"'


def _put_legacy(topology: str, desired: _Pairs, version: int) -> None:
    from netorch.kernel.firewall import legacy_forward

    mark = _mark(topology, LEGACY)

    def edit(policy: bool, chains: _Chains) -> legacy_forward.Edit | None:
        path = _path(chains, policy, mark)
        stale, missing = _changed(chains, path, desired, mark)
        if not stale and not missing:
            return None
        deleted = {rule.handle for rule in stale if rule.chain == _FORWARD}
        remaining = [rule.handle for rule in chains(_FORWARD) if rule.handle not in deleted]
        place = len(remaining) if path.last is None else remaining.index(path.last.handle)
        rules = [_legacy_rule(*pair, mark) for pair in missing]
        return legacy_forward.Edit(stale, _FORWARD, place, rules)

    if not legacy_forward.missing():
        legacy_forward.change(version, edit)


def _legacy_rule(iif: str, oif: str, mark: str) -> str:
    words = [f"-{letter} {name}" for letter, name in (("i", iif), ("o", oif)) if name]
    return " ".join([*words, f'-m comment --comment "{mark}"', "-j ACCEPT"])
