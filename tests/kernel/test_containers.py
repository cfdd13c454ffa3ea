"""Containers as nodes, with a stand-in for Docker and Podman.

They are connected, restarted, stopped, removed, or missing.
"""

from __future__ import annotations

import shutil
import socket
import time

import pytest

from tests.kernel.engine import Engine
from tests.kernel.host import Host, diff_snapshots, sentences

LAB = """\
name: lab
nodes:
  web: {attach: "docker:mybox", networks: {lan: {name: lan0, default_route: false}}, publish: ["8080:80"], forwarding: true}
  db: {attach: "docker:db", networks: {lan: {name: lan0, default_route: false}}, routes: [{to: 10.8.0.0/16, type: blackhole}]}
  r: {}
networks: {lan: {mode: nat, subnet: 10.5.0.0/24}}
links: [{endpoints: [web:cable, db:cable], subnet: 10.6.0.0/30}, [r:eth0, db:up]]
"""
FILES = ["files: /run/netorch/lab.lock"]
SANDBOXES = ["files: /run/docker/netns", "mounts: /run/docker/netns"]


def sh(host: Host, script: str, check: bool = True) -> str:
    return host.run("sh", "-ec", script, check=check).stdout


def refused(host: Host, text: str) -> str:
    """Check that apply refuses the file and changes nothing. Returns the sentences."""
    host.write("topo.yaml", text)
    before = host.snapshot()
    result = host.netorch("apply", check=False, timeout=30)
    assert result.returncode == 1, result.stdout
    assert "Traceback" not in result.stderr and "internal error" not in result.stderr
    assert diff_snapshots(before, host.snapshot()) == []
    return "\n".join(sentences(result.stderr))


def attach(how: str) -> str:
    return (
        f"name: lab\nnodes:\n  a: {{}}\n  box: {{attach: '{how}'}}\nlinks: [[a:eth0, box:cable]]\n"
    )


def within(host: Host, pid: int) -> str:
    """Return the state of a container's network, without values that change by themselves."""
    look = "ip -br link | sed 's/@.*//'; ip -br -4 addr | sed 's/ DOWN / UP   /'; ip route show table all; ip rule; iptables-legacy-save; nft list tables"
    return sh(
        host,
        f"nsenter -t {pid} -n sh -c \"{look}; grep -r '' /proc/sys/net/ipv4 /proc/sys/net/ipv6/conf 2>/dev/null || :\"",
    )


def test_containers_are_wired_looked_at_and_left_as_they_were(host: Host) -> None:
    engine = Engine(host)
    pids = [engine.run("mybox"), engine.run("db")]
    before, inside = host.snapshot(), [within(host, pid) for pid in pids]
    host.write("topo.yaml", LAB)
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert host.netorch("apply").stdout == "lab: in sync, nothing to do\n"
    output = host.netorch("show").stdout
    assert "web  (docker:mybox)\n" in output and "db  (docker:db)\n" in output and "@" not in output
    assert 'attach: "docker:mybox"' in host.netorch("show", "-o", "yaml").stdout
    assert "10.5.0.2/24" in host.netorch("exec", "web", "ip", "addr", "show", "lan0").stdout
    assert host.netorch("exec", "web", "ping", "-c1", "-w5", "10.5.0.3").returncode == 0
    assert host.netorch("exec", "web", "ping", "-c1", "-w5", "10.6.0.2").returncode == 0
    assert host.netorch("exec", "web", "ping", "-c1", "-w5", "172.17.0.3").returncode == 0, (
        "the container still reaches the others over Docker's network"
    )
    assert not (host.root / "etc/netns/web").exists() and (host.root / "etc/netns/r").exists()
    assert "10.5.0.2 web" in (host.root / "etc/netns/r/hosts").read_text()
    host.netorch("destroy")
    assert [within(host, pid) for pid in pids] == inside
    assert diff_snapshots(before, host.snapshot()) == []


