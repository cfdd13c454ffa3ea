"""A topology takes over what exists already, in place, and gives it up again."""

from __future__ import annotations

import errno
import json
import re
import signal
from typing import Any

import pytest

from tests.kernel.campaign import spread
from tests.kernel.everykind import NIC, every_kind
from tests.kernel.host import Host, diff_snapshots
from tests.kernel.test_failure import OWN_FILES, server, settled, sh, shot

BY_HAND = """
ip netns add a
ip netns add b
for n in a b; do ip -n $n link set lo up; done
ip link add br0 type bridge
ip link set br0 up
ip addr add 10.1.0.254/24 dev br0
for n in a b; do
    ip link add eth0 netns $n type veth peer name to-$n
    ip link set to-$n master br0 up
    ip -n $n link set eth0 up
done
ip -n a addr add 10.1.0.1/24 dev eth0
ip -n b addr add 10.1.0.2/24 dev eth0
for n in a b; do ip -n $n route add default via 10.1.0.254; done
ip rule add from 10.1.0.0/24 table 100 priority 500
ip route add 10.9.0.0/16 via 10.1.0.1 table 100
ip -6 route add fd09::/64 dev br0 table 100
"""
FILE = """\
name: t
names: false
nodes:
  host:
    interfaces:
      br0: {{kind: bridge, ports: [to-a, to-b], addresses: 10.1.0.254/24, mac: "{br0}"}}
    rules: [{{from: 10.1.0.0/24, table: 100, priority: 500}}]
    routes:
      - {{to: 10.9.0.0/16, via: 10.1.0.1, table: 100}}
      - {{to: "fd09::/64", dev: br0, table: 100}}
  a: {{routes: [{{to: default, via: 10.1.0.254}}]}}
  b: {{routes: [{{to: default, via: 10.1.0.254}}]}}
links:
  - endpoints:
      - {{node: a, interface: eth0, addresses: 10.1.0.1/24, mac: "{a}"}}
      - {{node: host, interface: to-a, mac: "{to_a}"}}
  - endpoints:
      - {{node: b, interface: eth0, addresses: 10.1.0.2/24, mac: "{b}"}}
      - {{node: host, interface: to-b, mac: "{to_b}"}}
"""
LEARNED = [*OWN_FILES, "host: fdb"]
"""What differs by itself: the records, and what the bridge learns from frames."""
MARKS = re.compile(r"\b(alias netorch|group 13|proto 1[0-7]\d)")


def link(host: Host, name: str, netns: str = "") -> dict[str, Any]:
    where = ("-n", netns) if netns else ()
    links: list[dict[str, Any]] = json.loads(
        host.run("ip", *where, "-j", "link", "show", name).stdout
    )
    return links[0]


@pytest.fixture
def by_hand(host: Host) -> Host:
    """Return a host with two namespaces on a bridge, and a file that describes them."""
    sh(host, BY_HAND)
    macs = {
        "br0": link(host, "br0"),
        "to_a": link(host, "to-a"),
        "to_b": link(host, "to-b"),
        "a": link(host, "eth0", "a"),
        "b": link(host, "eth0", "b"),
    }
    host.write("topo.yaml", FILE.format(**{key: one["address"] for key, one in macs.items()}))
    return host


def test_adopted_changed_and_destroyed_under_a_ping(by_hand: Host) -> None:
    host = by_hand
    refused = host.netorch("apply", check=False)
    assert refused.returncode == 1
    assert refused.stderr.count("`apply --adopt`") == 6, refused.stderr
    index = link(host, "br0")["ifindex"]
    preview = host.netorch("diff", "--adopt", check=False)
    assert preview.returncode == 2 and preview.stdout.endswith("t: 10 to adopt\n"), preview.stdout
    ping = host.start(
        "ip", "netns", "exec", "a", "ping", "-q", "-i", "0.005", "-c", "400", "10.1.0.2"
    )
    done = host.netorch("apply", "--adopt")
    assert re.search(r"^t: 10 adopted in [\d.]+ s$", done.stdout, re.MULTILINE), done.stdout
    out, _ = ping.communicate(timeout=60)
    assert " 0% packet loss" in out, out
    assert link(host, "br0")["ifindex"] == index
    assert host.netorch("diff").returncode == 0
    assert host.netorch("list").stdout.splitlines()[1].startswith("t ")
    host.write(
        "topo.yaml", (host.directory / "topo.yaml").read_text().replace("10.9.0.0", "10.8.0.0")
    )
    assert "1 created, 1 deleted" in host.netorch("apply").stdout
    host.netorch("destroy", "t")
    assert host.run("ip", "netns").stdout == ""
    assert "priority" not in host.run("ip", "rule", "show", "priority", "500").stdout


