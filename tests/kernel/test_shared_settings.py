"""Test settings of the host that several topologies need: the last one restores the values."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.test_failure import sh

# Runs two commands at once. Each waits before its PHASES until the other one has come to one of its
# own, or has ended.
TWO = r"""
import sys, threading
import netorch
from netorch.converge.orchestrator import Orchestrator

barrier = threading.Barrier(2, timeout=60)
failed = []

def meet(phases):
    waiting = list(phases)
    def phase(name):
        if waiting and name == waiting[0]:
            waiting.pop(0)
            barrier.wait()
    def rest():
        for _ in waiting:
            barrier.wait()
    return phase, rest

def work(act, name, phases):
    phase, rest = meet(phases)
    try:
        with Orchestrator() as lab:
            if act == "destroy":
                lab.destroy(name, phase=phase)
            else:
                topology = netorch.load(f"{name}.yaml")
                lab.apply(topology.loaded, topology.record(), phase=phase)
    except BaseException as error:
        failed.append(f"{name}: {error!r}")
    finally:
        rest()

threads = [
    threading.Thread(target=work, args=(act, name, [word for word in phases.split(",") if word]))
    for act, name, phases in (argument.split(":") for argument in sys.argv[1:])
]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(failed)
sys.exit(bool(failed))
"""

TOPOLOGY = """
name: {name}
backend: {{nat: {backend}}}
nodes:
  host: {{sysctls: {sysctls}}}
  {name}a: {{networks: [{name}n]}}
  {name}b: {{networks: [{name}n]}}
