"""Test rulesets that libnftables loads: what they do to packets, and how changes are noticed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import pytest

from netorch.firewall import nftables, ruleset_chains
from netorch.firewall.chains import Clause, ListedChain
from netorch.immutable import replace
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
from tests.filterlistings import LIST, chains_of
from tests.kernel.host import Host, diff_snapshots

TABLE = "netorch_lab"
NET, OTHER, OUTSIDE = (
    IPv4Network("10.9.0.0/24"),
    IPv4Network("10.8.0.0/24"),
    IPv4Network("192.0.2.0/24"),
)
NET6 = IPv6Network("fd09::/64")

# The host routes between br0 with the members a and b, br1 with c, and wan with pc. Each namespace
# has a default route by way of the host.
TOPOLOGY = """
node() {
    ip netns add $1
    ip netns exec $1 sh -c "$no_dad"
    ip -n $1 link set lo up
    ip link add $2 type veth peer name eth0 netns $1
    ip link set $2 ${5:+master $5} up
    ip -n $1 address add $3.$4/24 dev eth0
    ip -n $1 link set eth0 up
    ip -n $1 route add default via $3.1
}
six() {
    ip -n $1 address add $2::$3/64 dev eth0 nodad
    ip -n $1 route add default via $2::1
}
no_dad='for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$f; done'
sh -c "$no_dad"
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
ip link add br0 type bridge
ip link add br1 type bridge
node a va 10.9.0 2 br0
node b vb 10.9.0 3 br0
node c vc 10.8.0 2 br1
node pc wan 192.0.2 2
ip address add 10.9.0.1/24 dev br0
ip address add 10.8.0.1/24 dev br1
ip address add 192.0.2.1/24 dev wan
ip address add 192.0.2.7/24 dev wan
ip address add fd09::1/64 dev br0 nodad
ip address add 2001:db8::1/64 dev wan nodad
ip link set br0 up
ip link set br1 up
six a fd09 2
six b fd09 3
six pc 2001:db8 2
bridge link set dev va hairpin on
echo 1 >/proc/sys/net/ipv4/conf/br0/route_localnet
"""

# A router asks for its IPv6 neighbours from its link-local address, which the kernel adds only when
# the link is ready.
IPV6_READY = """
links() { for where in "-n a" "-n b" "-n pc" ""; do ip $where -6 -o address show scope link -tentative; done; }
until [ "$(links | grep -c 'eth0\\|br0\\|wan')" = 5 ]; do sleep 0.02; done
"""

# Answers on each of the ports, over TCP and UDP, IPv4 and IPv6, with its own name, the client's
# address, and the port that the client reached.
SERVER = """
import selectors, socket, sys
name, *ports = sys.argv[1:]
wait = selectors.DefaultSelector()
for port in map(int, ports):
    for family, any in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            s = socket.socket(family, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((any, port))
            if kind == socket.SOCK_STREAM:
                s.listen()
            wait.register(s, selectors.EVENT_READ, port)
print("ready", flush=True)
while True:
    for key, _ in wait.select():
        s = key.fileobj
        if s.type == socket.SOCK_STREAM:
            s, peer = s.accept()
            s.sendall(f"{name} {peer[0]} {key.data}".encode())
            s.close()
        else:
            _, peer = s.recvfrom(10)
            s.sendto(f"{name} {peer[0]} {key.data}".encode(), peer)
"""

CLIENT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def ask(target):
    protocol, address, port = target.split()
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
        socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(1)
    try:
        s.connect((address, int(port)))
        if protocol == "udp":
            s.send(b"hello")
        return s.recv(100).decode()
    except OSError:
        return None
targets = json.load(sys.stdin)
print(json.dumps(list(ThreadPoolExecutor(len(targets)).map(ask, targets))))
"""

CALL = """
import json, sys
from netorch.kernel.firewall import libnftables
from netorch.kernel.system.syscalls import CLONE_NEWNET, unshare
function, arguments = json.load(sys.stdin)
fresh = (lambda: unshare(CLONE_NEWNET),) if function == "normalise" else ()
print(json.dumps(getattr(libnftables, function)(*arguments, *fresh)))
"""


class Lab:
    """The host with its table, and requests sent from its namespaces."""

    def __init__(self, host: Host, stack: ExitStack) -> None:
        self.host, self._stack = host, stack
        host.run("sh", "-ec", TOPOLOGY)

    def call(self, function: str, *arguments: str) -> Any:
        """Call a function of netorch.kernel.firewall.libnftables in the private host.

        Return its result, and check that nothing was printed on standard error.
        """
        done = self.host.run(sys.executable, "-c", CALL, input=json.dumps([function, arguments]))
        assert done.stderr == ""
        return json.loads(done.stdout)

    def load(self, *rules: FilterRule) -> str:
        script = nftables.script("lab", rules)
        assert self.call("run", script) is None
        return script

    def listing(self) -> tuple[str, ...]:
        return nftables.listing(self.call("list_text", TABLE) or "")

    def nft(self, *words: str) -> str:
        return self.host.run("nft", *words).stdout

    def serve(self, netns: str, *ports: int) -> None:
        where = ("ip", "netns", "exec", netns) if netns != "host" else ()
        server = self._stack.enter_context(
            self.host.start(*where, sys.executable, "-ISc", SERVER, netns, *map(str, ports))
        )
        self._stack.callback(server.terminate)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"

    def ask(self, netns: str, *targets: str) -> list[str | None]:
        """Send requests to targets of the form `tcp ADDRESS PORT`, and return the answers.

        An answer is the server's name, the source that it sees, and its port. It is None where no
        server answers.
        """
        if any(":" in target for target in targets):
            self.host.run("sh", "-c", IPV6_READY)
        where = ("ip", "netns", "exec", netns) if netns != "host" else ()
        return json.loads(
            self.host.run(*where, sys.executable, "-ISc", CLIENT, input=json.dumps(targets)).stdout
        )  # type: ignore[no-any-return]


@pytest.fixture
def lab(host: Host) -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab(host, stack)


def rule(chain: Hook, act: Any, comment: str = "", family: int = 4, **match: Any) -> FilterRule:
    return FilterRule(family, chain, Match(**match), act, comment)


def publish(
    protocol: str,
    port: int | PortRange,
    to: str,
    target: int | PortRange | None = None,
    **match: Any,
) -> Ruleset:
    """Return rules that publish a port at every address of the host, also to the host itself."""
    address, ports, target = (
        ip_address(to),
        *((value, value) if isinstance(value, int) else value for value in (port, target)),
    )
    condition = Match(**{"local": True, **match, "protocol": protocol, "port": ports})
    chains = (Hook.PREROUTING, Hook.OUTPUT)
    return tuple(
        FilterRule(
            address.version,
            chain,
            condition,
            DestinationTo(address, target),
            f"lab: {protocol} {port}",
        )
        for chain in chains
    )


ALL_KINDS = (
    *publish("tcp", 8080, "10.9.0.2", 80),
    *publish("udp", 8080, "fd09::2", 80),
    *publish("sctp", 8080, "10.9.0.2", 80),
    *publish(
        "tcp",
        (8000, 8010),
        "10.9.0.2",
        (8000, 8010),
        destination=ip_network("192.0.2.1/32"),
        local=None,
    ),
    *publish("tcp", (8000, 8200), "fd09::2", (9000, 9200)),
    rule(
        Hook.PREROUTING,
        DestinationTo(ip_address("10.9.0.2")),
        iif="wan",
        destination=Not(OUTSIDE),
        local=False,
    ),
    rule(
        Hook.POSTROUTING,
        MASQUERADE,
        "lab: all printable ' \\ # ; { $ @ * } ~",
        source=NET,
        oif=Not("br0"),
    ),
    rule(Hook.POSTROUTING, SourceTo(ip_address("192.0.2.7")), source=OTHER),
    rule(Hook.POSTROUTING, SourceTo(ip_address("2001:db8::7")), family=6, source=Not(NET6)),
    *(
        rule(
            Hook.POSTROUTING,
            SourceTo(ip_address(to) if to else None, ports, random),
            family=family,
            protocol=protocol,
            oif="wan",
        )
        for family, to in ((4, "192.0.2.7"), (6, "2001:db8::7"), (4, ""), (6, ""))
        for protocol, ports, random in (
            ("tcp", (1024, 65535), False),
            ("udp", (7, 7), True),
            ("sctp", (1, 2), True),
            (None, None, True),
        )
    ),
    rule(Hook.POSTROUTING, MASQUERADE, family=6, source=ip_network("::1/128"), oif="br0"),
    rule(Hook.POSTROUTING, Verdict.RETURN, destination=ip_network("0.0.0.0/0")),
    rule(Hook.FORWARD, Verdict.ACCEPT, states=("established", "related")),
    rule(Hook.FORWARD, Verdict.ACCEPT, family=6, translated=True),
    rule(
        Hook.FORWARD,
        Verdict.DROP,
        iif="br0",
        oif="br1",
        states=("new", "invalid"),
        translated=False,
    ),
    rule(
        Hook.INPUT,
        Verdict.DROP,
        iif=Not("lo"),
        destination=ip_network("127.0.0.0/8"),
        translated=False,
    ),
    rule(Hook.INPUT, Verdict.DROP, protocol="sctp", iif="a.b-c@d_e+f", oif="ä$;#{}"),
)


# Traffic


def test_masquerade_hides_the_source_outside_and_only_there(lab: Lab) -> None:
    lab.serve("pc", 80)
    lab.serve("b", 80)
    lab.serve("c", 80)
    lab.load(
        rule(Hook.POSTROUTING, MASQUERADE, source=NET, oif=Not("br0"), destination=Not(OTHER)),
        rule(Hook.POSTROUTING, MASQUERADE, family=6, source=NET6, oif="wan"),
    )
    targets = (
        "tcp 192.0.2.2 80",
        "udp 192.0.2.2 80",
        "tcp 2001:db8::2 80",
        "tcp 10.9.0.3 80",
        "tcp 10.8.0.2 80",
        "tcp fd09::3 80",
    )
    assert lab.ask("a", *targets) == [
        "pc 192.0.2.1 80",
        "pc 192.0.2.1 80",
        "pc 2001:db8::1 80",
        "b 10.9.0.2 80",
        "c 10.9.0.2 80",
        "b fd09::2 80",
    ]
    assert lab.ask("c", "tcp 192.0.2.2 80") == ["pc 10.8.0.2 80"]


def test_snat_to_an_address(lab: Lab) -> None:
    lab.serve("pc", 80)
    lab.host.run("ip", "address", "add", "2001:db8::7/64", "dev", "wan", "nodad")
    lab.load(
        rule(Hook.POSTROUTING, SourceTo(ip_address("192.0.2.7")), source=NET, oif="wan"),
        rule(
            Hook.POSTROUTING, SourceTo(ip_address("2001:db8::7")), family=6, source=NET6, oif="wan"
        ),
    )
    assert lab.ask("a", "tcp 192.0.2.2 80", "udp 2001:db8::2 80") == [
        "pc 192.0.2.7 80",
        "pc 2001:db8::7 80",
    ]


def test_dnat_from_outside_keeps_the_source(lab: Lab) -> None:
    lab.serve("a", 80, 81)
    lab.load(
        *publish("tcp", 8080, "10.9.0.2", 80),
        *publish("udp", 8080, "10.9.0.2", 81),
        *publish("tcp", 8080, "fd09::2", 81),
        *publish("udp", 8080, "fd09::2", 80),
        rule(
            Hook.PREROUTING,
            DestinationTo(ip_address("10.9.0.2")),
            protocol="tcp",
            iif="wan",
            destination=ip_network("192.0.2.7"),
        ),
    )
    targets = (
        "tcp 192.0.2.1 8080",
        "udp 192.0.2.1 8080",
        "tcp 2001:db8::1 8080",
        "udp 2001:db8::1 8080",
        "tcp 192.0.2.7 81",
    )
    assert lab.ask("pc", *targets) == [
        "a 192.0.2.2 80",
        "a 192.0.2.2 81",
        "a 2001:db8::2 81",
        "a 2001:db8::2 80",
        "a 192.0.2.2 81",
    ]
    assert lab.ask("pc", "tcp 192.0.2.1 80", "udp 192.0.2.7 8081") == [None, None]


def test_ranges_of_ports_are_one_to_one(lab: Lab) -> None:
    lab.serve("a", *range(8000, 8012))
    lab.load(
        *publish("tcp", (8000, 8005), "10.9.0.2", (8000, 8005)),
        *publish("udp", (9000, 9005), "fd09::2", (8000, 8005)),
        # a range that overlaps with its own target
        *publish("tcp", (8000, 8005), "fd09::2", (8003, 8008)),
        *publish("udp", (8000, 8005), "10.9.0.2", (8006, 8011)),
    )
    for _ in range(3):
        four, six = "192.0.2.1", "2001:db8::1"
        assert lab.ask("pc", *(f"tcp {four} {port}" for port in range(8000, 8006))) == [
            f"a 192.0.2.2 {p}" for p in range(8000, 8006)
        ]
        assert lab.ask("pc", *(f"udp {six} {port}" for port in range(9000, 9006))) == [
            f"a 2001:db8::2 {p}" for p in range(8000, 8006)
        ]
        assert lab.ask("pc", *(f"tcp {six} {port}" for port in range(8000, 8006))) == [
            f"a 2001:db8::2 {p}" for p in range(8003, 8009)
        ]
        assert lab.ask("pc", *(f"udp {four} {port}" for port in range(8000, 8006))) == [
            f"a 192.0.2.2 {p}" for p in range(8006, 8012)
        ]
    assert lab.ask("pc", "tcp 192.0.2.1 8006", "udp 2001:db8::1 9006") == [None, None]


def test_what_is_published_is_at_every_local_address(lab: Lab) -> None:
    lab.serve("a", 80)
    lab.serve("pc", 8080)
    own = rule(Hook.POSTROUTING, MASQUERADE, source=ip_network("127.0.0.0/8"), oif="br0")
    lab.load(
        *publish("tcp", 8080, "10.9.0.2", 80),
        *publish("udp", 8080, "10.9.0.2", 80),
        *publish("tcp", 8080, "fd09::2", 80),
        own,
    )
    for protocol in ("tcp", "udp"):
        addresses = "192.0.2.1", "192.0.2.7", "10.9.0.1", "10.8.0.1"
        assert (
            lab.ask("pc", *(f"{protocol} {address} 8080" for address in addresses))
            == ["a 192.0.2.2 80"] * 4
        )
        seen = lab.ask(
            "host",
            *(f"{protocol} {address} 8080" for address in (*addresses, "127.0.0.1", "127.1.2.3")),
        )
        # Linux chose the source for the original destination, so it may be any address of the host.
        # Only requests to 127.0.0.0/8 are masqueraded, and so come from 10.9.0.1.
        assert [answer and answer.split()[::2] for answer in seen] == [["a", "80"]] * 6
        assert [str(answer).split()[1] for answer in seen[-2:]] == ["10.9.0.1"] * 2
    assert lab.ask("pc", "tcp 2001:db8::1 8080", "tcp fd09::1 8080") == ["a 2001:db8::2 80"] * 2
    assert lab.ask("host", "tcp fd09::1 8080") == ["a fd09::1 80"]
    # the rules leave requests to other addresses alone
    assert lab.ask("host", "tcp 192.0.2.2 8080") == ["pc 192.0.2.1 8080"]
    assert lab.ask("c", "tcp 192.0.2.2 8080") == ["pc 10.8.0.2 8080"]


def test_what_is_published_is_at_the_ipv6_loopback(lab: Lab) -> None:
    """The answer to ::1 needs a local route on br0, because the kernel looks the route up there.

    Where br_netfilter translates on the bridge already, IPv6 sees a packet to ::1 from outside
    and drops it.
    """
    lab.serve("a", 80)
    lab.host.run(
        "sh",
        "-c",
        "! [ -e /proc/sys/net/bridge ] || echo 0 >/proc/sys/net/bridge/bridge-nf-call-ip6tables",
    )
    masquerade = rule(Hook.POSTROUTING, MASQUERADE, family=6, source=ip_network("::1"), oif="br0")
    lab.load(*publish("tcp", 8080, "fd09::2", 80), *publish("udp", 8080, "fd09::2", 80), masquerade)
    assert lab.ask("host", "tcp ::1 8080") == [None]
    lab.host.run("ip", "-6", "route", "add", "local", "::1", "dev", "br0", "table", "local")
    assert lab.ask("host", "tcp ::1 8080", "udp ::1 8080") == ["a fd09::1 80"] * 2
    lab.serve("host", 7000)
    assert lab.ask("host", "tcp ::1 7000") == ["host ::1 7000"]


@pytest.mark.parametrize("filtered", [0, 1])
def test_hairpin(lab: Lab, filtered: int) -> None:
    """Members, also a itself, reach the published port of a, with br_netfilter on or off."""
    lab.serve("a", 80)
    write = (
        "! [ -e /proc/sys/net/bridge ] || for f in /proc/sys/net/bridge/bridge-nf-call-ip*; "
        f"do echo {filtered} >$f; done"
    )
    lab.host.run("sh", "-c", write)
    lab.load(
        *publish("tcp", 8080, "10.9.0.2", 80),
        *publish("udp", 8080, "10.9.0.2", 80),
        *publish("tcp", 8080, "fd09::2", 80),
        rule(Hook.POSTROUTING, MASQUERADE, source=NET, oif="br0", translated=True),
        rule(Hook.POSTROUTING, MASQUERADE, family=6, source=NET6, oif="br0", translated=True),
    )
    targets = "tcp 10.9.0.1 8080", "udp 192.0.2.1 8080", "tcp fd09::1 8080", "tcp 2001:db8::1 8080"
    for member in ("b", "a"):
        assert lab.ask(member, *targets) == [
            "a 10.9.0.1 80",
            "a 10.9.0.1 80",
            "a fd09::1 80",
            "a fd09::1 80",
        ]
    # a connection that is not translated keeps its source
    assert lab.ask("b", "tcp 10.9.0.2 80") == ["a 10.9.0.3 80"]


def test_isolation_lets_through_what_is_published(lab: Lab) -> None:
    for server in ("a", "c", "pc"):
        lab.serve(server, 80)
    direct = (
        ("pc", "tcp 10.9.0.2 80", "a 192.0.2.2 80"),
        ("c", "tcp 10.9.0.2 80", "a 10.8.0.2 80"),
        ("a", "udp 10.8.0.2 80", "c 10.9.0.2 80"),
    )
    for netns, target, answer in direct:
        assert lab.ask(netns, target) == [answer]
    lab.load(
        *publish("tcp", 8080, "10.9.0.2", 80),
        rule(Hook.FORWARD, Verdict.ACCEPT, states=("established", "related")),
        rule(Hook.FORWARD, Verdict.ACCEPT, translated=True),
        rule(Hook.FORWARD, Verdict.DROP, iif="br0", oif="br1"),
        rule(Hook.FORWARD, Verdict.DROP, iif="br1", oif="br0"),
        rule(Hook.FORWARD, Verdict.DROP, iif=Not("br0"), oif="br0", translated=False),
        rule(
            Hook.INPUT,
            Verdict.DROP,
            iif="br1",
            destination=ip_network("10.8.0.1/32"),
            protocol="tcp",
            port=(7000, 7010),
            translated=False,
        ),
    )
    for netns, target, _ in direct:
        assert lab.ask(netns, target) == [None]
    # rules for IPv4 do not match IPv6
    assert lab.ask("pc", "tcp 192.0.2.1 8080", "tcp fd09::2 80") == [
        "a 192.0.2.2 80",
        "a 2001:db8::2 80",
    ]
    assert lab.ask("c", "tcp 10.9.0.1 8080") == ["a 10.8.0.2 80"]
    assert lab.ask("a", "tcp 192.0.2.2 80") == ["pc 10.9.0.2 80"]
    lab.serve("host", 7000, 7011)
    assert lab.ask("c", "tcp 10.8.0.1 7000", "udp 10.8.0.1 7000", "tcp 10.8.0.1 7011") == [
        None,
        "host 10.8.0.2 7000",
        "host 10.8.0.2 7011",
    ]


# Most kernels have no SCTP sockets, so this sends an INIT chunk from a raw socket to a raw socket
# (RFC 9260, 3.3.2).
SCTP = """
import socket, struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
s.settimeout(5)
if len(sys.argv) > 1:
    header, chunk = struct.pack("!HHI", 5000, int(sys.argv[2]), 0), struct.pack("!BBHIIHHI", 1, 0, 20, 1, 1500, 1, 1, 1)
    s.sendto(header + struct.pack("<I", crc32c(header + bytes(4) + chunk)) + chunk, (sys.argv[1], 0))
else:
    print("ready", flush=True)
    data, peer = s.recvfrom(1000)
    start = (data[0] & 15) * 4
    checksum, = struct.unpack_from("<I", data, start + 8)
    right = checksum == crc32c(data[start:start + 8] + bytes(4) + data[start + 12:])
    print(peer[0], *struct.unpack_from("!HH", data, start), right)
"""


@pytest.mark.parametrize(("port", "reached"), [(8080, 80), (8003, 9003), (7003, 7003)])
def test_dnat_of_sctp(lab: Lab, port: int, reached: int) -> None:
    lab.load(
        *publish("sctp", 8080, "10.9.0.2", 80),
        *publish("sctp", (8000, 8010), "10.9.0.2", (9000, 9010)),
        *publish("sctp", (7000, 7010), "10.9.0.2", (7000, 7010)),
    )
    with lab.host.start("ip", "netns", "exec", "a", sys.executable, "-ISc", SCTP) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        lab.host.run(
            "ip", "netns", "exec", "pc", sys.executable, "-ISc", SCTP, "192.0.2.1", str(port)
        )
        assert server.stdout.readline() == f"192.0.2.2 5000 {reached} True\n"


# The table


def test_it_is_available(lab: Lab) -> None:
    assert lab.call("available") is None
    assert lab.nft("list", "ruleset") == ""


def test_a_listing_is_equal_after_a_round_trip(lab: Lab) -> None:
    script = lab.load(*ALL_KINDS)
    listed = lab.call("list_text", TABLE)
    assert listed == lab.nft("--stateless", "list", "table", "inet", TABLE)
    assert lab.call("normalise", script, TABLE) == listed
    assert len(nftables.listing(listed)) == len(ALL_KINDS) + 5
    # traffic does not change the listing
    lab.ask("pc", "tcp 192.0.2.1 8080", "udp 192.0.2.1 8080")
    assert lab.call("list_text", TABLE) == listed
    assert lab.call("run", script) is None
    assert lab.call("list_text", TABLE) == listed
    # nft accepts the listing as a script
    lab.nft("delete", "table", "inet", TABLE)
    lab.host.run("nft", "-f", lab.host.write("listed", listed))
    assert lab.call("list_text", TABLE) == listed


def meaning(chain: ListedChain) -> ListedChain:
    """Return the chain in a normal form: without texts, with ports as ranges and values sorted."""

    def as_range(value: object) -> object:
        return (value, value) if isinstance(value, int) else value

    def clause(one: Clause) -> Clause:
        ranges = one.field in {"sport", "dport"}
        return replace(
            one,
            values=tuple(
                sorted((as_range(value) if ranges else value for value in one.values), key=str)
            ),
        )

    rules = (
        replace(rule, text="", clauses=tuple(map(clause, rule.clauses))) for rule in chain.rules
    )
    return replace(chain, rules=tuple(rules))


def test_what_a_file_asks_for_reads_as_what_the_kernel_lists(lab: Lab) -> None:
    lab.load(*ALL_KINDS)
    listed = [
        chain
        for chain in chains_of(json.loads(lab.host.run(sys.executable, "-c", LIST).stdout))
        if chain.table == TABLE
    ]
    asked = ruleset_chains.chains_of("lab", ALL_KINDS)
    assert {chain.name: meaning(chain) for chain in listed} == {
        chain.name: meaning(chain) for chain in asked
    }


def test_a_table_is_replaced_and_deleted_and_others_stay_as_they_are(lab: Lab) -> None:
    lab.nft(
        "add table inet netorch_lab_2; add chain inet netorch_lab_2 c; "
        "add rule inet netorch_lab_2 c counter drop"
    )
    lab.nft(
        "add table ip netorch_lab; add set ip netorch_lab s { type ipv4_addr; "
        "flags timeout; elements = { 192.0.2.1 } ; }"
    )
    lab.nft(
        "add table inet filter; "
        "add chain inet filter f { type filter hook forward priority 0; policy accept; }"
    )
    lab.host.run(
        "iptables-nft", "-t", "nat", "-A", "POSTROUTING", "-s", "10.0.0.0/8", "-j", "MASQUERADE"
    )
    before = lab.nft("--handle", "--stateless", "list", "ruleset")
    lab.load(*ALL_KINDS)
    lab.load(*ALL_KINDS[-2:])
    assert lab.listing()[1:] == (
        'input iifname != "lo" ip daddr 127.0.0.0/8 ct status ! dnat drop',
        'input meta nfproto ipv4 iifname "a.b-c@d_e+f" oifname "ä$;#{}" meta l4proto sctp drop',
    )
    lab.load()
    assert lab.call("list_text", TABLE) is None
    assert lab.call("run", nftables.delete(TABLE)) is None
    assert lab.nft("--handle", "--stateless", "list", "ruleset") == before
    assert lab.call("normalise", nftables.script("lab", ()), TABLE) == ""


def test_a_refused_script_leaves_everything_and_says_which_rule(lab: Lab) -> None:
    lab.load(*publish("tcp", 8080, "10.9.0.2", 80))
    before = lab.nft("--handle", "--stateless", "list", "ruleset")
    wrong = rule(Hook.FORWARD, DestinationTo(ip_address("10.9.0.2")), "lab: wrong")
    error = lab.call("run", nftables.script("lab", (*ALL_KINDS, wrong)))
    assert (
        error == "Could not process rule: Operation not supported, in: "
        'meta nfproto ipv4 dnat ip to 10.9.0.2 comment "lab: wrong"'
    )
    assert lab.call("run", "delete table\ninet").startswith("syntax error, unexpected newline")
    assert lab.nft("--handle", "--stateless", "list", "ruleset") == before


def changes(before: Sequence[str], after: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in before if line not in after] + [
        f"+ {line}" for line in after if line not in before
    ]


def test_changes_by_hand_are_seen(lab: Lab) -> None:
    lab.load(
        *publish("tcp", 8080, "10.9.0.2", 80),
        rule(Hook.FORWARD, Verdict.DROP, "lab: isolate", iif="br0", oif="br1"),
    )
    before = lab.listing()
    dnat = (
        "prerouting meta nfproto ipv4 tcp dport 8080 fib daddr type local dnat ip to "
        '10.9.0.2:80 comment "lab: tcp 8080"'
    )
    drop = 'forward meta nfproto ipv4 iifname "br0" oifname "br1" drop comment "lab: isolate"'
    assert before == (
        "prerouting type nat hook prerouting priority dstnat; policy accept;",
        dnat,
        "output type nat hook output priority -100; policy accept;",
        dnat.replace("prerouting", "output"),
        "forward type filter hook forward priority filter; policy accept;",
        drop,
    )
    lines = (
        line.strip().partition(" # handle ")
        for line in lab.nft("--handle", "--stateless", "list", "ruleset").splitlines()
    )
    handles = {words: handle for words, _, handle in lines}

    lab.nft(
        "insert", "rule", "inet", TABLE, "forward", "ip", "saddr", "10.9.0.2", "counter", "accept"
    )
    assert changes(before, lab.listing()) == ["+ forward ip saddr 10.9.0.2 counter accept"]
    lab.nft(
        "replace",
        "rule",
        "inet",
        TABLE,
        "forward",
        "handle",
        handles[drop.removeprefix("forward ")],
        "iifname",
        "br0",
        "drop",
    )
    assert changes(before, lab.listing())[::2] == [f"- {drop}", '+ forward iifname "br0" drop']
    lab.nft(
        "delete",
        "rule",
        "inet",
        TABLE,
        "output",
        "handle",
        handles[dnat.removeprefix("prerouting ")],
    )
    assert f"- {before[3]}" in changes(before, lab.listing())
    lab.nft(f"add chain inet {TABLE} forward {{ policy drop; }}")
    lab.nft("add", "chain", "inet", TABLE, "extra")
    changed = lab.listing()
    assert "forward type filter hook forward priority filter; policy drop;" in changed
    assert "extra" in changed

    # rules in another order are another filter
    lab.load(*ALL_KINDS)
    first = lab.listing()
    lab.load(*reversed(ALL_KINDS))
    assert sorted(lab.listing()) == sorted(first)
    assert lab.listing() != first


def test_everything_happens_in_the_thread_s_own_namespace(lab: Lab) -> None:
    program = """
import threading
from netorch.kernel.firewall import libnftables
from netorch.kernel.system.syscalls import CLONE_NEWNET, unshare
assert libnftables.run("add table inet netorch_main") is None
def other():
    unshare(CLONE_NEWNET)
    assert libnftables.list_text("netorch_main") is None
    assert libnftables.run("add table inet netorch_other") is None
    assert libnftables.list_text("netorch_other") == "table inet netorch_other {\\n}\\n"
    times = []
    for _ in range(3):
        assert libnftables.normalise("table inet x { chain c { accept; }; }", "x", lambda: times.append(unshare(CLONE_NEWNET))).count("accept") == 1
    assert len(times) == 1, times
    assert libnftables.list_text("x") is not None
thread = threading.Thread(target=other)
thread.start()
thread.join()
assert libnftables.list_text("netorch_other") is None
assert libnftables.list_text("netorch_main") is not None
print("done")
"""
    done = lab.host.run(sys.executable, "-c", program)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_an_error_names_what_is_missing(host: Host) -> None:
    program = """
import ctypes
from netorch.kernel.firewall import libnftables
def missing(name): raise OSError(f"{name}: cannot open shared object file")
ctypes.CDLL = missing
print(libnftables.available())
print(libnftables.run("add table inet x"))
"""
    assert host.run(sys.executable, "-c", program).stdout == (
        "libnftables.so.1 is not installed (Debian: apt install libnftables1)\n"
        "libnftables.so.1: cannot open shared object file\n"
    )
    ask = "from netorch.kernel.firewall import libnftables; print(libnftables.available())"
    refused = host.run(
        "setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", ask
    )
    assert (
        refused.stdout.startswith("nf_tables refuses what netorch needs: ")
        and "Operation not permitted" in refused.stdout
    )


def test_a_thousand_published_ports_are_quick(lab: Lab) -> None:
    """Loading takes about 50 ms and listing 20 ms; the limit allows for machines under load."""
    rules = tuple(
        replace(publish("tcp", port, "10.9.0.2", 80)[0], comment=f"lab: tcp {port}")
        for port in range(20000, 21000)
    )
    lab.host.write("script", nftables.script("lab", rules))
    program = """
import json, pathlib, time
from netorch.kernel.firewall import libnftables
script, times = pathlib.Path("script").read_text(), []
def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    times.append(round((time.perf_counter() - start) * 1000, 1))
    return result
libnftables.available()
assert timed(libnftables.run, script) is None
assert timed(libnftables.run, script) is None
assert timed(libnftables.list_text, "netorch_lab").count("dnat ip to") == 1000
print(json.dumps(times))
"""
    load, again, listed = json.loads(lab.host.run(sys.executable, "-c", program).stdout)
    start = time.perf_counter()
    assert len(lab.listing()) == 1001
    print(
        f"1,000 published ports: load {load} ms, replace {again} ms, list {listed} ms, "
        f"all of it {time.perf_counter() - start:.2f} s"
    )
    assert load < 1000
    assert listed < 1000
    lab.serve("a", 80)
    assert lab.ask("pc", "tcp 192.0.2.1 20000", "tcp 192.0.2.1 20999") == ["a 192.0.2.2 80"] * 2


MANY = """\
name: many
nodes: {"n[1-650]": {networks: [lan]}}
networks: {lan: {subnet: 10.0.0.0/16, mode: nat}}
"""


def test_a_network_of_more_nodes_than_select_takes_files(host: Host) -> None:
    """libnftables waits with select(2), which ends the process on a descriptor above 1,023."""
    host.write("many.yaml", MANY)
    host.netorch("apply", "-q", "many.yaml")
    assert host.netorch("diff", "many.yaml").stdout == "many: in sync\n"
    assert "masquerade" in host.run("nft", "list", "ruleset").stdout
    host.netorch("destroy", "-q", "many")
    assert host.run("ip", "netns").stdout == ""


def test_a_program_with_many_open_files_is_refused_before_anything_changes(host: Host) -> None:
    host.write("few.yaml", MANY.replace("650", "2"))
    before = host.snapshot()
    program = (
        "import os, netorch\n"
        "files = [os.open('/dev/null', os.O_RDONLY) for _ in range(1100)]\n"
        "try:\n"
        "    netorch.apply('few.yaml')\n"
        "except netorch.KernelRefused as error:\n"
        "    print(error.problems[0].code, error)\n"
    )
    done = host.run("sh", "-c", f'ulimit -n 4096; exec {sys.executable} -c "{program}"')
    assert done.stdout.startswith("file-limit libnftables needs a file descriptor"), (
        done.stdout + done.stderr
    )
    assert diff_snapshots(before, host.snapshot(), ("files: /run/netorch",)) == []
