"""VXLAN tunnels, which carry Ethernet frames in UDP (RFC 7348, drivers/net/vxlan).

Frames go to one other end, to a multicast group, or to the ends in the forwarding database.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.base.link import IFLA_VXLAN_COLLECT_METADATA
from netorch.kinds.base.standalone import Attribute, ParentPlace, StandaloneLink, decoded, parent_of
from netorch.kinds.fdb import ALL, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6
from netorch.netlink.attribute_types import ADDRESS, BE16, FLAG, U8, U32, choice
from netorch.state.key import HOST
from netorch.state.registry import View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Attrs, Request
from netorch.values.snapshot import LinkRecord

IFLA_VXLAN_ID, IFLA_VXLAN_LINK, IFLA_VXLAN_LOCAL = 1, 3, 4
IFLA_VXLAN_TTL, IFLA_VXLAN_LEARNING, IFLA_VXLAN_AGEING, IFLA_VXLAN_PORT = 5, 7, 8, 15
IFLA_VXLAN_LOCAL6 = 17
IFLA_VXLAN_TTL_INHERIT, IFLA_VXLAN_DF = 28, 29
PORT = 4789
"""The port that IANA has assigned. The kernel's own default, 8472, is older."""

ELSEWHERE = "?"
"""The `underlay` of a tunnel whose outer packets are neither in its own namespace nor on the host.
"""

HEADROOM = {4: 50, 6: 70}
"""IP version → the bytes of the headers of Ethernet, VXLAN, UDP and IP.

They are VXLAN_HEADROOM and VXLAN6_HEADROOM in the kernel.
"""


_DF = {"unset": 0, "set": 1, "inherit": 2}


@observed
class Vxlan(StandaloneLink):
    """A VXLAN tunnel.

    `remote` and `multicast` (the file's `group`) are the same attribute for the kernel. The kernel
    sends to this address, and also joins it if it is a multicast group. netorch leaves all
    attributes alone that the file does not have, such as source ports and checksums.
    """

    KIND: ClassVar[str] = "vxlan"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_VXLAN", "vxlan")
    PARENT_IN: ClassVar[int] = IFLA_VXLAN_LINK
    UNIQUE: ClassVar[tuple[str, ...]] = ("vni", "port", "version")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("vni", IFLA_VXLAN_ID, U32),
        Attribute("local", IFLA_VXLAN_LOCAL, ADDRESS, live=True, number6=IFLA_VXLAN_LOCAL6),
        Attribute("remote", IFLA_VXLAN_GROUP, ADDRESS, live=True, number6=IFLA_VXLAN_GROUP6),
        # not live, because a tunnel that is up would not join a new group
        Attribute("multicast", IFLA_VXLAN_GROUP, ADDRESS, number6=IFLA_VXLAN_GROUP6, word="group"),
        Attribute("port", IFLA_VXLAN_PORT, BE16),
        Attribute("learning", IFLA_VXLAN_LEARNING, FLAG, live=True),
        Attribute("ageing", IFLA_VXLAN_AGEING, U32, live=True),
        Attribute("ttl", IFLA_VXLAN_TTL, U8, live=True),
        Attribute("external", IFLA_VXLAN_COLLECT_METADATA, FLAG),
        Attribute("df", IFLA_VXLAN_DF, choice(_DF), live=True),
    )
    vni: int = -1
    local: str | None = None
    remote: str | None = None
    multicast: str | None = None
    port: int = PORT
    learning: bool = True
    ageing: int = 300
    """The lifetime of a learned entry in seconds (FDB_AGE_DEFAULT)."""
    ttl: int | str = 0
    external: bool = False
    """Whether routes or programs choose the VNI and the other end of each packet. The VNI is 0."""
    df: str | None = None
    """Whether the outer IPv4 packets may be fragmented: `set` forbids it. None leaves it alone."""
    flooded: bool = True
    """Whether frames for unknown addresses go to the other end.

    False if somebody has deleted that entry of the forwarding database. The link's own attributes
    still name the end then.
    """
    underlay: str = ""
    """The label of the namespace of the outer packets, if that is not the tunnel's own and there is
    no parent. It is that in which the tunnel was made.
    """

    @property
    def birthplace(self) -> str:
        return self.underlay

    @property
    def version(self) -> int:
        return 6 if ":" in f"{self.local}{self.remote}{self.multicast}" else 4

    def pairs(self, attribute: Attribute) -> Attrs:
        if attribute.key == "ttl" and self.ttl == "inherit":
            return ((IFLA_VXLAN_TTL_INHERIT, b""),)
        if attribute.key == "vni" and self.external:
            return ()
        return StandaloneLink.pairs(self, attribute)

    def change(self, attribute: Attribute, before: Self) -> Attrs | None:
        if self.version != before.version or (
            attribute.key == "ttl" and "inherit" in {self.ttl, before.ttl}
        ):
            return None
        return StandaloneLink.change(self, attribute, before)

    def differs(self, before: Resource) -> bool:
        return StandaloneLink.differs(self, self._comparable(before))

    def _comparable(self, before: Resource) -> Resource:
        """Return the earlier link without a `df` that this one leaves alone."""
        if self.df is None and isinstance(before, Vxlan) and before.df is not None:
            return replace(before, df=None)
        return before

    def update(self, before: Self) -> Sequence[Request] | None:
        if self.df is None and before.df is not None:
            before = replace(before, df=None)
        if (self.flooded, self.underlay) != (before.flooded, before.underlay):
            return None
        return StandaloneLink.update(self, before)

    def own(self) -> Mapping[str, str]:
        model = dict(StandaloneLink.own(self))
        for word in ("remote", "group"):
            if word in model and not self.flooded:
                model[word] += " without its entry in the FDB"
        # no key of the file sets it
        model.pop("df", None)
        if self.external:
            model.pop("vni", None)
        return model

    def attributes(self) -> Mapping[str, str]:
        place = {"underlay": self.underlay} if self.underlay else {}
        fragments = {"df": self.df} if self.df is not None else {}
        return {**StandaloneLink.attributes(self), **place, **fragments}

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        fields = decoded(cls, link)
        end = fields.pop("multicast", None) or None
        is_group = end is not None and ip_address(end).is_multicast
        fields["flooded"] = end is None or any(
            record.mac.hex(":") == ALL and record.address == ip_address(end).packed
            for record in view.forwarding.get(link.index, ())
        )
        fields |= {"remote": None if is_group else end, "multicast": end if is_group else None}
        if any(link.data.get(IFLA_VXLAN_TTL_INHERIT, b"")):
            fields["ttl"] = "inherit"
        if fields.get("df") == "unset":
            fields["df"] = None
        if link.link_netnsid is not None and not any(link.data.get(IFLA_VXLAN_LINK, b"")):
            labels = view.labels_by_nsid.get(link.link_netnsid, ())
            fields["underlay"] = HOST if HOST in labels else ELSEWHERE
        return fields

    @classmethod
    def read_parent(cls, view: View, link: LinkRecord) -> ParentPlace | None:
        return parent_of(view, link, int.from_bytes(link.data.get(IFLA_VXLAN_LINK, b""), "little"))
