"""Mode bridged: members are on the NIC's own segment, and the host loses hardly a packet."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import Any

import pytest

from tests.kernel.host import Background, Host, Snapshot, diff_snapshots

LAN = """
ip netns add lan
ip link add name port1 netns lan type veth peer name eth0
ip -n lan link set lo up
ip -n lan address add 192.168.5.1/24 dev port1
ip -n lan address add fd05::1/64 dev port1 nodad
ip -n lan link set port1 up
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
ip link set eth0 up
ip address add 192.168.5.2/24 brd + dev eth0 valid_lft 3600 preferred_lft 1800
ip address add 192.168.5.3/24 dev eth0 label eth0:1
ip address add 10.77.0.2 peer 10.77.0.1/32 dev eth0
ip address add fd05::2/64 dev eth0 valid_lft 3600 preferred_lft 1800
ip address add fd06::2/64 dev eth0 noprefixroute
ip -6 route add fd06::/64 dev eth0 proto kernel metric 100
ip route add default via 192.168.5.1 proto dhcp metric 100 src 192.168.5.2
ip route add 10.9.0.0/16 proto static nexthop via 192.168.5.1 dev eth0 weight 2 nexthop via 192.168.5.7 dev eth0
ip route add 10.10.0.0/16 dev eth0 table 77 mtu 1400 proto static
ip -6 route add fd77::/64 via fd05::1 expires 900
ip -6 route add default via fd05::1 proto ra expires 900 pref high
"""

BRIDGED = """
name: lab
networks:
  wan:
    mode: bridged
    uplink: eth0
    subnet: [192.168.5.0/24, "fd05::/64"]
    ip_range: [192.168.5.128/28, "fd05::100/120"]
    gateway: [192.168.5.1, "fd05::1"]
nodes:
  vm1: {networks: [wan]}
  vm2: {networks: {wan: 192.168.5.50}}
