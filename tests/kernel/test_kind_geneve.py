"""Test Geneve tunnels."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

WORDS = "{kind: geneve, vni: 7, remote: 192.0.2.2, mtu: 1400, addresses: [10.7.0.1/24]}"

GENEVE = KindCase(
    """
name: lab
nodes: {a: {interfaces: {g: $WORDS, six: {kind: geneve, vni: 7, remote: 'fd00:a::2'}}}, b: {}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: [192.0.2.0/24, "fd00:a::/64"]}]
""",
    WORDS,
    ("geneve",),
    sees=(
        ("ip -n a -d link show g", "geneve id 7 remote 192.0.2.2 ttl auto dstport 6081"),
        ("ip -n a -d link show six", "geneve id 7 remote fd00:a::2"),
        ("ip -n a link show g", "mtu 1400"),
    ),
    edits=(
        Edit(
            WORDS.replace("2.2", "2.3").replace("vni", "ttl: 9, vni"),
            "~ geneve a/g  remote 192.0.2.2 → 192.0.2.3  ttl 0 → 9  [update]",
        ),
        Edit(WORDS.replace("vni", "ttl: inherit, vni"), "~ geneve a/g … [update]"),
        Edit(WORDS, "~ geneve a/g  ttl inherit → 0  [update]"),
        Edit(
            WORDS.replace("vni: 7", "vni: 8"),
            "± geneve a/g  vni 7 → 8 … [replace]",
            ("± address a/g 10.7.0.1/24",),
        ),
        Edit(WORDS.replace("vni: 7", "vni: 8, port: 6082"), "± geneve a/g … [replace]"),
        Edit(WORDS.replace("192.0.2.2", "'fd00:a::3'"), "± geneve a/g … [replace]"),
    ),
    damages=(
        Damage(
            "ip -n a link set g type geneve id 7 remote 192.0.2.9 ttl 3", "~ geneve a/g … [update]"
        ),
        Damage("ip -n a link del g", "+ geneve a/g", ("+ address a/g 10.7.0.1/24",)),
    ),
)


@pytest.mark.uml
def test_a_geneve_tunnel(host: Host) -> None:
    check_kind(host, GENEVE)
