"""Accept rules for a network's bridge in foreign iptables chains that drop forwarded packets.

They are necessary because no table of netorch's own can undo a drop (nft(8)). They come last in
`FORWARD`, just before the drop, so that every other filter there decides first. They match only
interfaces; connection tracking and drops are in the topology's packet filter. They let members out
by the interfaces that lead beyond the machine, but not onto foreign bridges, because a container
engine decides what may reach its containers and most engines rely on the drop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.filter import filter_key
from netorch.kinds.netns import netns_key
from netorch.kinds.outer_interfaces import outer_interfaces
from netorch.state.by_class import of_class
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
    """The rules that a bridge of the topology needs in foreign tables that drop packets.

    The file cannot know which tables drop, so `rules` is empty until a snapshot shows it.
    """

    KIND: ClassVar[str] = "forward"
    HINTS: ClassVar[tuple[str, ...]] = ("leads", "guarded")
    netns: str
    bridge: str
    topology: str
    leads: tuple[int, ...] = ()
    """The IP versions in which members may reach beyond the network."""
    guarded: tuple[int, ...] = ()
    """The IP versions in which the topology's packet filter filters the traffic to members."""
    rules: tuple[Accept, ...] = ()
    """The accept rules of the bridge in all tables that drop, sorted."""

    @property
    def key(self) -> Key:
        return forward_key(self.netns, self.bridge)

    @property
    def needs(self) -> tuple[Key, ...]:
        # The packet filter has to drop its part before these rules accept the rest.
        return (filter_key(self.netns),)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        accepts: dict[str, list[Accept]] = {}
        for chain in view.netns.forward.forward_chains:
            for accept in chain.accepts:
                accepts.setdefault(accept.iif or accept.oif, []).append(accept)
        for bridge, rules in accepts.items():
            yield cls(view.label, bridge, view.mark.topology, rules=tuple(sorted(rules)))

    def rules_for(self, snapshot: ForwardSnapshot, outer: Collection[str]) -> tuple[Accept, ...]:
        """Return the rules that the bridge needs in the chains of a snapshot.

        The rules let members reach one another, be reached from outside, and leave by the
        interfaces `outer`.
        """
        rules: list[Accept] = []
        for chain in snapshot.forward_chains:
            flavour, version = chain.flavour, chain.version
            if not chain.drops:
                continue
            if version in self.guarded:
                rules.append(Accept(flavour, version, "", self.bridge))
            elif version in snapshot.bridged:
                rules.append(Accept(flavour, version, self.bridge, self.bridge))
            if version in self.leads:
                rules += (
                    Accept(flavour, version, self.bridge, interface)
                    for interface in outer
                    if interface != self.bridge
                )
        return tuple(sorted(rules))

    def is_stopped_by(self, snapshot: ForwardSnapshot, chain: DroppingChain) -> bool:
        """Return whether the chain drops the bridge's packets.

        It does if they pass the chain and its table does not mention the bridge.
        """
        return (
            bool({*self.leads, *snapshot.bridged} & set(chain.versions))
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
    """Return the desired state without accept rules that nothing needs, and warnings.

    The remaining `ForwardAccept` resources get the rules for the tables that drop. The warnings
    are about drops that no rule of netorch can prevent.
    """
    asked = of_class(desired, ForwardAccept)
    if not asked:
        return desired, []
    accepts = [resource for resource in asked if resource.netns in snapshot.namespaces]
    rest = {
        key: resource
        for key, resource in desired.items()
        if not isinstance(resource, ForwardAccept)
    }
    needed: dict[Key, Resource] = {}
    warnings: list[str] = []
    by_netns = _by_netns(accepts)
    for label, here in by_netns.items():
        for accept in _with_rules(here, rest, snapshot.namespaces[label]):
            needed[accept.key] = accept
    for label, here in by_netns.items():
        forward = snapshot.namespaces[label].forward
        warnings += [rules.what for rules in forward.unreadable]
        for chain in forward.dropping_chains:
            if bridges := [
                accept.bridge for accept in here if accept.is_stopped_by(forward, chain)
            ]:
                warnings.append(loss_warning(label, chain, bridges))
    return {**rest, **needed}, warnings


def _by_netns(accepts: Iterable[ForwardAccept]) -> dict[str, list[ForwardAccept]]:
    by_netns: dict[str, list[ForwardAccept]] = {}
    for accept in accepts:
        by_netns.setdefault(accept.netns, []).append(accept)
    return by_netns


def warn_of_own_firewalls(bridges: Sequence[ForwardAccept], snapshot: Snapshot) -> list[str]:
    """Return warnings about firewalls in nodes that drop traffic of the node's networks.

    `bridges` are those in nodes that netorch made.
    """
    warnings: list[str] = []
    for label, here in _by_netns(bridges).items():
        forward = snapshot.namespaces[label].forward if label in snapshot.namespaces else None
        if forward is None:
            continue
        warnings += [rules.what for rules in forward.unreadable]
        for flavoured in forward.forward_chains:
            lost = [
                one.bridge
                for one in here
                if flavoured.drops
                and flavoured.version in {*one.leads, *forward.bridged}
                and one.bridge not in flavoured.names
            ]
            if lost:
                warnings.append(_own_loss(label, flavoured, lost))
        for chain in forward.dropping_chains:
            if lost := [one.bridge for one in here if one.is_stopped_by(forward, chain)]:
                what, command = loss(label, chain, lost)
                inside = command.replace("nft '", f"ip netns exec {label} nft '")
                warnings.append(f"{what}. Let them through: {inside}")
    return warnings


def _own_loss(label: str, chain: ForwardChain, bridges: Sequence[str]) -> str:
    program = f"ip{'6' if chain.version == 6 else ''}tables-{chain.flavour}"
    commands = (
        f"ip netns exec {label} {program} -I FORWARD -{letter} {bridge} -j ACCEPT"
        for bridge in bridges
        for letter in ("i", "o")
    )
    return (
        f"the chain FORWARD of {program} in {label} drops packets that none of its rules accepts: "
        f"packets through {', '.join(bridges)} are lost there. "
        f"netorch leaves firewalls in its nodes alone. Let them through: {' && '.join(commands)}"
    )


def _with_rules(
    accepts: Sequence[ForwardAccept], rest: Mapping[Key, Resource], netns: NetnsSnapshot
) -> Iterator[ForwardAccept]:
    """Yield those of a namespace's `ForwardAccept` resources that need rules, with their rules."""
    if not any(chain.drops for chain in netns.forward.forward_chains):
        return
    guarded = {accept.bridge for accept in accepts if accept.guarded}
    outer = outer_interfaces(netns, rest, accepts[0].topology, guarded)
    missing = _missing_outer_interfaces(netns)
    for accept in accepts:
        if rules := accept.rules_for(netns.forward, outer | missing.get(accept.bridge, set())):
            yield replace(accept, rules=rules)


def _missing_outer_interfaces(netns: NetnsSnapshot) -> dict[str, set[str]]:
    """Return, for each bridge, interfaces that its accept rules name and that do not exist now.

    Such rules stay, so that an interface that comes and goes is not a difference.
    """
    names = {link.name for link in netns.links}
    missing: dict[str, set[str]] = {}
    for chain in netns.forward.forward_chains:
        for rule in chain.accepts:
            if rule.iif and rule.oif and rule.oif != rule.iif and rule.oif not in names:
                missing.setdefault(rule.iif, set()).add(rule.oif)
    return missing


def loss(label: str, chain: DroppingChain, bridges: Sequence[str]) -> tuple[str, str]:
    """Return what a dropping chain does to the bridges' packets, and a command that prevents it."""
    place = f"{chain.family} {chain.table} {chain.chain}"
    where = "" if label == HOST else f" in {label}"
    if chain.table == "firewalld":
        remedy = "firewall-cmd --zone=trusted " + " ".join(
            f"--add-interface={name}" for name in bridges
        )
    else:
        quoted = ", ".join(f'"{name}"' for name in bridges)
        names = quoted if len(bridges) == 1 else f"{{ {quoted} }}"
        # just before the drop, so that the rest of the chain still decides first
        rule = f"insert rule {place} handle {chain.handle}" if chain.handle else f"add rule {place}"
        remedy = " && ".join(
            f"nft '{rule} {word} {names} accept'" for word in ("iifname", "oifname")
        )
    what = (
        f"the nftables chain {place}{where} drops packets that none of its rules accepts, and an"
        f" accept elsewhere does not change that: packets through {', '.join(bridges)}"
        " are lost there"
    )
    return what, remedy


def loss_warning(label: str, chain: DroppingChain, bridges: Sequence[str]) -> str:
    """Return a warning about a dropping chain, with the command that lets packets through."""
    what, command = loss(label, chain, bridges)
    return f"{what}. Let them through: {command}"


def _table(rule: Accept) -> str:
    return f"ip{'6' if rule.version == 6 else ''}tables-{rule.flavour}"


def _line(rule: Accept) -> str:
    words = [
        _table(rule),
        *(f"-{letter} {name}" for letter, name in (("i", rule.iif), ("o", rule.oif)) if name),
        "-j ACCEPT",
    ]
    return " ".join(words) + (
        "" if rule.reached else " (no packet reaches it there, or it comes too early)"
    )
