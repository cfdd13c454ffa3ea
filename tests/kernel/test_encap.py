"""Test routes that encapsulate packets: SRv6, MPLS and the headers of external tunnels."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots, sentences, wait_for_rollback
from tests.kernel.kindcase import require
from tests.kernel.test_failure import OWN_FILES, sh
from tests.kernel.test_import_live import losses

SAMPLES = {
    "mpls": "192.0.2.0/24 encap mpls 100 via 198.51.100.2",
    "seg6": "192.0.2.0/24 encap seg6 mode encap segs fd00::1 dev probe0",
    "encap.red": "192.0.2.0/24 encap seg6 mode encap.red segs fd00::1 dev probe0",
    "ip": "192.0.2.0/24 encap ip id 7 dst 198.51.100.2 dev probe0",
}


def has_encap(host: Host, name: str) -> bool:
    """Return whether this kernel has such routes, by trying one in a new namespace."""
    script = (
        "ip link add probe0 type veth peer name probe1; ip link set probe0 up;"
        " ip addr add 198.51.100.1/24 dev probe0; ip route add " + SAMPLES[name]
    )
    return host.run("unshare", "-n", "sh", "-ec", script, check=False).returncode == 0


def require_encap(host: Host, *names: str) -> None:
    if missing := [name for name in names if not has_encap(host, name)]:
        pytest.skip(f"this kernel has no routes with encap {', '.join(missing)}")


SRV6 = """
name: lab
names: false
nodes:
  h1: {routes: [{to: default, via: 10.1.0.1}]}
  pe1:
    forwarding: true
    routes:
      - {to: "fc00:2::/64", via: "fd00:1::2"}
      - {to: "fc00:9::/64", via: "fd00:1::2"}
      - {to: 10.2.0.0/24, via: "fd00:1::2", encap: {seg6: {segments: ["fc00:9::e", "fc00:2::d4"]}}}
      - {to: "fc00:1::d4", dev: e1, encap: {seg6local: {action: End.DX4, nh4: 10.1.0.2}}}
  p:
    forwarding: true
    routes:
      - {to: "fc00:2::/64", via: "fd00:2::2"}
      - {to: "fc00:1::/64", via: "fd00:1::1"}
      - {to: "fc00:9::e", dev: e1, encap: {seg6local: {action: End}}}
  pe2:
    forwarding: true
    routes:
      - {to: "fc00:1::/64", via: "fd00:2::1"}
      - {to: 10.1.0.0/24, via: "fd00:2::1", encap: {seg6: {segments: "fc00:1::d4"}}}
      - {to: "fc00:2::d4", dev: e2, encap: {seg6local: {action: End.DX4, nh4: 10.2.0.2}}}
  h2: {routes: [{to: default, via: 10.2.0.1}]}
links:
  - {endpoints: ["pe1:e1", "h1:e0"], subnet: 10.1.0.0/24}
  - {endpoints: ["pe1:e2", "p:e1"], subnet: "fd00:1::/64"}
  - {endpoints: ["p:e2", "pe2:e1"], subnet: "fd00:2::/64"}
  - {endpoints: ["pe2:e2", "h2:e0"], subnet: 10.2.0.0/24}
