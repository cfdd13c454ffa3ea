"""Test networks with `driver: vxlan`: segments over several nodes, their packets and changes."""

from __future__ import annotations

import json

import pytest

from tests.kernel.host import SOURCE, Host, diff_snapshots
from tests.kernel.kindcase import assert_in_sync
from tests.kernel.wire import sniff

OVERLAY = SOURCE / "topologies" / "vxlan-overlay.yaml"

LAB = """
name: lab
networks:
  lan: {driver: vxlan, vni: 5, subnet: [10.5.0.0/24, "fd05::/64"], endpoints: {v1: "ENDPOINT1", v2: "ENDPOINT2"}}
nodes:
  v1: {}
  v2: {}
  a: {networks: {lan: {at: v1}}}
  b: {networks: {lan: {at: v2}}}
links: [{endpoints: ["v1:eth0", "v2:eth0"], subnet: [192.0.2.0/30, "fd00::/126"]}]
"""
FOUR = LAB.replace("ENDPOINT1", "192.0.2.1").replace("ENDPOINT2", "192.0.2.2")
SIX = LAB.replace("ENDPOINT1", "fd00::1").replace("ENDPOINT2", "fd00::2")


def fits(host: Host, node: str, target: str, size: int) -> bool:
    """Return whether a packet of `size` bytes, all headers included, passes in one piece."""
    headers = 48 if ":" in target else 28
    ping = (
        "ping",
        "-n",
        "-q",
        "-M",
        "do",
        "-c",
        "3",
        "-i",
        "0.2",
        "-W",
        "2",
        "-s",
        str(size - headers),
        target,
    )
    return host.run("ip", "netns", "exec", node, *ping, check=False).returncode == 0


def test_frames_carry_the_vni_and_the_port(host: Host) -> None:
    host.netorch("apply", OVERLAY)
    for node, own, other, vni in (
        ("c1", "10.42.0.1", "10.42.0.3", "42"),
        ("g1", "10.42.0.101", "10.42.0.102", "43"),
    ):
        inner = f"{own} > {other}: ICMP echo request"
        seen = sniff(
            host,
            "backbone",
            "to-host1",
            "udp port 4789",
            inner,
            "ip",
            "netns",
            "exec",
            node,
            "ping",
            "-c",
            "5",
            "-i",
            "0.3",
            other,
        )
        before, matched, _ = seen.partition(inner)
        outer = before.rpartition("192.0.2.2.")[2]
        assert matched and "> 192.0.2.6.4789: VXLAN" in outer and f"vni {vni}" in outer, seen


def test_nothing_is_flooded_to_find_a_member(host: Host) -> None:
    """The table of an endpoint holds exactly the MACs of the members at the other endpoint.

    It does so before the first frame.
    """
    host.netorch("apply", OVERLAY)
    macs = {
        node: host.ip("-n", node, "link", "show", "eth0")[0]["address"]
        for node in ("c1", "c2", "c3", "c4")
    }
    for node, there, dst in (
        ("host1", ("c3", "c4"), "192.0.2.6"),
        ("host2", ("c1", "c2"), "192.0.2.2"),
    ):
        entries = json.loads(
            host.run("bridge", "-n", node, "-j", "fdb", "show", "dev", "blue-vtep").stdout
        )
        known = {(entry["mac"], entry["dst"]) for entry in entries if "dst" in entry}
        assert known == {("00:00:00:00:00:00", dst), *((macs[member], dst) for member in there)}
        details = host.ip("-n", node, "link", "show", "blue-vtep")[0]["linkinfo"]["info_data"]
        assert details["learning"] is False and details["port"] == 4789


@pytest.mark.parametrize(
    ("file", "mtu"), [(FOUR, 1450), (SIX, 1430)], ids=["over IPv4", "over IPv6"]
)
def test_what_fits_is_exact(host: Host, file: str, mtu: int) -> None:
    host.netorch("apply", host.write("lab.yaml", file))
    for target in ("10.5.0.2", "fd05::2"):
        assert fits(host, "a", target, mtu)
        assert not fits(host, "a", target, mtu + 1)
    links = {
        (node, link["ifname"]): link["mtu"]
        for node in ("v1", "v2", "a")
        for link in host.ip("-n", node, "link")
    }
    assert {
        links[place]
        for place in (
            ("v1", "lan"),
            ("v1", "lan-vtep"),
            ("v1", "a-eth0"),
            ("v2", "lan"),
            ("a", "eth0"),
        )
    } == {mtu}
    wider = file.replace("subnet: [192", "mtu: 9000, subnet: [192")
    host.netorch("apply", host.write("lab.yaml", wider))
    assert fits(host, "a", "10.5.0.2", 9000 - (1500 - mtu))
    assert_in_sync(host)


