"""Test NAT through iptables.

Packets pass its rules, netorch reads them back, and foreign rules do not change.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeVar

import pytest

from netorch.errors import KernelRefused
from netorch.firewall.iptables import ChainNames, TableKey, commands, lines
from netorch.kernel.firewall import xtables
from netorch.kernel.system.syscalls import setns
from netorch.values.filter_rules import (
    MASQUERADE,
    DestinationTo,
    FilterRule,
    Hook,
    Match,
    Not,
    PortRange,
    Ruleset,
    SourceTo,
    Verdict,
)
from tests.kernel.host import SOURCE, Host, diff_snapshots

Result = TypeVar("Result")
JUMP = '-A FORWARD -m comment --comment "netorch:lab" -j netorch-lab-fwd'

NET, NET6 = ip_network("10.0.0.0/24"), ip_network("fd00::/64")
WEB, WEB6 = ip_address("10.0.0.2"), ip_address("fd00::2")
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM

# out (192.0.2.2) ── ext0 host br0 ── web (10.0.0.2), cli (10.0.0.3)
#                          br2 ── far (10.1.0.2)
# The names br0 and br2 differ in one bit, which a wrong mask for interface names would ignore.
SETUP = """
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
no_dad='for x in all default; do echo 0 >/proc/sys/net/ipv6/conf/$x/accept_dad; done'
sh -c "$no_dad"
for netns in web cli far out; do ip netns add $netns; ip netns exec $netns sh -c "$no_dad"; done
ip -batch - <<END
link add br0 type bridge
link add br2 type bridge
link add ext0 type veth peer name eth0 netns out
link add web0 type veth peer name eth0 netns web
link add cli0 type veth peer name eth0 netns cli
link add far0 type veth peer name eth0 netns far
link set web0 master br0 up
link set cli0 master br0 up
link set far0 master br2 up
link set web0 type bridge_slave hairpin on
address add 10.0.0.1/24 dev br0
address add fd00::1/64 dev br0 nodad
address add 10.1.0.1/24 dev br2
address add fd01::1/64 dev br2 nodad
address add 192.0.2.1/24 dev ext0
address add 2001:db8::1/64 dev ext0 nodad
link set br0 up
link set br2 up
link set ext0 up
END
member() {
    ip -n $1 -batch - <<END
link set lo up
address add $2.$3/24 dev eth0
address add $4::$3/64 dev eth0 nodad
link set eth0 up
route add default via $2.1
route add default via $4::1
END
}
member web 10.0.0 2 fd00
member cli 10.0.0 3 fd00
member far 10.1.0 2 fd01
member out 192.0.2 2 2001:db8
echo 1 >/proc/sys/net/ipv4/conf/br0/route_localnet
"""


def own_lines(names: ChainNames) -> dict[TableKey, xtables.Lines]:
    tables = xtables.read(names.mark, names.chains)
    return {key: lines for key, (lines, _) in tables.items() if lines}


class Lab:
    """The private host and its nodes. Threads enter their namespaces to make sockets there."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def inside(self, netns: str | None, act: Callable[[], Result]) -> Result:
        """Call `act` in the namespace, or on the host, and return or raise what it does."""
        path = (
            self.host.root / "run/netns" / netns if netns else Path(f"/proc/{self.host.pid}/ns/net")
        )
        results: list[Result] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                fd = os.open(path, os.O_RDONLY)
                setns(fd)
                os.close(fd)
                results.append(act())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def put(self, *ruleset: FilterRule, topology: str = "lab") -> tuple[TableKey, ...]:
        names = ChainNames(topology)
        return self.inside(
            None, lambda: xtables.replace(names.mark, names.chains, lines(topology, ruleset))
        )

    def read(self, topology: str = "lab") -> dict[TableKey, xtables.Lines]:
        names = ChainNames(topology)
        return self.inside(None, lambda: own_lines(names))

    def delete(self, topology: str = "lab") -> tuple[TableKey, ...]:
        names = ChainNames(topology)
        return self.inside(None, lambda: xtables.replace(names.mark, names.chains, {}))

    def iptables(self, *args: str, six: bool = False) -> str:
        return self.host.run(f"ip{'6' if six else ''}tables-legacy", *args).stdout

    def saved(self, counters: bool = False) -> list[str]:
        """Return the output of iptables-legacy-save for both families, without its comments."""
        options = ["-c"] if counters else []
        output = (
            self.host.run("iptables-legacy-save", *options).stdout
            + self.host.run("ip6tables-legacy-save", *options).stdout
        )
        return [
            line if counters else re.sub(r" \[\d+:\d+\]$", "", line)
            for line in output.splitlines()
            if not line.startswith("#")
        ]

    def reach(
        self,
        client: str | None,
        address: str,
        port: int,
        server: str | None,
        server_port: int,
        kind: int = TCP,
        wait: float = 4,
    ) -> str | None:
        """Send a message and wait for the answer.

        Return the client's address as the server sees it, or None without an answer.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with (
            self.inside(server, lambda: socket.socket(family, kind)) as listening,
            self.inside(client, lambda: socket.socket(family, kind)) as calling,
        ):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("", server_port))
            return (_by_tcp if kind == TCP else _by_udp)(calling, listening, (address, port), wait)


def _by_tcp(
    calling: socket.socket, listening: socket.socket, to: tuple[str, int], wait: float
) -> str | None:
    listening.listen()
    calling.settimeout(wait)
    listening.settimeout(wait)
    try:
        calling.connect(to)
        answering, seen = listening.accept()
        with answering:
            answering.sendall(b"yes")
            return str(seen[0]) if calling.recv(3) == b"yes" else None
    except OSError:
        return None


def _by_udp(
    calling: socket.socket, listening: socket.socket, to: tuple[str, int], wait: float
) -> str | None:
    calling.connect(to)
    calling.settimeout(0.2)
    listening.settimeout(0.2)
    end = time.monotonic() + wait
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            calling.send(b"?")
            _, seen = listening.recvfrom(10)
            listening.sendto(b"yes", seen)
            return str(seen[0]) if calling.recv(3) == b"yes" else None
    return None


@pytest.fixture
def bare(host: Host, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A host without other nodes."""
    for version in (4, 6):
        reason = xtables.available(version)
        if reason is not None:
            pytest.skip(reason)
    monkeypatch.setattr(xtables, "_LOCK", str(host.root / "run/xtables.lock"))
    return Lab(host)