"""

EXPIRES = re.compile(r'"expires": \d+, ')
INSIDE = ["netns lan: neighbours", "files: /run/netorch", "mounts: /run/netns"]


@pytest.fixture
def lan(host: Host) -> Host:
    host.run("sh", "-ec", LAN)
    host.write("lab.yaml", BRIDGED)
    time.sleep(0.1)
    return host


def steady(shot: Snapshot) -> Snapshot:
    """Leave out lifetimes, which count down."""
    return {
        where: {EXPIRES.sub("", what): EXPIRES.sub("", how) for what, how in parts.items()}
        for where, parts in shot.items()
    }


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    return diff_snapshots(steady(before), steady(after), ignore=INSIDE)


def lifetimes(host: Host, link: str) -> dict[str, int]:
    addresses = host.ip("address", "show", "dev", link)[0]["addr_info"]
    return {
        entry["local"]: entry["valid_life_time"]
        for entry in addresses
        if entry and entry["scope"] == "global"
    }


def routes(host: Host, *words: str) -> list[tuple[Any, ...]]:
    entries = host.ip(*words, "route", "show", "table", "all") or []
    hidden = {"local", "broadcast", "multicast", "anycast"}
    return sorted(
        (
            route["dst"],
            str(route.get("dev", [hop["dev"] for hop in route.get("nexthops", [])])),
            route["protocol"],
            route.get("metric", 0),
        )
        for route in entries
        if route.get("type") not in hidden and not route["dst"].startswith(("fe80", "ff00"))
    )


def pinging(host: Host, target: str) -> Background:
    return host.start("ip", "netns", "exec", "lan", "ping", "-n", "-q", "-i", "0.02", target)


def lost(ping: Background) -> int:
    time.sleep(0.5)
    ping.signal(signal.SIGINT)
    out = ping.communicate(timeout=30)[0]
    sent, received = map(int, re.findall(r"(\d+) (?:packets transmitted|received)", out)[:2])
    assert sent > 20
    return sent - received


def test_members_are_on_the_segment_of_the_nic(lan: Host) -> None:
    lan.netorch("apply", "lab.yaml")
    assert lan.ping("vm1", "192.168.5.1") and lan.ping("vm1", "fd05::1")
    assert (
        lan.ping("lan", "192.168.5.128")
        and lan.ping("lan", "fd05::100")
        and lan.ping("lan", "192.168.5.50")
    )
    assert (
        lan.ping("vm1", "192.168.5.50")
        and lan.ping("vm1", "192.168.5.2")
        and lan.ping(None, "192.168.5.50")
    )
    assert [
        route["gateway"]
        for route in json.loads(lan.run("ip", "-j", "-n", "vm1", "route", "show", "default").stdout)
    ] == ["192.168.5.1"]
    bridge, nic = lan.ip("link", "show", "dev", "wan")[0], lan.ip("link", "show", "dev", "eth0")[0]
    assert (bridge["address"], bridge["mtu"], nic["master"]) == (nic["address"], nic["mtu"], "wan")
    assert bridge["ifalias"] == "netorch:lab uplink=eth0"


def test_addresses_and_routes_of_the_host_are_on_the_bridge_as_they_were(lan: Host) -> None:
    ages, v4, v6 = lifetimes(lan, "eth0"), routes(lan, "-4"), routes(lan, "-6")
    lan.netorch("apply", "lab.yaml")
    now = lifetimes(lan, "wan")
    assert list(now) == list(ages)
    assert all(0 <= ages[address] - now[address] <= 5 for address in ages)
    assert lifetimes(lan, "eth0") == {}
    assert routes(lan, "-4") == [(dst, dev.replace("eth0", "wan"), *rest) for dst, dev, *rest in v4]
    assert routes(lan, "-6") == [(dst, dev.replace("eth0", "wan"), *rest) for dst, dev, *rest in v6]
    listing = lan.run("ip", "address", "show", "dev", "wan").stdout
    assert "secondary wan:1" in listing and "tentative" not in listing.replace(
        "scope link tentative", ""
    )
    assert lan.ping(None, "192.168.5.1") and lan.ping(None, "fd05::1")


def test_a_second_apply_does_nothing_and_destroy_puts_everything_back(lan: Host) -> None:
    before, ages = lan.snapshot(), lifetimes(lan, "eth0")
    lan.netorch("apply", "lab.yaml")
    assert "nothing to do" in lan.netorch("apply", "lab.yaml").stdout
    assert lan.netorch("diff", "lab.yaml").returncode == 0
    lan.netorch("destroy", "lab")
    assert differences(before, lan.snapshot()) == []
    assert all(0 <= ages[address] - left <= 15 for address, left in lifetimes(lan, "eth0").items())


@pytest.mark.parametrize("target", ["192.168.5.2", "fd05::2"])
def test_hardly_a_packet_is_lost_there_and_back(lan: Host, target: str) -> None:
    with pinging(lan, target) as ping:
        time.sleep(0.2)
        lan.netorch("apply", "lab.yaml")
        lan.netorch("destroy", "lab")
        assert lost(ping) <= 3


def test_many_links_go_at_once_but_not_before_the_nic_has_left(lan: Host) -> None:
    before = lan.snapshot()
    lan.write(
        "lab.yaml",
        BRIDGED.replace(
            "vm2: {networks: {wan: 192.168.5.50}}", "v[1-12]: {networks: {wan: {addresses: false}}}"
        ),
    )
    lan.netorch("apply", "lab.yaml")
    lan.netorch("destroy", "lab")
    assert differences(before, lan.snapshot()) == []


def test_an_apply_that_fails_later_puts_everything_back(lan: Host) -> None:
    before = lan.snapshot()
    lan.write(
        "lab.yaml",
        BRIDGED
        + "  vm3: {networks: [wan], routes: [{to: 10.1.0.0/16, via: 10.99.0.1, dev: eth0}]}\n",
    )
    done = lan.unforeseen("apply", "lab.yaml", check=False)
    assert done.returncode == 1 and "Rolled back" in done.stderr
    assert differences(before, lan.snapshot()) == []


@pytest.mark.parametrize(
    ("make", "nic", "words"),
    [
        ("true", "eth9", "host has no interface eth9"),
        (
            "ip link add eth9 type bridge && ip address add 10.3.0.1/24 dev eth9",
            "eth9",
            "eth9 is a bridge link, which cannot be a port of a bridge",
        ),
        (
            "ip link add eth9 type veth peer eth8; ip address add 10.3.0.1/24 dev eth9; ip link add mv0 link eth9 type macvlan",
            "eth9",
            "eth9 carries mv0, which get its frames",
        ),
    ],
)
def test_what_cannot_be_bridged_is_refused_before_anything_changes(
    lan: Host, make: str, nic: str, words: str
) -> None:
    lan.run("sh", "-ec", make)
    before = lan.snapshot()
    lan.write("lab.yaml", BRIDGED.replace("uplink: eth0", f"uplink: {nic}"))
    done = lan.netorch("apply", "lab.yaml", check=False)
    assert done.returncode == 1
    assert (
        "lab.yaml:6:" in done.stderr
        and f"uplink host/{nic}" in done.stderr
        and words in done.stderr
    )
    assert "Rolled back" not in done.stderr
    assert differences(before, lan.snapshot()) == []


def test_an_address_that_the_bridge_cannot_have_leaves_the_nic_as_it_is(lan: Host) -> None:
    lan.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
    before = lan.snapshot()
    done = lan.netorch("apply", "lab.yaml", check=False)
    assert done.returncode == 1
    assert "address fd0" in done.stderr and "disable_ipv6" in done.stderr
    assert differences(before, lan.snapshot()) == []


def test_a_port_of_a_foreign_bridge_is_a_conflict(lan: Host) -> None:
    lan.run("sh", "-ec", "ip link add br7 type bridge && ip link set eth0 master br7")
    before = lan.snapshot()
    done = lan.netorch("apply", "lab.yaml", check=False)
    assert done.returncode == 1 and "eth0 is a port of br7 already" in done.stderr
    assert differences(before, lan.snapshot()) == []


def test_the_uplink_of_another_topology_is_a_conflict(lan: Host) -> None:
    lan.netorch("apply", "lab.yaml")
    lan.write("other.yaml", "name: other\nnetworks:\n  lan2: {mode: bridged, uplink: eth0}\n")
    done = lan.netorch("apply", "other.yaml", check=False)
    assert done.returncode == 1 and "topology 'lab' made it" in done.stderr


def test_changes_of_the_hosts_own_addresses_are_not_drift(lan: Host) -> None:
    lan.netorch("apply", "lab.yaml")
    change = """
    ip address delete 192.168.5.3/24 dev wan
    ip address add 192.168.5.4/24 dev wan
    ip address add fd05::4/64 dev wan nodad
    ip route add 10.20.0.0/16 via 192.168.5.1
    """
    lan.run("sh", "-ec", change)
    assert "nothing to do" in lan.netorch("apply", "lab.yaml").stdout
    lan.netorch("destroy", "lab")
    assert set(lifetimes(lan, "eth0")) == {
        "192.168.5.2",
        "192.168.5.4",
        "10.77.0.2",
        "fd05::2",
        "fd05::4",
        "fd06::2",
    }
    assert ("10.20.0.0/16", "eth0", "boot", 0) in routes(lan, "-4")


def test_a_nic_that_was_taken_out_shows_and_comes_back(lan: Host) -> None:
    before = lan.snapshot()
    lan.netorch("apply", "lab.yaml")
    lan.run("ip", "link", "set", "eth0", "nomaster")
    diff = lan.netorch("diff", "lab.yaml", check=False)
    assert diff.returncode == 2 and "uplink host/eth0" in diff.stdout
    lan.netorch("apply", "lab.yaml")
    assert lan.ping("lan", "192.168.5.50") and lan.ping("lan", "192.168.5.2")
    lan.netorch("destroy", "lab")
    assert differences(before, lan.snapshot()) == []


def test_what_a_dhcp_client_renews_on_the_nic_moves_again(lan: Host) -> None:
    lan.netorch("apply", "lab.yaml")
    lan.run(
        "ip",
        "address",
        "replace",
        "192.168.5.2/24",
        "brd",
        "+",
        "dev",
        "eth0",
        "valid_lft",
        "7200",
        "preferred_lft",
        "7200",
    )
    assert lan.netorch("diff", "lab.yaml", check=False).returncode == 2
    lan.netorch("apply", "lab.yaml")
    assert 7100 < lifetimes(lan, "wan")["192.168.5.2"] <= 7200
    assert "192.168.5.2" not in lifetimes(lan, "eth0")
    lan.run(
        "ip",
        "address",
        "replace",
        "192.168.5.2/24",
        "brd",
        "+",
        "dev",
        "eth0",
        "valid_lft",
        "9000",
        "preferred_lft",
        "9000",
    )
    lan.netorch("destroy", "lab")
    assert 8900 < lifetimes(lan, "eth0")["192.168.5.2"] <= 9000


KILLED = """
import os, sys
from netorch.kernel.system.rtnetlink import Rtnl
import netorch.kernel.links.uplink as uplink
act, sent = uplink.send, []
def send(rtnl, pieces, also=()):
    if sys.argv[1] == "half":
        pieces = pieces[: next(number for number, piece in enumerate(pieces) if piece.kind == 20) + 1]
    if sys.argv[1] != "before":
        act(rtnl, pieces, also)
    os._exit(9)
