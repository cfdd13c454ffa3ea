"""VLANs of ports of a bridge, including the bridge's own port, if the bridge filters VLANs.

See `vlan` in bridge(8), and net/bridge/br_vlan.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import ClassVar, NamedTuple, Self

from netorch.kinds.base.link import link_key
from netorch.kinds.port import port_key
from netorch.netlink.constants import (
    BRIDGE_VLAN_INFO_PVID,
    BRIDGE_VLAN_INFO_UNTAGGED,
    IFLA_BR_VLAN_DEFAULT_PVID,
    IFLA_BR_VLAN_FILTERING,
)
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Request, VlanAdd, VlanDel
from netorch.values.snapshot import LinkRecord

Vlans = tuple[tuple[int, bool], ...]
"""VLANs in ascending order, each with whether its frames leave without a tag."""


def vlans_key(netns: str, link: str) -> Key:
    return Key("vlans", netns, link)


class Tag(Enum):
    """Whether frames leave with a tag. DEFAULT: as usual for the VLAN."""

    DEFAULT = ""
    TAGGED = "tagged"
    UNTAGGED = "untagged"


class VlanRange(NamedTuple):
    """The VLANs from `first` to `last`. All ranges of a port have different values of `first`."""

    first: int
    last: int
    tag: Tag

    def __str__(self) -> str:
        ids = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{ids} {self.tag.value}".rstrip()


@observed
class PortVlans(NoForeignObjects, Resource):
    """The VLANs of a port of a bridge."""

    KIND: ClassVar[str] = "vlans"
    HINTS: ClassVar[tuple[str, ...]] = ("default",)
    netns: str
    link: str
    bridge: str
    pvid: int
    """The VLAN for frames without a tag; 0 means none."""
    vlans: Vlans
    default: int = 1
    """The default PVID of the bridge, which a port gets when it joins."""

    @property
    def own(self) -> bool:
        """Whether it is the bridge's own port."""
        return self.link == self.bridge

    @property
    def key(self) -> Key:
        return vlans_key(self.netns, self.link)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (
            link_key(self.netns, self.link),
            *(() if self.own else (port_key(self.netns, self.link),)),
        )

    @property
    def needs(self) -> tuple[Key, ...]:
        return (link_key(self.netns, self.bridge),)

    @property
    def part_of(self) -> Key | None:
        return link_key(self.netns, self.link)

    @classmethod
    def links(cls) -> frozenset[str]:
        return frozenset(("bridge",))

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links:
            bridge = link if link.kind == "bridge" else view.links.get(link.master)
            if bridge is not None and filters_vlans(view, bridge):
                flags = view.netns.vlans.get(link.index, {})
                pvid = next(
                    (vlan for vlan, flag in flags.items() if flag & BRIDGE_VLAN_INFO_PVID), 0
                )
                vlans = tuple(
                    (vlan, bool(flags[vlan] & BRIDGE_VLAN_INFO_UNTAGGED)) for vlan in sorted(flags)
                )
                yield cls(
                    netns=view.label,
                    link=link.name,
                    bridge=bridge.name,
                    pvid=pvid,
                    vlans=vlans,
                    default=default_pvid(bridge),
                )

    def create(self) -> Iterable[Request]:
        return self.update(self._untouched()) or ()

    def update(self, before: Self) -> Sequence[Request] | None:
        mine, theirs = self._flags(), before._flags()
        requests: list[Request] = []
        if new := {vlan: flags for vlan, flags in mine.items() if theirs.get(vlan) != flags}:
            requests.append(VlanAdd(self.netns, self.link, self.own, ranges(new)))
        if gone := {vlan: 0 for vlan in theirs if vlan not in mine}:
            requests.append(VlanDel(self.netns, self.link, self.own, ranges(gone)))
        return requests

    def delete(self) -> Iterable[Request]:
        return self._untouched().update(self) or ()

    def attributes(self) -> Mapping[str, str]:
        listed = self.listed()
        return {
            "pvid": str(self.pvid) if self.pvid else "none",
            **({"vlans": ", ".join(map(str, listed))} if listed else {}),
        }

    def listed(self) -> list[VlanRange]:
        """Return the VLANs in order, without a PVID whose frames leave untagged, as is usual."""
        flags_of = {
            vlan: untagged * BRIDGE_VLAN_INFO_UNTAGGED
            for vlan, untagged in self.vlans
            if vlan != self.pvid
        }
        entries = [
            VlanRange(first, last, Tag.UNTAGGED if flags else Tag.DEFAULT)
            for first, last, flags in ranges(flags_of)
        ]
        entries += [
            VlanRange(vlan, vlan, Tag.TAGGED)
            for vlan, untagged in self.vlans
            if vlan == self.pvid and not untagged
        ]
        return sorted(entries, key=lambda entry: entry.first)

    def title(self) -> str:
        return f"link {label_text(self.netns)}/{self.link}"

    def _untouched(self) -> Self:
        vlans = ((self.default, True),) if self.default else ()
        return type(self)(
            netns=self.netns,
            link=self.link,
            bridge=self.bridge,
            pvid=self.default,
            vlans=vlans,
            default=self.default,
        )

    def _flags(self) -> dict[int, int]:
        return {
            vlan: (BRIDGE_VLAN_INFO_PVID if vlan == self.pvid else 0)
            | (BRIDGE_VLAN_INFO_UNTAGGED if untagged else 0)
            for vlan, untagged in self.vlans
        }


def ranges(vlans: Mapping[int, int]) -> tuple[tuple[int, int, int], ...]:
    """Return consecutive VLANs with the same flags as (first, last, flags).

    A PVID is never part of a longer range.
    """
    result: list[tuple[int, int, int]] = []
    for vlan in sorted(vlans):
        flags = vlans[vlan]
        if result and result[-1][1:] == (vlan - 1, flags) and not flags & BRIDGE_VLAN_INFO_PVID:
            result[-1] = (result[-1][0], vlan, flags)
        else:
            result.append((vlan, vlan, flags))
    return tuple(result)


def default_pvid(bridge: LinkRecord) -> int:
    payload = bridge.data.get(IFLA_BR_VLAN_DEFAULT_PVID)
    return 1 if payload is None else int.from_bytes(payload, "little")


def filters_vlans(view: View, bridge: LinkRecord) -> bool:
    return (
        bridge.kind == "bridge"
        and view.owns(bridge)
        and any(bridge.data.get(IFLA_BR_VLAN_FILTERING, b""))
    )
