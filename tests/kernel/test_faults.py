"""Test faults of a real netorch process.

strace(1) injects kills, signals and errors at system calls. Another program changes the kernel
meanwhile, several commands run at once, memory is short, the clock is wrong, or one process works
for many rounds. A normal run tries a few places. `NETORCH_CAMPAIGN=long` tries all of them, which
takes long.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.campaign import LONG, add_figure
from tests.kernel.host import Host, Snapshot
from tests.kernel.test_failure import (
    CHANGED,
    GOOD,
    LESS,
    OWN_FILES,
    names,
    server,
    settled,
    sh,
    shot,
)

NETORCH = (sys.executable, "-m", "netorch")
CHANGING = (
    "mount",
    "umount2",
    "unshare",
    "setns",
    "rename,renameat,renameat2",
    "unlink,unlinkat",
    "mkdir,mkdirat",
    "rmdir",
)
ENDING = ("umount2", "rmdir")
"""System calls that the tests hit in a destroy. They hit the others in an apply."""
CHANGING_MORE = ("link,linkat", "sendto,sendmsg", "pwrite64", "ftruncate", "flock", "openat")


@pytest.fixture
def before(host: Host) -> Snapshot:
    sh(
        host,
        "ip link add eth9 type ifb; ip link set eth9 up; ip addr add 192.0.2.1/24 dev eth9; "
        "ip netns add other",
    )
    host.write("topo.yaml", GOOD)
    host.write("changed.yaml", CHANGED)
    return shot(host)


def injected(host: Host, what: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run netorch with a fault. `what` is the value of strace's `inject=`.

    strace counts the calls of each thread by itself.
    """
    calls = what.partition(":")[0]
    trace = (
        "strace",
        "-f",
        "-qqq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={what}",
    )
    return host.run(*trace, *NETORCH, *argv, check=False)