uplink.send = send
from netorch.cli import main
sys.argv[1:] = sys.argv[2:]
main()
"""


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("command", [("apply", "lab.yaml"), ("destroy", "lab")])
def test_a_kill_while_it_moves_is_survived(
    lan: Host, moment: str, command: tuple[str, str]
) -> None:
    before = lan.snapshot()
    if command[0] == "destroy":
        lan.netorch("apply", "lab.yaml")
    assert lan.python(KILLED, moment, *command, check=False).returncode == 9
    lan.netorch("apply", "lab.yaml")
    assert "nothing to do" in lan.netorch("apply", "lab.yaml").stdout
    assert lan.ping("lan", "192.168.5.2") and lan.ping("lan", "192.168.5.50")
    assert lan.python(KILLED, moment, *command, check=False).returncode in {0, 9}
    lan.netorch("destroy", "lab")
    assert differences(before, lan.snapshot()) == []


def test_destroy_finds_the_way_back_without_a_record(lan: Host) -> None:
    before = lan.snapshot()
    lan.netorch("apply", "lab.yaml")
    lan.run("rm", "-r", "/run/netorch")
    lan.netorch("destroy", "lab")
    assert differences(before, lan.snapshot()) == []


def test_inside_a_node_what_was_learnt_there_goes_along(host: Host) -> None:
    plain = """
