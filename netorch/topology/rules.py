"""Entries of a node's `rules`, which choose the routing table for a packet."""

from typing import Annotated, Literal, Self

from netorch.errors import did_you_mean
from netorch.language import schema_shapes
from netorch.language.constraints import Equals, HasValue, constraints, forbid, require
from netorch.language.model import Before, Field, Model, Plain, after
from netorch.language.publish import PortRange
from netorch.language.scalars import U32, Flag, InterfaceName, Subnet, Table, integer, wrong
from netorch.language.schema_shapes import accepts

_NUMBER = schema_shapes.numeral(0, 2**32 - 1)


@accepts(
    schema_shapes.whole_number(0, 2**32 - 1, f"(?:{_NUMBER})/(?:{_NUMBER})?", "mark, or MARK/MASK")
    | {"examples": [7, "0x10/0xff"]}
)
def firewall_mark(value: object) -> object:
    """Check that the value is a mark or `MARK/MASK`, and return it unchanged."""
    _value_and_mask(value)
    return value


def _value_and_mask(text: object) -> tuple[int, int]:
    number = integer(0, 2**32 - 1)
    value, _, mask = str(text).partition("/")
    return number(value), number(mask or "0xffffffff")


_PROTOCOLS = {
    **{"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47},
    **{"esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "sctp": 132},
}
"""Name of a protocol → its number (IPPROTO_…)."""


@accepts(
    schema_shapes.whole_number(
        1, 255, "|".join(_PROTOCOLS), "protocol such as tcp, udp or icmp, or its number"
    )
    | {"examples": ["tcp", 89]}
)
def ip_protocol(value: object) -> int:
    """Parse the name or the number of a protocol."""
    if isinstance(value, str) and not value.isdigit() and not value.startswith("0x"):
        if value not in _PROTOCOLS:
            guess = did_you_mean(value, _PROTOCOLS)
            rest = f". {guess}" if guess else f": use one of {', '.join(_PROTOCOLS)}, or its number"
            wrong(f"{value!r} is not a protocol{rest}")
        return _PROTOCOLS[value]
    return integer(1, 255)(value)


_UID = schema_shapes.numeral(0, 2**32 - 2)


@accepts(
    schema_shapes.whole_number(
        0, 2**32 - 2, f"(?:{_UID})-(?:{_UID})", "user ID, or range such as 1000-1999"
    )
    | {"examples": [1000, "1000-1999"]}
)
def user_range(value: object) -> tuple[int, int]:
    """Parse a user ID, or a range of them."""
    first, dash, last = str(value).partition("-")
    number = integer(0, 2**32 - 2)
    result = number(first), number(last) if dash else number(first)
    if result[1] < result[0]:
        wrong(f"{value} is not a range of user IDs: it ends before it starts", "bad-number")
    return result


@accepts(schema_shapes.whole_number(4, 252) | {"examples": [16, "0x10"]})
def type_of_service(value: object) -> int:
    """Parse a type of service whose last two bits, which ECN uses, are not set."""
    result = integer(4, 252)(value)
    if result % 4:
        wrong(
            f"{value} is not a multiple of 4: the last two bits of the type of service belong to"
            " ECN",
            "bad-number",
        )
    return result


class RuleModel(Model):
    """A policy routing rule, as in `ip rule add`."""

    source: Subnet | None = Field(None, alias="from", description="Source subnet.")
    to: Subnet | None = Field(None, description="Destination subnet.")
    iif: InterfaceName | None = Field(None, description="Incoming interface.")
    oif: InterfaceName | None = Field(
        None, description="Outgoing interface of packets that the node itself sends."
    )
    fwmark: Annotated[str | int, Before(firewall_mark)] | None = Field(
        None, description="Firewall mark, or `MARK/MASK`; numbers may be hexadecimal."
    )
    inverted: Flag = Field(
        False,
        alias="not",
        description="Hold for the packets that do not meet all the other conditions (false).",
    )
    ipproto: Annotated[int, Plain(ip_protocol)] | None = Field(
        None, description="Protocol of the packets: a name such as `tcp`, or its number."
    )
    sport: PortRange | None = Field(None, description="Source port, or a range.")
    dport: PortRange | None = Field(None, description="Destination port, or a range.")
    uidrange: Annotated[tuple[int, int], Plain(user_range)] | None = Field(
        None,
        description="User ID, or a range such as `1000-1999`, of the program that sends the"
        " packets.",
    )
    tos: Annotated[int, Plain(type_of_service)] | None = Field(
        None, description="Type of service of the packets, a multiple of 4 (any)."
    )
    suppress_prefixlength: Annotated[int, Before(integer(0, 128))] | None = Field(
        None,
        description="Ignore routes of the table whose prefix has this length or a smaller one: 0"
        " ignores its default route.",
    )
    table: Table | None = Field(
        None, description="Routing table; required for `lookup`, and not allowed otherwise."
    )
    priority: U32 | None = Field(
        None,
        description="Priority; the lowest one comes first"
        " (10000, 10001 … in the order of the list).",
    )
    action: Literal["lookup", "blackhole", "unreachable", "prohibit"] = Field(
        "lookup",
        description="Look in the table, or refuse the packets: silently, as unreachable or as"
        " prohibited (lookup).",
    )
    family: Literal["ipv4", "ipv6"] | None = Field(
        None, description="Address family of a rule without subnets (ipv4)."
    )

    _table = constraints(
        require(
            "rule-needs-table",
            "a rule with action lookup needs a `table`",
            HasValue("table"),
            when=Equals("action", "lookup"),
        ),
        forbid(
            "rule-takes-no-table",
            "a rule with action {action} cannot have a `table`: it drops the packets",
            ~Equals("action", "lookup") & HasValue("table"),
        ),
        forbid(
            "rule-takes-no-table",
            "a rule with action {action} cannot have `suppress_prefixlength`: it looks up no table",
            ~Equals("action", "lookup") & HasValue("suppress_prefixlength"),
        ),
    )

    @after
    def _one_ip_version(self) -> Self:
        versions: set[int] = {item.version for item in (self.source, self.to) if item is not None}
        if self.family:
            versions.add(int(self.family[-1]))
        if len(versions) > 1:
            wrong(
                "the rule mixes IPv4 and IPv6: use one of them, or write two rules",
                "mixed-families",
            )
        if self.version == 4 and (self.suppress_prefixlength or 0) > 32:
            wrong("`suppress_prefixlength` of an IPv4 rule is at most 32", "bad-number")
        return self

    @property
    def version(self) -> int:
        for item in (self.source, self.to):
            if item is not None:
                return item.version
        return 6 if self.family == "ipv6" else 4

    def mark(self) -> tuple[int, int] | None:
        """Return the value and the mask of `fwmark`."""
        return None if self.fwmark is None else _value_and_mask(self.fwmark)
