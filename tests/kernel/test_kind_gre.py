"""Test GRE tunnels: gre and gretap over IPv4, ip6gre and ip6gretap over IPv6."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

FILE = """
name: lab
nodes: {a: {interfaces: {t0: $WORDS, u: {kind: KIND, local: OTHER, remote: LAST}}}, b: {}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: [192.0.2.0/24, "fd00:a::/64"]}]
"""


def file(kind: str) -> str:
    ends = ("fd00:a::1", "fd00:a::9") if kind.startswith("ip6") else ("192.0.2.1", "192.0.2.9")
    return (
        FILE.replace("KIND", kind).replace("OTHER", f"'{ends[0]}'").replace("LAST", f"'{ends[1]}'")
    )


GRE_WORDS = (
    "{kind: gre, local: 192.0.2.1, remote: 192.0.2.2, key: 5, mtu: 1400, addresses: [10.7.0.1/30]}"
)
GRE = KindCase(
    file("gre"),
    GRE_WORDS,
    ("gre",),
    sees=(
        (
            "ip -n a -d link show t0",
            "gre remote 192.0.2.2 local 192.0.2.1 ttl inherit ikey 0.0.0.5 okey 0.0.0.5",
        ),
        ("ip -n a link show t0", "mtu 1400"),
        ("ip -n a link show u", "mtu 1476"),
    ),
    edits=(
        Edit(
            GRE_WORDS.replace("2.2", "2.3").replace("key: 5", "ttl: 9"),
            "~ gre a/t0  remote 192.0.2.2 → 192.0.2.3  ttl 0 → 9  key 5 … [update]",
        ),
        Edit(
            GRE_WORDS.replace("key: 5", "key: 0.0.1.0").replace("local: 192.0.2.1, ", ""),
            "~ gre a/t0 … [update]",
        ),
        Edit(
            GRE_WORDS.replace("remote: 192.0.2.2, ", ""),
            "± gre a/t0 … [replace]",
            ("± address a/t0 10.7.0.1/30",),
        ),
    ),
    damages=(
        Damage(
            "ip -n a link set t0 type gre local 192.0.2.1 remote 192.0.2.7 ttl 3",
            "~ gre a/t0  remote 192.0.2.7 → 192.0.2.2  ttl 3",
        ),
        Damage(
            "ip -n a link set t0 type gre ikey 6 okey 7 local 192.0.2.1 remote 192.0.2.2",
            "~ gre a/t0  key 6 in, 7 out → 5",
        ),
        Damage(
            "ip -n a link set t0 mtu 1300; ip -n a link set t0 down",
            "~ gre a/t0  mtu 1300 → 1400",
            ("~ link a/t0  state down → up",),
        ),
        Damage("ip -n a link del t0", "+ gre a/t0", ("+ address a/t0 10.7.0.1/30",)),
    ),
)

TAP_WORDS = "{kind: gretap, local: 192.0.2.1, remote: 192.0.2.2, addresses: [10.7.0.1/24]}"
GRETAP = KindCase(
    file("gretap"),
    TAP_WORDS,
    ("gretap",),
    sees=(
        ("ip -n a -d link show t0", "gretap remote 192.0.2.2 local 192.0.2.1 ttl inherit"),
        ("ip -n a link show t0", "mtu 1462"),
    ),
    edits=(
        Edit(
            TAP_WORDS.replace("remote: 192.0.2.2", "key: 7, mtu: 1300, mac: '02:00:00:00:00:07'"),
            "! gretap a/t0 … [flap]",
        ),
    ),
    damages=(
        Damage(
            "ip -n a link set t0 type gretap local 192.0.2.1 remote 192.0.2.7",
            "~ gretap a/t0  remote 192.0.2.7 → 192.0.2.2",
        ),
        Damage("ip -n a link del t0", "+ gretap a/t0"),
    ),
)

SIX_WORDS = "{kind: ip6gre, local: 'fd00:a::1', remote: 'fd00:a::2', addresses: [10.7.0.1/30]}"
IP6GRE = KindCase(
    file("ip6gre"),
    SIX_WORDS,
    ("ip6gre",),
    sees=(
        (
            "ip -n a -d link show t0",
            "ip6gre remote fd00:a::2 local fd00:a::1 hoplimit 64 encaplimit 4",
        ),
        ("ip -n a link show t0", "mtu 1448"),
    ),
    edits=(
        Edit(
            SIX_WORDS.replace("a::2", "a::3").replace(
                "ip6gre,", "ip6gre, ttl: inherit, key: 9, mtu: 1400,"
            ),
            "~ ip6gre a/t0 … [update]",
        ),
        Edit(SIX_WORDS.replace(", remote: 'fd00:a::2'", ", mtu: 1300"), "~ ip6gre a/t0 … [update]"),
    ),
    damages=(
        Damage(
            "ip -n a link set t0 type ip6gre local fd00:a::1 remote fd00:a::7 hoplimit 3",
            "~ ip6gre a/t0  remote fd00:a::7 → fd00:a::2  ttl 3 → 64",
        ),
        Damage("ip -n a link del t0", "+ ip6gre a/t0"),
    ),
)


SIX_TAP_WORDS = SIX_WORDS.replace("ip6gre", "ip6gretap")
IP6GRETAP = KindCase(
    file("ip6gretap"),
    SIX_TAP_WORDS,
    ("ip6gretap",),
    sees=(
        ("ip -n a -d link show t0", "ip6gretap remote fd00:a::2 local fd00:a::1 hoplimit 64"),
        ("ip -n a link show t0", "link/ether 02:"),
    ),
    edits=(
        Edit(
            SIX_TAP_WORDS.replace("a::2", "a::3").replace(
                "gretap,", "gretap, ttl: 9, key: 9, mtu: 1300,"
            ),
            "~ ip6gretap a/t0 … [update]",
        ),
    ),
    damages=(
        Damage(
            "ip -n a link set t0 type ip6gretap local fd00:a::1 remote fd00:a::7",
            "~ ip6gretap a/t0  remote fd00:a::7 → fd00:a::2",
        ),
        Damage("ip -n a link del t0", "+ ip6gretap a/t0"),
    ),
)

SPAN_WORDS = "{kind: erspan, local: 192.0.2.1, remote: 192.0.2.2, key: 5, erspan: 7}"
ERSPAN = KindCase(
    file("erspan").replace("192.0.2.9'", "192.0.2.9', key: 5"),
    SPAN_WORDS,
    ("erspan",),
    sees=(
        ("ip -n a -d link show t0", "erspan remote 192.0.2.2 local 192.0.2.1 ttl inherit ikey 0.0"),
        ("ip -n a -d link show t0", "iseq oseq erspan_index 7 erspan_ver 1"),
        ("ip -n a link show t0", "link/ether 02:"),
    ),
    edits=(
        Edit(
            SPAN_WORDS.replace("2.2", "2.3").replace("key: 5, erspan: 7", "key: 6, ttl: 9"),
            "~ erspan a/t0  remote 192.0.2.2 → 192.0.2.3  ttl 0 → 9  key 5 → 6  erspan 7 → 0",
        ),
        Edit(SPAN_WORDS.replace("remote: 192.0.2.2, ", ""), "~ erspan a/t0 … [update]"),
    ),
    damages=(
        Damage(
            "ip -n a link set t0 type erspan local 192.0.2.1 remote 192.0.2.7 seq key 5 erspan 8",
            "~ erspan a/t0  remote 192.0.2.7 → 192.0.2.2  erspan 8 → 7",
        ),
        Damage(
            "ip -n a link set t0 type erspan local 192.0.2.1 remote 192.0.2.2 seq key 5"
            " erspan_ver 2",
            "± erspan a/t0 … [replace]",
        ),
        Damage("ip -n a link del t0", "+ erspan a/t0"),
    ),
)


@pytest.mark.uml
@pytest.mark.parametrize(
    "case",
    [GRE, GRETAP, IP6GRE, IP6GRETAP, ERSPAN],
    ids=["gre", "gretap", "ip6gre", "ip6gretap", "erspan"],
)
def test_gre(host: Host, case: KindCase) -> None:
    check_kind(host, case)


@pytest.mark.uml
def test_two_tunnels_change_places(host: Host) -> None:
    """Neither tunnel can take an address that the other one still has."""
    words = (
        "nodes: {a: {interfaces: {t0: {kind: gre, remote: 192.0.2.1}, u: {kind: gre, "
        "remote: 192.0.2.2}}}}"
    )
    swapped = (
        "nodes: {a: {interfaces: {t0: {kind: gre, remote: 192.0.2.2}, u: {kind: gre, "
        "remote: 192.0.2.1}}}}"
    )
    check_kind(
        host,
        KindCase(
            "name: lab\n$WORDS",
            words,
            ("gre",),
            edits=(Edit(swapped, "± gre a/t0", ("± gre a/u",)),),
        ),
    )
