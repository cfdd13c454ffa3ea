"""Test NICs of the host that are lent to a node.

The tests use a veth as a NIC, because it belongs to the host and netorch did not make it.
"""

from __future__ import annotations

import sys

import pytest

from tests.kernel.host import Host, Snapshot, diff_snapshots
from tests.kernel.kindcase import Damage, Edit, KindCase, assert_in_sync, check_kind

FILE = "name: lab\nnodes: {a: {interfaces: {lan0: $WORDS}}, b: {}}"

NICS = """
for number in 5 6; do
    ip link add eth$number type veth peer name sw$number
    ip link set sw$number up
    ip link set eth$number up txqueuelen 77 mtu 1400 alias "port $number"
    ip link property add dev eth$number altname the-nic-in-slot-$number
    sysctl -qw net.ipv4.conf.eth$number.rp_filter=1 net.ipv6.conf.eth$number.accept_ra=0 net.ipv4.neigh.eth$number.gc_stale_time=77
done
ip address add 192.0.2.1/24 dev eth5
ip address add 192.0.2.7/24 dev eth5
ip -6 address add fd05::1/64 dev eth5 nodad
ip route add 198.51.100.0/24 via 192.0.2.9 metric 7 proto static
ip route add 203.0.113.0/24 dev eth5 table 100
ip -6 route add 2001:db8:1::/48 via fd05::9
"""

PHYSICAL = KindCase(
    FILE,
    "{kind: physical, from: eth5, addresses: [10.9.0.1/24, 'fd09::1/64']}",
    ("physical",),
    sees=(
        ("ip -n a link show lan0", "mtu 1400"),
        ("ip -n a link show lan0", "alias netorch:lab from=eth5"),
        ("ip -n a link show lan0", "qlen 77"),
        ("ip -n a addr show lan0", "10.9.0.1/24"),
        ("ip -br link", "sw5"),
    ),
    edits=(
        Edit(
            "{kind: physical, from: eth5, addresses: [10.9.0.1/24], mtu: 1300, "
            "mac: '02:00:00:00:00:07', description: lent}",
            "! physical a/lan0  mtu 1400 → 1300  mac … [flap]",
            ("- address a/lan0 fd09::1/64",),
        ),
        Edit(
            "{kind: physical, from: eth5, state: down, txqueuelen: 5}",
            "~ physical a/lan0  txqueuelen 77 → 5 … [update]",
            ("! link a/lan0 … [flap]",),
        ),
        Edit(
            "{kind: physical, from: eth6, addresses: [10.9.0.1/24]}",
            "± physical a/lan0  from eth5 → eth6 … [replace]",
        ),
    ),
    damages=(
        Damage(
            "ip -n a link set lan0 down",
            "~ link a/lan0  state down → up",
            ("+ address a/lan0 fd09::1/64",),
        ),
        Damage("ip -n a address del 10.9.0.1/24 dev lan0", "+ address a/lan0 10.9.0.1/24"),
        Damage(
            "ip -n a link set lan0 netns 1",
            "- physical host/lan0",
            ("+ physical a/lan0  from eth5", "+ address a/lan0 10.9.0.1/24"),
        ),
    ),
)


@pytest.fixture
def nics(host: Host) -> Snapshot:
    host.run("sh", "-ec", NICS)
    return host.snapshot()


def write(host: Host, words: str) -> None:
    host.write("lab.yaml", FILE.replace("$WORDS", words))


def test_a_nic(host: Host, nics: Snapshot) -> None:
    check_kind(host, PHYSICAL)
    assert diff_snapshots(nics, host.snapshot()) == []


def test_it_comes_back_as_it_was_however_it_is_given_back(host: Host, nics: Snapshot) -> None:
    words = (
        "{kind: physical, from: eth5, addresses: [10.9.0.1/24], mtu: 1300, "
        "mac: '02:00:00:00:00:07'}"
    )
    write(host, words)
    host.netorch("apply", "lab.yaml")
    assert [link["ifname"] for link in host.ip("link") if link["ifname"].startswith("eth")] == [
        "eth6"
    ]
    # the NIC leaves the file
    host.write("lab.yaml", FILE.replace("lan0: $WORDS", ""))
    assert "- physical a/lan0" in host.netorch("apply", "lab.yaml").stdout
    host.netorch("destroy", "lab")
    assert diff_snapshots(nics, host.snapshot()) == []
    # an apply fails after it has moved the NIC to the node
    write(host, words.replace("mtu: 1300", "sysctls: {no_such_setting: 1}"))
    done = host.unforeseen("apply", "lab.yaml", check=False)
    assert done.returncode == 1 and "no such sysctl" in done.stderr and "Rolled back" in done.stderr
    assert diff_snapshots(nics, host.snapshot()) == []
    # an apply fails that replaces the NIC by another one
    write(host, words)
    host.netorch("apply", "lab.yaml")
    write(host, words.replace("eth5", "eth6").replace("mtu: 1300", "sysctls: {no_such_setting: 1}"))
    assert host.netorch("apply", "lab.yaml", check=False).returncode == 1
    write(host, words)
    assert_in_sync(host)
    # the namespace of the node is deleted, and the NIC is on the host with netorch's mark
    host.run("sh", "-ec", "ip -n a link set lan0 netns 1; ip netns del a")
    host.netorch("destroy", "lab")
    assert diff_snapshots(nics, host.snapshot()) == []