@pytest.fixture
def lab(bare: Lab) -> Lab:
    bare.host.run("sh", "-ec", SETUP)
    return bare


def publish(port: PortRange, to: PortRange, family: int = 4, protocol: str = "tcp") -> Ruleset:
    """Return the rules with which netorch publishes a port.

    They are for clients outside, for the host itself, and for the members.
    """
    there = DestinationTo(WEB if family == 4 else WEB6, to)
    net: IPv4Network | IPv6Network = NET if family == 4 else NET6
    rules = [
        FilterRule(family, chain, Match(protocol=protocol, port=port, local=True), there, "web")
        for chain in (Hook.PREROUTING, Hook.OUTPUT)
    ]
    rules.append(
        FilterRule(
            family,
            Hook.POSTROUTING,
            Match(source=net, destination=net, translated=True),
            MASQUERADE,
            "hairpin",
        )
    )
    if family == 4:
        rules.append(
            FilterRule(
                4,
                Hook.POSTROUTING,
                Match(source=ip_network("127.0.0.0/8"), oif="br0"),
                MASQUERADE,
                "from 127.0.0.1",
            )
        )
    return tuple(rules)


EVERYTHING = (
    *publish((80, 80), (8080, 8080)),
    *publish((90, 95), (90, 95), 6, "udp"),
    *publish((90, 92), (190, 192), 4, "sctp"),
    *publish((7, 7), (7, 7), 6, "sctp"),
    FilterRule(
        6,
        Hook.PREROUTING,
        Match(iif=Not("br0"), source=Not(NET6)),
        DestinationTo(WEB6),
        "it's \\ odd! $x",
    ),
    FilterRule(
        4,
        Hook.POSTROUTING,
        Match(source=NET, destination=Not(NET), oif=Not("br0")),
        SourceTo(ip_address("192.0.2.1")),
    ),
    FilterRule(6, Hook.POSTROUTING, Match(oif="ext0"), SourceTo(ip_address("2001:db8::1"))),
    *(
        FilterRule(
            family,
            Hook.POSTROUTING,
            Match(protocol=protocol, oif="ext0"),
            SourceTo(ip_address(to) if to else None, ports, random),
        )
        for family, to in ((4, "192.0.2.1"), (6, "2001:db8::1"), (4, ""), (6, ""))
        for protocol, ports, random in (
            ("tcp", (1024, 65535), False),
            ("udp", (7, 7), True),
            ("sctp", (1, 2), True),
            (None, None, True),
        )
    ),
    FilterRule(
        6,
        Hook.FORWARD,
        Match(iif="br0", oif="br2", states=("new", "invalid"), translated=False),
        Verdict.DROP,
    ),
    FilterRule(4, Hook.FORWARD, Match(states=("established", "related")), Verdict.ACCEPT),
    FilterRule(4, Hook.INPUT, Match(local=False, protocol="udp", port=(1, 65535)), Verdict.RETURN),
    FilterRule(6, Hook.INPUT, Match(protocol="tcp", port=(0, 65535)), Verdict.RETURN),
)


