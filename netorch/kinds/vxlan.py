"""VXLAN tunnels, which carry Ethernet frames in UDP (RFC 7348, drivers/net/vxlan).

Frames go to one other end, to a multicast group, or to the ends in the forwarding database.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from netorch.kinds.base.standalone import (
    Attribute,
    ParentPlace,
    PlaceName,
    StandaloneLink,
    StandaloneModel,
    decoded,
    parent_of,
)
from netorch.kinds.base.udp_tunnel import Port, UdpTunnelModel
from netorch.kinds.fdb import ALL, DEFAULT_ENDS, Fdb, FdbModel, has_many_ends
from netorch.language.constraints import HasValue, constraints, forbid, require
from netorch.language.scalars import Flag, IPAddress, empty_list, one_or_many, wrong
from netorch.netlink.attribute_types import ADDRESS, BE16, FLAG, U8, U32
from netorch.state.registry import View, interface_model, observed
from netorch.state.resource import Resource
from netorch.values.requests import Attrs, Request
from netorch.values.snapshot import LinkRecord

IFLA_VXLAN_ID, IFLA_VXLAN_GROUP, IFLA_VXLAN_LINK, IFLA_VXLAN_LOCAL = 1, 2, 3, 4
IFLA_VXLAN_TTL, IFLA_VXLAN_LEARNING, IFLA_VXLAN_PORT = 5, 7, 15
IFLA_VXLAN_GROUP6, IFLA_VXLAN_LOCAL6, IFLA_VXLAN_TTL_INHERIT = 16, 17, 28
PORT = 4789
"""The port that IANA has assigned. The kernel's own default, 8472, is older."""

HEADROOM = {4: 50, 6: 70}
"""IP version → the bytes of the headers of Ethernet, VXLAN, UDP and IP.

They are VXLAN_HEADROOM and VXLAN6_HEADROOM in the kernel.
"""

DEFAULT_ENDS["vxlan"] = (IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6)


