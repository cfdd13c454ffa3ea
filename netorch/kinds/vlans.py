"""The VLANs of a bridge's port, or of the bridge's own port, where the bridge knows VLANs (bridge(8) `vlan`, net/bridge/br_vlan.c)."""

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
"""VLANs in order, each with whether its frames leave without a tag."""


def vlans_key(netns: str, link: str) -> Key:
    return Key("vlans", netns, link)


class Tag(Enum):
    """Whether frames leave with their tag, where that does not go without saying."""

    DEFAULT = ""
    TAGGED = "tagged"
    UNTAGGED = "untagged"


class VlanRange(NamedTuple):
    """VLANs from `first` to `last`. No two of a port have one `first`."""

    first: int
    last: int
    tag: Tag

    def __str__(self) -> str:
        ids = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{ids} {self.tag.value}".rstrip()


@observed
class PortVlans(NoForeignObjects, Resource):
    """`pvid` 0: none. `own`: the bridge's own port. `default`: the bridge's default PVID, which a port has that joins."""

    KIND: ClassVar[str] = "vlans"
    HINTS: ClassVar[tuple[str, ...]] = ("default",)
    netns: str
    link: str
    bridge: str
    pvid: int
    vlans: Vlans
    default: int = 1

    @property
    def own(self) -> bool:
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
        """The VLANs in order, without a PVID that leaves untagged as it goes without saying."""
        label_text = {
            vlan: untagged * BRIDGE_VLAN_INFO_UNTAGGED
            for vlan, untagged in self.vlans
            if vlan != self.pvid
        }
        found = [
            VlanRange(first, last, Tag.UNTAGGED if flags else Tag.DEFAULT)
            for first, last, flags in ranges(label_text)
        ]
        found += [
            VlanRange(vlan, vlan, Tag.TAGGED)
            for vlan, untagged in self.vlans
            if vlan == self.pvid and not untagged
        ]
        return sorted(found, key=lambda entry: entry.first)

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
    """Neighbours with the same flags as (first, last, flags); a PVID is never part of a range."""
    found: list[tuple[int, int, int]] = []
    for vlan in sorted(vlans):
        flags = vlans[vlan]
        if found and found[-1][1:] == (vlan - 1, flags) and not flags & BRIDGE_VLAN_INFO_PVID:
            found[-1] = (found[-1][0], vlan, flags)
        else:
            found.append((vlan, vlan, flags))
    return tuple(found)


def default_pvid(bridge: LinkRecord) -> int:
    payload = bridge.data.get(IFLA_BR_VLAN_DEFAULT_PVID)
    return 1 if payload is None else int.from_bytes(payload, "little")


def filters_vlans(view: View, bridge: LinkRecord) -> bool:
    return (
        bridge.kind == "bridge"
        and view.owns(bridge)
        and any(bridge.data.get(IFLA_BR_VLAN_FILTERING, b""))
    )
