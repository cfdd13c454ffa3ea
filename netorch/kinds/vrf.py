"""VRFs, which give some links of a namespace a routing table of their own (drivers/net/vrf.c)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from netorch.kinds.base.standalone import Attribute, StandaloneLink, StandaloneModel
from netorch.kinds.port import MasterModel
from netorch.language.constraints import Equals, constraints, forbid
from netorch.language.scalars import Table, integer
from netorch.netlink.attribute_types import U32
from netorch.netlink.constants import (
    IFLA_VRF_TABLE,
    RT_TABLE_DEFAULT,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
)
from netorch.state.registry import interface_model, observed

MTU = 65575
"""The MTU of a new VRF (IP6_MAX_MTU), which every packet fits."""
_TAKEN = {RT_TABLE_DEFAULT: "default", RT_TABLE_MAIN: "main", RT_TABLE_LOCAL: "local"}


@observed
class Vrf(StandaloneLink):
    """A VRF.

    The policy rule that leads to the tables of all VRFs is not managed here: the kernel makes it
    with the first VRF of a namespace, and never again.
    """

    KIND: ClassVar[str] = "vrf"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_NET_VRF", "vrf")
    MTUS: ClassVar[tuple[int, int]] = (1280, MTU)
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (Attribute("table", IFLA_VRF_TABLE, U32),)
    table: int = -1


@interface_model("vrf")
class VrfModel(MasterModel, StandaloneModel):
    """A routing table for some interfaces of a node, the ports of the VRF. They keep their
    addresses, and only this table routes the packets over them.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Vrf
    TAKES_PORTS: ClassVar[bool] = True
    kind: Literal["vrf"] = "vrf"
    mtu: Annotated[int, BeforeValidator(integer(*Vrf.MTUS))] | None = Field(
        None, description="MTU in bytes, 1280 to 65575 (65575)."
    )
    table: Table = Field(
        description="Number of its routing table, different for each VRF of a node."
    )

    _own_table = constraints(
        *(
            forbid(
                "vrf-table-of-all",
                f"table {table} is {name}, which every interface that is in no VRF uses",
                Equals("table", table),
                at="table",
            )
            for table, name in _TAKEN.items()
        )
    )

    def default_mtu(self, parent: int | None) -> int:
        return MTU
