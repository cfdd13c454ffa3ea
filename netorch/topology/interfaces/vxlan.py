"""The keys of a VXLAN tunnel."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.fdb import ALL, Fdb, has_many_ends
from netorch.kinds.vxlan import HEADROOM, PORT, Vxlan
from netorch.language.constraints import Equals, HasValue, constraints, forbid, require
from netorch.language.model import Before, Field, after
from netorch.language.scalars import Flag, IPAddress, empty_list, integer, one_or_many, wrong
from netorch.state.resource import Resource
from netorch.topology.interfaces.fdb import FdbModel
from netorch.topology.interfaces.standalone import PlaceName, StandaloneModel
from netorch.topology.interfaces.udp_tunnel import Port, UdpTunnelModel, Vni

LONGEST_AGEING = (2**32 - 1) // 1000
"""The longest lifetime that the kernel can count in ticks (vxlan_cleanup)."""


class VxlanModel(UdpTunnelModel):
    """A VXLAN tunnel: it carries Ethernet frames in UDP to one other end (`remote`), to a multicast
    `group`, or to the ends that `fdb` names. With `external`, routes or programs choose the other
    end and the VNI of each packet.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Vxlan
    FAR_PARENT: ClassVar[bool] = True
    UDP_PORT: ClassVar[int] = PORT
    kind: Literal["vxlan"] = "vxlan"
    vni: Vni | None = Field(  # type: ignore[assignment]
        None,
        description="Network identifier (VNI), 0 to 16777215. Required, unless `external` (none).",
    )
    external: Flag = Field(
        False,
        description="Routes or programs choose the VNI and the other end of each packet. netorch"
        " leaves their routes and entries alone (false).",
    )
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
    ageing: Annotated[int, Before(integer(1, LONGEST_AGEING))] = Field(
        300,
        description="Seconds after which it forgets a learned MAC address that is not used (300).",
    )
    fdb: Annotated[list[FdbModel], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="Entries of the forwarding database, `{mac, dst}` each: the end behind which a"
        " MAC address is. Entries with a `mac` of zeros are the flood list.",
    )

    _one_end = constraints(
        require(
            "vxlan-needs-vni",
            "a vxlan needs a `vni`, the number that distinguishes its packets from those of other"
            " tunnels",
            HasValue("vni"),
            when=~Equals("external", True),
        ),
        forbid(
            "vxlan-external",
            "an external vxlan has no `vni`, `remote`, `group` or `fdb`, because routes or programs"
            " choose the VNI and the other end of each packet",
            Equals("external", True)
            & (HasValue("vni") | HasValue("remote") | HasValue("group") | HasValue("fdb")),
        ),
        forbid(
            "vxlan-remote-and-group",
            "a vxlan has a `remote` or a `group`, not both",
            HasValue("remote") & HasValue("group"),
        ),
    )

    @after
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

    @after
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
        return {
            "vni": self.vni or 0,
            "external": self.external,
            "port": self.on_port,
            "learning": self.learning,
            "ageing": self.ageing,
            "ttl": self.ttl,
            **{key: None if end is None else str(end) for key, end in ends.items()},
        }

    def child_resources(
        self, link: StandaloneLink
    ) -> Iterator[tuple[Resource, tuple[str | int, ...]]]:
        for index, entry in enumerate(self.fdb):
            yield Fdb(link.netns, link.name, entry.mac, str(entry.dst)), ("fdb", index)
