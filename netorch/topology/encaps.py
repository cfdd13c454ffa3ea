"""The `encap` of a route: what it puts around packets, or takes off them."""

from typing import Annotated, Any, Literal, Self

from netorch.language import schema_shapes
from netorch.language.addresses import Address
from netorch.language.constraints import (
    Constraint,
    Equals,
    HasValue,
    OneKey,
    constraints,
    forbid,
    require,
)
from netorch.language.model import Before, Field, Model, Plain, after
from netorch.language.scalars import (
    Flag,
    InterfaceName,
    Table,
    address,
    empty_list,
    integer,
    one_or_many,
    wrong,
)
from netorch.language.schema_shapes import Shape, accepts, of, substituted
from netorch.netlink.encap import IMPLICIT_NULL, LARGEST_LABEL

MOST_LABELS, MOST_SEGMENTS = 30, 126


@accepts(schema_shapes.whole_number(0, LARGEST_LABEL, "", f"label of MPLS, 0 to {LARGEST_LABEL}"))
def mpls_label(value: object) -> int:
    """Parse a label of MPLS that a router can put in front of a packet."""
    if isinstance(value, str) and "/" in value:
        wrong(f"{value!r} is not a label: write [{', '.join(value.split('/'))}]", "bad-number")
    label = integer(0, LARGEST_LABEL)(value)
    if label == IMPLICIT_NULL:
        wrong(
            f"the label {label} (implicit null) is never in a packet: leave it out",
            "bad-number",
        )
    return label


Label = Annotated[int, Plain(mpls_label)]


@accepts(schema_shapes.text(schema_shapes.IPV6, "IPv6 address", "fd00::1"))
def ipv6_address(value: object) -> Address:
    """Parse an IPv6 address."""
    result = address(value)
    if result.version != 6:
        wrong(f"{result} is not an IPv6 address, as SRv6 and IPv6 tunnels need it", "bad-address")
    return result


@accepts(schema_shapes.text(schema_shapes.IPV4, "IPv4 address", "10.0.0.1"))
def ipv4_address(value: object) -> Address:
    """Parse an IPv4 address."""
    result = address(value)
    if result.version != 4:
        wrong(f"{result} is not an IPv4 address", "bad-address")
    return result


IPv6 = Annotated[Address, Plain(ipv6_address)]
IPv4 = Annotated[Address, Plain(ipv4_address)]
Segments = Annotated[list[IPv6], Before(one_or_many)]
_Byte = Annotated[int, Before(integer(0, 255))]
_Number = Annotated[int, Before(integer(0, 2**32 - 1))]


def _labels(inner: Shape) -> Shape:
    label = substituted(of(mpls_label))
    return {"anyOf": [label, {"type": "array", "items": label, "minItems": 1}, inner]}


@accepts(_labels)
def mpls_words(value: object) -> object:
    """Return the mapping for a label, or for a list of labels."""
    return value if isinstance(value, dict) else {"labels": value}


class MplsModel(Model):
    """Labels in front of a packet."""

    labels: Annotated[list[Label], Before(one_or_many)] = Field(
        default_factory=empty_list, description="Labels, the outermost first."
    )
    ttl: _Byte = Field(
        0, description="TTL of the labels, 1 to 255; 0 is that of the packet, or 255 (0)."
    )

    _labels = constraints(
        require("encap-incomplete", "`mpls` needs at least one label", HasValue("labels"))
    )

    @after
    def _few_labels(self) -> Self:
        if len(self.labels) > MOST_LABELS:
            wrong(f"a route can add at most {MOST_LABELS} labels: this one has {len(self.labels)}")
        return self


class Seg6Model(Model):
    """The segments that an SRv6 router sends packets by."""

    mode: Literal["encap", "inline", "l2encap", "encap.red", "l2encap.red"] = Field(
        "encap",
        description="`encap` adds an IPv6 header with the segments, `inline` adds only the segments"
        " to an IPv6 packet, `l2encap` carries Ethernet frames. `.red` leaves the first segment out"
        " of the list (encap).",
    )
    segments: Segments = Field(
        default_factory=empty_list,
        description="Addresses of the segments, in the order of the way.",
    )

    _segments = constraints(
        require("encap-incomplete", "`seg6` needs at least one segment", HasValue("segments"))
    )

    @after
    def _few_segments(self) -> Self:
        check_number(self.segments)
        return self


def check_number(segments: list[Any]) -> None:
    """Refuse more segments than a header has room for."""
    if len(segments) > MOST_SEGMENTS:
        wrong(f"a header has at most {MOST_SEGMENTS} segments: this one has {len(segments)}")


Action = Literal[
    "End",
    "End.X",
    "End.T",
    "End.DX2",
    "End.DX4",
    "End.DX6",
    "End.DT4",
    "End.DT6",
    "End.DT46",
    "End.B6",
    "End.B6.Encaps",
]
_NEED = {
    "nh4": ("End.DX4",),
    "nh6": ("End.X", "End.DX6"),
    "oif": ("End.DX2",),
    "segments": ("End.B6", "End.B6.Encaps"),
    "table": ("End.T",),
    "vrftable": ("End.DT4", "End.DT46"),
}
"""Key → the actions that need it."""
_TABLES = ("table", "vrftable")
_IN_TABLE = ("End.DT6",)
"""The actions that need one of the two tables."""


