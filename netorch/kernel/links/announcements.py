"""Announce the addresses of links to their segments, so that neighbours do not send to an outdated
MAC.

An announcement is a gratuitous ARP (RFC 5227) or an unsolicited neighbour advertisement (RFC 4861,
7.2.6).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.probe.icmp import checksum
from netorch.kernel.reader import dump_links
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import attr, i32
from netorch.values.snapshot import AddressRecord, LinkRecord

_ETH_P_ARP, _ETH_P_IPV6 = 0x0806, 0x86DD
_ETHERNET, _IPV4, _REQUEST = 1, 0x0800, 1
_ICMPV6, _ADVERTISEMENT, _TARGET_LINK_LAYER_ADDRESS = 58, 136, 2
_ROUTER, _OVERRIDE = 0x80, 0x20
_HOPS = 255
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_BROADCAST = b"\xff" * 6
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_NOT_YET = c.IFA_F_TENTATIVE | c.IFA_F_DADFAILED


def announce(namespaces: Namespaces, links: Mapping[str, Collection[str]]) -> None:
    """Announce every address of the links (label → names) that are up. Runs in the worker's thread.

    Announcements that cannot be sent are left out: they only shorten the time until neighbours ask.
    """
    for label, names in links.items():
        netns = namespaces.find(label)
        if netns is None:
            continue
        rtnl = namespaces.rtnl(netns)
        frames = [*_frames(rtnl, names)]
        if not frames:
            continue
        namespaces.enter(netns)
        with (
            suppress(OSError),
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as sender,
        ):
            with suppress(OSError):
                # The announcement bypasses the qdisc of the link, which may lose or delay it.
                sender.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
            for name, frame in frames:
                with suppress(OSError):
                    sender.sendto(frame, (name, 0))


def announcement(mac: bytes, address: bytes, *, router: bool = False) -> bytes:
    """Return the Ethernet frame that tells all neighbours that the packed `address` is at `mac`.

    `router` is the router flag of an IPv6 node. A host forgets a default router that sends without
    it.
    """
    if len(address) == 4:
        header = struct.pack("!HHBBH", _ETHERNET, _IPV4, 6, 4, _REQUEST)
        arp = header + mac + address + bytes(6) + address
        return _BROADCAST + mac + struct.pack("!H", _ETH_P_ARP) + arp
    flags = _OVERRIDE | (_ROUTER if router else 0)
    body = bytes((flags, 0, 0, 0)) + address + bytes((_TARGET_LINK_LAYER_ADDRESS, 1)) + mac
    length = 4 + len(body)
    pseudo = address + _ALL_NODES + struct.pack("!II", length, _ICMPV6)
    head = struct.pack("!BB", _ADVERTISEMENT, 0)
    total = checksum(pseudo + head + bytes(2) + body)
    packet = struct.pack("!IHBB", 6 << 28, length, _ICMPV6, _HOPS) + address + _ALL_NODES
    message = head + struct.pack("!H", total) + body
    return _ALL_NODES_MAC + mac + struct.pack("!H", _ETH_P_IPV6) + packet + message


def _frames(rtnl: Rtnl, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Return the name of a link and a frame to send there, for each address that is in use."""
    links = {link.index: link for link in dump_links(rtnl) if link.name in names}
    routers: dict[int, bool] = {}
    for record in decode.addresses(rtnl.dump(c.RTM_GETADDR, bytes(8))):
        link = links.get(record.index)
        if link is None or not _can_announce(link) or record.flags & _NOT_YET or _is_local(record):
            continue
        if record.family == c.AF_INET6 and link.index not in routers:
            routers[link.index] = _is_router(rtnl, link.index)
        yield (
            link.name,
            announcement(link.mac, record.local, router=routers.get(link.index, False)),
        )


def _can_announce(link: LinkRecord) -> bool:
    return bool(link.flags & c.IFF_UP and not link.flags & c.IFF_NOARP and len(link.mac) == 6)


def _is_local(record: AddressRecord) -> bool:
    return record.local[0] == 127 if record.family == c.AF_INET else record.local[:15] == bytes(15)


def _is_router(rtnl: Rtnl, index: int) -> bool:
    payload = struct.pack("=B3x", c.AF_INET6) + attr(c.NETCONFA_IFINDEX, i32(index))
    [answer] = rtnl.get(c.RTM_GETNETCONF, (payload,))
    return bool(decode.forwarding(answer))
