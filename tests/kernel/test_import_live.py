"""Test that `import --live` writes what the kernel has, so that `apply --adopt` changes nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.kernel.everykind import NIC, every_kind
from tests.kernel.host import Host, diff_snapshots
from tests.kernel.kindcase import require
from tests.kernel.test_failure import sh, shot
from tests.strategies import Sketch, topologies

BY_HAND = """
ip netns add gw; ip netns add a; ip netns add b
ip link add br0 type bridge; ip link set br0 up; ip addr add 10.0.0.1/24 dev br0
for n in a b; do
    ip link add v$n type veth peer name eth0 netns $n
    ip link set v$n master br0 up
    ip -n $n link set lo up; ip -n $n link set eth0 up
    ip -n $n route add 10.8.0.0/16 dev eth0
done
ip -n a addr add 10.0.0.2/24 dev eth0
ip -n b addr add 10.0.0.3/24 dev eth0
ip -n b addr add fd00::3/64 dev eth0 nodad
ip -n b route add default via 10.0.0.1 metric 5
ip link add togw type veth peer name up0 netns gw
ip link set togw up; ip -n gw link set up0 up mtu 1400; ip -n gw link set lo up
ip addr add 10.9.0.1/30 dev togw; ip -n gw addr add 10.9.0.2/30 dev up0
ip -n gw route add 10.0.0.0/24 via 10.9.0.1
ip -n gw rule add from 10.0.0.0/24 table 100 priority 500
ip -n gw route add default dev up0 table 100
ip -n a neigh add 10.0.0.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
ip netns exec gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.up0.rp_filter=2
"""
TRANSLATIONS = """
ip netns exec gw nft -f - <<'EOF'
table ip nat {
    chain post {
        type nat hook postrouting priority srcnat;
        ip saddr 10.0.0.0/24 meta l4proto { tcp, udp } masquerade to :1024-31000 fully-random
        ip saddr 10.0.0.0/24 oifname "up0" masquerade
        oifname "up0" meta l4proto sctp snat to 10.9.0.2:7
        oifname "up0" snat to 10.9.0.2
    }
    chain pre {
        type nat hook prerouting priority dstnat;
        tcp dport 8080 dnat to 10.0.0.2:80
        iifname "up0" ip daddr 10.9.0.2 udp dport 53 dnat to 10.0.0.3
        tcp dport 90 counter redirect to 91
    }
}
table inet guard {
    chain forw { type filter hook forward priority filter; tcp dport 25 drop; }
}
EOF
"""

FILTERED = """
for n in a b gw; do ip netns add $n; ip -n $n link set lo up; done
ip link add eth0 netns a type veth peer name ia netns gw
ip link add eth0 netns b type veth peer name ib netns gw
ip -n a addr add 10.0.0.2/24 dev eth0; ip -n gw addr add 10.0.0.1/24 dev ia
ip -n b addr add 10.0.1.2/24 dev eth0; ip -n gw addr add 10.0.1.1/24 dev ib
for i in a:eth0 b:eth0 gw:ia gw:ib; do ip -n ${i%:*} link set ${i#*:} up; done
ip -n a route add default via 10.0.0.1; ip -n b route add default via 10.0.1.1
ip netns exec gw sysctl -qw net.ipv4.ip_forward=1
ip netns exec gw nft -f - <<'EOF'
table inet t {
    chain forw {
        type filter hook forward priority 0; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        iifname "ia" oifname "ib" accept
    }
}
table ip t {
    chain in {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        ip protocol icmp accept
    }
}
EOF
"""
"""A router whose filter has a rule without words, and another one for IPv4 alone."""

CLEAN = """
rm -rf /run/netorch/* /etc/netns/*
for v in 4 6; do ip -$v addr flush dev lo scope global; done
for n in $(ls /run/netns); do ip netns del $n; done
for l in $(ip -br link show type bridge | cut -d' ' -f1); do ip link del $l; done
for l in $(ip -br link | cut -d' ' -f1 | cut -d@ -f1 | grep -v lo); do ip link del $l || true; done
"""
"""Removes what a failed example of a property has left."""


def imported(host: Host, *words: str, check: bool = True) -> str:
    """Return the file of `import --live`, which is valid."""
    result = host.netorch("import", "--live", *words, check=check)
    assert result.stdout, result.stderr
    host.write("live.yaml", result.stdout)
    host.netorch("validate", "live.yaml")
    return result.stdout


def losses(text: str) -> list[str]:
    """Return the comments about what is not carried over, each on one line."""
    joined = re.sub(r"\n *#   ", " ", text)
    return [line.strip() for line in joined.splitlines() if "# not carried over" in line]


def unchanged(host: Host) -> None:
    """Check that the imported file would change nothing but the marks."""
    diff = host.netorch("diff", "--adopt", "live.yaml", check=False).stdout
    changes = [line for line in diff.splitlines() if line[:2] in {"+ ", "- ", "~ ", "! "}]
    assert changes == [], diff


def adopted(host: Host) -> None:
    """Apply the imported file, and check that nothing changes but the marks."""
    unchanged(host)
    host.netorch("apply", "--adopt", "live.yaml")
    assert "in sync" in host.netorch("diff", "live.yaml").stdout


@pytest.mark.uml
def test_a_machine_that_was_set_up_by_hand(host: Host) -> None:
    sh(host, BY_HAND)
    before = host.snapshot()
    text = imported(host)
    assert losses(text) == []
    assert diff_snapshots(before, host.snapshot()) == []
    assert "links:\n  - [a:eth0, host:va]\n" in text
    assert "rules: [{priority: 500, from: 10.0.0.0/24, table: 100}]" in text
    assert "sysctls: {rp_filter: 2}" in text
    adopted(host)


def test_translations_and_other_rules(host: Host) -> None:
    sh(host, BY_HAND + TRANSLATIONS)
    result = host.netorch("import", "--live", check=False)
    assert result.returncode == 2
    host.write("live.yaml", result.stdout)
    host.netorch("validate", "live.yaml")
    text = result.stdout.replace('"', "")
    assert "- {masquerade: {from: 10.0.0.0/24, out: up0}}" in text
    ports = "proto: [tcp, udp], ports: 1024-31000, random: true"
    assert f"- {{masquerade: {{from: 10.0.0.0/24, {ports}}}}}" in text
    assert "- {snat: {out: up0, proto: sctp, ports: 7, to: 10.9.0.2}}" in text
    assert "- {snat: {out: up0, to: 10.9.0.2}}" in text
    assert "- {dnat: {port: 8080, to: 10.0.0.2:80}}" in text
    assert "{proto: udp, port: 53, address: 10.9.0.2, in: up0, to: 10.0.0.3}" in text
    (left,) = losses(text)
    assert "redirect to" in left
    assert "{proto: tcp, port: 25, action: drop}" in text
    strict = host.netorch("import", "--live", "--strict", check=False)
    assert (strict.returncode, strict.stdout) == (1, "")
    diff = host.netorch("diff", "--adopt", "live.yaml", check=False).stdout
    changes = [line for line in diff.splitlines() if line[:2] in {"+ ", "- ", "~ ", "! "}]
    assert [line.split()[:3] for line in changes] == [["+", "filter", "gw"]]
    host.netorch("apply", "--adopt", "live.yaml")
    assert "in sync" in host.netorch("diff", "live.yaml").stdout


def test_a_filter_is_never_stricter_than_its_source(host: Host) -> None:
    sh(host, FILTERED)
    result = host.netorch("import", "--live", "-o", "live.yaml", check=False)
    assert result.returncode == 2
    text = (host.directory / "live.yaml").read_text()
    assert "\n      forward:" not in text and "policy drop" in text, text
    assert "{from: 0.0.0.0/0, action: drop}" in text.replace('"', ""), text
    ping = host.start("ip", "netns", "exec", "a", "ping", "-qi0.01", "-c200", "10.0.1.2")
    host.netorch("apply", "--adopt", "live.yaml")
    out, _ = ping.communicate(timeout=60)
    assert " 0% packet loss" in out, out
    host.run("ip", "netns", "exec", "a", "ping", "-c1", "10.0.1.2")
    own = host.run("ip", "-n", "gw", "-br", "addr", "show", "ia").stdout
    address = re.search(r"fe80::[\da-f:]+", own)
    assert address is not None, own
    host.run("ip", "-n", "a", "neigh", "flush", "dev", "eth0")
    host.run("ip", "netns", "exec", "a", "ping", "-c1", f"{address[0]}%eth0")


def test_only_what_is_asked_for(host: Host) -> None:
    sh(host, BY_HAND + "ip link add other type bridge; ip rule add from 10.7.0.0/16 table 7\n")
    text = imported(host, "gw")
    assert "  gw:" in text
    assert "togw" in text
    assert not re.search(r"^  a:|br0|other|10\.7\.0\.0", text, re.MULTILINE)
    adopted(host)
    host.netorch("destroy", "--release", "live")
    text = imported(host, "a", "--name", "one")
    assert text.splitlines()[1] == "name: one"
    assert "ports: [va]" in text
    result = host.netorch("import", "--live", "x", check=False)
    assert result.returncode == 1
    assert "there is no namespace 'x'" in result.stderr


def test_what_others_look_after_is_left_to_them(host: Host) -> None:
    sh(
        host,
        BY_HAND
        + """
        ip link add docker0 type bridge
        ip link add vethc type veth peer name eth0 netns a
        """.replace("netns a", "netns gw"),
    )
    host.write("other.yaml", "name: other\nnodes: {n: {}}\nlinks: [[n:x, host:x]]\n")
    host.netorch("apply", "other.yaml")
    text = imported(host)
    assert not re.search(r"^  n:|^ +docker0:|host:x", text, re.MULTILINE)
    (docker, topology, link) = sorted(losses(text))
    assert docker == "# not carried over: link docker0 of the host: Docker looks after it"
    assert "`netorch show other -o yaml`" in topology
    assert "`netorch show other -o yaml`" in link
    assert "vethc" in text


OF_OTHERS = """\
name: other
names: false
nodes:
  host:
    forwarding: true
    interfaces:
      lo: {addresses: 10.99.0.1/32}
      own: {kind: bridge, addresses: 10.97.0.1/24}
    nat: [{masquerade: {from: 10.97.0.0/24}}]
    routes: [{to: 10.50.0.0/16, via: 10.0.0.2}, {to: 10.51.0.0/16, via: 10.0.0.3, table: 77}]
    rules: [{from: 10.50.0.0/16, table: 77, priority: 700}]
    sysctls: {net.ipv4.conf.all.rp_filter: 2}
  at-a:
    attach: netns:a
    interfaces: {lo: {addresses: 10.99.0.2/32}}
    routes: [{to: 10.60.0.0/16, via: 10.0.0.1}]
    rules: [{from: 10.60.0.0/16, table: 78, priority: 701}]
    sysctls: {net.ipv4.conf.eth0.arp_filter: 1}
"""
"""A topology with objects of each kind on the host and in a namespace that others made."""
THEIRS = (
    *("address host/lo 10.99.0.1/32", "link own of the host", "address host/own 10.97.0.1/24"),
    *("route host 10.50.0.0/16", "route host 10.51.0.0/16 table 77", "rule host priority 700"),
    *("net.ipv4.ip_forward = 1", "net.ipv6.conf.all.forwarding = 1"),
    *("net.ipv4.conf.all.rp_filter = 2", "address a/lo 10.99.0.2/32", "route a 10.60.0.0/16"),
    *("rule a priority 701", "net.ipv4.conf.eth0.arp_filter = 1"),
)
INSIDE = "nodes: {mine: {}, at-b: {attach: netns:b}}\nlinks: [[mine:x, at-b:x]]\n"


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_what_another_topology_has_is_left_to_it(host: Host, backend: str) -> None:
    sh(host, BY_HAND)
    host.write("other.yaml", OF_OTHERS + f"backend: {{nat: {backend}}}\n")
    host.netorch("apply", "other.yaml")
    text = imported(host)
    words = re.sub(r"(?m)^ *#.*\n", "", text)
    assert not re.search(r"10\.(50|51|60|97|99)\.|\bown\b|70[01]|_filter: [12]$|nat:", words), words
    comments = " ".join(losses(text))
    assert [one for one in THEIRS if one not in comments] == []
    assert "which topology other looks after" in text
    adopted(host)
    assert host.netorch("diff", "other.yaml").stdout == "other: in sync\n"
    host.netorch("destroy", "--release", "live")
    assert host.netorch("diff", "other.yaml").stdout == "other: in sync\n"


def test_a_namespace_with_links_of_another_topology_is_left_out(host: Host) -> None:
    sh(host, BY_HAND)
    host.write("other.yaml", f"name: other\n{INSIDE}")
    host.netorch("apply", "other.yaml")
    text = imported(host)
    assert "namespace b: `apply` could not take it over, because it has x of topology other" in (
        " ".join(losses(text))
    )
    adopted(host)
    text = imported(host, "b", check=False)
    assert "name: live-2" in text  # because `live` is another topology now
    assert "  b:\n" in text
    assert "veth x: topology other has made it" in text


def test_addresses_and_routes_of_daemons(host: Host) -> None:
    sh(
        host,
        BY_HAND
        + """
        ip -n a addr add 10.5.0.2/24 dev eth0 valid_lft 600 preferred_lft 600
        ip -n gw route add 10.66.0.0/16 via 10.9.0.1 proto bird
        ip -n gw route add 10.67.0.0/16 via 10.9.0.1 proto bird
        ip -n gw rule add from 10.66.0.0/16 table 66 protocol 186
        ip -n b link set eth0 promisc on
        ip -n b route add 10.68.0.0/16 via 10.0.0.1 tos 0x10
        """,
    )
    text = imported(host, check=False)
    assert "# not in this file: 2 routes of bird\n" in text
    left = "\n".join(losses(text))
    assert "promisc: true" in text
    for word in ("10.5.0.2/24", "10.66.0.0/16", "tos 0x10"):
        assert word in left


@pytest.mark.uml
def test_every_kind_is_imported(host: Host) -> None:
    sh(host, NIC)
    host.write("topo.yaml", re.sub(r"      nic: .*\n", "", every_kind(host)[0]))
    host.netorch("apply", "topo.yaml")
    sh(host, "rm -r /etc/netns/*")
    host.netorch("destroy", "--release", "lab")
    before = shot(host)
    text = imported(host, check=False)
    assert diff_snapshots(before, shot(host)) == []
    words = ("rules of the packet filter", "type local")
    assert [line for line in losses(text) if not any(word in line for word in words)] == []
    # not adopted, because Linux 6.1 keeps the number that `lab` gave to the IPv4 addresses
    unchanged(host)


def test_a_ttl_that_packets_inherit(host: Host) -> None:
    sh(
        host,
        "ip netns add a; ip -n a link set lo up;"
        " ip -n a link add vx0 type vxlan id 7 dstport 4789 ttl inherit;"
        " ip -n a link set vx0 up",
    )
    text = imported(host)
    assert "ttl: inherit" in text and losses(text) == []
    unchanged(host)


def test_random_topologies_are_imported(host: Host) -> None:
    @seed(7)
    @given(topologies(nodes=4, masters=False))
    @settings(
        max_examples=8,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
        report_multiple_bugs=False,
    )
    def check(sketch: Sketch) -> None:
        sh(host, CLEAN)
        host.write("random.yaml", sketch.text)
        host.netorch("apply", "random.yaml")
        sh(host, "rm -rf /etc/netns/*")
        host.netorch("destroy", "--release", "random")
        # the rules of networks with a mode would still have the name of the topology
        sh(
            host,
            "nft flush ruleset; for n in $(ls /run/netns); do ip netns exec $n nft flush ruleset; done",
        )
        text = imported(host, "--name", "random", check=False)
        # a network's bridge or port may have a second name, which no interface of a file can have
        words = ("rules of the packet filter", "altname")
        assert [line for line in losses(text) if not any(word in line for word in words)] == []
        diff = host.netorch("diff", "--adopt", "live.yaml", check=False).stdout
        changes = [line for line in diff.splitlines() if line[:2] in {"+ ", "- ", "~ ", "! "}]
        assert [line for line in changes if "altname" not in line] == [], (text, diff)
        host.netorch("apply", "--adopt", "live.yaml")
        assert "in sync" in host.netorch("diff", "live.yaml").stdout
        host.netorch("destroy", "live.yaml")

    check()


@pytest.mark.qemu
def test_wireguard_without_its_keys(host: Host) -> None:
    require(host, "wireguard")
    sh(
        host,
        """
        ip netns add vpn
        ip -n vpn link set lo up
        ip -n vpn link add wg0 type wireguard
        umask 077; wg genkey >key; wg genpsk >psk
        ip netns exec vpn wg set wg0 private-key key listen-port 51820 \
            peer NUGiPRNZVDfwS+l9nkRDA26r5kQrVzab5/yIGrgZIDM= preshared-key psk \
            allowed-ips 10.99.0.2/32 endpoint 203.0.113.2:51820
        ip -n vpn addr add 10.99.0.1/24 dev wg0
        ip -n vpn link set wg0 up
        """,
    )
    keys = [(host.directory / name).read_text().strip() for name in ("key", "psk")]
    result = host.netorch("import", "--live", check=False)
    assert not any(key in result.stdout + result.stderr for key in keys)
    assert "private_key_file: vpn-wg0.key" in result.stdout
    assert "NUGiPRNZVDfwS+l9nkRDA26r5kQrVzab5/yIGrgZIDM=" in result.stdout
    assert "sysctls" not in result.stdout
    files = re.findall(r"(?:private|preshared)_key_file: ([^,}\s]+)", result.stdout)
    for key, name in zip(("key", "psk"), files, strict=True):
        host.run("cp", host.directory / key, host.directory / name)
    host.write("live.yaml", result.stdout)
    adopted(host)


RELEASED = """
name: lab
names: false
backend: {nat: %s}
nodes:
  gw:
    forwarding: true
    interfaces: {lan: {addresses: 10.1.0.1/24}, wan: {addresses: 10.2.0.1/24}}
    nat: [{masquerade: {from: 10.1.0.0/24, out: wan}}, {dnat: {port: 80, in: wan, to: "10.1.0.10"}}]
    filter:
      policy: {forward: drop}
      forward: [{from: 10.1.0.0/24, proto: tcp, port: 443, action: accept}]
  a: {interfaces: {eth0: {addresses: 10.1.0.10/24}}}
  b: {interfaces: {eth0: {addresses: 10.2.0.10/24}}}
links: [["gw:lan", "a:eth0"], ["gw:wan", "b:eth0"]]
"""
WORDS = (
    "{dnat: {port: 80, in: wan, to: 10.1.0.10}}",
    "{masquerade: {from: 10.1.0.0/24, out: wan}}",
    "policy: {forward: drop}",
    "{from: 10.1.0.0/24, proto: tcp, port: 443, action: accept}",
)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_filter_that_is_released_becomes_words_again(host: Host, backend: str) -> None:
    host.write("lab.yaml", RELEASED % backend)
    host.netorch("apply", "lab.yaml")
    host.netorch("destroy", "--release", "lab")
    text = host.netorch("import", "--live").stdout
    assert losses(text) == []
    assert text.splitlines()[1] == "name: lab"
    for words in WORDS:
        assert words in text
    assert "`apply` takes over the packet filter" in text
    other = host.netorch("import", "--live", "--name", "other").stdout
    assert "the packet filter that topology lab has released stays" in other
    host.write(
        "live.yaml", text.replace("names: false", f"names: false\nbackend: {{nat: {backend}}}")
    )
    host.netorch("apply", "--adopt", "live.yaml")
    assert "lab: in sync" in host.netorch("diff", "live.yaml").stdout
    host.netorch("destroy", "lab")
    assert host.run("ip", "netns").stdout == ""
