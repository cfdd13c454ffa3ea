"""A machine whose iptables drop unknown packets, as with many firewalls.

Networks work there, and foreign rules stay as they are. Docker's rules are those of its release
28. `test_engines` has a real Docker of an earlier release.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.kernel.host import SOURCE, Host

FILE = """
name: lab
networks:
  web: {mode: nat, subnet: [10.1.0.0/24, "fd01::/64"]}
  apart: {mode: nat, subnet: 10.2.0.0/24, isolated: true}
  open: {mode: routed, subnet: [10.3.0.0/24, "2001:db8:3::/64"]}
  home: {mode: host-only, subnet: [10.4.0.0/24, "fd04::/64"]}
  cut: {node: host, subnet: 10.5.0.0/24}
  own: {node: r1, mode: nat, subnet: 10.6.0.0/24}
nodes:
  w1: {networks: [web], publish: ["8080:80"]}
  w2: {networks: [web]}
  a1: {networks: [apart]}
  a2: {networks: [apart]}
  o1: {networks: [open]}
  o2: {networks: [open]}
  h1: {networks: [home]}
  h2: {networks: [home]}
  c1: {networks: [cut]}
  c2: {networks: [cut]}
  r1: {}
"""
TWO = """
name: two
networks: {n: {mode: nat, subnet: 10.7.0.0/24}}
nodes: {n1: {networks: [n]}}
"""
BRIDGES = ("web", "apart", "open", "home", "cut")

# A PC outside, which has a route to the routed network, and the objects that Docker makes for a
# container `box`.
MACHINE = """
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
ip netns add pc
ip netns add box
ip link add wan type veth peer name eth0 netns pc
ip link set wan up
ip address add 192.0.2.1/24 dev wan
ip -6 address add 2001:db8::1/64 dev wan nodad
ip -n pc link set lo up
ip -n pc link set eth0 up
ip -n pc address add 192.0.2.2/24 dev eth0
ip -n pc -6 address add 2001:db8::2/64 dev eth0 nodad
ip -n pc route add 10.0.0.0/8 via 192.0.2.1
ip -n pc route add 172.17.0.0/16 via 192.0.2.1
ip -n pc -6 route add 2001:db8:3::/64 via 2001:db8::1
ip link add docker0 type bridge
ip address add 172.17.0.1/16 dev docker0
ip link add box0 type veth peer name eth0 netns box
ip link set box0 master docker0 up
ip link set docker0 up
ip -n box link set lo up
ip -n box link set eth0 up
ip -n box address add 172.17.0.2/16 dev eth0
ip -n box route add default via 172.17.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
for name in iptables ip6tables; do echo 1 >/proc/sys/net/bridge/bridge-nf-call-$name; done
"""

DOCKER = """
$1 -P FORWARD DROP
for chain in DOCKER DOCKER-USER DOCKER-FORWARD DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2; do $1 -N $chain; done
$1 -A FORWARD -j DOCKER-USER
$1 -A FORWARD -j DOCKER-FORWARD
$1 -A DOCKER-USER -j RETURN
$1 -A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
$1 -A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
$1 -A DOCKER-FORWARD -o docker0 -j DOCKER
$1 -A DOCKER-FORWARD -i docker0 -m comment --comment "from containers" -j ACCEPT
$1 -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
$1 -A DOCKER-ISOLATION-STAGE-1 -j RETURN
$1 -A DOCKER-ISOLATION-STAGE-2 -o other0 -j DROP
$1 -t nat -N DOCKER
$1 -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[ $1 = $2 ] || exit 0
$1 -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
$1 -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 9090 -j DNAT --to-destination 172.17.0.2:90
$1 -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 90 -j ACCEPT
$1 -A DOCKER ! -i docker0 -o docker0 -j DROP
"""
# ufw with `default reject routed`, and libvirt, which rejects new connections to its guests.
UFW = """
$1 -P FORWARD DROP
for chain in LIBVIRT_FWO LIBVIRT_FWI ufw-before-forward ufw-after-forward ufw-reject-forward; do $1 -N $chain; $1 -A FORWARD -j $chain; done
[ $1 = $2 ] && net=172.17.0.0/16 || net=fd17::/64
$1 -A LIBVIRT_FWO -s $net -i docker0 -j ACCEPT
$1 -A LIBVIRT_FWO -i docker0 -j REJECT
$1 -A LIBVIRT_FWI -d $net -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
$1 -A LIBVIRT_FWI -o docker0 -j REJECT
$1 -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
$1 -A ufw-reject-forward -j REJECT
[ $1 = $2 ] || exit 0
$1 -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
"""
# A chain that ends in a rule for all packets, as administrators write it.
PLAIN = """
$1 -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
$1 -A FORWARD -i docker0 -j ACCEPT
$1 -A FORWARD -i wan -d 198.18.0.0/15 -j DROP || :
$1 -A FORWARD -j REJECT
[ $1 = $2 ] || exit 0
$1 -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
"""
FIREWALLS = {"docker": DOCKER, "ufw": UFW, "plain": PLAIN}

# Pings each NODE ADDRESS at the same time, and prints those that turn out otherwise. A ping with
# the sign "+" is repeated until it is answered.
PINGS = """
once() { ip netns exec $1 ping -n -q -W $3 -c 1 $2 >/dev/null 2>&1; }
try() {
    for number in 1 2 3 4 5 6 7 8 9 10 11 12; do once $2 $3 2 && return; sleep 0.1; done
    echo "$2 -> $3: no"
}
no() { ! once $2 $3 1 || echo "$2 -> $3: yes"; }
while read -r sign node address; do
    case $sign in +) try $sign $node $address & ;; *) no $sign $node $address & ;; esac
