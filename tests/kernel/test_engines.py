"""Test netorch on a host with a real Docker or Podman.

Each side reaches what the other one publishes and nothing else, and both reach the outside.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kernel.engines import Docker, Machine, Podman, private_host

OUTSIDE = """
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
ip netns add pc
ip link add wan type veth peer name eth0 netns pc
ip link set wan up
ip address add 192.0.2.1/24 dev wan
ip -6 address add 2001:db8::1/64 dev wan nodad
ip -n pc link set lo up
ip -n pc link set eth0 up
ip -n pc address add 192.0.2.2/24 dev eth0
ip -n pc -6 address add 2001:db8::2/64 dev eth0 nodad
ip -n pc route add default via 192.0.2.1
ip -n pc -6 route add default via 2001:db8::1
"""
LAB = """
name: lab
networks:
  lan: {mode: nat, subnet: [10.5.0.0/24, "fd05::/64"]}
  open: {mode: routed, subnet: [10.6.0.0/24, "2001:db8:6::/64"]}
  home: {mode: host-only, subnet: [10.7.0.0/24, "fd07::/64"]}
nodes:
  a: {networks: [lan], publish: ["8080:80"]}
  b: {networks: [lan]}
  o: {networks: [open]}
  h: {networks: [home]}
"""


EXTRA = "  extra: {mode: nat, subnet: 10.9.0.0/24}\n"


@pytest.fixture(scope="module", params=["nft", "legacy"])
def docker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Docker]:
    """Start a Docker daemon for all tests of a flavour of iptables.

    Its containers listen at port 80, which is published, and at port 81, which is not.
    """
    if request.param == "legacy":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    host = private_host(tmp_path_factory.mktemp("docker"))
    try:
        host.run("sh", "-ec", OUTSIDE)
        engine = Docker(
            Machine(host, request.param),
            *("--experimental", "--ip6tables", "--ipv6", "--fixed-cidr-v6", "fd0d::/64"),
        )
        engine.machine.serve("pc", 80)
        engine("network", "create", "--internal", "closed")
        engine("network", "create", "--opt", "com.docker.network.bridge.name=named", "other")
        engine.run("web", "-p", "9090:80", listen=(80, 81))
        engine.run("other", "--network", "other", "-p", "9091:80", listen=(80, 81))
        engine.run("shut", "--network", "closed", listen=(80,))
        yield engine
    finally:
        host.close()


@contextmanager
def live(engine: Docker | Podman, text: str) -> Iterator[None]:
    """Apply the topology, let its nodes listen at ports 80 and 81, and destroy it at the end."""
    engine.host.write("lab.yaml", text)
    engine.host.netorch("apply", "lab.yaml")
    servers = [engine.machine.serve(node, 80, 81) for node in ("a", "o", "h")]
    try:
        yield
    finally:
        for server in servers:
            with server:
                server.signal(signal.SIGTERM)
        engine.host.netorch("destroy", "--all")


@pytest.fixture
def lab(docker: Docker) -> Iterator[Docker]:
    with live(docker, LAB):
        yield docker


OPEN, SHUT = "+ 192.0.2.1 9090", "- 172.17.0.2 81"
OUT = ("+ 192.0.2.2 80", "+ 2001:db8::2 80")

# Docker's addresses that the PC (a host outside) and our members reach (+) or do not reach (-).
OF_DOCKER = (
    *(OPEN, "+ 172.17.0.1 9090", "+ 192.0.2.1 9091", "+ 2001:db8::1 9090"),
    *(SHUT, "- 172.19.0.2 81", "- 172.18.0.2 80", "- fd0d::242:ac11:2 81"),
)
# Our addresses that containers reach or do not reach. A routed network is open to everybody.
OF_OURS = (
    *("+ 192.0.2.1 8080", "+ 172.17.0.1 8080", "+ 10.6.0.2 81"),
    *("- 10.5.0.2 80", "- 10.5.0.2 81", "- 10.7.0.2 80"),
)
OF_OURS_6 = (
    *("+ 2001:db8::1 8080", "+ 2001:db8:6::2 81"),
    *("- fd05::2 80", "- fd05::2 81", "- fd07::2 80"),
)


@pytest.mark.parametrize("backend", ["auto", "iptables"])
def test_each_reaches_what_the_other_publishes_and_nothing_else(
    docker: Docker, backend: str
) -> None:
    machine = docker.machine
    if backend == "iptables" and machine.flavour == "nft":
        pytest.skip("netorch uses legacy iptables, which never meet Docker's rules here")
    with live(docker, f"{LAB}backend: {{nat: {backend}}}\n"):
        members = dict.fromkeys(("a", "b", "o"), (*OF_DOCKER, *OUT))
        outside = ("+ 192.0.2.1 8080", "+ 2001:db8::1 8080", "- 10.5.0.2 80")
        asked = {
            **members,
            "pc": (*OF_DOCKER, *outside),
            "b": (*members["b"], "+ 192.0.2.1 8080", "+ 10.5.0.1 8080"),
            "h": ("- 192.0.2.2 80", "+ 10.7.0.1 8080", "+ 10.7.0.1 9090"),
            docker.pid("web"): (*OF_OURS, *OF_OURS_6, *OUT),
            docker.pid("other"): (*OF_OURS, OUT[0]),
            # Docker drops packets of its internal networks before our published ports apply
            docker.pid("shut"): ("- 172.18.0.1 8080",),
        }
        assert machine.all_misses(asked) == []


def test_what_is_dockers_is_the_same_at_every_stage(docker: Docker) -> None:
    machine, host = docker.machine, docker.host
    before, theirs = machine.rules(), machine.foreign_rules()
    host.write("lab.yaml", LAB)
    host.netorch("apply", "lab.yaml")
    assert machine.foreign_rules() == theirs
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    assert host.netorch("apply", "lab.yaml").stdout == "lab: in sync, nothing to do\n"
    applied = machine.rules()
    host.write(
        "more.yaml", LAB.replace("nodes:", f"{EXTRA}nodes:\n  further: {{networks: [extra]}}")
    )
    with host.refusing_names():
        done = host.netorch("apply", "more.yaml", check=False)
    assert done.returncode == 1 and "Rolled back" in done.stderr
    assert machine.rules() == applied
    host.netorch("destroy", "lab.yaml")
    assert machine.rules() == before
    with host.refusing_names():
        done = host.netorch("apply", "lab.yaml", check=False)
    assert done.returncode == 1 and "Rolled back" in done.stderr
    assert machine.rules() == before


def test_networks_of_docker_that_come_and_go_are_dockers_too(lab: Docker) -> None:
    machine, host = lab.machine, lab.host
    lab("network", "create", "--subnet", "172.30.0.0/24", "later")
    try:
        lab.run("late", "--network", "later", "-p", "9092:80", listen=(80, 81))
        assert machine.misses("a", "+ 192.0.2.1 9092", "- 172.30.0.2 81", *OUT) == []
        assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
        host.netorch("apply", "lab.yaml")
        assert machine.misses("a", "+ 192.0.2.1 9092", "- 172.30.0.2 81", *OUT) == []
        assert machine.misses(lab.pid("late"), "+ 192.0.2.1 8080", "- 10.5.0.2 81", OUT[0]) == []
    finally:
        lab("rm", "-f", "late", check=False)
        lab("network", "rm", "later", check=False)
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"


def test_a_way_out_that_comes_later_is_seen(lab: Docker) -> None:
    machine, host = lab.machine, lab.host
    setup = """
        ip netns add far
        ip link add vpn type veth peer name eth0 netns far
        ip address add 198.51.100.1/24 dev vpn
        ip link set vpn up
        ip -n far address add 198.51.100.2/24 dev eth0
        ip -n far link set lo up
        ip -n far link set eth0 up
    """
    host.run("sh", "-ec", setup)
    with machine.serve("far", 80) as server:
        assert machine.misses("a", "- 198.51.100.2 80") == []
        assert "iptables-" + machine.flavour in host.netorch("diff", "lab.yaml", check=False).stdout
        host.netorch("apply", "lab.yaml")
        assert machine.misses("a", "+ 198.51.100.2 80", SHUT) == []
        server.signal(signal.SIGTERM)
    # an interface that disappears is not a difference, because it may come back
    host.run("ip", "netns", "del", "far")
    host.run("sh", "-c", "while ip link show vpn 2>/dev/null; do sleep 0.05; done")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"


BOX = """
name: boxes
networks:
  lan: {mode: nat, subnet: [10.8.0.0/24, "fd08::/64"]}