networks: {{{name}n: {{mode: {mode}, subnet: 10.6{number}.0.0/24}}}}
"""
SETTINGS = {
    "net/ipv4/ip_forward": "0",
    "net/netfilter/nf_conntrack_udp_timeout": "30",
    "net/ipv4/conf/all/rp_filter": "0",
}


def write(host: Host, mode: str, backend: str) -> None:
    sysctls = "{net.netfilter.nf_conntrack_udp_timeout: 77, net.ipv4.conf.all.rp_filter: 2}"
    for number, name in enumerate(("t1", "t2", "t3")):
        text = TOPOLOGY.format(
            name=name, number=number, mode=mode, sysctls=sysctls, backend=backend
        )
        host.write(f"{name}.yaml", text)


def settings(host: Host) -> dict[str, str]:
    return {path: host.run("cat", f"/proc/sys/{path}").stdout.strip() for path in SETTINGS}


def two(host: Host, first: str, second: str) -> None:
    """Run two commands ACT:NAME:PHASES at once, which wait for each other before the PHASES."""
    done = host.run(sys.executable, "-c", TWO, first, second, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def ready(host: Host) -> Host:
    # conntrack's settings exist from the first rule that needs it
    for path, value in SETTINGS.items():
        host.run("sh", "-c", f"echo {value} >/proc/sys/{path}")
    return host


@pytest.mark.parametrize("mode", ["nat", "routed"])
@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_two_that_go_at_once(ready: Host, mode: str, backend: str) -> None:
    """Each reads the state while the other one still needs the settings.

    Each reads it again before either record is deleted.
    """
    write(ready, mode, backend)
    ready.netorch("apply", "t1.yaml")
    ready.netorch("apply", "t2.yaml")
    assert settings(ready) == dict(zip(SETTINGS, ["1", "77", "2"], strict=True))
    two(ready, "destroy:t1:removing,verifying", "destroy:t2:removing,verifying")
    assert settings(ready) == SETTINGS
    assert "netorch" not in ready.run("ls", "-A", "/run").stdout
    for name in ("t1", "t2"):
        assert ready.netorch("destroy", name).stdout == f"{name}: nothing to destroy\n"


def test_two_that_come_at_once(ready: Host) -> None:
    """Neither takes a value that the other one has set for an original value."""
    write(ready, "nat", "auto")
    two(ready, "apply:t1:making,verifying", "apply:t2:making,verifying")
    for last in (("t1", "t2"), ("t2", "t1")):
        for name in last:
            assert settings(ready)["net/ipv4/ip_forward"] == "1"
            ready.netorch("destroy", name)
        assert settings(ready) == SETTINGS
        two(ready, "apply:t1:reading,verifying", "apply:t2:reading,verifying")
    ready.netorch("destroy", "--all")
    assert settings(ready) == SETTINGS


@pytest.mark.parametrize(
    ("going", "coming"),
    [
        ("removing", "reading"),
        ("removing", "making"),
        ("removing", "verifying"),
        ("verifying", "reading"),
        ("verifying", "making"),
        ("verifying", "verifying"),
    ],
)
def test_one_goes_while_another_comes(ready: Host, going: str, coming: str) -> None:
    """The new topology has its settings until it is destroyed itself."""
    write(ready, "nat", "auto")
    ready.netorch("apply", "t1.yaml")
    two(ready, f"destroy:t1:{going}", f"apply:t2:{coming}")
    assert settings(ready) == dict(zip(SETTINGS, ["1", "77", "2"], strict=True))
    assert ready.netorch("diff", "t2.yaml").stdout == "t2: in sync\n"
    ready.netorch("destroy", "t2")
    assert settings(ready) == SETTINGS


@pytest.mark.parametrize("phase", ["making", "verifying"])
def test_one_needs_a_setting_no_more_while_another_goes(ready: Host, phase: str) -> None:
    """An apply of a file without the setting gives it up."""
    write(ready, "nat", "auto")
    ready.netorch("apply", "t1.yaml")
    ready.netorch("apply", "t2.yaml")
    path: Path = ready.directory / "t1.yaml"
    path.write_text("name: t1\nnodes: {t1a: {}}\n")
    other = {"making": "removing", "verifying": "verifying"}[phase]
    two(ready, f"apply:t1:{phase}", f"destroy:t2:{other}")
    assert settings(ready) == SETTINGS
    assert ready.netorch("diff", "t1.yaml").stdout == "t1: in sync\n"
    ready.netorch("destroy", "t1")
    assert settings(ready) == SETTINGS


def test_a_failed_apply_gives_up_what_only_it_needed(ready: Host) -> None:
    write(ready, "nat", "auto")
    ready.netorch("apply", "t1.yaml")
    text = (ready.directory / "t2.yaml").read_text()
    wrong = text.replace("  t2a: {", "  t2a: {sysctls: {net.ipv4.no_such: 1}, ")
    ready.write("t2.yaml", wrong)
    assert ready.unforeseen("apply", "t2.yaml", check=False).returncode == 1
    assert settings(ready) == dict(zip(SETTINGS, ["1", "77", "2"], strict=True))
    ready.netorch("destroy", "t1")
    assert settings(ready) == SETTINGS
    assert ready.unforeseen("apply", "t2.yaml", check=False).returncode == 1
    assert settings(ready) == SETTINGS


def test_a_failed_update_has_its_settings_again(ready: Host) -> None:
    """An apply fails whose file no longer needs the settings.

    The topology still needs them when the other one is destroyed.
    """
    write(ready, "nat", "auto")
    ready.netorch("apply", "t1.yaml")
    ready.netorch("apply", "t2.yaml")
    ready.write("t1new.yaml", "name: t1\nnodes: {t1a: {sysctls: {net.ipv4.no_such: 1}}}\n")
    assert ready.unforeseen("apply", "t1new.yaml", check=False).returncode == 1
    ready.netorch("destroy", "t2")
    assert settings(ready) == dict(zip(SETTINGS, ["1", "77", "2"], strict=True))
    assert ready.netorch("diff", "t1.yaml").stdout == "t1: in sync\n"
    ready.netorch("destroy", "t1")
    assert settings(ready) == SETTINGS


def test_two_topologies_that_want_different_values(host: Host) -> None:
    sh(host, "ip netns add n")
    text = (
        "name: {name}\nnodes: {{host: {{sysctls: {{net.ipv4.conf.all.rp_filter: {value}}}}},"
        " {node}: {{attach: netns:n, sysctls: {{net.ipv4.conf.all.arp_ignore: {value}}}}}}}\n"
    )
    host.write("a.yaml", text.format(name="a", node="s", value=2))
    host.write("b.yaml", text.format(name="b", node="other", value=1))
    host.netorch("apply", "a.yaml")
    before = host.snapshot()
    for command in ("apply", "diff"):
        failed = host.netorch(command, "b.yaml", check=False)
        assert failed.returncode == 1
        assert failed.stderr.count("topology 'a' has set it to 2, and this file asks for 1") == 2
        assert "sysctl host net.ipv4.conf.all.rp_filter" in failed.stderr
        assert "sysctl other net.ipv4.conf.all.arp_ignore" in failed.stderr
    assert diff_snapshots(before, host.snapshot()) == []
    host.write("b.yaml", text.format(name="b", node="other", value=2))
    host.netorch("apply", "b.yaml")
    host.write("b.yaml", text.format(name="b", node="other", value=1))
    assert "topology 'a' has set it" in host.netorch("apply", "b.yaml", check=False).stderr
    host.netorch("destroy", "a")
    host.netorch("apply", "b.yaml")
    assert host.run("cat", "/proc/sys/net/ipv4/conf/all/rp_filter").stdout == "1\n"
    host.netorch("destroy", "b")
    assert host.run("cat", "/proc/sys/net/ipv4/conf/all/rp_filter").stdout == "0\n"
    assert "arp_ignore = 0" in sh(host, "ip netns exec n sysctl net.ipv4.conf.all.arp_ignore")


def test_a_topology_repairs_its_setting_whatever_another_one_wants(host: Host) -> None:
    text = "name: {name}\nnodes: {{host: {{sysctls: {{net.ipv4.conf.all.rp_filter: 2}}}}}}\n"
    for name in ("a", "b"):
        host.write(f"{name}.yaml", text.format(name=name))
        host.netorch("apply", f"{name}.yaml")
    record = host.root / "run/netorch/b/topology.yaml"
    record.write_text(record.read_text().replace(": 2", ": 1"))
    sh(host, "sysctl -qw net.ipv4.conf.all.rp_filter=0")
    host.netorch("apply", "a.yaml")
    assert host.run("cat", "/proc/sys/net/ipv4/conf/all/rp_filter").stdout == "2\n"