def test_a_setting_of_all_interfaces_is_not_restored_for_the_nic_alone(
    host: Host, nics: Snapshot
) -> None:
    """A NIC is lent while the host forwards, and returns when the host no longer does.

    The NIC then has the setting of all interfaces. A setting that it alone had is restored.
    """
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    host.run("sysctl", "-qw", "net.ipv4.conf.eth6.forwarding=0")
    host.write(
        "lab.yaml",
        "name: lab\nnodes:\n  a: {interfaces: {one: {kind: physical, from: eth5}, "
        "two: {kind: physical, from: eth6}}}\n",
    )
    host.netorch("apply", "lab.yaml")
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
    host.netorch("destroy", "lab")
    assert diff_snapshots(nics, host.snapshot()) == []
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    host.run("sysctl", "-qw", "net.ipv4.conf.eth6.forwarding=0")
    before = host.snapshot()
    host.netorch("apply", "lab.yaml")
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_lost_record_and_a_name_that_is_taken(host: Host, nics: Snapshot) -> None:
    write(host, "{kind: physical, from: eth5}")
    host.netorch("apply", "lab.yaml")
    host.run("rm", "-r", "/run/netorch/lab")
    message = host.netorch("destroy", "lab").stderr
    assert (
        "physical a/lan0: there is no record of its settings on the host, "
        "so it returns there without addresses and routes, and stays down" in message
    )
    lost = diff_snapshots(nics, host.snapshot())
    assert {line.split()[2] for line in lost} <= {"link", "address", "routes", "qdiscs", "sysctl"}
    nic = host.ip("link", "show", "eth5")[0]
    assert "ifalias" not in nic and "UP" not in nic["flags"]
    host.run("ip", "link", "set", "eth5", "up", "alias", "mine")
    host.netorch("apply", "lab.yaml")
    host.run("ip", "link", "add", "eth5", "type", "bridge")
    done = host.netorch("destroy", "lab")
    assert "the host has another eth5 by now: the NIC returns under a name like dev" in done.stderr
    back = [link for link in host.ip("link") if link.get("ifalias") == "mine"]
    assert len(back) == 1 and back[0]["ifname"].startswith("dev") and "UP" in back[0]["flags"]


def test_a_crash_between_the_mark_and_the_move(host: Host, nics: Snapshot) -> None:
    write(host, "{kind: physical, from: eth5}")
    host.netorch("apply", "lab.yaml")
    record = host.run("cat", "/run/netorch/lab/nics.json").stdout
    host.netorch("destroy", "lab")
    host.run("mkdir", "-p", "/run/netorch/lab")
    host.run("tee", "/run/netorch/lab/nics.json", input=record)
    host.run("ip", "link", "set", "eth5", "alias", "netorch:lab from=eth5")
    assert (
        host.netorch("diff", "lab.yaml", check=False).stdout.splitlines()[0]
        == "- physical host/eth5"
    )
    host.netorch("apply", "lab.yaml")
    assert_in_sync(host)
    host.netorch("destroy", "lab")
    assert diff_snapshots(nics, host.snapshot()) == []


KILLED = """
import os, sys
import netorch.kernel.links.nics as nics
act, left = nics.send, [int(sys.argv[1])]
def send(rtnl, pieces, also=()):
    if left[0] == 0:
        # only half of the requests, which matters when they restore the NIC
        act(rtnl, pieces[: len(pieces) // 2], also)
        os._exit(9)
    left[0] -= 1
    return act(rtnl, pieces, also)
nics.send = send
from netorch.cli import main
sys.argv[1:] = sys.argv[2:]
main()
"""


