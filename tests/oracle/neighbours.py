"""Neighbours and forwarding databases."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from pyroute2.netlink.rtnl.ndmsg import ndmsg

from netorch.netlink import constants as c
from netorch.values.policy import BridgeEntry, NeighbourEntry
from netorch.values.snapshot import NeighbourRecord
from tests.oracle.reading import INETS, last, link_address, packed, read


def neighbours(messages: Iterable[bytes]) -> list[NeighbourRecord]:
    result = []
    for parsed in (read(ndmsg, data) for data in messages):
        address, mac = packed(last(parsed, "NDA_DST")), link_address(last(parsed, "NDA_LLADDR"))
        stays = parsed["state"] & (c.NUD_PERMANENT | c.NUD_NOARP)
        noarp = not parsed["state"] & c.NUD_PERMANENT
        if (
            address is None
            or mac is None
            or not stays
            or parsed["flags"] & c.NTF_EXT_LEARNED
            or (noarp and parsed["family"] != c.AF_BRIDGE and mac and (mac[0] & 1 or not any(mac)))
            or (parsed["family"] == c.AF_BRIDGE and not parsed["flags"] & c.NTF_SELF)
        ):
            continue
        port, vni, index = (
            last(parsed, "NDA_PORT"),
            last(parsed, "NDA_VNI"),
            last(parsed, "NDA_IFINDEX"),
        )
        extra = (
            *(((c.NDA_PORT, struct.pack(">H", port)),) if port is not None else ()),
            *(((c.NDA_VNI, struct.pack("=I", vni)),) if vni is not None else ()),
            *(((c.NDA_IFINDEX, struct.pack("=I", index)),) if index is not None else ()),
        )
        result.append(
            NeighbourRecord(
                parsed["family"],
                parsed["ifindex"],
                address,
                mac,
                last(parsed, "NDA_PROTOCOL") or 0,
                extra,
                noarp,
            )
        )
    return result


def static_macs(messages: Iterable[bytes]) -> dict[int, list[tuple[bytes, int]]]:
    result: dict[int, list[tuple[bytes, int]]] = {}
    for parsed in (read(ndmsg, data) for data in messages):
        mac = link_address(last(parsed, "NDA_LLADDR"))
        foreign = parsed["flags"] & (c.NTF_EXT_LEARNED | c.NTF_SELF)
        if (
            parsed["state"] & c.NUD_NOARP
            and not foreign
            and last(parsed, "NDA_MASTER") is not None
            and mac is not None
        ):
            result.setdefault(parsed["ifindex"], []).append((mac, last(parsed, "NDA_VLAN") or 0))
    return result


def neighbour_table(messages: Iterable[bytes]) -> list[NeighbourEntry]:
    result = []
    for parsed in (read(ndmsg, data) for data in messages):
        address = packed(last(parsed, "NDA_DST"))
        if parsed["family"] in INETS and address is not None:
            mac = link_address(last(parsed, "NDA_LLADDR")) or b""
            index, state = parsed["ifindex"], parsed["state"]
            result.append(NeighbourEntry(parsed["family"], index, address, mac, state))
    return result


def bridge_entries(messages: Iterable[bytes]) -> list[BridgeEntry]:
    result = []
    for parsed in (read(ndmsg, data) for data in messages):
        mac, master = link_address(last(parsed, "NDA_LLADDR")), last(parsed, "NDA_MASTER")
        if parsed["family"] == c.AF_BRIDGE and mac is not None and master:
            result.append(
                BridgeEntry(
                    parsed["ifindex"],
                    master,
                    mac,
                    last(parsed, "NDA_VLAN") or 0,
                    bool(parsed["state"] & c.NUD_PERMANENT),
                    bool(parsed["flags"] & c.NTF_STICKY),
                )
            )
    return result