nodes:
  box: {attach: "docker:box", networks: {lan: {name: lan0, sysctls: {disable_ipv6: 0}}}, publish: ["8088:80"]}
  probe: {networks: [lan]}
"""


def within(engine: Docker | Podman, pid: int) -> str:
    """Return a container's interfaces, addresses and routes.

    Link-local IPv6 is left out, because the kernel adds it after a delay.
    """
    look = (
        "ip -br link | sed 's/@.*//'; ip -br -4 addr | sed 's/@[^ ]*//'; "
        "ip route show table all; ip -6 route"
    )
    listing = engine.host.run("nsenter", "-t", str(pid), "-n", "sh", "-c", look).stdout
    return "".join(line for line in listing.splitlines(True) if "fe80:" not in line)


def test_a_container_as_a_node(docker: Docker) -> None:
    """A container keeps its default route as a node, and its ports can be published.

    Docker may connect it to more networks, and may restart it.
    """
    machine, host = docker.machine, docker.host
    pid = docker.run("box", listen=(80, 81))
    try:
        before, rules = within(docker, pid), machine.rules()
        host.write("boxes.yaml", BOX)
        output = host.netorch("apply", "boxes.yaml").stderr
        assert "node box keeps its IPv4 default route via 172.17.0.1 dev eth0" in output
        expected = ("+ 10.8.0.2 80", "+ fd08::2 81", SHUT, *OUT)
        assert machine.misses("probe", *expected) == []
        assert machine.misses("pc", "+ 192.0.2.1 8088", "- 172.17.0.2 81") == []
        assert machine.misses(pid, *OUT, "+ 172.17.0.2 81") == []
        docker("network", "connect", "other", "box")
        address = docker.address("other", "other")
        assert machine.misses(pid, f"+ {address} 81", *OUT) == []
        assert host.netorch("diff", "boxes.yaml").stdout == "boxes: in sync\n"
        docker("network", "disconnect", "other", "box")
        assert host.netorch("diff", "boxes.yaml").stdout == "boxes: in sync\n"
        docker("restart", "box")
        diff = host.netorch("diff", "boxes.yaml", check=False)
        assert diff.returncode == 2 and "+ address box/lan0 10.8.0.2/24" in diff.stdout
        host.netorch("apply", "boxes.yaml")
        assert machine.misses("probe", *expected) == []
        docker.stop()
        assert machine.misses("probe", *OUT) == []
        assert "box" in host.netorch("diff", "boxes.yaml", check=False).stderr
        docker.start()
        docker("start", "web", "other", "shut", "box")
        host.netorch("apply", "boxes.yaml")
        assert machine.misses("probe", *expected) == []
        assert machine.misses(docker.pid("web"), "+ 192.0.2.1 8088", "- 10.8.0.3 80", *OUT) == []
        assert host.netorch("diff", "boxes.yaml").stdout == "boxes: in sync\n"
        host.netorch("destroy", "boxes.yaml")
        assert within(docker, docker.pid("box")) == before
        assert sorted(machine.rules().splitlines()) == sorted(rules.splitlines())
    finally:
        host.netorch("destroy", "--all")
        docker("rm", "-f", "box", check=False)


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Start Podman with a container on the network `podman`.

    The container listens at port 80, which is published, and at port 81, which is not.
    """
    host = private_host(tmp_path_factory.mktemp("podman"))
    try:
        host.run("sh", "-ec", OUTSIDE)
        engine = Podman(Machine(host, "nft"))
        if engine("info", "--format", "{{.Host.NetworkBackend}}") != "netavark":
            pytest.skip("not installed: netavark")
        engine.machine.serve("pc", 80)
        engine.run("web", "--network", "podman", "-p", "9090:80", listen=(80, 81))
        yield engine
    finally:
        host.close()


