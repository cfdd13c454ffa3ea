"""The models for the port of a bridge.

They are the same under an interface, under a membership, and for a bridge's own port.
"""

import re
from typing import Annotated, Self

from netorch.language.model import Before, Field, Model, after
from netorch.language.scalars import Flag, Mac, empty_list, integer, mac, one_or_many, wrong
from netorch.language.schema_shapes import accepts, decimal, of, or_scalar, whole_number

LAST_VLAN = 4094

Range = tuple[int, int]
"""The first and the last VLAN."""


_VLAN = f"0{{0,3}}{decimal(1, LAST_VLAN)}"


@accepts(
    whole_number(1, LAST_VLAN, f"{_VLAN}-{_VLAN}", "VLAN, or range such as 20-30")
    | {"examples": [10, "20-30"]}
)
def vlan_range(value: object) -> Range:
    """Parse a VLAN, or a range of VLANs such as `20-30`."""
    if isinstance(value, tuple):
        return value
    match = re.fullmatch(r"([0-9]{1,4})-([0-9]{1,4})", value) if isinstance(value, str) else None
    number = integer(1, LAST_VLAN)
    first, last = (number(match[1]), number(match[2])) if match else (number(value),) * 2
    if first > last:
        wrong(f"{value!r} is not a range: {last} comes before {first}", "bad-range")
    return first, last


class PortVlanModel(Model):
    """VLANs of a port; the short form is the number or the range alone."""

    id: Annotated[Range, Before(vlan_range)] = Field(
        description="VLAN, or range of VLANs such as `20-30`."
    )
    untagged: Flag | None = Field(
        None,
        description="Send the frames of these VLANs without a tag (true for the `pvid`, else"
        " false).",
    )


@accepts(or_scalar(of(vlan_range)))
def port_vlan(value: object) -> object:
    return value if isinstance(value, dict) else {"id": value}


class PortFdbModel(Model):
    """A MAC address behind the port; the short form is the MAC address alone."""

    mac: Mac = Field(description="MAC address that the bridge reaches through this port.")
    vlan: Annotated[int, Before(integer(1, LAST_VLAN))] | None = Field(
        None, description="VLAN in which it is (all VLANs of the port)."
    )


@accepts(or_scalar(of(mac)))
def port_mac(value: object) -> object:
    return value if isinstance(value, dict) else {"mac": value}


class PortModel(Model):
    """How a bridge treats one of its ports."""

    pvid: Annotated[int, Before(integer(0, LAST_VLAN))] | None = Field(
        None,
        description="VLAN for frames that arrive without a tag. Its own frames leave without a tag."
        " 0 means none (the bridge's `vlan_default_pvid`).",
    )
    vlans: Annotated[list[Annotated[PortVlanModel, Before(port_vlan)]], Before(one_or_many)] = (
        Field(
            default_factory=empty_list,
            description="Further VLANs of the port. Their frames leave with a tag unless the entry"
            " says `untagged`: `[10, 20-30, {id: 40, untagged: true}]`.",
        )
    )
    hairpin: Flag = Field(
        False, description="Send frames back out of the port by which they came in (false)."
    )
    isolated: Flag = Field(
        False, description="Forward no frames between this port and other isolated ports (false)."
    )
    learning: Flag = Field(True, description="Learn the MAC addresses behind the port (true).")
    neigh_suppress: Flag = Field(
        False,
        description="Do not send ARP and neighbour solicitations out of the port that the bridge"
        " itself can answer, from its neighbour entries (false).",
    )
    cost: Annotated[int, Before(integer(1, 65535))] | None = Field(
        None, description="Path cost in STP (by the speed; 2 for a veth)."
    )
    priority: Annotated[int, Before(integer(0, 63))] = Field(
        32, description="Priority in STP; the port with the lowest value wins (32)."
    )

    fdb: Annotated[list[Annotated[PortFdbModel, Before(port_mac)]], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="MAC addresses behind the port that the bridge does not have to learn.",
    )

    @after
    def _each_once(self) -> Self:
        seen: set[int] = set()
        for entry in self.vlans:
            first, last = entry.id
            if twice := seen.intersection(range(first, last + 1)):
                wrong(f"VLAN {min(twice)} appears twice: remove one of them")
            seen.update(range(first, last + 1))
        return self

    def memberships(self, default_pvid: int) -> tuple[int, dict[int, bool]]:
        """Return the PVID (0 for none) and the VLANs of the port.

        Each VLAN is mapped to whether its frames leave without a tag.
        """
        pvid = default_pvid if self.pvid is None else self.pvid
        vlans: dict[int, bool] = {pvid: True} if pvid else {}
        for entry in self.vlans:
            for vlan in range(entry.id[0], entry.id[1] + 1):
                vlans[vlan] = vlan == pvid if entry.untagged is None else entry.untagged
        return pvid, vlans
