"""Accepts for a network's bridge where iptables drops what it does not know: no table of our own can undo a drop (nft(8)).

They are the last rules of `FORWARD` before the drop, because whoever else filters there judges first. They are bare: what is to be
stateful or dropped is said in the packet filter. Members are let out by the interfaces that lead beyond the machine, and not onto
bridges of others: what goes to a container is for its engine to allow, and most engines leave the rest to the drop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.filter import filter_key
from netorch.kinds.netns import netns_key
from netorch.kinds.outer_interfaces import outer_interfaces
from netorch.state.key import HOST, Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Accept, ForwardAcceptAdd, ForwardAcceptDel, Request
from netorch.values.snapshot import (
    DroppingChain,
    ForwardChain,
    ForwardSnapshot,
    NetnsSnapshot,
    Snapshot,
)


def forward_key(netns: str, bridge: str) -> Key:
    return Key("forward", netns, bridge)


@observed
class ForwardAccept(NoForeignObjects, Resource):
    """What a bridge of ours needs in the tables of others that drop."""

    # which tables drop is not for the file to know: `rules` is empty until a snapshot says it
    KIND: ClassVar[str] = "forward"
    HINTS: ClassVar[tuple[str, ...]] = ("leads", "guarded")
    netns: str
    bridge: str
    topology: str
    leads: tuple[int, ...] = ()
    """The IP versions in which members go beyond the network."""
    guarded: tuple[int, ...] = ()
    """The IP versions in which the topology's packet filter judges what goes to members."""
    rules: tuple[Accept, ...] = ()
    """All accepts of the bridge, sorted, in every table that drops."""

    @property
    def key(self) -> Key:
        return forward_key(self.netns, self.bridge)

    @property
    def needs(self) -> tuple[Key, ...]:
        # what is to be dropped is dropped before the rest is let through
        return (filter_key(self.netns),)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        found: dict[str, list[Accept]] = {}
        for chain in view.netns.forward.forward_chains:
            for accept in chain.accepts:
                found.setdefault(accept.iif or accept.oif, []).append(accept)
        for bridge, rules in found.items():
            yield cls(view.label, bridge, view.mark.topology, rules=tuple(sorted(rules)))

    def rules_for(self, there: ForwardSnapshot, ways: Collection[str]) -> tuple[Accept, ...]:
        """The rules without which members do not reach one another, or are not reached, or do not get out by `ways`."""
        rules: list[Accept] = []
        for chain in there.forward_chains:
            flavour, version = chain.flavour, chain.version
            if not chain.drops:
                continue
            if version in self.guarded:
                rules.append(Accept(flavour, version, "", self.bridge))
            elif version in there.bridged:
                rules.append(Accept(flavour, version, self.bridge, self.bridge))
            if version in self.leads:
                rules += (
                    Accept(flavour, version, self.bridge, way) for way in ways if way != self.bridge
                )
        return tuple(sorted(rules))

    def is_stopped_by(self, there: ForwardSnapshot, chain: DroppingChain) -> bool:
        """Whether the bridge's packets come to this chain, and its table does not mention the bridge."""
        return (
            bool({*self.leads, *there.bridged} & set(chain.versions))
            and self.bridge not in chain.names
        )

    def create(self) -> Iterable[Request]:
        return (ForwardAcceptAdd(self.netns, self.bridge, self.topology, self.rules),)

    def update(self, before: Self) -> Sequence[Request] | None:
        return [ForwardAcceptAdd(self.netns, self.bridge, self.topology, self.rules)]

    def delete(self) -> Iterable[Request]:
        return (ForwardAcceptDel(self.netns, self.bridge, self.topology),)

    def attributes(self) -> Mapping[str, str]:
        return {
            "accepted in": ", ".join(sorted({_table(rule) for rule in self.rules}))
            or "whatever drops"
        }

    def lines(self) -> Sequence[str]:
        return [_line(rule) for rule in self.rules]

    def title(self) -> str:
        return f"forward {label_text(self.netns)}/{self.bridge}"


def keep_needed_accepts(
    desired: Mapping[Key, Resource], snapshot: Snapshot
) -> tuple[Mapping[Key, Resource], list[str]]:
    """The accepts only where something drops, with the rules that it takes; and warnings of what no rule of ours helps against."""
    accepts = [
        resource
        for resource in desired.values()
        if isinstance(resource, ForwardAccept) and resource.netns in snapshot.namespaces
    ]
    rest = {
        key: resource
        for key, resource in desired.items()
        if not isinstance(resource, ForwardAccept)
    }
    needed: dict[Key, Resource] = {}
    warnings: list[str] = []
    for label in dict.fromkeys(accept.netns for accept in accepts):
        mine = [accept for accept in accepts if accept.netns == label]
        for accept in _with_rules(mine, rest, snapshot.namespaces[label]):
            needed[accept.key] = accept
    for label in dict.fromkeys(accept.netns for accept in accepts):
        forward = snapshot.namespaces[label].forward
        warnings += [blind.what for blind in forward.blind]
        for chain in forward.dropping_chains:
            if bridges := [
                accept.bridge
                for accept in accepts
                if accept.netns == label and accept.is_stopped_by(forward, chain)
            ]:
                warnings.append(loss_warning(label, chain, bridges))
    return {**rest, **needed}, warnings


