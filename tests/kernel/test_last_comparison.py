"""A diff that found no difference is repeated by comparing the kernel's answers with its own.

What it leaves out must never hide a difference: nothing here asserts that a comparison is repeated
without asserting what ends that.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import assert_remembered, is_remembered, require

FILE = """\
name: lab
nodes:
  r: {interfaces: {lo: {addresses: [10.255.0.1/32]}}, networks: [lan], sysctls: {net.ipv4.ip_forward: 1}}
  n[1-3]: {networks: [lan], dns: {servers: [10.0.0.1]}}
networks:
  lan: {subnet: [10.0.0.0/24, "fd00::/64"], mode: segment}
"""
NAT = """\
name: lab
nodes:
  n[1-2]: {networks: [lan]}
  own: {networks: [lan], filter: {policy: {input: drop}}}
networks:
  lan: {subnet: [10.88.0.0/24, "fd00:88::/64"], mode: nat}
"""
KINDS = """\
name: lab
nodes:
  a:
    interfaces:
      br0: {kind: bridge, vlan_filtering: true, ports: [p1]}
      v0: {kind: vxlan, vni: 7, local: 10.9.0.1, remote: 10.9.0.2}
      w0: {addresses: [10.9.0.1/24], neighbours: [{address: 10.9.0.9, mac: "02:00:00:00:00:09"}]}
  b: {interfaces: {p1: {}, w0: {addresses: [10.9.0.2/24]}}}
links:
  - ["a:p1", "b:p1"]
  - ["a:w0", "b:w0"]
