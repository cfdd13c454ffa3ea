"""Test that limits, filters and missing parts of the system end in a message, not in a crash."""

from __future__ import annotations

import sys

import pytest

from tests.kernel.campaign import LONG
from tests.kernel.host import Host, diff_snapshots
from tests.kernel.test_failure import sh

NAT = """\
name: lab
nodes: {a: {networks: [lan]}, b: {networks: [lan]}}
networks: {lan: {mode: nat, subnet: 10.0.0.0/24}}
"""
# strace(1) makes these system calls fail, one entry at a time
CALLS = (
    "memfd_create",
    "unshare",
    "setns",
    "mount",
    "socket",
    "bind",
    "flock",
    "prlimit64",
    "clone,clone3,fork,vfork",
    "rename",
    "link",
    "mkdir,mkdirat",
    "sched_getaffinity",
    "pidfd_open",
    "setsockopt",
    "pipe2",
    "eventfd2",
)


def check(stderr: str, status: int) -> None:
    assert "internal error" not in stderr, stderr
    assert "Traceback" not in stderr, stderr
    assert status in (0, 1, 2), (status, stderr)
    if status == 1:
        assert stderr.startswith(("netorch: ", "topo.yaml", "warning: ")), stderr


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS", "ENOMEM"] if LONG else ["EPERM"])
def test_system_calls_that_are_forbidden(host: Host, error: str) -> None:
    host.write("topo.yaml", NAT)
    for calls in CALLS:
        strace = ("strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={calls}")
        inject = (*strace, "-e", f"inject={calls}:error={error}")
        for command in ("apply", "list", "destroy") if LONG else ("apply",):
            done = host.run(*inject, sys.executable, "-m", "netorch", command, check=False)
            check(done.stderr, done.returncode)
        host.netorch("destroy", "lab", check=False)
        assert host.run("ip", "-br", "link").stdout.split()[:1] == ["lo"]
        assert sh(host, "ls -A /run/netns /etc/netns 2>/dev/null || true").split() in (
            [],
            ["/etc/netns:"],
        )


