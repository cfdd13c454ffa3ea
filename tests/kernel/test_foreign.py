"""Test that nothing that netorch does changes the many foreign objects of a host."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, Snapshot, diff_snapshots

FOREIGN_OBJECTS = r"""
ip link add docker0 type bridge; ip link set docker0 up; ip addr add 172.17.0.1/16 dev docker0
for n in 1 2; do
    ip netns add box$n
    ip link add vethd$n type veth peer name eth0 netns box$n
    ip link set vethd$n master docker0 up
    ip -n box$n link set lo up; ip -n box$n link set eth0 up
    ip -n box$n addr add 172.17.0.1$n/16 dev eth0; ip -n box$n route add default via 172.17.0.1
done
for name in x-a a2 aa lab lab-a netorch; do ip netns add $name; done
ip netns exec lab-a sysctl -qw net.ipv4.ip_forward=1
ip link add eth9 type ifb; ip link set eth9 up; ip link set eth9 alias 'uplink of the machine'
ip link property add dev eth9 altname enp0s99
ip addr add 192.0.2.10/24 dev eth9; ip addr add 192.0.2.11/24 dev eth9
ip addr add 2001:db8::10/64 dev eth9 nodad; ip addr add 2001:db8::11/64 dev eth9 nodad preferred_lft 0
ip route add default via 192.0.2.1
ip -6 route add default via 2001:db8::1
ip route add 198.51.100.0/24 via 192.0.2.1 proto static
ip route add 198.51.101.0/24 via 192.0.2.1 proto boot metric 7
ip route add 198.51.102.0/24 proto bird nexthop via 192.0.2.1 nexthop via 192.0.2.2 weight 3
ip route add 198.51.103.0/24 via 192.0.2.1 proto 250 table 77 mtu 1400
ip route add blackhole 198.51.104.0/24 proto zebra
ip -6 route add 2001:db8:5::/48 via 2001:db8::1 proto bird
ip rule add from 198.51.103.0/24 table 77 priority 500
ip rule add fwmark 0x7 table 77 priority 501 protocol bird
ip -6 rule add from 2001:db8:5::/48 table 77 priority 502
ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:99 dev eth9 nud permanent
ip neigh add proxy 192.0.2.200 dev eth9
tc qdisc replace dev eth9 root pfifo limit 77
bridge fdb add 02:00:00:00:00:77 dev vethd1 master static
sysctl -qw net.ipv4.conf.eth9.rp_filter=2 net.ipv4.conf.all.accept_redirects=0
sysctl -qw net.ipv4.neigh.eth9.gc_stale_time=77 net.ipv4.tcp_syncookies=0
sysctl -qw net.bridge.bridge-nf-call-iptables=0 || true
mkdir -p /etc/netns/box1 /etc/netns/aa
echo '192.0.2.1 precious' >/etc/netns/box1/hosts
echo 'nameserver 192.0.2.53' >/etc/netns/aa/resolv.conf
if command -v nft >/dev/null; then
    nft -f - <<END
table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; iifname "docker0" counter accept; }
                  chain DOCKER-USER { counter return; } }
table inet firewalld { set s { type ipv4_addr; elements = { 192.0.2.7 } }
                  chain input { type filter hook input priority 10; ip saddr @s drop; } }
END
fi || true
iptables-legacy -A OUTPUT -d 203.0.113.66 -j DROP || true
iptables-legacy -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE || true
"""

LAB = """\
name: lab
nodes:
  host:
    interfaces:
      eth9: {addresses: [192.0.2.20/24, 203.0.113.1/24, "2001:db8::20/64"]}
      br-lab: {kind: bridge, ports: [p0], addresses: [10.1.0.1/24]}
    routes: [{to: 10.99.0.0/16, via: 10.1.0.2}, {to: 10.98.0.0/16, via: 192.0.2.1}]
    rules: [{from: 10.9.0.0/24, table: 77, priority: 499}]
  a: {interfaces: {eth0: {addresses: [10.1.0.2/24]}}, networks: [net]}
  b: {networks: [net]}
networks:
  net: {subnet: [10.2.0.0/24, "fd02::/64"]}
links:
  - [host:p0, a:eth0]
  - {endpoints: [a:eth1, b:eth1], subnet: 10.3.0.0/30}
