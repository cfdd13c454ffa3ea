"""A changed file changes the running topology in place, without effect on unrelated traffic."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kernel.host import Host, Snapshot, diff_snapshots

# A segment (h1, h2, h3), a router r between x and y, and `out`, where most changes are made.
FILE = """\
name: lab
nodes:
  r:
    forwarding: true
    interfaces:
      lo: {addresses: [10.255.0.1/32]}
      wan: {addresses: [10.9.0.1/24, 10.9.0.5/24, "fd09::1/64"]}
      br0: {kind: bridge, ports: [p1]}
      br1: {kind: bridge}
    routes:
      - {to: 10.99.0.0/16, via: 10.9.0.2}
      - {to: "fd99::/64", via: "fd09::2"}
    rules:
      - {from: 10.8.0.0/24, table: 100, priority: 1000}
  h1: {networks: {lan: 10.0.0.1}}
  h2: {networks: {lan: 10.0.0.2}}
  h3: {networks: {lan: 10.0.0.3}}
  d1: {networks: {dmz: 10.5.0.1}}
  x: {routes: [{to: default, via: 10.1.0.2}]}
  y: {routes: [{to: default, via: 10.2.0.2}]}
  out: {interfaces: {eth0: {addresses: [10.9.0.2/24, "fd09::2/64"]}}}
networks:
  lan: {subnet: 10.0.0.0/24}
  dmz: {subnet: 10.5.0.0/24}
links:
  - {endpoints: [x:eth0, r:x], subnet: 10.1.0.0/30}
  - {endpoints: [y:eth0, r:y], subnet: 10.2.0.0/30}
  - [r:wan, out:eth0]
  - [r:p1, out:eth1]