"""
COMPARED = "/run/netorch/lab/compared"
FOREIGN = """\
ip link add dhcp0 type veth peer name dhcp1; ip link set dhcp0 up; ip link set dhcp1 up
ip addr add 198.51.100.7/24 dev dhcp0 valid_lft 4000 preferred_lft 4000
ip netns add theirs; ip -n theirs link set lo up; mkdir -p /etc/netns/theirs; echo 1 >/etc/netns/theirs/hosts
"""


def test_what_others_change_does_not_end_it_where_it_does_not_matter(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.run("sh", "-ec", FOREIGN)
    host.netorch("apply", file)
    # until the bridge has its carrier, and Linux has examined the IPv6 addresses that it makes
    for _ in range(10):
        assert_remembered(host)
        time.sleep(2)
        if is_remembered(host):
            break
    # a lifetime that becomes shorter, entries that the kernel learns, counters, another's files
    host.run("ip", "netns", "exec", "n1", "ping", "-c1", "-W2", "10.0.0.2")
    host.run(
        "sh",
        "-c",
        "sleep 1.1; echo 2 >/etc/netns/theirs/hosts; ip -n theirs addr add 10.1.1.1/24 dev lo",
    )
    assert is_remembered(host)
    for words in (["diff", file], ["diff"], ["diff", "lab"], ["diff", "-q", file]):
        done = host.netorch(*words)
        assert done.stdout == ("" if "-q" in words else "lab: in sync\n")
    assert host.netorch("apply", file).stdout == "lab: in sync, nothing to do\n"
    assert host.netorch("apply", "-q", file).stdout == ""
    assert host.netorch("apply", "--dry-run", file).stdout == "lab: in sync\n"
    document = host.netorch("diff", "-o", "json", file).stdout
    assert host.netorch("apply", "--dry-run", "-o", "json", file).stdout == document
    assert is_remembered(host)
    host.run("rm", COMPARED)
    assert host.netorch("diff", "-o", "json", file).stdout == document
    assert json.loads(document)["in_sync"]


CHANGES = {
    "an address": ("ip -n n1 addr add 10.5.5.5/24 dev eth0", "- address n1/eth0 10.5.5.5/24"),
    "an address with an end": ("ip -n n1 addr change 10.0.0.2/24 dev eth0 valid_lft 900 preferred_lft 900", "address n1/eth0"),
    "a route": ("ip -n n1 route add 10.6.0.0/24 via 10.0.0.1", "- route n1 10.6.0.0/24"),
    "a route of the kernel": ("ip -n n2 route del 10.0.0.0/24", "n2"),
    "an IPv6 route": ("ip -n n1 route add fd06::/64 via fd00::1", "- route n1 fd06::/64"),
    "a rule": ("ip -n n1 rule add from 10.7.0.0/24 table 9 pref 9", "- rule n1"),
    "a neighbour": ("ip -n n1 neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0", "10.0.0.77"),
    "an MTU": ("ip -n n1 link set eth0 mtu 1400", "n1/eth0"),
    "a name": ("ip -n n1 link set lo alias other", "n1"),
    "down": ("ip -n n1 link set eth0 down", "n1/eth0"),
    "a port's setting": ("ip -n netorch-lab link set n1-eth0 type bridge_slave learning off", "n1-eth0"),
    "a bridge's setting": ("ip -n netorch-lab link set lan type bridge ageing_time 900", "lan"),
    "a qdisc": ("tc -n n1 qdisc add dev eth0 root tbf rate 1mbit burst 5kb latency 50ms", "n1/eth0"),
    "forwarding": ("ip netns exec r sysctl -qw net.ipv4.ip_forward=0", "r"),
    "a setting": ("ip netns exec r sysctl -qw net.ipv6.conf.all.forwarding=1", "r"),
    "a file": ("echo 10.0.0.9 x >>/etc/netns/n1/hosts", "n1/hosts"),
    "a file that is gone": ("rm /etc/netns/n2/resolv.conf", "n2/resolv.conf"),
    "a file without its namespace": ("mkdir /etc/netns/old; head -1 /etc/netns/n1/hosts >/etc/netns/old/hosts", "old/hosts"),
    "a namespace": ("ip netns del n3", "n3"),
    "another namespace": ("umount /run/netns/n3; rm /run/netns/n3; ip netns add n3", "n3"),
    "a table of the topology's name": ("ip netns exec n1 nft add table inet netorch_lab", "netorch_lab"),
    "a mark on the host": ("ip link add stray type veth peer name yarts; ip link set stray alias netorch:lab", "stray"),
    "a namespace with the mark": ("ip netns add stray; ip -n stray link set lo alias netorch:lab", "stray"),
}  # fmt: skip
UNSEEN = (
    "a table of the topology's name",
    "a setting",
    "a mark on the host",
    "a namespace with the mark",
)
"""What a diff does not report either, but must look at."""


def diff_as_without_it(host: Host, file: Path) -> subprocess.CompletedProcess[str]:
    """Return the result of a diff, which has to be the same without the last comparison."""
    assert not is_remembered(host)
    done = host.netorch("diff", file, check=False)
    host.run("rm", "-f", COMPARED)
    again = host.netorch("diff", file, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        again.returncode,
        again.stdout,
        again.stderr,
    )
    return done


@pytest.mark.parametrize("what", CHANGES)
def test_what_ends_it(host: Host, what: str) -> None:
    file = host.write("lab.yaml", FILE)
    if what == "a qdisc":
        require(host, "tbf")
    host.netorch("apply", file)
    assert_remembered(host)
    command, title = CHANGES[what]
    host.run("sh", "-ec", command)
    done = diff_as_without_it(host, file)
    if what not in UNSEEN:
        assert done.returncode in (1, 2), done.stdout
        assert title in done.stdout + done.stderr


FILTER_CHANGES = {
    "a rule of the host's filter": "nft add rule inet netorch_lab {chain} counter accept",
    "the host's filter": "nft delete table inet netorch_lab",
    "a node's filter": "ip netns exec own nft delete table inet netorch_lab",
    "a table of another program": "nft add table inet theirs; nft add chain inet theirs f '{{ type filter hook forward priority 5; policy drop; }}'",
}


@pytest.mark.parametrize("what", FILTER_CHANGES)
def test_what_ends_it_with_packet_filters(host: Host, what: str) -> None:
    file = host.write("lab.yaml", NAT)
    host.netorch("apply", file)
    assert_remembered(host)
    table = host.run("nft", "list", "table", "inet", "netorch_lab").stdout
    chain = re.findall(r"chain (\w+)", table)[0]
    host.run("sh", "-ec", FILTER_CHANGES[what].format(chain=chain))
    diff_as_without_it(host, file)


def test_what_ends_it_with_iptables(host: Host) -> None:
    file = host.write("lab.yaml", NAT + "backend: {nat: iptables}\n")
    host.netorch("apply", file)
    assert_remembered(host)
    rules = host.run("iptables-legacy-save", "-t", "nat").stdout.splitlines()
    chain = next(rule.split()[1] for rule in rules if rule.startswith("-A netorch"))
    host.run("iptables-legacy", "-t", "nat", "-F", chain)
    assert not is_remembered(host)
    assert host.netorch("diff", file, check=False).returncode == 2


def test_the_file_the_records_and_netorch_end_it(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    other = host.write("other.yaml", "name: other\nnodes: {x: {}}\n")
    host.netorch("apply", file)
    assert_remembered(host)
    assert host.netorch("diff", file, "--name", "copy", check=False).returncode == 2
    assert host.netorch("diff", file, "--set", "a=1", check=False).returncode == 1
    for command in (
        f"rm {COMPARED}",
        f": > {COMPARED}",
        f"sed -i '2s/in/xx/' {COMPARED}",
        f"rm {COMPARED}; mkfifo {COMPARED}",
        f"rm {COMPARED}; ln -s /etc/passwd {COMPARED}",
        "touch /run/netorch/lab/ownership.json",
        "cd /run/netorch/lab; cp meta.json new; mv new meta.json",
    ):
        host.run("sh", "-ec", command)
        assert not is_remembered(host), command
        assert host.netorch("diff", file).stdout == "lab: in sync\n"
        assert_remembered(host)
    host.netorch("apply", other)
    assert not is_remembered(host)
    assert_remembered(host)
    assert_remembered(host, "other")
    # on purpose is not in sync
    host.netorch("link", "n1:eth0", "down")
    assert not is_remembered(host)
    assert "n1" in host.netorch("diff", file, check=False).stdout
    assert not is_remembered(host)
    host.netorch("link", "n1:eth0", "up")
    host.netorch("destroy", "lab")
    assert host.netorch("diff", file, check=False).returncode == 2
    assert not (host.root / COMPARED[1:]).exists()


def test_an_apply_looks_at_the_record_too(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)
    before = (host.root / "run/netorch/lab/ownership.json").read_bytes()
    host.run("rm", "/run/netorch/lab/ownership.json")
    # the kernel is in sync, the record is not complete
    assert_remembered(host)
    host.netorch("apply", file)
    assert (host.root / "run/netorch/lab/ownership.json").read_bytes() == before
    host.netorch("apply", file)
    assert is_remembered(host)


NETORCH = (sys.executable, "-m", "netorch")
LOCK = "/run/netorch/lab.lock"
UNUSUAL = {
    "standard input": ("true", ("diff", "-"), 2),
    "a link to the records": ("mv /run/netorch /run/x; ln -s /run/x /run/netorch", ("diff", "./-"), 1),
    "a lock that is no file": (f"rm {LOCK}; mkfifo {LOCK}", ("apply", "./-"), 1),
    "a lock that somebody shares": ("true", ("apply", "--lock-timeout", "0", "./-"), 1),
    "records that cannot be written": (
        "mount --bind /run/netorch /run/netorch; mount -o remount,ro,bind /run/netorch",
        ("apply", "./-"),
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_unusual_ends_it(host: Host, what: str) -> None:
    host.write("-", FILE)
    host.netorch("apply", "./-")
    host.netorch("apply", "./-")
    assert is_remembered(host)
    if "share" in what:
        host.start("flock", "-s", LOCK, "sleep", "600")
        time.sleep(0.5)
    prepare, words, status = UNUSUAL[what]
    host.run("sh", "-ec", prepare)
    done = host.run(*NETORCH, *words, check=False, input="name: other\nnodes: {z: {}}\n")
    assert done.returncode == status, done.stdout + done.stderr


def test_two_processes_that_ask(host: Host) -> None:
    """With many namespaces, a second process asks half of them."""
    file = host.write(
        "lab.yaml",
        "name: lab\nnodes: {'n[1-120]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/24}}\n",
    )
    host.netorch("apply", file)
    for _ in range(10):
        assert_remembered(host)
        time.sleep(2)
        if is_remembered(host):
            break
    for node in ("n1", "n60", "n99", "n120"):
        host.run("ip", "-n", node, "route", "add", "10.6.0.0/24", "via", "10.0.0.1")
        assert not is_remembered(host), node
        assert f"route {node}" in host.netorch("diff", file, check=False).stdout
        host.run("ip", "-n", node, "route", "del", "10.6.0.0/24")
        assert is_remembered(host), node


def test_who_may_change_nothing_does_not_use_it(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)
    assert_remembered(host)
    less = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    done = host.run(*less, *NETORCH, "diff", str(file), check=False)
    assert done.returncode == 1
    assert "needs root" in done.stderr


def test_a_backend_that_auto_would_rather_have_ends_it(host: Host) -> None:
    (library,) = {path.resolve() for path in Path("/usr/lib").glob("*/libnftables.so.1")}
    file = host.write("lab.yaml", NAT)
    host.run("sh", "-ec", f": >/run/nothing; mount --bind /run/nothing {library}")
    for command in ("apply", "apply", "diff"):
        host.run(*NETORCH, command, str(file))
    assert "iptables" in (host.root / "run/netorch/lab/meta.json").read_text()
    host.run("umount", str(library))
    done = host.run(*NETORCH, "diff", str(file), check=False)
    assert done.returncode == 2
    assert "nftables" in done.stdout


def test_an_apply_waits_for_the_lock(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)
    host.netorch("apply", file)
    assert is_remembered(host)
    lock = host.start("flock", "/run/netorch/lab.lock", "sleep", "600")
    time.sleep(0.5)
    done = host.netorch("apply", "--lock-timeout", "0", file, check=False)
    assert done.returncode == 1
    assert "is being changed" in done.stderr
    assert host.netorch("diff", file).stdout == "lab: in sync\n"
    lock.signal(signal.SIGTERM)


PATHS = re.compile(r'(?:open\w*|l?stat\w*|readlink\w*|newfstatat)\((?:AT_FDCWD, |\d+, )?"((?:/run|/etc/netns|/proc|/sys|/var|net|ipv|sys/)[^"]*)"')  # fmt: skip
ASKED = re.compile(r"nlmsg_type=(RTM_\w+)")
OWN = re.compile(
    r"/proc/(self/(?!ns/user)|thread-self/(status|attr)|\d+/|stat$|filesystems|meminfo)"
    r"|/proc/sys/(vm|kernel)/|/sys/fs/selinux|/etc/netns/?$|/run/netorch(/|$)|/proc/sys/net$|/proc/self/mountinfo"
)
"""What netorch asks about itself, and files in /run/netorch, which are compared by their stamps."""


def asked_of_the_system(host: Host, *words: str | Path) -> Counter[str]:
    """Return what a command asks of the kernel and of files outside Python: question → times."""
    log = Path(words[-1]).parent / "trace"
    what = "trace=openat,open,stat,lstat,newfstatat,readlink,sendto,sendmsg,getsockopt,write"
    host.run(
        *("strace", "-f", "-qq", "-s", "300", "-e", what, "-o", str(log)),
        *(sys.executable, "-m", "netorch", *words),
    )
    text = log.read_text(errors="replace")
    questions = Counter(path for path in PATHS.findall(text) if not OWN.match(path))
    questions.update(ASKED.findall(text))
    return questions


@pytest.mark.parametrize(
    "text",
    [FILE, NAT, pytest.param(KINDS, marks=pytest.mark.uml)],
    ids=["segment", "nat", "kinds"],
)
def test_it_asks_everything_that_a_comparison_asks(host: Host, text: str) -> None:
    """Compare the system calls of both: a question that is left out could hide a difference."""
    if text == KINDS:
        require(host, "bridge-vlans", "vxlan")
    file = host.write("lab.yaml", text)
    host.netorch("apply", file)
    assert_remembered(host)
    repeated = asked_of_the_system(host, "diff", file)
    host.run("rm", COMPARED)
    compared = asked_of_the_system(host, "diff", file)
    missing = {question for question in compared if question not in repeated}
    assert missing == set(), sorted(repeated)
    # and in every namespace
    kinds = [question for question in compared if question.startswith("RTM_GET")]
    assert kinds
    for question in kinds:
        assert repeated[question] >= compared[question], question
