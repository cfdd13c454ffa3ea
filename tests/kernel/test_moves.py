"""Test that netorch announces what moves.

After an apply, no node sends to the place where an address or a MAC was before.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from tests.kernel.host import Host, wait_for_rollback
from tests.kernel.kindcase import require
from tests.kernel.wire import sniff

LAN = """
name: lab
nodes:
  a: {networks: {lan: {address: [10.0.0.1, "fd00::1"]}}}
  bob: {networks: {lan: {address: [10.0.0.2, "fd00::2"]}}}
  c: {networks: {lan: {address: [10.0.0.3, "fd00::3"]}}}
networks: {lan: {subnet: [10.0.0.0/24, "fd00::/64"]}}
"""
SWAPPED = {
    '[10.0.0.2, "fd00::2"]': '[10.0.0.3, "fd00::3"]',
    '[10.0.0.3, "fd00::3"]': '[10.0.0.2, "fd00::2"]',
}
GATEWAY = """
name: lab
nodes:
  a: {networks: {lan: {address: [10.0.0.1, "fd00::1"]}}}
  d: {networks: {dmz: {address: [10.1.0.1, "fd01::1"]}}}
  gw: {networks: [lan, dmz], forwarding: true}
networks:
  lan: {subnet: [10.0.0.0/24, "fd00::/64"], gateway: gw}
  dmz: {subnet: [10.1.0.0/24, "fd01::/64"], gateway: gw}
"""
CABLE = """
name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}}}
  r: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}}
links: [[a:eth0, r:eth0]]
"""
TAGGED = """
name: lab
nodes:
  sw:
    interfaces:
      br0: {kind: bridge, ports: [p1, p2, p3], vlan_filtering: true}
      p1: {port: {vlans: [{id: 10}]}}
      p2: {port: {vlans: [{id: 10}]}}
      p3: {port: {vlans: [{id: 10}]}}
  a: {interfaces: {eth0: {}, v10: {kind: vlan, parent: eth0, id: 10, addresses: [10.0.0.1/24, "fd00::1/64"]}}}
  b: {interfaces: {eth0: {}, v10: {kind: vlan, parent: eth0, id: 10, addresses: [10.0.0.2/24, "fd00::2/64"]}}}
  c: {interfaces: {eth0: {}, v10: {kind: vlan, parent: eth0, id: 10, addresses: [10.0.0.3/24, "fd00::3/64"]}}}
links: [[a:eth0, sw:p1], [b:eth0, sw:p2], [c:eth0, sw:p3]]
"""
IN_VRF = """
name: lab
nodes:
  a: {networks: {lan: {address: [10.0.0.1, "fd00::1"]}}}
  r:
    interfaces:
      blue: {kind: vrf, table: 10}
      eth0: {master: blue, addresses: [10.0.0.2/24, "fd00::2/64"]}
      eth1: {master: blue}
  sw: {interfaces: {br0: {kind: bridge, ports: [p0, p1, p2]}}}
  b: {interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}}}
networks: {lan: {subnet: [10.0.0.0/24, "fd00::/64"]}}
links: [[r:eth0, sw:p0], [r:eth1, sw:p1], [b:eth0, sw:p2]]
"""
TWO_SWITCHES = """
name: lab
nodes:
  s1: {interfaces: {br0: {kind: bridge, ports: [t, p1]}}}
  s2: {interfaces: {br0: {kind: bridge, ports: [t, p9]}}}
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}}}
  b: {interfaces: {eth0: {mac: 02:00:00:00:00:0b, addresses: [10.0.0.2/24, "fd00::2/64"]}}}
links: [[s1:t, s2:t], [a:eth0, s1:p1], [b:eth0, s2:p9]]
"""
OVERLAY = """
name: lab
networks:
  lan: {driver: vxlan, vni: 5, subnet: [10.5.0.0/24, "fd05::/64"], endpoints: {v1: 192.0.2.1, v2: 192.0.2.2, v3: 192.0.2.3}}
  wire: {subnet: 192.0.2.0/24}
nodes:
  v1: {networks: {wire: 192.0.2.1}}
  v2: {networks: {wire: 192.0.2.2}}
  v3: {networks: {wire: 192.0.2.3}}
  a: {networks: {lan: {at: v1, address: [10.5.0.1, "fd05::1"]}}}
  b: {networks: {lan: {at: v2, address: [10.5.0.2, "fd05::2"], mac: 02:00:00:00:00:0b}}}
