"""Test VXLAN tunnels: their attributes, their forwarding database, and their packets."""

from __future__ import annotations

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, assert_in_sync, check_kind
from tests.kernel.wire import sniff

WORDS = (
    "{kind: vxlan, vni: 7, local: 192.0.2.1, remote: 192.0.2.2, parent: eth0, "
    "addresses: [10.7.0.1/24]}"
)

VXLAN = KindCase(
    """
name: lab
nodes:
  a: {interfaces: {vx: $WORDS}}
  b: {interfaces: {far: {kind: vxlan, vni: 8, group: 239.0.0.8, parent: "a:eth0"}}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: 192.0.2.0/24}]
""",
    WORDS,
    ("vxlan",),
    sees=(
        ("ip -n a -d link show vx", "vxlan id 7 remote 192.0.2.2 local 192.0.2.1 dev eth0"),
        ("ip -n a -d link show vx", "dstport 4789 ttl auto"),
        ("ip -n a -d link show vx", "mtu 1450"),
        ("ip -n b -d link show far", "link-netns a"),
        ("ip -n b -d link show far", "vxlan id 8 group 239.0.0.8"),
        ("ip -n a maddr show dev eth0", "239.0.0.8"),
    ),
    edits=(
        Edit(
            WORDS.replace("vni: 7", "vni: 9"),
            "± vxlan a/vx  parent eth0  vni 7 → 9 … [replace]",
            ("± address a/vx 10.7.0.1/24",),
        ),
        Edit(WORDS.replace("vni: 7", "vni: 9, port: 4790"), "± vxlan a/vx … [replace]"),
        Edit(WORDS, "± vxlan a/vx … [replace]"),
        Edit(
            WORDS.replace("192.0.2.2,", "192.0.2.3,"),
            "~ vxlan a/vx  remote 192.0.2.2 → 192.0.2.3 … [update]",
        ),
        Edit(
            WORDS.replace("remote: 192.0.2.2, ", ""),
            "~ vxlan a/vx  remote 192.0.2.3 → none … [update]",
        ),
        Edit(
            WORDS.replace("local: 192.0.2.1, ", "mtu: 1400, learning: false, ageing: 60, ttl: 9, "),
            "~ vxlan a/vx … [update]",
        ),
        Edit(WORDS.replace("vni: 7", "ttl: inherit, vni: 7"), "± vxlan a/vx … [replace]"),
        Edit(
            WORDS.replace("192.0.2.1", "fd00::1").replace("192.0.2.2", "fd00::2"),
            "± vxlan a/vx … [replace]",
        ),
        Edit(WORDS.replace("remote: 192.0.2.2", "group: 239.0.0.7"), "± vxlan a/vx … [replace]"),
        Edit(WORDS.replace("parent: eth0", "parent: 'b:eth0'"), "± vxlan a/vx … [replace]"),
    ),
    damages=(
        Damage(
            "ip -n a link set vx type vxlan id 7 ttl 3 nolearning ageing 4294967",
            "~ vxlan a/vx  learning false → true  ageing 4294967 → 300  ttl 3 → 0",
        ),
        Damage(
            "ip -n a link set vx type vxlan id 7 remote 192.0.2.9",
            "~ vxlan a/vx  remote 192.0.2.9 → 192.0.2.2",
        ),
        Damage("ip -n a link set vx mtu 1300", "~ vxlan a/vx  mtu 1300 → 1450"),
        Damage(
            "bridge -n a fdb del 00:00:00:00:00:00 dev vx dst 192.0.2.2 via eth0 self",
            "± vxlan a/vx … [replace]",
        ),
        Damage(
            "ip -n a link del eth0", "+ vxlan a/vx", ("+ vxlan b/far", "+ address a/vx 10.7.0.1/24")
        ),
        Damage("ip -n a link set vx down", "~ link a/vx  state down → up"),
        Damage("ip -n b link del far", "+ vxlan b/far  parent a:eth0"),
    ),
)

FDB_WORDS = "{kind: vxlan, vni: 7, local: 192.0.2.1, learning: false, fdb: [%s]}"
FLOOD = "{mac: '00:00:00:00:00:00', dst: 192.0.2.2}, {mac: '00:00:00:00:00:00', dst: 192.0.2.3}"
ONE = "{mac: '02:00:00:00:00:09', dst: 192.0.2.2}"

