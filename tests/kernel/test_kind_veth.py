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
