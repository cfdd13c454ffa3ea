"""Delete what the kernel has learned about addresses: neighbours, MACs behind ports of bridges and
ends of tunnels, cached routes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.reader import dump_links
from netorch.kernel.system import sysctl
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.codec import attributes, message, pack
from netorch.netlink.decode import LearnedRecord, learned
from netorch.values.moves import Links, Moves

_NDMSG = struct.Struct("=B3xiHBB")
_RTMSG = struct.Struct("=BBBBBBBBI")
_ANY_FAMILY, _BRIDGES = _NDMSG.pack(0, 0, 0, 0, 0), _NDMSG.pack(c.AF_BRIDGE, 0, 0, 0, 0)
_CACHED_IPV6 = _RTMSG.pack(c.AF_INET6, 0, 0, 0, 0, 0, 0, 0, c.RTM_F_CLONED)
_FLUSH_IPV4 = "net/ipv4/route/flush"
_ECHOED = (c.NDA_DST, c.NDA_LLADDR, c.NDA_VLAN, c.NDA_PORT, c.NDA_VNI, c.NDA_IFINDEX)
"""The attributes that identify an entry, and so are sent with its deletion."""


def forget(namespaces: Namespaces, moves: Moves) -> None:
    """Delete learned entries about interfaces that have moved. Runs in the worker's thread.

    Entries that are permanent, static, or controlled by a daemon stay. An entry that no longer
    exists is not an error.
    """
    has_neighbours, has_macs = moves.places or moves.gone, moves.macs or moves.any_mac
    for label, names in moves.neighbours.items():
        if not has_neighbours and not (has_macs and label in moves.bridges):
            continue
        netns = namespaces.find(label)
        if netns is None:
            continue
        rtnl = namespaces.rtnl(netns)
        entries = []
        if has_neighbours:
            entries = [
                entry
                for entry in learned(rtnl.dump(c.RTM_GETNEIGH, _ANY_FAMILY))
                if entry.family != c.AF_BRIDGE and _is_wrong(entry, moves)
            ]
        if has_macs and label in moves.bridges:
            entries += [
                entry
                for entry in learned(rtnl.dump(c.RTM_GETNEIGH, _BRIDGES))
                if moves.any_mac or entry.attributes.get(c.NDA_LLADDR) in moves.macs
            ]
        if names is not None and entries:
            own_indices = {link.index for link in dump_links(rtnl) if link.name in names}
            entries = [entry for entry in entries if not own_indices.isdisjoint(_links(entry))]
        if entries:
            rtnl.send([_deletion(rtnl, entry) for entry in entries])


def forget_routes(namespaces: Namespaces, links: Links) -> None:
    """Delete the routes that the kernel has learned from others (ICMP redirects, path MTUs).

    This happens only in namespaces that belong to netorch as a whole. Runs in the worker's thread.
    """
    for label, names in links.items():
        netns = namespaces.find(label) if names is None else None
        if netns is None:
            continue
        namespaces.enter(netns)
        with suppress(OSError):
            sysctl.put(_FLUSH_IPV4, "1", namespaces.proc)
        _forget_ipv6_routes(namespaces.rtnl(netns))


def _forget_ipv6_routes(rtnl: Rtnl) -> None:
    with suppress(OSError):
        batch = []
        for kind, buffer, start, end in rtnl.dump(c.RTM_GETROUTE, _CACHED_IPV6):
            if kind == c.RTM_NEWROUTE:
                fields = _RTMSG.unpack_from(buffer, start)
                parts = attributes(buffer, start + _RTMSG.size, end)
                parts_to_send = [
                    (n, parts[n]) for n in (c.RTA_DST, c.RTA_OIF, c.RTA_GATEWAY) if n in parts
                ]
                payload = _RTMSG.pack(*fields[:8], c.RTM_F_CLONED) + pack(parts_to_send)
                seq = rtnl.next_seq()
                batch.append((seq, message(c.RTM_DELROUTE, c.NLM_F_REQUEST, seq, payload)))
        if batch:
            rtnl.send(batch)


def _is_wrong(entry: LearnedRecord, moves: Moves) -> bool:
    """Return whether the entry has an outdated MAC for a neighbour."""
    address, mac = entry.attributes.get(c.NDA_DST), entry.attributes.get(c.NDA_LLADDR)
    if address is not None and address in moves.places:
        return mac not in moves.places[address]
    return mac in moves.gone


def _links(entry: LearnedRecord) -> Iterator[int]:
    """Return the index of the entry's link, and of the bridge that has learned it."""
    yield entry.index
    if (master := entry.attributes.get(c.NDA_MASTER)) is not None:
        yield int.from_bytes(master, "little")


def _deletion(rtnl: Rtnl, entry: LearnedRecord) -> tuple[int, bytes]:
    of_bridge = entry.family == c.AF_BRIDGE and not entry.flags & c.NTF_SELF
    flags = c.NTF_MASTER if of_bridge else entry.flags & c.NTF_SELF
    parts = [(number, entry.attributes[number]) for number in _ECHOED if number in entry.attributes]
    payload = _NDMSG.pack(entry.family, entry.index, 0, flags, 0) + pack(parts)
    seq = rtnl.next_seq()
    return seq, message(c.RTM_DELNEIGH, c.NLM_F_REQUEST, seq, payload)