"""


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def touched(before: Snapshot, host: Host) -> list[str]:
    """Return what is gone or differs from `before`. netorch may add objects."""
    return [line for line in diff_snapshots(before, host.snapshot()) if not line.startswith("+ ")]


@pytest.fixture
def before(host: Host) -> Snapshot:
    host.run("sh", "-c", FOREIGN_OBJECTS)
    shot = host.snapshot()
    assert "link docker0" in shot["host"]
    assert sum(what.startswith("routes ") for what in shot["host"]) > 10
    return shot


def test_apply_change_failure_and_destroy_leave_it_alone(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", LAB)
    host.netorch("apply")
    assert touched(before, host) == []
    assert host.netorch("diff").stdout == "lab: in sync\n"
    applied = host.snapshot()

    # a step fails after many good ones, and everything is rolled back
    host.write(
        "topo.yaml",
        LAB.replace(
            "  b: {", "  c: {networks: [net], sysctls: {net.ipv4.ip_default_ttl: 99999}}\n  b: {"
        ).replace(".20/24", ".21/24"),
    )
    process = host.unforeseen("apply", check=False)
    assert process.returncode == 1, process.stdout
    assert diff_snapshots(applied, host.snapshot(), ["files: /run/netorch/"]) == []

    # another version of the file
    other = (
        LAB.replace("192.0.2.20", "192.0.2.30")
        .replace("203.0.113.1/24, ", "")
        .replace("10.98.", "10.97.")
        .replace("priority: 499", "priority: 498")
    )
    host.write(
        "topo.yaml",
        other.replace("br-lab", "br-new").replace("  b: {", "  d: {").replace("b:eth1", "d:eth1"),
    )
    host.netorch("apply")
    assert touched(before, host) == []
    assert host.netorch("diff").returncode == 0

    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.uml
def test_an_address_next_to_foreign_ones_on_a_nic_of_the_host(host: Host) -> None:
    sh(
        host,
        "ip link add eth9 type veth peer name wire; ip link set eth9 up; ip link set wire up; "
        "ip addr add 192.0.2.10/24 dev eth9",
    )
    before = host.snapshot()
    # The first address is in the subnet of a foreign one, so the kernel makes it secondary. The
    # others are in a subnet of their own.
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  host:\n    interfaces:\n"
        "      eth9: {addresses: [192.0.2.20/24, 10.0.0.1/24, 10.0.0.2/24]}\n",
    )
    host.netorch("apply")
    addresses = [
        entry["local"]
        for entry in host.ip("addr", "show", "dev", "eth9")[0]["addr_info"]
        if entry["family"] == "inet"
    ]
    assert sorted(addresses) == ["10.0.0.1", "10.0.0.2", "192.0.2.10", "192.0.2.20"]
    assert touched(before, host) == []
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert "nothing to do" in host.netorch("apply").stdout
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  host:\n    interfaces:\n      eth9: {addresses: [10.0.0.2/24]}\n",
    )
    host.netorch("apply")
    addresses = [
        entry["local"]
        for entry in host.ip("addr", "show", "dev", "eth9")[0]["addr_info"]
        if entry["family"] == "inet"
    ]
    assert sorted(addresses) == ["10.0.0.2", "192.0.2.10"]
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_nic_of_the_host_that_is_not_there(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  host:\n    interfaces:\n"
        "      eth7: {addresses: [192.0.2.20/24]}\n  a: {}\n",
    )
    before = host.snapshot()
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "topo.yaml:5:" in process.stderr
    assert "eth7" in process.stderr
    assert "Traceback" not in process.stderr
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_cable_plugged_into_our_bridge_by_hand(host: Host) -> None:
    sh(
        host,
        "ip link add fp type veth peer name fq; ip link set fp up; ip link set fq up; "
        "ip addr add 10.1.0.66/24 dev fq",
    )
    before = host.snapshot()
    host.write(
        "topo.yaml",
        LAB.replace("eth9:", "#eth9:").replace(", {to: 10.98.0.0/16, via: 192.0.2.1}", ""),
    )
    host.netorch("apply")
    sh(host, "ip link set fp master br-lab")
    plugged = host.snapshot()
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("apply")
    assert diff_snapshots(plugged, host.snapshot(), ["files: /run/netorch/lab.lock"]) == []
    host.write(
        "topo.yaml",
        (host.directory / "topo.yaml").read_text().replace("10.1.0.1/24", "10.1.0.9/24"),
    )
    host.netorch("apply")
    assert host.ip("link", "show", "dev", "fp")[0]["master"] == "br-lab"
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


def test_things_of_others_inside_our_namespace(host: Host) -> None:
    """netorch does not touch foreign objects in its own namespaces while these exist.

    There are interfaces, a process, a routing daemon's routes, and addresses from a router.
    """
    host.write(
        "topo.yaml",
        LAB.replace("eth9:", "#eth9:").replace(", {to: 10.98.0.0/16, via: 192.0.2.1}", ""),
    )
    host.netorch("apply")
    sh(
        host,
        """
        ip -n a link add ours type veth peer name fx; ip -n a link set fx up; ip -n a link set ours up
        ip -n a addr add 10.50.0.1/24 dev fx
        ip -n a link add dock type bridge; ip -n a link set dock up
        ip -n a addr add 2001:db8:7::7/64 dev eth0 nodad noprefixroute valid_lft 3600 preferred_lft 1800
        ip -n a addr add 10.60.0.7/24 dev eth0 valid_lft 3600 preferred_lft 1800
        ip -n a route add 10.51.0.0/16 via 10.1.0.1 proto bird
        ip -n a route add 10.52.0.0/16 via 10.1.0.1 proto zebra metric 20
        ip -n a route add 10.53.0.0/16 via 10.1.0.1 proto dhcp
        ip -n a route add 10.54.0.0/16 via 10.1.0.1 proto ra
        ip -n a route add 10.55.0.0/16 dev fx proto static
        ip -n a -6 route add 2001:db8:8::/48 dev eth0 proto bird
        ip -n a rule add from 10.51.0.0/16 table 55 priority 700 protocol bird
        ip netns exec a sysctl -qw net.ipv4.conf.fx.rp_filter=2
        """,
    )
    process = host.start("ip", "netns", "exec", "a", "sleep", "600")
    while not sh(host, "ip netns pids a").strip():
        pass
    full = host.snapshot()
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("apply")
    assert diff_snapshots(full, host.snapshot(), ["files: /run/netorch/lab.lock"]) == []
    host.write(
        "topo.yaml",
        (host.directory / "topo.yaml").read_text().replace("10.3.0.0/30", "10.4.0.0/30"),
    )
    host.netorch("apply")
    changed = [
        line
        for line in diff_snapshots(full, host.snapshot())
        if "10.3.0." not in line and "10.4.0." not in line
    ]
    assert [
        line
        for line in changed
        if not line.startswith(("~ files: /run/netorch/", "~ files: /etc/netns"))
    ] == []
    assert process.poll() is None
    process.kill()


@pytest.mark.parametrize("how", ["netns", "pid", "path"])
def test_an_attached_namespace_gets_and_loses_what_the_file_says(host: Host, how: str) -> None:
    sh(
        host,
        "ip netns add box; ip -n box link set lo up; "
        "ip -n box link add eth5 type veth peer name eth6; ip -n box link set eth5 up",
    )
    sh(
        host,
        "ip -n box addr add 192.0.2.1/24 dev eth5; "
        "ip -n box route add 198.51.100.0/24 dev eth5 proto static",
    )
    sh(
        host,
        "ip -n box rule add from all table 9",
    )
    pid = int(
        sh(
            host,
            "nsenter --net=/run/netns/box sleep 600 </dev/null >/dev/null 2>&1 & "
            "echo $!; sleep 0.1",
        )
    )
    where = {"netns": "netns:box", "pid": f"pid:{pid}", "path": "path:/run/netns/box"}[how]
    before = host.snapshot()
    host.write(
        "topo.yaml",
        f"""\