# Packets


@pytest.mark.uml
def test_masquerade_hides_the_members_from_outside_and_not_from_each_other(lab: Lab) -> None:
    assert lab.reach("web", "192.0.2.2", 80, "out", 80) == "10.0.0.2"
    assert lab.put(
        FilterRule(
            4,
            Hook.POSTROUTING,
            Match(source=NET, destination=Not(NET), oif=Not("br0")),
            MASQUERADE,
        ),
        FilterRule(
            6,
            Hook.POSTROUTING,
            Match(source=NET6, destination=Not(NET6), oif=Not("br0")),
            MASQUERADE,
        ),
    ) == ((4, "nat"), (6, "nat"))
    assert lab.reach("web", "192.0.2.2", 81, "out", 81) == "192.0.2.1"
    assert lab.reach("web", "2001:db8::2", 81, "out", 81, UDP) == "2001:db8::1"
    assert lab.reach("web", "10.0.0.3", 81, "cli", 81) == "10.0.0.2"
    assert lab.reach("web", "fd00::3", 81, "cli", 81) == "fd00::2"
    assert lab.reach("web", "10.0.0.1", 81, None, 81) == "10.0.0.2"
    assert lab.reach("far", "192.0.2.2", 82, "out", 82) == "10.1.0.2"


def test_source_to_an_address(lab: Lab) -> None:
    lab.host.run("ip", "address", "add", "192.0.2.9/24", "dev", "ext0")
    lab.host.run("ip", "address", "add", "2001:db8::9/64", "dev", "ext0", "nodad")
    lab.put(
        FilterRule(
            4, Hook.POSTROUTING, Match(source=NET, oif="ext0"), SourceTo(ip_address("192.0.2.9"))
        ),
        FilterRule(
            6, Hook.POSTROUTING, Match(source=NET6, oif="ext0"), SourceTo(ip_address("2001:db8::9"))
        ),
    )
    assert lab.reach("web", "192.0.2.2", 81, "out", 81) == "192.0.2.9"
    assert lab.reach("web", "2001:db8::2", 81, "out", 81, UDP) == "2001:db8::9"
    assert lab.reach("far", "2001:db8::2", 81, "out", 81) == "fd01::2"


