"""Permanent neighbours: IP addresses whose MAC addresses are known without ARP or NDP
(linux/neighbour.h).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.base.link import link_key
from netorch.kinds.up import up_key
from netorch.netlink.constants import (
    AF_BRIDGE,
    AF_INET,
    AF_INET6,
    IFF_LOOPBACK,
    IFF_NOARP,
    IFF_POINTOPOINT,
)
from netorch.state.key import Key, label_text
from netorch.state.registry import View, observed, reports_unproven
from netorch.state.resource import Resource
from netorch.values.marks import NOT_OURS, PROTOCOLS, read_alias
from netorch.values.ownership import Original
from netorch.values.requests import NeighbourAdd, NeighbourDel, Request
from netorch.values.snapshot import Adoption, LinkRecord, NeighbourRecord, NetnsSnapshot

_SILENT = IFF_LOOPBACK | IFF_NOARP | IFF_POINTOPOINT
"""Flags of links on which the kernel itself adds neighbours with the state NUD_NOARP.

See arp_constructor and ndisc_constructor.
"""


def neighbour_key(netns: str, link: str, address: str) -> Key:
    return Key("neighbour", netns, link, address)


@observed
class Neighbour(Resource):
    """A permanent neighbour. The kernel removes it with its link, and when the link goes down."""

    KIND: ClassVar[str] = "neighbour"
    FOREIGN_KIND: ClassVar[str] = "neighbour"
    TAKEN: ClassVar[str] = "neighbour-taken"
    netns: str
    link: str
    address: str
    mac: str
    protocol: int

    @property
    def key(self) -> Key:
        return neighbour_key(self.netns, self.link, self.address)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return link_key(self.netns, self.link), up_key(self.netns, self.link)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for record in _records(view):
            if _is_ours(view, record):
                link = view.links[record.index].name
                yield cls(
                    view.label,
                    link,
                    str(ip_address(record.address)),
                    record.mac.hex(":"),
                    record.protocol,
                )

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        for record in _records(view):
            if not _is_ours(view, record):
                link, text = view.links[record.index].name, str(ip_address(record.address))
                yield (
                    neighbour_key(view.label, link, text),
                    f"{view.label}/{link} has the neighbour {text} and {NOT_OURS}",
                )

    def differs(self, before: Resource) -> bool:
        # the protocol is not compared: it does not matter who added a neighbour that is as desired
        return not isinstance(before, Neighbour) or self.mac != before.mac

    def with_number(self, number: int) -> Self:
        return replace(self, protocol=number)

    def adopt(self, netns: NetnsSnapshot) -> Adoption | str:
        from netorch.kinds.base.managers import reason_to_leave

        index = next((link.index for link in netns.links if link.name == self.link), 0)
        address = ip_address(self.address).packed
        there = [
            record
            for record in netns.neighbours
            if record.index == index and record.address == address and record.family != AF_BRIDGE
        ]
        if not there:
            return "it is gone"
        record = there[0]
        if reason := reason_to_leave(self.netns, self.link, record.protocol, self.protocol):
            return reason
        marked = replace(record, protocol=self.protocol)
        entries = tuple(marked if other is record else other for other in netns.neighbours)
        put = NeighbourAdd(self.netns, self.link, record.family, address, record.mac, self.protocol)
        return Adoption(
            replace(netns, neighbours=entries),
            (put,),
            (replace(put, protocol=record.protocol),),
            Original(protocol=record.protocol),
        )

    def release(self, original: Original | None = None) -> Iterable[Request]:
        if self.protocol not in PROTOCOLS:
            return ()
        return tuple(replace(self, protocol=(original or Original()).protocol).create())

    def create(self) -> Iterable[Request]:
        return (NeighbourAdd(self.netns, self.link, *self._packed(), self.protocol),)

    def update(self, before: Self) -> Sequence[Request] | None:
        return tuple(self.create())

    def delete(self) -> Iterable[Request]:
        return (NeighbourDel(self.netns, self.link, *self._packed()),)

    def attributes(self) -> Mapping[str, str]:
        return {"mac": self.mac}

    def title(self) -> str:
        return f"neighbour {label_text(self.netns)}/{self.link} {self.address}"

    def _packed(self) -> tuple[int, bytes, bytes]:
        family = AF_INET6 if ":" in self.address else AF_INET
        return family, ip_address(self.address).packed, bytes.fromhex(self.mac.replace(":", ""))


def _records(view: View) -> Iterator[NeighbourRecord]:
    return (
        record
        for record in view.netns.neighbours
        if record.index in view.links and is_added(record, view.links[record.index])
    )


def is_added(record: NeighbourRecord, link: LinkRecord) -> bool:
    """Return whether an entry is a neighbour that Linux has not made with the link."""
    return record.family != AF_BRIDGE and not (record.noarp and link.flags & _SILENT)


def _is_ours(view: View, record: NeighbourRecord) -> bool:
    """Return whether a neighbour belongs to the topology.

    On links of the topology these are all neighbours with its protocol number, and those without a
    number, which somebody has added by hand. On other links the number and the record decide. In a
    namespace that netorch made, neighbours on the links of another topology never count.
    """
    link = view.links[record.index]
    if record.protocol not in {0, view.mark.protocol}:
        return False
    if view.owns(link):
        return True
    if record.protocol == 0 or (view.created and read_alias(link.alias).topology):
        return False
    return view.is_ours("neighbour", link.name, str(ip_address(record.address)))


@reports_unproven
def _in_doubt(view: View) -> Iterator[tuple[Key, str]]:
    """Yield neighbours with the topology's protocol number that no record confirms."""
    for record in _records(view):
        if view.is_in_doubt(record.protocol) and not _is_ours(view, record):
            link, address = view.links[record.index].name, str(ip_address(record.address))
            what = f"neighbour {label_text(view.label)}/{link} {address}"
            yield neighbour_key(view.label, link, address), view.doubt(what)
