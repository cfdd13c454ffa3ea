"""The keys of a bond."""

from typing import Annotated, Any, ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.bond import WATCHING, WITH_PRIMARY, Bond
from netorch.language.constraints import Equals, HasKey, HasValue, constraints, forbid
from netorch.language.model import Before, Field
from netorch.language.scalars import InterfaceName, integer
from netorch.topology.interfaces.master import MasterModel
from netorch.topology.interfaces.standalone import StandaloneModel


class BondModel(MasterModel, StandaloneModel):
    """Several links combined into one.

    The ports take the MTU of the bond, and have no IP addresses. They also take its MAC address,
    except in the modes balance-tlb and balance-alb.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Bond
    TAKES_PORTS: ClassVar[bool] = True
    kind: Literal["bond"] = "bond"
    mode: Literal[
        "balance-rr",
        "active-backup",
        "balance-xor",
        "broadcast",
        "802.3ad",
        "balance-tlb",
        "balance-alb",
    ] = Field(
        "balance-rr",
        description="How the bond distributes frames over its ports, or whether it uses only one"
        " port at a time (balance-rr).",
    )
    miimon: Annotated[int, Before(integer(0, 2**31 - 1))] | None = Field(
        None,
        description="Milliseconds between two checks of the ports' carrier. With 0 the bond never"
        " checks, and so notices no failure"
        " (100 for 802.3ad, balance-tlb and balance-alb, else 0).",
    )
    lacp_rate: Literal["slow", "fast"] = Field(
        "slow",
        description="In mode 802.3ad, `slow` asks for a LACP packet every 30 seconds and `fast` for"
        " one every second (slow).",
    )
    xmit_hash_policy: Literal[
        "layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac"
    ] = Field(
        "layer2",
        description="In modes balance-xor, 802.3ad and balance-tlb: the header fields by which the"
        " bond chooses the port for a frame (layer2).",
    )
    primary: InterfaceName | None = Field(
        None,
        description="In modes active-backup, balance-tlb and balance-alb: the port that the bond"
        " uses whenever it works (none).",
    )

    _keys_of_modes = constraints(
        forbid(
            "bond-lacp-rate-needs-8023ad",
            "`lacp_rate` is for mode 802.3ad, not for {mode}",
            HasKey("lacp_rate") & ~Equals("mode", "802.3ad"),
        ),
        forbid(
            "bond-mode-has-no-primary",
            f"mode {{mode}} has no primary port: `primary` is for {', '.join(WITH_PRIMARY)}",
            HasValue("primary") & ~Equals("mode", WITH_PRIMARY),
        ),
    )

    def values(self) -> dict[str, Any]:
        watched = 100 if self.mode in WATCHING else 0
        return StandaloneModel.values(self) | {
            "miimon": watched if self.miimon is None else self.miimon
        }