@pytest.mark.uml
def test_a_published_port_from_everywhere(lab: Lab) -> None:
    lab.put(*publish((80, 80), (8080, 8080)))
    # a client outside keeps its source address
    assert lab.reach("out", "192.0.2.1", 80, "web", 8080) == "192.0.2.2"
    # the host reaches the port by its own addresses
    assert lab.reach(None, "192.0.2.1", 80, "web", 8080) == "192.0.2.1"
    assert lab.reach(None, "127.0.0.1", 80, "web", 8080) == "10.0.0.1"
    assert lab.reach("cli", "192.0.2.1", 80, "web", 8080) == "10.0.0.1"
    # the published node reaches itself (hairpin)
    assert lab.reach("web", "192.0.2.1", 80, "web", 8080) == "10.0.0.1"
    assert lab.reach("out", "192.0.2.1", 81, "web", 8080, wait=0.3) is None
    # packets to other addresses than the host's are not translated
    assert lab.reach("web", "192.0.2.2", 80, "out", 80) == "10.0.0.2"


def test_a_published_port_in_both_families_and_protocols(lab: Lab) -> None:
    lab.put(
        *publish((53, 53), (5353, 5353), 4, "udp"),
        *publish((53, 53), (5353, 5353), 6, "udp"),
        *publish((80, 80), (8080, 8080), 6),
    )
    assert lab.reach("out", "192.0.2.1", 53, "web", 5353, UDP) == "192.0.2.2"
    assert lab.reach("out", "2001:db8::1", 53, "web", 5353, UDP) == "2001:db8::2"
    assert lab.reach("out", "2001:db8::1", 80, "web", 8080) == "2001:db8::2"
    assert lab.reach(None, "2001:db8::1", 80, "web", 8080) == "2001:db8::1"
    assert lab.reach("web", "2001:db8::1", 80, "web", 8080) == "fd00::1"
    assert lab.reach("out", "192.0.2.1", 80, "web", 8080, wait=0.3) is None


def test_ranges_are_one_to_one(lab: Lab) -> None:
    lab.put(*publish((8000, 8003), (9000, 9003)), *publish((7000, 7003), (7000, 7003), 4, "udp"))
    for offset in range(4):
        assert lab.reach("out", "192.0.2.1", 8000 + offset, "web", 9000 + offset) == "192.0.2.2"
        assert (
            lab.reach("out", "192.0.2.1", 7000 + offset, "web", 7000 + offset, UDP) == "192.0.2.2"
        )


def test_an_sctp_port(lab: Lab) -> None:
    lab.put(*publish((80, 80), (8080, 8080), 4, "sctp"))
    with (
        lab.inside("web", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)) as listening,
        lab.inside("out", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)) as calling,
    ):
        listening.settimeout(2)
        calling.sendto(sctp_init(1234, 80), ("192.0.2.1", 0))
        packet, seen = listening.recvfrom(100)
        assert seen[0] == "192.0.2.2"
        assert struct.unpack("!HH", packet[20:24]) == (1234, 8080)


def sctp_init(source: int, port: int) -> bytes:
    """Return the packet that opens an association (RFC 9260).

    The test kernels have no SCTP sockets.
    """
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 1, 65536, 1, 1, 1)
    crc = 0xFFFFFFFF
    for byte in struct.pack("!HHII", source, port, 0, 0) + chunk:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return struct.pack("!HHI", source, port, 0) + struct.pack("<I", crc ^ 0xFFFFFFFF) + chunk


def test_isolation_drops_one_way_and_for_one_bridge(lab: Lab) -> None:
    lab.put(
        *(
            FilterRule(family, Hook.FORWARD, match, verdict)
            for family in (4, 6)
            for match, verdict in (
                (Match(states=("established", "related")), Verdict.ACCEPT),
                (Match(iif="br0", oif="ext0"), Verdict.DROP),
            )
        )
    )
    assert lab.reach("out", "10.0.0.2", 80, "web", 80) == "192.0.2.2"
    assert lab.reach("out", "fd00::2", 80, "web", 80) == "2001:db8::2"
    assert lab.reach("far", "192.0.2.2", 80, "out", 80) == "10.1.0.2"
    assert lab.reach("far", "2001:db8::2", 80, "out", 80) == "fd01::2"
    assert lab.reach("web", "192.0.2.2", 80, "out", 80, wait=0.3) is None
    assert lab.reach("web", "2001:db8::2", 80, "out", 80, wait=0.3) is None


