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


def _link(theirs: Any, plain: Any) -> LinkRecord:
    parts = dict(numbered(plain))
    info = dict(raw(parts[c.IFLA_LINKINFO])) if c.IFLA_LINKINFO in parts else {}
    names = last(theirs, "IFLA_PROP_LIST")
    return LinkRecord(
        theirs["index"],
        last(theirs, "IFLA_IFNAME") or "",
        theirs["flags"],
        last(theirs, "IFLA_MTU") or 0,
        parts.get(c.IFLA_ADDRESS, b""),
        word(info.get(c.IFLA_INFO_KIND, b"")),
        last(theirs, "IFLA_MASTER") or 0,
        last(theirs, "IFLA_LINK") or 0,
        last(theirs, "IFLA_LINK_NETNSID"),
        last(theirs, "IFLA_GROUP") or 0,
        last(theirs, "IFLA_IFALIAS") or "",
        last(theirs, "IFLA_TXQLEN") or 0,
        tuple(names.get_attrs("IFLA_ALT_IFNAME")) if names else (),
        dict(raw(info.get(c.IFLA_INFO_DATA, b""))),
        dict(raw(info.get(c.IFLA_INFO_SLAVE_DATA, b""))),
        last(theirs, "IFLA_QDISC") or "",
    )


def kind_data(data: bytes) -> list[tuple[int, str, Any]]:
    """IFLA_INFO_DATA in the order of the message: the number of each attribute, what pyroute2 calls it, and its value."""
    info, typed = (
        dict(numbered(read(RawLink, data))).get(c.IFLA_LINKINFO, b""),
        last(read(ifinfmsg, data), "IFLA_LINKINFO"),
    )
    theirs = last(typed, "IFLA_INFO_DATA") if typed else None
    if not isinstance(theirs, dict):
        return []
    numbers = [number for number, _ in raw(dict(raw(info))[c.IFLA_INFO_DATA])]
    return [
        (number, name, value)
        for number, (name, value) in zip(numbers, theirs["attrs"], strict=True)
    ]


def port_vlans(messages: Iterable[bytes]) -> dict[int, dict[int, int]]:
    found: dict[int, dict[int, int]] = {}
    for data in messages:
        theirs = read(ifinfmsg, data)
        here = found.setdefault(theirs["index"], {})
        spec = last(theirs, "IFLA_AF_SPEC")
        first = 0
        for entry in spec.get_attrs("IFLA_BRIDGE_VLAN_INFO") if spec else ():
            if entry["flags"] & c.BRIDGE_VLAN_INFO_RANGE_BEGIN:
                first = entry["vid"]
                continue
            begin = first if entry["flags"] & c.BRIDGE_VLAN_INFO_RANGE_END else entry["vid"]
            for vlan in range(begin, entry["vid"] + 1):
                here[vlan] = entry["flags"] & (
                    c.BRIDGE_VLAN_INFO_PVID | c.BRIDGE_VLAN_INFO_UNTAGGED
                )
    return found


def addresses(messages: Iterable[bytes]) -> list[AddressRecord]:
    return [
        _address(theirs)
        for data in messages
        if (theirs := read(ifaddrmsg, data))["family"] in INETS
    ]


def _address(theirs: Any) -> AddressRecord:
    address, local = packed(last(theirs, "IFA_ADDRESS")), packed(last(theirs, "IFA_LOCAL"))
    flags = last(theirs, "IFA_FLAGS")
    info = last(theirs, "IFA_CACHEINFO")
    times = None if info is None else (info["ifa_valid"], info["ifa_preferred"])
    return AddressRecord(
        theirs["family"],
        theirs["index"],
        local or address or b"",
        address or local or b"",
        theirs["prefixlen"],
        theirs["scope"],
        theirs["flags"] if flags is None else flags,
        last(theirs, "IFA_PROTO") or 0,
        None if times in (None, (2**32 - 1, 2**32 - 1)) else times,
        last(theirs, "IFA_RT_PRIORITY") or 0,
        last(theirs, "IFA_LABEL") or "",
    )