def test_podman_gives_no_path_and_an_id_will_do(host: Host) -> None:
    engine = Engine(host, "/run/podman/podman.sock", "podman")
    engine.run("mybox")
    before = host.snapshot()
    host.write("topo.yaml", attach(f"podman:{engine('id', 'mybox')[:8]}"))
    host.netorch("apply")
    assert "cable" in host.netorch("exec", "box", "ip", "link").stdout
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("old", ["is gone", "is held open"])
def test_a_restarted_container_is_connected_again(host: Host, old: str) -> None:
    engine = Engine(host)
    pid = engine.run("mybox")
    engine.run("db")
    before = host.snapshot()
    host.write("topo.yaml", LAB)
    host.netorch("apply")
    for _ in range(3):
        if old == "is held open":
            sh(host, f"nsenter -t {pid} -n sleep 99999 </dev/null >/dev/null 2>&1 & sleep 0.1")
        pid = engine("restart", "mybox")
        inside = within(host, pid)
        diff = host.netorch("diff", check=False)
        assert diff.returncode == 2 and diff.stderr == ""
        for line in (
            "veth web/lan0",
            "veth web/cable",
            "address web/lan0 10.5.0.2/24",
            "sysctl web net.ipv4.ip_forward",
        ):
            assert line in diff.stdout
        assert "netns r" not in diff.stdout and "r/eth0" not in diff.stdout
        assert "drifted" in host.netorch("list").stdout
        host.netorch("apply")
        assert host.netorch("diff").stdout == "lab: in sync\n"
        assert host.netorch("exec", "db", "ping", "-c1", "-w5", "10.5.0.2").returncode == 0
    host.netorch("destroy")
    assert within(host, pid) == inside, "destroy restores the state of the new container"
    assert diff_snapshots(before, host.snapshot(), SANDBOXES) == []


@pytest.mark.parametrize("record", ["with its record", "without a record"])
@pytest.mark.parametrize("what", ["stopped", "removed", "the engine is down", "restarted"])
def test_destroy_when_a_container_or_its_engine_is_gone(host: Host, what: str, record: str) -> None:
    engine = Engine(host)
    pids = [engine.run("mybox"), engine.run("db")]

    def happen() -> None:
        match what:
            case "stopped":
                engine("stop", "mybox")
            case "removed":
                engine("rm", "mybox")
                engine("rm", "db")
            case "restarted":
                engine("restart", "mybox")

    happen()
    before = host.snapshot()
    match what:
        case "stopped":
            engine("start", "mybox")
        case "removed":
            engine.run("mybox")
            engine.run("db")
    inside = [within(host, pid) for pid in pids] if what == "the engine is down" else []
    host.write("topo.yaml", LAB)
    host.netorch("apply")
    lost = record == "without a record"
    if lost:
        shutil.rmtree(host.root / "run/netorch")
    happen()
    if what == "the engine is down":
        engine.end()
    warnings = host.netorch("destroy", "lab").stderr
    assert "could not be read" not in warnings, "destroy finds the containers by their cables"
    assert ("lab: there is no record in" in warnings) is lost
    # without the record, netorch does not know what only the record holds
    ignored = [
        *SANDBOXES,
        "files: /run/docker.sock",
        *(("files: /run/netns", "mounts: /run/netns", "host: sysctl") if lost else ()),
    ]
    assert diff_snapshots(before, host.snapshot(), ignored) == []
    left = [within(host, pid) for pid in pids] if what == "the engine is down" else []
    changed = {
        line
        for was, now in zip(inside, left, strict=True)
        for line in set(was.splitlines()) ^ set(now.splitlines())
    }
    assert [line for line in changed if not (lost and line.startswith("/proc/sys/"))] == []


def test_a_container_that_cannot_be_read_is_reported(host: Host) -> None:
    """Without a cable, only the engine knows where the container's namespace is."""
    engine = Engine(host)
    engine.run("mybox")
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  web: {attach: docker:mybox, routes: [{to: 10.8.0.0/16, type: blackhole}]}\n  a: {}\n",
    )
    host.netorch("apply")
    engine.end()
    listed = host.netorch("list")
    assert "unknown" in listed.stdout and "web could not be read: Docker" in listed.stderr
    result = host.netorch("destroy")
    assert (
        result.stderr.count("web could not be read: Docker at /run/docker.sock")
        or "cannot be reached" in result.stderr
    )
    assert host.netorch("list").stdout == "no topology is live here\n"


def test_a_node_that_leaves_the_file_and_one_that_is_attached_elsewhere(host: Host) -> None:
    engine = Engine(host)
    pids = {name: engine.run(name) for name in ("mybox", "db", "other")}
    before, inside = host.snapshot(), {name: within(host, pid) for name, pid in pids.items()}
    host.write("topo.yaml", LAB)
    host.netorch("apply")
    host.write("topo.yaml", LAB.replace("docker:mybox", "docker:other"))
    assert "blackhole" not in host.netorch("diff", check=False).stdout
    host.netorch("apply")
    assert within(host, pids["mybox"]) == inside["mybox"]
    assert host.netorch("diff").stdout == "lab: in sync\n"
    # another name for the same node: its objects stay
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  base: {attach: docker:db, routes: [{to: 10.8.0.0/16, type: blackhole}]}\n",
    )
    output = host.netorch("apply").stdout
    assert "- route" not in output and "+ route" not in output
    assert "blackhole 10.8.0.0/16" in within(host, pids["db"])
    assert within(host, pids["other"]) == inside["other"]
    host.write("topo.yaml", "name: lab\nnodes: {a: {}}\n")
    host.netorch("apply")
    assert within(host, pids["db"]) == inside["db"]
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


