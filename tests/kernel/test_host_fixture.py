"""Test the private host, which all other kernel tests use.

It is isolated, nothing of it is left afterwards, and its snapshots are complete.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.host import SOURCE, Host, diff_snapshots


@pytest.fixture
def machine() -> Iterator[None]:
    """Check that the test does not change the machine itself."""
    before = of_machine()
    yield
    assert of_machine() == before


def of_machine() -> tuple[object, ...]:
    links = json.loads(
        subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout
    )
    names = sorted(
        str(path) for top in ("/run/netns", "/etc/netns") for path in Path(top).glob("*")
    )
    forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    mounts = Path("/proc/self/mountinfo").read_text()
    return sorted(link["ifname"] for link in links), names, forwarding, mounts


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.uml
def test_a_fresh_host_has_lo_and_nothing_else(host: Host) -> None:
    assert host.links() == ["lo"]
    assert "UP" in host.ip("link", "show", "lo")[0]["flags"]
    assert host.ping(None, "127.0.0.1")
    assert not (host.root / "run/netns").exists()
    assert list((host.root / "etc/netns").iterdir()) == []


@pytest.mark.uml
def test_nothing_done_in_it_reaches_the_machine(machine: None, host: Host) -> None:
    host.run("ip", "link", "add", "br-test", "type", "bridge")
    host.run("ip", "netns", "add", "r1")
    host.run(
        "sh",
        "-c",
        "mkdir -p /etc/netns/r1 && echo 127.0.0.1 r1 >/etc/netns/r1/hosts && "
        "echo 1 >/proc/sys/net/ipv4/ip_forward",
    )
    assert (host.root / "run/netns/r1").exists()


@pytest.mark.uml
def test_closing_ends_its_processes(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.start("sleep", "600") as process:
        holder = host.pid
        host.close()
        assert process.wait(timeout=5) != 0
    deadline = time.monotonic() + 5
    while alive(holder) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(holder)


@pytest.mark.uml
def test_it_ends_when_the_test_run_is_killed(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; from tests.kernel.host import Host\n"
        "host = Host(pathlib.Path(sys.argv[1])); sleeper = host.start('sleep', '600'); "
        "print(host.pid, flush=True); time.sleep(600)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=SOURCE
    )
    assert run.stdout is not None
    holder = int(run.stdout.readline())
    run.kill()
    run.wait()
    run.stdout.close()
    deadline = time.monotonic() + 10
    while alive(holder) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(holder)


@pytest.mark.uml
def test_a_command_that_hangs_is_ended(host: Host) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        host.run("sh", "-c", "sleep 600 & wait", timeout=0.3)


def test_a_signal_reaches_the_command(host: Host) -> None:
    with host.start(
        "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done"
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 7


def test_exit_status_and_output_come_back(host: Host) -> None:
    done = host.run("sh", "-c", "cat; echo wrong >&2; exit 3", check=False, input="typed")
    assert (done.returncode, done.stdout, done.stderr) == (3, "typed", "wrong\n")
    with pytest.raises(AssertionError, match="exit status 3"):
        host.run("sh", "-c", "exit 3")


def test_commands_run_in_the_directory_of_the_test(host: Host, tmp_path: Path) -> None:
    path = host.write("topo.yaml", "name: x\n")
    assert host.run("cat", "topo.yaml").stdout == "name: x\n"
    assert host.run("pwd").stdout.strip() == str(tmp_path) == str(path.parent)


def test_the_environment_of_pytest_stays_outside(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("NETORCH_VAR_x", "1")
    assert not {"NO_COLOR", "NETORCH_VAR_x"} & {
        line.partition("=")[0] for line in host.run("env").stdout.splitlines()
    }
    assert "NETORCH_VAR_x=2" in host.run("env", env={"NETORCH_VAR_x": "2"}).stdout


def test_a_snapshot_of_an_unchanged_host_is_the_same(host: Host) -> None:
    host.run("sh", "-ec", BUSY)
    before = host.snapshot()
    assert host.ping("r1", "10.0.0.1") and host.ping(None, "10.0.0.2")
    assert diff_snapshots(before, host.snapshot()) == []


BUSY = """
ip netns add r1
ip link add br0 type bridge
ip link add eth0 netns r1 type veth peer name v0
ip link set v0 master br0 up
ip link set br0 up
ip address add 10.0.0.1/24 dev br0
ip -n r1 link set eth0 up
ip -n r1 address add 10.0.0.2/24 dev eth0
"""

CHANGES = {
    "ip link add dummy9 type veth peer dummy8": "+ host: link dummy9 ",
    "ip link set br0 mtu 1400": "~ host: link br0: mtu 1500 → 1400",
    "ip link set br0 down": "~ host: link br0: flags ",
    "ip link set br0 alias someone": '~ host: link br0: ifalias null → "someone"',
    "ip link property add dev br0 altname other": '~ host: link br0: altnames null → ["other"]',
    "ip link set v0 nomaster": "- host: ports ",
    "ip link set v0 type bridge_slave hairpin on": "+ host: ports ",
    "ip -n r1 address add 10.0.0.7/24 dev eth0": "+ netns r1: address eth0 10.0.0.7/24 ",
    "ip -n r1 address add fd00::7/64 dev eth0": "+ netns r1: address eth0 fd00::7/64 ",
    "ip -n r1 route add default via 10.0.0.1": "+ netns r1: routes ",
    "ip -n r1 -6 route add unreachable fd99::/64 table 100": "+ netns r1: routes ",
    "ip rule add from 10.9.0.0/24 table 100": "+ host: rules4 ",
    "ip -6 rule add from fd09::/64 table 100": "+ host: rules6 ",
    "ip neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev br0": "+ host: neighbours ",
    "bridge fdb add 02:00:00:00:00:09 dev v0 master static": "+ host: fdb ",
    "echo 1 >/proc/sys/net/ipv4/ip_forward": "~ host: sysctl net/ipv4/ip_forward: 0 → 1",
    "ip netns exec r1 sh -c 'echo 0 >/proc/sys/net/ipv4/conf/eth0/send_redirects'": (
        "~ netns r1: sysctl net/ipv4/conf/eth0/send_redirects: 1 → 0"
    ),
    "ip netns add r2": "+ netns r2: link lo ",
    "ip netns delete r1": "- netns r1: link eth0 ",
    "touch /run/netns/stale": "+ netns stale: broken no namespace",
    "mkdir /run/netorch && echo x >/run/netorch/lab.yaml": "+ files: /run/netorch/lab.yaml 644 'x\\n'",
    "mkdir /etc/netns/r1 && echo x >/etc/netns/r1/hosts": "+ files: /etc/netns/r1/hosts 644 'x\\n'",
    "mkdir /run/x && mount -t tmpfs x /run/x": "+ mounts: /run/x tmpfs ",
}


def test_a_snapshot_contains_changes_of_every_sort(tmp_path: Path) -> None:
    missed = {}
    for number, (command, line) in enumerate(CHANGES.items()):
        directory = tmp_path / str(number)
        directory.mkdir()
        host = Host(directory)
        try:
            host.run("sh", "-ec", BUSY)
            before = host.snapshot()
            host.run("sh", "-ec", command)
            changes = diff_snapshots(before, host.snapshot())
            if not any(change.startswith(line) for change in changes):
                missed[command] = changes
        finally:
            host.close()
    assert missed == {}


def test_a_snapshot_contains_rules_but_not_their_counters(host: Host) -> None:
    if host.run("nft", "add", "table", "inet", "other", check=False).returncode != 0:
        pytest.skip("this kernel has no nf_tables for inet")
    before = host.snapshot()
    host.run(
        "nft",
        "add chain inet other c { type filter hook input priority 0; }; "
        "add rule inet other c counter accept",
    )
    counted = host.snapshot()
    assert [change[:12] for change in diff_snapshots(before, counted)] == ["~ host: nft:"]
    assert host.ping(None, "127.0.0.1")
    assert diff_snapshots(counted, host.snapshot()) == []


def test_parts_of_a_diff_can_be_left_out(host: Host) -> None:
    before = host.snapshot()
    host.run("mkdir", "/run/netorch")
    after = host.snapshot()
    assert diff_snapshots(before, after) == ["+ files: /run/netorch/ 755"]
    assert diff_snapshots(before, after, ignore=["files: /run/netorch"]) == []


def test_set_up_is_quick(tmp_path: Path) -> None:
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        host = Host(tmp_path)
        best = min(best, time.perf_counter() - started)
        host.close()
    assert best < 0.05


def test_without_its_programs_it_raises_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Host, "environment", staticmethod(lambda: {"PATH": os.fspath(tmp_path)}))
    with pytest.raises((RuntimeError, FileNotFoundError)):
        Host(tmp_path)
