"""Test that packets without a connection do not leave a network in mode nat.

No rule translates such a packet, so it would leave with a member's own address.
"""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.kernel.host import Host
from tests.kernel.wire import sniff

BACKENDS = ("nftables", "iptables")

# Takes a source and a destination of one IP version, then the names of the packets to send. A
# datagram from a plain socket is the last packet.
SENDER = """
import socket, struct, sys
source, target, *names = sys.argv[1:]
family = socket.AF_INET6 if ":" in source else socket.AF_INET
here, there = (socket.inet_pton(family, address) for address in (source, target))

def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

def with_checksum(data, place, protocol):
    pseudo = here + there + (struct.pack(">BBH", 0, protocol, len(data)) if family == socket.AF_INET else struct.pack(">II", len(data), protocol))
    if (family, protocol) == (socket.AF_INET, 1):
        pseudo = b""
    return data[:place] + struct.pack(">H", checksum(pseudo + data)) + data[place + 2:]

def tcp(flags, data=b""):
    return 6, with_checksum(struct.pack(">HHIIBBHHH", 5555, 7777, 1000, 2000, 5 << 4, flags, 1000, 0, 0) + data, 16, 6)

def ip(protocol, data, fragment=0):
    if family == socket.AF_INET:
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 77, fragment, 64, protocol, 0, here, there)
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + data
    if fragment or protocol == 44:
        data = struct.pack(">BBHI", protocol, 0, fragment, 77) + data
        protocol = 44
    return struct.pack(">IHBB16s16s", 6 << 28, len(data), protocol, 64, here, there) + data

def icmp_error():
    # about a datagram that nobody has sent
    inner = struct.pack(">HHHH", 7777, 5555, 8, 0)
    if family == socket.AF_INET:
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 78, 0, 64, 17, 0, there, here)
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        return 1, with_checksum(struct.pack(">BBHI", 3, 3, 0, 0) + head + inner, 2, 1)
    head = struct.pack(">IHBB16s16s", 6 << 28, 8, 17, 64, there, here)
    return 58, with_checksum(struct.pack(">BBHI", 1, 4, 0, 0) + head + inner, 2, 58)

def fragments():
    protocol, data = tcp(1, bytes(32))
    cut = 24
    more, offset = (0x2000, cut // 8) if family == socket.AF_INET else (1, cut)
    return [ip(protocol, data[:cut], more), ip(protocol, data[cut:], offset)]

PACKETS = {
    "fin": lambda: [ip(*tcp(0x01))],
    "fin+ack": lambda: [ip(*tcp(0x11))],
    "rst": lambda: [ip(*tcp(0x04))],
    "rst+ack": lambda: [ip(*tcp(0x14))],
    "syn+ack": lambda: [ip(*tcp(0x12))],
    "xmas": lambda: [ip(*tcp(0x3f))],
    "null": lambda: [ip(*tcp(0x00))],
    "icmp-error": lambda: [ip(*icmp_error())],
    "fragments": fragments,
    "short": lambda: [ip(6, bytes(4))],
}
raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
for name in names:
    for packet in PACKETS[name]():
        raw.sendto(packet, (target, 0))
with socket.socket(family, socket.SOCK_DGRAM) as plain:
    plain.sendto(b"the last one", (target, 9999))
"""

PACKETS = (
    "fin",
    "fin+ack",
    "rst",
    "rst+ack",
    "syn+ack",
    "xmas",
    "null",
    "icmp-error",
    "fragments",
    "short",
)

NETWORK = """
name: lab
backend: {{nat: {backend}}}
nodes:
  r: {{}}
  a: {{networks: [lan]}}
  b: {{networks: [open]}}
  pc: {{}}
networks:
  lan: {{mode: nat, node: {owner}, subnet: [172.17.0.0/16, "fd17::/64"]{more}}}
  open: {{mode: routed, node: {owner}, subnet: [172.18.0.0/16, "fd18::/64"], allow: [lan]}}
links:
  - {{endpoints: ["{owner}:up0", "pc:eth0"], subnet: [192.0.2.0/30, "2001:db8::/64"]}}
"""

