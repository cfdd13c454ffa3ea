"""Test failures in the middle of a command.

The kernel refuses requests, signals and crashes interrupt netorch, two commands run at once, and
limits are reached. A command that fails leaves the state before it or the state after it. After a
crash, the next apply or destroy works from whatever is there.
"""

from __future__ import annotations

import errno
import json
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kernel.campaign import LONG, add_figure, spread
from tests.kernel.host import UNFORESEEN, Background, Host, Snapshot, diff_snapshots, sentences

PARTNER = re.compile(r'"link": "[^"]*", (?="locked")')
OWN_FILES = ["files: /run/netorch/"]
"""The records. The tests see by diff and destroy whether their content is right."""

GOOD = """\
name: lab
nodes:
  a: {networks: [lan], routes: [{to: 10.9.0.0/16, via: 10.0.1.2}], sysctls: {net.ipv4.conf.all.rp_filter: 2}}
  b: {networks: {lan: {address: 10.0.0.77}}, rules: [{from: 10.9.0.0/24, table: 100, priority: 1000}]}
  r: {forwarding: true, networks: [lan]}
  host:
    interfaces: {br-lab: {kind: bridge, ports: [p0], addresses: [10.6.0.1/24, 10.6.0.2/24]}}
    sysctls: {net.ipv4.conf.default.rp_filter: 2}
    rules: [{from: 10.8.0.0/24, table: 100, priority: 1000}]
    routes: [{to: 10.77.0.0/16, via: 10.6.0.9}]
networks:
  lan: {subnet: [10.0.0.0/24, "fd00::/64"], gateway: r}
links:
  - {endpoints: [a:eth1, r:eth1], subnet: 10.0.1.0/30}
  - [host:p0, r:eth2]
"""
CHANGED = (
    GOOD.replace("10.0.1.0/30", "10.0.2.0/30")
    .replace("via: 10.0.1.2", "via: 10.0.2.2")
    .replace("rp_filter: 2}}\n  b: {", "rp_filter: 1}}\n  c: {networks: [lan]}\n  b: {")
    .replace("10.6.0.1/24, 10.6.0.2/24", "10.6.0.2/24")
    .replace("priority: 1000", "priority: 1001")
    .replace("  - [host:p0, r:eth2]", "  - [host:p0, r:eth3]")
)


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def shot(host: Host) -> Snapshot:
    """Return a snapshot without the name that `bridge` prints for the other end of a port.

    That end is in another namespace, but `bridge` looks its index up in this one.
    """
    return {
        where: {PARTNER.sub("", what): how for what, how in objects.items()}
        for where, objects in host.snapshot().items()
    }


def names(host: Host) -> list[str]:
    """Return the files and directories in the places where netorch writes.

    This is much faster than a snapshot.
    """
    return sorted(
        str(path)
        for top in ("run/netns", "run/netorch", "etc/netns")
        for path in (host.root / top).rglob("*")
    )


