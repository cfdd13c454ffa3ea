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
    found = []
    for theirs in (read(ndmsg, data) for data in messages):
        address, mac = packed(last(theirs, "NDA_DST")), link_address(last(theirs, "NDA_LLADDR"))
        stays = theirs["state"] & (c.NUD_PERMANENT | c.NUD_NOARP)
        noarp = not theirs["state"] & c.NUD_PERMANENT
        if (
            address is None
            or mac is None
            or not stays
            or theirs["flags"] & c.NTF_EXT_LEARNED
            or (noarp and theirs["family"] != c.AF_BRIDGE and mac[:1] and mac[0] & 1)
            or (theirs["family"] == c.AF_BRIDGE and not theirs["flags"] & c.NTF_SELF)
        ):
            continue
        port, vni, index = (
            last(theirs, "NDA_PORT"),
            last(theirs, "NDA_VNI"),
            last(theirs, "NDA_IFINDEX"),
        )
        extra = (
            *(((c.NDA_PORT, struct.pack(">H", port)),) if port is not None else ()),
            *(((c.NDA_VNI, struct.pack("=I", vni)),) if vni is not None else ()),
            *(((c.NDA_IFINDEX, struct.pack("=I", index)),) if index is not None else ()),
        )
        found.append(
            NeighbourRecord(
                theirs["family"],
                theirs["ifindex"],
                address,
                mac,
                last(theirs, "NDA_PROTOCOL") or 0,
                extra,
                noarp,
            )
        )
    return found


def static_macs(messages: Iterable[bytes]) -> dict[int, list[tuple[bytes, int]]]:
    found: dict[int, list[tuple[bytes, int]]] = {}
    for theirs in (read(ndmsg, data) for data in messages):
        mac = link_address(last(theirs, "NDA_LLADDR"))
        theirs_alone = theirs["flags"] & (c.NTF_EXT_LEARNED | c.NTF_SELF)
        if (
            theirs["state"] & c.NUD_NOARP
            and not theirs_alone
            and last(theirs, "NDA_MASTER") is not None
            and mac is not None
        ):
            found.setdefault(theirs["ifindex"], []).append((mac, last(theirs, "NDA_VLAN") or 0))
    return found


def neighbour_table(messages: Iterable[bytes]) -> list[NeighbourEntry]:
    found = []
    for theirs in (read(ndmsg, data) for data in messages):
        address = packed(last(theirs, "NDA_DST"))
        if theirs["family"] in INETS and address is not None:
            mac = link_address(last(theirs, "NDA_LLADDR")) or b""
            index, state = theirs["ifindex"], theirs["state"]
            found.append(NeighbourEntry(theirs["family"], index, address, mac, state))
    return found


def bridge_entries(messages: Iterable[bytes]) -> list[BridgeEntry]:
    found = []
    for theirs in (read(ndmsg, data) for data in messages):
        mac, master = link_address(last(theirs, "NDA_LLADDR")), last(theirs, "NDA_MASTER")
        if theirs["family"] == c.AF_BRIDGE and mac is not None and master:
            found.append(
                BridgeEntry(
                    theirs["ifindex"],
                    master,
                    mac,
                    last(theirs, "NDA_VLAN") or 0,
                    bool(theirs["state"] & c.NUD_PERMANENT),
                    bool(theirs["flags"] & c.NTF_STICKY),
                )
            )
    return found
