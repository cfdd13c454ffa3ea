"""Limits of the machine that are too low: one sentence before anything changes.

Where netorch cannot foresee a limit, the apply fails and is rolled back at the limit.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.kernel.campaign import LONG
from tests.kernel.host import UNFORESEEN, Host, sentences
from tests.kernel.test_failure import settled, sh, shot
from tests.kernel.test_faults import NETORCH, cgroup, confined

NODES = 60
COMMAND = f"{sys.executable} -m netorch"


def star(first: str, nodes: int = NODES, mode: str = "segment") -> str:
    """Return a topology whose nodes have names that begin with `first`."""
    return (
        f"name: lab\nnodes: {{'{first}[1-{nodes}]': {{networks: [lan]}}}}\n"
        f"networks: {{lan: {{subnet: 10.0.0.0/16, mode: {mode}}}}}\n"
    )


def in_user_namespace(host: Host, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script as root of a user namespace, which has limits of its own."""
    mounts = "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /etc/netns\n"
    return host.run("unshare", "-Urnm", "bash", "-c", mounts + script, check=False)


@pytest.mark.parametrize("mode", ["segment", "nat"])
def test_few_network_namespaces(host: Host, mode: str) -> None:
    host.write("topo.yaml", star("n", mode=mode))
    needed = NODES + 1  # the bridge's namespace, or the one in which rules are tried
    for limit in (needed, needed + 1):
        done = in_user_namespace(
            host,
            f"echo {limit} >/proc/sys/user/max_net_namespaces\n"
            f"{COMMAND} diff -q topo.yaml; echo $?\n{COMMAND} apply -q topo.yaml; echo $?\n"
            "ls /run/netns 2>/dev/null | wc -l; ls /etc/netns | wc -l; ls -A /run/netorch 2>/dev/null\n"
            f"{COMMAND} doctor -q topo.yaml\n",
        )
        if limit > needed:
            assert done.stdout.split()[:2] == ["2", "0"], (done.stdout, done.stderr)
            continue
        command = "sysctl -w user.max_net_namespaces=128"
        what = (
            f"user.max_net_namespaces: each user may have {limit} network namespaces, 1 exist "
            f"already, and the topology needs {needed} more"
        )
        assert sentences(done.stderr) == [f"topo.yaml: {what}. Raise the limit: `{command}`."] * 2
        assert done.stdout.splitlines()[:4] == ["1", "1", "0", "0"], done.stdout


def test_at_the_limit_of_namespaces_commands_say_so(host: Host) -> None:
    """One namespace more is needed to try what the file asks for."""
    host.write("topo.yaml", star("n", 5, "nat"))
    done = in_user_namespace(
        host,
        f"{COMMAND} apply -q; echo 6 >/proc/sys/user/max_net_namespaces\n"
        f"{COMMAND} diff; {COMMAND} doctor; {COMMAND} destroy -q; echo $?",
    )
    assert sentences(done.stderr)[:1] == [
        "netorch: a network namespace cannot be made: No space left on device, ENOSPC. "
        "Remove namespaces, or raise the limit user.max_net_namespaces."
    ]
    assert "error: this user cannot have more network namespaces" in done.stdout
    assert done.stdout.splitlines()[-1] == "0"


def test_namespaces_that_end_are_waited_for(host: Host) -> None:
    """The kernel deletes namespaces in the background, and they count until then."""
    host.write("a.yaml", star("a"))
    host.write("b.yaml", star("b", NODES + 10))
    done = in_user_namespace(
        host,
        f"{COMMAND} apply -q a.yaml; echo {NODES + 20} >/proc/sys/user/max_net_namespaces\n"
        f"{COMMAND} apply -q b.yaml && {COMMAND} destroy -q lab && {COMMAND} apply -q a.yaml\n"
        f"{COMMAND} diff a.yaml",
    )
    assert (done.stdout, done.stderr) == ("lab: in sync\n", "")


LIMITS = {
    "namespaces": f"echo {NODES + 15} >/proc/sys/user/max_net_namespaces",
    "names": f"mount -o remount,nr_inodes={NODES + 15} /run/netns",
    # tmpfs counts each link to a file
    "files": f"mount -o remount,nr_inodes={2 * NODES + 15} /etc/netns",
    "open files": "ulimit -n 64",
}


@pytest.mark.parametrize("what", LIMITS)
def test_a_rollback_at_the_limit(host: Host, what: str) -> None:
    """The rollback makes again what the apply had deleted, and needs nothing more for that."""
    host.write("a.yaml", star("a", mode="nat"))
    host.write("b.yaml", star("b", NODES + 30, "nat"))
    program = f"{UNFORESEEN}sys.exit(main(['apply', '-q', 'b.yaml']))"
    host.write("unforeseen.py", program)
    last = "mount -o remount,ro /etc/netns\n" if what == "open files" else ""
    done = in_user_namespace(
        host,
        "mkdir /run/netns; mount -t tmpfs tmpfs /run/netns\n"
        f"{COMMAND} apply -q a.yaml || exit\n"
        f"({LIMITS[what]}; {last} {sys.executable} unforeseen.py; echo $?)\n"
        f"mount -o remount,rw /etc/netns; {COMMAND} diff a.yaml",
    )
    assert done.stdout.splitlines() == ["1", "lab: in sync"], (done.stdout, done.stderr)
    lines = sentences(done.stderr)
    assert lines[-1] == "b.yaml: Rolled back: the kernel is as it was before.", lines
    if not last:
        assert len(lines) == 2, lines
        assert "The same happened to " in lines[0]
        limit = "user.max_net_namespaces" if what == "namespaces" else "`df -i`"
        assert limit in lines[0]


