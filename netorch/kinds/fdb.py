"""An entry of a tunnel's forwarding database: behind which other end a MAC is found (bridge(8) `fdb … self permanent`)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import ClassVar, Self

from pydantic import Field

from netorch.kinds.base.link import link_key
from netorch.language.scalars import ForwardingMac, IPAddress, Model
from netorch.netlink.constants import AF_BRIDGE, NDA_PORT, NDA_VNI
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Attrs, NeighbourAdd, NeighbourDel, Request

ALL = "00:00:00:00:00:00"
"""Broadcast, multicast and what no other entry knows: its ends are the flood list."""


class FdbModel(Model):
    """Where frames for a MAC go."""

    mac: ForwardingMac = Field(
        description="MAC address; zeros for broadcast and all that is not known."
    )
    dst: IPAddress = Field(
        description="The tunnel's end that it is behind; zeros and multicast MACs may have several entries."
    )


def many(mac: str) -> bool:
    """Whether a MAC is behind several ends at once."""
    return mac == ALL or bool(int(mac[:2], 16) & 1)


def fdb_key(netns: str, link: str, mac: str, dst: str) -> Key:
    """The end is a part of it only where a MAC may be behind several."""
    return Key("fdb", netns, link, mac, *((dst,) if many(mac) else ()))


@observed
class Fdb(NoForeignObjects, Resource):
    """`extra`: what somebody said beside the end by hand (a port, a VNI), as it was read."""

    KIND: ClassVar[str] = "fdb"
    netns: str
    link: str
    mac: str
    dst: str
    extra: Attrs = ()

    @property
    def key(self) -> Key:
        return fdb_key(self.netns, self.link, self.mac, self.dst)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (link_key(self.netns, self.link),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        # what was learned is not permanent, and the reader leaves out what a control plane keeps
        for link in view.our_links if view.netns.neighbours else ():
            ends = {
                bytes(payload)
                for number in DEFAULT_ENDS.get(link.kind, ())
                if (payload := link.data.get(number))
            }
            for record in view.forwarding.get(link.index, ()):
                mac = record.mac.hex(":")
                if mac != ALL or record.address not in ends:
                    yield cls(
                        view.label, link.name, mac, str(ip_address(record.address)), record.extra
                    )

    def create(self) -> Iterable[Request]:
        return (NeighbourAdd(self.netns, self.link, *self._packed(), append=many(self.mac)),)

    def update(self, before: Self) -> Sequence[Request] | None:
        return None if many(self.mac) else tuple(self.create())

    def delete(self) -> Iterable[Request]:
        return (NeighbourDel(self.netns, self.link, *self._packed(), self.extra),)

    def attributes(self) -> Mapping[str, str]:
        numbers = {NDA_PORT: "port", NDA_VNI: "vni"}
        beside = {
            numbers.get(number, f"NDA {number}"): _number(number, payload)
            for number, payload in self.extra
        }
        return ({} if many(self.mac) else {"dst": self.dst}) | beside

    def title(self) -> str:
        return f"fdb {label_text(self.netns)}/{self.link} {self.mac}" + (
            f" dst {self.dst}" if many(self.mac) else ""
        )

    def _packed(self) -> tuple[int, bytes, bytes]:
        return AF_BRIDGE, ip_address(self.dst).packed, bytes.fromhex(self.mac.replace(":", ""))


DEFAULT_ENDS: dict[str, tuple[int, ...]] = {}
"""Kind → the attributes of IFLA_INFO_DATA that name the end which the kernel has an entry for by itself; the kinds fill it in."""


def _number(number: int, payload: bytes) -> str:
    return str(int.from_bytes(payload, "big" if number == NDA_PORT else "little"))
