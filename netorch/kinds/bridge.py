"""Bridges: learning switches in the kernel (net/bridge, br_netlink.c)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.base.link import Link, common_fields
from netorch.netlink.codec import u8, u16, u32
from netorch.netlink.constants import (
    IFLA_ADDRESS,
    IFLA_BR_AGEING_TIME,
    IFLA_BR_FORWARD_DELAY,
    IFLA_BR_HELLO_TIME,
    IFLA_BR_MAX_AGE,
    IFLA_BR_MCAST_QUERIER,
    IFLA_BR_MCAST_SNOOPING,
    IFLA_BR_PRIORITY,
    IFLA_BR_STP_STATE,
    IFLA_BR_TOPOLOGY_CHANGE,
    IFLA_BR_VLAN_DEFAULT_PVID,
    IFLA_BR_VLAN_FILTERING,
    IFLA_MTU,
)
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Attrs, Feature, LinkAdd, LinkSet, Request

MAX_MTU = 65535
AGEING_TIME = 30000
"""The ageing time of a new bridge, in centiseconds (BR_DEFAULT_AGEING_TIME)."""

VLAN_FILTERING = Feature(
    "VLAN filtering in bridges",
    "CONFIG_BRIDGE_VLAN_FILTERING",
    "",
    (LinkAdd("", "probe0", "bridge", data=((IFLA_BR_VLAN_FILTERING, u8(1)),)),),
)

_LEFT_ALONE = ((IFLA_ADDRESS, b""), (IFLA_MTU, u32(0)))


@observed
class Bridge(NoForeignObjects, Link):
    """A bridge. Times are in centiseconds.

    netorch always sets MTU and MAC address, because a bridge would otherwise take them from its
    ports. A bridge with an uplink takes those of the NIC, so they are 0 and "" and left alone.
    """

    KIND: ClassVar[str] = "bridge"
    HINTS: ClassVar[tuple[str, ...]] = ("in_change",)
    stp: bool = False
    priority: int = 32768
    forward_delay: int = 1500
    hello_time: int = 200
    max_age: int = 2000
    ageing_time: int = AGEING_TIME
    mcast_snooping: bool = True
    mcast_querier: bool = False
    vlan_filtering: bool = False
    vlan_default_pvid: int = 1
    in_change: bool = False
    """Whether STP is in a topology change, so that the ageing time is not known.

    For half a minute the kernel then reports another ageing time than the one that was set
    (__br_set_topology_change).
    """

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.made_links:
            if link.kind == "bridge":
                data = {
                    number: int.from_bytes(payload, "little")
                    for number, payload in link.data.items()
                    if len(payload) <= 4
                }
                in_change = bool(data.get(IFLA_BR_TOPOLOGY_CHANGE))
                yield cls(
                    **common_fields(view, link),
                    stp=bool(data.get(IFLA_BR_STP_STATE)),
                    priority=data.get(IFLA_BR_PRIORITY, 32768),
                    forward_delay=data.get(IFLA_BR_FORWARD_DELAY, 1500),
                    hello_time=data.get(IFLA_BR_HELLO_TIME, 200),
                    max_age=data.get(IFLA_BR_MAX_AGE, 2000),
                    ageing_time=AGEING_TIME
                    if in_change
                    else int.from_bytes(link.data.get(IFLA_BR_AGEING_TIME, b""), "little"),
                    mcast_snooping=bool(data.get(IFLA_BR_MCAST_SNOOPING, 1)),
                    mcast_querier=bool(data.get(IFLA_BR_MCAST_QUERIER)),
                    vlan_filtering=bool(data.get(IFLA_BR_VLAN_FILTERING)),
                    vlan_default_pvid=data.get(IFLA_BR_VLAN_DEFAULT_PVID, 1),
                    in_change=in_change,
                )

    @property
    def features(self) -> tuple[Feature, ...]:
        return (VLAN_FILTERING,) if self.vlan_filtering or self.vlan_default_pvid != 1 else ()

    def basic_attrs(self) -> Attrs:
        return tuple(pair for pair in Link.basic_attrs(self) if pair not in _LEFT_ALONE)

    def differs(self, before: Resource) -> bool:
        if self == before or not isinstance(before, Bridge):
            return self != before
        known = (
            replace(before, ageing_time=self.ageing_time, in_change=False)
            if before.in_change
            else before
        )
        return bool(self._data_against(known)) or bool(self.changed(before))

    def create(self) -> Iterator[Request]:
        plain = Bridge(
            netns=self.netns,
            name=self.name,
            mtu=self.mtu,
            mac=self.mac,
            group=self.group,
            alias=self.alias,
        )
        # The MTU of a bridge follows its ports until a request changes it (br_change_mtu). So
        # netorch makes the bridge with another MTU, and then changes it to the desired one.
        provisional = (
            replace(self, mtu=self.mtu + 1 if self.mtu < MAX_MTU else self.mtu - 1)
            if self.mtu
            else self
        )
        yield LinkAdd(
            self.netns,
            self.name,
            "bridge",
            provisional.before_joining().basic_attrs(),
            self._data_against(plain),
        )
        if self.mtu:
            yield LinkSet(self.netns, self.name, ((IFLA_MTU, u32(self.mtu)),))
        yield from self.naming()

    def update(self, before: Self) -> Sequence[Request] | None:
        requests = self.changed(before)
        if data := self._data_against(before):
            requests.append(LinkSet(self.netns, self.name, kind="bridge", data=data))
        return requests

    def attributes(self) -> Mapping[str, str]:
        plain = Bridge(
            netns=self.netns,
            name=self.name,
            mtu=self.mtu,
            mac=self.mac,
            group=self.group,
            alias=self.alias,
        )
        attributes = {
            name: text
            for name, text in self.common().items()
            if (name, text) not in {("mac", ""), ("mtu", "0")}
        }
        for name in SETTINGS:
            value = getattr(self, name)
            if value != getattr(plain, name):
                attributes[name] = str(value).lower() if isinstance(value, bool) else str(value)
        return attributes

    def _data_against(self, before: Self) -> Attrs:
        """Return the IFLA_BR_* attributes that differ.

        Times that differ by a centisecond count as equal, because the kernel rounds to its ticks.
        """
        data: list[tuple[int, bytes]] = []
        for number, mine, theirs in (
            (IFLA_BR_HELLO_TIME, self.hello_time, before.hello_time),
            (IFLA_BR_MAX_AGE, self.max_age, before.max_age),
            (IFLA_BR_FORWARD_DELAY, self.forward_delay, before.forward_delay),
            (IFLA_BR_AGEING_TIME, self.ageing_time, before.ageing_time),
        ):
            if abs(mine - theirs) > 1 or (number == IFLA_BR_AGEING_TIME and before.in_change):
                data.append((number, u32(mine)))
        if self.priority != before.priority:
            data.append((IFLA_BR_PRIORITY, u16(self.priority)))
        if self.mcast_snooping != before.mcast_snooping:
            data.append((IFLA_BR_MCAST_SNOOPING, u8(self.mcast_snooping)))
        if self.mcast_querier != before.mcast_querier:
            data.append((IFLA_BR_MCAST_QUERIER, u8(self.mcast_querier)))
        if self.vlan_default_pvid != before.vlan_default_pvid:
            data.append((IFLA_BR_VLAN_DEFAULT_PVID, u16(self.vlan_default_pvid)))
        if self.vlan_filtering != before.vlan_filtering:
            data.append((IFLA_BR_VLAN_FILTERING, u8(self.vlan_filtering)))
        if self.stp != before.stp:
            data.append((IFLA_BR_STP_STATE, u32(self.stp)))
        return tuple(data)


SETTINGS = tuple(
    name
    for name in Bridge.__struct_fields__
    if name not in Link.__struct_fields__ and name not in Bridge.HINTS
)
"""The fields that are keys of the file, in its order."""
