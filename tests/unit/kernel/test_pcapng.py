"""The blocks of a pcapng stream, decoded by the draft, and read by tcpdump and tshark."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from netorch.kernel.capture import pcapng
from netorch.kernel.capture.pcapng import ETHERNET, RAW_IP, Interface, Statistics
from tests.programs import require_program

STAMP = 1_700_000_000_123_456_789
FRAME = bytes.fromhex("ffffffffffff 020000000001 0800") + bytes.fromhex(
    "4500001c000000004001 66ce 0a000001 0a000002 0800 f7fe 0000 0001"
)


class Block(NamedTuple):
    kind: int
    body: bytes


def blocks(stream: bytes) -> Iterator[Block]:
    """Split a stream into its blocks. Both lengths of a block have to agree."""
    while stream:
        kind, size = struct.unpack_from("=II", stream)
        assert size % 4 == 0 and 12 <= size <= len(stream)
        assert struct.unpack_from("=I", stream, size - 4)[0] == size
        yield Block(kind, stream[8 : size - 4])
        stream = stream[size:]


def options(body: bytes) -> dict[int, bytes]:
    """Decode a list of options, which has to end with opt_endofopt."""
    values: dict[int, bytes] = {}
    while True:
        code, size = struct.unpack_from("=HH", body)
        if code == 0:
            assert size == 0 and len(body) == 4
            return values
        values[code] = body[4 : 4 + size]
        body = body[4 + size + -size % 4 :]


def test_a_section_header_has_the_version_of_the_program() -> None:
    (block,) = blocks(pcapng.section_header("netorch 1.2", "Linux 6.1"))
    assert block.kind == 0x0A0D0D0A
    assert struct.unpack_from("=IHHq", block.body) == (0x1A2B3C4D, 1, 0, -1)
    assert options(block.body[16:]) == {3: b"Linux 6.1", 4: b"netorch 1.2"}


def test_an_interface_has_a_name_and_nanoseconds() -> None:
    interface = Interface(
        "r1:eth0", RAW_IP, "of r1", "veth", b"\2\0\0\0\0\1", 128, "icmp", "Linux 6.1"
    )
    (block,) = blocks(pcapng.interface_description(interface))
    assert block.kind == 1 and struct.unpack_from("=HHI", block.body) == (101, 0, 128)
    assert options(block.body[8:]) == {
        2: b"r1:eth0",
        3: b"of r1",
        6: b"\2\0\0\0\0\1",
        9: b"\x09",
        11: b"\0icmp",
        12: b"Linux 6.1",
        15: b"veth",
    }
    (plain,) = blocks(pcapng.interface_description(Interface("é\udcff", ETHERNET)))
    assert options(plain.body[8:]) == {2: "é?".encode(), 9: b"\x09"}


@given(
    number=st.integers(0, 1 << 16),
    stamp=st.integers(0, (1 << 64) - 1),
    frame=st.binary(max_size=70),
    rest=st.integers(0, 9000),
    flags=st.integers(0, 31),
)
def test_a_packet(number: int, stamp: int, frame: bytes, rest: int, flags: int) -> None:
    (block,) = blocks(pcapng.packet(number, stamp, frame, len(frame) + rest, flags))
    interface, high, low, captured, length = struct.unpack_from("=IIIII", block.body)
    assert (block.kind, interface, high << 32 | low) == (6, number, stamp)
    assert (captured, length) == (len(frame), len(frame) + rest)
    assert block.body[20 : 20 + captured] == frame
    after = 20 + captured + -captured % 4
    assert options(block.body[after:]) == {2: struct.pack("=I", flags)}


def test_the_direction_of_a_packet() -> None:
    assert [pcapng.flags(kind) for kind in range(6)] == [0b101, 0b1101, 0b1001, 0b10001, 0b10, 0]


def test_statistics() -> None:
    counts = Statistics(STAMP, STAMP + 5, received=7, dropped=2, delivered=5)
    (block,) = blocks(pcapng.interface_statistics(3, counts))
    number, high, low = struct.unpack_from("=III", block.body)
    assert (block.kind, number, high << 32 | low) == (5, 3, STAMP + 5)
    words = options(block.body[12:])
    assert {code: struct.unpack("=Q", words[code])[0] for code in (4, 5, 6, 7, 8)} == {
        4: 7,
        5: 2,
        6: 7,
        7: 2,
        8: 5,
    }
    high, low = struct.unpack("=II", words[2])
    assert high << 32 | low == STAMP


def stream(*interfaces: Interface) -> bytes:
    packets = [
        pcapng.packet(
            number,
            STAMP + number,
            FRAME if interface.link_type == ETHERNET else FRAME[14:],
            len(FRAME),
            pcapng.OUTBOUND,
        )
        for number, interface in enumerate(interfaces)
    ]
    counts = Statistics(STAMP, STAMP + 9, 3, 1, 2)
    return b"".join(
        (
            pcapng.section_header("netorch 1.2", "Linux 6.1"),
            *map(pcapng.interface_description, interfaces),
            *packets,
            *(pcapng.interface_statistics(number, counts) for number in range(len(interfaces))),
        )
    )


def test_tcpdump_reads_it(tmp_path: Path) -> None:
    require_program("tcpdump")
    file = tmp_path / "x.pcapng"
    file.write_bytes(stream(Interface("r1:eth0", ETHERNET), Interface("r2:eth0", ETHERNET)))
    words = ["tcpdump", "-n", "-tt", "--nano", "-r", file]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [
        f"1700000000.{rest} IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 0, seq 1, length 8"
        for rest in (123456789, 123456790)
    ]


def test_wireshark_reads_it(tmp_path: Path) -> None:
    require_program("tshark")
    file = tmp_path / "x.pcapng"
    file.write_bytes(stream(Interface("r1:eth0", ETHERNET, "of r1"), Interface("r1:tun0", RAW_IP)))
    names = ("interface_name", "interface_description", "packet_flags_direction", "time_epoch")
    fields = [word for name in names for word in ("-e", f"frame.{name}")]
    words = ["tshark", "-r", file, "-T", "fields", *fields, "-e", "ip.dst"]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert [line.split("\t") for line in out.splitlines()] == [
        ["r1:eth0", "of r1", "0x00000002", "1700000000.123456789", "10.0.0.2"],
        ["r1:tun0", "", "0x00000002", "1700000000.123456790", "10.0.0.2"],
    ]