def places(most: int) -> Iterator[int]:
    """Yield the numbers from 1 to `most`: all of them in a long campaign, else ever fewer."""
    at = 1
    while at <= most:
        yield at
        at += 1 if LONG or at < 3 else max(1, at // 2)


def whole(host: Host, before: Snapshot, output: str) -> None:
    """Check that apply leads to the desired state from here, and destroy to the state before."""
    assert "Traceback" not in output, output
    assert "internal error" not in output, output
    done = host.netorch("apply", "topo.yaml", check=False)
    assert done.returncode == 0, output + done.stderr
    assert host.netorch("diff", "topo.yaml", check=False).stdout == "lab: in sync\n"
    host.netorch("destroy", "lab")
    assert settled(before, host) == [], output


@pytest.mark.parametrize("calls", [*CHANGING, *CHANGING_MORE] if LONG else CHANGING)
def test_killed_at_system_calls(host: Host, before: Snapshot, calls: str) -> None:
    """Kill netorch at the n-th call, for each n until a run ends without a kill.

    After each kill, apply the file again or destroy the topology.
    """
    nothing = names(host)
    killed = 0
    for at in places(400 if LONG else 4):
        if calls in ENDING:
            host.netorch("apply", "topo.yaml")
        done = injected(
            host,
            f"{calls}:signal=KILL:when={at}",
            *(["destroy", "lab"] if calls in ENDING else ["apply", "topo.yaml"]),
        )
        if done.returncode == 0:
            host.netorch("destroy", "lab")
            break
        killed += 1
        if at % 2:
            whole(host, before, f"{calls} {at}: {done.stderr}")
        else:
            host.netorch("destroy", "lab")
            assert names(host) == nothing, (calls, at)
            assert settled(before, host) == [], (calls, at)
    add_figure(f"killed at {killed} calls of {calls}")
    assert killed, f"netorch never called {calls}"


@pytest.mark.parametrize("number", ["INT", "TERM", "HUP"] if LONG else ["TERM"])
def test_signals_at_system_calls(host: Host, before: Snapshot, number: str) -> None:
    """netorch rolls back and ends with status 130, unless it had finished already."""
    met = 0
    for calls in ("mount", "sendto,sendmsg", "recvmsg", "unshare", "openat"):
        for at in places(200 if LONG else 4):
            done = injected(host, f"{calls}:signal={number}:when={at}", "apply", "topo.yaml")
            if "Traceback" in done.stderr and not re.search(
                r'netorch/cli/__init__\.py", line \d+, in main', done.stderr
            ):
                continue  # Python was still starting, so the signal did not reach netorch's handler
            assert "Traceback" not in done.stderr, done.stderr
            assert done.returncode in (
                0,
                130,
                -signal.Signals[f"SIG{number}"],
                128 + signal.Signals[f"SIG{number}"],
            ), (calls, at, done)
            if done.returncode == 0:
                host.netorch("destroy", "lab")
                break
            met += 1
            assert settled(before, host, OWN_FILES) == [], (calls, at, done.stderr)
    add_figure(f"SIG{number} at {met} system calls")
    assert met > 5


@pytest.mark.parametrize("error", ["ENOBUFS", "ENOMEM", "EINTR", "EIO"] if LONG else ["ENOBUFS"])
def test_answers_of_the_kernel_are_lost(host: Host, before: Snapshot, error: str) -> None:
    for at in places(300 if LONG else 12):
        done = injected(host, f"recvmsg:error={error}:when={at}", "apply", "topo.yaml")
        assert "Traceback" not in done.stderr, done.stderr
        assert "internal error" not in done.stderr, (at, done.stderr)
        if done.returncode == 0:
            assert host.netorch("diff", "topo.yaml", check=False).stdout == "lab: in sync\n", at
            host.netorch("destroy", "lab")
        assert settled(before, host, OWN_FILES) == [], (at, done.stderr)


FILE_CALLS = ("write", "pwrite64", "rename,renameat", "link,linkat", "mkdir,mkdirat", "ftruncate")
LASTING_CALLS = ("pwrite64", "link,linkat", "ftruncate")
ERRORS = ["ENOSPC", "EIO", "EDQUOT", "EROFS"]


@pytest.mark.parametrize("error", ERRORS if LONG else ERRORS[:1])
@pytest.mark.parametrize("file", ["topo.yaml", "changed.yaml"])
@pytest.mark.parametrize("lasting", ["", "+"] if LONG else [""], ids=repr)
def test_files_cannot_be_written(
    host: Host, before: Snapshot, error: str, file: str, lasting: str
) -> None:
    """Each write of a first apply, or of an update, fails.

    A failed command changes nothing and leaves no half-written file.
    """
    if file == "changed.yaml":
        host.netorch("apply", "topo.yaml")
    start, there = shot(host), names(host)
    met = 0
    # An error that lasts is tried with LASTING_CALLS only. If every write failed, netorch could not
    # print. If every rename failed, or every mkdir failed without reporting EEXIST, it could not
    # restore files in /etc/netns.
    for calls in LASTING_CALLS if lasting else FILE_CALLS:
        passed = 0
        for at in places(60 if LONG else 4):
            done = injected(host, f"{calls}:error={error}:when={at}{lasting}", "apply", "-q", file)
            assert "Traceback" not in done.stderr, done.stderr
            assert "internal error" not in done.stderr, (calls, at, done.stderr)
            if done.returncode == 0:
                passed += 1
                again = ("apply", "topo.yaml") if file == "changed.yaml" else ("destroy", "lab")
                host.netorch(*again)
                if passed == 3:
                    # one run may do without the file, but three in a row have no such call left
                    break
                continue
            met += 1
            assert done.returncode == 1, (calls, at, done)
            assert names(host) == there, (calls, at, done.stderr)
            assert settled(start, host, LESS) == [], (calls, at, done.stderr)
    add_figure(f"{error} at {met} calls that write files, {file} {lasting}")
    assert met > (0 if lasting else 4)
    host.netorch("destroy", "lab")
    assert settled(before, host) == []


TORN = r"""
import os, sys
from netorch.kernel.system import rtnetlink as rtnl
from netorch.netlink import constants as c
real, at, count = rtnl.Rtnl._receive, int(os.environ["TEAR"]), 0
dumps = 0
dump = rtnl.Rtnl.dump
def counted(self, kind, payload):
    global dumps, torn
    dumps += 1
    torn = dumps == at
    return dump(self, kind, payload)
def receive(self):
    global torn
    data = real(self)
    if globals().get("torn"):
        torn = False
        flags = int.from_bytes(data[6:8], "little") | c.NLM_F_DUMP_INTR
        data = data[:6] + flags.to_bytes(2, "little") + data[8:]
    return data
rtnl.Rtnl.dump, rtnl.Rtnl._receive = counted, receive
from netorch.cli import main
status = main(sys.argv[1:])
print(f"dumps {dumps}", file=sys.stderr)
sys.exit(status)
"""


def test_torn_dumps_are_asked_for_again(host: Host, before: Snapshot) -> None:
    host.netorch("apply", "topo.yaml")
    whole_run = host.python(TORN, "diff", "topo.yaml", env={"TEAR": "0"})
    total = int(whole_run.stderr.split()[-1])
    assert total > 10
    for at in range(1, total + 1) if LONG else range(1, total + 1, 5):
        # a remembered comparison asks for other dumps
        host.run("rm", "-f", "/run/netorch/lab/compared")
        done = host.python(TORN, "diff", "topo.yaml", env={"TEAR": str(at)}, check=False)
        assert done.stdout == "lab: in sync\n", (at, done.stdout, done.stderr)
        assert int(done.stderr.split()[-1]) == total, "the second try is part of the same dump"


MEDDLING = {
    "a link deleted": "ip -n b link del eth0 2>/dev/null || true",
    "a namespace deleted": "ip netns del a 2>/dev/null || true",
    "a bridge deleted": "ip link del br-lab 2>/dev/null || true",
    "an address added": "ip -n r addr add 10.44.0.1/24 dev lo 2>/dev/null || true",
    "an address deleted": "ip -n b addr flush dev eth0 2>/dev/null || true",
    "a link set down": "ip -n r link set eth0 down 2>/dev/null || true",
    "a link renamed": "ip -n r link set eth1 down 2>/dev/null && "
    "ip -n r link set eth1 name other9 2>/dev/null || true",
    "a route deleted": "ip route del 10.77.0.0/16 2>/dev/null || true",
    "a rule deleted": "ip rule del priority 1000 2>/dev/null || true",
    "a setting changed": "sysctl -qw net.ipv4.conf.default.rp_filter=0 2>/dev/null || true",
    "the fabric deleted": "ip netns del netorch-lab 2>/dev/null || true",
    "the records removed": "rm -rf /run/netorch 2>/dev/null || true",
}

MEDDLER = r"""
import json, os, subprocess, sys
from netorch.kernel.system import rtnetlink as rtnl; from netorch.kernel.namespaces import open_namespaces as namespaces
at, command, acts = int(os.environ["AT"]), os.environ["COMMAND"], 0
def act():
    global acts
    acts += 1
    if acts == at:
        subprocess.run(["nsenter", "--net=/proc/1/ns/net", "sh", "-c", command], check=False)
send = rtnl.Rtnl.send
def slow(self, batch):
    errors = {}
    for item in batch:
        act()
        errors.update(send(self, [item]))
    return errors
rtnl.Rtnl.send = slow
for name in ("mount", "unshare"):
    real = getattr(namespaces, name)
    def wrapped(*args, real=real):
        act()
        return real(*args)
    setattr(namespaces, name, wrapped)
from netorch.cli import main
status = main(sys.argv[1:])
print(f"acts {acts}", file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("what", MEDDLING)
def test_somebody_changes_things_in_the_middle(host: Host, before: Snapshot, what: str) -> None:
    """netorch repairs the state or reports an error with status 1.

    Status 0 always means that the state is the file's.
    """
    dice = random.Random(what)
    run = host.python(MEDDLER, "apply", "-q", "topo.yaml", env={"AT": "0", "COMMAND": ""})
    acts = int(run.stderr.split()[-1])
    host.netorch("destroy", "lab")
    for _ in range(10 if LONG else 2):
        environment = {"AT": str(dice.randint(acts // 3, acts)), "COMMAND": MEDDLING[what]}
        done = host.python(MEDDLER, "apply", "-q", "topo.yaml", env=environment, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        assert "internal error" not in done.stderr, done.stderr
        if done.returncode == 0 and what != "the records removed":
            assert host.netorch("diff", "topo.yaml", check=False).stdout == "lab: in sync\n", (
                environment,
                done.stderr,
            )
        assert host.netorch("apply", "-q", "topo.yaml", check=False).returncode == 0, environment
        host.netorch("destroy", "lab")
        ignore = (
            ["host: sysctl net/ipv4/conf"]
            if what in {"a setting changed", "the records removed"}
            else []
        )
        assert settled(before, host, [*OWN_FILES, *ignore]) == [], environment
        sh(host, "sysctl -qw net.ipv4.conf.default.rp_filter=2; true") if ignore else None
        before = shot(host) if ignore else before


def test_several_at_once(host: Host, before: Snapshot) -> None:
    """Several commands run at once. None hangs, and the next apply succeeds."""
    dice = random.Random(9)
    words = (
        ["apply", "topo.yaml"],
        ["apply", "changed.yaml"],
        ["destroy", "lab"],
        ["diff", "topo.yaml"],
        ["list"],
    )
    for _ in range(200 if LONG else 4):
        crowd = [
            host.start(*NETORCH, *dice.choice(words), "--debug") for _ in range(dice.randint(2, 8))
        ]
        for process in crowd:
            _, output = process.communicate(timeout=120)
            assert process.returncode in (0, 1, 2), output
            assert (
                "Traceback" not in output
                or "LockedError" in output
                or "ConflictError" in output
                or "KernelRefused" in output
            ), output
        done = host.netorch("apply", "topo.yaml", check=False)
        assert done.returncode == 0, done.stderr
        assert host.netorch("diff", "topo.yaml", check=False).stdout == "lab: in sync\n"
    host.netorch("destroy", "lab")
    assert settled(before, host) == []


def test_little_memory(host: Host, before: Snapshot) -> None:
    """The apply fails or succeeds as a whole."""
    short = 0
    for megabytes in range(20, 220, 10 if LONG else 40):
        done = host.run(
            "prlimit", f"--as={megabytes << 20}", *NETORCH, "apply", "-q", "topo.yaml", check=False
        )
        short += done.returncode != 0
        # Python itself does not start with less memory
        assert megabytes < 40 or (
            "Traceback" not in done.stderr and "internal error" not in done.stderr
        ), (megabytes, done.stderr)
        if done.returncode == 0:
            assert host.netorch("diff", "topo.yaml", check=False).stdout == "lab: in sync\n"
        host.netorch("destroy", "lab")
        assert settled(before, host, OWN_FILES) == [], (megabytes, done.stderr)
    assert short, "netorch never reached a limit"


@contextmanager
def cgroup(controller: str) -> Iterator[Path]:
    """Make a control group of version 1 or 2 with the controller, or skip the test."""
    old, new = Path("/sys/fs/cgroup") / controller, Path("/sys/fs/cgroup")
    if (
        not (old / "cgroup.procs").exists()
        and controller not in _read(new / "cgroup.subtree_control").split()
    ):
        pytest.skip(f"this machine has no usable cgroup controller {controller}")
    group = (old if (old / "cgroup.procs").exists() else new) / f"netorch-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"this machine does not allow new control groups: {error}")
    try:
        yield group
    finally:
        deadline = time.monotonic() + 10
        while _read(group / "cgroup.procs") and time.monotonic() < deadline:
            time.sleep(0.05)
        group.rmdir()


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def confined(host: Host, group: Path, *argv: str) -> tuple[int, str]:
    """Run netorch in a control group from its start, and return its status and its output."""
    process = host.start("sh", "-c", 'read -r go; exec "$0" "$@"', *NETORCH, *argv)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text():
        time.sleep(0.01)
    (group / "cgroup.procs").write_text(children.read_text().split()[0])
    out, err = process.communicate("go\n", timeout=120)
    return process.returncode, out + err


def test_little_memory_in_a_control_group(host: Host, before: Snapshot) -> None:
    """The kernel kills netorch at an arbitrary place when the memory is used up."""
    killed = 0
    with cgroup("memory") as group:
        limit = next(
            group / name
            for name in ("memory.limit_in_bytes", "memory.max")
            if (group / name).exists()
        )
        for turn, megabytes in enumerate(range(10, 64, 3) if LONG else (14, 20, 32)):
            limit.write_text(str(megabytes << 20))
            status, output = confined(host, group, "apply", "-q", "topo.yaml")
            assert status in (0, 1, -signal.SIGKILL, 128 + signal.SIGKILL), output
            killed += status not in (0, 1)
            if turn % 2:
                whole(host, before, output)
            else:
                host.netorch("destroy", "lab")
                assert settled(before, host, OWN_FILES) == [], (megabytes, output)
    add_figure(f"killed for lack of memory at {killed} limits")
    assert killed, "netorch never reached a limit"


def test_few_processes_in_a_control_group(host: Host, before: Snapshot) -> None:
    """Threads count as processes. The apply fails or succeeds as a whole."""
    with cgroup("pids") as group:
        for most in range(1, 9) if LONG else (1, 2, 4):
            (group / "pids.max").write_text(str(most))
            status, output = confined(host, group, "apply", "-q", "topo.yaml")
            assert status in (0, 1), output
            assert status == 0 or "the limit of processes is reached. Raise it" in output, output
            whole(host, before, output)


@pytest.mark.parametrize("shift", ["-1y", "+1y"])
def test_another_clock(host: Host, before: Snapshot, shift: str) -> None:
    host.run("faketime", "-f", shift, *NETORCH, "apply", "-q", "topo.yaml")
    assert host.netorch("diff", "topo.yaml").stdout == "lab: in sync\n"
    assert host.run("faketime", "-f", shift, *NETORCH, "list").returncode == 0
    host.run("faketime", "-f", shift, *NETORCH, "destroy", "-q", "lab")
    assert settled(before, host) == []


def test_after_a_restart_of_the_machine(host: Host, before: Snapshot) -> None:
    """The kernel's objects are gone, but the records remain.

    netorch was killed before the restart, or it was not.
    """
    for kill in (None, 25):
        with server(host) as run:
            run("apply", "topo.yaml", kill_at=kill)
        sh(
            host,
            "for name in a b r netorch-lab; do ip netns del $name || true; done 2>/dev/null; "
            "ip link del br-lab 2>/dev/null || true",
        )
        sh(host, "ip rule del priority 1000 2>/dev/null || true")
        assert host.netorch("apply", "topo.yaml", check=False).returncode == 0
        assert host.netorch("diff", "topo.yaml").stdout == "lab: in sync\n"
        host.netorch("destroy", "lab")
        assert settled(before, host) == []


SOAK = r"""
import gc, json, os, resource, sys, threading, time
from pathlib import Path
from netorch.kernel.files.records import Record
from netorch.converge.orchestrator import Orchestrator
from netorch.resolve.loader import load

files = {name: Path(name).read_bytes() for name in ("topo.yaml", "changed.yaml")}
rounds, figures = int(sys.argv[1]), []
with Orchestrator() as lab:
    for turn in range(rounds + 1):
        for name, data in files.items():
            lab.apply(load(data, name), Record(data.decode(), name, {}, None, time.time(), "0"))
        lab.destroy("lab")
        if turn % max(1, rounds // 10) == 0:
            gc.collect()
            statm = int(Path("/proc/self/statm").read_text().split()[1]) * 4
            mounts = len(Path("/proc/self/mountinfo").read_text().splitlines())
            figures.append((len(os.listdir("/proc/self/fd")), threading.active_count(), mounts, statm))
print(json.dumps(figures))
"""


def soak(host: Host, rounds: int, what: str = "") -> None:
    """Run rounds of topo.yaml, changed.yaml and destroy in one process.

    Check that it has no more open files, threads, mounts and memory at the end.
    """
    figures = json.loads(host.run(sys.executable, "-c", SOAK, str(rounds), timeout=7200).stdout)
    first, middle, last = figures[1], figures[len(figures) // 2], figures[-1]
    # there may be fewer, because mounts of the machine that end are gone here, too
    assert all(end <= begin for end, begin in zip(last[:3], first[:3], strict=True)), figures
    assert last[3] - middle[3] < 2048, f"memory grows: {[entry[3] for entry in figures]} kB"
    add_figure(f"{what}{rounds} rounds: fds, threads, mounts, kB resident: {first} … {last}")


def test_many_rounds_leave_everything_flat(host: Host, before: Snapshot) -> None:
    soak(host, 1000 if LONG else 40)
    assert settled(before, host, OWN_FILES) == []