done
wait
"""

SERVER = """
import socket, sys
s = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
while True:
    peer, address = s.accept()
    peer.sendall(address[0].encode())
    peer.close()
"""

CLIENT = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)
print(s.recv(100).decode())
"""

FIREWALLD = """
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state established,related accept
        ct state invalid drop
        iifname "other" accept
        reject with icmpx admin-prohibited
    }
}
"""


class Machine:
    """The private host with foreign rules in one flavour of iptables."""

    def __init__(self, host: Host, stack: ExitStack, flavour: str, firewall: str) -> None:
        self.host, self.flavour, self._stack = host, flavour, stack
        host.run("sh", "-ec", MACHINE)
        for name in ("iptables", "ip6tables"):
            words = (f"{name}-{flavour}", f"iptables-{flavour}")
            # makes the empty table before the tests compare, because legacy tables never go away
            host.run(words[0], "-t", "nat", "-S")
            host.run("sh", "-ec", FIREWALLS[firewall], "sh", *words)
        host.write("lab.yaml", FILE)

    def iptables(self, *words: str, version: int = 4) -> str:
        return self.host.run(f"ip{'6' if version == 6 else ''}tables-{self.flavour}", *words).stdout

    def rules(self, version: int = 4) -> list[str]:
        """Return the rules of the chain that has netorch's rules, as iptables prints them."""
        return self.iptables("-S", "FORWARD", version=version).splitlines()[1:]

    def ours(self, version: int = 4) -> list[str]:
        return [rule for rule in self.rules(version) if "netorch:lab" in rule]

    def firewall(self) -> str:
        """Return everybody's rules, without counters and dates."""
        commands = [
            f"ip{six}tables-{flavour}-save" for flavour in ("nft", "legacy") for six in ("", "6")
        ]
        listing = self.host.run(
            "sh", "-c", "; ".join(["nft --handle list ruleset", *commands, "true"])
        ).stdout
        return re.sub(r"^#.*\n|packets \d+ bytes \d+|\[\d+:\d+\]", "", listing, flags=re.MULTILINE)

    def serve(self, node: str, port: int) -> None:
        server = self._stack.enter_context(
            self.host.start("ip", "netns", "exec", node, sys.executable, "-ISc", SERVER, str(port))
        )
        self._stack.callback(server.terminate)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"

    def ask(self, node: str, address: str, port: int) -> str:
        """Return the source address that the server sees, or an empty text without an answer."""
        client = (sys.executable, "-ISc", CLIENT, address, str(port))
        return self.host.run("ip", "netns", "exec", node, *client, check=False).stdout.strip()

    def misses(self, pings: dict[tuple[str, str], bool]) -> list[str]:
        lines = [f"{'+' if answers else '-'} {node} {to}" for (node, to), answers in pings.items()]
        return self.host.run("sh", "-c", PINGS, input="\n".join([*lines, ""])).stdout.splitlines()