"""


@dataclass(frozen=True)
class Change:
    """A change of the file, and a check that it took effect."""

    words: dict[str, str]
    """Texts of the file and what replaces them."""
    check: str
    """A shell script that succeeds if the change took effect."""
    renumbered: str = ""
    """Links and namespaces that appear, disappear or are made again; others keep their numbers."""


WAN = 'wan: {addresses: [10.9.0.1/24, 10.9.0.5/24, "fd09::1/64"]}'
ROUTE = "{to: 10.99.0.0/16, via: 10.9.0.2}"


def wan(more: str) -> dict[str, str]:
    return {WAN: f"{WAN[:-1]}, {more}}}"}


def addresses(text: str) -> dict[str, str]:
    return {WAN: f"wan: {{addresses: [{text}]}}"}


def order_of_addresses(*expected: str) -> str:
    return f"ip -n r -4 -br addr show wan | grep -q '{'.* '.join(expected)}'; ip -n r route show 10.99.0.0/16 | grep -q 10.9.0.2"


CHANGES = {
    # links, nodes, members
    "a link added": Change(
        {"  - [r:wan": "  - {endpoints: [x:eth1, y:eth1], subnet: 10.7.0.0/30}\n  - [r:wan"},
        "ip netns exec x ping -c1 -w5 10.7.0.2",
        "x/eth1 y/eth1",
    ),
    "a link removed": Change(
        {"  - [r:p1, out:eth1]\n": "", ", ports: [p1]": ""},
        "! ip -n out link show eth1",
        "r/p1 out/eth1",
    ),
    "a node added": Change(
        {"  d1:": "  h4: {networks: {lan: 10.0.0.4}}\n  d1:"},
        "ip netns exec h4 ping -c1 -w5 h1; ip netns exec h1 ping -c1 -w5 h4",
        "h4 h4/lo h4/eth0 netorch-lab/h4-eth0",
    ),
    "a node removed": Change(
        {"  h3: {networks: {lan: 10.0.0.3}}\n": ""},
        "! ip -n h3 link; ! grep -q h3 /etc/netns/h1/hosts; [ ! -e /etc/netns/h3 ]",
        "h3 h3/lo h3/eth0 netorch-lab/h3-eth0",
    ),
    "a node renamed": Change(
        {"  h3:": "  h9:"},
        "ip netns exec h1 ping -c1 -w5 h9",
        "h3 h3/lo h3/eth0 netorch-lab/h3-eth0 h9 h9/lo h9/eth0 netorch-lab/h9-eth0",
    ),
    "a member added": Change(
        {"out: {": "out: {networks: {lan: 10.0.0.9}, "},
        "ip netns exec h1 ping -c1 -w5 10.0.0.9",
        "out/eth2 netorch-lab/out-eth2",
    ),
    "a member removed": Change(
        {"h3: {networks: {lan: 10.0.0.3}}": "h3: {}"},
        "! ip -n h3 link show eth0",
        "h3/eth0 netorch-lab/h3-eth0",
    ),
    "a node moved to another network": Change(
        {"{lan: 10.0.0.3}": "{dmz: 10.5.0.3}"},
        "ip netns exec h3 ping -c1 -w5 d1; ! ip netns exec h3 ping -c1 -W1 10.0.0.1",
    ),
    "two nodes change places": Change(
        {"{lan: 10.0.0.3}": "{dmz: 10.5.0.1}", "{dmz: 10.5.0.1}": "{lan: 10.0.0.3}"},
        "ip netns exec d1 ping -c1 -w5 h1; ! ip netns exec h3 ping -c1 -W1 10.0.0.1",
    ),
    "an interface renamed": Change(
        {"{lan: 10.0.0.3}": "{lan: {name: lan0, address: 10.0.0.3}}"},
        "ip -n h3 addr show lan0 | grep -q 10.0.0.3/24; ip netns exec h3 ping -c1 -w5 h1",
        "h3/eth0 h3/lan0 netorch-lab/h3-eth0 netorch-lab/h3-lan0",
    ),
    "a network removed, its nodes stay": Change(
        {"  dmz: {subnet: 10.5.0.0/24}\n": "", "{networks: {dmz: 10.5.0.1}}": "{}"},
        "! ip -n netorch-lab link show dmz",
        "netorch-lab/dmz netorch-lab/d1-eth0 d1/eth0",
    ),
    # links' settings
    "another MTU": Change(
        wan("mtu: 1400"),
        "ip -n r link show wan | grep -q 'mtu 1400'; ip -n out link show eth0 | grep -q 'mtu 1400'",
    ),
    "a larger MTU": Change(
        wan("mtu: 9000"), "ip netns exec out ping -c1 -w5 -M do -s 8972 10.9.0.1"
    ),
    "another MAC": Change(
        wan("mac: 02:00:00:00:00:77"), "ip -n r link show wan | grep -q 02:00:00:00:00:77"
    ),
    "a description": Change(
        wan("description: to the world"),
        "ip -n r link show wan | grep -q 'alias netorch:lab .*to the world'",
    ),
    "another queue length": Change(
        wan("txqueuelen: 10"), "ip -n r link show wan | grep -q 'qlen 10$'"
    ),
    "a setting of an interface": Change(
        wan("sysctls: {proxy_arp: 1}"),
        "ip netns exec r sysctl net.ipv4.conf.wan.proxy_arp | grep -q '= 1'",
    ),
    "an interface down": Change(
        wan("state: down"),
        'ip -n r -br link show wan | grep -q DOWN; [ -z "$(ip -n r route show 10.99.0.0/16)" ]',
    ),
    "another master": Change(
        {", ports: [p1]": "", "br1: {kind: bridge": "br1: {kind: bridge, ports: [p1]"},
        "ip -n r link show p1 | grep -q 'master br1'",
    ),
    "no master": Change({", ports: [p1]": ""}, "! ip -n r link show p1 | grep -q master"),
    "a bridge's times and spanning tree": Change(
        {"br0: {kind: bridge,": "br0: {kind: bridge, stp: true, ageing_time: 60s, priority: 4096,"},
        "ip -n r -d link show br0 | grep -q 'ageing_time 6000 stp_state 1 priority 4096'",
    ),
    "a network's ageing time": Change(
        {"lan: {subnet:": "lan: {ageing_time: 60s, subnet:"},
        "ip -n netorch-lab -d link show lan | grep -q 'ageing_time 6000'",
    ),
    # addresses
    "another address": Change(
        addresses('10.9.0.7/24, 10.9.0.5/24, "fd09::1/64"'),
        order_of_addresses("10.9.0.7/24", "10.9.0.5/24"),
    ),
    "another prefix length": Change(
        addresses('10.9.0.1/25, 10.9.0.5/25, "fd09::1/64"'),
        order_of_addresses("10.9.0.1/25", "10.9.0.5/25"),
    ),
    "another IPv6 address": Change(
        addresses('10.9.0.1/24, 10.9.0.5/24, "fd09::7/64"'),
        "ip netns exec out ping -c1 -w5 fd09::7; ip -n r -6 route | grep -q fd99::",
    ),
    "primary and secondary swapped": Change(
        addresses('10.9.0.5/24, 10.9.0.1/24, "fd09::1/64"'),
        order_of_addresses("10.9.0.5/24", "10.9.0.1/24"),
    ),
    "the primary removed, the secondary kept": Change(
        addresses('10.9.0.5/24, "fd09::1/64"'), order_of_addresses("10.9.0.5/24")
    ),
    "an address before the others": Change(
        addresses('10.9.0.9/24, 10.9.0.1/24, 10.9.0.5/24, "fd09::1/64"'),
        order_of_addresses("10.9.0.9/24", "10.9.0.1/24", "10.9.0.5/24"),
    ),
    "an address of lo": Change(
        {"[10.255.0.1/32]": "[10.255.0.1/32, 10.255.0.2/32]"},
        "ip netns exec r ping -c1 -w5 10.255.0.2",
    ),
    # routes and rules
    "another gateway": Change(
        {ROUTE: "{to: 10.99.0.0/16, via: 10.9.0.3}"},
        "ip -n r route | grep -q '10.99.0.0/16 via 10.9.0.3'",
    ),
    "another metric": Change(
        {ROUTE: f"{ROUTE[:-1]}, metric: 50}}"},
        "[ \"$(ip -n r route | grep -c '^10.99.*metric 50')\" = 1 ]",
    ),
    "a route removed": Change({f"      - {ROUTE}\n": ""}, "! ip -n r route | grep -q 10.99"),
    "a second way": Change(
        {ROUTE: f"{ROUTE}\n      - {{to: 10.99.0.0/16, via: 10.9.0.3, metric: 50}}"},
        "[ $(ip -n r route | grep -c 10.99) = 2 ]",
    ),
    "a route that rejects": Change(
        {ROUTE: "{to: 10.99.0.0/16, type: blackhole}"}, "ip -n r route | grep -q 'blackhole 10.99'"
    ),
    "an IPv6 route with two gateways": Change(
        {'via: "fd09::2"': 'nexthops: [{via: "fd09::2"}, {via: "fd09::3"}]'},
        "[ $(ip -n r -6 route | grep -c nexthop) = 2 ]",
    ),
    "a rule to another table": Change(
        {"table: 100": "table: 200"}, '[ "$(ip -n r rule | grep -c 10.8.0.0)" = 1 ]'
    ),
    "a rule removed": Change(
        {"    rules:\n      - {from: 10.8.0.0/24, table: 100, priority: 1000}\n": ""},
        "! ip -n r rule | grep -q 10.8",
    ),
    # nodes' settings
    "forwarding": Change(
        {"out: {": "out: {forwarding: true, "},
        "ip netns exec out sysctl net.ipv4.ip_forward | grep -q '= 1'",
    ),
    "a setting of a node": Change(
        {"out: {": "out: {sysctls: {net.ipv4.conf.all.rp_filter: 1}, "},
        "ip netns exec out sysctl net.ipv4.conf.all.rp_filter | grep -q '= 1'",
    ),
    "further names": Change(
        {"h3: {": "h3: {aliases: [www], dns: {servers: [10.0.0.1]}, "},
        "ip netns exec h1 ping -c1 -w5 www",
    ),
    "no names": Change({"name: lab": "name: lab\nnames: false"}, "[ ! -e /etc/netns/h1 ]"),
}


class Lab:
    """FILE on a private host. Tests share it as long as each leaves it unchanged."""

    def __init__(self, directory: Path) -> None:
        self.host = Host(directory)
        self.host.write("topo.yaml", FILE)
        self.host.netorch("apply")
        self.before: Snapshot = self.host.snapshot()
        self.numbers = numbers(self.host)
        self.clean = True

    def apply(self, text: str) -> list[dict[str, object]]:
        """Apply another version of the file and return the changes.

        It takes one round, because the plan has everything that the kernel removes too.
        """
        self.host.write("topo.yaml", text)
        report = json.loads(self.host.netorch("apply", "-o", "json").stdout)
        assert report["rounds"] == 1
        changes: list[dict[str, object]] = report["changes"]
        return changes

    def renumbered(self) -> set[str]:
        """Return links and namespaces that came, went or were made again since the last call."""
        old, self.numbers = self.numbers, numbers(self.host)
        return {
            name
            for name in old.keys() | self.numbers.keys()
            if old.get(name) != self.numbers.get(name)
        }


NUMBERS = """
ip -o link | sed 's,^\\([0-9]*\\): \\([^:@]*\\).*,host/\\2 \\1,'
for path in /run/netns/*; do
    name=${path##*/}; echo "$name $(stat -Lc %i "$path")"
    ip -o -n "$name" link | sed "s,^\\([0-9]*\\): \\([^:@]*\\).*,$name/\\2 \\1,"
