"""The packet filter of a namespace: one table of nftables, or chains of iptables, as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.firewall.syntax import syntax_of
from netorch.kinds.netns import netns_key
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Disruption, Resource
from netorch.values.filter_rules import Hook, Ruleset
from netorch.values.requests import FilterDel, FilterSet, Request


def filter_key(netns: str) -> Key:
    return Key("filter", netns)


def publish_key(netns: str, text: str) -> Key:
    """No resource: by this the place in the file is found of what a published port's rule says of itself."""
    return Key("publish", netns, text)


@observed
class PacketFilter(NoForeignObjects, Resource):
    """`text`: the rules in the kernel's own words, by which states are compared. `rules`: what to load for them."""

    # counters and handles are no lines: a table that is equal is never loaded again
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

    def disruption(self, before: Self) -> Disruption:
        return Disruption.UPDATE

    def attributes(self) -> Mapping[str, str]:
        return {"backend": self.backend, "rules": str(len(self.lines()))}

    def lines(self) -> Sequence[str]:
        return syntax_of(self.backend).lines_of(self.text)

    def title(self) -> str:
        return f"filter {label_text(self.netns)}"
