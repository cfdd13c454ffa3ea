"""A VRF: a routing table of its own for some links of a namespace (drivers/net/vrf.c)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from netorch.kinds.base.standalone import Attribute, SoloLink, SoloWords
from netorch.kinds.port import MasterWords
from netorch.language.scalars import Table, wrong
from netorch.language.schema_shapes import Rules, never, one_of
from netorch.netlink.attribute_types import U32
from netorch.netlink.constants import RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN
from netorch.state.registry import interface_words, observed

IFLA_VRF_TABLE = 1
MTU = 65575
"""Of a new one (IP6_MAX_MTU): nothing is ever too large for it."""
_TAKEN = {RT_TABLE_DEFAULT: "default", RT_TABLE_MAIN: "main", RT_TABLE_LOCAL: "local"}


@observed
class Vrf(SoloLink):
    # the rule that leads to the tables of all VRFs is the kernel's: it makes it with the first VRF of a namespace, and never again
    KIND: ClassVar[str] = "vrf"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_NET_VRF", "vrf")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (Attribute("table", IFLA_VRF_TABLE, U32),)
    table: int = -1


@interface_words("vrf")
class VrfWords(MasterWords, SoloWords):
    """A routing table of its own for its ports, which keep their addresses. What a node does over them looks there alone."""

    MAKES: ClassVar[type[SoloLink]] = Vrf
    TAKES_PORTS: ClassVar[bool] = True
    RULES: ClassVar[Rules] = (
        never("This table is everybody's who is in no VRF.", one_of("table", _TAKEN)),
    )
    kind: Literal["vrf"] = "vrf"
    table: Table = Field(
        description="Its routing table, where no other VRF of the node has its routes."
    )

    @field_validator("table")
    @classmethod
    def _its_own(cls, table: int) -> int:
        if table in _TAKEN:
            wrong(f"table {table} is {_TAKEN[table]}, which everything uses that is in no VRF")
        return table

    def default_mtu(self, parent: int | None) -> int:
        return MTU