"""


class Case(NamedTuple):
    """A change of a file, and addresses that must answer at once, before and after it."""

    file: str
    """The topology file before the change."""
    words: dict[str, str]
    """Texts of the file → their new texts."""
    asks: str
    """The node that pings."""
    targets: tuple[str, ...]
    """The addresses that it pings."""
    kinds: tuple[str, ...] = ()
    """Kinds of links that the kernel needs."""
    by_hand: str = ""
    """A script that somebody runs before the file changes."""


CASES = {
    "a node is renamed": Case(LAN, {"bob:": "carol:"}, "a", ("10.0.0.2", "fd00::2")),
    "another MAC": Case(
        LAN,
        {'[10.0.0.2, "fd00::2"]': '[10.0.0.2, "fd00::2"], mac: 02:00:00:00:00:99'},
        "a",
        ("10.0.0.2", "fd00::2"),
    ),
    "two members change their addresses": Case(
        LAN, SWAPPED, "a", ("10.0.0.2", "fd00::2", "10.0.0.3", "fd00::3")
    ),
    "an address moves to another member": Case(
        LAN,
        {
            '[10.0.0.2, "fd00::2"]': '[10.0.0.9, "fd00::9"]',
            '[10.0.0.3, "fd00::3"]': '[10.0.0.2, "fd00::2"]',
        },
        "a",
        ("10.0.0.2", "fd00::2"),
    ),
    "the gateway's order of networks": Case(
        GATEWAY, {"[lan, dmz]": "[dmz, lan]"}, "a", ("10.1.0.1", "fd01::1")
    ),
    "two nodes change places": Case(
        GATEWAY,
        {
            '{lan: {address: [10.0.0.1, "fd00::1"]}}': '{dmz: {address: [10.1.0.1, "fd01::1"]}}',
            '{dmz: {address: [10.1.0.1, "fd01::1"]}}': '{lan: {address: [10.0.0.1, "fd00::1"]}}',
        },
        "gw",
        ("10.0.0.1", "fd00::1", "10.1.0.1", "fd01::1"),
    ),
    "the addresses move to a bridge over the link": Case(
        CABLE,
        {
            'eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}': 'br0: {kind: bridge, ports: [eth0], addresses: [10.0.0.2/24, "fd00::2/64"]}'
        },
        "a",
        ("10.0.0.2", "fd00::2"),
    ),
    "the link becomes one of another kind": Case(
        LAN.replace("nodes:", "nodes:\n  box: {}\n  pc: {}").replace(
            '/64"]}}\n', '/64"]}}\nlinks: [[box:eth0, pc:eth0]]\n'
        ),
        {'"fd00::/64"]}': '"fd00::/64"], driver: macvlan, parent: "box:eth0"}'},
        "a",
        ("10.0.0.2", "fd00::2"),
    ),
    "VLANs of a link": Case(
        TAGGED,
        {
            '[10.0.0.2/24, "fd00::2/64"]': '[10.0.0.3/24, "fd00::3/64"]',
            '[10.0.0.3/24, "fd00::3/64"]': '[10.0.0.2/24, "fd00::2/64"]',
        },
        "a",
        ("10.0.0.2", "fd00::2", "10.0.0.3", "fd00::3"),
        ("vlan",),
    ),
    "links of a VRF": Case(
        IN_VRF,
        {
            'eth0: {master: blue, addresses: [10.0.0.2/24, "fd00::2/64"]}': "eth0: {master: blue}",
            "eth1: {master: blue}": 'eth1: {master: blue, addresses: [10.0.0.2/24, "fd00::2/64"]}',
        },
        "b",
        ("10.0.0.2", "fd00::2"),
        ("vrf",),
    ),
    "a cable to another bridge": Case(
        TWO_SWITCHES,
        {
            "s2:p9]": "s1:p2]",
            "ports: [t, p9]": "ports: [t]",
            "ports: [t, p1]": "ports: [t, p1, p2]",
        },
        "a",
        ("10.0.0.2", "fd00::2"),
    ),
    "a member at another end of a tunnel": Case(
        OVERLAY, {"at: v2": "at: v3"}, "a", ("10.5.0.2", "fd05::2"), ("vxlan",)
    ),
    "what somebody has changed": Case(
        LAN,
        {"name: lab": "name: lab\n"},
        "a",
        ("10.0.0.2", "fd00::2"),
        by_hand="ip -n bob link set eth0 address 02:00:00:00:00:77; "
        "ip netns exec bob ping -c1 -w5 10.0.0.1; ip netns exec bob ping -c1 -w5 fd00::1",
    ),
}


def changed(case: Case) -> str:
    parts = {}
    text = case.file
    for index, (old, new) in enumerate(case.words.items()):
        assert text.count(old) == 1, old
        text = text.replace(old, f"\0{index}\0")
        parts[f"\0{index}\0"] = new
    for mark, new in parts.items():
        text = text.replace(mark, new)
    return text


def all_answer(host: Host, case: Case) -> None:
    for target in case.targets:
        assert host.ping(case.asks, target), f"{case.asks} → {target}"


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=pytest.mark.uml) if set(case.kinds) - {"vxlan"} else what
        for what, case in CASES.items()
    ],
)
def test_what_has_moved_is_reached_at_once(host: Host, what: str) -> None:
    case = CASES[what]
    require(host, *case.kinds)
    host.write("topo.yaml", case.file)
    host.netorch("apply")
    for target in case.targets:
        assert host.reaches(case.asks, target)
    if case.by_hand:
        host.run("sh", "-ec", case.by_hand)
    host.write("topo.yaml", changed(case))
    host.netorch("apply")
    all_answer(host, case)
    if not case.by_hand:
        host.write("topo.yaml", case.file)
        host.netorch("apply")
        all_answer(host, case)


OWNED = LAN.replace(
    "lan: {subnet", 'lan: {mode: routed, node: host, gateway: [10.0.0.254, "fd00::254"], subnet'
)
FOREIGN_PC = """
ip netns add pc
ip link add pc0 type veth peer name eth0 netns pc
ip link set pc0 master lan up
ip -n pc link set eth0 up
ip -n pc address add 10.0.0.77/24 dev eth0
ip -n pc -6 address add fd00::77/64 dev eth0 nodad
"""
BOB = ("10.0.0.2", "fd00::2")


def test_the_owner_and_a_foreign_host_know_at_once(host: Host) -> None:
    host.write("topo.yaml", OWNED)
    host.netorch("apply")
    host.run("sh", "-ec", FOREIGN_PC)
    for where in (None, "pc"):
        for target in BOB:
            assert host.reaches(where, target)
    host.write("topo.yaml", OWNED.replace("bob:", "carol:"))
    host.netorch("apply")
    # netorch touches nothing in pc, which learns the new place only from announcements
    for where in ("pc", None):
        for target in BOB:
            assert host.ping(where, target), (where, target)


def test_a_router_says_that_it_is_one(host: Host) -> None:
    """An advertisement must have the router flag.

    Without it, hosts would drop the default routes that they learned from the router.
    """
    host.write("topo.yaml", OWNED)
    host.netorch("apply")
    host.run("sh", "-ec", FOREIGN_PC)
    apply = (sys.executable, "-m", "netorch", "apply")
    host.run("ip", "link", "set", "lan", "address", "02:00:00:00:00:55")
    seen = sniff(host, "pc", "eth0", "icmp6", "tgt is fd00::254", *apply)
    assert "tgt is fd00::254, Flags [router, override]" in seen
    host.write("topo.yaml", OWNED.replace("bob:", "carol:"))
    seen = sniff(host, "pc", "eth0", "arp or icmp6", "tgt is fd00::2,", *apply)
    assert "tgt is fd00::2, Flags [override]" in seen
    assert "ARP" in seen and "Request who-has 10.0.0.2 tell 10.0.0.2," in seen
    assert "tgt is fd00::1," not in seen and "tgt is fd00::254," not in seen


def test_an_address_that_was_away_for_a_while(host: Host) -> None:
    host.write("topo.yaml", OWNED)
    host.netorch("apply")
    host.run("sh", "-ec", FOREIGN_PC)
    for where in ("pc", "a", None):
        for target in BOB:
            assert host.reaches(where, target)
    bob = next(line for line in OWNED.splitlines(True) if "bob" in line)
    host.write("topo.yaml", OWNED.replace(bob, ""))
    host.netorch("apply")
    assert not host.ping("a", BOB[0])
    host.write("topo.yaml", OWNED.replace("bob:", "carol:"))
    host.netorch("apply")
    for where in ("pc", "a", None):
        for target in BOB:
            assert host.ping(where, target), (where, target)


def test_permanent_neighbours_of_the_file_stay(host: Host) -> None:
    entry = "interfaces: {eth0: {neighbours: [{address: 10.0.0.2, mac: '02:00:00:00:00:31'}]}}"
    lan = '{lan: {name: eth0, address: [10.0.0.1, "fd00::1"]}}'
    text = LAN.replace(
        'a: {networks: {lan: {address: [10.0.0.1, "fd00::1"]}}}', f"a: {{networks: {lan}, {entry}}}"
    )
    assert text != LAN
    host.write("topo.yaml", text)
    host.netorch("apply")
    assert host.ping("c", "10.0.0.2")
    host.write("topo.yaml", text.replace("bob:", "carol:"))
    host.netorch("apply")
    neighbours = host.ip("-n", "a", "neigh", "show", "10.0.0.2")
    assert [(entry["lladdr"], entry["state"]) for entry in neighbours] == [
        ("02:00:00:00:00:31", ["PERMANENT"])
    ]
    assert host.ping("c", "10.0.0.2")


def test_after_a_rollback_everybody_knows_the_old_place(host: Host) -> None:
    host.write("topo.yaml", LAN)
    host.netorch("apply")
    for target in BOB:
        assert host.reaches("a", target)
    host.write("topo.yaml", LAN.replace("bob:", "carol:"))
    host.netorch("apply", "--confirm-within", "2")
    for target in BOB:
        assert host.ping("a", target)
    host.write("topo.yaml", LAN)
    wait_for_rollback(host)
    for target in BOB:
        assert host.ping("a", target)


# r1 forwards packets for d to r2, in the segment they came from, and sends redirects to a
REDIRECTED = """
name: lab
nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.0.1/24, "fe80::a/64", "fd00::a/64"]}}
    routes: [{to: 10.9.0.0/24, via: 10.0.0.11}, {to: "fd09::/64", via: "fe80::11", dev: eth0}]
  sw: {interfaces: {br0: {kind: bridge, ports: [p0, p1, p2]}}}
  r1:
    forwarding: true
    interfaces: {eth0: {addresses: [10.0.0.11/24, "fe80::11/64", "fd00::11/64"]}, eth1: {addresses: [10.8.0.1/24, "fd08::1/64"]}}
    routes: [{to: 10.9.0.0/24, via: 10.0.0.12}, {to: "fd09::/64", via: "fe80::12", dev: eth0}]
  r2:
    forwarding: true
    interfaces: {eth0: {addresses: [10.0.0.12/24, "fe80::12/64", "fd00::12/64"]}, eth1: {addresses: [10.7.0.1/24, "fd07::1/64"]}}
    routes: [{to: 10.9.0.0/24, via: 10.7.0.2}, {to: "fd09::/64", via: "fd07::2"}]
  d:
    interfaces:
      lo: {addresses: [10.9.0.1/32, "fd09::1/128"]}
      eth0: {addresses: [10.7.0.2/24, "fd07::2/64"]}
      eth1: {addresses: [10.8.0.2/24, "fd08::2/64"]}
    routes: [{to: 10.0.0.0/24, via: 10.7.0.1}, {to: "fd00::/64", via: "fd07::1"}]