# what is refused


def test_engines_that_are_not_there(host: Host) -> None:
    error = refused(host, attach("docker:box"))
    assert error == (
        "topo.yaml:4:9: node box: Docker cannot be reached (/var/run/docker.sock, /run/docker.sock: there is no such socket). "
        "Start it (`systemctl start docker.service`), or set the path of its socket: DOCKER_HOST=unix:///PATH."
    )
    assert "podman.socket" in refused(host, attach("podman:box"))
    # one problem for all containers of the engine, next to those of other namespaces
    many = refused(
        host,
        "nodes: {a: {attach: 'docker:a'}, b: {attach: 'docker:b'}, c: {attach: 'netns:c'}, d: {attach: 'pid:99999'}}\n",
    )
    assert (
        many.count("cannot be reached") == 1
        and "there is no namespace 'c'" in many
        and "there is no process 99999" in many
    )
    # a socket on which nobody listens any more
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(host.root / "run/docker.sock"))
    assert "nothing listens there" in refused(host, attach("docker:box"))
    sh(host, "rm /run/docker.sock; mkdir /run/docker.sock")
    assert "cannot be reached" in refused(host, attach("docker:box"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "tcp://192.0.2.1:2375",
            ("DOCKER_HOST is 'tcp://192.0.2.1:2375'", "not a unix socket", "another machine"),
        ),
        ("ssh://root@192.0.2.1", ("not a unix socket",)),
        ("unix://relative", ("not a unix socket",)),
        ("/run/docker.sock", ("not a unix socket", "DOCKER_HOST=unix:///PATH")),
        ("unix:///run/nowhere.sock", ("/run/nowhere.sock: there is no such socket",)),
        (f"unix:///run/{'x' * 200}", ("too long",)),
    ],
)
def test_the_environment_names_the_engine(host: Host, value: str, words: tuple[str, ...]) -> None:
    host.write("topo.yaml", attach("docker:box"))
    result = host.netorch("diff", check=False, env={"DOCKER_HOST": value})
    assert result.returncode == 1
    assert result.stderr.startswith("topo.yaml:4:9: node box: ")
    assert all(word in result.stderr for word in words), result.stderr


def test_an_engine_elsewhere(host: Host) -> None:
    Engine(host, "/run/user/docker.sock").run("box", "none")
    Engine(host, "/run/user/podman/podman.sock", "podman").run("box", "none")
    for how, env in (
        ("docker", {"DOCKER_HOST": "unix:///run/user/docker.sock"}),
        ("docker", {"XDG_RUNTIME_DIR": "/run/user"}),
        ("podman", {"CONTAINER_HOST": "unix:///run/user/podman/podman.sock"}),
        ("podman", {"XDG_RUNTIME_DIR": "/run/user"}),
    ):
        host.write("topo.yaml", attach(f"{how}:box"))
        assert "veth box/cable" in host.netorch("diff", check=False, env=env).stdout


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("garbage", "its answer is not JSON over HTTP"),
        ("no JSON", "its answer is not JSON over HTTP"),
        ("cut off", "its answer is not JSON over HTTP"),
        ("nothing", "its answer is not JSON over HTTP"),
        ("a list", "its answer does not describe a container"),
        ("other types", "its answer does not describe a container"),
        ("an error", "Docker does not describe container 'box': the disk is on fire\\x1b[31m."),
        ("endless", "its answer does not end"),
        ("hangs", "it did not answer within 5 seconds"),
        ("drips", "it did not answer within 5 seconds"),
    ],
)
def test_an_engine_that_misbehaves(host: Host, fault: str, words: str) -> None:
    engine = Engine(host)
    engine.run("box")
    engine("fault", fault)
    started = time.monotonic()
    error = refused(
        host, attach("docker:box").replace("links:", "  box2: {attach: 'docker:box2'}\nlinks:")
    )
    assert time.monotonic() - started < 15
    assert error.startswith("topo.yaml:4:9: node box: ") and words in error
    assert len(sentences(error)) == (2 if fault == "an error" else 1)