name: lab
nodes:
  box:
    attach: {where}
    forwarding: true
    sysctls: {{net.ipv4.conf.all.rp_filter: 2}}
    interfaces:
      eth5: {{addresses: [192.0.2.2/24, 10.7.0.1/24]}}
      br0: {{kind: bridge, ports: [p0]}}
    routes: [{{to: default, via: 10.0.0.1}}, {{to: 10.8.0.0/16, type: blackhole}}]
    rules: [{{from: 10.9.0.0/24, table: 100, priority: 1000}}]
  a: {{}}
links:
  - {{endpoints: [a:eth0, box:eth0], subnet: 10.0.0.0/24}}
  - [a:eth1, box:p0]
""",
    )
    host.netorch("apply")
    after = host.snapshot()
    wrong = [
        line
        for line in diff_snapshots(before, after)
        if line.startswith(("- ", "~ "))
        and "sysctl net/ipv4" not in line
        and "sysctl net/ipv6" not in line
    ]
    assert wrong == []
    assert "address eth5 10.7.0.1/24" in after["netns box"]
    assert "address eth0 10.0.0.2/24" in after["netns box"]
    assert after["netns box"]["sysctl net/ipv4/ip_forward"] == "1"
    assert after["netns box"]["sysctl net/ipv4/conf/all/rp_filter"] == "2"
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert not (host.root / "etc/netns/box").exists(), (
        "netorch does not write the names of an attached node"
    )
    # a file with less for the box
    host.write(
        "topo.yaml",
        f"name: lab\nnodes: {{box: {{attach: '{where}'}}, a: {{}}}}\n"
        "links: [{endpoints: [a:eth0, box:eth0], subnet: 10.0.0.0/24}]\n",
    )
    host.netorch("apply")
    less = [
        line
        for line in diff_snapshots(before, host.snapshot())
        if line[2:].startswith("netns box:") and "eth0" not in line and "10.0.0." not in line
    ]
    assert less == []
    # no topology at all
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []
    sh(host, f"kill -0 {pid}")


@pytest.mark.parametrize(
    "where",
    [
        "netns:nobody",
        "netns:../netns/box",
        "netns:",
        "pid:999999",
        "pid:-1",
        "pid:0",
        "pid:x",
        "pid:",
        "path:/etc/passwd",
        "path:/run",
        "path:/nowhere",
        "path:relative",
        "path:/proc/1/ns/mnt",
        "path:/dev/zero",
        "path:/run/fifo",
        "path:/run/plain",
        "box",
        "wire:box",
        "docker:",
        "",
        "7",
    ],
)
def test_a_wrong_attach(host: Host, where: str) -> None:
    sh(host, "ip netns add box; mkfifo /run/fifo; touch /run/plain")
    before = host.snapshot()
    host.write(
        "topo.yaml",
        f"name: lab\nnodes:\n  a: {{}}\n  box: {{attach: '{where}'}}\n"
        "links: [[a:eth0, box:eth0]]\n",
    )
    process = host.netorch("apply", check=False, timeout=20)
    assert process.returncode == 1, process.stdout
    assert "topo.yaml:4:" in process.stderr
    assert "Traceback" not in process.stderr
    assert "internal error" not in process.stderr
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("where", ["pid:1", "path:/proc/1/ns/net", "path:/proc/self/ns/net"])
def test_attaching_to_the_host_itself_is_refused(host: Host, where: str) -> None:
    """The host is a node of the name `host`.

    netorch would change one namespace twice if it had two names.
    """
    before = host.snapshot()
    host.write(
        "topo.yaml",
        f"name: lab\nnodes:\n  a: {{}}\n  box: {{attach: '{where}'}}\n"
        "links: [[a:eth0, box:eth0]]\n",
    )
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "host" in process.stderr
    assert diff_snapshots(before, host.snapshot()) == []


def test_attaching_to_a_namespace_that_this_file_makes(host: Host) -> None:
    before = host.snapshot()
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  a: {}\n  box: {attach: 'netns:a'}\nlinks: [[a:eth0, box:eth0]]\n",
    )
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "topo.yaml:4:" in process.stderr
    assert diff_snapshots(before, host.snapshot()) == []


def test_attaching_to_another_topologys_node(host: Host) -> None:
    """Objects of both topologies exist side by side, and each topology removes only its own."""
    host.write(
        "base.yaml",
        "name: base\nnodes: {core: {forwarding: true}, edge: {}}\n"
        "links: [{endpoints: [core:eth0, edge:eth0], subnet: 10.0.0.0/24}]\n",
    )
    host.write(
        "guest.yaml",
        "name: guest\nnodes: {core: {attach: 'netns:core'}, g: {}}\n"
        "links: [{endpoints: [core:eth9, g:eth0], subnet: 10.1.0.0/24}]\n",
    )
    empty = host.snapshot()
    host.netorch("apply", "base.yaml")
    base = host.snapshot()
    host.netorch("apply", "guest.yaml")
    assert host.netorch("diff", "base.yaml", check=False).stdout == "base: in sync\n"
    assert host.netorch("apply", "base.yaml").stdout == "base: in sync, nothing to do\n"
    assert host.netorch("diff", "guest.yaml").returncode == 0
    host.netorch("destroy", "guest")
    assert diff_snapshots(base, host.snapshot(), ["files: /run/netorch/base.lock"]) == []
    host.netorch("apply", "guest.yaml")
    host.netorch("destroy", "base")
    host.netorch("destroy", "guest")
    assert diff_snapshots(empty, host.snapshot()) == []