def test_foreign_rules_may_drop_what_netorch_accepts(lab: Lab) -> None:
    """A drop by netorch is final and an accept is not, as in a table of nftables."""
    lab.put(
        *publish((80, 80), (8080, 8080)),
        FilterRule(4, Hook.FORWARD, Match(oif="br0", translated=True), Verdict.ACCEPT),
        FilterRule(4, Hook.FORWARD, Match(iif="br0", states=("established",)), Verdict.ACCEPT),
        FilterRule(4, Hook.FORWARD, Match(), Verdict.DROP),
    )
    assert lab.reach("out", "192.0.2.1", 80, "web", 8080) == "192.0.2.2"
    lab.iptables("-P", "FORWARD", "DROP")
    assert lab.reach("out", "192.0.2.1", 80, "web", 8080, wait=0.3) is None
    lab.iptables("-A", "FORWARD", "-o", "br0", "-j", "ACCEPT")
    lab.iptables("-A", "FORWARD", "-i", "br0", "-j", "ACCEPT")
    assert lab.reach("out", "192.0.2.1", 80, "web", 8080) == "192.0.2.2"


# Text


@pytest.mark.uml
def test_what_is_read_is_what_was_written_and_what_iptables_shows(bare: Lab) -> None:
    desired = lines("lab", EVERYTHING)
    assert bare.put(*EVERYTHING) == tuple(desired) == xtables.KEYS
    assert bare.read() == desired
    saved = bare.saved()
    for table in desired.values():
        assert {line for line in table if line.startswith("-A")} <= set(saved)
    assert '-A FORWARD -m comment --comment "netorch:lab" -j netorch-lab-fwd' in saved
    assert not [line for line in saved if "unsupported" in line]


def test_the_lines_are_commands_of_iptables(bare: Lab) -> None:
    typed = [
        command.replace("tables ", "tables-legacy ", 1)
        for command in commands(lines("lab", EVERYTHING))
    ]
    bare.host.run("sh", "-ec", "\n".join(typed))
    assert bare.read() == lines("lab", EVERYTHING)
    assert bare.put(*EVERYTHING) == ()


def test_equal_tables_are_not_written(bare: Lab) -> None:
    bare.put(*EVERYTHING)
    out = [line for line in bare.read()[4, "nat"] if line.startswith("-A netorch-lab-out")]
    same = out[1]
    bare.iptables(
        *f"-t nat -R netorch-lab-out 2 -c 7 9 {same.removeprefix('-A netorch-lab-out')}".split()
    )
    assert bare.put(*EVERYTHING) == ()
    assert "[7:9] -A netorch-lab-out" in "\n".join(bare.saved(counters=True))
    # a change elsewhere in the table leaves this chain and its counters alone
    assert bare.put(*(rule for rule in EVERYTHING if rule.comment != "hairpin")) == (
        (4, "nat"),
        (6, "nat"),
    )
    assert "[7:9] -A netorch-lab-out" in "\n".join(bare.saved(counters=True))