links: [[a:eth0, sw:p0], [r1:eth0, sw:p1], [r2:eth0, sw:p2], [r2:eth1, d:eth0], [r1:eth1, d:eth1]]
"""
OTHER_WAY = {
    'routes: [{to: 10.9.0.0/24, via: 10.0.0.12}, {to: "fd09::/64", via: "fe80::12", dev: eth0}]': 'routes: [{to: 10.9.0.0/24, via: 10.8.0.2}, {to: "fd09::/64", via: "fd08::2"}]',
    'via: 10.7.0.2}, {to: "fd09::/64", via: "fd07::2"}': 'type: blackhole}, {to: "fd09::/64", type: blackhole}',
    'via: 10.7.0.1}, {to: "fd00::/64", via: "fd07::1"}': 'via: 10.8.0.1}, {to: "fd00::/64", via: "fd08::1"}',
}


@pytest.mark.parametrize(
    ("target", "gateway"), [("10.9.0.1", "10.0.0.12"), ("fd09::1", "fe80::12")]
)
def test_a_redirect_to_another_router_is_forgotten(host: Host, target: str, gateway: str) -> None:
    host.write("topo.yaml", REDIRECTED)
    host.netorch("apply")
    where = ("ip", "-n", "a", "route", "get", target)

    def is_redirected() -> bool:
        assert host.ping("a", target)
        return f"via {gateway} " in host.run(*where).stdout

    assert any(is_redirected() for _ in range(50)), "r1 has sent a redirect to a"
    host.write("topo.yaml", changed(Case(REDIRECTED, OTHER_WAY, "a", (target,))))
    host.netorch("apply")
    assert host.ping("a", target)
    assert f"via {gateway} " not in host.run(*where).stdout
