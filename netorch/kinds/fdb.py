"""Entries of a tunnel's forwarding database, which say behind which end a MAC address is.

They are those of `bridge fdb … self permanent` (bridge(8)).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import ClassVar, Self

from netorch.kinds.base.link import is_external, link_key
from netorch.netlink.constants import AF_BRIDGE, NDA_PORT, NDA_VNI
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Attrs, NeighbourAdd, NeighbourDel, Request

ALL = "00:00:00:00:00:00"
"""The MAC address of the flood list.

Broadcast, multicast and frames for unknown addresses go to all ends in it.
"""


# Caches. A network of many endpoints has a few addresses, each in the entries of all endpoints.


@lru_cache(maxsize=1 << 13)
def has_many_ends(mac: str) -> bool:
    """Return whether a MAC address may be behind several ends at once."""
    return mac == ALL or bool(int(mac[:2], 16) & 1)


@lru_cache(maxsize=1 << 13)
def _address_of(packed: bytes) -> str:
    return str(ip_address(packed))


@lru_cache(maxsize=1 << 13)
def _pack(address: str) -> bytes:
    return ip_address(address).packed


def fdb_key(netns: str, link: str, mac: str, dst: str) -> Key:
    """Return the key of an entry. `dst` is part of it only if the MAC may have several ends."""
    return Key("fdb", netns, link, mac, *((dst,) if has_many_ends(mac) else ()))


@observed
class Fdb(NoForeignObjects, Resource):
    """An entry of a tunnel's forwarding database."""

    KIND: ClassVar[str] = "fdb"
    netns: str
    link: str
    mac: str
    dst: str
    extra: Attrs = ()
    """Attributes that somebody has set by hand, such as a port or a VNI, as read."""

    @property
    def key(self) -> Key:
        return fdb_key(self.netns, self.link, self.mac, self.dst)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (link_key(self.netns, self.link),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        # learned entries are not permanent, and the reader leaves out those of control planes
        for link in view.our_links if view.netns.neighbours else ():
            if is_external(link):
                continue  # because programs choose the ends of such a tunnel
            ends = {
                bytes(payload)
                for number in DEFAULT_ENDS.get(link.kind, ())
                if (payload := link.data.get(number))
            }
            for record in view.forwarding.get(link.index, ()):
                mac = record.mac.hex(":")
                if mac != ALL or record.address not in ends:
                    yield cls(view.label, link.name, mac, _address_of(record.address), record.extra)

    def create(self) -> Iterable[Request]:
        return (
            NeighbourAdd(self.netns, self.link, *self._packed(), append=has_many_ends(self.mac)),
        )

    def update(self, before: Self) -> Sequence[Request] | None:
        return None if has_many_ends(self.mac) else tuple(self.create())

    def delete(self) -> Iterable[Request]:
        return (NeighbourDel(self.netns, self.link, *self._packed(), self.extra),)

    def attributes(self) -> Mapping[str, str]:
        numbers = {NDA_PORT: "port", NDA_VNI: "vni"}
        extra = {
            numbers.get(number, f"NDA {number}"): _number(number, payload)
            for number, payload in self.extra
        }
        return ({} if has_many_ends(self.mac) else {"dst": self.dst}) | extra

    def title(self) -> str:
        return f"fdb {label_text(self.netns)}/{self.link} {self.mac}" + (
            f" dst {self.dst}" if has_many_ends(self.mac) else ""
        )

    def _packed(self) -> tuple[int, bytes, bytes]:
        return AF_BRIDGE, _pack(self.dst), bytes.fromhex(self.mac.replace(":", ""))


IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6 = 2, 16
DEFAULT_ENDS = {"vxlan": (IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6)}
"""Kind → the attributes of IFLA_INFO_DATA for whose address the kernel makes an entry itself."""


def _number(number: int, payload: bytes) -> str:
    return str(int.from_bytes(payload, "big" if number == NDA_PORT else "little"))
