"""Test each row of the table in docs/traffic.md with a flow that runs during the change."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

import pytest

from tests.kernel.flows import Flow, answering
from tests.kernel.host import SOURCE, Host
from tests.kernel.kindcase import require
from tests.kernel.test_connections import FILE, ONE, PUBLISH, written

PAGE = SOURCE / "docs" / "traffic.md"
ROW = re.compile(r"\| (.+) \| \*\*(.+)\*\* \| `(\w+)` \|")

LAB = (
    FILE.replace("backend: {nat: BACKEND}\n", "").replace(
        "nodes:\n",
        """nodes:
  a: {networks: {lan: {address: [10.3.0.1, "fd00:3::1"]}}}
  b: {networks: {lan: {address: [10.3.0.2, "fd00:3::2"]}}}
  c: {networks: {lan: {address: [10.3.0.3, "fd00:3::3"]}}}
  gw: {forwarding: true, networks: {lan: {address: [10.3.0.9, "fd00:3::9"]}, dmz: {address: [10.4.0.9, "fd00:4::9"]}}}
  s1: {interfaces: {br0: {kind: bridge, ports: [t, p1]}}}
  s2: {interfaces: {br0: {kind: bridge, ports: [t, p9]}}}
  x: {interfaces: {eth0: {addresses: [10.5.0.1/24, "fd00:5::1/64"]}}}
  y: {interfaces: {eth0: {addresses: [10.5.0.2/24, "fd00:5::2/64"]}}}
""",
    )
    .replace("[box:up, out:eth0]", "[box:up, out:eth0], [s1:t, s2:t], [x:eth0, s1:p1], [y:eth0, s2:p9]")
    .rstrip()
    + """
  lan: {subnet: [10.3.0.0/24, "fd00:3::/64"]}
  dmz: {subnet: [10.4.0.0/24, "fd00:4::/64"]}