ROUTER = """
name: lab
backend: {{nat: {backend}}}
nodes:
  r:
    forwarding: true
    nat: {nat}
  a: {{routes: [{{to: default, via: 172.17.0.1}}, {{to: default, via: "fd17::1"}}]}}
  pc: {{}}
links:
  - {{endpoints: ["r:in0", "a:eth0"], subnet: [172.17.0.0/16, "fd17::/64"]}}
  - {{endpoints: ["r:up0", "pc:eth0"], subnet: [192.0.2.0/30, "2001:db8::/64"]}}
"""

MASQUERADE = "[{masquerade: {out: up0}}]"
SOURCES = (
    "[{masquerade: {from: 172.17.0.0/16, out: '!in0'}}, "
    "{snat: {from: 'fd17::/64', out: up0, to: '2001:db8::1'}}]"
)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    return str(request.param)


def leaving(host: Host, names: tuple[str, ...] = PACKETS, node: str = "pc") -> str:
    """Send packets of both IP versions from the member to a node.

    Return the lines of the sniffer about packets that arrive with the member's own addresses.
    """
    targets = {
        "pc": {"172.17.0.2": "192.0.2.2", "fd17::2": "2001:db8::2"},
        "b": {"172.17.0.2": "172.18.0.2", "fd17::2": "fd18::2"},
    }[node]
    seen = ""
    for source, target in targets.items():
        version = "ip6" if ":" in source else "ip"
        # with a known neighbour no packet waits, so that the last one that is sent arrives last
        assert host.reaches("a", target)
        send = ("ip", "netns", "exec", "a", sys.executable, "-c", SENDER, source, target, *names)
        heard = sniff(
            host,
            node,
            "eth0",
            f"{version} and not icmp6 or {version} src {source}",
            ".9999:",
            *send,
        )
        assert ".9999:" in heard, "a packet of a connection is translated and arrives"
        seen += "".join(
            line
            for line in heard.splitlines(True)
            if f"{source}.5555 >" in line or f"{source} >" in line or f"{source}.9999" in line
        )
    return seen


@pytest.mark.parametrize("owner", ["r", "host"])
def test_a_network_lets_nothing_out_untranslated(host: Host, backend: str, owner: str) -> None:
    host.write("lab.yaml", NETWORK.format(backend=backend, owner=owner, more=""))
    host.netorch("apply", "lab.yaml")
    assert leaving(host) == ""
    assert leaving(host, node="b") == "", "a network that opens to this one is not an exception"
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout


def test_nor_does_one_that_leaves_with_an_address_of_its_own(host: Host, backend: str) -> None:
    more = ", egress: [192.0.2.1, '2001:db8::1']"
    host.write("lab.yaml", NETWORK.format(backend=backend, owner="r", more=more))
    host.netorch("apply", "lab.yaml")
    assert leaving(host) == ""


@pytest.mark.parametrize("nat", [MASQUERADE, SOURCES], ids=["masquerade", "sources"])
def test_a_node_that_translates_lets_nothing_out_untranslated(
    host: Host, backend: str, nat: str
) -> None:
    host.write("lab.yaml", ROUTER.format(backend=backend, nat=nat))
    host.netorch("apply", "lab.yaml")
    assert leaving(host) == ""
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout


@pytest.mark.parametrize("file", [NETWORK, ROUTER], ids=["network", "node"])
def test_what_somebody_exempts_from_tracking_stays_in(host: Host, backend: str, file: str) -> None:
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    host.write("lab.yaml", file.format(backend=backend, owner="r", more="", nat=MASQUERADE))
    host.netorch("apply", "lab.yaml")
    host.run(
        *("ip", "netns", "exec", "r", "nft", "-f", "-"),
        input=(
            "table inet raw { chain pre { type filter hook prerouting priority -300; "
            "tcp dport 7777 notrack; }; }"
        ),
    )
    assert leaving(host) == ""