FILL = r"""
mkdir -p /run/full && mount -t tmpfs tmpfs /run/full && mount --make-private /run/full
for i in 0 1 2 3 4 5 6 7 8 9; do mkdir /run/full/spare$i; mount -t tmpfs tmpfs /run/full/spare$i; done
mkdir /run/full/a /run/full/b && mount --bind /run/full/a /run/full/a
mount --make-private /run/full/a && (cd /run/full/a; seq 16 | xargs mkdir)
i=1; while mount --rbind /run/full/a /run/full/a/$i 2>/dev/null; do
    mount --make-rprivate /run/full/a; i=$((i+1))
done
for size in $(seq $((i-1)) -1 1); do
    while mount --rbind /run/full/a/$size /run/full/b 2>/dev/null; do :; done
done
umount /run/full/spare?
"""
"""Makes as many mounts as fs.mount-max allows, but for ten. Each --rbind doubles their number."""


def test_few_mounts(host: Host) -> None:
    """The limit is one of the whole machine, so that a test must not lower it."""
    host.write("topo.yaml", star("n"))
    host.run("ip", "netns", "add", "other")
    before = shot(host)
    done = host.run(
        "unshare", "-m", "bash", "-c", f"{FILL}{COMMAND} apply -q; echo $?", check=False
    )
    if done.stdout != "1\n" or "fs.mount-max:" not in done.stderr:
        pytest.skip(f"the mounts cannot be counted here (Linux 6.8): {done.stderr}")
    assert f"and the topology needs {NODES + 1} more, one for each namespace" in done.stderr
    assert len(sentences(done.stderr)) == 1
    assert settled(before, host) == []
    program = f"{UNFORESEEN}sys.exit(main(['apply', '-q']))"
    host.write("unforeseen.py", program)
    script = f"{FILL}{sys.executable} unforeseen.py; echo $?"
    done = host.run("unshare", "-m", "bash", "-c", script, check=False)
    lines = sentences(done.stderr)
    assert (done.stdout, len(lines)) == ("1\n", 2), done.stderr
    assert "Remove mounts, or raise the limit fs.mount-max." in lines[0]
    assert lines[1] == "topo.yaml: Rolled back: the kernel is as it was before."
    assert settled(before, host) == []


def test_little_memory_in_the_control_group(host: Host) -> None:
    """What cannot fit is refused. What perhaps fits has a warning before the start."""
    host.write("topo.yaml", star("n", 1000))
    sh(host, "mount -t tmpfs tmpfs /sys/fs/cgroup")
    with cgroup("memory") as group:
        new = (group / "memory.max").exists()
        sh(
            host,
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
            if new
            else "mkdir /sys/fs/cgroup/memory; "
            "mount -t cgroup -o memory cgroup /sys/fs/cgroup/memory",
        )
        limit = group / ("memory.max" if new else "memory.limit_in_bytes")
        for megabytes in (120, 180):
            limit.write_text(str(megabytes << 20))
            status, output = confined(host, group, "diff", "-q", "topo.yaml")
            lines = [line for line in output.splitlines() if "neigh" not in line]
            assert len(lines) == 1, output
            begins = "topo.yaml: " if megabytes == 120 else "warning: "
            assert lines[0].startswith(f"{begins}/sys/fs/cgroup/"), output
            assert "the control group of netorch may use " in lines[0]
            assert status == (1 if megabytes == 120 else 2)


def test_few_processes_for_the_parallel_reader(host: Host) -> None:
    """The second process only saves time, so it ends if a thread could not be started otherwise."""
    host.write("topo.yaml", star("n", 120))
    host.netorch("apply", "-q")
    with cgroup("pids") as group:
        (group / "pids.max").write_text("2")
        assert confined(host, group, "diff", "topo.yaml") == (0, "lab: in sync\n")
        for most in (2, 3):
            (group / "pids.max").write_text(str(most))
            host.write("topo.yaml", star("n", 121))
            status, output = confined(host, group, "apply", "-q", "--confirm-within", "9s")
            assert status == 1
            assert output.splitlines() == [
                "netorch: --confirm-within: the process that waits for the confirmation cannot be "
                "started: Resource temporarily unavailable. Raise the limit of processes: "
                "`ulimit -u`, or pids.max of the control group.",
                "netorch: Rolled back: the kernel is as it was before.",
            ]
        host.write("topo.yaml", star("n", 120))
        (group / "pids.max").write_text("2")
        assert confined(host, group, "diff", "topo.yaml") == (0, "lab: in sync\n")
        assert confined(host, group, "destroy", "-q", "lab") == (0, "")


@pytest.mark.parametrize("limit", [256, 1024] if LONG else [256])
def test_few_open_files_with_nat(host: Host, limit: int) -> None:
    """libnftables needs descriptors below 1024, and netorch two for each namespace."""
    networks = range(10 if LONG else 1)
    nodes = ", ".join(f"'n{net}-[1-300]': {{networks: [lan{net}]}}" for net in networks)
    lans = ", ".join(f"lan{net}: {{subnet: 10.{net}.0.0/16, mode: nat}}" for net in networks)
    host.write("topo.yaml", f"name: lab\nnodes: {{{nodes}}}\nnetworks: {{{lans}}}\n")
    few = ("prlimit", f"--nofile={limit}:{limit}", *NETORCH)
    host.run(*few, "apply", "-q")
    assert host.run(*few, "diff").stdout == "lab: in sync\n"
    host.run(*few, "destroy", "-q")
    assert sh(host, "ls -A /run/netns /etc/netns 2>/dev/null || true").split() in (
        [],
        ["/etc/netns:"],
    )