@pytest.mark.parametrize("policy", ["ACCEPT", "DROP"])
def test_podman_on_the_same_host(podman: Podman, policy: str) -> None:
    """Podman treats a member like any other host.

    The policy of FORWARD decides whether a port that is not published is closed.
    """
    machine, host = podman.machine, podman.host
    host.run("iptables-nft", "-P", "FORWARD", policy)
    before, theirs = machine.rules(), machine.foreign_rules()
    with live(podman, LAB):
        assert machine.foreign_rules() == theirs
        sign = "+" if policy == "ACCEPT" else "-"
        members = dict.fromkeys(("pc", "a", "o"), (f"{sign} 10.88.0.2 81",))
        published = ("+ 192.0.2.1 8080", "+ 10.88.0.1 8080", "+ 10.6.0.2 81")
        asked = {
            **members,
            "a": (*members["a"], *OUT, *(["+ 192.0.2.1 9090"] if policy == "ACCEPT" else [])),
            podman.pid("web"): (*published, "- 10.5.0.2 80", "- 10.7.0.2 80", OUT[0]),
        }
        assert machine.all_misses(asked) == []
        assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    assert machine.rules() == before


def test_a_container_of_podman_as_a_node(podman: Podman) -> None:
    """Podman's default route has metric 100, so a default route of netorch would win over it."""
    machine, host = podman.machine, podman.host
    host.run("iptables-nft", "-P", "FORWARD", "ACCEPT")
    pid = podman.run("box", "--network", "podman", listen=(80, 81))
    try:
        before = within(podman, pid)
        assert "default via 10.88.0.1 dev eth0 proto static metric 100" in before
        host.write("boxes.yaml", BOX.replace("docker:", "podman:"))
        output = host.netorch("apply", "boxes.yaml").stderr
        assert "node box keeps its IPv4 default route via 10.88.0.1 dev eth0" in output
        expected = ("+ 10.8.0.2 80", "+ fd08::2 81", *OUT)
        assert machine.misses("probe", *expected) == []
        assert machine.misses("pc", "+ 192.0.2.1 8088") == []
        assert machine.misses(pid, OUT[0], "+ 10.88.0.2 81") == []
        assert "dev eth0" in within(podman, pid) and "default via 10.8.0.1" not in within(
            podman, pid
        )
        podman("restart", "-t", "0", "box")
        assert (
            "+ address box/lan0 10.8.0.2/24"
            in host.netorch("diff", "boxes.yaml", check=False).stdout
        )
        host.netorch("apply", "boxes.yaml")
        assert machine.misses("probe", *expected) == []
        host.netorch("destroy", "boxes.yaml")
        assert "lan0" not in within(podman, podman.pid("box"))
    finally:
        host.netorch("destroy", "--all")
        podman("rm", "-f", "-t", "0", "box", check=False)