def settled(before: Snapshot, host: Host, ignore: list[str] | None = None) -> list[str]:
    """Return what differs from `before`.

    Wait up to 3 seconds, because the kernel removes deleted namespaces in the background.
    """
    deadline = time.monotonic() + 3
    while (
        left := diff_snapshots(before, shot(host), ignore or ())
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.fixture
def before(host: Host) -> Snapshot:
    """Prepare a host with foreign objects, so that /run/netns exists before and after."""
    sh(
        host,
        "ip link add eth9 type ifb; ip link set eth9 up; ip addr add 192.0.2.1/24 dev eth9; "
        "ip netns add other",
    )
    return shot(host)


# Refusals by the kernel

BAD: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a sysctl value": (
        "  z: {sysctls: {net.ipv4.ip_default_ttl: 99999}}\n",
        "topo.yaml:{line}:17: ",
        (
            "sysctl z net.ipv4.ip_default_ttl",
            "Invalid argument",
            "EINVAL",
            "does not accept this value",
        ),
    ),
    "a sysctl that is not there": (
        "  z: {sysctls: {net.ipv4.no_such_thing: 1}}\n",
        "topo.yaml:{line}:17: ",
        ("sysctl z net.ipv4.no_such_thing", "ENOENT", "no such sysctl"),
    ),
    "a gateway that nothing reaches": (
        "  z: {networks: [lan], routes: [{to: 10.51.0.0/16, via: 192.0.2.99}]}\n",
        "topo.yaml:{line}:",
        ("route z 10.51.0.0/16", "Nexthop has invalid gateway", "ENETUNREACH", "onlink"),
    ),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize(
    "when", [pytest.param("the first apply", marks=pytest.mark.uml), "an update"]
)
def test_a_step_that_the_kernel_refuses_after_many_good_ones(
    host: Host, before: Snapshot, what: str, when: str
) -> None:
    bad, place, words = BAD[what]
    text = GOOD
    if when == "an update":
        host.write("topo.yaml", GOOD)
        host.netorch("apply")
        before, text = shot(host), CHANGED
    text = text.replace("  host:\n", bad + "  host:\n")
    host.write("topo.yaml", text)
    line = 1 + text[: text.index("  z: ")].count("\n")
    process = host.unforeseen("apply", check=False)
    output = process.stderr
    assert process.returncode == 1, process.stdout + output
    assert "Traceback" not in output
    assert "internal error" not in output
    about = [entry for entry in output.splitlines() if entry.startswith(place.format(line=line))]
    assert len(about) == 1, output
    for word in words:
        assert word in about[0], output
    assert "could not be rolled back" not in output
    assert settled(before, host, OWN_FILES) == []
    if when == "an update":
        (host.directory / "topo.yaml").unlink()
        assert host.netorch("diff").stdout == "lab: in sync\n", "the record of the old file"
        host.netorch("destroy")
    else:
        assert not (host.root / "run/netorch").exists()
        assert host.netorch("list").stdout == "no topology is live here\n"


def test_a_bridge_that_is_full(host: Host, before: Snapshot) -> None:
    """Foreign links take the rest of the bridge's 1,023 ports."""
    text = (
        "name: lab\nnodes: {a: {networks: [lan]}, b: {}}\nnetworks: {lan: {subnet: 10.0.0.0/24}}\n"
    )
    file = host.write("topo.yaml", text)
    host.netorch("apply", file)
    ports = "".join(
        f"link add x{n} master lan type veth peer name y{n} master lan\nlink set y{n} master lan\n"
        for n in range(511)
    )
    host.run("ip", "-n", "netorch-lab", "-batch", "-", input=ports)
    full = shot(host)
    file.write_text(text.replace("b: {}", "b: {networks: [lan]}, c: {networks: [lan]}"))
    done = host.netorch("apply", file, check=False)
    assert done.returncode == 1
    assert (
        "A bridge can have at most 1,023 ports." in done.stderr and "Rolled back" in done.stderr
    ), done.stderr
    assert settled(full, host, OWN_FILES) == []
    host.netorch("destroy", "lab")
    assert settled(before, host) == []


def test_keep_partial_leaves_what_was_done(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD.replace("  host:\n", BAD["a sysctl value"][0] + "  host:\n"))
    process = host.unforeseen("apply", "--keep-partial", check=False)
    assert process.returncode == 1
    assert "Rolled back" not in process.stderr
    left = [path.name for path in (host.root / "run/netns").iterdir()]
    assert {"a", "b", "r", "z"} <= set(left)
    assert host.unforeseen("diff", check=False).returncode == 2
    assert "lab" in host.netorch("list").stdout
    host.write("topo.yaml", GOOD)
    host.netorch("apply")
    assert host.netorch("diff").returncode == 0
    host.netorch("destroy")
    assert settled(before, host) == []


def test_a_failure_of_json_output_is_one_document(host: Host) -> None:
    host.write("topo.yaml", GOOD.replace("  host:\n", BAD["a sysctl value"][0] + "  host:\n"))
    process = host.unforeseen("apply", "-o", "json", check=False)
    assert process.returncode == 1
    document = json.loads(process.stdout)
    assert document["version"] == 1
    assert document["problems"][0]["line"] == 6
    assert "ip_default_ttl" in document["problems"][0]["what"]