done
"""


def numbers(host: Host) -> dict[str, str]:
    """Return the index of each link and the inode of each namespace."""
    return dict(line.split() for line in host.run("sh", "-ec", NUMBERS).stdout.splitlines())


@contextmanager
def pinging(host: Host, netns: str, target: str) -> Iterator[None]:
    """Ping every 10 ms. No ping may be lost."""
    with host.start("ip", "netns", "exec", netns, "ping", "-n", "-i", "0.01", target) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("PING")
        assert "icmp_seq=1 " in process.stdout.readline()
        yield
        time.sleep(0.2)  # because the effect of a change may be seen a little later
        process.signal(signal.SIGINT)
        out = process.stdout.read()  # communicate() would lose what readline() has read ahead
        process.wait(timeout=10)
    seen = [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", out)]
    assert seen == list(range(2, len(seen) + 2)), f"{netns} → {target}: {out[-200:]}"
    assert len(seen) > 10, "the ping ran during the change"


@pytest.fixture(scope="module")
def labs() -> Iterator[list[Lab]]:
    started: list[Lab] = []
    yield started
    for lab in started:
        lab.host.close()


@pytest.fixture
def lab(labs: list[Lab], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The shared topology, or a new one if the test before did not leave it clean."""
    if labs and not labs[-1].clean:
        labs.pop().host.close()
    if not labs:
        labs.append(Lab(tmp_path_factory.mktemp("lab")))
    labs[-1].clean = False
    return labs[-1]


