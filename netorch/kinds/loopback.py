"""The interface lo of a namespace that netorch made.

The kernel makes and removes it with the namespace, so netorch only sets its attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.kinds.base.link import link_key
from netorch.kinds.netns import netns_key
from netorch.netlink.codec import u32
from netorch.netlink.constants import IFLA_MTU, IFLA_TXQLEN
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import LinkSet, Request

MTU = 65536
TXQUEUELEN = 1000


@observed
class Loopback(NoForeignObjects, Resource):
    KIND: ClassVar[str] = "link"
    netns: str
    mtu: int = MTU
    txqueuelen: int = TXQUEUELEN

    @property
    def key(self) -> Key:
        return link_key(self.netns, "lo")

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @property
    def part_of(self) -> Key | None:
        return netns_key(self.netns)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        if view.created and (link := view.by_name.get("lo")):
            yield cls(view.label, link.mtu, link.txqueuelen)

    def create(self) -> Iterable[Request]:
        return self.update(type(self)(self.netns)) or ()

    def update(self, before: Self) -> Sequence[Request] | None:
        attrs = []
        if self.mtu != before.mtu:
            attrs.append((IFLA_MTU, u32(self.mtu)))
        if self.txqueuelen != before.txqueuelen:
            attrs.append((IFLA_TXQLEN, u32(self.txqueuelen)))
        return [LinkSet(self.netns, "lo", tuple(attrs))] if attrs else []

    def attributes(self) -> Mapping[str, str]:
        plain = type(self)(self.netns)
        return {
            name: str(getattr(self, name))
            for name in ("mtu", "txqueuelen")
            if getattr(self, name) != getattr(plain, name)
        }

    def default_text(self, name: str) -> str | None:
        return str(getattr(self, name)) if name in {"mtu", "txqueuelen"} else None

    def title(self) -> str:
        return f"lo {label_text(self.netns)}/lo"
