"""The packet filter of a namespace: one table of nftables, or chains of iptables, as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.firewall.syntax import syntax_of
from netorch.kinds.netns import netns_key
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Disruption, Obstacle, Resource, State
from netorch.values.filter_rules import Hook, Ruleset
from netorch.values.marks import NOT_OURS, Mark
from netorch.values.requests import FilterDel, FilterSet, Request
from netorch.values.snapshot import Snapshot


def filter_key(netns: str) -> Key:
    return Key("filter", netns)


def _translations(filter_: PacketFilter) -> frozenset[str]:
    return syntax_of(filter_.backend).translations_of(filter_.text)


def publish_key(netns: str, text: str) -> Key:
    """No resource: by this the place in the file is found of what a published port's rule says of itself."""
    return Key("publish", netns, text)


def foreign_filter_title(line: str) -> str:
    """`the table inet netorch_lab`, `the chain netorch-lab-pre (iptables -t nat)`: of a line that begins a filter's text."""
    place, _, chain = line.partition(" -N ")
    return f"the chain {chain} ({place})" if chain else f"the {place}"


@observed
class PacketFilter(NoForeignObjects, Resource):
    """`text`: the rules in the kernel's own words, by which states are compared. `rules`: what to load for them."""

    # counters and handles are not lines: a table that is equal is never loaded again
    KIND: ClassVar[str] = "filter"
    HINTS: ClassVar[tuple[str, ...]] = ("rules",)
    netns: str
    backend: str
    topology: str
    text: str
    rules: Ruleset = ()

    def __repr__(self) -> str:
        # without the rules, because a saved plan holds a digest of this, and the kernel is never read as rules
        words = ", ".join(
            f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "rules"
        )
        return f"{type(self).__name__}({words})"

    @property
    def key(self) -> Key:
        return filter_key(self.netns)

    @property
    def translates(self) -> bool:
        """Whether traffic needs it to get anywhere."""
        return any(rule.hook not in {Hook.FORWARD, Hook.INPUT} for rule in self.rules)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for backend, text in view.netns.filters.items():
            yield cls(view.label, backend, view.mark.topology, text)

    def create(self) -> Iterable[Request]:
        return (FilterSet(self.netns, self.backend, self.topology, self.rules, self.text),)

    def update(self, before: Self) -> Sequence[Request] | None:
        if self.backend != before.backend:
            return None
        return [
            FilterSet(
                netns=self.netns,
                backend=self.backend,
                topology=self.topology,
                rules=self.rules,
                text=self.text,
                before=before.text,
            )
        ]

    def delete(self) -> Iterable[Request]:
        return (FilterDel(self.netns, self.backend, self.topology, self.text),)

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterable[Obstacle]:
        netns = snapshot.namespaces.get(self.netns)
        there = netns.strange_filters.get(self.backend, ()) if netns is not None else ()
        lines = self.text.splitlines()
        for strange in there:
            if any(line.startswith(strange) for line in lines):
                what = f"{foreign_filter_title(strange)} is there, and {NOT_OURS}"
                yield Obstacle(
                    "name-taken", what, "Take another `name` for the topology, or remove it first."
                )

    def disruption(self, before: Self) -> Disruption:
        # what a rule has translated ends with it, also where the file still allows it
        gone = _translations(before) - _translations(self)
        return Disruption.FLAP if gone else Disruption.UPDATE

    def attributes(self) -> Mapping[str, str]:
        told = {"backend": self.backend, "rules": str(syntax_of(self.backend).count_of(self.text))}
        if not syntax_of(self.backend).is_marked(self.topology, self.text):
            # so it was left by a version that made none, or somebody took it away
            told["mark"] = "missing"
        return told

    def default_text(self, name: str) -> str | None:
        return Mark(self.topology).alias if name == "mark" else None

    def lines(self) -> Sequence[str]:
        return syntax_of(self.backend).lines_of(self.text)

    def title(self) -> str:
        return f"filter {label_text(self.netns)}"