"""
)  # fmt: skip
B, NET_TWO = (
    ("10.3.0.2", "fd00:3::2"),
    '{mode: routed, node: box, subnet: [10.2.0.0/24, "fd00:2::/64"]}',
)
N, OUT, BOX = ("10.2.0.2", "fd00:2::2"), ("192.0.2.2", "2001:db8::2"), ("192.0.2.1", "2001:db8::1")
B_ADDRESS, C_ADDRESS = '[10.3.0.2, "fd00:3::2"]', '[10.3.0.3, "fd00:3::3"]'
LANS = '{lan: {address: [10.3.0.9, "fd00:3::9"]}, dmz: {address: [10.4.0.9, "fd00:4::9"]}}'
LANS_REVERSED = '{dmz: {address: [10.4.0.9, "fd00:4::9"]}, lan: {address: [10.3.0.9, "fd00:3::9"]}}'
HOST_ONLY = {ONE: "one: {mode: host-only, allow: [two],", f", {PUBLISH}": ""}
OPEN = {ONE: f"{ONE} isolated: false,"}
DNAT = {
    f", {PUBLISH}": "",
    "box: {": "box: {nat: [{dnat: {in: up, proto: tcp, port: 8080, to: '10.1.0.2:80'}}], ",
}


class Case(NamedTuple):
    """A change of the file, and the flow that runs meanwhile."""

    words: Mapping[str, str]
    """The change: old text → new text."""
    asks: str
    """The node that sends."""
    to: tuple[str, ...]
    """The addresses to which it sends."""
    port: int = 0
    """The TCP port to which it connects. With 0, it sends echo requests."""
    start: Mapping[str, str] = MappingProxyType({})
    """Changes to the file before the first apply: old text → new text."""
    needs: tuple[str, ...] = ()
    """Link kinds that the kernel must have."""


CASES = {
    "another node or network is added": Case(
        {"  c: {": '  d: {networks: [lan, more]}\n  c: {', "  lan: {": "  more: {subnet: 10.6.0.0/24}\n  lan: {"}, "a", B
    ),
    "another member leaves, or its node is removed": Case(
        {f"  c: {{networks: {{lan: {{address: {C_ADDRESS}}}}}}}\n": ""}, "a", B
    ),
    "`mtu`, for packets that fit": Case({B_ADDRESS: f"{B_ADDRESS}, mtu: 1400"}, "a", B),
    "`description`, `txqueuelen`": Case(
        {B_ADDRESS: f"{B_ADDRESS}, description: x, txqueuelen: 50"}, "a", B
    ),
    "`sysctls`": Case({B_ADDRESS: f"{B_ADDRESS}, sysctls: {{proxy_arp: 1}}"}, "a", B),
    "an address is added to a link, or another one removed": Case(
        {"10.5.0.2/24,": "10.5.0.2/24, 10.5.0.7/24,"}, "x", ("10.5.0.2", "fd00:5::2")
    ),
    "a route gets another gateway, and both work": Case(
        {"to: 10.0.0.0/8, via: 192.0.2.1": "to: 10.0.0.0/8, via: 192.0.2.9"}, "out", N
    ),
    "names of nodes": Case({"  b: {": "  b: {aliases: [www], "}, "a", B),
    "the timers of a bridge": Case({"  lan: {": "  lan: {ageing_time: 60s, "}, "a", B),
    "another port is published": Case({PUBLISH: PUBLISH.replace("]", ', "9999:99"]')}, "out", BOX, 8080),
    "other networks are isolated": Case(
        {"isolated: false": "isolated: true"}, "m", OUT, 80, OPEN
    ),
    "`mac`": Case({B_ADDRESS: f"{B_ADDRESS}, mac: 02:00:00:00:00:99"}, "a", B),
    "a node is renamed, and keeps its addresses": Case({"  b: {": "  bob: {"}, "a", B),
    "an address moves to another member": Case(
        {B_ADDRESS: '[10.3.0.7, "fd00:3::7"]', C_ADDRESS: B_ADDRESS}, "a", B
    ),
    "an interface is renamed": Case({B_ADDRESS: f"{B_ADDRESS}, name: lan0"}, "a", B),
    "a cable moves to another bridge, and the two bridges are connected": Case(
        {"ports: [t, p1]": "ports: [t, p1, p9]", "ports: [t, p9]": "ports: [t]", "s2:p9": "s1:p9"},
        "x", ("10.5.0.2", "fd00:5::2"),
    ),
    "the order of a gateway's networks": Case({LANS: LANS_REVERSED}, "a", ("10.3.0.9", "fd00:3::9")),
    "the `driver` of a network": Case(
        {'"fd00:3::/64"]': '"fd00:3::/64"], driver: macvlan, parent: "out:spare"', "    interfaces: {eth0:": "    interfaces: {spare: {kind: veth, peer: 'box:spare'}, eth0:"},
        "a", B, needs=("macvlan",),
    ),
    "a published port leads to another port of the node": Case(
        {'"8080:80"': '"8080:81"'}, "out", BOX, 8080
    ),
    "a published port leads to another node": Case(
        {f", {PUBLISH}": "", "mate: {networks: [one]": f"mate: {{networks: [one], {PUBLISH}"},
        "out", BOX, 8080,
    ),
    "a node's own `dnat` leads to another port": Case(
        {"to: '10.1.0.2:80'": "to: '10.1.0.2:81'"}, "out", BOX[:1], 8080, DNAT
    ),
    "`egress`": Case({ONE: f'{ONE} egress: [192.0.2.9, "fd00:9::9"],'}, "m", OUT, 80),
    "`mode: nat` becomes `routed`, or the reverse": Case(
        {ONE: "one: {mode: routed,"}, "m", OUT, 80, {f", {PUBLISH}": ""}
    ),
    "a port is no longer published": Case({f", {PUBLISH}": ""}, "out", BOX, 8080),
    "`allow` is removed": Case({"allow: [two], ": ""}, "n", ("10.1.0.2", "fd00:1::2"), 80, HOST_ONLY),
    "`isolated: true`": Case({"isolated: false": "isolated: true"}, "m", N, 80, OPEN),
    "`mode` becomes `host-only`": Case(
        {ONE: "one: {mode: host-only,"}, "m", OUT, 80, {f", {PUBLISH}": ""}
    ),
    "`port_isolation: true`": Case({"  lan: {": "  lan: {port_isolation: true, "}, "a", B, 80),
    "an address is removed, or becomes another one": Case(
        {B_ADDRESS: '[10.3.0.7, "fd00:3::7"]'}, "a", B, 80
    ),
    "`state: down`": Case({B_ADDRESS: f"{B_ADDRESS}, state: down"}, "a", B, 80),
    "a network is removed": Case({"n: {networks: [two]}": "n: {}", f"  two: {NET_TWO}\n": ""}, "n", OUT, 80),
}  # fmt: skip


def rows() -> dict[str, tuple[str, str]]:
    """Return the table of the page: change → what a flow notices, and the action in the plan."""
    return {row[1]: (row[2], row[3]) for row in ROW.finditer(PAGE.read_text())}


def test_every_row_has_a_flow_and_every_flow_a_row() -> None:
    assert list(rows()) == list(CASES)
    lines = PAGE.read_text().splitlines()
    assert len(rows()) == sum(line.startswith("| ") for line in lines) - 2, (
        "the expression matches every row"
    )


@contextmanager
def pinged(host: Host, case: Case, lost: list[int]) -> Iterator[None]:
    """Send an echo request every 10 ms to each address meanwhile.

    Append to `lost` how many of them had no answer, for each address.
    """
    pings = [
        host.start("ip", "netns", "exec", case.asks, "ping", "-n", "-i", "0.01", target)
        for target in case.to
    ]
    for ping in pings:
        assert ping.stdout is not None and ping.stdout.readline().startswith("PING")
        assert "icmp_seq=" in ping.stdout.readline()
    yield
    for ping in pings:
        ping.signal(signal.SIGINT)
        assert ping.stdout is not None
        seen = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", ping.stdout.read())}
        ping.wait(timeout=10)
        assert len(seen) > 3, "the ping ran during the change"
        lost.append(max(seen) - min(seen) + 1 - len(seen))


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=pytest.mark.uml) if case.needs else what
        for what, case in CASES.items()
    ],
)
def test_a_flow_through_the_change(host: Host, what: str) -> None:
    case, (notices, word) = CASES[what], rows()[what]
    require(host, *case.needs)
    start = written(LAB, case.start)
    host.write("topo.yaml", start)
    host.netorch("apply")
    for target in case.to:
        assert host.reaches(case.asks, target)
    if case.port:
        for node in ("b", "m", "mate", "n", "out"):
            answering(host, node, "tcp:80", "tcp:81")
    flows = [Flow(host, case.asks, "tcp", address, case.port) for address in case.to if case.port]
    before = [flow.ask() for flow in flows]
    assert "nothing" not in before

    host.write("topo.yaml", written(start, case.words))
    lost: list[int] = []
    if flows:
        report = host.netorch("apply", "-o", "json")
    else:
        with pinged(host, case, lost):
            report = host.netorch("apply", "-o", "json")
            for target in case.to:
                assert host.ping(case.asks, target), "everything works when apply returns"
    assert word in {change["action"] for change in json.loads(report.stdout)["changes"]}

    after = [flow.ask(8 if notices == "nothing" else 2) for flow in flows]
    ends = notices == "the end"
    again = [
        Flow(host, case.asks, "tcp", address, case.port, 1 if ends else 10)
        for address in case.to
        if flows
    ]
    anew = [flow.ask(1 if ends else 8) for flow in again]
    match notices:
        case "nothing":
            assert after == before and not any(lost), lost
        case "a moment":
            assert not flows, "such a row needs echoes, which `pinged` has checked after the apply"
        case "the connection ends":
            assert set(after) == {"nothing"} and "nothing" not in anew
        case "the end":
            assert set(after) == {"nothing"} == set(anew)
        case _:
            raise AssertionError(f"the page has an unknown word: {notices}")