def make(host: Host, stack: ExitStack, flavour: str, firewall: str) -> Machine:
    for probe in (
        f"iptables-{flavour} -S",
        f"ip6tables-{flavour} -S",
        "test -e /proc/sys/net/bridge/bridge-nf-call-iptables",
    ):
        if (done := host.run("sh", "-c", probe, check=False)).returncode:
            pytest.skip(f"{probe}: {done.stderr.strip() or 'not here'}")
    if flavour == "legacy":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    return Machine(host, stack, flavour, firewall)


@pytest.fixture(params=["nft", "legacy"])
def flavour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=FIREWALLS)
def machine(request: pytest.FixtureRequest, host: Host, flavour: str) -> Iterator[Machine]:
    with ExitStack() as stack:
        yield make(host, stack, flavour, request.param)


@pytest.fixture
def docker(host: Host, flavour: str) -> Iterator[Machine]:
    with ExitStack() as stack:
        yield make(host, stack, flavour, "docker")


def test_networks_work_and_nothing_of_others_changes(machine: Machine) -> None:
    before = machine.firewall()
    theirs = machine.rules()
    machine.host.netorch("apply", "lab.yaml")
    assert machine.misses(MEMBERS | OUTSIDE | APART | BOX) == []
    machine.serve("w1", 80)
    assert machine.ask("pc", "192.0.2.1", 8080) == "192.0.2.2"
    assert machine.ask("w2", "192.0.2.1", 8080) != ""
    assert machine.ask("o1", "192.0.2.1", 8080) != ""
    assert machine.ask("box", "192.0.2.1", 8080) != ""
    assert [rule for rule in machine.rules() if "netorch" not in rule] == theirs
    saved = machine.host.run(f"iptables-{machine.flavour}-save").stdout
    assert "incompatible" not in saved and saved.count("\n-A FORWARD") > len(theirs)
    assert machine.host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    machine.host.netorch("destroy", "lab.yaml")
    assert machine.firewall() == before


MEMBERS = {
    ("w1", "10.1.0.3"): True,
    ("w1", "fd01::3"): True,
    ("a1", "10.2.0.3"): True,
    ("o1", "10.3.0.3"): True,
    ("o1", "2001:db8:3::3"): True,
    ("h1", "10.4.0.3"): True,
    ("h1", "fd04::3"): True,
    ("c1", "10.5.0.2"): True,
}
OUTSIDE = {
    ("w1", "192.0.2.2"): True,
    ("w1", "2001:db8::2"): True,
    ("a1", "192.0.2.2"): True,
    ("o1", "192.0.2.2"): True,
    ("o1", "2001:db8::2"): True,
    ("pc", "10.3.0.2"): True,
    ("pc", "2001:db8:3::2"): True,
}
APART = {
    ("h1", "192.0.2.2"): False,
    ("pc", "10.1.0.2"): False,
    ("pc", "10.2.0.2"): False,
    ("pc", "10.4.0.2"): False,
    ("w1", "10.2.0.2"): False,
    ("a1", "10.1.0.2"): False,
    ("w1", "10.3.0.2"): False,
    ("w1", "10.4.0.2"): False,
}


BOX = {
    ("box", "192.0.2.2"): True,
    ("box", "10.3.0.2"): True,
    ("box", "10.1.0.2"): False,
    ("box", "10.4.0.2"): False,
    ("w1", "172.17.0.2"): False,
    ("a1", "172.17.0.2"): False,
    ("o1", "172.17.0.2"): False,
    ("h1", "172.17.0.2"): False,
    ("pc", "172.17.0.2"): False,
}


