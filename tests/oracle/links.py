"""Links, their VLANs and their addresses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from netorch.netlink import constants as c
from netorch.values.snapshot import AddressRecord, LinkRecord
from tests.oracle.reading import INETS, RawLink, last, numbered, packed, raw, read, word


def links(messages: Iterable[bytes]) -> list[LinkRecord]:
    return [_link(read(ifinfmsg, data), read(RawLink, data)) for data in messages]


def _link(parsed: Any, plain: Any) -> LinkRecord:
    parts = dict(numbered(plain))
    info = dict(raw(parts[c.IFLA_LINKINFO])) if c.IFLA_LINKINFO in parts else {}
    names = last(parsed, "IFLA_PROP_LIST")
    return LinkRecord(
        parsed["index"],
        last(parsed, "IFLA_IFNAME") or "",
        parsed["flags"],
        last(parsed, "IFLA_MTU") or 0,
        parts.get(c.IFLA_ADDRESS, b""),
        word(info.get(c.IFLA_INFO_KIND, b"")),
        last(parsed, "IFLA_MASTER") or 0,
        last(parsed, "IFLA_LINK") or 0,
        last(parsed, "IFLA_LINK_NETNSID"),
        last(parsed, "IFLA_GROUP") or 0,
        last(parsed, "IFLA_IFALIAS") or "",
        last(parsed, "IFLA_TXQLEN") or 0,
        tuple(names.get_attrs("IFLA_ALT_IFNAME")) if names else (),
        dict(raw(info.get(c.IFLA_INFO_DATA, b""))),
        dict(raw(info.get(c.IFLA_INFO_SLAVE_DATA, b""))),
        last(parsed, "IFLA_QDISC") or "",
    )


def kind_data(data: bytes) -> list[tuple[int, str, Any]]:
    """Return the attributes of IFLA_INFO_DATA in the order of the message.

    Each is its number, pyroute2's name for it, and its value.
    """
    info, typed = (
        dict(numbered(read(RawLink, data))).get(c.IFLA_LINKINFO, b""),
        last(read(ifinfmsg, data), "IFLA_LINKINFO"),
    )
    parsed = last(typed, "IFLA_INFO_DATA") if typed else None
    if not isinstance(parsed, dict):
        return []
    numbers = [number for number, _ in raw(dict(raw(info))[c.IFLA_INFO_DATA])]
    return [
        (number, name, value)
        for number, (name, value) in zip(numbers, parsed["attrs"], strict=True)
    ]


def port_vlans(messages: Iterable[bytes]) -> dict[int, dict[int, int]]:
    vlans: dict[int, dict[int, int]] = {}
    for data in messages:
        parsed = read(ifinfmsg, data)
        flags_by_vlan = vlans.setdefault(parsed["index"], {})
        spec = last(parsed, "IFLA_AF_SPEC")
        first = 0
        for entry in spec.get_attrs("IFLA_BRIDGE_VLAN_INFO") if spec else ():
            if entry["flags"] & c.BRIDGE_VLAN_INFO_RANGE_BEGIN:
                first = entry["vid"]
                continue
            begin = first if entry["flags"] & c.BRIDGE_VLAN_INFO_RANGE_END else entry["vid"]
            for vlan in range(begin, entry["vid"] + 1):
                flags_by_vlan[vlan] = entry["flags"] & (
                    c.BRIDGE_VLAN_INFO_PVID | c.BRIDGE_VLAN_INFO_UNTAGGED
                )
    return vlans


def addresses(messages: Iterable[bytes]) -> list[AddressRecord]:
    return [
        _address(parsed)
        for data in messages
        if (parsed := read(ifaddrmsg, data))["family"] in INETS
    ]


def _address(parsed: Any) -> AddressRecord:
    address, local = packed(last(parsed, "IFA_ADDRESS")), packed(last(parsed, "IFA_LOCAL"))
    flags = last(parsed, "IFA_FLAGS")
    info = last(parsed, "IFA_CACHEINFO")
    times = None if info is None else (info["ifa_valid"], info["ifa_preferred"])
    return AddressRecord(
        parsed["family"],
        parsed["index"],
        local or address or b"",
        address or local or b"",
        parsed["prefixlen"],
        parsed["scope"],
        parsed["flags"] if flags is None else flags,
        last(parsed, "IFA_PROTO") or 0,
        None if times in (None, (2**32 - 1, 2**32 - 1)) else times,
        last(parsed, "IFA_RT_PRIORITY") or 0,
        last(parsed, "IFA_LABEL") or "",
    )