name: lab
nodes:
  r1: {routes: [{to: default, via: 10.0.0.2}]}
  isp: {}
links:
  - {endpoints: ["r1:eth0", "isp:eth0"], subnet: 10.0.0.0/24}
"""
    bridged = plain.replace("  isp: {}\n", "  isp: {}\n  vm: {networks: {br: 10.0.0.9/24}}\n") + (
        "networks:\n  br: {mode: bridged, uplink: eth0, node: r1}\n"
    )
    host.write("plain.yaml", plain)
    host.write("bridged.yaml", bridged)
    host.netorch("apply", "plain.yaml")
    host.run(
        "ip",
        "-n",
        "r1",
        "address",
        "add",
        "10.4.0.1/24",
        "dev",
        "eth0",
        "valid_lft",
        "600",
        "preferred_lft",
        "600",
    )
    before = host.snapshot()
    host.netorch("apply", "bridged.yaml")
    assert (
        host.ping("vm", "10.0.0.2") and host.ping("vm", "10.0.0.1") and host.ping("r1", "10.0.0.2")
    )
    on_bridge = json.loads(
        host.run("ip", "-j", "-n", "r1", "-4", "address", "show", "dev", "br").stdout
    )[0]["addr_info"]
    assert {entry["local"] for entry in on_bridge} == {"10.0.0.1", "10.4.0.1"}
    assert "nothing to do" in host.netorch("apply", "bridged.yaml").stdout
    host.netorch("apply", "plain.yaml")
    assert differences(before, host.snapshot()) == []
    host.netorch("destroy", "lab")


def test_the_live_state_as_a_file_says_it_again(lan: Host) -> None:
    lan.netorch("apply", "lab.yaml")
    text = lan.netorch("show", "lab", "-o", "yaml")
    assert "uplink: eth0" in text.stdout
    lan.write("again.yaml", text.stdout)
    assert lan.netorch("diff", "again.yaml", check=False).stdout.endswith("lab: in sync\n")
