"""The keys of a VRF."""

from typing import Annotated, ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.vrf import MTU, Vrf
from netorch.language.constraints import Equals, constraints, forbid
from netorch.language.model import Before, Field
from netorch.language.scalars import Table, integer
from netorch.netlink.constants import RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN
from netorch.topology.interfaces.master import MasterModel
from netorch.topology.interfaces.standalone import StandaloneModel

_TAKEN = {RT_TABLE_DEFAULT: "default", RT_TABLE_MAIN: "main", RT_TABLE_LOCAL: "local"}


class VrfModel(MasterModel, StandaloneModel):
    """A routing table for some interfaces of a node, the ports of the VRF. They keep their
    addresses, and only this table routes the packets over them.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Vrf
    TAKES_PORTS: ClassVar[bool] = True
    kind: Literal["vrf"] = "vrf"
    mtu: Annotated[int, Before(integer(*Vrf.MTUS))] | None = Field(
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
