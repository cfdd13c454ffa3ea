"""Test who reaches whom by which address and port, and which source address the server sees.

This covers all pairs, both backends and both families.
"""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.traffic import ask, serve

LAB = """
name: lab
backend: {nat: BACKEND}
nodes:
  box: {interfaces: {eth0: {addresses: [203.0.113.5/32, "2001:db8:5::5/128"]}}}
  inner: {networks: [closed], routes: [{to: default, via: 10.4.0.1}, {to: default, via: "fd00:4::1"}]}
  web:
    networks: [front]
    publish: ["8080:80", "127.0.0.1:9090:80", "[::1]:9090:80", "192.0.2.1:7070:81", "[2001:db8::1]:7070:81", "5001-5003:6001-6003/udp"]
  mate: {networks: [front], publish: ["7070:82"]}
  other: {networks: [back]}
  friend: {networks: [amity]}
  open: {networks: [free]}
  mix: {networks: [mixed]}
  pc:
    routes:
      - {to: 203.0.113.5/32, via: 192.0.2.1}
      - {to: 10.0.0.0/8, via: 192.0.2.1}
      - {to: "2001:db8:5::5/128", via: "2001:db8::1"}
      - {to: "fd00::/16", via: "2001:db8::1"}
networks:
  closed: {mode: host-only, node: box, subnet: [10.4.0.0/24, "fd00:4::/64"]}
  front: {mode: nat, node: box, subnet: [10.1.0.0/24, "fd00:1::/64"]}
  back: {mode: nat, node: box, subnet: [10.2.0.0/24, "fd00:2::/64"]}
  amity: {mode: nat, node: box, subnet: [10.5.0.0/24, "fd00:5::/64"], allow: [front]}
  free: {mode: routed, node: box, subnet: [10.3.0.0/24, "fd00:3::/64"]}
  mixed: {mode: {v4: nat, v6: routed}, node: box, subnet: [10.6.0.0/24, "fd00:6::/64"]}
links:
  - {endpoints: ["box:eth0", "pc:eth0"], subnet: [192.0.2.0/30, "2001:db8::/64"]}
"""

SERVERS = {
    "web": ("tcp:80", "tcp:81", "udp:6001", "udp:6002", "udp:6003", "udp:6004"),
    "mate": ("tcp:82",),
    "pc": ("tcp:90",),
    "other": ("tcp:91",),
    "friend": ("tcp:92",),
    "open": ("tcp:93",),
    "inner": ("tcp:94",),
    "mix": ("tcp:95",),
    "box": ("tcp:86",),
}

# The name of a network stands for the address of its bridge, `own` and `second` for two outside
# addresses of the owner.
ADDRESSES = {
    4: {"own": "192.0.2.1", "second": "203.0.113.5", "pc": "192.0.2.2", "loopback": "127.0.0.1"},
    6: {"own": "2001:db8::1", "second": "2001:db8:5::5", "pc": "2001:db8::2", "loopback": "::1"},
}
MEMBERS = {"web": 1, "mate": 1, "other": 2, "open": 3, "inner": 4, "friend": 5, "mix": 6}
NETWORKS = {"front": 1, "back": 2, "free": 3, "closed": 4, "amity": 5, "mixed": 6}
for member, number in MEMBERS.items():
    last = 3 if member == "mate" else 2
    ADDRESSES[4][member], ADDRESSES[6][member] = f"10.{number}.0.{last}", f"fd00:{number}::{last}"
for network, number in NETWORKS.items():
    ADDRESSES[4][network], ADDRESSES[6][network] = f"10.{number}.0.1", f"fd00:{number}::1"

# The head of a column is the protocol, the address and port that are asked, and the port that
# answers. A cell is the source that the server sees, `-` for no answer, or `.` if nothing is asked.
# `a|b` is for IPv4 and IPv6. The mixed network is nat for IPv4 and routed for IPv6.
MATRIX = """
          tcp:own:8080:80 tcp:second:8080:80 tcp:own:7070:81 tcp:second:7070:82 udp:own:5002:6002 tcp:front:8080:80
pc        pc              pc                 pc              pc                 pc                pc
box       own             second             own             second             own               front
web       front           front              front           front              front             front
mate      front           front              front           front              front             front
other     front           front              front           front              front             front
friend    front           front              front           front              front             front
open      open            open               open            open               open              open
inner     inner           inner              inner           inner              inner             inner
mix       front|mix       front|mix          front|mix       front|mix          front|mix         front|mix

          tcp:loopback:8080:80 tcp:loopback:9090:80 tcp:loopback:7070:82 tcp:own:9090:80 udp:own:5004:6004 tcp:own:86:86 tcp:back:86:86
pc        -                    -                    -                    -               -                 pc            pc
box       front                front                front                -               -                 own           back
web       -                    -                    -                    -               -                 web           -
mate      -                    -                    -                    -               -                 mate          -
other     -                    -                    -                    -               -                 other         other
friend    -                    -                    -                    -               -                 friend        -
open      -                    -                    -                    -               -                 open          -
inner     -                    -                    -                    -               -                 inner         -
mix       -                    -                    -                    -               -                 mix           -

          tcp:web:80:80 tcp:mate:82:82 tcp:other:91:91 tcp:friend:92:92 tcp:open:93:93 tcp:inner:94:94 tcp:mix:95:95 tcp:pc:90:90
pc        -             -              -               -                pc             -               -|pc          .
box       front         front          back            amity            free           closed          mixed         own
web       .             web            -               amity            -              -               -             own
mate      mate          .              -               amity            -              -               -             own
other     -             -              .               -                -              -               -             own
friend    front         front          -               .                -              -               -             own
open      -             -              -               -                .              -               -             open
inner     -             -              -               -                -              .               -             -
mix       -             -              -               -                -              -               .             own|mix
"""


def cells() -> dict[str, list[tuple[str, str, int, int, str]]]:
    """Return: client → (protocol, target, port, port that answers, source that is seen)."""
    table: dict[str, list[tuple[str, str, int, int, str]]] = {}
    for block in MATRIX.strip("\n").split("\n\n"):
        heads, *rows = (line.split() for line in block.splitlines())
        for name, *row in rows:
            for head, cell in zip(heads, row, strict=True):
                protocol, whom, port, answers = head.split(":")
                table.setdefault(name, []).append((protocol, whom, int(port), int(answers), cell))
    return table


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("backend", ["nftables", pytest.param("iptables", marks=pytest.mark.uml)])
def test_everybody_asks_everybody(host: Host, backend: str, version: int) -> None:
    if backend == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    host.write("lab.yaml", LAB.replace("BACKEND", backend))
    host.netorch("apply", "lab.yaml")
    for node, sockets in SERVERS.items():
        serve(host, node, *sockets)
    where = ADDRESSES[version]
    wrong: list[str] = []
    for name, asked in cells().items():
        expected: dict[tuple[str, str, int], str | None] = {}
        for protocol, whom, port, answers, cell in asked:
            source = cell.split("|")[version == 6 and "|" in cell]
            if source != ".":
                expected[protocol, where[whom], port] = (
                    None if source == "-" else f"{where[source]} {answers}"
                )
        for patience, open_ in ((6.0, True), (0.6, False)):
            questions = [
                question for question, answer in expected.items() if (answer is not None) is open_
            ]
            for question, answer in zip(
                questions, ask(host, name, *questions, patience=patience), strict=True
            ):
                if answer != expected[question]:
                    wrong.append(f"{name} → {question}: {answer}, not {expected[question]}")
    assert wrong == []
