"""Renders a packet as one line of text: its time, its place, its ends and its protocol.

It shows numbers only, so nothing in a packet can act on a terminal.
"""

from __future__ import annotations

import struct
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address

from netorch.errors import printable

_ETHERNET_HEADER = 14
_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_TAGS = frozenset((0x8100, 0x88A8, 0x9100))
_MAC_PROTOCOLS = {
    _ARP: "ARP",
    0x8847: "MPLS",
    0x8848: "MPLS",
    0x8863: "PPPoE",
    0x8864: "PPPoE",
    0x8809: "LACP",
    0x888E: "EAPOL",
    0x88CC: "LLDP",
    0x88E5: "MACsec",
    0x88F7: "PTP",
    0x9000: "loopback test",
}
"""The protocol of a frame by its EtherType."""
_SMALLEST_TYPE = 0x0600
_STP, _ISIS = 0x42, 0xFE
_SAPS = {_STP: "STP", _ISIS: "IS-IS", 0xAA: "SNAP"}
_HOP_BY_HOP, _ICMP, _IPIP, _TCP, _UDP, _IPV6_IN_IP, _FRAGMENT = 0, 1, 4, 6, 17, 41, 44
_ICMP6 = 58
_EXTENSIONS = frozenset((_HOP_BY_HOP, 43, 60))
_IP_PROTOCOLS = {
    2: "IGMP",
    47: "GRE",
    50: "ESP",
    51: "AH",
    88: "EIGRP",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
}
_UDP_PROTOCOLS = {
    53: "DNS",
    67: "DHCP",
    68: "DHCP",
    123: "NTP",
    520: "RIP",
    546: "DHCPv6",
    547: "DHCPv6",
    3784: "BFD",
    4789: "VXLAN",
    6081: "Geneve",
    8472: "VXLAN",
}
"""The protocol that usually has a UDP port."""
_TCP_FLAGS = ((2, "SYN"), (1, "FIN"), (4, "RST"), (16, "ACK"))
_ECHO = {(_ICMP, 8): "echo request", (_ICMP, 0): "echo reply"} | {
    (_ICMP6, 128): "echo request",
    (_ICMP6, 129): "echo reply",
}
_ICMP_TYPES = {
    (_ICMP, 3): "unreachable",
    (_ICMP, 5): "redirect",
    (_ICMP, 9): "router advertisement",
    (_ICMP, 10): "router solicitation",
    (_ICMP, 11): "time exceeded",
    (_ICMP, 12): "parameter problem",
    (_ICMP6, 1): "unreachable",
    (_ICMP6, 2): "packet too big",
    (_ICMP6, 3): "time exceeded",
    (_ICMP6, 4): "parameter problem",
    (_ICMP6, 130): "listener query",
    (_ICMP6, 131): "listener report",
    (_ICMP6, 132): "listener done",
    (_ICMP6, 133): "router solicitation",
    (_ICMP6, 134): "router advertisement",
    (_ICMP6, 135): "neighbour solicitation",
    (_ICMP6, 136): "neighbour advertisement",
    (_ICMP6, 137): "redirect",
    (_ICMP6, 143): "listener report",
}
_HAS_TARGET = frozenset(((_ICMP6, 135), (_ICMP6, 136)))
_CUT = "(cut)"


def line(
    stamp: int, place: str, direction: str, frame: bytes, length: int, *, ethernet: bool
) -> str:
    """Return the line of a packet.

    `stamp` is its time in nanoseconds since 1970, `place` its interface, `direction` a word such as
    `in`. `length` is the length of the packet on the link, of which `frame` may be only the
    beginning. Without `ethernet`, the packet begins with its IP header.
    """
    seconds, rest = divmod(stamp, 10**9)
    clock = datetime.fromtimestamp(seconds).strftime("%H:%M:%S")
    what = _frame(frame) if ethernet else _ip(frame)
    return f"{clock}.{rest // 1000:06} {printable(place)} {direction:3} {what}, {length} bytes"


def _frame(frame: bytes) -> str:
    """Describe an Ethernet frame."""
    if len(frame) < _ETHERNET_HEADER:
        return _CUT
    to, source, kind = frame[:6], frame[6:12], int.from_bytes(frame[12:14], "big")
    rest, tags = frame[_ETHERNET_HEADER:], ""
    while kind in _TAGS and len(rest) >= 4:
        tags += f"vlan {int.from_bytes(rest[:2], 'big') & 0xFFF} "
        kind, rest = int.from_bytes(rest[2:4], "big"), rest[4:]
    if kind in (_IPV4, _IPV6):
        return tags + _ip(rest)
    if kind == _ARP and len(rest) >= 28:
        return tags + _arp(rest)
    if kind < _SMALLEST_TYPE:
        name = _SAPS.get(rest[0], "LLC") if rest else "LLC"
    else:
        name = _MAC_PROTOCOLS.get(kind, f"EtherType 0x{kind:04x}")
    return f"{tags}{source.hex(':')} > {to.hex(':')} {name}"