FDB = KindCase(
    """
name: lab
nodes: {a: {interfaces: {vx: $WORDS}}, b: {}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: 192.0.2.0/24}]
""",
    FDB_WORDS % f"{FLOOD}, {ONE}",
    ("vxlan",),
    sees=(
        ("bridge -n a fdb show dev vx", "00:00:00:00:00:00 dst 192.0.2.3 self permanent"),
        ("bridge -n a fdb show dev vx", "02:00:00:00:00:09 dst 192.0.2.2 self permanent"),
        ("ip -n a link show vx", "mtu 1450"),
    ),
    edits=(
        Edit(FDB_WORDS % FLOOD, "- fdb a/vx 02:00:00:00:00:09"),
        Edit(
            FDB_WORDS % f"{FLOOD}, {ONE.replace('2.2', '2.3')}",
            "+ fdb a/vx 02:00:00:00:00:09  dst 192.0.2.3",
        ),
        Edit(
            FDB_WORDS % f"{FLOOD}, {ONE}", "~ fdb a/vx 02:00:00:00:00:09  dst 192.0.2.3 → 192.0.2.2"
        ),
        Edit(
            FDB_WORDS % f"{FLOOD.replace('2.3', '2.4')}, {ONE}",
            "+ fdb a/vx 00:00:00:00:00:00 dst 192.0.2.4",
        ),
        Edit(
            (FDB_WORDS % f"{FLOOD}, {ONE}").replace("vni: 7", "vni: 8"),
            "± vxlan a/vx",
            ("± fdb a/vx 02:00:00:00:00:09",),
        ),
    ),
    damages=(
        Damage(
            "bridge -n a fdb del 02:00:00:00:00:09 dev vx dst 192.0.2.2 self",
            "+ fdb a/vx 02:00:00:00:00:09  dst 192.0.2.2",
        ),
        Damage(
            "bridge -n a fdb replace 02:00:00:00:00:09 dev vx dst 192.0.2.9 port 99 self permanent",
            "~ fdb a/vx 02:00:00:00:00:09",
        ),
        Damage(
            "bridge -n a fdb append 00:00:00:00:00:00 dev vx dst 192.0.2.8 self permanent",
            "- fdb a/vx 00:00:00:00:00:00 dst 192.0.2.8",
        ),
        Damage(
            "bridge -n a fdb del 00:00:00:00:00:00 dev vx dst 192.0.2.2 self",
            "+ fdb a/vx 00:00:00:00:00:00 dst 192.0.2.2",
        ),
    ),
)


def test_a_vxlan(host: Host) -> None:
    check_kind(host, VXLAN)


def test_a_forwarding_database(host: Host) -> None:
    check_kind(host, FDB)


def test_outer_packets_leave_where_the_parent_is(host: Host) -> None:
    """Two nodes without a network reach each other through tunnels.

    The parents of the tunnels are in two other nodes.
    """
    ends = [("a", "1", "b", "2"), ("c", "2", "d", "1")]
    nodes = "".join(
        f"  {far}: {{}}\n  {node}: {{interfaces: {{vx: {{kind: vxlan, vni: 7, "
        f"parent: '{far}:eth0', local: 192.0.2.{own}, "
        f"remote: 192.0.2.{other}, addresses: [10.7.0.{own}/24]}}}}}}\n"
        for far, own, node, other in ends
    )
    file = host.write(
        "lab.yaml",
        f"nodes:\n{nodes}links: [{{endpoints: ['a:eth0', 'c:eth0'], subnet: 192.0.2.0/30}}]\n",
    )
    host.netorch("apply", file)
    assert_in_sync(host)
    assert host.ping("b", "10.7.0.2")
    inner = "10.7.0.2 > 10.7.0.1: ICMP echo request"
    seen = sniff(
        host,
        "a",
        "eth0",
        "udp port 4789",
        inner,
        "ip",
        "netns",
        "exec",
        "d",
        "ping",
        "-c",
        "5",
        "-i",
        "0.3",
        "10.7.0.1",
    )
    assert inner in seen and "> 192.0.2.1.4789: VXLAN" in seen and "vni 7" in seen, seen
    written = host.write("again.yaml", host.netorch("show", "-o", "yaml").stdout)
    assert host.netorch("diff", written, check=False).stdout == "lab: in sync\n"


def test_a_multicast_group_finds_everybody(host: Host) -> None:
    file = host.write(
        "lab.yaml",
        """
networks: {wire: {subnet: 192.0.2.0/24}}
nodes:
  v[1-3]:
    networks: [wire]
    interfaces: {vx: {kind: vxlan, vni: 7, group: 239.0.0.7, parent: eth0, addresses: [10.7.0.$(i)/24]}}
""",
    )
    host.netorch("apply", file)
    assert_in_sync(host)
    assert (
        host.ping("v1", "10.7.0.2") and host.ping("v1", "10.7.0.3") and host.ping("v3", "10.7.0.2")
    )
    assert host.netorch("diff", check=False).returncode == 0, "learned entries are not drift"