def test_released_all_stays_without_marks(by_hand: Host) -> None:
    host = by_hand
    before = shot(host)
    host.netorch("apply", "--adopt")
    done = host.netorch("destroy", "--release", "t")
    assert re.search(r"^t: 7 objects released in ", done.stdout, re.MULTILINE), done.stdout
    everything = "ip -d link; ip rule; ip route show table all; ip -6 route show table all"
    for where in ("sh -c", "ip netns exec a sh -c", "ip netns exec b sh -c"):
        assert not MARKS.search(host.run(*where.split(), everything).stdout)
    assert host.netorch("list").stdout.strip() == "no topology is live here"
    assert not list((host.root / "run/netorch").glob("t*"))
    assert settled(before, host, LEARNED) == []
    host.netorch("apply", "--adopt")
    assert host.netorch("diff").returncode == 0


def test_a_refused_request_leaves_everything_as_it_was(by_hand: Host) -> None:
    host = by_hand
    text = (host.directory / "topo.yaml").read_text()
    host.write("topo.yaml", text.replace("  b: {", "  c: {}\n  b: {forwarding: true, "))
    before = shot(host)
    refused = 0
    with server(host) as run:
        total = run("apply", "--adopt", "topo.yaml")["requests"]
        run("destroy", "--release", "t")
        sh(host, "ip netns del c; ip netns exec b sysctl -qw net.ipv4.ip_forward=0")
        sh(host, "ip netns exec b sysctl -qw net.ipv6.conf.all.forwarding=0")
        start = shot(host)
        for at in spread(total, 12):
            answer = run("apply", "--adopt", "topo.yaml", fail_at=at, error=errno.EPERM)
            if answer["status"] == 0:
                run("destroy", "--release", "t")
                sh(host, "ip netns del c; ip netns exec b sysctl -qw net.ipv4.ip_forward=0")
                sh(host, "ip netns exec b sysctl -qw net.ipv6.conf.all.forwarding=0")
            else:
                refused += 1
            assert settled(start, host, LEARNED) == [], (at, answer["output"])
    assert refused > 3
    assert before.keys() == start.keys()


def test_killed_in_the_middle_another_adopt_goes_on(by_hand: Host) -> None:
    host = by_hand
    with server(host) as run:
        total = run("apply", "--adopt", "topo.yaml")["acts"]
        run("destroy", "--release", "t")
        start = shot(host)
        for at in spread(total, 10):
            answer = run("apply", "--adopt", "topo.yaml", kill_at=at)
            assert answer["status"] == -signal.SIGKILL, (at, answer["output"])
            answer = run("apply", "--adopt", "topo.yaml")
            assert answer["status"] == 0, (at, answer["output"])
            assert run("diff", "topo.yaml")["status"] == 0, at
            answer = run("destroy", "--release", "t")
            assert answer["status"] == 0, (at, answer["output"])
            assert settled(start, host, LEARNED) == [], at


@pytest.mark.uml
def test_every_kind_is_released_and_adopted_again(host: Host) -> None:
    sh(host, NIC)
    text = re.sub(r"      nic: .*\n", "", every_kind(host)[0])
    host.write("topo.yaml", text)
    host.netorch("apply", "topo.yaml")
    released = host.netorch("destroy", "--release", "lab")
    assert "the packet filter of" in released.stderr
    assert host.netorch("list").stdout.strip() == "no topology is live here"
    again = host.netorch("apply", "--adopt", "topo.yaml")
    assert re.search(
        r"^lab: \d+ adopted(, \d updated)? in [\d.]+ s$", again.stdout, re.MULTILINE
    ), again.stdout
    assert host.netorch("diff", "topo.yaml").returncode == 0
    host.netorch("destroy", "lab")
    assert host.netorch("list").stdout.strip() == "no topology is live here"


