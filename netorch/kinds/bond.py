"""Bonds, which combine several links into one (drivers/net/bonding).

bond_options.c decides in which state of the bond each option can change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.kinds.base.link import link_key
from netorch.kinds.base.standalone import Attribute, StandaloneLink
from netorch.kinds.port import port_key
from netorch.netlink.attribute_types import U32, choice
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
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
"""Modes that watch the carrier of their ports by default (BOND_DEFAULT_MIIMON)."""
OWN_MACS = frozenset(("balance-tlb", "balance-alb"))
"""Modes in which the bond distributes the ports' own MAC addresses among the ports."""
WITH_PRIMARY = ("active-backup", "balance-tlb", "balance-alb")
"""Modes that have a primary port."""


@observed
class Bond(StandaloneLink):
    """A bond.

    netorch always sets its MAC address, because Linux would otherwise give it that of the first
    port. Linux changes `lacp_rate` only on a bond that is down, and `mode` only on one without
    ports, so netorch deletes the bond and makes it again.
    """

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
        # the kernel refuses lacp_rate in other modes, even with the value that it has already
        return tuple(
            pair
            for pair in StandaloneLink.data(self)
            if pair[0] != IFLA_BOND_AD_LACP_RATE or self.mode == "802.3ad"
        )


@observed
class Primary(NoForeignObjects, Resource):
    """Sets the primary port of a bond.

    It is set after the port has joined, because the kernel refuses a primary that is not a port.
    """

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