def test_there_is_a_rule_for_each_way(docker: Machine) -> None:
    docker.host.netorch("apply", "lab.yaml")
    for version in (4, 6):
        leading = ("web", "apart", "open") if version == 4 else ("web", "open")
        guarded = (*leading, "home")
        inside = set(BRIDGES) - set(guarded)
        expected = [
            *(f"-i {name} -o wan" for name in leading),
            *(f"-o {name}" for name in guarded),
            *(f"-i {name} -o {name}" for name in inside),
        ]
        assert sorted(rule.split(" -m ")[0] for rule in docker.ours(version)) == sorted(
            f"-A FORWARD {rule}" for rule in expected
        )
        assert all(rule.endswith("-j ACCEPT") for rule in docker.ours(version))
        assert docker.rules(version)[-len(expected) :] == docker.ours(version)


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_drops_of_a_packet_filter_in_the_same_tables_come_first(host: Host, firewall: str) -> None:
    with ExitStack() as stack:
        machine = make(host, stack, "legacy", firewall)
        host.write("lab.yaml", FILE + "backend: {nat: iptables}\n")
        before = machine.firewall()
        host.netorch("apply", "lab.yaml")
        assert machine.misses(MEMBERS | OUTSIDE | APART | BOX) == []
        assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
        host.write("two.yaml", TWO + "backend: {nat: iptables}\n")
        host.netorch("apply", "two.yaml")
        further = {("n1", "192.0.2.2"): True, ("w1", "10.7.0.2"): False, ("n1", "10.1.0.2"): False}
        assert machine.misses(further) == []
        assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
        for name in ("lab", "two"):
            host.netorch("destroy", f"{name}.yaml")
        assert machine.firewall() == before


def test_without_the_library_for_the_legacy_tables_it_says_what_to_install(host: Host) -> None:
    if host.run("iptables-legacy", "-P", "FORWARD", "DROP", check=False).returncode:
        pytest.skip("no iptables-legacy here")
    (host.directory / "iptc").mkdir()
    host.write("iptc/__init__.py", "raise ModuleNotFoundError('No module named iptc')\n")
    host.write("lab.yaml", FILE)
    warnings = host.netorch(
        "diff", "lab.yaml", check=False, env={"PYTHONPATH": f"{host.directory}:{SOURCE}"}
    ).stderr
    assert (
        "warning: iptables-legacy has rules: if the chain FORWARD drops packets, networks here do not forward."
        in warnings
    )
    assert "[iptables]'" in warnings


def test_an_apply_that_fails_leaves_no_rule(docker: Machine) -> None:
    before = docker.firewall()
    with docker.host.refusing_names():
        done = docker.host.netorch("apply", "lab.yaml", check=False)
    assert done.returncode == 1 and "Rolled back" in done.stderr
    assert docker.firewall() == before


def test_a_network_that_leaves_takes_its_rules_along(docker: Machine) -> None:
    docker.host.netorch("apply", "lab.yaml")
    docker.host.write("lab.yaml", re.sub(r".*(open|o1|o2).*\n", "", FILE))
    docker.host.netorch("apply", "lab.yaml")
    assert not [rule for rule in docker.ours() if " open " in rule]
    assert len(docker.ours()) == 6
    assert docker.misses({("w1", "192.0.2.2"): True}) == []


def test_what_is_flushed_is_seen_and_mended(docker: Machine) -> None:
    docker.host.netorch("apply", "lab.yaml")
    rules = docker.rules()
    docker.iptables("-F", "FORWARD")
    docker.iptables("-A", "FORWARD", "-j", "DOCKER-USER")
    docker.iptables("-A", "FORWARD", "-j", "DOCKER-FORWARD")
    assert docker.misses({("h1", "10.4.0.3"): False, ("w1", "192.0.2.2"): False}) == []
    diff = docker.host.netorch("diff", "lab.yaml", check=False).stdout
    assert [f"forward host/{name}" in diff for name in BRIDGES] == [True] * 5
    assert "veth" not in diff and "nftables" not in diff
    docker.host.netorch("apply", "lab.yaml")
    assert sorted(docker.rules()) == sorted(rules)
    assert docker.misses(MEMBERS | OUTSIDE) == []