def test_without_memory_files_nftables_works(host: Host) -> None:
    host.write("topo.yaml", NAT)
    trace = ("strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=memfd_create")
    inject = (*trace, "-e", "inject=memfd_create:error=EPERM")
    for command in ("apply", "diff", "destroy"):
        done = host.run(*inject, sys.executable, "-m", "netorch", command, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("limit", range(5, 20) if LONG else [5, 7, 9, 11])
def test_few_open_files_of_each_command(host: Host, limit: int) -> None:
    host.write("topo.yaml", NAT)
    host.netorch("apply")
    for command in (
        ["apply"],
        ["diff"],
        ["explain", "a", "b"],
        ["exec", "a", "true"],
        ["doctor"],
        ["destroy"],
    ):
        done = host.run(
            *("prlimit", f"--nofile={limit}", sys.executable, "-m", "netorch", *command),
            check=False,
        )
        assert "internal error" not in done.stderr, (command, done.stderr)
        assert "Traceback" not in done.stderr, (command, done.stderr)
        if done.returncode not in (0, 2):
            assert "open files" in done.stderr.lower(), (command, done.stderr)
    host.netorch("destroy", "lab")


LOCKS = {
    "fifo": "mkfifo {0}",
    "directory": "mkdir {0}",
    "socket": "{1} -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{0}\")'",
    "link": "ln -s /nowhere {0}",
    "device": "mknod {0} c 1 3",
}


@pytest.mark.parametrize("what", LOCKS)
def test_a_lock_that_is_not_a_file(host: Host, what: str) -> None:
    host.write("topo.yaml", NAT)
    path = "/run/netorch/lab.lock"
    sh(host, "mkdir -m 700 /run/netorch; " + LOCKS[what].format(path, sys.executable))
    for command in (["apply"], ["destroy", "lab"], ["confirm", "lab"]):
        done = host.netorch(*command, check=False)
        assert done.returncode == 1, (command, done.stdout)
        assert f"netorch: {path}: " in done.stderr, done.stderr
        assert f"`mv {path} {path}.old`" in done.stderr, done.stderr
    for command in (["list"], ["diff"]):
        assert host.netorch(*command, check=False).returncode in (0, 2)
    sh(host, f"mv {path} {path}.old")
    host.netorch("apply")
    host.netorch("destroy")


def test_a_process_in_hexadecimal(host: Host) -> None:
    with host.start("unshare", "-n", "sleep", "60") as process:
        inside = sh(host, "until pgrep -fx 'sleep 60'; do sleep 0.02; done").split()[-1]
        host.write("topo.yaml", f'name: lab\nnodes: {{box: {{attach: "pid:{int(inside):#x}"}}}}\n')
        host.netorch("apply")
        assert host.netorch("diff").stdout == "lab: in sync\n"
        assert "a" in host.netorch("list").stdout
        host.netorch("destroy")
        process.kill()


@pytest.mark.parametrize(
    "streams", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"]
)
def test_streams_that_cannot_be_used(host: Host, streams: str) -> None:
    host.write("topo.yaml", NAT)
    netorch = f"{sys.executable} -m netorch"
    for command in ("validate", "apply", "list", "doctor", "destroy", "destroy --nonsense -o json"):
        done = host.run("sh", "-c", f"{netorch} {command} {streams}", check=False)
        assert "internal error" not in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        full = streams == ">/dev/full" and "nonsense" not in command
        assert done.returncode == (64 if "nonsense" in command else 1 if full else 0), command
        if full:
            assert done.stderr.endswith("netorch: standard output: No space left on device\n")


MISSING = {
    "no proc": "mount -t tmpfs none /proc",
    "no sys": "mount -t tmpfs none /sys",
    "read-only run": "mount -o remount,ro /run",
    "no folder": "mkdir gone; cd gone; rmdir ../gone",
    "no environment": "unset HOME PATH; export PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "odd locale": "export LC_ALL=xx_YY.nope PYTHONUTF8=0 PYTHONIOENCODING=ascii",
    "no file size": "ulimit -f 0",
    "little memory": "ulimit -v 100000",
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing(host: Host, what: str) -> None:
    host.write("topo.yaml", NAT)
    path = host.directory / "topo.yaml"
    netorch = f"{sys.executable} -m netorch"
    for command in (
        f"validate {path}",
        f"apply {path}",
        f"diff {path}",
        "list",
        "show lab",
        "doctor",
        "exec a true",
        f"validate - <{path}",
        "destroy lab",
    ):
        script = f"{MISSING[what]}\n{netorch} {command} 2>&1 | cat"
        output = host.run("unshare", "-m", "bash", "-c", script, check=False).stdout
        assert "internal error" not in output, (command, output)
        assert "Traceback" not in output, (command, output)
    host.netorch("destroy", "lab", check=False)


def test_a_udp_port_that_a_program_has(host: Host) -> None:
    node = (
        "name: lab\nnodes: {r1: {interfaces: {d0: {kind: tap, addresses: [10.0.0.1/24]}TUNNEL}}}\n"
    )
    tunnel = ", x0: {kind: vxlan, vni: 7, port: 14789, local: 10.0.0.1, remote: 10.0.0.2}"
    host.write("topo.yaml", node.replace("TUNNEL", ""))
    host.netorch("apply")
    program = host.start(
        *("ip", "netns", "exec", "r1", sys.executable, "-c"),
        "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "s.bind(('', 14789)); print('ready', flush=True); time.sleep(1000)",
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    before = host.snapshot()
    host.write("topo.yaml", node.replace("TUNNEL", tunnel))
    done = host.netorch("apply", check=False)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr and "`ss -lunp`" in done.stderr, done.stderr
    assert diff_snapshots(before, host.snapshot(), ("files: /run/netorch/lab.lock",)) == []
