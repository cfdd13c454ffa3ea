"""Topologies as services of a real systemd: at boot, watched, disabled, and in the journal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.kernel.journal.native import MESSAGE_ID
from tests.kernel.host import Host
from tests.kernel.systemd_host import NotPossible, SystemdHost

FILE = """\
name: lab
vars: {net: 10.0.0}
nodes:
  r[1-2]: {networks: [lan]}
networks:
  lan: {subnet: $(net).0/24, mode: segment}
"""
TAKEN = """\
name: taken
nodes:
  r1: {}
"""
FORGED = f"""\
MESSAGE=this was never done
MESSAGE_ID={MESSAGE_ID}
NETORCH_ACT=destroy
NETORCH_TOPOLOGY=forged
NETORCH_OUTCOME=done
"""
COPY, SETTINGS = "/etc/netorch/lab.yaml", "/etc/netorch/lab.env"
UNITS = ("/etc/systemd/system/netorch@.service", "/etc/systemd/system/netorch-watch.service")
LAB, WATCH = "netorch@lab.service", "netorch-watch.service"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[SystemdHost]:
    try:
        made = SystemdHost(tmp_path)
    except NotPossible as reason:
        pytest.skip(f"no real systemd: {reason}")
    try:
        made.boot()
        yield made
    finally:
        made.close()


def address(machine: SystemdHost, node: str) -> str:
    """Return the IPv4 address of a node's eth0, as `ip` prints it, or ""."""
    done = machine.run("ip", "-n", node, "-4", "-brief", "address", "show", "eth0", check=False)
    return " ".join(done.stdout.split()[1:3])


def acts(machine: SystemdHost, *words: str) -> list[tuple[str, str, str]]:
    """Return act, outcome and user of each act in the journal."""
    machine.run("journalctl", "--sync")
    rows = json.loads(machine.netorch("history", "-o", "json", *words).stdout)["history"]
    return [(row["act"], row["outcome"], row["user"]) for row in rows]