@pytest.mark.parametrize("how", ["one deleted", "one twice", "behind a drop", "in DOCKER-USER"])
def test_whatever_happened_to_the_rules_is_mended(docker: Machine, how: str) -> None:
    docker.host.netorch("apply", "lab.yaml")
    rules = docker.rules()
    one = shlex.split(docker.ours()[0])[2:]
    if how == "one deleted":
        docker.iptables("-D", "FORWARD", *one)
    elif how == "one twice":
        docker.iptables("-A", "FORWARD", *one)
    elif how == "behind a drop":
        # a drop at the end of Docker's own chains becomes the last rule that counts
        docker.iptables("-I", "FORWARD", "3", "-j", "DROP")
        rules.insert(len(rules), "-A FORWARD -j DROP")
    else:
        docker.iptables("-I", "DOCKER-USER", *one)
        docker.iptables("-D", "FORWARD", *one)
    assert docker.host.netorch("diff", "lab.yaml", check=False).returncode == 2
    docker.host.netorch("apply", "lab.yaml")
    assert docker.host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    assert sorted(docker.rules()) == sorted(rules)
    assert docker.misses({("w1", "192.0.2.2"): True, ("h1", "10.4.0.3"): True}) == []
    docker.host.netorch("destroy", "lab.yaml")
    assert docker.ours() == []
    assert docker.iptables("-S", "DOCKER-USER") == "-N DOCKER-USER\n-A DOCKER-USER -j RETURN\n"


def test_rules_that_were_saved_and_restored_are_still_known(docker: Machine) -> None:
    docker.host.netorch("apply", "lab.yaml")
    docker.host.run(
        "sh",
        "-ec",
        f"iptables-{docker.flavour}-save >saved; iptables-{docker.flavour}-restore <saved",
    )
    assert docker.host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    docker.host.netorch("destroy", "lab.yaml")
    assert docker.ours() == []


def test_docker_comes_later_and_goes_first(host: Host, flavour: str) -> None:
    with ExitStack() as stack:
        machine = make(host, stack, flavour, "docker")
        machine.iptables("-P", "FORWARD", "ACCEPT")
        machine.iptables("-P", "FORWARD", "ACCEPT", version=6)
        host.netorch("apply", "lab.yaml")
        assert machine.ours() == machine.ours(6) == []
        machine.iptables("-P", "FORWARD", "DROP")
        assert "forward host/web" in host.netorch("diff", "lab.yaml", check=False).stdout
        host.netorch("apply", "lab.yaml")
        assert len(machine.ours()) == 8 and machine.ours(6) == []
        machine.iptables("-P", "FORWARD", "ACCEPT")
        host.netorch("apply", "lab.yaml")
        assert machine.ours() == []


def test_two_topologies_keep_to_their_own(docker: Machine) -> None:
    docker.host.netorch("apply", "lab.yaml")
    docker.host.write("two.yaml", TWO)
    docker.host.netorch("apply", "two.yaml")
    assert (
        docker.misses(
            {
                ("n1", "192.0.2.2"): True,
                ("w1", "192.0.2.2"): True,
                ("n1", "10.2.0.2"): False,
                ("h1", "10.7.0.2"): False,
            }
        )
        == []
    )
    docker.host.netorch("destroy", "lab.yaml")
    assert docker.ours() == []
    assert docker.misses({("n1", "192.0.2.2"): True}) == []
    assert docker.host.netorch("diff", "two.yaml").stdout == "two: in sync\n"


OWNER = """
ip netns add own
ip link add outer type veth peer name eth0 netns own
ip address add 192.0.2.1/24 dev outer
ip link set outer up
ip -n own link set lo up
ip -n own link set eth0 up
ip -n own address add 192.0.2.2/24 dev eth0
ip -n own link add docker0 type bridge
ip -n own address add 172.17.0.1/16 dev docker0
ip -n own link set docker0 up
ip netns add box
ip -n own link add box0 type veth peer name eth0 netns box
ip -n own link set box0 master docker0 up
ip -n box link set eth0 up
ip -n box address add 172.17.0.2/16 dev eth0
ip -n box route add default via 172.17.0.1
ip netns exec own iptables-$1 -P FORWARD DROP
"""