# Signals

MANY = (
    "name: many\nnodes:\n  n[1-200]: {networks: [lan]}\nnetworks:\n  lan: {subnet: 10.0.0.0/16}\n"
)


def netorch(host: Host, *args: str, env: dict[str, str] | None = None) -> Background:
    return host.start(sys.executable, "-m", "netorch", *args, env=env)


def wait_for_nodes(host: Host, count: int, process: Background) -> None:
    place, deadline = host.root / "run/netns", time.monotonic() + 20
    while (
        sum(1 for _ in place.iterdir()) < count
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_rolls_back(
    host: Host, before: Snapshot, number: signal.Signals
) -> None:
    host.write("topo.yaml", MANY)
    for count in (2, 40, 150):
        process = netorch(host, "apply")
        wait_for_nodes(host, count, process)
        process.signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, (count, out[-300:], err)
        assert "Traceback" not in err, err
        assert "interrupted" in err
        assert settled(before, host) == []


def test_signals_do_not_stop_a_rollback(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", MANY)
    process = netorch(host, "apply")
    wait_for_nodes(host, 100, process)
    for _ in range(5):
        process.signal(signal.SIGINT)
        time.sleep(0.02)
        if process.poll() is not None:
            break
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert settled(before, host) == []


def test_destroy_can_be_repeated_after_a_signal(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", MANY)
    host.netorch("apply")
    process = netorch(host, "destroy")
    place, deadline = host.root / "run/netns", time.monotonic() + 20
    while (
        sum(1 for _ in place.iterdir()) > 150
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        pass
    process.signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert "Traceback" not in err
    host.netorch("destroy", "many")
    assert settled(before, host) == []


INTERRUPTED = r"""
import os, signal, sys
from netorch.cli import main
from netorch.converge import rollback
real, times = rollback.plan_back, iter(range(int(sys.argv[1])))
def interrupted(*words):
    for _ in times:
        os.kill(os.getpid(), signal.SIGINT)
        break
    return real(*words)
rollback.plan_back = interrupted
sys.exit(main(["apply", "bad.yaml"]))
"""
"""Sends SIGINT the given number of times while netorch rolls back."""


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_does_not_stop_a_rollback(host: Host, times: int) -> None:
    host.write("bad.yaml", GOOD.replace("via: 10.6.0.9", "via: 10.66.0.9"))
    before = shot(host)
    process = host.python(UNFORESEEN + INTERRUPTED, str(times), check=False)
    assert process.returncode == 1
    assert "Rolled back: the kernel is as it was before." in process.stderr
    assert settled(before, host) == []


# Crashes. A server forks for each run, because each start of Python would take long.

SERVER = r"""
import errno, json, os, signal, sys, time
from tests.kernel.warm import prepare
from netorch.cli import main
from netorch.kernel import writer
from netorch.kernel.namespaces import open_namespaces as namespaces
from netorch.kernel.system import rtnetlink as rtnl

def arm(kill_at, fail_at, error, executed):
    "Count the acts on the system. Die before act `kill_at`, or refuse request `fail_at`."
    acts = failed = 0

    def act():
        nonlocal acts
        acts += 1
        if acts == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(module, name):
        real = getattr(module, name)
        def wrapped(*args, **keys):
            act()
            return real(*args, **keys)
        setattr(module, name, wrapped)

    send = rtnl.Rtnl.send
    requests = 0
    def slow(self, batch):
        nonlocal requests, failed
        errors = {}
        for item in batch:
            requests += 1
            act()
            if requests == fail_at:
                failed = acts
                if executed:
                    send(self, [item])
                errors[item[0]] = (error, "")
            else:
                errors.update(send(self, [item]))
        return errors
    rtnl.Rtnl.send = slow
    for name in ("mount", "umount", "unshare"):
        before(namespaces, name)
    for name in ("rename", "unlink", "mkdir", "rmdir", "link", "pwrite", "ftruncate"):
        before(os, name)
    before(writer.sysctl, "put")
    opened = os.open
    def careful(path, flags, *rest, **keys):
        if flags & os.O_CREAT:
            act()
        return opened(path, flags, *rest, **keys)
    os.open = careful
    return lambda: (acts, requests, failed)

prepare()
for line in sys.stdin:
    order = json.loads(line)
    pid = os.fork()
    if pid == 0:
        out = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1), os.dup2(out, 2)
        counts = arm(order.get("kill_at"), order.get("fail_at"), order.get("error"), order.get("executed"))
        status = main(order["argv"])
        sys.stdout.flush(), sys.stderr.flush()
        with open("counts", "w") as file:
            json.dump(counts(), file)
        os._exit(status)
    started = time.monotonic()
    if "kill_after" in order:
        time.sleep(order["kill_after"])
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    answer = {"status": os.waitstatus_to_exitcode(status), "output": open("output").read()}
    answer["seconds"] = time.monotonic() - started
    if answer["status"] >= 0:
        answer["acts"], answer["requests"], answer["failed"] = json.load(open("counts"))
    print(json.dumps(answer), flush=True)
"""


@contextmanager
def server(host: Host) -> Iterator[Any]:
    """Yield `run(*argv, kill_at=, kill_after=, fail_at=, error=, executed=)`, which runs netorch.

    It kills netorch before an act or after some seconds, or refuses a request with an error. The
    kernel executes the refused request if `executed` is true. The answer has `status`, `output`
    and `seconds`. Unless netorch was killed, it also has the numbers of `acts` and `requests`, and
    `failed`, the act at which a request was refused.
    """
    with host.start(sys.executable, "-c", SERVER) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(*argv: str, **order: object) -> dict[str, Any]:
            process.stdin.write(json.dumps({"argv": argv, **order}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            answer: dict[str, Any] = json.loads(line)
            assert "Traceback" not in answer["output"], answer["output"]
            assert "internal error" not in answer["output"], answer["output"]
            return answer

        yield run
        process.stdin.close()


@pytest.fixture
def clean(host: Host, before: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Return the snapshots after an apply of GOOD, and of CHANGED, to an empty host."""
    shots = []
    for name, text in (("topo.yaml", GOOD), ("changed.yaml", CHANGED)):
        host.write(name, text)
        host.netorch("apply", name)
        shots.append(shot(host))
        host.netorch("destroy", "lab")
    assert settled(before, host) == []
    return shots[0], shots[1]


LESS = [*OWN_FILES, "mounts: /run/netns"]


@pytest.mark.parametrize("way", ["destroy", "apply"])
def test_killed_before_acts_of_an_apply(
    host: Host, before: Snapshot, clean: tuple[Snapshot, Snapshot], way: str
) -> None:
    with server(host) as run:
        nothing = names(host)
        total = run("apply", "topo.yaml")["acts"]
        assert total > 60
        run("destroy", "lab")
        for turn, at in enumerate(spread(total, 24)):
            answer = run("apply", "topo.yaml", kill_at=at)
            assert answer["status"] == -signal.SIGKILL, (at, answer["output"])
            if way == "apply":
                answer = run("apply", "topo.yaml")
                assert answer["status"] == 0, (at, answer["output"])
                answer = run("diff", "topo.yaml")
                assert answer["output"] == "lab: in sync\n", at
                if turn % 8 == 0:
                    assert settled(clean[0], host, LESS) == [], at
            answer = run("destroy", "lab")
            assert answer["status"] == 0, (at, answer["output"])
            assert names(host) == nothing, at
            if turn % 8 == 0:
                assert settled(before, host) == [], at
        assert settled(before, host) == []


@pytest.mark.parametrize("way", ["forward", "back"])
def test_killed_before_acts_of_an_update(
    host: Host, before: Snapshot, clean: tuple[Snapshot, Snapshot], way: str
) -> None:
    with server(host) as run:
        run("apply", "topo.yaml")
        total = run("apply", "changed.yaml")["acts"]
        assert total > 30
        for turn, at in enumerate(spread(total, 24)):
            assert run("apply", "topo.yaml")["status"] == 0, at
            answer = run("apply", "changed.yaml", kill_at=at)
            assert answer["status"] == -signal.SIGKILL, (at, answer["output"])
            file, goal = ("changed.yaml", clean[1]) if way == "forward" else ("topo.yaml", clean[0])
            answer = run("apply", file)
            assert answer["status"] == 0, (at, answer["output"])
            assert run("diff", file)["output"] == "lab: in sync\n", at
            if turn % 8 == 0:
                assert settled(goal, host, LESS) == [], at
        run("apply", "topo.yaml")
        run("apply", "changed.yaml", kill_at=total // 2)
        run("destroy", "lab")
        assert settled(before, host) == []


def test_killed_before_acts_of_a_destroy(
    host: Host, before: Snapshot, clean: tuple[Snapshot, Snapshot]
) -> None:
    with server(host) as run:
        nothing = names(host)
        run("apply", "topo.yaml")
        total = run("destroy", "lab")["acts"]
        assert total > 10
        for turn, at in enumerate(spread(total, 24)):
            run("apply", "topo.yaml")
            answer = run("destroy", "lab", kill_at=at)
            assert answer["status"] == -signal.SIGKILL, (at, answer["output"])
            if turn % 2:
                answer = run("apply", "topo.yaml")
                assert answer["status"] == 0, (at, answer["output"])
                assert run("diff", "topo.yaml")["output"] == "lab: in sync\n", at
            answer = run("destroy", "lab")
            assert answer["status"] == 0, (at, answer["output"])
            assert names(host) == nothing, at
            if turn % 4 == 0:
                assert settled(before, host) == [], at


def test_killed_at_random_moments(
    host: Host, before: Snapshot, clean: tuple[Snapshot, Snapshot]
) -> None:
    """The moment may be within a system call, or while netorch reads the kernel."""
    moments = random.Random(7)
    killed = 0
    with server(host) as run:
        seconds = max(run("apply", "topo.yaml")["seconds"], run("destroy", "lab")["seconds"])
        for turn in range(1000 if LONG else 42):
            words = [("apply", "topo.yaml"), ("apply", "changed.yaml"), ("destroy", "lab")][
                turn % 3
            ]
            answer = run(*words, kill_after=moments.uniform(0, 1.2 * seconds))
            killed += answer["status"] == -signal.SIGKILL
            if moments.random() < 0.5:
                answer = run("apply", "topo.yaml")
                assert answer["status"] == 0, (turn, answer["output"])
                assert run("diff", "topo.yaml")["output"] == "lab: in sync\n", turn
                assert settled(clean[0], host, LESS) == [], turn
            else:
                answer = run("destroy", "lab")
                assert answer["status"] == 0, (turn, answer["output"])
                assert settled(before, host) == [], turn
        run("destroy", "lab")
    add_figure(f"killed at {killed} of {turn + 1} random moments")
    assert killed > 15
    assert settled(before, host) == []


@pytest.mark.parametrize("executed", [False, True], ids=["not executed", "executed all the same"])
def test_each_request_refused_once(host: Host, before: Snapshot, executed: bool) -> None:
    """The apply is rolled back with status 1, or succeeds in its next round with status 0."""
    host.write("topo.yaml", GOOD)
    refusals = 0
    with server(host) as run:
        total = run("apply", "topo.yaml")["requests"]
        run("destroy", "lab")
        errors = [errno.EPERM, errno.ENOBUFS, errno.ENOMEM, errno.EBUSY, errno.EEXIST, errno.ENODEV]
        tries = [
            (at, error)
            for at in range(1, total + 1)
            for error in (errors if LONG else [errors[at % len(errors)]])
        ]
        for at, error in tries:
            answer = run("apply", "topo.yaml", fail_at=at, error=error, executed=executed)
            if answer["status"] == 0:
                assert run("diff", "topo.yaml")["output"] == "lab: in sync\n", at
                run("destroy", "lab")
            else:
                assert answer["status"] == 1
                refusals += 1
                assert "Rolled back" in answer["output"], (at, answer["output"])
            assert settled(before, host) == [], (at, answer["output"])
    add_figure(
        f"{len(tries)} refusals of {total} requests, executed: {executed}; "
        f"{refusals} of them rolled back"
    )
    assert refusals > total // 2


def test_each_request_of_an_update_refused_once(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD)
    host.write("changed.yaml", CHANGED)
    with server(host) as run:
        run("apply", "topo.yaml")
        good = shot(host)
        total = run("apply", "changed.yaml")["requests"]
        run("apply", "topo.yaml")
        for at in range(1, total + 1):
            answer = run("apply", "changed.yaml", fail_at=at, error=errno.ENOBUFS)
            if answer["status"] == 0:
                assert run("diff", "changed.yaml")["output"] == "lab: in sync\n", at
                run("apply", "topo.yaml")
            else:
                assert answer["status"] == 1
                assert "could not be rolled back" not in answer["output"], (at, answer["output"])
            assert run("diff", "topo.yaml")["output"] == "lab: in sync\n", at
            if at % 4 == 0:
                assert settled(good, host, LESS) == [], (at, answer["output"])
        run("destroy", "lab")
        assert settled(before, host) == []


def test_each_request_of_a_destroy_refused_once(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD)
    with server(host) as run:
        run("apply", "topo.yaml")
        total = run("destroy", "lab")["requests"]
        for at in range(1, total + 1):
            run("apply", "topo.yaml")
            answer = run("destroy", "lab", fail_at=at, error=errno.ENOBUFS)
            if answer["status"] != 0:
                assert run("destroy", "lab")["status"] == 0
            assert settled(before, host) == [], (at, answer["output"])


# Two commands at once

SLOW = """\
import os, sys, time
from netorch.kernel.system import rtnetlink as rtnl
real = rtnl.Rtnl.send
def send(self, batch):
    open('holding', 'w').close()
    while not os.path.exists('release'):
        time.sleep(0.01)
    return real(self, batch)
rtnl.Rtnl.send = send
from netorch.cli import main
sys.exit(main(sys.argv[1:]))
"""


def hold(host: Host, *args: str) -> Background:
    """Start a netorch that holds the lock until `release`, and return once it has the lock."""
    process = host.start(sys.executable, "-c", SLOW, *args)
    deadline = time.monotonic() + 20
    while (
        not (host.directory / "holding").exists()
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert process.poll() is None
    return process


def release(host: Host) -> None:
    host.write("release", "")


def test_two_applies_at_once_come_one_after_the_other(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD)
    host.write("changed.yaml", CHANGED)
    for _ in range(4):
        runs = [
            netorch(host, "apply", name)
            for name in ("topo.yaml", "changed.yaml", "topo.yaml", "changed.yaml")
        ]
        for run in runs:
            _, err = run.communicate(timeout=60)
            assert run.returncode == 0, err
        sync = [
            host.netorch("diff", name, check=False).returncode
            for name in ("topo.yaml", "changed.yaml")
        ]
        assert sorted(sync) == [0, 2], "the state is one of the two files"
    runs = [
        netorch(host, *words)
        for words in (
            ("apply", "topo.yaml"),
            ("destroy", "lab"),
            ("apply", "changed.yaml"),
            ("destroy", "lab"),
        )
    ]
    for run in runs:
        _, err = run.communicate(timeout=60)
        assert run.returncode == 0, err
    host.netorch("destroy", "lab")
    assert settled(before, host) == []


def test_the_lock_names_its_holder(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    holder = hold(host, "apply")
    for words in (("apply",), ("destroy",)):
        started = time.monotonic()
        process = host.netorch(*words, "--lock-timeout", "0.3", check=False)
        assert time.monotonic() - started >= 0.3
        assert process.returncode == 1
        assert process.stdout == ""
        assert "topology 'lab' is being changed by process" in process.stderr
        assert " -c import os, sys, time" in process.stderr
        assert len(sentences(process.stderr)) == 1
    # diff needs no lock, and another topology has a lock of its own
    assert host.netorch("diff", check=False).returncode in (0, 2)
    host.write("second.yaml", "nodes: {x: {}}\n")
    host.netorch("apply", "second.yaml", "--lock-timeout", "0")
    release(host)
    _, err = holder.communicate(timeout=60)
    assert holder.returncode == 0, err
    assert host.netorch("diff").returncode == 0


def test_a_second_command_waits_for_its_turn(host: Host) -> None:
    host.write("topo.yaml", GOOD)
    holder = hold(host, "apply")
    second = netorch(host, "apply", "--lock-timeout", "60")
    release(host)
    out, err = second.communicate(timeout=90)
    assert second.returncode == 0 and "nothing to do" in out, out + err
    holder.communicate(timeout=60)
    assert holder.returncode == 0


def test_a_holder_that_was_killed_frees_the_lock(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD)
    holder = hold(host, "apply")
    holder.signal(signal.SIGKILL)
    holder.communicate(timeout=60)
    host.netorch("apply", "--lock-timeout", "0")
    host.netorch("destroy")
    assert settled(before, host) == []


# Missing rights, limits and full disks

UNPRIVILEGED = {
    "nobody": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"],
    "root without CAP_NET_ADMIN": [
        "setpriv",
        "--bounding-set=-net_admin",
        "--inh-caps=-net_admin",
        "--",
    ],
}


@pytest.mark.parametrize("who", UNPRIVILEGED)
def test_without_the_rights_of_root(host: Host, before: Snapshot, who: str) -> None:
    host.write("topo.yaml", GOOD)
    host.directory.chmod(0o755)
    for words in (["apply", "-"], ["diff", "-"], ["destroy", "lab"], ["list"]):
        process = host.run(
            *UNPRIVILEGED[who], sys.executable, "-m", "netorch", *words, check=False, input=GOOD
        )
        assert process.returncode == 1, process.stdout
        assert len(sentences(process.stderr)) == 1, process.stderr
        assert "root" in process.stderr
        assert "CAP_NET_ADMIN" in process.stderr
        assert process.stdout == ""
    assert settled(before, host) == []


def test_in_a_new_user_namespace(host: Host, before: Snapshot) -> None:
    """Root of a user namespace needs only a network namespace that belongs to it."""
    host.write("topo.yaml", GOOD)
    mounts = "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /etc/netns"
    script = (
        f"{mounts}; for word in apply diff destroy; "
        f"do {sys.executable} -m netorch $word || exit; done"
    )
    process = host.run("unshare", "-Urnm", "sh", "-c", script, check=False)
    assert process.returncode == 0, process.stderr
    assert "lab: in sync" in process.stdout
    assert settled(before, host) == []


@pytest.mark.uml
def test_a_read_only_proc_sys(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD)
    sh(host, "mount -o bind,ro /proc/sys /proc/sys")
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert "/proc/sys is read-only" in process.stderr, process.stderr
    assert "could not be rolled back" not in process.stderr
    sh(host, "umount /proc/sys")
    assert settled(before, host) == []


@pytest.mark.parametrize("limit", range(5, 65) if LONG else [16, 24, 32, 64, 128])
def test_few_open_files(host: Host, before: Snapshot, limit: int) -> None:
    host.write("topo.yaml", MANY.replace("200", "100"))
    process = host.run(
        "prlimit", f"--nofile={limit}", sys.executable, "-m", "netorch", "apply", check=False
    )
    assert "Traceback" not in process.stderr
    assert "internal error" not in process.stderr, process.stderr
    if limit >= 64 or process.returncode == 0:
        assert process.returncode == 0, process.stderr
        assert host.netorch("diff").returncode == 0
        again = host.run(
            "prlimit", f"--nofile={limit}", sys.executable, "-m", "netorch", "destroy", check=False
        )
        assert again.returncode == 0, again.stderr
    else:
        assert process.returncode == 1
        assert "open files" in process.stderr
        assert "ulimit -n" in process.stderr, process.stderr
    assert "could not be rolled back" not in process.stderr, process.stderr
    assert settled(before, host) == []


@pytest.mark.parametrize("size", ["4k", "16k", "64k"])
def test_a_full_run(host: Host, before: Snapshot, size: str) -> None:
    """The record does not fit, so netorch begins nothing."""
    host.write("topo.yaml", GOOD + "#" + "x" * 70000 + "\n")
    sh(host, f"mkdir /run/netorch; mount -t tmpfs -o mode=700,size={size} tmpfs /run/netorch")
    process = host.netorch("apply", check=False)
    assert process.returncode == 1, process.stdout
    assert "Traceback" not in process.stderr
    assert "internal error" not in process.stderr
    assert "No space left" in process.stderr
    assert "/run/netorch" in process.stderr
    left = settled(before, host, [*OWN_FILES, "mounts: /run/netorch"])
    assert left == []


def test_a_full_run_at_an_update_keeps_the_old_record(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD)
    sh(host, "mkdir /run/netorch; mount -t tmpfs -o mode=700,size=32k tmpfs /run/netorch")
    host.netorch("apply")
    applied = shot(host)
    host.write("topo.yaml", CHANGED + "#" + "x" * 70000 + "\n")
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "No space left" in process.stderr
    assert settled(applied, host, OWN_FILES) == []
    (host.directory / "topo.yaml").unlink()
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("destroy")
    assert settled(before, host, [*OWN_FILES, "mounts: /run/netorch"]) == []


def test_a_read_only_etc_netns(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD)
    sh(host, "mount -o remount,ro /etc/netns")
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert "/etc/netns" in process.stderr
    assert "Read-only file system" in process.stderr
    sh(host, "mount -o remount,rw /etc/netns")
    assert settled(before, host) == []


def test_no_more_namespaces_allowed(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", MANY.replace("200", "20"))
    script = f"""
        mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /etc/netns
        echo 10 >/proc/sys/user/max_net_namespaces
        {sys.executable} -m netorch apply; echo "status $?"
        ls -d /run/net* /run/netns/* /etc/netns/* 2>/dev/null; ip -br link
    """
    process = host.run("unshare", "-Urnm", "sh", "-c", script, check=False)
    assert "status 1" in process.stdout, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    assert "max_net_namespaces" in process.stderr, process.stderr
    left = process.stdout.split("status 1\n")[1]
    assert "/run/" not in left, left
    assert "/etc/" not in left, left
    assert len(left.splitlines()) == 1, left
    assert settled(before, host) == []


def test_files_in_the_records_directory_that_nobody_can_read(host: Host, before: Snapshot) -> None:
    """Each file of a record is cut short in several places, and replaced by other objects.

    netorch ends without a traceback, and no foreign object is lost.
    """
    host.write("topo.yaml", GOOD)
    host.netorch("apply")
    record = host.root / "run/netorch/lab"
    whole = {path.name: path.read_bytes() for path in record.iterdir()}
    with server(host) as run:
        for name, content in whole.items():
            for length in sorted({0, 1, 2, len(content) // 3, len(content) // 2, len(content) - 1}):
                (record / name).write_bytes(content[:length])
                for words in (["list"], ["show", "lab"], ["diff", "topo.yaml"]):
                    run(*words)
            (record / name).write_bytes(b"\x00\xff" * 100)
            run("list")
            (record / name).unlink()
            run("list")
            (record / name).mkdir()
            run("list")
            run("diff", "topo.yaml")
            (record / name).rmdir()
            (record / name).symlink_to("/etc/passwd")
            run("list")
            (record / name).unlink()
            (record / name).write_bytes(content)
        assert run("diff", "topo.yaml")["output"] == "lab: in sync\n"
    host.netorch("destroy")
    assert settled(before, host) == []


def test_it_leaves_no_process_and_no_mount(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", GOOD)
    look = "cat /proc/[0-9]*/comm; cut -d' ' -f3- /proc/self/mountinfo | sort"

    def same(expected: list[str]) -> bool:
        deadline = time.monotonic() + 2
        while sh(host, look).splitlines() != expected:
            if time.monotonic() > deadline:
                return False
        return True

    start = sh(host, look).splitlines()
    host.netorch("apply")
    time.sleep(0.2)
    applied = sh(host, look).splitlines()
    for words in (["apply"], ["diff"], ["show"], ["list"], ["exec", "a", "true"]):
        host.netorch(*words)
        assert same(applied), words
    host.netorch("destroy")
    assert same(start)