def warn_of_own_firewalls(bridges: Sequence[ForwardAccept], snapshot: Snapshot) -> list[str]:
    """Warnings of what a firewall in a node that netorch made drops of what the node's networks need."""
    found: list[str] = []
    for label in dict.fromkeys(bridge.netns for bridge in bridges):
        here = [bridge for bridge in bridges if bridge.netns == label]
        forward = snapshot.namespaces[label].forward if label in snapshot.namespaces else None
        if forward is None:
            continue
        found += [blind.what for blind in forward.blind]
        for flavoured in forward.forward_chains:
            lost = [
                one.bridge
                for one in here
                if flavoured.drops
                and flavoured.version in {*one.leads, *forward.bridged}
                and one.bridge not in flavoured.names
            ]
            if lost:
                found.append(_own_loss(label, flavoured, lost))
        for chain in forward.dropping_chains:
            if lost := [one.bridge for one in here if one.is_stopped_by(forward, chain)]:
                what, command = loss(label, chain, lost)
                inside = command.replace("nft '", f"ip netns exec {label} nft '")
                found.append(f"{what}. Let it through: {inside}")
    return found


def _own_loss(label: str, chain: ForwardChain, bridges: Sequence[str]) -> str:
    program = f"ip{'6' if chain.version == 6 else ''}tables-{chain.flavour}"
    commands = (
        f"ip netns exec {label} {program} -I FORWARD -{letter} {bridge} -j ACCEPT"
        for bridge in bridges
        for letter in ("i", "o")
    )
    return (
        f"the chain FORWARD of {program} in {label} drops what it does not know: "
        f"what goes through {', '.join(bridges)} is lost there. "
        f"netorch leaves firewalls in its nodes alone. Let it through: {' && '.join(commands)}"
    )


def _with_rules(
    accepts: Sequence[ForwardAccept], rest: Mapping[Key, Resource], there: NetnsSnapshot
) -> Iterator[ForwardAccept]:
    """Those of a namespace's accepts that it takes rules for, with them."""
    if not any(chain.drops for chain in there.forward.forward_chains):
        return
    guarded = {accept.bridge for accept in accepts if accept.guarded}
    ways = outer_interfaces(there, rest, accepts[0].topology, guarded)
    gone = _ways_that_are_gone(there)
    for accept in accepts:
        if rules := accept.rules_for(there.forward, ways | gone.get(accept.bridge, set())):
            yield replace(accept, rules=rules)


def _ways_that_are_gone(there: NetnsSnapshot) -> dict[str, set[str]]:
    """Bridge → interfaces that it has an accept for and that are not there: one that comes and goes is no difference."""
    here = {link.name for link in there.links}
    found: dict[str, set[str]] = {}
    for chain in there.forward.forward_chains:
        for rule in chain.accepts:
            if rule.iif and rule.oif and rule.oif != rule.iif and rule.oif not in here:
                found.setdefault(rule.iif, set()).add(rule.oif)
    return found


def loss(label: str, chain: DroppingChain, bridges: Sequence[str]) -> tuple[str, str]:
    """What a dropping chain does to what goes through the bridges, and the command that lets it through."""
    place = f"{chain.family} {chain.table} {chain.chain}"
    where = "" if label == HOST else f" in {label}"
    if chain.table == "firewalld":
        remedy = "firewall-cmd --zone=trusted " + " ".join(
            f"--add-interface={name}" for name in bridges
        )
    else:
        quoted = ", ".join(f'"{name}"' for name in bridges)
        names = quoted if len(bridges) == 1 else f"{{ {quoted} }}"
        # where the drop is, so that the rest of the chain still judges first
        rule = f"insert rule {place} handle {chain.handle}" if chain.handle else f"add rule {place}"
        remedy = " && ".join(
            f"nft '{rule} {word} {names} accept'" for word in ("iifname", "oifname")
        )
    what = (
        f"the nftables chain {place}{where} drops what it does not know, and an accept elsewhere does not change that: "
        f"what goes through {', '.join(bridges)} is lost there"
    )
    return what, remedy


def loss_warning(label: str, chain: DroppingChain, bridges: Sequence[str]) -> str:
    """What a dropping chain does, as a warning with the command."""
    what, command = loss(label, chain, bridges)
    return f"{what}. Let it through: {command}"


def _table(rule: Accept) -> str:
    return f"ip{'6' if rule.version == 6 else ''}tables-{rule.flavour}"


def _line(rule: Accept) -> str:
    words = [
        _table(rule),
        *(f"-{letter} {name}" for letter, name in (("i", rule.iif), ("o", rule.oif)) if name),
        "-j ACCEPT",
    ]
    return " ".join(words) + (
        "" if rule.reached else " (where no packet comes to it, or too early)"
    )