def test_in_a_namespace_of_others_as_on_the_host(host: Host, flavour: str) -> None:
    if flavour == "legacy":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    host.run("sh", "-ec", OWNER, "sh", flavour)
    host.write(
        "own.yaml",
        "name: own\nnetworks: {lan: {node: o, mode: nat, subnet: 10.9.0.0/24}}\n"
        "nodes: {o: {attach: 'netns:own'}, a: {networks: [lan]}}\n",
    )
    host.netorch("apply", "own.yaml")
    rules = host.run("ip", "netns", "exec", "own", f"iptables-{flavour}", "-S", "FORWARD").stdout
    assert [line.split(" -m ")[0] for line in rules.splitlines()[1:]] == [
        "-A FORWARD -o lan",
        "-A FORWARD -i lan -o eth0",
    ]
    assert host.ping("a", "192.0.2.1") and not host.ping("a", "172.17.0.2")
    assert host.netorch("diff", "own.yaml").stdout == "own: in sync\n"


def test_without_anything_that_drops_there_are_no_rules(host: Host) -> None:
    host.write("lab.yaml", FILE)
    done = host.netorch("apply", "lab.yaml")
    assert "forward host" not in done.stdout and "drops" not in done.stderr
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"


def test_a_chain_that_drops_despite_other_accepts_is_reported(host: Host) -> None:
    if host.run("nft", "-f", "-", input=FIREWALLD, check=False).returncode:
        pytest.skip("this kernel has no nf_tables for inet")
    before = host.run("nft", "list", "ruleset").stdout
    host.write("lab.yaml", FILE)
    for words in (["diff", "lab.yaml"], ["apply", "lab.yaml"], ["diff", "lab.yaml"]):
        warnings = host.netorch(*words, check=False).stderr
        assert (
            "warning: the nftables chain inet firewalld filter_FORWARD drops packets that none"
            " of its rules accepts" in warnings
        )
        assert "firewall-cmd --zone=trusted --add-interface=web" in warnings
    for bridge in BRIDGES:
        host.run(
            "nft",
            "insert",
            "rule",
            "inet",
            "firewalld",
            "filter_FORWARD",
            "iifname",
            bridge,
            "accept",
        )
    assert "drops" not in host.netorch("diff", "lab.yaml").stderr
    host.netorch("destroy", "lab.yaml")
    host.run("nft", "delete table inet firewalld; add table inet firewalld")
    host.run("nft", "-f", "-", input=FIREWALLD)
    assert host.run("nft", "list", "ruleset").stdout == before


@pytest.mark.parametrize("end", ["policy drop;", "iifname docker0 drop; reject;"])
def test_the_advice_for_any_other_table_helps(host: Host, end: str) -> None:
    """The advised rule works, and comes after the chain's own rules for other interfaces."""
    table = f"table ip mine {{ chain ways {{ type filter hook forward priority 5; {end} }}; }}"
    if host.run("nft", "-f", "-", input=table, check=False).returncode:
        pytest.skip("this kernel has no nf_tables for ip")
    host.run("sh", "-ec", MACHINE)
    host.write("lab.yaml", FILE)
    warnings = host.netorch("apply", "lab.yaml").stderr
    assert not host.ping("w1", "192.0.2.2")
    advice = warnings.partition("Let them through: ")[2].splitlines()[0]
    host.run("sh", "-ec", advice)
    assert host.ping("w1", "192.0.2.2") and host.ping("h1", "10.4.0.3")
    chain = host.run("nft", "list", "chain", "ip", "mine", "ways").stdout
    assert "docker0" not in chain or chain.index("docker0") < chain.index(" accept\n")
    assert "drops" not in host.netorch("diff", "lab.yaml").stderr