"""


@pytest.mark.qemu
def test_packets_go_by_segments(host: Host) -> None:
    """pe1 sends by p, which is the end of the first segment, to pe2, which takes the packet out."""
    require_encap(host, "seg6")
    host.netorch("apply", host.write("lab.yaml", SRV6))
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    assert host.reaches("h1", "10.2.0.2")
    route = host.run("ip", "-n", "pe1", "route", "show", "10.2.0.0/24").stdout
    assert "encap seg6 mode encap segs 2 [ fc00:9::e fc00:2::d4 ] via inet6 fd00:1::2" in route
    text = host.netorch("explain", "h1", "10.2.0.2", check=False).stdout
    assert "encapsulates packets (seg6 mode encap segs fc00:9::e,fc00:2::d4)" in text
    host.netorch("destroy", "lab", "--yes")


@pytest.mark.qemu
def test_what_somebody_changes_is_drift(host: Host) -> None:
    require_encap(host, "seg6")
    host.netorch("apply", host.write("lab.yaml", SRV6))
    before = host.snapshot()
    sh(
        host,
        "ip -n pe1 route replace 10.2.0.0/24 encap seg6 mode encap segs fc00:2::d4"
        " via inet6 fd00:1::2; "
        "ip -n p route replace fc00:9::e/128 encap seg6local action End.X nh6 fd00:2::2 dev e1; "
        "ip -n pe2 route replace 10.1.0.0/24 via inet6 fd00:2::1",
    )
    lines = host.netorch("diff", "lab.yaml", check=False).stdout.splitlines()
    assert lines == [
        "~ route pe1 10.2.0.0/24  encap seg6 mode encap segs fc00:2::d4 → seg6 mode encap segs"
        " fc00:9::e,fc00:2::d4  [update]",
        "~ route p fc00:9::e/128  encap seg6local action End.X nh6 fd00:2::2 → seg6local action End"
        "  [update]",
        "~ route pe2 10.1.0.0/24  encap none → seg6 mode encap segs fc00:1::d4  [update]",
        "lab: 3 to update",
    ]
    host.netorch("apply", "lab.yaml")
    assert diff_snapshots(before, host.snapshot(), OWN_FILES) == []


@pytest.mark.qemu
def test_it_is_written_as_it_was_read(host: Host) -> None:
    require_encap(host, "seg6")
    host.netorch("apply", host.write("lab.yaml", SRV6))
    script = host.write("lab.sh", host.netorch("explain", "lab.yaml").stdout)
    host.write("shown.yaml", host.netorch("show", "lab", "-o", "yaml").stdout)
    assert "in sync" in host.netorch("diff", "shown.yaml").stdout
    host.netorch("destroy", "lab", "--yes")
    host.run("sh", "-e", script)
    live = host.netorch("import", "--live").stdout
    assert losses(live) == []
    sh(host, "for node in h1 pe1 p pe2 h2; do ip netns del $node; done")
    host.netorch("apply", host.write("live.yaml", live))
    assert host.reaches("h1", "10.2.0.2")


@pytest.mark.qemu
def test_a_rollback_brings_the_old_encapsulation_back(host: Host) -> None:
    require_encap(host, "seg6")
    host.write("topo.yaml", SRV6)
    host.netorch("apply")
    before = host.snapshot()
    host.write("topo.yaml", SRV6.replace('["fc00:9::e", "fc00:2::d4"]', '["fc00:2::d4"]'))
    host.netorch("apply", "--confirm-within", "2s")
    assert "segs 1 [ fc00:2::d4 ]" in host.run("ip", "-n", "pe1", "route").stdout
    host.write("topo.yaml", SRV6)
    wait_for_rollback(host)
    assert diff_snapshots(before, host.snapshot(), OWN_FILES) == []
    assert host.reaches("h1", "10.2.0.2")


VPN = """
name: lab
nodes:
  h1: {routes: [{to: default, via: 10.1.0.1}, {to: "fd10::/16", via: "fd10:1::1"}]}
  h2: {routes: [{to: default, via: 10.2.0.1}, {to: "fd10::/16", via: "fd10:2::1"}]}
  pe1:
    forwarding: true
    sysctls: {net.vrf.strict_mode: 1}
    interfaces: {blue: {kind: vrf, table: 100, ports: [e1]}}
    routes:
      - {to: "fc00:2::/64", via: "fd00:1::2"}
      - {to: 10.2.0.0/24, table: 100, via: "fd00:1::2", dev: e2, encap: {seg6: {segments: ["fc00:2::d4"]}}}
      - {to: "fd10:2::/64", table: 100, via: "fd00:1::2", dev: e2, encap: {seg6: {segments: ["fc00:2::d6"]}}}
      - {to: "fc00:1::46", dev: blue, encap: {seg6local: {action: End.DT46, vrftable: 100}}}
  pe2:
    forwarding: true
    sysctls: {net.vrf.strict_mode: 1}
    interfaces: {blue: {kind: vrf, table: 100, ports: [e1]}}
    routes:
      - {to: "fc00:1::/64", via: "fd00:1::1"}
      - {to: 10.1.0.0/24, table: 100, via: "fd00:1::1", dev: e2, encap: {seg6: {mode: encap.red, segments: ["fc00:1::46"]}}}
      - {to: "fd10:1::/64", table: 100, via: "fd00:1::1", dev: e2, encap: {seg6: {segments: ["fc00:1::46"]}}}
      - {to: "fc00:2::d4", dev: blue, encap: {seg6local: {action: End.DT4, vrftable: 100}}}
      - {to: "fc00:2::d6", dev: blue, encap: {seg6local: {action: End.DT6, vrftable: 100}}}