@pytest.mark.uml
def test_changes_by_hand_are_seen_and_undone(bare: Lab) -> None:
    desired = lines("lab", EVERYTHING)
    bare.put(*EVERYTHING)
    jump = "FORWARD -m comment --comment netorch:lab -j netorch-lab-fwd"
    listed = JUMP.removeprefix("-A FORWARD ")
    cases = [
        ("-A netorch-lab-fwd -s 10.9.9.9 -j DROP", "-A netorch-lab-fwd -s 10.9.9.9/32 -j DROP"),
        (
            "-A netorch-lab-fwd -m limit --limit 3/min -g DOCKER",
            "-A netorch-lab-fwd -m limit --limit 3/min -g DOCKER",
        ),
        (
            "-I netorch-lab-fwd -p tcp --syn --sport 5 -i br+ -j REJECT --reject-with tcp-reset",
            "-A netorch-lab-fwd -i br+ -p tcp -m tcp --sport 5 --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT --reject-with tcp-reset",
        ),
        (f"-A {jump}", f"-I FORWARD {listed}"),
        ("-A OUTPUT -j netorch-lab-fwd", "-I OUTPUT -j netorch-lab-fwd"),
        ("-A DOCKER -j netorch-lab-fwd", "-I DOCKER -j netorch-lab-fwd"),
        (
            "-A OUTPUT -m comment --comment netorch:lab -j DROP",
            '-I OUTPUT -m comment --comment "netorch:lab" -j DROP',
        ),
        ("-I FORWARD -s 10.7.7.7 -j DROP", f"-I FORWARD 2 {listed}"),
        ("-F netorch-lab-fwd", ""),
        (f"-D {jump}", ""),
        (f"-D {jump}; -F netorch-lab-fwd; -X netorch-lab-fwd", ""),
    ]
    bare.iptables("-N", "DOCKER")
    for hand, seen in cases:
        for command in hand.split("; "):
            bare.iptables(*command.split())
        observed = bare.read()
        assert observed != desired
        assert not seen or seen in observed[4, "filter"], hand
        assert bare.put(*EVERYTHING) == ((4, "filter"),), hand
        assert bare.read() == desired
    # the rule put first by hand is foreign: it is still there, behind netorch's
    assert bare.iptables("-S", "FORWARD").splitlines()[1:] == [
        JUMP,
        "-A FORWARD -s 10.7.7.7/32 -j DROP",
    ]


# Foreign rules

FOREIGN_RULES = """
*nat
:PREROUTING ACCEPT [11:12]
:DOCKER - [0:0]
[1:60] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[2:120] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
[3:180] -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
[4:240] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP [13:14]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:netorch-lab - [0:0]
[5:300] -A FORWARD -j DOCKER-USER
[6:360] -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[7:420] -A FORWARD -m comment --comment "netorch:labs are not ours" -j ACCEPT
[8:480] -A FORWARD -o docker0 -j DOCKER
[9:540] -A DOCKER -m limit --limit 3/min -m string --string "x" --algo bm --to 65535 -j LOG --log-prefix "a b"
[10:600] -A DOCKER-USER -j RETURN
COMMIT
*mangle
-A POSTROUTING -j TTL --ttl-set 3
COMMIT
"""


@pytest.fixture
def foreign(bare: Lab) -> Lab:
    bare.host.run("iptables-legacy-restore", "-c", input=FOREIGN_RULES)
    bare.host.run(
        "ip6tables-legacy-restore",
        input="*filter\n-A INPUT -s fd99::/64 -j DROP\nCOMMIT\n*nat\nCOMMIT\n",
    )
    return bare


def test_rules_of_others_are_the_same_to_the_byte(foreign: Lab) -> None:
    before = foreign.saved(counters=True)
    assert foreign.read() == {}
    foreign.put(*EVERYTHING)
    foreign.put(*EVERYTHING[:5])
    meanwhile = foreign.saved(counters=True)
    assert [line for line in meanwhile if "netorch-lab-" not in line] == before != meanwhile
    assert foreign.delete() == ((4, "nat"), (6, "nat"))
    assert foreign.saved(counters=True) == before
    assert foreign.delete() == ()


