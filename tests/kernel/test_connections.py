"""A change of rules applies to existing connections: each flow here lasts through an apply."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

from tests.kernel.flows import Flow, answering
from tests.kernel.host import Host, wait_for_rollback

FILE = """
name: lab
backend: {nat: BACKEND}
nodes:
  box: {interfaces: {up: {addresses: [192.0.2.1/24, 192.0.2.9/24, "2001:db8::1/64"]}, lo: {addresses: ["fd00:9::9/128"]}}}
  out:
    interfaces: {eth0: {addresses: [192.0.2.2/24, "2001:db8::2/64"]}}
    routes: [{to: 10.0.0.0/8, via: 192.0.2.1}, {to: "fd00::/16", via: "2001:db8::1"}]
  m: {networks: [one], publish: ["5353:53/udp", "8080:80"]}
  mate: {networks: [one]}
  n: {networks: [two]}
links: [[box:up, out:eth0]]
networks:
  one: {mode: nat, node: box, subnet: [10.1.0.0/24, "fd00:1::/64"]}
  two: {mode: routed, node: box, subnet: [10.2.0.0/24, "fd00:2::/64"]}
"""
ONE, TWO = "one: {mode: nat,", "two: {mode: routed,"
PUBLISH = 'publish: ["5353:53/udp", "8080:80"]'
BOX, OUT = ("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2")
M, N = ("10.1.0.2", "fd00:1::2"), ("10.2.0.2", "fd00:2::2")
OPEN = {ONE: f"{ONE} isolated: false,"}
GATEWAY = ("10.2.0.1", "fd00:2::1")


class Case(NamedTuple):
    """A change of the file, and a flow that exists before and after it."""

    words: dict[str, str]
    """Texts of the file and what replaces them."""
    asks: str
    """The node of the clients."""
    to: tuple[str, str]
    """The addresses of the server, IPv4 and IPv6."""
    ports: tuple[int, int]
    """Its ports for UDP (0: without UDP) and TCP."""
    before: tuple[str, str]
    """The clients' addresses that the server sees at first, IPv4 and IPv6."""
    after: tuple[str, str] | None
    """The same for UDP after the change, or None if there must be no answer."""
    port: int = 53
    """The server's port for UDP after the change."""
    start: Mapping[str, str] = MappingProxyType({})
    """Texts of the file that are replaced before the first apply."""
    goes_on: bool = False
    """Whether the TCP connections get an answer after the change."""