links:
  - {endpoints: ["pe1:e1", "h1:e0"], subnet: [10.1.0.0/24, "fd10:1::/64"]}
  - {endpoints: ["pe1:e2", "pe2:e2"], subnet: "fd00:1::/64"}
  - {endpoints: ["pe2:e1", "h2:e0"], subnet: [10.2.0.0/24, "fd10:2::/64"]}
"""


@pytest.mark.qemu
def test_a_vpn_of_two_vrfs(host: Host) -> None:
    require_encap(host, "encap.red")
    require(host, "vrf")
    host.netorch("apply", host.write("lab.yaml", VPN))
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    assert host.reaches("h1", "10.2.0.2")
    assert host.reaches("h1", "fd10:2::2")
    host.write("shown.yaml", host.netorch("show", "lab", "-o", "yaml").stdout)
    assert "in sync" in host.netorch("diff", "shown.yaml").stdout
    host.netorch("apply", host.write("lab.yaml", VPN.replace("table: 100", "table: 200")))
    assert host.reaches("h1", "10.2.0.2")
    host.netorch("destroy", "lab", "--yes")


MPLS = """
name: lab
nodes:
  a:
    routes:
      - {to: 10.9.0.1, via: 10.0.0.2, encap: {mpls: [100, 200]}}
      - {to: 10.8.0.0/16, nexthops: [{via: 10.0.0.2, encap: {mpls: 100}}, {via: 10.0.0.3, weight: 2}]}
      - {to: "fd09::/64", via: "fd00::2", encap: {mpls: {labels: [100], ttl: 9}}}
  b:
    interfaces: {lo: {addresses: [10.9.0.1/32]}}
    sysctls: {net.mpls.platform_labels: 1000, net.mpls.conf.e0.input: 1, net.mpls.conf.lo.input: 1}
links:
  - {endpoints: ["a:e0", "b:e0"], subnet: [10.0.0.0/24, "fd00::/64"]}
