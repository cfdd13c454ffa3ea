"""The lines of packets: headers of all kinds, and bytes of any kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.render import packet_text

MACS = "020000000002 020000000001"
V4 = "0a000001 0a000002"
V6 = "fe80 0000 0000 0000 0000 0000 0000 0001 ff02 0000 0000 0000 0000 0001 ff00 0002"


def ipv4(protocol: int, data: str, fragment: str = "0000") -> str:
    size = 20 + len(bytes.fromhex(data))
    return f"4500 {size:04x} 0000 {fragment} 40 {protocol:02x} 0000 {V4} {data}"


def ipv6(protocol: int, data: str) -> str:
    return f"60000000 {len(bytes.fromhex(data)):04x} {protocol:02x} ff {V6} {data}"


CASES = {
    f"{MACS} 0800 {ipv4(1, '0800 0000 0007 0003')}": "10.0.0.1 > 10.0.0.2 ICMP echo request id 7 seq 3",
    f"{MACS} 0800 {ipv4(1, '0301 0000 0000 0000')}": "10.0.0.1 > 10.0.0.2 ICMP unreachable code 1",
    f"{MACS} 0800 {ipv4(6, '0050 ff00 00000000 00000000 5012 0000 0000 0000')}": "10.0.0.1:80 > 10.0.0.2:65280 TCP SYN ACK",
    f"{MACS} 0800 {ipv4(6, '0050 ff00 00000000 00000000 5018 0000 0000 0000 616263')}": "10.0.0.1:80 > 10.0.0.2:65280 TCP ACK with 3 bytes",
    f"{MACS} 0800 {ipv4(17, 'ff00 0035 000a 0000 0000')}": "10.0.0.1:65280 > 10.0.0.2:53 UDP DNS with 2 bytes",
    f"{MACS} 0800 {ipv4(17, 'aaaa', '0010')}": "10.0.0.1 > 10.0.0.2 UDP fragment at byte 128",
    f"{MACS} 0800 {ipv4(89, '')}": "10.0.0.1 > 10.0.0.2 OSPF",
    f"{MACS} 0800 {ipv4(200, '')}": "10.0.0.1 > 10.0.0.2 protocol 200",
    f"{MACS} 0800 {ipv4(4, ipv4(1, '0000 0000 0007 0003'))}": "10.0.0.1 > 10.0.0.2 IP in IP: 10.0.0.1 > 10.0.0.2 ICMP echo reply id 7 seq 3",
    f"{MACS} 8100 000a 0800 {ipv4(1, '0800 0000 0007 0003')}": "vlan 10 10.0.0.1 > 10.0.0.2 ICMP echo request id 7 seq 3",
    f"{MACS} 88a8 0005 8100 000a 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002": "vlan 5 vlan 10 10.0.0.1 > 10.0.0.2 ARP who has 10.0.0.2",
    f"{MACS} 0806 0001 0800 06 04 0002 020000000001 0a000001 000000000000 0a000002": "10.0.0.1 > 10.0.0.2 ARP 10.0.0.1 is at 02:00:00:00:00:01",
    f"{MACS} 86dd {ipv6(58, '87 00 0000 00000000 fe80 0000 0000 0000 0000 0000 0000 0002')}": "fe80::1 > ff02::1:ff00:2 ICMPv6 neighbour solicitation of fe80::2",
    f"{MACS} 86dd {ipv6(0, '3a00 0502 0000 0100 8f 00 0000 0000 0000')}": "fe80::1 > ff02::1:ff00:2 ICMPv6 listener report",
    f"{MACS} 86dd {ipv6(44, '1100 0101 00000000 aaaa')}": "fe80::1 > ff02::1:ff00:2 UDP fragment at byte 256",
    f"{MACS} 86dd {ipv6(17, '0222 0223 0008 0000')}": "[fe80::1]:546 > [ff02::1:ff00:2]:547 UDP DHCPv6",
    f"{MACS} 88cc 00": "02:00:00:00:00:01 > 02:00:00:00:00:02 LLDP",
    f"{MACS} 0026 42 42 03": "02:00:00:00:00:01 > 02:00:00:00:00:02 STP",
    f"{MACS} 1234": "02:00:00:00:00:01 > 02:00:00:00:00:02 EtherType 0x1234",
    f"{MACS} 0800 45": "IPv4 (cut)",
    "02": "(cut)",
}


@pytest.mark.parametrize("frame", CASES)
def test_a_line(frame: str) -> None:
    data = bytes.fromhex(frame)
    line = packet_text.line(10**9 + 5000, "r1:eth0", "in", data, 99, ethernet=True)
    clock, place, direction, text = line.split(maxsplit=3)
    assert clock.endswith(".000005") and (place, direction) == ("r1:eth0", "in")
    assert text == f"{CASES[frame]}, 99 bytes"


def test_a_packet_without_an_ethernet_header() -> None:
    data = bytes.fromhex(ipv4(1, "0800 0000 0007 0003"))
    line = packet_text.line(0, "r1:tun0", "out", data, 28, ethernet=False)
    assert line.endswith("r1:tun0 out 10.0.0.1 > 10.0.0.2 ICMP echo request id 7 seq 3, 28 bytes")


@given(st.binary(max_size=90), st.booleans(), st.sampled_from(["", MACS + "0800", MACS + "86dd"]))
def test_any_bytes_are_a_printable_line(data: bytes, ethernet: bool, head: str) -> None:
    assert packet_text.line(
        0, "a:\x1b[2J", "in", bytes.fromhex(head) + data, 9, ethernet=ethernet
    ).isprintable()


@pytest.mark.parametrize("frame", CASES)
def test_the_beginning_of_a_packet_is_a_line(frame: str) -> None:
    data = bytes.fromhex(frame)
    for size in range(len(data)):
        assert packet_text.line(0, "a:b", "in", data[:size], 9, ethernet=True)
