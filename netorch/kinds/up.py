"""That a link is administratively up: there while it is, gone while it is down.

It is a resource of its own because things hang on it: a link that goes down loses its routes and its global IPv6 addresses,
and a bridge comes up after its ports, since an up bridge works through all of them at each one that joins. A bond takes and lets go
ports that are down, and a VRF pulls them down and up again: there a link comes up after it has joined, and falls when it leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from netorch.kinds.base.link import link_key
from netorch.kinds.port import TAKES_DOWN, port_key
from netorch.netlink.constants import IFF_UP
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import LinkSet, Request, SysctlSet


@cached_key
def up_key(netns: str, link: str) -> Key:
    return Key("up", netns, link)


@observed
class Up(NoForeignObjects, Resource):
    """`master`: the bond or VRF in which it is up. `after`: what must be there before the link comes up (a bridge's ports).

    `quick`: without duplicate address detection for the link-local address, which would be tentative for 2 seconds, in which a router
    asks no neighbour and forwards nothing.
    """

    KIND: ClassVar[str] = "up"
    HINTS: ClassVar[tuple[str, ...]] = ("after", "quick")
    netns: str
    link: str
    master: str = ""
    after: tuple[Key, ...] = ()
    quick: bool = False

    @property
    def key(self) -> Key:
        return up_key(self.netns, self.link)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (
            link_key(self.netns, self.link),
            *((port_key(self.netns, self.link),) if self.master else ()),
        )

    @property
    def needs(self) -> tuple[Key, ...]:
        return self.after

    @property
    def part_of(self) -> Key | None:
        return link_key(self.netns, self.link)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links:
            if link.flags & IFF_UP:
                master = view.links.get(link.master)
                yield cls(
                    view.label,
                    link.name,
                    master.name if master is not None and master.kind in TAKES_DOWN else "",
                )

    def create(self) -> Iterable[Request]:
        no_dad = SysctlSet(
            self.netns, (f"net/ipv6/conf/{self.link}/accept_dad",), "0", optional=True
        )
        return (*((no_dad,) if self.quick else ()), LinkSet(self.netns, self.link, up=True))

    def delete(self) -> Iterable[Request]:
        return (LinkSet(self.netns, self.link, up=False),)

    def attributes(self) -> Mapping[str, str]:
        return {"state": "up"}

    def absent(self) -> Mapping[str, str]:
        return {"state": "down"}

    def title(self) -> str:
        return f"link {label_text(self.netns)}/{self.link}"