def new_file(words: dict[str, str]) -> str:
    """Return FILE with all the words replaced at once."""
    for old in words:
        assert FILE.count(old) == 1, old
    return re.sub("|".join(map(re.escape, words)), lambda match: words[match[0]], FILE)


def changed(before: Snapshot, host: Host) -> list[str]:
    """Return the differences from `before`, except in netorch's own records."""
    lines = diff_snapshots(_plain(before), _plain(host.snapshot()), ["files: /run/netorch/"])
    # a bridge keeps the offload limits of its ports, even after the last of them has left
    return [line for line in lines if not re.search(r"link br\d: tso_max_size \d+ → \d+$", line)]


def _plain(shot: Snapshot) -> Snapshot:
    """Leave out the `link` of ports.

    `bridge` looks up the number of a port's far end in the wrong namespace, so the name that it
    prints is meaningless.
    """
    return {
        where: {
            re.sub(r'"link": "[^"]*", ', "", what) if what.startswith("ports ") else what: how
            for what, how in parts.items()
        }
        for where, parts in shot.items()
    }


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_there_and_back(lab: Lab, what: str) -> None:
    change, host = CHANGES[what], lab.host
    with pinging(host, "h1", "10.0.0.2"), pinging(host, "x", "10.2.0.1"):
        assert lab.apply(new_file(change.words))
        assert host.netorch("diff").stdout == "lab: in sync\n"
        host.run("sh", "-exc", change.check)
        assert lab.renumbered() == set(change.renumbered.split())
        assert lab.apply(FILE)
    assert changed(lab.before, host) == []
    assert lab.renumbered() == set(change.renumbered.split())
    lab.clean = True