def _of_actions() -> list[Constraint]:
    rules: list[Constraint] = []
    for key, actions in _NEED.items():
        has = HasValue(key)
        rules.append(
            require(
                "encap-incomplete", f"{{action}} needs `{key}`", has, when=Equals("action", actions)
            )
        )
        may = (*actions, *(_IN_TABLE if key in _TABLES else ()))
        rules.append(
            forbid(
                "encap-contradiction",
                f"{{action}} cannot have `{key}`",
                has & ~Equals("action", may),
            )
        )
    table, vrftable = map(HasValue, _TABLES)
    in_table = Equals("action", _IN_TABLE)
    return [
        *rules,
        require(
            "encap-incomplete",
            "{action} needs `table` or `vrftable`",
            table | vrftable,
            when=in_table,
        ),
        forbid(
            "encap-contradiction",
            "{action} cannot have both `table` and `vrftable`",
            in_table & table & vrftable,
        ),
    ]


class Seg6LocalModel(Model):
    """What the end of an SRv6 segment does with its packets."""

    action: Action = Field(
        description="What the node does, as in RFC 8986: `End` goes on to the next segment,"
        " `End.DX…` and `End.DT…` take the packet out."
    )
    nh4: IPv4 | None = Field(None, description="Next router of End.DX4.")
    nh6: IPv6 | None = Field(None, description="Next router of End.X and End.DX6.")
    table: Table | None = Field(
        None, description="Routing table for the packets of End.T and End.DT6."
    )
    vrftable: Table | None = Field(
        None,
        description="Table of the VRF that gets the packets of End.DT4, End.DT6 and End.DT46; the"
        " node needs `sysctls: {net.vrf.strict_mode: 1}`.",
    )
    oif: InterfaceName | None = Field(
        None, description="Interface that gets the frames of End.DX2."
    )
    segments: Segments = Field(
        default_factory=empty_list,
        description="Further segments, for End.B6 and End.B6.Encaps.",
    )

    _keys = constraints(*_of_actions())

    @after
    def _few_segments(self) -> Self:
        check_number(self.segments)
        return self


class _TunnelModel(Model):
    id: Annotated[int, Before(integer(0, 2**32 - 1))] = Field(
        0, description="Number of the tunnel: the VNI, or the key of GRE (0)."
    )
    csum: Flag = Field(False, description="Add a checksum (false).")
    key: Flag = Field(False, description="Add the `id` as the key of GRE (false).")
    seq: Flag = Field(False, description="Number the packets (false).")


class IpEncapModel(_TunnelModel):
    """The outer IPv4 header that a route gives to the packets of an external tunnel."""

    dst: IPv4 | None = Field(None, description="Address of the tunnel's other end.")
    src: IPv4 | None = Field(None, description="Own address (the one that the kernel chooses).")
    ttl: _Byte = Field(0, description="TTL of the outer packets; 0 is that of the kernel (0).")
    tos: _Byte = Field(0, description="Type of service of the outer packets (0).")


class Ip6EncapModel(_TunnelModel):
    """The outer IPv6 header that a route gives to the packets of an external tunnel."""

    dst: IPv6 | None = Field(None, description="Address of the tunnel's other end.")
    src: IPv6 | None = Field(None, description="Own address (the one that the kernel chooses).")
    hoplimit: _Byte = Field(
        0, description="Hop limit of the outer packets; 0 is that of the kernel (0)."
    )
    tc: _Byte = Field(0, description="Traffic class of the outer packets (0).")


class EncapModel(Model):
    """What a route puts around packets, or takes off them: exactly one of the keys."""

    mpls: Annotated[MplsModel | None, Before(mpls_words)] = Field(
        None, description="Put labels of MPLS in front of the packets, the outermost first."
    )
    seg6: Seg6Model | None = Field(None, description="Send the packets by segments of SRv6.")
    seg6local: Seg6LocalModel | None = Field(
        None, description="End a segment of SRv6, whose address is the destination of the route."
    )
    ip: IpEncapModel | None = Field(
        None, description="Choose the IPv4 header of an external tunnel, which is the `dev`."
    )
    ip6: Ip6EncapModel | None = Field(
        None, description="Choose the IPv6 header of an external tunnel, which is the `dev`."
    )

    _one = constraints(
        require(
            "encap-is-one-of",
            "`encap` needs exactly one of `mpls`, `seg6`, `seg6local`, `ip` and `ip6`",
            OneKey(),
        )
    )

    def words(self) -> dict[str, Any]:
        """Return the content in the form of `netorch.netlink.encap.from_words`."""
        (name,) = self.model_fields_set
        model = getattr(self, name)
        if isinstance(model, MplsModel):
            return {"mpls": {"labels": model.labels, "ttl": model.ttl}}
        values = {}
        for key in type(model).model_fields:
            value = getattr(model, key)
            if value not in (None, []):
                values[key] = _plain(value)
        return {name: values}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [str(item) for item in value]
    return value if isinstance(value, bool | int | str) else str(value)
