"""Accepts for a network's bridge where iptables drops what it does not know: no table of our own can undo a drop (nft(8)).

They are bare, two rules of `DOCKER-USER` or `FORWARD`; what is to be stateful or dropped is said in the packet filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.filter import filter_key
from netorch.kinds.netns import netns_key
from netorch.state.key import HOST, Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Accept, ForwardAcceptAdd, ForwardAcceptDel, Request
from netorch.values.snapshot import DroppingChain, ForwardSnapshot, Snapshot


def forward_key(netns: str, bridge: str) -> Key:
    return Key("forward", netns, bridge)


@observed
class ForwardAccept(NoForeignObjects, Resource):
    """`leads`: the IP versions in which the network leads out. `rules` are all of the bridge's, sorted, in every table that drops."""

    # which tables drop is not for the file to know: `rules` is empty until a snapshot says it
    KIND: ClassVar[str] = "forward"
    HINTS: ClassVar[tuple[str, ...]] = ("leads",)
    netns: str
    bridge: str
    topology: str
    leads: tuple[int, ...] = ()
    rules: tuple[Accept, ...] = ()

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

    def rules_for(self, there: ForwardSnapshot) -> tuple[Accept, ...]:
        """The rules without which members do not reach one another, or the outside where the network leads out."""
        rules: list[Accept] = []
        for chain in there.forward_chains:
            if chain.drops and chain.version in self.leads:
                rules += [
                    Accept(chain.flavour, chain.version, self.bridge, ""),
                    Accept(chain.flavour, chain.version, "", self.bridge),
                ]
            elif chain.drops and chain.version in there.bridged:
                rules.append(Accept(chain.flavour, chain.version, self.bridge, self.bridge))
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
    wanted: Mapping[Key, Resource], snapshot: Snapshot
) -> tuple[Mapping[Key, Resource], list[str]]:
    """The accepts only where something drops, with the rules that it takes; and warnings of what no rule of ours helps against."""
    accepts = [
        resource
        for resource in wanted.values()
        if isinstance(resource, ForwardAccept) and resource.netns in snapshot.namespaces
    ]
    rest = {
        key: resource for key, resource in wanted.items() if not isinstance(resource, ForwardAccept)
    }
    needed: dict[Key, Resource] = {}
    warnings: list[str] = []
    for accept in accepts:
        if rules := accept.rules_for(snapshot.namespaces[accept.netns].forward):
            needed[accept.key] = replace(accept, rules=rules)
    for label in dict.fromkeys(accept.netns for accept in accepts):
        there = snapshot.namespaces[label].forward
        warnings += [blind.what for blind in there.blind]
        for chain in there.dropping_chains:
            if bridges := [
                accept.bridge
                for accept in accepts
                if accept.netns == label and accept.is_stopped_by(there, chain)
            ]:
                warnings.append(loss_warning(label, chain, bridges))
    return {**rest, **needed}, warnings


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
        remedy = " && ".join(
            f"nft 'insert rule {place} {word} {names} accept'" for word in ("iifname", "oifname")
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
    return " ".join(words) + ("" if rule.reached else " (where no packet comes, or too early)")