def test_containers_that_cannot_be_attached_to(host: Host) -> None:
    engine = Engine(host)
    for name, network in (("web", "bridge"), ("side", "container:web"), ("naked", "host")):
        engine.run(name, network)
    engine("create", "fresh", "bridge")
    engine.run("gone")
    engine("stop", "gone")
    where = "topo.yaml:4:9: node box: "
    for name, words in {
        "wbe": "Docker has no container 'wbe'. Did you mean 'web'?",
        "nothing-like-it": "Docker has no container 'nothing-like-it'. `docker ps --all` lists them.",
        "fresh": "container 'fresh' has not been started. Start it with `docker start fresh`.",
        "gone": "container 'gone' is exited. Start it with `docker start gone`.",
        "naked": "container 'naked' was started with `--network host`: it has the host's network, not one of its own. "
        "Use the node `host` instead.",
    }.items():
        assert refused(host, attach(f"docker:{name}")) == where + words
    engine("status", "web", "paused")
    assert "container 'web' is paused. Resume it with `docker unpause web`." in refused(
        host, attach("docker:web")
    )
    engine("status", "web", "restarting")
    assert "is restarting" in refused(host, attach("docker:web"))
    engine("status", "web", "running")
    both = "name: lab\nnodes:\n  one: {attach: docker:web}\n  two: {attach: docker:side}\nlinks: [[one:x, two:y]]\n"
    assert refused(host, both) == (
        "topo.yaml:4:9: the nodes one and two (docker:side) are the same namespace. Delete two, and write what it has under one."
    )


def test_a_container_that_restarts_while_netorch_reads_it(host: Host) -> None:
    """netorch asks the engine again after it has opened a namespace, and compares the answers."""
    engine = Engine(host)
    engine.run("box", "none")
    engine("fault", "restarts each time")
    host.write("topo.yaml", attach("docker:box"))
    diff = host.netorch("diff", check=False)
    assert (diff.returncode, diff.stdout) == (1, "")
    assert "container 'box' does not stay up. See why: `docker logs box`." in diff.stderr
    podman = Engine(host, "/run/podman/podman.sock", "podman")
    first = podman.run("box", "none")
    podman("fault", "restarts once")
    host.write("topo.yaml", attach("podman:box"))
    host.netorch("apply")
    assert "cable" in host.netorch("exec", "box", "ip", "link").stdout
    assert sh(host, f"test -e /proc/{first} || echo gone") == "gone\n"


def test_an_interface_that_the_container_has_already(host: Host) -> None:
    Engine(host).run("box")
    error = refused(
        host,
        "name: lab\nnodes:\n  box: {attach: docker:box, networks: [lan]}\nnetworks: {lan: {}}\n",
    )
    assert error == (
        "topo.yaml:3:29: veth box/eth0: veth box/eth0 exists and netorch did not make it. "
        "Choose another interface name with `networks: {lan: {name: …}}`, "
        "or remove the existing link first."
    )


def test_ipv6_in_a_container_that_has_none(host: Host) -> None:
    engine = Engine(host)
    pids = [engine.run("a"), engine.run("b")]
    before, inside = host.snapshot(), [within(host, pid) for pid in pids]
    text = """\
name: lab
nodes:
  a: {attach: docker:a, networks: {lan: {name: lan0, default_route: false, sysctls: {}}}}
  b: {attach: docker:b, networks: {lan: {name: lan0, default_route: false, sysctls: {}}}}
networks: {lan: {mode: nat, subnet: [10.5.0.0/24, "fd05::/64"]}}
"""
    error = refused(host, text)
    assert len(sentences(error)) == 2
    assert error.splitlines()[0] == (
        "topo.yaml:3:36: IPv6 is off on a/lan0, so it cannot have fd05::2/64. "
        "Write `sysctls: {disable_ipv6: 0}` for this interface."
    )
    host.write("topo.yaml", text.replace("{}", "{disable_ipv6: 0}"))
    host.netorch("apply")
    # at once, in both directions, and to the host
    for node, target in (("a", "fd05::3"), ("b", "fd05::2"), ("a", "fd05::1")):
        assert host.netorch("exec", node, "ping", "-c1", "-W1", target).returncode == 0
    # Linux clears the mark of a link-local address in a thread of its own, a little later
    deadline = time.monotonic() + 5
    while "tentative" in (
        addresses := host.netorch("exec", "a", "ip", "-6", "addr").stdout
        + sh(host, "ip -6 addr show dev lan")
    ):
        assert time.monotonic() < deadline, addresses
        time.sleep(0.1)
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("destroy")
    assert [within(host, pid) for pid in pids] == inside
    assert diff_snapshots(before, host.snapshot()) == []
