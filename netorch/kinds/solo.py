"""What links have in common that are made alone: nothing is made along with them, though many ride on a parent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from netorch.core import Key, Resource
from netorch.kind import Nothing, View
from netorch.kinds.link import InterfaceWords, Link, common_fields, link_key
from netorch.marks import read_alias
from netorch.netlink.codec import u32
from netorch.netlink.constants import IFLA_MTU
from netorch.requests import Attrs, LinkAdd, LinkSet, Request
from netorch.snapshot import LinkRecord

ETHERNET_MTU = 1500

UNKNOWN = ("?", "?")
"""A parent in another namespace that the alias does not name, or names without the kernel confirming it."""

Place = tuple[str, str]
"""Namespace label, interface name."""


class SoloWords(InterfaceWords):
    """The words of a kind that is made alone. `FAR_PARENT`: its parent may be in another namespace. `TAKES_PORTS`: it is a master."""

    FAR_PARENT: ClassVar[bool] = False
    TAKES_PORTS: ClassVar[bool] = False

    @property
    def rides_on(self) -> str | None:
        """The parent as the file names it, `IF` or `NODE:IF`; None without one."""
        return getattr(self, "parent", None)

    def default_mtu(self, parent: int | None) -> int:
        """What the kernel gives a new one, 0 where that is not known; `parent` is its parent's MTU, None without one, 0 if unknown."""
        return ETHERNET_MTU if parent is None else parent

    def link(self, fields: dict[str, Any], parent: Place | None) -> SoloLink:
        """The resource; `fields` are those of `Link`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class SoloLink(Nothing, Link):
    """`data` are its IFLA_INFO_DATA attributes, of which the kernel changes those in `LIVE` in place; another difference replaces it.

    An MTU of 0 is the kernel's choice and left alone. Kinds without `HAS_MAC` have none to set.
    """

    LIVE: ClassVar[frozenset[int]] = frozenset()
    HAS_MAC: ClassVar[bool] = True
    parent: Place | None = None

    @property
    def within(self) -> tuple[Key, ...]:
        """The kernel removes it with its parent."""
        above = (link_key(*self.parent),) if self.parent is not None else ()
        return (Key("netns", self.netns, ""), *above)

    def data(self) -> Attrs:
        return ()

    @classmethod
    def recognises(cls, link: LinkRecord) -> bool:
        return link.kind == cls.KIND

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        """Its own fields as a dump shows them."""
        return {}

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links:
            if cls.recognises(link):
                fields = common_fields(view, link) | ({} if cls.HAS_MAC else {"mac": ""})
                yield cls(**fields, parent=parent_of(view, link), **cls.read(view, link))

    def basic_attrs(self) -> Attrs:
        return tuple(pair for pair in Link.basic_attrs(self) if pair != (IFLA_MTU, u32(0)))

    def differs(self, before: Resource) -> bool:
        if isinstance(before, type(self)) and not self.mtu:
            return self != replace(before, mtu=0)
        return self != before

    def create(self) -> Iterator[Request]:
        yield LinkAdd(self.netns, self.name, self.KIND, self.basic_attrs(), self.data(), parent=self.parent)
        yield from self.naming()

    def update(self, before: Self) -> Sequence[Request] | None:
        had = dict(before.data())
        data = tuple((number, payload) for number, payload in self.data() if had.get(number) != payload)
        lost = had.keys() - dict(self.data()).keys()
        if self.parent != before.parent or lost or any(number not in self.LIVE for number, _ in data):
            return None
        requests = self.changed(before)
        if data:
            requests.append(LinkSet(self.netns, self.name, kind=self.KIND, data=data))
        return requests

    def own(self) -> Mapping[str, str]:
        """Its own attributes in the words of the file, those that differ from the default."""
        return {}

    def attributes(self) -> Mapping[str, str]:
        said: dict[str, str] = {}
        if self.parent is not None:
            netns, name = self.parent
            said["parent"] = "unknown" if self.parent == UNKNOWN else name if netns == self.netns else f"{netns}:{name}"
        common = {name: text for name, text in self.common().items() if (name, text) not in {("mac", ""), ("mtu", "0")}}
        return said | dict(self.own()) | common


def parent_of(view: View, link: LinkRecord) -> Place | None:
    """What it rides on: in its own namespace by the index; in another one as the alias says, where the index there agrees."""
    if not link.link:
        return None
    if link.link_netnsid is None:
        here = view.links.get(link.link)
        return None if here is None or here is link else (view.label, here.name)
    said = read_alias(link.alias).peer
    if said is None or said[0] not in view.all:
        return UNKNOWN
    there = view.all[said[0]].named.get(said[1])
    return said if there is not None and there.index == link.link else UNKNOWN
