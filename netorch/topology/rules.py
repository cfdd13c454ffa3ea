"""Entries of a node's `rules`, which choose the routing table for a packet."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from netorch.language import schema_shapes
from netorch.language.constraints import Equals, HasValue, constraints, forbid, require
from netorch.language.scalars import U32, InterfaceName, Model, Subnet, Table, integer, wrong
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


class RuleModel(Model):
    """A policy routing rule, as in `ip rule add`."""

    source: Subnet | None = Field(None, alias="from", description="Source subnet.")
    to: Subnet | None = Field(None, description="Destination subnet.")
    iif: InterfaceName | None = Field(None, description="Incoming interface.")
    oif: InterfaceName | None = Field(
        None, description="Outgoing interface of packets that the node itself sends."
    )
    fwmark: Annotated[str | int, BeforeValidator(firewall_mark)] | None = Field(
        None, description="Firewall mark, or `MARK/MASK`; numbers may be hexadecimal."
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
    )

    @model_validator(mode="after")
    def _one_ip_version(self) -> Self:
        versions: set[int] = {item.version for item in (self.source, self.to) if item is not None}
        if self.family:
            versions.add(int(self.family[-1]))
        if len(versions) > 1:
            wrong(
                "the rule mixes IPv4 and IPv6: use one of them, or write two rules",
                "mixed-families",
            )
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
