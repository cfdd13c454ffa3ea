"""A bond: several links that are one (drivers/net/bonding; bond_options.c says which option changes when)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from netorch.kinds.base.link import link_key
from netorch.kinds.base.standalone import Attribute, StandaloneLink, StandaloneModel
from netorch.kinds.port import MasterModel, port_key
from netorch.language.constraints import Equals, HasKey, HasValue, constraints, forbid
from netorch.language.scalars import InterfaceName, integer
from netorch.netlink.attribute_types import U32, choice
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, interface_model, observed
from netorch.state.resource import Resource
from netorch.values.requests import Attrs, LinkSet, Request

(
    IFLA_BOND_MODE,
    IFLA_BOND_MIIMON,
    IFLA_BOND_PRIMARY,
    IFLA_BOND_XMIT_HASH_POLICY,
    IFLA_BOND_AD_LACP_RATE,
) = 1, 3, 11, 14, 21
MODES = {
    "balance-rr": 0,
    "active-backup": 1,
    "balance-xor": 2,
    "broadcast": 3,
    "802.3ad": 4,
    "balance-tlb": 5,
    "balance-alb": 6,
}
LACP_RATES = {"slow": 0, "fast": 1}
POLICIES = {
    "layer2": 0,
    "layer3+4": 1,
    "layer2+3": 2,
    "encap2+3": 3,
    "encap3+4": 4,
    "vlan+srcmac": 5,
}
WATCHING = frozenset(("802.3ad", "balance-tlb", "balance-alb"))
"""Modes that look at the carrier of their ports unless told not to (BOND_DEFAULT_MIIMON)."""
OWN_MACS = frozenset(("balance-tlb", "balance-alb"))
"""Modes in which the ports share out their own MACs among them."""
PREFERRING = ("active-backup", "balance-tlb", "balance-alb")
"""Modes that have a primary port."""


@observed
class Bond(StandaloneLink):
    """Its MAC is said when it is made, since without it takes that of its first port."""

    # lacp_rate changes while the bond is down, the mode while it has no ports: for both it is made anew
    KIND: ClassVar[str] = "bond"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_BONDING", "bonding")
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("mode", IFLA_BOND_MODE, choice(MODES)),
        Attribute("miimon", IFLA_BOND_MIIMON, U32, live=True),
        Attribute("lacp_rate", IFLA_BOND_AD_LACP_RATE, choice(LACP_RATES)),
        Attribute("xmit_hash_policy", IFLA_BOND_XMIT_HASH_POLICY, choice(POLICIES), live=True),
    )
    mode: str = "balance-rr"
    miimon: int = 0
    lacp_rate: str = "slow"
    xmit_hash_policy: str = "layer2"

    def data(self) -> Attrs:
        # in another mode the rate is refused, even the one that is there
        return tuple(
            pair
            for pair in StandaloneLink.data(self)
            if pair[0] != IFLA_BOND_AD_LACP_RATE or self.mode == "802.3ad"
        )


@interface_model("bond")
class BondModel(MasterModel, StandaloneModel):
    """Several links that are one. Its ports have its MAC and its MTU, and no addresses."""

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
        description="How frames are shared out among the ports, or which one has them all (balance-rr).",
    )
    miimon: Annotated[int, BeforeValidator(integer(0, 2**31 - 1))] | None = Field(
        None,
        description="How often the ports' carrier is looked at, in milliseconds; 0: never, so that no failure is noticed"
        " (100 for 802.3ad, balance-tlb and balance-alb, else 0).",
    )
    lacp_rate: Literal["slow", "fast"] = Field(
        "slow", description="802.3ad: a LACP packet every 30 seconds or every second (slow)."
    )
    xmit_hash_policy: Literal[
        "layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac"
    ] = Field(
        "layer2",
        description="balance-xor, 802.3ad, balance-tlb: what the port for a frame is chosen by (layer2).",
    )
    primary: InterfaceName | None = Field(
        None,
        description="active-backup, balance-tlb, balance-alb: the port that is used whenever it works (none).",
    )

    _keys_of_modes = constraints(
        forbid(
            "bond-lacp-rate-needs-8023ad",
            "`lacp_rate` is for mode 802.3ad, not for {mode}",
            HasKey("lacp_rate") & ~Equals("mode", "802.3ad"),
        ),
        forbid(
            "bond-mode-has-no-primary",
            f"mode {{mode}} prefers no port: `primary` is for {', '.join(PREFERRING)}",
            HasValue("primary") & ~Equals("mode", PREFERRING),
        ),
    )

    def values(self) -> dict[str, Any]:
        watched = 100 if self.mode in WATCHING else 0
        return StandaloneModel.values(self) | {
            "miimon": watched if self.miimon is None else self.miimon
        }


@observed
class Primary(NoForeignObjects, Resource):
    """That a bond prefers one of its ports: said when that has joined."""

    KIND: ClassVar[str] = "primary"
    netns: str
    bond: str
    port: str

    @property
    def key(self) -> Key:
        return primary_key(self.netns, self.bond)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return link_key(self.netns, self.bond), port_key(self.netns, self.port)

    @property
    def part_of(self) -> Key | None:
        return link_key(self.netns, self.bond)

    @classmethod
    def links(cls) -> frozenset[str]:
        return frozenset(("bond",))

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links:
            if link.kind == "bond" and (
                port := view.links.get(
                    int.from_bytes(link.data.get(IFLA_BOND_PRIMARY, b""), "little")
                )
            ):
                yield cls(view.label, link.name, port.name)

    def create(self) -> Iterable[Request]:
        return (
            LinkSet(self.netns, self.bond, kind="bond", links=((IFLA_BOND_PRIMARY, self.port),)),
        )

    def update(self, before: Self) -> Sequence[Request] | None:
        return list(self.create())

    def delete(self) -> Iterable[Request]:
        return (LinkSet(self.netns, self.bond, kind="bond", links=((IFLA_BOND_PRIMARY, ""),)),)

    def attributes(self) -> Mapping[str, str]:
        return {"primary": self.port}

    def absent(self) -> Mapping[str, str]:
        return {"primary": "none"}

    def title(self) -> str:
        return f"bond {label_text(self.netns)}/{self.bond}"


def primary_key(netns: str, bond: str) -> Key:
    return Key("primary", netns, bond)