CASES = {
    "another port of the node": Case(
        {PUBLISH: 'publish: ["5353:54/udp", "8080:81"]'}, "out", BOX, (5353, 8080), OUT, OUT, 54
    ),
    "published by another node": Case(
        {f", {PUBLISH}": "", "mate: {networks: [one]": f"mate: {{networks: [one], {PUBLISH}"},
        "out", BOX, (5353, 8080), OUT, OUT,
    ),
    "published no longer": Case({f", {PUBLISH}": ""}, "out", BOX, (5353, 8080), OUT, None),
    "another port published too": Case(
        {PUBLISH: 'publish: ["5353:53/udp", "8080:80", "9999:99/udp"]'},
        "out", BOX, (5353, 8080), OUT, OUT, goes_on=True,
    ),
    "a node's own dnat": Case(
        {"to: '10.1.0.2:53'": "to: '10.1.0.2:54'", "to: '10.1.0.2:80'": "to: '10.1.0.2:81'"},
        "out", (BOX[0], BOX[0]), (5353, 8080), (OUT[0], OUT[0]), (OUT[0], OUT[0]), 54,
        {
            f", {PUBLISH}": "",
            "box: {": "box: {nat: [{dnat: {in: up, proto: udp, port: 5353, to: '10.1.0.2:53'}}, {dnat: {in: up, proto: tcp, port: 8080, to: '10.1.0.2:80'}}], ",
        },
    ),
    "allow removed": Case(
        {"allow: [two], ": ""}, "n", M, (53, 80), N, None,
        start={ONE: "one: {mode: host-only, allow: [two],", f", {PUBLISH}": ""},
    ),
    "isolated": Case(
        {"isolated: false": "isolated: true"}, "m", N, (53, 80), GATEWAY, None, start=OPEN
    ),
    "another egress": Case(
        {ONE: f'{ONE} egress: [192.0.2.9, "fd00:9::9"],'},
        "m", OUT, (53, 80), BOX, ("192.0.2.9", "fd00:9::9"),
    ),
    "masquerade no longer": Case({ONE: "one: {mode: routed,", f", {PUBLISH}": ""}, "m", OUT, (53, 80), BOX, M),
    "masquerade from now on": Case({TWO: "two: {mode: nat,"}, "n", OUT, (53, 80), N, BOX),
    "other source ports": Case(
        {"ports: 1-65535": "ports: 1024-1999"}, "m", OUT, (53, 80), BOX, BOX,
        start={"box: {": "box: {nat: [{masquerade: {out: up, proto: [tcp, udp], ports: 1-65535}}], "},
    ),
    "source ports that they have": Case(
        {"ports: 9-65535": "ports: 1-65535"}, "m", OUT, (53, 80), BOX, BOX, goes_on=True,
        start={"box: {": "box: {nat: [{masquerade: {out: up, proto: [tcp, udp], ports: 9-65535}}], "},
    ),
    "host-only": Case(
        {ONE: "one: {mode: host-only,", f", {PUBLISH}": ""}, "m", OUT, (53, 80), BOX, None
    ),
    "not from outside any more": Case({TWO: "two: {mode: nat,"}, "out", N, (53, 80), OUT, None),
    "a network removed": Case(
        {"n: {networks: [two]}": "n: {}", '  two: {mode: routed, node: box, subnet: [10.2.0.0/24, "fd00:2::/64"]}\n': ""},
        "n", OUT, (53, 80), N, None,
    ),
    "the gateway of a network that is isolated": Case(
        {"isolated: false": "isolated: true"}, "m", GATEWAY, (0, 80), M, None, start=OPEN
    ),
    "something else": Case(
        {"isolated: false": "isolated: true"}, "m", OUT, (53, 80), BOX, BOX, start=OPEN, goes_on=True
    ),
}  # fmt: skip


@pytest.fixture(params=["nftables", "iptables"])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    return str(request.param)


