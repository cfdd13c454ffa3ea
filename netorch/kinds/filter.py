"""Packet filters of namespaces: one table of nftables, or chains of iptables, as one resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.firewall.syntax import syntax_of
from netorch.kinds.netns import netns_key
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Disruption, Obstacle, Resource, State
from netorch.values.filter_rules import FILTERING, Ruleset
from netorch.values.marks import NOT_OURS, Mark
from netorch.values.ownership import Original
from netorch.values.requests import FilterDel, FilterSet, Request
from netorch.values.snapshot import Snapshot


def filter_key(netns: str) -> Key:
    return Key("filter", netns)


def _translations(filter_: PacketFilter) -> frozenset[str]:
    return syntax_of(filter_.backend).translations_of(filter_.text)


def publish_key(netns: str, text: str) -> Key:
    """Return a key that finds the place of a published port in the file. It has no resource.

    `text` is the comment of the port's rule.
    """
    return Key("publish", netns, text)


def foreign_filter_title(line: str) -> str:
    """Return the name of a filter in messages, from the first line of its text.

    Examples are `the table inet netorch_lab` and `the chain netorch-lab-pre (iptables -t nat)`.
    """
    place, _, chain = line.partition(" -N ")
    return f"the chain {chain} ({place})" if chain else f"the {place}"


@observed
class PacketFilter(NoForeignObjects, Resource):
    """The packet filter of a namespace.

    Its text has no counters and handles, so that netorch does not load an equal filter again.
    """

    KIND: ClassVar[str] = "filter"
    HINTS: ClassVar[tuple[str, ...]] = ("rules", "asked")
    netns: str
    backend: str
    topology: str
    text: str
    """The rules as the kernel lists them, by which states are compared."""
    rules: Ruleset = ()
    """The rules to load."""
    asked: bool = False
    """Whether `filter` in the file asks for some of them."""

    def __repr__(self) -> str:
        # The rules are left out, because a saved plan holds a digest of this text, and a filter
        # that was read from the kernel has no rules.
        names = (name for name in self.__struct_fields__ if name not in self.HINTS)
        words = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({words})"

    @property
    def key(self) -> Key:
        return filter_key(self.netns)

    @property
    def is_essential(self) -> bool:
        """Whether a topology without it would not be what the file asks for.

        It is if it translates addresses, because traffic depends on that, or has rules of `filter`.
        """
        return self.asked or any(rule.hook not in FILTERING for rule in self.rules)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        topology, asked = view.mark.topology, filter_key(view.label) in view.desired_keys
        for backend, text in view.netns.filters.items():
            if asked or not syntax_of(backend).is_released(topology, text):
                yield cls(view.label, backend, topology, text)

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

    def release(self, original: Original | None = None) -> Iterable[Request]:
        text = syntax_of(self.backend).released(self.topology, self.text)
        if not text:
            return ()
        return (
            FilterSet(
                netns=self.netns,
                backend=self.backend,
                topology=self.topology,
                rules=(),
                text=text,
                before=self.text,
            ),
        )

    def delete(self) -> Iterable[Request]:
        return (FilterDel(self.netns, self.backend, self.topology, self.text),)

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterable[Obstacle]:
        netns = snapshot.namespaces.get(self.netns)
        foreign = netns.foreign_filters.get(self.backend, ()) if netns is not None else ()
        lines = self.text.splitlines()
        for first in foreign:
            if any(line.startswith(first) for line in lines):
                what = f"{foreign_filter_title(first)} exists, and {NOT_OURS}"
                remedy = "Take another `name` for the topology, or remove it first."
                yield Obstacle("name-taken", what, remedy)

    def disruption(self, before: Self) -> Disruption:
        # Connections that a removed rule translated end, even if the file still allows them.
        gone = _translations(before) - _translations(self)
        return Disruption.FLAP if gone else Disruption.UPDATE

    def attributes(self) -> Mapping[str, str]:
        syntax = syntax_of(self.backend)
        attributes = {"backend": self.backend, "rules": str(syntax.count_of(self.text))}
        if syntax.is_released(self.topology, self.text):
            attributes["mark"] = "released"
        elif not syntax.is_marked(self.topology, self.text):
            # an earlier version of netorch made no mark, or somebody has removed it
            attributes["mark"] = "missing"
        return attributes

    def default_text(self, name: str) -> str | None:
        return Mark(self.topology).alias if name == "mark" else None

    def lines(self) -> Sequence[str]:
        return syntax_of(self.backend).lines_of(self.text)

    def title(self) -> str:
        return f"filter {label_text(self.netns)}"