def _arp(packet: bytes) -> str:
    operation = int.from_bytes(packet[6:8], "big")
    if packet[4:6] != b"\x06\x04":
        return "ARP"
    mac, sender, target = packet[8:14], IPv4Address(packet[14:18]), IPv4Address(packet[24:28])
    if operation == 1:
        return f"{sender} > {target} ARP who has {target}"
    if operation == 2:
        return f"{sender} > {target} ARP {sender} is at {mac.hex(':')}"
    return f"{sender} > {target} ARP operation {operation}"


def _ip(packet: bytes) -> str:
    """Describe an IP packet."""
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        return _ipv4(packet)
    if version == 6:
        return _ipv6(packet)
    return "not IP" if packet else _CUT


def _ipv4(packet: bytes) -> str:
    if len(packet) < 20:
        return f"IPv4 {_CUT}"
    header = (packet[0] & 0xF) * 4
    total, _, fragment = struct.unpack_from("!HHH", packet, 2)
    source, to = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
    offset = (fragment & 0x1FFF) * 8
    protocol = packet[9]
    if offset:
        return f"{source} > {to} {_protocol(protocol)} fragment at byte {offset}"
    return _transport(source, to, protocol, packet[header:], total - header)


def _ipv6(packet: bytes) -> str:
    if len(packet) < 40:
        return f"IPv6 {_CUT}"
    size, protocol = struct.unpack_from("!HB", packet, 4)
    source, to = str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40]))
    rest = packet[40:]
    while protocol in _EXTENSIONS and len(rest) >= 8:
        step = (rest[1] + 1) * 8
        protocol, rest, size = rest[0], rest[step:], size - step
    if protocol == _FRAGMENT and len(rest) >= 8:
        protocol, offset = rest[0], int.from_bytes(rest[2:4], "big") & ~7
        rest, size = rest[8:], size - 8
        if offset:
            return f"{source} > {to} {_protocol(protocol)} fragment at byte {offset}"
    return _transport(source, to, protocol, rest, size)


def _transport(source: str, to: str, protocol: int, data: bytes, size: int) -> str:
    """Describe what is in an IP packet. `size` is its full length, without the IP header."""
    ends = f"{source} > {to}"
    if protocol in (_TCP, _UDP) and len(data) >= 8:
        first, second = struct.unpack_from("!HH", data)
        ends = f"{_end(source, first)} > {_end(to, second)}"
        if protocol == _UDP:
            name = _UDP_PROTOCOLS.get(second) or _UDP_PROTOCOLS.get(first, "")
            return f"{ends} UDP {name}".rstrip() + _content(max(0, size - 8))
        if len(data) >= 14:
            words = [name for bit, name in _TCP_FLAGS if data[13] & bit]
            return f"{ends} TCP {' '.join(words)}".rstrip() + _content(size - (data[12] >> 4) * 4)
    if protocol in (_ICMP, _ICMP6) and len(data) >= 8:
        return f"{ends} {_icmp(protocol, data)}"
    if protocol in (_IPIP, _IPV6_IN_IP) and data:
        return f"{ends} IP in IP: {_ip(data)}"
    return f"{ends} {_protocol(protocol)}"


def _content(size: int) -> str:
    return f" with {size} bytes" if size > 0 else ""


def _icmp(protocol: int, data: bytes) -> str:
    name, key = _protocol(protocol), (protocol, data[0])
    if key in _ECHO:
        number, sequence = struct.unpack_from("!HH", data, 4)
        return f"{name} {_ECHO[key]} id {number} seq {sequence}"
    words = _ICMP_TYPES.get(key, f"type {data[0]}")
    if key in _HAS_TARGET and len(data) >= 24:
        return f"{name} {words} of {IPv6Address(data[8:24])}"
    return f"{name} {words}" + (f" code {data[1]}" if words == "unreachable" else "")


def _protocol(number: int) -> str:
    names = {_ICMP: "ICMP", _ICMP6: "ICMPv6", _TCP: "TCP", _UDP: "UDP", _IPIP: "IP in IP"}
    return names.get(number) or _IP_PROTOCOLS.get(number) or f"protocol {number}"


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