def test_a_topology_lives_from_boot_to_boot(machine: SystemdHost) -> None:
    machine.write("/srv/lab.yaml", FILE)
    enable = ("enable", "/srv/lab.yaml", "--set", "net=10.9.9", "--watch", "--now")
    # nothing of a refused call is left
    machine.write(UNITS[1], "[Service]\nExecStart=/bin/true\n")
    refused = machine.netorch(*enable, check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"netorch: {UNITS[1]} exists, and `netorch enable` did not write it. Remove it, or enable "
        "it yourself: `systemctl enable`.\n"
    )
    assert [machine.read(path) for path in (COPY, SETTINGS, UNITS[0])] == [None, None, None]
    machine.run("rm", UNITS[1])

    first = machine.netorch(*enable)
    assert first.stdout == (
        "lab: /etc/netorch/lab.yaml is applied when this machine starts\n"
        "netorch-watch.service puts right what drifts in the topologies of this machine\n"
    )
    assert machine.read(COPY) == FILE
    assert machine.run("stat", "-c", "%a", COPY, SETTINGS).stdout == "600\n600\n"
    assert 'NETORCH_VAR_net="10.9.9"' in (machine.read(SETTINGS) or "")
    assert str(Path(sys.prefix) / "bin/netorch") in (machine.read(UNITS[0]) or "")
    assert machine.systemctl("is-enabled", LAB, WATCH) == "enabled\nenabled"
    assert address(machine, "r1") == "UP 10.9.9.1/24"
    again = json.loads(machine.netorch(*enable, "-o", "json").stdout)
    assert again["changed"] is False
    verified = machine.run("systemd-analyze", "verify", "--man=no", *UNITS)
    assert (verified.stdout, verified.stderr) == ("", "")

    # a failure to start undoes everything
    machine.write("/srv/taken.yaml", TAKEN)
    failed = machine.netorch("enable", "/srv/taken.yaml", "--now", check=False)
    assert failed.returncode == 1
    assert "systemctl start netorch@taken.service" in failed.stderr
    assert machine.read("/etc/netorch/taken.yaml") is None
    assert machine.systemctl("is-enabled", "netorch@taken.service", check=False) == "disabled"
    assert machine.systemctl("is-system-running") == "running"

    # an edited copy is not overwritten
    edited = FILE.replace("r[1-2]", "r[1-3]")
    machine.write(COPY, edited)
    refused = machine.netorch(*enable, check=False)
    assert refused.returncode == 1
    assert f"{COPY} is not as `netorch enable` wrote it" in refused.stderr
    assert machine.read(COPY) == edited
    machine.systemctl("reload", LAB)
    assert address(machine, "r3") == "UP 10.9.9.3/24"

    machine.crash()
    machine.boot()
    assert address(machine, "r1") == "UP 10.9.9.1/24"
    assert address(machine, "r3") == "UP 10.9.9.3/24"
    assert machine.is_active(LAB)
    machine.wait_for("the watch", lambda: machine.is_active(WATCH))
    assert 'Status: "1 topology, in sync"' in machine.systemctl("status", WATCH)
    # a service of systemd runs in a node
    inside = ("--property=NetworkNamespacePath=/run/netns/r1", "ip", "-4", "-brief", "address")
    assert (
        "10.9.9.1/24" in machine.run("systemd-run", "--wait", "--pipe", "--quiet", *inside).stdout
    )

    # the watch puts right what drifts, and the namespace that it makes again is the machine's
    machine.run("ip", "-n", "r1", "link", "set", "eth0", "down")
    machine.wait_for("the link", lambda: address(machine, "r1") == "UP 10.9.9.1/24")
    machine.run("ip", "netns", "delete", "r2")
    machine.wait_for("the node", lambda: address(machine, "r2") == "UP 10.9.9.2/24")
    machine.run("ip", "netns", "exec", "r1", "ping", "-n", "-c", "5", "-i", "0.2", "10.9.9.2")
    assert machine.netorch("diff", "lab").stdout == "lab: in sync\n"

    # a watch that hangs is started again
    machine.write(
        f"/run/systemd/system/{WATCH}.d/test.conf", "[Service]\nWatchdogSec=4\nRestartSec=0\n"
    )
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", WATCH)
    pid = machine.systemctl("show", "-P", "MainPID", WATCH)
    machine.run("kill", "-STOP", pid)
    machine.wait_for(
        "a new watch", lambda: machine.systemctl("show", "-P", "MainPID", WATCH) != pid
    )
    machine.wait_for("the watch", lambda: machine.is_active(WATCH))

    # the network outlives its services
    machine.systemctl("stop", WATCH, LAB)
    assert address(machine, "r1") == "UP 10.9.9.1/24"
    machine.run("ip", "-n", "r1", "link", "set", "eth0", "down")
    machine.systemctl("start", LAB)
    assert address(machine, "r1") == "UP 10.9.9.1/24"

    past = acts(machine)
    assert past == [
        ("apply", "done", "netorch@lab"),  # --now
        ("apply", "refused", "netorch@taken"),
        ("apply", "done", "netorch@lab"),  # the reload
        ("apply", "done", "netorch@lab"),  # the boot
        *[("reconcile", "done", "netorch-watch")] * (len(past) - 5),
        ("apply", "done", "netorch@lab"),
    ]
    assert len(past) >= 7
    assert acts(machine, "taken") == past[1:2]
    assert acts(machine, "-n", "1") == past[-1:]
    # what another user writes to the journal is not history
    machine.write("/srv/entry", FORGED)
    machine.run("setpriv", "--reuid=65534", "--clear-groups", "logger", "--journald=/srv/entry")
    assert acts(machine) == past
    assert "never" in machine.run("journalctl", "--no-pager", "NETORCH_TOPOLOGY=forged").stdout

    notes = machine.netorch("disable", "lab")
    assert (
        notes.stdout.splitlines()[0] == "lab: it is not applied any more when this machine starts"
    )
    assert f"{COPY} stays" in notes.stderr  # because it was edited
    assert machine.read(SETTINGS) is None
    assert machine.read(UNITS[0]) is None
    assert "is still enabled" in notes.stdout
    machine.netorch("disable", "--watch")
    assert machine.read(UNITS[1]) is None
    assert machine.netorch("disable", "lab").stdout == "lab: it is not enabled\n"
    assert address(machine, "r1") == "UP 10.9.9.1/24"
    machine.netorch("destroy", "lab")
    assert machine.run("ip", "netns").stdout == ""


def test_without_systemd_it_says_what_to_do(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    for words in (["enable", file], ["enable", "--watch"], ["disable", "lab"]):
        done = host.netorch(*words, check=False)
        assert done.returncode == 1
        assert "systemd does not run here" in done.stderr
    done = host.netorch("enable", file, check=False)
    assert f"run `netorch apply {file}` after it has set up the network" in done.stderr
    assert not (host.root / "etc/netorch").exists()
    # a file that does not exist is not part of the advice
    done = host.netorch("enable", "nofile.yaml", check=False)
    assert done.stderr == "netorch: nofile.yaml: No such file or directory.\n"