def test_a_filter_that_was_released_stays_unless_the_file_has_one(host: Host) -> None:
    """The filter keeps its name, so the apply of another file of that name must leave it alone."""
    members = "nodes: {a: {networks: [lan]}, b: {networks: [lan]}}\n"
    networks = "networks: {lan: {mode: nat, subnet: 10.9.0.0/24}}\n"
    host.write("lab.yaml", "name: lab\nnames: false\n" + members + networks)
    host.netorch("apply", "lab.yaml")
    host.netorch("destroy", "--release", "lab")
    rules = host.run("nft", "list", "ruleset").stdout
    assert "masquerade" in rules and 'comment "netorch:lab released"' in rules
    live = host.netorch("import", "--live", "--name", "lab", check=False)
    assert "rules of the packet filter: they belong to networks" in live.stdout
    host.write("live.yaml", live.stdout)
    assert "filter" not in host.netorch("diff", "--adopt", "live.yaml", check=False).stdout
    host.netorch("apply", "--adopt", "live.yaml")
    assert "in sync" in host.netorch("diff", "live.yaml").stdout
    assert host.run("nft", "list", "ruleset").stdout == rules
    host.netorch("destroy", "--release", "lab")
    plan = host.netorch("diff", "--adopt", "lab.yaml", check=False).stdout
    assert "~ filter host  mark released → netorch:lab  [update]" in plan
    host.netorch("apply", "--adopt", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    assert "released" not in host.run("nft", "list", "ruleset").stdout
    host.netorch("destroy", "lab")
    assert "netorch" not in host.run("nft", "list", "ruleset").stdout


@pytest.mark.uml
def test_released_addresses_and_another_name(host: Host) -> None:
    """Linux 6.1 keeps the number of an IPv4 address, and the error says that this is why."""
    text = "names: false\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:e0, b:e0], mtu: 1400}]\n"
    own = text.replace("mtu: 1400", "subnet: 10.9.0.0/24")
    host.write("lab.yaml", "name: lab\n" + own)
    host.netorch("apply", "lab.yaml")
    host.netorch("destroy", "--release", "lab")
    mac = link(host, "e0", "a")["address"], link(host, "e0", "b")["address"]
    ends = "".join(
        f"{{node: {node}, interface: e0, mac: '{own}'}}, "
        for node, own in zip("ab", mac, strict=True)
    )
    host.write("other.yaml", "name: other\n" + own.replace("a:e0, b:e0", ends))
    result = host.netorch("apply", "--adopt", "other.yaml", check=False)
    if result.returncode:
        words = " ".join(result.stderr.split())
        assert "netorch cannot adopt it: this version of Linux keeps the protocol number" in words
        assert "with `apply --adopt`" not in words
        assert "the kernel is as it was before" in words
        return
    assert "in sync" in host.netorch("diff", "other.yaml").stdout
    host.netorch("destroy", "other")


def test_a_lent_nic_is_not_released(host: Host) -> None:
    sh(host, NIC)
    host.write(
        "topo.yaml", "name: t\nnodes: {a: {interfaces: {nic: {kind: physical, from: eth8}}}}\n"
    )
    host.netorch("apply")
    before = shot(host)
    done = host.netorch("destroy", "--release", "t", check=False)
    assert done.returncode == 1
    assert "the host lent this NIC" in done.stderr
    assert settled(before, host, OWN_FILES) == []
    host.netorch("destroy", "t")


CASES = {
    "another kind": (
        "ip link add d0 type ifb",
        "d0: {kind: bridge}",
        "its kind is ifb, and the file asks for bridge",
    ),
    "a fixed attribute": (
        "ip link add d0 type vxlan id 8 remote 192.0.2.1 dstport 4789 dev lo",
        "d0: {kind: vxlan, vni: 7, remote: 192.0.2.1}",
        "netorch would have to replace it",
    ),
    "a bridge of Docker": (
        "ip link add docker0 type bridge",
        "docker0: {kind: bridge}",
        "its name is one that Docker gives",
    ),
    "the mark of another topology": (
        "ip link add d0 type bridge; ip link set d0 alias netorch:other",
        "d0: {kind: bridge}",
        "it has the mark of a topology",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_adopted_is_a_conflict_with_the_reason(host: Host, case: str) -> None:
    script, interface, reason = CASES[case]
    sh(host, script)
    host.write("topo.yaml", f"name: t\nnodes:\n  host:\n    interfaces:\n      {interface}\n")
    before = shot(host)
    done = host.netorch("apply", "--adopt", check=False)
    assert done.returncode == 1
    assert reason in done.stderr, done.stderr
    assert "topo.yaml:5:7: " in done.stderr
    assert settled(before, host) == []


def test_a_namespace_with_more_than_the_file_says_is_not_adopted(host: Host) -> None:
    sh(host, "ip netns add a; ip -n a link add keep type bridge")
    host.write("topo.yaml", "name: t\nnodes: {a: {}}\n")
    done = host.netorch("apply", "--adopt", check=False)
    assert done.returncode == 1
    assert "it also has keep, which the file does not have" in done.stderr
    assert "keep" in host.run("ip", "-n", "a", "link").stdout


def test_what_is_added_beside_adopted_objects_is_made(host: Host) -> None:
    sh(host, "ip netns add a; ip -n a link set lo up")
    host.write("topo.yaml", "name: t\nnodes: {a: {}, b: {}}\nlinks: [[a:e0, b:e0]]\n")
    done = host.netorch("apply", "--adopt", "-o", "json")
    document = json.loads(done.stdout)
    assert document["adopted"] == ["netns a"]
    assert document["summary"]["create"] >= 3
    assert host.netorch("diff").returncode == 0
    host.netorch("destroy", "t")
    assert host.run("ip", "netns").stdout == ""


def test_a_program_adopts_and_releases(by_hand: Host) -> None:
    program = """
import netorch
assert netorch.diff("topo.yaml", adopt=True).adopted[0].startswith("rule host")
made = netorch.apply("topo.yaml", adopt=True)
assert made and not made.changes and len(made.adopted) == 10
assert not netorch.diff("topo.yaml")
assert len(netorch.destroy("t", release=True).released) == 7
"""
    by_hand.python(program)
    assert by_hand.run("ip", "netns").stdout != ""


OWN = """
name: own
nodes:
  host:
    interfaces:
      br7:
        kind: bridge
        addresses: [10.7.0.1/24, "fd07::1/64"]
        neighbours: [{address: 10.7.0.9, mac: "02:00:00:00:00:09"}]
      lo: {addresses: [192.0.2.1/32]}
    rules: [{from: 10.70.0.0/16, table: 70, priority: 70}]
    routes: [{to: 10.70.0.0/16, via: 10.7.0.2}]
"""
OTHERS = {
    "address": "interfaces: {br7: {addresses: [10.7.0.1/24]}}",
    "address of IPv6": "interfaces: {br7: {addresses: ['fd07::1/64']}}",
    "address of lo": "interfaces: {lo: {addresses: [192.0.2.1/32]}}",
    "neighbour": "interfaces: {br7: {neighbours: [{address: 10.7.0.9, mac: '02:00:00:00:00:99'}]}}",
    "rule": "rules: [{from: 10.70.0.0/16, table: 70, priority: 70}]",
    "route": "routes: [{to: 10.70.0.0/16, via: 10.7.0.2}]",
}


def test_what_another_topology_has_is_not_adopted(host: Host) -> None:
    host.write("own.yaml", OWN)
    host.netorch("apply", "own.yaml")
    for what, words in OTHERS.items():
        host.write("thief.yaml", f"name: thief\nnodes: {{host: {{{words}}}}}\n")
        for command in (["apply", "--adopt"], ["diff", "--adopt"], ["apply"]):
            failed = host.netorch(*command, "thief.yaml", check=False)
            assert failed.returncode == 1, (what, command, failed.stdout)
            assert "topology 'own' made it" in failed.stderr, (what, failed.stderr)
            assert "take it over" not in failed.stderr
            if "--adopt" in command:
                assert "topology 'own' would lose it: release or destroy" in failed.stderr
    assert host.netorch("diff", "own.yaml").stdout == "own: in sync\n"
    assert host.netorch("destroy", "thief").stdout == "thief: nothing to destroy\n"
    assert host.netorch("diff", "own.yaml").stdout == "own: in sync\n"


def test_what_a_program_manages_is_not_adopted(host: Host) -> None:
    host.run(
        "sh",
        "-ec",
        "ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0;"
        "ip link set docker0 up; ip rule add from 10.3.0.0/16 table 3 prio 3 protocol 99",
    )
    before = host.snapshot()
    for words, reason in (
        ("interfaces: {docker0: {addresses: [172.17.0.1/16]}}", "Docker gives, which manages it"),
        (
            "rules: [{from: 10.3.0.0/16, table: 3, priority: 3}]",
            "a program manages it (protocol 99)",
        ),
    ):
        host.write("topo.yaml", f"name: lab\nnodes: {{host: {{{words}}}}}\n")
        failed = host.netorch("apply", "--adopt", check=False)
        assert failed.returncode == 1
        assert reason in failed.stderr
    assert diff_snapshots(before, host.snapshot(), ignore=("files: /run/netorch",)) == []


def test_routes_keep_what_no_file_can_say(host: Host) -> None:
    host.run(
        "sh",
        "-ec",
        "ip link add d0 type bridge; ip link set d0 up; ip addr add 10.1.0.1/24 dev d0;"
        "ip -6 addr add fd01::1/64 dev d0 nodad;"
        "ip route add 10.2.0.0/16 via 10.1.0.9 mtu lock 1200 rto_min 50ms realm 5 features ecn;"
        "ip route add 10.3.0.0/16 via 10.1.0.9 initcwnd 33 advmss 1300;"
        "ip -6 route add fd07::/64 dev d0 pref high",
    )

    def routes() -> str:
        words = "ip route show; ip -6 route show fd07::/64"
        return re.sub(r" proto \S+", "", host.run("sh", "-ec", words).stdout)

    before = routes()
    host.netorch("import", "--live", "--name", "lab", "-o", "topo.yaml", check=False)
    host.netorch("apply", "--adopt")
    assert routes() == before
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("destroy", "--release", "lab")
    assert routes() == before


MARKED_BY_HAND = """
ip link add br0 alias 'the office' group 7 type bridge
ip link set br0 up
ip addr add 10.1.0.254/24 dev br0
ip addr add fd01::1/64 dev br0
ip addr add fd01::2/64 dev br0 nodad
ip netns add a; ip -n a link set lo up
ip link add eth0 netns a type veth peer name to-a
ip link set to-a up; ip -n a link set eth0 up
ip -n a addr add 10.2.0.1/24 dev eth0
ip -n a addr add fd02::1/64 dev eth0
ip -n a route add 10.3.0.0/16 via 10.2.0.9
ip -n a route add 10.4.0.0/16 via 10.2.0.9 proto static
ip -n a -6 route add fd04::/64 via fd02::9
ip -n a rule add from 10.2.0.0/24 table 7 priority 70
ip route add 10.6.0.0/16 via 10.1.0.9
ip route add 10.7.0.0/16 via 10.1.0.9 proto static table 100
ip route add unreachable 10.8.0.0/16 metric 5
ip -6 route add fd06::/64 via fd01::9 metric 7
ip rule add from 10.6.0.0/16 table 100 priority 500
ip rule add from 10.7.0.0/16 table 100 priority 501 protocol static
ip neigh add 10.1.0.77 lladdr 02:00:00:00:00:77 dev br0 nud permanent
sleep 2
"""
LISTED = """
for n in "" "-n a"; do
    for v in 4 6; do
        ip $n -$v -d route show table all
        ip $n -$v -d rule
    done
    ip $n -d addr | sed 's/_timer *[0-9.]*//g'
    ip $n -d neigh show nud permanent
done
"""


def test_adopt_and_release_leave_everything_as_it_was(host: Host) -> None:
    sh(host, MARKED_BY_HAND)
    before = sh(host, LISTED)
    host.netorch("import", "--live", "--name", "lab", "-o", "topo.yaml", check=False)
    for more in ("", "  z: {}\n"):
        text = (host.directory / "topo.yaml").read_text()
        host.write("topo.yaml", text.replace("nodes:\n", f"nodes:\n{more}"))
        host.netorch("apply", "--adopt")  # again, because a later record must still know it
    assert "in sync" in host.netorch("diff").stdout
    assert sh(host, LISTED) != before
    host.write("topo.yaml", text)
    host.netorch("apply")
    host.netorch("destroy", "--release", "lab")
    assert sh(host, LISTED).splitlines() == before.splitlines()
