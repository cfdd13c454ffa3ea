"""That a link is the port of a master: a bridge's port lives within both the link and the bridge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from netorch.core import Disruption, Key, Resource, shown
from netorch.kind import Nothing, View, observed
from netorch.kinds.link import link_key
from netorch.marks import read_alias
from netorch.netlink.codec import u8
from netorch.netlink.constants import IFLA_BRPORT_ISOLATED, IFLA_BRPORT_MODE
from netorch.requests import LinkSet, Request


def port_key(netns: str, link: str) -> Key:
    return Key("port", netns, link)


@observed
@dataclass(frozen=True, slots=True)
class Port(Nothing, Resource):
    KIND: ClassVar[str] = "port"
    netns: str
    link: str
    master: str
    hairpin: bool = False
    isolated: bool = False

    @property
    def key(self) -> Key:
        return port_key(self.netns, self.link)

    @property
    def within(self) -> tuple[Key, ...]:
        return link_key(self.netns, self.link), link_key(self.netns, self.master)

    @property
    def part_of(self) -> Key | None:
        return link_key(self.netns, self.link)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        # a stranger's link in our bridge is the stranger's doing: it stays, and is let go when the bridge goes
        for link in view.our_links:
            master = view.links.get(link.master)
            if master is not None and read_alias(master.alias).uplink not in {link.name, *link.altnames}:
                port = {number: bool(payload[0]) for number, payload in link.port.items() if len(payload) == 1}
                yield cls(view.label, link.name, master.name, port.get(IFLA_BRPORT_MODE, False), port.get(IFLA_BRPORT_ISOLATED, False))

    def create(self) -> Iterable[Request]:
        return self.update(type(self)(self.netns, self.link, "")) or ()

    def update(self, before: Self) -> Sequence[Request] | None:
        requests = [LinkSet(self.netns, self.link, master=self.master)] if self.master != before.master else []
        # a port that changes its bridge starts with the defaults
        had = before if self.master == before.master else type(self)(self.netns, self.link, self.master)
        data = tuple(
            (number, u8(mine))
            for number, mine, theirs in (
                (IFLA_BRPORT_MODE, self.hairpin, had.hairpin),
                (IFLA_BRPORT_ISOLATED, self.isolated, had.isolated),
            )
            if mine != theirs
        )
        if data:
            requests.append(LinkSet(self.netns, self.link, kind="bridge_slave", data=data))
        return requests

    def delete(self) -> Iterable[Request]:
        return (LinkSet(self.netns, self.link, master=""),)

    def disruption(self, before: Self) -> Disruption:
        return Disruption.FLAP if self.master != before.master else Disruption.UPDATE

    def attributes(self) -> Mapping[str, str]:
        return {"master": self.master} | {name: "true" for name in ("hairpin", "isolated") if getattr(self, name)}

    def absent(self) -> Mapping[str, str]:
        return {"master": "none"}

    def title(self) -> str:
        return f"link {shown(self.netns)}/{self.link}"