def test_netorchs_rules_come_first_but_may_follow_dockers_user_chain(foreign: Lab) -> None:
    foreign.put(*EVERYTHING)
    forward = [line for line in foreign.saved() if line.startswith("-A FORWARD")]
    assert forward[:2] == [JUMP, "-A FORWARD -j DOCKER-USER"]
    # Docker starts again and puts its own chain first
    foreign.iptables("-D", "FORWARD", "-j", "DOCKER-USER")
    foreign.iptables("-I", "FORWARD", "-j", "DOCKER-USER")
    assert foreign.put(*EVERYTHING) == ()
    # libvirt starts
    foreign.iptables("-N", "LIBVIRT_FWX")
    foreign.iptables("-I", "FORWARD", "-j", "LIBVIRT_FWX")
    assert f"-I FORWARD 3 {JUMP.removeprefix('-A FORWARD ')}" in foreign.read()[4, "filter"]
    assert foreign.put(*EVERYTHING) == ((4, "filter"),)
    forward = [line for line in foreign.saved() if line.startswith("-A FORWARD")]
    assert forward[:3] == [JUMP, "-A FORWARD -j LIBVIRT_FWX", "-A FORWARD -j DOCKER-USER"]


@pytest.mark.uml
def test_two_topologies_leave_each_other_alone(bare: Lab) -> None:
    one, two = publish((80, 80), (80, 80)), publish((81, 81), (81, 81))
    bare.put(*one, topology="lab")
    first = bare.read("lab")
    bare.put(*two, topology="lab-2")
    assert bare.put(*one, topology="lab") == bare.put(*two, topology="lab-2") == ()
    assert bare.read("lab") == first == lines("lab", one)
    bare.delete("lab")
    assert bare.read("lab") == {}
    assert bare.read("lab-2") == lines("lab-2", two)


def test_a_rule_in_a_chain_of_others(foreign: Lab) -> None:
    """netorch writes rules to foreign chains, too.

    It needs that to let a topology's packets through the rules of Docker.
    """
    names = ChainNames("lab")
    before = foreign.saved(counters=True)
    desired = {
        (4, "filter"): tuple(
            f'-I DOCKER-USER {way} br0 -m comment --comment "netorch:lab" -j ACCEPT'
            for way in ("-i", "-o")
        )
    }
    for written in (((4, "filter"),), ()):
        assert (
            foreign.inside(None, lambda: xtables.replace(names.mark, names.chains, desired))
            == written
        )
        assert foreign.inside(None, lambda: own_lines(names)) == desired
    assert [line for line in foreign.saved(counters=True) if 'netorch:lab"' not in line] == before
    with pytest.raises(KernelRefused, match=r"iptables, table nat: .*No chain"):
        foreign.inside(
            None,
            lambda: xtables.replace(names.mark, names.chains, {(4, "nat"): desired[4, "filter"]}),
        )
    foreign.delete()
    assert foreign.saved(counters=True) == before


# Side effects and errors


@pytest.mark.uml
def test_reading_makes_no_table(bare: Lab) -> None:
    before = bare.host.snapshot()
    assert bare.read() == {}
    assert bare.delete() == ()
    assert bare.put() == ()
    assert bare.inside(None, xtables.available) is None
    assert tables_of(bare) == set()
    bare.put(FilterRule(4, Hook.POSTROUTING, Match(source=NET), MASQUERADE))
    assert tables_of(bare) == {"nat"}
    bare.delete()
    # a table stays after it was made, but empty
    changes = diff_snapshots(before, bare.host.snapshot())
    assert [change.partition(":")[2].split()[0] for change in changes] == ["iptables"]
    assert "-A" not in "".join(changes)


def tables_of(lab: Lab) -> set[str]:
    return set(
        lab.host.run(
            "cat", "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"
        ).stdout.split()
    )


def test_the_process_keeps_its_own_view_of_the_library(bare: Lab) -> None:
    """python-iptables caches tables by name, without regard to the namespace.

    netorch's tables are of other namespaces, so none of them may stay in the cache.
    """
    import iptc

    cached = (
        dict(iptc.Table._cache),
        dict(iptc.Table6._cache),
        dict(iptc.Table.existing_table_names),
    )
    bare.put(*EVERYTHING)
    assert (
        dict(iptc.Table._cache),
        dict(iptc.Table6._cache),
        dict(iptc.Table.existing_table_names),
    ) == cached
    bare.host.run("ip", "netns", "add", "other")
    names = ChainNames("lab")
    assert bare.inside("other", lambda: own_lines(names)) == {}
    assert bare.read() == lines("lab", EVERYTHING)