@pytest.mark.parametrize("moment", range(3))
@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_a_kill_while_it_moves_is_survived(
    host: Host, nics: Snapshot, command: str, moment: int
) -> None:
    """netorch is killed before one of its three batches of requests.

    An apply sends the mark, the move, and the settings of the file. A destroy sends the move, the
    original settings, and the removal of the mark.
    """
    script = host.write("killed.py", KILLED)
    write(host, "{kind: physical, from: eth5, mtu: 1300, addresses: [10.9.0.1/24]}")
    if command == "destroy":
        host.netorch("apply", "lab.yaml")
    assert (
        host.run(sys.executable, script, str(moment), command, "lab.yaml", check=False).returncode
        == 9
    )
    host.netorch("apply", "lab.yaml")
    assert_in_sync(host)
    assert host.run(
        sys.executable, script, str(moment), command, "lab.yaml", check=False
    ).returncode in {0, 9}
    host.netorch("destroy", "lab")
    assert diff_snapshots(nics, host.snapshot()) == []


def test_what_cannot_be_lent_is_refused_before_anything_changes(host: Host, nics: Snapshot) -> None:
    place = "lab.yaml:2:26: physical a/lan0: "
    for command, origin, message in (
        ("", "eth55", "the host has no interface 'eth55'. It has "),
        ("", "wlan0", "the host has no interface 'wlan0'. It has "),
        (
            "ip link add br9 type bridge; ip link set eth5 master br9",
            "eth5",
            "eth5 is a port of br9. Take it out of there first",
        ),
        (
            "ip link del br9; ip link add mv9 link eth5 type macvlan",
            "eth5",
            "eth5 carries mv9, which would be lost.",
        ),
        (
            "ip link del mv9; ip link add br9 type bridge",
            "br9",
            "br9 is a bridge of the host. Name a NIC as `from`.",
        ),
    ):
        host.run("sh", "-ec", command)
        write(host, f"{{kind: physical, from: {origin}}}")
        done = host.netorch("apply", "lab.yaml", check=False)
        assert done.returncode == 1 and done.stderr.startswith(place + message), done.stderr
    host.run("ip", "link", "del", "br9")
    # a NIC that another topology has is not on the host, and a link of netorch is not a NIC
    other = host.write(
        "other.yaml",
        "name: other\nnodes: {c: {interfaces: {eth5: {kind: physical}}}, "
        "host: {interfaces: {up0: {kind: veth, peer: c:up0}}}}",
    )
    host.netorch("apply", other)
    for origin, message in (
        ("eth5", "the host has no interface 'eth5'."),
        ("up0", "up0 is not a NIC that the host could lend: topology 'other' made it."),
    ):
        write(host, f"{{kind: physical, from: {origin}}}")
        assert host.netorch("apply", "lab.yaml", check=False).stderr.startswith(place + message)
    host.netorch("destroy", "other")
    assert diff_snapshots(nics, host.snapshot()) == []


def test_the_only_way_out_is_worth_a_warning(host: Host, nics: Snapshot) -> None:
    host.run("ip", "route", "add", "default", "via", "192.0.2.254")
    write(host, "{kind: physical, from: eth5}")
    warning = (
        "eth5 has the host's only IPv4 default route: the host is cut off while the node has it"
    )
    assert warning in host.netorch("diff", "lab.yaml", check=False).stderr
    host.run("ip", "route", "add", "default", "dev", "eth6", "metric", "50")
    assert warning not in host.netorch("apply", "lab.yaml").stderr
    host.netorch("destroy", "lab")
    assert "default via 192.0.2.254 dev eth5" in host.run("ip", "route").stdout


def test_it_carries_traffic_and_its_file_reads_back(host: Host, nics: Snapshot) -> None:
    host.run("sh", "-ec", "ip address add 10.9.0.2/24 dev sw5")
    write(host, "{kind: physical, from: eth5, addresses: [10.9.0.1/24], mtu: 1350}")
    host.netorch("apply", "lab.yaml")
    assert host.ping("a", "10.9.0.2")
    again = host.write("again.yaml", host.netorch("show", "lab", "-o", "yaml").stdout)
    assert "from: eth5" in again.read_text() and "mtu: 1350" in again.read_text()
    assert host.netorch("diff", again).stdout == "lab: in sync\n"
    # a bridge of the node may have the NIC as a port
    host.write(
        "lab.yaml",
        "name: lab\nnodes: {a: {interfaces: {eth5: {kind: physical}, br0: {kind: bridge, "
        "ports: [eth5], addresses: 10.9.0.1/24}}}}",
    )
    host.netorch("apply", "lab.yaml")
    assert host.ping("a", "10.9.0.2")
    assert_in_sync(host)
    host.netorch("destroy", "lab")
    assert [link["ifname"] for link in host.ip("link") if link["ifname"] == "eth5"] == ["eth5"]
