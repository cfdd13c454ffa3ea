"""Static MAC addresses behind ports of bridges, which the bridge does not have to learn.

They are those of `bridge fdb add … master static` (bridge(8)).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from netorch.kinds.base.link import link_key
from netorch.kinds.port import port_key
from netorch.kinds.vlans import filters_vlans, vlans_key
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Request, StaticMacAdd, StaticMacDel


def portmac_key(netns: str, link: str, mac: str, vlan: int = 0) -> Key:
    return Key("mac", netns, link, mac, *((f"vlan {vlan}",) if vlan else ()))


@observed
class PortMac(NoForeignObjects, Resource):
    """A MAC address behind the port of a bridge."""

    KIND: ClassVar[str] = "mac"
    netns: str
    link: str
    mac: str
    vlan: int = 0
    """The VLAN of the entry, or 0 on a bridge that does not filter VLANs."""

    @property
    def key(self) -> Key:
        return portmac_key(self.netns, self.link, self.mac, self.vlan)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return link_key(self.netns, self.link), port_key(self.netns, self.link)

    @property
    def needs(self) -> tuple[Key, ...]:
        return (vlans_key(self.netns, self.link),)

    @classmethod
    def links(cls) -> frozenset[str]:
        return frozenset(("bridge",))

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links:
            bridge = view.links.get(link.master)
            if bridge is None or bridge.kind != "bridge":
                continue
            # for an address without a VLAN the kernel also adds an entry in each VLAN of the port,
            # but those have an effect only if the bridge filters VLANs
            filtering = filters_vlans(view, bridge)
            for mac, vlan in view.netns.static_macs.get(link.index, ()):
                if filtering or not vlan:
                    yield cls(view.label, link.name, mac.hex(":"), vlan)

    def create(self) -> Iterable[Request]:
        return (
            StaticMacAdd(
                self.netns, self.link, bytes.fromhex(self.mac.replace(":", "")), self.vlan
            ),
        )

    def delete(self) -> Iterable[Request]:
        return (
            StaticMacDel(
                self.netns, self.link, bytes.fromhex(self.mac.replace(":", "")), self.vlan
            ),
        )

    def attributes(self) -> Mapping[str, str]:
        return {"vlan": str(self.vlan)} if self.vlan else {}

    def title(self) -> str:
        return f"fdb {label_text(self.netns)}/{self.link} {self.mac}"
