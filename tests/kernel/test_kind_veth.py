"""Test veth pairs, and bridges that have them as ports."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

VETH = KindCase(
    'name: lab\nnodes: {a: {interfaces: {x: $WORDS}}, b: {}}\nlinks: [["a:x", "b:y"]]',
    "{addresses: [10.9.0.1/24], mtu: 1400}",
    ("veth",),
    sees=(("ip -n a -d link show x", "mtu 1400"), ("ip -n b -d link show y", "veth")),
    edits=(
        Edit(
            "{addresses: [10.9.0.1/24], mtu: 1300}",
            "~ veth a/x  mtu 1400 → 1300  [update]",
            ("~ veth b/y  mtu 1400 → 1300  [update]",),
        ),
        Edit(
            "{addresses: [10.9.0.1/24], mtu: 1300, txqueuelen: 50, mac: '02:00:00:00:00:07'}",
            "! veth a/x … [flap]",
        ),
    ),
    damages=(
        Damage("ip -n a link set x mtu 1200", "~ veth a/x  mtu 1200 → 1400"),
        Damage(
            "ip -n b link del y",
            "+ veth a/x  peer b:y",
            ("+ veth b/y  peer a:x", "+ address a/x 10.9.0.1/24"),
        ),
        Damage(
            "ip -n a link set x address 02:00:00:00:00:08", "! veth a/x  mac 02:00:00:00:00:08 → "
        ),
    ),
)

FLAGS = KindCase(
    'name: lab\nnodes: {a: {interfaces: {x: $WORDS}}, b: {}}\nlinks: [["a:x", "b:y"]]',
    "{arp: false, promisc: true}",
    ("veth",),
    sees=(
        ("ip -n a link show x", "NOARP"),
        ("ip -n a link show x", "PROMISC"),
        ("ip -n a link show x", "MULTICAST"),
    ),
    edits=(
        Edit(
            "{arp: false, allmulti: true}",
            "~ link a/x  allmulti off → on  promisc on → off  [update]",
        ),
        Edit("{multicast: false}", "~ link a/x  multicast on → off … [update]"),
        Edit("{state: down, promisc: true}", "! link a/x  state up → down … [flap]"),
        Edit("{}", "~ link a/x  state down → up  [update]"),
    ),
    damages=(
        Damage("ip -n a link set x arp on", "~ link a/x  arp on → off"),
        Damage("ip -n a link set x promisc off", "~ link a/x  promisc off → on"),
        Damage("ip -n a link set x allmulticast on", "~ link a/x  allmulti on → off"),
        Damage("ip -n b link set y promisc on", "~ link b/y  promisc on → off"),
        Damage("ip -n a link set x multicast off", "~ link a/x  multicast off → on"),
    ),
)


def test_flags(host: Host) -> None:
    check_kind(host, FLAGS)


def test_without_arp_nobody_is_reached_and_explain_knows_it(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: lab\nnodes: {a: {interfaces: {x: {arp: false}}}, b: {}}\n"
        "links: [{endpoints: ['a:x', 'b:y'], subnet: 10.9.0.0/30}]",
    )
    file = host.netorch("explain", "--file", "topo.yaml", "a", "b", check=False).stdout
    host.netorch("apply")
    assert not host.ping("a", "10.9.0.2")
    live = host.netorch("explain", "a", "b", check=False).stdout
    for text in (file, live):
        assert "does not arrive" in text or "x has ARP off" in text, text


BRIDGE = KindCase(
    'name: lab\nnodes: {a: {interfaces: {br: $WORDS, x: {}}}, b: {}}\nlinks: [["a:x", "b:y"]]',
    "{kind: bridge, ports: [x], ageing_time: 100s}",
    ("bridge",),
    sees=(
        ("ip -n a -d link show dev br", "ageing_time 10000"),
        ("ip -n a link show x", "master br"),
    ),
    edits=(
        Edit(
            "{kind: bridge, ports: [x], ageing_time: 200s, priority: 4096}",
            "~ bridge a/br … [update]",
        ),
        Edit(
            "{kind: bridge, ports: [x], stp: true, forward_delay: 5s, hello_time: 1s, "
            "max_age: 10s}",
            "~ bridge a/br … [update]",
        ),
        Edit(
            "{kind: bridge, mcast_snooping: false, mcast_querier: true}",
            "~ bridge a/br … [update]",
            ("! link a/x  master br → none  [flap]",),
        ),
    ),
    damages=(
        Damage(
            "ip -n a link set dev br type bridge ageing_time 5000",
            "~ bridge a/br  ageing_time 5000 → 10000",
        ),
        Damage(
            "ip -n a link set dev br type bridge mcast_querier 1",
            "~ bridge a/br  mcast_querier true → false",
        ),
        Damage("ip -n a link set x nomaster", "~ link a/x  master none → br"),
        Damage("ip -n a link del dev br", "+ bridge a/br"),
    ),
)


@pytest.mark.parametrize("case", [pytest.param(VETH, id="veth"), pytest.param(BRIDGE, id="bridge")])
def test_a_kind(host: Host, case: KindCase) -> None:
    check_kind(host, case)