@pytest.mark.uml
def test_a_change_on_a_kernel_of_its_own(host: Host) -> None:
    """Several changes one after another, without going back between them."""
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    for what in (
        "a node moved to another network",
        "primary and secondary swapped",
        "another metric",
        "a node added",
    ):
        host.write("topo.yaml", new_file(CHANGES[what].words))
        host.netorch("apply")
        host.run("sh", "-exc", CHANGES[what].check)
        assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_flap_restores_what_the_kernel_took(lab: Lab) -> None:
    """A link that goes down loses its routes and gets them back; it keeps its addresses."""
    host = lab.host
    lab.apply(new_file(wan("state: down")))
    assert host.ip("-n", "r", "route", "show", "dev", "wan") == []
    assert [
        entry["local"] for entry in host.ip("-n", "r", "addr", "show", "dev", "wan")[0]["addr_info"]
    ] == [
        "10.9.0.1",
        "10.9.0.5",
        "fd09::1",
    ]
    lab.apply(FILE)
    assert host.run("ip", "-n", "r", "route", "get", "10.99.0.1").stdout.startswith(
        "10.99.0.1 via 10.9.0.2 dev wan"
    )
    assert host.run("ip", "-n", "r", "route", "get", "fd99::1").stdout.startswith("fd99::1 ")
    assert host.ping("out", "10.9.0.1")
    assert host.ping("out", "fd09::1")
    assert changed(lab.before, host) == []
    assert lab.renumbered() == set()
    lab.clean = True


def test_many_changes_at_once(lab: Lab) -> None:
    """Ten changes in one apply do not get in each other's way."""
    host = lab.host
    whats = [
        *(
            "a link added",
            "a node moved to another network",
            "another master",
            "a node added",
            "a rule to another table",
        ),
        *(
            "primary and secondary swapped",
            "another metric",
            "forwarding",
            "a network's ageing time",
            "an address of lo",
        ),
    ]
    words: dict[str, str] = {}
    for what in whats:
        words |= CHANGES[what].words
    with pinging(host, "h1", "10.0.0.2"), pinging(host, "x", "10.2.0.1"):
        lab.apply(new_file(words))
        for what in whats:
            # the check of this one looks at the route whose metric changes too
            if what != "primary and secondary swapped":
                host.run("sh", "-exc", CHANGES[what].check)
        lab.apply(FILE)
    assert changed(lab.before, host) == []
    lab.clean = True


def test_another_instance_is_live_together_with_the_first(lab: Lab) -> None:
    """`--name` makes a second instance, with its name before each namespace.

    The first instance does not change.
    """
    host = lab.host
    with pinging(host, "h1", "10.0.0.2"):
        host.netorch("apply", "--name", "two")
        assert host.ping("two-x", "10.2.0.1")
        assert host.ping("two-h1", "h2")
        assert {f"two-{name}" for name in ("r", "h1", "h2", "h3", "d1", "x", "y", "out")} <= {
            path.name for path in (host.root / "run/netns").iterdir()
        }
        assert host.netorch("diff", "--name", "two").stdout == "two: in sync\n"
        assert host.netorch("diff").stdout == "lab: in sync\n"
        # drift in one instance is not drift in the other
        host.run("ip", "-n", "two-h1", "addr", "flush", "dev", "eth0")
        assert host.netorch("diff").returncode == 0
        assert host.netorch("diff", "--name", "two", check=False).returncode == 2
        host.netorch("destroy", "two")
    assert changed(lab.before, host) == []
    assert lab.renumbered() == set()
    lab.clean = True


def test_an_instance_on_the_host_has_interfaces_of_its_own(host: Host) -> None:
    """If the file has objects on the host, the instance's name precedes interfaces too."""
    host.write(
        "topo.yaml",
        'nodes: {host: {}, a: {}}\nvars: {n: 1}\nlinks: [{endpoints: [host:up, a:eth0], subnet: "10.$(n).0.0/30"}]\n',
    )
    host.netorch("apply")
    host.netorch("apply", "--name", "two", "--set", "n=2")
    assert [link["ifname"] for link in host.ip("link")] == ["lo", "up", "two-up"]
    assert host.ping(None, "10.1.0.2")
    assert host.ping(None, "10.2.0.2")
    host.netorch("destroy")
    assert [link["ifname"] for link in host.ip("link")] == ["lo", "two-up"]
    assert host.ping(None, "10.2.0.2")


