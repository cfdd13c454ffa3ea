"""Test that `import --live` names what a topology file cannot say of a machine set up by hand."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import require
from tests.kernel.test_failure import sh
from tests.kernel.test_import_live import losses

TWO = """
ip netns add a; ip netns add b
for n in a b; do ip -n $n link set lo up; done
ip -n a link add e0 type veth peer name e0 netns b
for n in a b; do ip -n $n link set e0 up; done
ip -n a addr add 10.0.0.1/24 dev e0; ip -n b addr add 10.0.0.2/24 dev e0
"""


def lost(host: Host, script: str, *words: str, status: int = 2) -> str:
    """Return the comments about what is lost of a machine, and check that each word is there."""
    sh(host, TWO + script)
    result = host.netorch("import", "--live", check=False)
    assert result.returncode == status, result.stdout + result.stderr
    assert "needs a change" not in result.stderr, result.stderr
    host.write("live.yaml", result.stdout)
    host.netorch("validate", "live.yaml")
    text = "\n".join(losses(result.stdout))
    for word in words:
        assert word in text
    return text


@pytest.mark.uml
def test_options_of_bridges_and_their_ports(host: Host) -> None:
    lost(
        host,
        """
        ip -n a link add br0 type bridge mcast_router 2 group_fwd_mask 8 nf_call_iptables 1
        ip -n a link set br0 type bridge mcast_startup_query_interval 999
        ip -n a link add p0 type veth peer name p1
        ip -n a link set p0 master br0
        for l in p0 p1 br0; do ip -n a link set $l up; done
        bridge -n a link set dev p0 guard on flood off mcast_flood off
        bridge -n a mdb add dev br0 port p0 grp 239.1.1.1 permanent
        bridge -n a fdb add 02:00:00:00:00:78 dev p0 master sticky dynamic
        bridge -n a fdb add 02:00:00:00:00:79 dev br0 self local
        """,
        *("mcast_router 2", "group_fwd_mask 8", "nf_call_iptables 1"),
        *("mcast_startup_query_interval 99", "port: guard 1", "port: flood 0"),
        *("port: mcast_flood 0", "mdb 239.1.1.1 permanent", "fdb 02:00:00:00:00:78 sticky"),
        "fdb 02:00:00:00:00:79 local",
    )


def test_options_of_tunnels_and_upper_links(host: Host) -> None:
    lost(
        host,
        """
        ip -n a link add vx0 type vxlan id 7 dstport 4789 local 10.0.0.1 srcport 40000 41000 \
            tos 0x10 noudpcsum proxy gbp
        ip -n a link add mv0 link e0 type macvlan mode source macaddr add 02:00:00:00:00:11
        ip -n a link add mv1 link e0 type macvlan mode bridge bcqueuelen 500
        ip -n a link set mv1 up
        ip -n a link set mv1 protodown on
        ip -n a tuntap add t0 mode tap vnet_hdr
        """,
        *("srcport 40000 41000", "tos 16", "udpcsum 0", "proxy 1", "gbp", "mode source"),
        *("macaddr_count 1", "bcqueuelen 500", "vnet_hdr 1", "protodown on"),
    )


@pytest.mark.uml
def test_options_of_bonds_vlans_and_ip_tunnels(host: Host) -> None:
    require(host, "bond")
    require(host, "vlan")
    require(host, "gre")
    lost(
        host,
        """
        ip -n a link add bond0 type bond mode active-backup miimon 100 updelay 200 \
            min_links 2 fail_over_mac active
        ip -n a link add bond1 type bond mode active-backup arp_interval 100 arp_ip_target 10.0.0.9
        ip -n a link add v5 link e0 type vlan id 5 gvrp on egress-qos-map 1:2
        ip -n a link add gre1 type gre local 10.0.0.1 remote 10.0.0.2 ttl 64 tos 0x8 ignore-df \
            nopmtudisc
        ip -n a link add t1 type ipip local 10.0.0.1 remote 10.0.0.2 fwmark 5
        """,
        *("updelay 200", "min_links 2", "fail_over_mac 1", "arp_interval 100", "arp_ip_target"),
        *("gvrp on", "egress-qos-map", "tos 8", "ignore-df", "pmtudisc 0", "fwmark 5"),
    )


def test_usual_links_lose_nothing(host: Host) -> None:
    sh(
        host,
        TWO
        + """
        ip -n a link add br0 type bridge
        ip -n a link add p0 type veth peer name p1
        ip -n a link set p0 master br0
        for l in p0 p1 br0; do ip -n a link set $l up; done
        ip -n a link add mv0 link e0 type macvlan mode bridge
        ip -n a link add vx0 type vxlan id 7 dstport 4789 remote 10.0.0.2 dev e0
        ip -n a link set vx0 up
        """,
    )
    assert losses(host.netorch("import", "--live").stdout) == []


@pytest.mark.uml
def test_routes_and_rules(host: Host) -> None:
    lost(
        host,
        """
        ip -n b route add 10.20.0.0/16 via 10.0.0.1 table 77
        ip -n b route add 10.21.0.0/16 via 10.0.0.1 realm 3
        ip -n b route add 10.22.0.0/16 via 10.0.0.1 mtu lock 1300
        ip -n b route add 10.23.0.0/16 via 10.0.0.1 initcwnd 10
        ip -n b route add throw 10.25.0.0/16 table 77
        ip -n b route add multicast 239.0.0.0/8 dev e0
        ip -n b nexthop add id 5 via 10.0.0.1 dev e0
        ip -n b route add 10.27.0.0/16 nhid 5
        ip -n b -6 route add default via fe80::1 dev e0 pref high
        ip -n b rule add from 10.1.0.0/16 goto 32766
        ip -n b rule add from all lookup 77 suppress_ifgroup 3
        ip -n b rule add from 10.7.0.0/16 prohibit
        ip -n b rule del pref 32767
        """,
        *("10.21.0.0/16: realm 3", "10.22.0.0/16: lock mtu", "10.23.0.0/16: initcwnd 10"),
        *("the type throw", "the type multicast", "next hop object 5", "pref high"),
        *("the action goto", "suppress_ifgroup 3", "lost rules ipv4 default"),
    )
    text = (host.directory / "live.yaml").read_text()
    assert "{to: 10.20.0.0/16, via: 10.0.0.1, dev: e0, table: 77}" in text
    assert "{to: 10.27.0.0/16, via: 10.0.0.1, dev: e0}" in text
    assert "from: 10.7.0.0/16, action: prohibit" in text


def test_addresses_and_neighbours(host: Host) -> None:
    lost(
        host,
        """
        ip -n a addr add 10.0.1.1/24 dev e0 noprefixroute
        ip -n a addr add 10.0.2.1/24 broadcast 10.0.2.99 dev e0 label e0:x
        ip -n a addr add fd00::1/64 dev e0 mngtmpaddr nodad
        ip -n a addr add 10.0.4.1/24 dev e0 metric 77
        ip -n a neigh add proxy 10.0.0.77 dev e0
        ip -n a token set ::5 dev e0 || true
        """,
        *("noprefixroute true", "label e0:x", "broadcast 10.0.2.99 of 10.0.2.1/24", "mngtmpaddr"),
        *("metric 77", "neigh proxy 10.0.0.77"),
    )


def test_the_settings_of_the_host(host: Host) -> None:
    sh(
        host,
        TWO
        + """
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        sysctl -qw net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.all.arp_ignore=1
        ip link add hbr type bridge; ip link set hbr up; ip addr add 10.70.0.1/24 dev hbr
        nft add table ip nat
        nft add chain ip nat post '{ type nat hook postrouting priority 100; }'
        nft add rule ip nat post ip saddr 10.70.0.0/24 masquerade
        """,
    )
    text = host.netorch("import", "--live").stdout
    (tree,) = [text.partition("  host:\n")[2]]
    assert "forwarding: true" in tree
    assert "net.ipv4.conf.all.rp_filter: 2, net.ipv4.conf.all.arp_ignore: 1" in tree
    assert "# ip nat post: ip saddr 10.70.0.0/24 masquerade: stays in the kernel" in tree
    host.write("live.yaml", text)
    host.netorch("apply", "--adopt", "live.yaml")
    assert "in sync" in host.netorch("diff", "live.yaml").stdout
    host.netorch("destroy", "live.yaml")
    values = host.run("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter").stdout
    assert values.split() == ["1", "2"]


@pytest.mark.uml
def test_marks_modes_and_groups_of_links(host: Host) -> None:
    lost(
        host,
        """
        ip -n a link set e0 group 7
        ip -n a link set e0 trailers off
        ip -n a link set e0 mode dormant
        ip -n a maddr add 33:33:00:00:00:05 dev e0
        bridge -n a fdb add 02:00:00:00:00:55 dev e0 self
        tc -n b qdisc add dev e0 root pfifo limit 17
        """,
        *("group 7", "trailers off", "mode dormant", "maddr 33:33:00:00:00:05"),
        *("fdb 02:00:00:00:00:55 self", "qdisc pfifo"),
    )


@pytest.mark.uml
def test_links_that_linux_makes_and_links_of_unknown_kinds(host: Host) -> None:
    require(host, "dummy")
    require(host, "gre")
    lost(
        host,
        """
        ip -n a link add g1 type ipip local 10.0.0.1 remote 10.0.0.2
        ip -n a link set tunl0 up
        ip -n a addr add 10.5.0.1/24 dev tunl0
        ip -n a route add 10.66.0.0/16 dev tunl0
        ip link add hd0 type dummy; ip link set hd0 up
        ip link add link hd0 name ms0 type macsec
        """,
        *("ipip tunl0", "route 10.66.0.0/16", "macsec ms0"),
    )


def test_the_group_of_a_topology_is_not_a_loss(host: Host) -> None:
    host.write(
        "lab.yaml", "name: lab\nnames: false\nnodes: {a: {}, b: {}}\nlinks: [[a:e0, b:e0]]\n"
    )
    host.netorch("apply", "lab.yaml")
    assert losses(host.netorch("import", "--live", "a", "b").stdout) == []


@pytest.mark.uml
def test_neighbours_and_tunnel_ends_that_programs_manage(host: Host) -> None:
    lost(
        host,
        """
        ip -n a neigh add 10.0.0.10 lladdr 02:00:00:00:00:0a dev e0 extern_learn
        ip -n a neigh add 10.0.0.11 lladdr 02:00:00:00:00:0b dev e0 router
        ip -n a -6 route add fd31::/64 dev e0 expires 100
        ip -n a link add vx0 type vxlan dstport 4789 external
        ip -n a link set vx0 up
        bridge -n a fdb add 02:00:00:00:00:56 dev vx0 self dst 10.0.0.2 src_vni 7
        bridge -n a fdb add 02:00:00:00:00:57 dev vx0 self dst 10.0.0.2 extern_learn
        bridge -n a fdb add 02:00:00:00:00:58 dev vx0 self dst 10.0.0.2
        """,
        *("neigh 10.0.0.10 extern_learn", "neigh 10.0.0.11 router", "route fd31::/64: expires"),
        *("fdb 02:00:00:00:00:56 src_vni 7", "fdb 02:00:00:00:00:57 extern_learn"),
        "fdb 02:00:00:00:00:58 dst 10.0.0.2",
    )


def test_settings_of_other_families(host: Host) -> None:
    lost(
        host,
        """
        ip -n a addrlabel add prefix fd00::/8 label 99
        ip -n a addrlabel del prefix 3ffe::/16 label 12
        ip -n a mptcp endpoint add 10.0.0.1 dev e0 signal
        ip -n a mptcp limits set subflow 4
        ip -n a ioam namespace add 5
        ip -n a sr tunsrc set fc00::1
        ip -n a xfrm policy setdefault in block
        """,
        *("addrlabel fd00::/8 label 99", "addrlabel 3ffe::/16 label 12 deleted"),
        *("1 MPTCP endpoint", "MPTCP limits add_addr_accepted 0 subflows 4", "1 IOAM namespace"),
        *("sr tunsrc fc00::1", "xfrm policy default in block"),
    )


SETTINGS = (
    *("net.ipv4.neigh.e0.gc_stale_time=77", "net.ipv6.neigh.e0.retrans_time_ms=700"),
    *("net.ipv4.neigh.e0.unres_qlen_bytes=9000", "net.ipv6.conf.e0.mtu=1400"),
    *("net.ipv6.conf.e0.dad_transmits=3", "net.ipv6.conf.e0.accept_dad=2"),
    *("net.ipv4.conf.e0.forwarding=1", "net.ipv6.conf.default.mtu=1333"),
    *("net.ipv4.conf.default.rp_filter=1", "net.ipv4.conf.e0.rp_filter=0"),
)


@pytest.mark.uml
def test_settings_of_an_interface_are_those_of_a_new_one(host: Host) -> None:
    sh(host, TWO)
    for setting in SETTINGS:
        host.run("ip", "netns", "exec", "a", "sysctl", "-qw", setting)
    host.run("ip", "netns", "exec", "b", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    host.run("ip", "netns", "exec", "b", "sysctl", "-qw", "net.ipv4.conf.e0.forwarding=0")
    text = host.netorch("import", "--live").stdout
    assert losses(text) == []
    host.write("live.yaml", text)
    assert "live: 4 to adopt\n" in host.netorch("diff", "--adopt", "live.yaml", check=False).stdout
    names = [setting.partition("=")[0] for setting in SETTINGS]
    read = ("ip", "netns", "exec", "a", "sysctl", *names)
    before = host.run(*read).stdout
    sh(host, "ip netns del a; ip netns del b")
    host.netorch("apply", "live.yaml")
    assert host.run(*read).stdout == before
    value = ("ip", "netns", "exec", "b", "sysctl", "-n", "net.ipv4.conf.e0.forwarding")
    assert host.run(*value).stdout == "0\n"


def test_the_secret_of_addresses_stays_out(host: Host) -> None:
    sh(host, TWO)
    secret = "net.ipv6.conf.e0.stable_secret=2001:db8::77"
    host.run("ip", "netns", "exec", "a", "sysctl", "-qw", secret)
    result = host.netorch("import", "--live", check=False)
    (loss,) = losses(result.stdout)
    assert "net.ipv6.conf.e0.stable_secret" in loss
    assert "2001:db8::77" not in result.stdout and "addr_gen_mode" not in result.stdout


def test_what_a_file_refuses_is_lost_and_the_file_is_valid(host: Host) -> None:
    text = lost(
        host,
        """
        ip -n a addr add 10.0.1.0/24 dev e0
        ip -n a addr add 10.0.1.255/24 dev e0
        ip -n a addr add 239.1.1.1/24 dev e0 autojoin
        ip -n b addr add 10.0.0.1/24 dev e0
        ip netns add c
        ip -n c link add good type veth peer name '${x}'
        """,
        *("10.0.1.0/24", "is the broadcast address", "239.1.1.1/24", "b:e0 and a:e0", "${x}"),
    )
    assert "a topology file has no words" not in text


def test_a_part_of_a_machine_is_a_valid_file(host: Host) -> None:
    sh(
        host,
        TWO
        + """
        ip netns add c; ip -n b link add e1 type veth peer name e0 netns c
        for n in b:e1 c:e0; do ip -n ${n%:*} link set ${n#*:} up; done
        ip -n b addr add 10.1.0.2/24 dev e1; ip -n c addr add 10.1.0.3/24 dev e0
        ip -n b link add mv0 link e0 type macvlan mode bridge
        ip -n b link add link e0 netns c name mv1 type macvlan mode bridge
        ip -n b route add 10.9.0.0/16 via 10.0.0.1
        ip -n b route add 10.10.0.0/16 nexthop via 10.0.0.1 nexthop via 10.1.0.3
        ip netns exec b sysctl -qw net.ipv4.neigh.e0.gc_stale_time=4
        """,
    )
    for nodes in (["a"], ["b"], ["c"], ["b", "c"]):
        result = host.netorch("import", "--live", *nodes, check=False)
        assert result.returncode == 2
        assert "needs a change" not in result.stderr
        host.write("live.yaml", result.stdout)
        host.netorch("validate", "live.yaml")
        text = "\n".join(losses(result.stdout))
        if "b" in nodes:
            # a route that lost a part would be another route
            assert "10.9.0.0/16" in text and "10.10.0.0/16" in text
            assert "to: 10.10.0.0/16" not in result.stdout.partition("routes: [")[2]
        if nodes == ["c"]:
            assert "mv1: its parent is in a namespace that is not imported" in text


def test_the_mtu_of_a_vxlan_that_is_too_large_for_its_way(host: Host) -> None:
    sh(
        host,
        TWO
        + """
        for n in a b; do ip -n $n link set e0 mtu 1400; done
        ip -n a link add vx0 type vxlan id 7 dstport 4789 local 10.0.0.1
        ip -n a link add vx1 type vxlan id 8 dstport 4789 local 10.0.0.1 dev e0
        for l in vx0 vx1; do ip -n a link set $l up; done
        """,
    )
    text = host.netorch("import", "--live").stdout
    assert losses(text) == []
    host.write("live.yaml", text)
    result = host.netorch("diff", "--adopt", "live.yaml", check=False)
    assert "live: 6 to adopt\n" in result.stdout
    assert "vx0 has MTU 1500, but a:e0 has 1400, which leaves 1350" in result.stderr


@pytest.mark.uml
def test_ipsec_without_its_keys(host: Host) -> None:
    key = "0x0123456789abcdef0123456789abcdef"
    have = sh(
        host,
        TWO
        + f"""
        ip -n a xfrm policy add src 10.0.0.1 dst 10.0.0.2 dir out \
            tmpl src 10.0.0.1 dst 10.0.0.2 proto esp mode tunnel || exit 77
        ip -n a xfrm policy add src 10.5.0.0/16 dst 10.0.0.2 dir fwd action block
        ip -n a xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x5 mode tunnel \
            enc 'cbc(aes)' {key} auth 'hmac(sha256)' {key}{key[2:]} && echo states || true
        """,
    )
    result = host.netorch("import", "--live", check=False)
    text = "\n".join(losses(result.stdout))
    assert result.returncode == 2
    assert "xfrm policy src 10.0.0.1/32 dst 10.0.0.2/32 dir out" in text
    assert "xfrm policy src 10.5.0.0/16 dst 10.0.0.2/32 dir fwd action block" in text
    if "states" in (have or ""):
        assert "xfrm state src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x00000005 mode tunnel" in text
    assert key[2:] not in result.stdout + result.stderr


@pytest.mark.uml
def test_queues(host: Host) -> None:
    lost(
        host,
        """
        tc -n a qdisc add dev e0 root handle 1: htb default 1
        tc -n a class add dev e0 parent 1: classid 1:1 htb rate 1mbit
        """,
        "qdisc htb",
        status=0,
    )


@pytest.mark.uml
def test_filters_of_frames(host: Host) -> None:
    sh(host, TWO + "tc -n b qdisc add dev e0 ingress\n")
    rule = "protocol ip matchall action drop"
    added = host.run(*f"tc -n b filter add dev e0 parent ffff: {rule}".split(), check=False)
    if added.returncode:
        pytest.skip(added.stderr)
    result = host.netorch("import", "--live", check=False)
    assert result.returncode == 2
    (loss,) = losses(result.stdout)
    assert "tc filter ingress pref 49152 matchall" in loss


def test_an_ingress_queue_without_a_filter_is_not_a_loss(host: Host) -> None:
    sh(host, TWO + "tc -n b qdisc add dev e0 ingress\n")
    assert "tc" not in "\n".join(losses(host.netorch("import", "--live").stdout))