@observed
class Vxlan(StandaloneLink):
    """A VXLAN tunnel.

    `remote` and `multicast` (the file's `group`) are the same attribute for the kernel. The kernel
    sends to this address, and also joins it if it is a multicast group. netorch leaves all
    attributes alone that the file does not have, such as source ports, checksums and ageing.
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
        Attribute("ttl", IFLA_VXLAN_TTL, U8, live=True),
    )
    vni: int = -1
    local: str | None = None
    remote: str | None = None
    multicast: str | None = None
    port: int = PORT
    learning: bool = True
    ttl: int | str = 0
    flooded: bool = True
    """Whether frames for unknown addresses go to the other end.

    False if somebody has deleted that entry of the forwarding database. The link's own attributes
    still name the end then.
    """

    @property
    def version(self) -> int:
        return 6 if ":" in f"{self.local}{self.remote}{self.multicast}" else 4

    def pairs(self, attribute: Attribute) -> Attrs:
        if attribute.key == "ttl" and self.ttl == "inherit":
            return ((IFLA_VXLAN_TTL_INHERIT, b""),)
        return StandaloneLink.pairs(self, attribute)

    def change(self, attribute: Attribute, before: Self) -> Attrs | None:
        if self.version != before.version or (
            attribute.key == "ttl" and "inherit" in {self.ttl, before.ttl}
        ):
            return None
        return StandaloneLink.change(self, attribute, before)

    def update(self, before: Self) -> Sequence[Request] | None:
        return StandaloneLink.update(self, before) if self.flooded == before.flooded else None

    def own(self) -> Mapping[str, str]:
        model = dict(StandaloneLink.own(self))
        for word in ("remote", "group"):
            if word in model and not self.flooded:
                model[word] += " without its entry in the FDB"
        return model

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
        return fields

    @classmethod
    def read_parent(cls, view: View, link: LinkRecord) -> ParentPlace | None:
        return parent_of(view, link, int.from_bytes(link.data.get(IFLA_VXLAN_LINK, b""), "little"))


@interface_model("vxlan")
class VxlanModel(UdpTunnelModel):
    """A VXLAN tunnel: it carries Ethernet frames in UDP to one other end (`remote`), to a multicast
    `group`, or to the ends that `fdb` names.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Vxlan
    FAR_PARENT: ClassVar[bool] = True
    UDP_PORT: ClassVar[int] = PORT
    kind: Literal["vxlan"] = "vxlan"
    local: IPAddress | None = Field(
        None, description="Source address of the outer packets (by the route)."
    )
    remote: IPAddress | None = Field(
        None, description="Address of the other end, if there is only one (none)."
    )
    group: IPAddress | None = Field(
        None, description="Multicast group that all ends have joined. Needs `parent` (none)."
    )
    parent: PlaceName | None = Field(
        None,
        description="Parent: the interface that sends the outer packets, `IF` or `NODE:IF` (by the"
        " route).",
    )
    udp_port: Port | None = Field(None, serialization_alias="port", description="UDP port (4789).")
    learning: Flag = Field(
        True,
        description="Learn from received packets which end leads to which MAC address (true).",
    )
    fdb: Annotated[list[FdbModel], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list,
        description="Entries of the forwarding database, `{mac, dst}` each: the end behind which a"
        " MAC address is. Entries with a `mac` of zeros are the flood list.",
    )

    _one_end = constraints(
        forbid(
            "vxlan-remote-and-group",
            "a vxlan has a `remote` or a `group`, not both",
            HasValue("remote") & HasValue("group"),
        )
    )

    @model_validator(mode="after")
    def _host_or_group(self) -> Self:
        if self.remote is not None and self.remote.is_multicast:
            wrong(f"{self.remote} is a multicast address: write it as `group`")
        if self.group is not None and not self.group.is_multicast:
            wrong(f"{self.group} is not a multicast address: write it as `remote`")
        return self

    _group_parent = constraints(
        require(
            "vxlan-group-needs-parent",
            "a `group` is joined on an interface: name it with `parent`",
            HasValue("parent"),
            when=HasValue("group"),
        )
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        ends = [end for end in (self.local, self.remote, self.group) if end is not None]
        if len({end.version for end in ends}) > 1:
            wrong(
                f"{' and '.join(map(str, ends))} are of different IP versions:"
                " a tunnel uses only one of them"
            )
        if self.local is not None and self.local.is_multicast:
            wrong(
                f"{self.local} is a multicast address: no packet comes from one,"
                " so it cannot be `local`"
            )
        version = ends[0].version if ends else 4
        seen: set[object] = set()
        for entry in self.fdb:
            if entry.dst.version != version:
                wrong(
                    f"fdb: {entry.dst} is not an IPv{version} address, but this tunnel runs over"
                    f" IPv{version} according to its `local`, `remote` or `group`"
                )
            if entry.mac == ALL and entry.dst in (self.remote, self.group):
                key = "remote" if entry.dst == self.remote else "group"
                wrong(
                    f"fdb: {entry.dst} gets all frames for unknown addresses already, "
                    f"because of `{key}`"
                )
            what = (entry.mac, entry.dst) if has_many_ends(entry.mac) else entry.mac
            if what in seen:
                wrong(f"fdb: {entry.mac} appears twice, but it can be behind only one end")
            seen.add(what)
        return self

    @property
    def version(self) -> int:
        """The IP version of the outer packets."""
        return next(
            (end.version for end in (self.local, self.remote, self.group) if end is not None), 4
        )

    @property
    def sends_from(self) -> str | None:
        return None if self.local is None else str(self.local)

    def default_mtu(self, parent: int | None) -> int:
        return (
            parent - HEADROOM[self.version] if parent else StandaloneModel.default_mtu(self, parent)
        )

    def largest_mtu(self, parent: int) -> int | None:
        return parent - HEADROOM[self.version]

    def values(self) -> dict[str, Any]:
        ends = {"local": self.local, "remote": self.remote, "multicast": self.group}
        rest = {"vni": self.vni, "port": self.on_port, "learning": self.learning, "ttl": self.ttl}
        return rest | {key: None if end is None else str(end) for key, end in ends.items()}

    def child_resources(
        self, link: StandaloneLink
    ) -> Iterator[tuple[Resource, tuple[str | int, ...]]]:
        for index, entry in enumerate(self.fdb):
            yield Fdb(link.netns, link.name, entry.mac, str(entry.dst)), ("fdb", index)