def test_a_refused_change_leaves_the_old_version(lab: Lab) -> None:
    """An invalid file and one that the kernel refuses change nothing."""
    host = lab.host
    with pinging(host, "h1", "10.0.0.2"):
        host.write("topo.yaml", new_file({"{lan: 10.0.0.3}": "{lna: 10.0.0.3}"}))
        wrong = host.netorch("apply", check=False)
        assert wrong.returncode == 1
        assert "topo.yaml:17:" in wrong.stderr
        assert "lan" in wrong.stderr, "the error suggests `lan`"
        host.write(
            "topo.yaml",
            new_file(
                {
                    "{lan: 10.0.0.3}": "{dmz: 10.5.0.3}",
                    ROUTE: "{to: 10.99.0.0/16, via: 192.0.2.1, dev: wan}",
                }
            ),
        )
        refused = host.unforeseen("apply", check=False)
        assert refused.returncode == 1, refused.stdout
        assert "Traceback" not in refused.stderr
        assert "10.99.0.0/16" in refused.stderr
        assert "Rolled back" in refused.stderr
    assert changed(lab.before, host) == []
    host.write("topo.yaml", FILE)
    assert host.netorch("diff").returncode == 0
    assert lab.renumbered() == set()
    lab.clean = True


def test_files_are_compared_without_a_kernel(lab: Lab) -> None:
    """`diff OLD NEW` lists the changes that apply then makes."""
    host = lab.host
    host.write("old.yaml", FILE)
    words = CHANGES["a node moved to another network"].words | CHANGES["another MTU"].words
    text = new_file(words)
    host.write("new.yaml", text)
    review = host.netorch("diff", "old.yaml", "new.yaml", "-o", "json", check=False)
    assert review.returncode == 2
    reported = [
        (change["action"], change["title"]) for change in json.loads(review.stdout)["changes"]
    ]
    done = [(change["action"], change["title"]) for change in lab.apply(text)]
    assert reported == done
    assert [action for action, _ in done].count("flap") == 1
    lab.apply(FILE)
    lab.clean = True


def test_a_removed_line_is_undone(host: Host) -> None:
    """A setting that the file no longer has gets the kernel's default."""
    plain = "nodes: {a: {}, b: {}}\nlinks: [[a:eth0, b:eth0]]\n"
    host.write("topo.yaml", plain)
    host.netorch("apply")
    before = host.snapshot()
    host.write(
        "topo.yaml",
        """\
nodes:
  a:
    forwarding: true
    sysctls: {net.ipv4.conf.all.log_martians: 1, net.ipv4.ip_default_ttl: 99}
    interfaces:
      eth0: {mtu: 1400, txqueuelen: 5, state: down, sysctls: {rp_filter: 2, accept_redirects: 0}, description: hi}
      lo: {mtu: 9999}
  b: {}
links: [[a:eth0, b:eth0]]
""",
    )
    host.netorch("apply")
    assert changed(before, host) != []
    host.write("topo.yaml", plain)
    host.netorch("apply")
    assert changed(before, host) == []


def test_destroy_after_changes_leaves_nothing(host: Host) -> None:
    before = host.snapshot()
    for what in ("a node renamed", "a network removed, its nodes stay", "no names"):
        host.write("topo.yaml", new_file(CHANGES[what].words))
        host.netorch("apply")
    host.netorch("destroy")
    assert changed(before, host) == []


