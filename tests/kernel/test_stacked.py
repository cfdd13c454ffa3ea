"""Test macvlans and ipvlans next to foreign links, and networks of these two drivers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.kernel.host import Host, Snapshot, diff_snapshots
from tests.kernel.kindcase import has_kind, require

NIC = "ip link add eth9 type veth peer name wire9; ip link set eth9 up; ip link set wire9 up"
"""Makes a NIC of the machine, and the other end of its cable."""


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def lab(host: Host, words: str, members: str = "a: {networks: [lan]}") -> Path:
    return host.write(
        "lab.yaml", f"name: lab\nnodes: {{{members}}}\nnetworks: {{lan: {{{words}}}}}\n"
    )


def left(host: Host, before: Snapshot) -> list[str]:
    """Return what differs from `before`.

    Wait up to 10 s, because carriers change late and the kernel deletes some objects late.
    """
    deadline = time.monotonic() + 10
    while (differences := diff_snapshots(before, host.snapshot())) and time.monotonic() < deadline:
        time.sleep(0.2)
    return differences


def refused(host: Host, file: Path, *texts: str) -> None:
    """Check that diff and apply refuse the file with these texts, and change nothing."""
    before = host.snapshot()
    for command in ("diff", "apply"):
        done = host.netorch(command, file, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"{file}:"), done.stderr
        assert all(text in done.stderr for text in texts), done.stderr
    assert left(host, before) == []


# Parents


def test_a_parent_that_is_not_there(host: Host) -> None:
    sh(host, NIC)
    refused(
        host,
        lab(host, "driver: macvlan, parent: eth8"),
        "macvlan a/eth0: there is no interface eth8 in host that could be its parent. It has wire9, eth9.",
    )
    refused(
        host,
        lab(host, "driver: macvlan, parent: eth9.20"),
        "eth9 exists: write",
        "or in a network `vlan: 20`",
    )


def test_a_parent_that_is_a_port_of_a_bridge(host: Host) -> None:
    sh(host, f"{NIC}; ip link add br9 type bridge; ip link set eth9 master br9; ip link set br9 up")
    refused(
        host,
        lab(host, "driver: macvlan, parent: eth9"),
        "host:eth9 is a port of the bridge br9",
        "Write `parent: br9`, or free eth9.",
    )
    before = host.snapshot()
    host.netorch("apply", lab(host, "driver: macvlan, parent: br9"))
    host.netorch("destroy", "lab")
    assert left(host, before) == []


def test_a_parent_that_is_a_macvlan(host: Host) -> None:
    sh(host, f"{NIC}; ip link add mv9 link eth9 type macvlan mode bridge")
    refused(
        host,
        lab(host, "driver: macvlan, parent: mv9"),
        "host:mv9 is of kind macvlan itself",
        "Name that parent.",
    )


def test_a_parent_of_a_foreign_link_in_passthru_mode(host: Host) -> None:
    sh(host, f"{NIC}; ip link add mv9 link eth9 type macvlan mode passthru")
    refused(
        host,
        lab(host, "driver: macvlan, parent: eth9"),
        "has the macvlan mv9 on it, which netorch did not make: "
        "a link with the mode passthru must be the only one on its parent",
    )


def test_an_obstacle_that_only_the_kernel_sees_is_rolled_back(host: Host) -> None:
    sh(
        host,
        f"{NIC}; ip netns add other; ip link add mv9 link eth9 netns other type macvlan "
        "mode passthru",
    )
    before = host.snapshot()
    done = host.netorch("apply", lab(host, "driver: macvlan, parent: eth9"), check=False)
    assert (
        done.returncode == 1
        and "create macvlan a/eth0" in done.stderr
        and "Rolled back" in done.stderr
    )
    assert left(host, before) == []


def test_macvlans_and_ipvlans_never_share_a_parent(host: Host) -> None:
    sh(host, f"{NIC}; ip link add mv9 link eth9 type macvlan mode bridge")
    refused(
        host,
        lab(host, "driver: ipvlan, parent: eth9"),
        "has the macvlan mv9 on it, which netorch did not make: "
        "a parent has either ipvlans or macvlans, never both",
    )


def test_one_next_to_compatible_foreign_links(host: Host) -> None:
    sh(
        host,
        f"{NIC}; ip link add mv9 link eth9 type macvlan mode bridge; "
        "ip addr add 10.0.0.9/24 dev mv9; ip link set mv9 up",
    )
    before = host.snapshot()
    host.netorch("apply", lab(host, "driver: macvlan, parent: eth9, subnet: 10.0.0.0/24"))
    assert host.ping("a", "10.0.0.9", count=10)
    host.netorch("destroy", "lab")
    assert left(host, before) == []


def test_the_mtu_is_the_parents_and_never_more(host: Host) -> None:
    sh(host, f"{NIC}; ip link set wire9 mtu 1400; ip link set eth9 mtu 1400")
    refused(
        host,
        lab(host, "driver: macvlan, parent: eth9, mtu: 1500"),
        "its MTU of 1500 is more than the 1400 of host:eth9",
    )
    file = lab(
        host,
        "driver: macvlan, parent: eth9",
        "a: {networks: [lan]}, b: {networks: {lan: {mtu: 1300}}}",
    )
    host.netorch("apply", file)
    assert [host.ip("-n", node, "link", "show", "eth0")[0]["mtu"] for node in "ab"] == [1400, 1300]
    sh(host, "ip link set eth9 mtu 1200")
    assert "~ macvlan b/eth0  mtu 1200 → 1300" not in host.netorch("diff", file, check=False).stdout
    sh(host, "ip link set eth9 mtu 1400")
    host.netorch("apply", file)
    assert host.ip("-n", "b", "link", "show", "eth0")[0]["mtu"] == 1300
    assert host.netorch("diff", file).stdout == "lab: in sync\n"


def test_a_parent_that_is_down_is_no_obstacle(host: Host) -> None:
    sh(host, f"{NIC}; ip link set eth9 down; ip addr add 10.0.0.9/24 dev wire9")
    file = lab(host, "driver: macvlan, parent: eth9, subnet: 10.0.0.0/24, gateway: 10.0.0.9")
    host.netorch("apply", file)
    assert "UP" in host.ip("-n", "a", "link", "show", "eth0")[0]["flags"]
    assert host.netorch("diff", file).stdout == "lab: in sync\n"
    assert not host.ping("a", "10.0.0.9")
    sh(host, "ip link set eth9 up")
    assert host.ping("a", "10.0.0.9", count=10)  # the kernel passes a carrier on within a second
    assert host.netorch("diff", file).stdout == "lab: in sync\n"


@pytest.mark.uml
def test_a_name_that_the_parents_namespace_has_too(host: Host) -> None:
    """Linux before 6.15 looks for the name there, although the link is for another namespace."""
    sh(
        host,
        f"{NIC}; ip link add eth0 type veth peer name eth1; ip link set eth0 up; "
        "ip link add same type veth peer name same2",
    )
    before = host.snapshot()
    file = lab(
        host,
        "driver: macvlan, parent: eth9, subnet: 10.0.0.0/24",
        "a: {networks: [lan]}, b: {networks: {lan: {name: same}}}",
    )
    host.netorch("apply", file)
    assert host.netorch("diff", file).stdout == "lab: in sync\n"
    assert host.ping("a", "10.0.0.2", count=10)
    links = {node: host.links("-n", node) for node in "ab"}
    assert links == {"a": ["lo", "eth0"], "b": ["lo", "same"]}
    host.netorch("destroy", "lab")
    assert left(host, before) == []


# Networks


def test_the_parent_has_one_mac_in_passthru(host: Host) -> None:
    sh(host, NIC)
    mac = host.ip("link", "show", "eth9")[0]["address"]
    file = lab(host, "driver: macvlan, driver_mode: passthru, parent: eth9")
    host.netorch("apply", file)
    assert (
        host.ip("-n", "a", "link", "show", "eth0")[0]["address"]
        == mac
        == host.ip("link", "show", "eth9")[0]["address"]
    )
    file.write_text(file.read_text().replace("passthru", "bridge"))
    assert "mode passthru → bridge" in host.netorch("apply", file).stdout
    assert host.ip("-n", "a", "link", "show", "eth0")[0]["address"] != mac


def test_a_member_comes_and_goes_and_the_others_stay(host: Host) -> None:
    sh(host, NIC)
    words = "driver: macvlan, parent: eth9, subnet: 10.0.0.0/24"
    host.netorch("apply", lab(host, words, "a: {networks: [lan]}, b: {networks: [lan]}"))
    index = host.ip("-n", "a", "link", "show", "eth0")[0]["ifindex"]
    host.netorch("apply", lab(host, words, "a: {networks: [lan]}, b: {}, c: {networks: [lan]}"))
    assert host.ip("-n", "a", "link", "show", "eth0")[0]["ifindex"] == index
    assert host.links("-n", "b") == ["lo"]
    assert host.ping("a", "10.0.0.2", count=10)


def test_from_a_bridge_to_a_macvlan_and_back(host: Host) -> None:
    sh(host, NIC)
    words, other = "subnet: 10.0.0.0/24", "subnet: 10.0.0.0/24, driver: macvlan, parent: eth9"
    before = host.snapshot()
    for network in (words, other, words):
        file = lab(host, network, "a: {networks: [lan]}, b: {networks: [lan]}")
        host.netorch("apply", file)
        assert host.netorch("diff", file).stdout == "lab: in sync\n"
        assert host.ping("a", "b", count=10)
    host.netorch("destroy", "lab")
    assert left(host, before) == []


def test_what_is_written_out_means_the_same(host: Host) -> None:
    sh(host, NIC)
    host.netorch(
        "apply",
        lab(
            host,
            "driver: macvlan, parent: eth9, subnet: 10.0.0.0/24, gateway: 10.0.0.1",
            "a: {networks: {lan: {mtu: 1400}}}",
        ),
    )
    written = host.write("written.yaml", host.netorch("show", "lab", "-o", "yaml").stdout)
    assert host.netorch("diff", written).stdout == "lab: in sync\n"


def test_a_closed_network_needs_a_dummy(host: Host) -> None:
    if has_kind(host, "dummy"):
        pytest.skip("this kernel has dummy links; the one of the first test run has none")
    refused(
        host,
        lab(host, "driver: macvlan"),
        "this kernel has no dummy links: dummy netorch-lab/lan cannot be made.",
        "CONFIG_DUMMY",
    )


@pytest.mark.uml
def test_a_closed_network(host: Host) -> None:
    require(host, "dummy", "ipvlan")
    before = host.snapshot()
    file = host.write(
        "lab.yaml",
        "name: lab\nnodes: {a: {networks: [mac, ipv]}, b: {networks: {mac: {mtu: 1300}, "
        "ipv: }}}\nnetworks:\n"
        "  mac: {driver: macvlan, mtu: 1400, subnet: 10.1.0.0/24, gateway: b}\n"
        "  ipv: {driver: ipvlan, subnet: 10.2.0.0/24}\n",
    )
    host.netorch("apply", file)
    assert host.ping("a", "10.1.0.2", count=10) and host.ping("a", "10.2.0.2")
    written = host.write("written.yaml", host.netorch("show", "lab", "-o", "yaml").stdout)
    assert host.netorch("diff", written).stdout == "lab: in sync\n"
    sh(host, "ip -n netorch-lab link del mac")
    assert (
        "+ macvlan a/eth0  parent netorch-lab:mac" in host.netorch("diff", file, check=False).stdout
    )
    host.netorch("apply", file)
    assert host.ping("b", "10.1.0.1", count=10)
    host.netorch("destroy", "lab")
    assert left(host, before) == []


@pytest.mark.uml
def test_a_vlan_device_comes_with_the_first_member_and_goes_with_the_last(host: Host) -> None:
    require(host, "vlan")
    sh(host, NIC)
    before = host.snapshot()
    networks = (
        "networks:\n  v: {driver: macvlan, parent: eth9, vlan: 20, subnet: 10.20.0.0/24}\n"
        "  w: {driver: macvlan, parent: eth9, vlan: 20}\n"
    )
    file = host.write(
        "lab.yaml",
        f"name: lab\nnodes: {{a: {{networks: [v]}}, b: {{networks: [w, v]}}}}\n{networks}",
    )
    host.netorch("apply", file)
    assert host.ip("link", "show", "eth9.20")[0]["linkinfo"]["info_data"]["id"] == 20
    file.write_text(f"name: lab\nnodes: {{a: {{}}, b: {{networks: [w]}}}}\n{networks}")
    host.netorch("apply", file)
    assert host.ip("link", "show", "eth9.20")
    file.write_text(f"name: lab\nnodes: {{a: {{}}, b: {{}}}}\n{networks}")
    assert "- vlan host/eth9.20" in host.netorch("apply", file).stdout
    assert sorted(host.links()) == ["eth9", "lo", "wire9"]
    host.netorch("destroy", "lab")
    assert left(host, before) == []
    sh(host, "ip link add eth9.20 link eth9 type vlan id 20")
    file.write_text(f"name: lab\nnodes: {{a: {{networks: [v]}}}}\n{networks}")
    refused(host, file, "vlan host/eth9.20: vlan host/eth9.20 exists and netorch did not make it")


@pytest.mark.uml
def test_ipvlans_of_others_keep_their_mode(host: Host) -> None:
    require(host, "ipvlan")
    sh(
        host,
        f"{NIC}; ip link add iv9 link eth9 type ipvlan mode l3; ip link set iv9 up; "
        "ip addr add 10.0.0.9/24 dev iv9",
    )
    refused(
        host,
        lab(host, "driver: ipvlan, parent: eth9"),
        "all ipvlans of a parent have the same mode and flags: l2 bridge or l3 bridge",
    )
    refused(
        host,
        lab(host, "driver: macvlan, parent: eth9"),
        "has the ipvlan iv9 on it, which netorch did not make: "
        "a parent has either macvlans or ipvlans",
    )
    before = host.snapshot()
    host.netorch(
        "apply", lab(host, "driver: ipvlan, driver_mode: l3, parent: eth9, subnet: 10.0.0.0/24")
    )
    assert host.ping("a", "10.0.0.9", count=10)
    mine = json.loads(sh(host, "ip -n a -j link show eth0"))[0]
    assert (
        mine["address"] == host.ip("link", "show", "eth9")[0]["address"]
        and "NOARP" in mine["flags"]
    )
    host.netorch("destroy", "lab")
    assert left(host, before) == []


@pytest.mark.uml
def test_a_parents_node_and_what_is_on_it_do_not_reach_each_other(host: Host) -> None:
    require(host, "ipvlan")
    sh(host, f"{NIC}; ip addr add 10.0.0.9/24 dev eth9")
    host.netorch(
        "apply",
        lab(
            host,
            "driver: ipvlan, parent: eth9, subnet: 10.0.0.0/24",
            "a: {networks: [lan]}, b: {networks: [lan]}",
        ),
    )
    assert host.ping("a", "10.0.0.2", count=10)
    assert not host.ping("a", "10.0.0.9") and not host.ping(None, "10.0.0.1")