def test_a_thousand_published_ports(bare: Lab) -> None:
    ports = tuple(
        FilterRule(
            4,
            Hook.PREROUTING,
            Match(protocol="tcp", port=(port, port), local=True),
            DestinationTo(WEB, (80, 80)),
            f"publish {port}",
        )
        for port in range(1000, 2000)
    )
    start = time.perf_counter()
    assert bare.put(*ports) == ((4, "nat"),)
    written = time.perf_counter()
    assert bare.read() == lines("lab", ports)
    read = time.perf_counter()
    print(f"written in {written - start:.3f} s, read in {read - written:.3f} s")
    assert read - start < 2
    assert sum(" --dport " in line for line in bare.saved()) == 1000


def test_a_change_that_somebody_makes_meanwhile_stays(
    bare: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, calls = xtables._change, []

    def slow(*args: object) -> None:
        change(*args)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == 1:
            bare.host.run(
                "iptables-legacy",
                "-t",
                "nat",
                "-A",
                "OUTPUT",
                "-j",
                "RETURN",
                env={"XTABLES_LOCKFILE": "/run/other.lock"},
            )

    monkeypatch.setattr(xtables, "_change", slow)
    assert bare.put(*publish((80, 80), (80, 80))) == ((4, "nat"),)
    assert len(calls) == 2
    assert "-A OUTPUT -j RETURN" in bare.saved()


def test_the_lock_of_iptables_is_waited_for(bare: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xtables, "_LOCK_SECONDS", 0.1)
    with Path(xtables._LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(
            KernelRefused, match=r"xtables.lock has been locked for .* an iptables process hangs"
        ):
            bare.put(*EVERYTHING)
        assert bare.read() == {}
    assert bare.put(*EVERYTHING)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "-A netorch-lab-pre -m comment --comment x -j nowhere",
            r"iptables, table nat: .*Does the kernel support all of comment, nowhere\?",
        ),
        (
            "-A netorch-lab-pre -m nothing --at all -j ACCEPT",
            r"iptables, table nat: netorch cannot encode the rule '-m nothing --at all -j ACCEPT'",
        ),
        ("-A netorch-lab-pre -p tcp -m tcp --dport many -j ACCEPT", "cannot encode the rule"),
        ("-A netorch-lab-pre -s 10.0.0.0/24 -j SNAT", "cannot encode the rule"),
        ("-A netorch-lab-pre -j", "cannot encode the rule"),
        (
            "-I NOWHERE -m comment --comment x -j ACCEPT",
            r"iptables, table nat: can't insert entry into chain NOWHERE: No chain/target/match",
        ),
    ],
)
def test_refusals_are_sentences_and_change_nothing(bare: Lab, line: str, sentence: str) -> None:
    names = ChainNames("lab")
    bare.put(*EVERYTHING)
    before = bare.saved()
    desired = {(4, "nat"): ("-N netorch-lab-pre", line)}
    with pytest.raises(KernelRefused, match=sentence) as raised:
        bare.inside(
            None, lambda: xtables.replace(names.mark, names.chains, {**bare_filter(), **desired})
        )
    assert "b'" not in str(raised.value)
    assert bare.saved() == before


def bare_filter() -> dict[TableKey, xtables.Lines]:
    """Return the rules of the first table as they are, so that only the second is refused."""
    return {key: table for key, table in lines("lab", EVERYTHING).items() if key == (4, "filter")}


def test_without_the_library_the_reason_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['iptc'] = None; from netorch.kernel.firewall import xtables; "
        "print(xtables.available())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCE
    )
    assert "[iptables]'" in done.stdout
    assert done.stderr == ""


def test_importing_the_module_does_not_import_the_library() -> None:
    code = (
        "import sys; from netorch.kernel.firewall import xtables; assert 'iptc' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SOURCE)