def test_a_change_costs_what_it_changes(host: Host) -> None:
    """After its steps, apply reads only the changed namespaces again.

    The number of messages to the kernel shows it. Drift elsewhere is seen before the steps.
    """
    text = "name: topo\nnames: false\nnetworks: {lan: {subnet: 10.0.0.0/24}}\nnodes:\n  h[1-39]: {networks: [lan]}\n  h40: {networks: [lan]%s}\n"

    def messages() -> int:
        """Count the messages that an apply sends to the kernel."""
        trace = ("strace", "-f", "-qqq", "-e", "trace=sendto,sendmsg", "-o", "trace")
        host.run(*trace, sys.executable, "-m", "netorch", "apply", "-q", "topo.yaml")
        return len((host.directory / "trace").read_text().splitlines())

    host.write("topo.yaml", text % "")
    host.netorch("apply", "topo.yaml")
    nothing = messages()
    assert nothing > 40 * 5, "each node is read once"
    host.write("topo.yaml", text % ", interfaces: {lo: {addresses: [10.9.9.9/32]}}")
    assert nothing < messages() < nothing + 40, "and one of them once more, with the host"
    assert "10.9.9.9/32" in host.run("ip", "-n", "h40", "addr", "show", "lo").stdout
    host.run("ip", "-n", "h9", "link", "set", "eth0", "down")
    host.write("topo.yaml", text % "")
    report = json.loads(host.netorch("apply", "-o", "json", "topo.yaml").stdout)
    assert report["summary"] == {"update": 1, "delete": 1}, report["changes"]
    assert host.netorch("diff", "topo.yaml").stdout == "topo: in sync\n"
    host.netorch("destroy", "topo")


MANY = """\
name: topo
networks:
  lan: {subnet: 10.0.0.0/24}
  one: {mode: nat, node: box, subnet: 172.16.1.0/24}
  two: {mode: nat, node: box, subnet: 172.16.2.0/24}
nodes:
  box: {interfaces: {br9: {kind: bridge}}}
  web: {networks: [one], publish: ["8080:80"]}
  db: {networks: [two]}
  h[1-39]:
    networks: [lan]
    sysctls: {net.ipv4.conf.all.rp_filter: 2}
  h40:
    networks: [lan]
    sysctls: {net.ipv4.conf.all.rp_filter: 2}
"""
LAST = MANY[MANY.index("  h40:") :]
"""The words of the last node."""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("h40:\n    networks: [lan]", "h40:\n    networks: {lan: 10.0.0.99}"),
        ("h40:\n", "h40:\n    routes: [{to: 10.9.0.0/16, via: 10.0.0.1}]\n"),
        ("h40:\n", "h40:\n    rules: [{from: 10.9.0.0/16, table: 100}]\n"),
        ("h40:\n", "h40:\n    aliases: [printer]\n"),
        ("h40:\n    networks: [lan]", "h40:\n    networks: {lan: {impair: {rate: 1mbit}}}"),
        ("h40:\n", "h40:\n    nat: [{masquerade: {out: eth0}}]\n"),
        ("  h40:\n", "  h41: {networks: [lan]}\n  h40:\n"),
        (LAST, ""),
        (LAST, LAST.replace("2}", "1}")),
        ("8080:80", "8081:80"),
        ("172.16.2.0/24}", "172.16.2.0/24, allow: [one]}"),
        ("kind: bridge", "kind: bridge, ageing_time: 100"),
        ("nodes:\n", "links: [[host:to-h1, h1:to-host]]\nnodes:\n"),
    ],
    ids=lambda words: re.sub(r"\W+", "-", words)[:30],
)
def test_a_change_of_any_kind_costs_what_it_changes(host: Host, old: str, new: str) -> None:
    """After the steps of a change, apply reads few of 43 namespaces again, all with sysctls."""
    program = (
        "import sys; from netorch.kernel.reader import Reader; from netorch.cli import main\n"
        "read, counts = Reader.read, []\n"
        "def counted(self):\n"
        "    full, count = self._full, []\n"
        "    self._full = lambda *given: count.append(1) or full(*given)\n"
        "    counts.append(count)\n"
        "    return read(self)\n"
        "Reader.read = counted\n"
        "status = main(sys.argv[1:])\n"
        "print(*map(len, counts))\n"
        "sys.exit(status)"
    )
    host.write("topo.yaml", MANY)
    host.netorch("apply", "topo.yaml")
    assert old in MANY
    host.write("topo.yaml", MANY.replace(old, new, 1))
    done = host.python(program, "apply", "-q", "topo.yaml")
    counts = [int(word) for word in done.stdout.split()]
    assert counts[0] >= 43
    assert all(count <= 5 for count in counts[1:]), counts
    assert host.netorch("diff", "topo.yaml").stdout == "topo: in sync\n"
    host.netorch("destroy", "topo")