def test_another_vni_is_another_tunnel_and_nothing_is_lost(host: Host) -> None:
    file = host.write("lab.yaml", FOUR)
    host.netorch("apply", file)
    file.write_text(FOUR.replace("vni: 5", "vni: 6"))
    diff = host.netorch("diff", file, check=False).stdout
    assert "± vxlan v1/lan-vtep  vni 5 → 6" in diff and "[replace]" in diff, diff
    host.netorch("apply", file)
    assert_in_sync(host)
    assert host.ping("a", "10.5.0.2", count=3)
    assert host.ping("a", "fd05::2", count=3)


def test_the_overlay_comes_back_with_the_wires_below_it(host: Host) -> None:
    host.netorch("apply", host.write("lab.yaml", FOUR))
    assert host.ping("a", "10.5.0.2", count=3)
    host.run("ip", "-n", "v1", "link", "set", "eth0", "down")
    assert not host.ping("a", "10.5.0.2")
    host.run("ip", "-n", "v1", "link", "set", "eth0", "up")
    assert host.ping("a", "10.5.0.2", count=3)


def test_a_member_moves_to_another_endpoint(host: Host) -> None:
    file = host.write("lab.yaml", FOUR)
    host.netorch("apply", file)
    before = host.netorch("show", "-o", "yaml").stdout
    file.write_text(
        FOUR.replace("b: {networks: {lan: {at: v2}}}", "b: {networks: {lan: {at: v1}}}")
    )
    host.netorch("apply", file)
    assert_in_sync(host)
    assert host.ping("a", "10.5.0.2", count=3)
    assert "dst" in host.run("bridge", "-n", "v1", "fdb", "show", "dev", "lan-vtep").stdout
    assert (
        host.run("bridge", "-n", "v1", "fdb", "show", "dev", "lan-vtep").stdout.count(
            "dst 192.0.2.2"
        )
        == 1
    )
    host.write("lab.yaml", before)
    host.netorch("apply", file)
    assert_in_sync(host)
    assert host.ping("a", "10.5.0.2", count=3)


def test_what_is_written_as_a_file_is_what_is_there(host: Host) -> None:
    host.netorch("apply", OVERLAY)
    written = host.write("again.yaml", host.netorch("show", "-o", "yaml", "vxlan-overlay").stdout)
    again = host.netorch("diff", written, check=False)
    assert (again.returncode, again.stdout) == (0, "vxlan-overlay: in sync\n"), (
        again.stdout + again.stderr
    )


def test_entries_of_others_in_the_table_are_mended_and_learned_ones_are_nobodys(host: Host) -> None:
    host.netorch("apply", host.write("lab.yaml", FOUR))
    fdb = ("bridge", "-n", "v1", "fdb")
    host.run(
        *fdb,
        "append",
        "00:00:00:00:00:00",
        "dev",
        "lan-vtep",
        "dst",
        "192.0.2.77",
        "self",
        "permanent",
    )
    host.run(
        *fdb, "add", "02:00:00:00:00:66", "dev", "lan-vtep", "dst", "192.0.2.2", "self", "dynamic"
    )
    host.run(
        *fdb,
        "add",
        "02:00:00:00:00:67",
        "dev",
        "lan-vtep",
        "dst",
        "192.0.2.2",
        "self",
        "extern_learn",
    )
    diff = host.netorch("diff", check=False).stdout.splitlines()
    assert diff == ["- fdb v1/lan-vtep 00:00:00:00:00:00 dst 192.0.2.77", "lab: 1 to delete"], diff


def test_an_endpoint_on_the_host_and_no_trace_afterwards(host: Host) -> None:
    host.run(
        "sh",
        "-ec",
        "ip link add name nic type veth peer name wire; ip link set wire up; "
        "ip link set nic up; ip addr add 192.0.2.9/24 dev nic",
    )
    before = host.snapshot()
    file = host.write(
        "lab.yaml",
        """
prefix: x-
networks: {lan: {driver: vxlan, vni: 5, subnet: 10.5.0.0/24, endpoints: {host: 192.0.2.9, v: 192.0.2.10}}}
nodes:
  v: {interfaces: {under: {addresses: [192.0.2.10/24]}}}
  a: {networks: {lan: {at: host}}}
  b: {networks: {lan: {at: v}}}
links: [["v:under", "host:plug"]]
""",
    )
    host.netorch("apply", file)
    host.run(
        "sh",
        "-ec",
        "ip link add name br9 type bridge; ip link set br9 up; "
        "ip link set wire master br9; ip link set x-plug master br9",
    )
    assert host.reaches("x-a", "10.5.0.2")
    host.run("ip", "link", "del", "br9")
    host.netorch("destroy", file)
    assert diff_snapshots(before, host.snapshot()) == []