def written(text: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("what", CASES)
def test_a_change_of_rules_holds_for_flows_that_are_there(
    host: Host, backend: str, what: str
) -> None:
    case = CASES[what]
    start = written(FILE.replace("BACKEND", backend), case.start)
    host.write("topo.yaml", start)
    host.netorch("apply")
    for node in ("m", "mate", "n", "out", "box"):
        answering(host, node, "udp:53", "udp:54", "tcp:80", "tcp:81")
    datagrams = [
        Flow(host, case.asks, "udp", address, case.ports[0]) for address in case.to if case.ports[0]
    ]
    streams = [Flow(host, case.asks, "tcp", address, case.ports[1]) for address in case.to]
    for flow, seen in zip(datagrams, case.before, strict=False):
        assert flow.ask() == f"{seen} 53", flow.title
    for flow, seen in zip(streams, case.before, strict=True):
        assert flow.ask() == f"{seen} 80", flow.title

    host.write("topo.yaml", written(start, case.words))
    host.netorch("apply")
    for flow, seen in zip(datagrams, case.after or ("", ""), strict=False):
        expected = f"{seen} {case.port}" if seen else "nothing"
        assert flow.ask(8 if seen else 2) == expected, flow.title
    for flow, seen in zip(streams, case.before, strict=True):
        expected = f"{seen} 80" if case.goes_on else "nothing"
        assert flow.ask(8 if case.goes_on else 2) == expected, flow.title


# accepts a connection and sends until it ends
PUSH = """
import socket, time
sock = socket.create_server(("::", 7070), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
there, _ = sock.accept()
while True:
    there.sendall(b"!")
    time.sleep(0.02)
"""
LISTEN = """
import socket, sys, time
sock = socket.create_connection((sys.argv[1], 7070), timeout=10)
sock.recv(1)
print("ready", flush=True)
sys.stdin.readline()
sock.settimeout(3)
end = time.monotonic() + 3
try:
    while sock.recv(1 << 16) and time.monotonic() < end:
        pass
    print("it goes on", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
"""


@pytest.mark.parametrize("gateway", GATEWAY)
def test_a_program_of_the_owner_that_goes_on_sending_is_cut_off(
    host: Host, backend: str, gateway: str
) -> None:
    start = written(FILE.replace("BACKEND", backend), OPEN)
    host.write("topo.yaml", start)
    host.netorch("apply")
    inside = ("ip", "netns", "exec")
    server = host.start(*inside, "box", sys.executable, "-c", PUSH)
    assert server.stdout is not None and server.stdout.readline() == "ready\n"
    client = host.start(*inside, "m", sys.executable, "-c", LISTEN, gateway)
    assert client.stdout is not None and client.stdin is not None
    assert client.stdout.readline() == "ready\n"
    host.write("topo.yaml", start.replace("isolated: false", "isolated: true"))
    host.netorch("apply")
    client.stdin.write("\n")
    client.stdin.flush()
    assert client.stdout.readline() == "ConnectionResetError\n"


def test_connections_of_others_go_on(host: Host, backend: str) -> None:
    """Connections that foreign rules translate go on, also those of members."""
    start = FILE.replace("BACKEND", backend)
    host.write("topo.yaml", start)
    host.netorch("apply")
    rules = """
    table ip theirs {
        chain pre { type nat hook prerouting priority -110; tcp dport 2222 dnat to 10.1.0.2:80; }
        chain post { type nat hook postrouting priority 90; ip saddr 10.2.0.0/24 oifname "up" snat to 192.0.2.9; }
    }
    """
    host.write("theirs.nft", rules)
    host.run("ip", "netns", "exec", "box", "nft", "-f", "theirs.nft")
    for node in ("m", "out", "box"):
        answering(host, node, "udp:53", "tcp:80")
    flows = {
        Flow(host, "out", "tcp", "192.0.2.1", 2222): "192.0.2.2 80",
        Flow(host, "n", "tcp", "192.0.2.2", 80): "192.0.2.9 80",
        Flow(host, "m", "tcp", "10.1.0.1", 80): "10.1.0.2 80",
    }
    for flow, answer in flows.items():
        assert flow.ask() == answer, flow.title
    others = start.replace(PUBLISH, 'publish: ["8081:80"]').replace(TWO, f"{TWO} isolated: true,")
    host.write("topo.yaml", others)
    host.netorch("apply")
    for flow, answer in flows.items():
        assert flow.ask() == answer, flow.title
    host.write("topo.yaml", start)
    host.netorch("apply")
    for flow, answer in flows.items():
        assert flow.ask() == answer, flow.title


def test_a_repair_and_a_rollback_end_what_came_through_meanwhile(host: Host, backend: str) -> None:
    start = FILE.replace("BACKEND", backend)
    host.write("topo.yaml", start)
    host.netorch("apply")
    for node in ("m", "n", "out"):
        answering(host, node, "udp:53", "udp:54", "tcp:80")
    flush = {
        "nftables": "nft flush ruleset",
        "iptables": "for table in nat filter; do iptables-legacy -t $table -F; ip6tables-legacy -t $table -F; done",
    }
    host.run("ip", "netns", "exec", "box", "sh", "-ec", flush[backend])
    for address in OUT:
        private = Flow(host, "m", "udp", address, 53)
        assert private.ask() == f"{M[OUT.index(address)]} 53"
        inwards = Flow(host, "out", "tcp", M[OUT.index(address)], 80)
        assert inwards.ask() == f"{address} 80"
        host.netorch("apply")
        assert private.ask() == f"{BOX[OUT.index(address)]} 53"
        assert inwards.ask(2) == "nothing"
        host.run("ip", "netns", "exec", "box", "sh", "-ec", flush[backend])
    host.netorch("apply")

    flow = Flow(host, "out", "udp", BOX[0], 5353)
    assert flow.ask() == f"{OUT[0]} 53"
    host.write("topo.yaml", start.replace("5353:53/udp", "5353:54/udp"))
    host.netorch("apply", "--confirm-within", "2")
    assert flow.ask() == f"{OUT[0]} 54"
    host.write("topo.yaml", start)
    wait_for_rollback(host)
    assert flow.ask() == f"{OUT[0]} 53"