"""


@pytest.mark.uml
@pytest.mark.qemu
def test_labels_of_mpls(host: Host) -> None:
    """The test adds the routes that take the labels off, because a file has none."""
    require_encap(host, "mpls")
    host.netorch("apply", host.write("lab.yaml", MPLS))
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    assert not host.ping("a", "10.9.0.1")
    sh(host, "for label in 100 200; do ip -n b -f mpls route add $label dev lo; done")
    assert host.ping("a", "10.9.0.1")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    host.write("shown.yaml", host.netorch("show", "lab", "-o", "yaml").stdout)
    assert "in sync" in host.netorch("diff", "shown.yaml").stdout
    sh(
        host,
        "ip -n a route replace 10.9.0.1 encap mpls 300 via 10.0.0.2;"
        " ip -n a route replace 10.8.0.0/16 nexthop encap mpls 101 via 10.0.0.2"
        " nexthop via 10.0.0.3 weight 2; ip -n a route del fd09::/64",
    )
    lines = host.netorch("diff", "lab.yaml", check=False).stdout.splitlines()
    assert lines[0] == "~ route a 10.9.0.1/32  encap mpls 300 → mpls 100/200  [update]"
    assert lines[1] == (
        "~ route a 10.8.0.0/16  nexthops encap mpls 101 10.0.0.2 dev e0 weight 1, 10.0.0.3 dev e0"
        " weight 2 → encap mpls 100 10.0.0.2 dev e0 weight 1, 10.0.0.3 dev e0 weight 2  [update]"
    )
    assert lines[2] == "+ route a fd09::/64  via fd00::2  dev e0  encap mpls 100 ttl 9"
    host.netorch("apply", "lab.yaml")
    assert host.ping("a", "10.9.0.1")


TUNNEL = """
name: lab
nodes:
  a:
    interfaces: {vx: {kind: vxlan, external: true, addresses: [10.7.0.1/24]}}
    routes: [{to: 10.8.0.0/24, dev: vx, encap: {ip: {id: 7, dst: 192.0.2.2, ttl: 9}}}]
  b: {interfaces: {vx: {kind: vxlan, vni: 7, remote: 192.0.2.1, addresses: [10.8.0.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: 192.0.2.0/24}]
"""


@pytest.mark.uml
@pytest.mark.qemu
def test_a_route_chooses_the_other_end_of_an_external_tunnel(host: Host) -> None:
    require_encap(host, "ip")
    host.netorch("apply", host.write("lab.yaml", TUNNEL))
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    sh(
        host,
        "ip -n a neigh replace 10.8.0.2 dev vx lladdr $(ip -n b -o link show vx"
        " | sed 's/.*ether //; s/ .*//'); ip -n b route add 10.7.0.0/24 dev vx proto 200;"
        " ip -n b neigh replace 10.7.0.1 dev vx lladdr $(ip -n a -o link show vx"
        " | sed 's/.*ether //; s/ .*//')",
    )
    text = host.run("ip", "-n", "a", "route", "show", "10.8.0.0/24").stdout
    assert "encap ip id 7 src 0.0.0.0 dst 192.0.2.2 ttl 9 tos 0 dev vx" in text
    protocol = text.partition(" proto ")[2].split()[0]
    changed = "10.8.0.0/24 dev vx encap ip id 8 dst 192.0.2.2 ttl 9"
    sh(host, f"ip -n a route replace {changed} proto {protocol}")
    diff = host.netorch("diff", "lab.yaml", check=False).stdout
    assert "encap ip id 8 dst 192.0.2.2 ttl 9 → ip id 7 dst 192.0.2.2 ttl 9" in diff, diff
    host.netorch("apply", "lab.yaml")
    host.write("shown.yaml", host.netorch("show", "lab", "-o", "yaml").stdout)
    assert "in sync" in host.netorch("diff", "shown.yaml").stdout


@pytest.mark.uml
@pytest.mark.qemu
def test_foreign_encapsulations_stay(host: Host) -> None:
    require_encap(host, "ip")
    file = host.write("lab.yaml", "name: lab\nnodes: {a: {}, b: {}}\nlinks: [['a:e0', 'b:e0']]\n")
    host.netorch("apply", file)
    sh(host, "ip -n a route add 10.8.0.0/24 dev e0 proto 200 encap ip id 8 dst 192.0.2.2")
    assert "in sync" in host.netorch("diff", file).stdout
    host.netorch("apply", host.write("lab.yaml", file_with_route()))
    assert "encap ip id 8" in host.run("ip", "-n", "a", "route").stdout


def file_with_route() -> str:
    return (
        "name: lab\nnodes: {a: {routes: [{to: 10.9.0.0/24, dev: e0}]}, b: {}}\n"
        "links: [['a:e0', 'b:e0']]\n"
    )


@pytest.mark.uml
def test_a_kernel_without_it_is_named_before_anything_changes(host: Host) -> None:
    words = {
        "mpls": ("mpls: [100]", "MPLS", "CONFIG_MPLS_IPTUNNEL"),
        "seg6": ('seg6: {segments: "fd00::9"}', "SRv6", "CONFIG_IPV6_SEG6_LWTUNNEL"),
    }
    missing = [name for name in words if not has_encap(host, name)]
    if not missing:
        pytest.skip("this kernel has both")
    for name in missing:
        text, what, option = words[name]
        file = file_with_route().replace("dev: e0}", f"dev: e0, encap: {{{text}}}}}")
        before = host.snapshot()
        for command in ("diff", "apply"):
            done = host.netorch(command, host.write("lab.yaml", file), check=False)
            assert done.returncode == 1
            (line,) = sentences(done.stderr)[:1]
            assert f"this kernel has no {what}: route a 10.9.0.0/24 cannot be made" in line, line
            assert option in line
        assert diff_snapshots(before, host.snapshot()) == []
