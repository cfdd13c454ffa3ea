"""Accepts for a network's bridge where iptables drops what it does not know: no table of our own can undo a drop (nft(8)).

They are bare, two rules of `DOCKER-USER` or `FORWARD`; what is to be stateful or dropped is said in the packet filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import ClassVar, Self

from netorch.kinds.filter import filter_key
from netorch.kinds.netns import netns_key
from netorch.state.core import HOST, Key, Resource, shown
from netorch.state.registry import Nothing, View, observed
from netorch.values.frozen import frozen
from netorch.values.requests import Accept, ForwardAcceptAdd, ForwardAcceptDel, Request
from netorch.values.snapshot import ForwardSnapshot, Snapshot, Wall


@observed
@frozen
class ForwardAccept(Nothing, Resource):
    """`leads`: the IP versions in which the network leads out. `rules` are all of the bridge's, sorted, in every table that drops."""

    # which tables drop is not for the file to know: `rules` is empty until a snapshot says it
    KIND: ClassVar[str] = "forward"
    netns: str
    bridge: str
    topology: str
    leads: tuple[int, ...] = field(default=(), compare=False)
    rules: tuple[Accept, ...] = ()

    @property
    def key(self) -> Key:
        return Key("forward", self.netns, self.bridge)

    @property
    def needs(self) -> tuple[Key, ...]:
        # what is to be dropped is dropped before the rest is let through
        return (filter_key(self.netns),)

    @property
    def within(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        found: dict[str, list[Accept]] = {}
        for gate in view.netns.forward.gates:
            for accept in gate.accepts:
                found.setdefault(accept.iif or accept.oif, []).append(accept)
        for bridge, rules in found.items():
            yield cls(view.label, bridge, view.mark.topology, rules=tuple(sorted(rules)))

    def needed(self, there: ForwardSnapshot) -> tuple[Accept, ...]:
        """The rules without which members do not reach one another, or the outside where the network leads out."""
        rules: list[Accept] = []
        for gate in there.gates:
            if gate.drops and gate.version in self.leads:
                rules += [
                    Accept(gate.flavour, gate.version, self.bridge, ""),
                    Accept(gate.flavour, gate.version, "", self.bridge),
                ]
            elif gate.drops and gate.version in there.bridged:
                rules.append(Accept(gate.flavour, gate.version, self.bridge, self.bridge))
        return tuple(sorted(rules))

    def concerned(self, there: ForwardSnapshot, wall: Wall) -> bool:
        """Whether its packets come to this wall, and nobody has thought of the bridge there."""
        return (
            bool({*self.leads, *there.bridged} & set(wall.versions))
            and self.bridge not in wall.names
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
        return f"forward {shown(self.netns)}/{self.bridge}"


def where_dropped(
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
        if rules := accept.needed(snapshot.namespaces[accept.netns].forward):
            needed[accept.key] = replace(accept, rules=rules)
    for label in dict.fromkeys(accept.netns for accept in accepts):
        there = snapshot.namespaces[label].forward
        warnings += [blind.what for blind in there.blind]
        for wall in there.walls:
            if bridges := [
                accept.bridge
                for accept in accepts
                if accept.netns == label and accept.concerned(there, wall)
            ]:
                warnings.append(loss(label, wall, bridges))
    return {**rest, **needed}, warnings


def lost(label: str, wall: Wall, bridges: Sequence[str]) -> tuple[str, str]:
    """What a wall does to what goes through the bridges, and the command that lets it through."""
    place = f"{wall.family} {wall.table} {wall.chain}"
    where = "" if label == HOST else f" in {label}"
    if wall.table == "firewalld":
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


def loss(label: str, wall: Wall, bridges: Sequence[str]) -> str:
    """What a wall does, as a warning with the command."""
    what, command = lost(label, wall, bridges)
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
