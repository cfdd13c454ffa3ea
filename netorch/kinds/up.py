"""The administrative state `up` of a link: the resource exists while the link is up.

It is a resource of its own because others depend on it. A link that goes down loses its routes and
its global IPv6 addresses. A bridge comes up after its ports, because a bridge that is up goes
through all of its ports whenever one joins. A port of a bond or VRF comes up after it has joined,
and goes down when it leaves: ports join and leave a bond while they are down, and a VRF takes them
down and up again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

from netorch.kinds.base.link import link_key
from netorch.kinds.port import TAKES_DOWN, port_key
from netorch.netlink.constants import (
    IFF_ALLMULTI,
    IFF_MULTICAST,
    IFF_NOARP,
    IFF_PROMISC,
    IFF_UP,
)
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import LinkSet, Request, SysctlSet
from netorch.values.snapshot import LinkRecord

FLAGS = {"arp": True, "multicast": True, "promisc": False, "allmulti": False}
"""Flag of a link that is up → its usual value."""

WITH_ARP = frozenset(
    (
        *("veth", "bridge", "macvlan", "macvtap", "bond"),
        *("vxlan", "geneve", "gretap", "ip6gretap", "erspan"),
    )
)
"""Kinds of links that use ARP and multicast unless somebody has turned that off."""


@cached_key
def up_key(netns: str, link: str) -> Key:
    return Key("up", netns, link)


class Flags(NamedTuple):
    """The flags of a link that a file can set, by their names in `FLAGS`."""

    arp: bool
    multicast: bool
    promisc: bool
    allmulti: bool


def flags_of(link: LinkRecord) -> Flags:
    has_arp = link.kind in WITH_ARP
    return Flags(
        not has_arp or not link.flags & IFF_NOARP,
        not has_arp or bool(link.flags & IFF_MULTICAST),
        bool(link.kind and link.flags & IFF_PROMISC),
        bool(link.kind and link.flags & IFF_ALLMULTI),
    )


@observed
class Up(NoForeignObjects, Resource):
    """The state `up` of a link."""

    KIND: ClassVar[str] = "up"
    HINTS: ClassVar[tuple[str, ...]] = ("after", "quick")
    netns: str
    link: str
    master: str = ""
    """The bond or VRF as whose port the link is up, or ""."""
    after: tuple[Key, ...] = ()
    """Keys of resources that must exist before the link comes up, such as the ports of a bridge."""
    quick: bool = False
    """Whether to skip duplicate address detection for the link-local address.

    The address would be tentative for 2 seconds, in which a router resolves no neighbour and
    forwards nothing.
    """
    lost: tuple[str, ...] = ()
    """Routes that the kernel made for the link's addresses and that somebody has deleted.

    The kernel makes them again when the link goes down and up.
    """
    arp: bool = True
    """Whether the link asks for MAC addresses and answers for its own."""
    multicast: bool = True
    """Whether the link takes part in multicast groups."""
    promisc: bool = False
    """Whether the link accepts frames for other MAC addresses."""
    allmulti: bool = False
    """Whether the link accepts all multicast frames."""

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

    def differs(self, before: Resource) -> bool:
        # a rollback does not delete routes again that have come back
        if not isinstance(before, Up) or self._settings != before._settings:
            return True
        return bool(before.lost) and not self.lost

    def update(self, before: Self) -> Sequence[Request] | None:
        if self.master != before.master or (before.lost and not self.lost):
            return None
        return (self._set(before.flags),)

    @property
    def flags(self) -> Mapping[str, bool]:
        """The flags by their names in the file."""
        return {name: getattr(self, name) for name in FLAGS}

    @property
    def _settings(self) -> tuple[object, ...]:
        return self.master, *self.flags.values()

    def _set(self, before: Mapping[str, bool]) -> LinkSet:
        """Return the request that sets the flags that differ."""
        changed = {name: on for name, on in self.flags.items() if on != before[name]}
        return LinkSet(
            self.netns,
            self.link,
            alone=True,
            arp=changed.get("arp"),
            multicast=changed.get("multicast"),
            promisc=changed.get("promisc"),
            allmulti=changed.get("allmulti"),
        )

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links:
            if link.flags & IFF_UP:
                master, flags = view.links.get(link.master), flags_of(link)
                yield cls(
                    view.label,
                    link.name,
                    master.name if master is not None and master.kind in TAKES_DOWN else "",
                    lost=view.netns.lost_routes.get(link.index, ()),
                    arp=flags.arp,
                    multicast=flags.multicast,
                    promisc=flags.promisc,
                    allmulti=flags.allmulti,
                )

    def create(self) -> Iterable[Request]:
        no_dad = SysctlSet(
            self.netns, (f"net/ipv6/conf/{self.link}/accept_dad",), "0", optional=True
        )
        flags = () if self.flags == FLAGS else (self._set(FLAGS),)
        up = LinkSet(self.netns, self.link, up=True)
        return (*((no_dad,) if self.quick else ()), up, *flags)

    def delete(self) -> Iterable[Request]:
        # A link that comes up again later has the usual flags, as a new one.
        usual = type(self)(self.netns, self.link)
        flags = () if self.flags == FLAGS else (usual._set(self.flags),)
        return (LinkSet(self.netns, self.link, up=False), *flags)

    def attributes(self) -> Mapping[str, str]:
        return {
            "state": "up",
            **{name: "on" if on else "off" for name, on in self.flags.items() if on != FLAGS[name]},
            **({"lost routes": ", ".join(self.lost)} if self.lost else {}),
        }

    def default_text(self, name: str) -> str | None:
        return None if name not in FLAGS else "on" if FLAGS[name] else "off"

    def absent(self) -> Mapping[str, str]:
        return {"state": "down"}

    def title(self) -> str:
        return f"link {label_text(self.netns)}/{self.link}"
