"""Test another program that changes what an apply has just set.

netorch sets it again and reports it. If the program goes on, netorch reports it and rolls back.
"""

from __future__ import annotations

import signal
import sys

import pytest

from tests.kernel.host import Host, diff_snapshots

MEDDLER = r"""
import os, subprocess, sys
from netorch.converge import transaction
compare, looks, times = transaction.compare, 0, int(os.environ["TIMES"])
def meddle(*args, **more):
    global looks
    looks += 1
    if 2 <= looks < 2 + times:
        subprocess.run(["sh", "-ec", os.environ["COMMAND"]], check=True)
    return compare(*args, **more)
transaction.compare = meddle
from netorch.cli import main
sys.exit(main(sys.argv[1:]))
"""
FILE = """\
name: lab
nodes: {a: {}, r: {}}
links: [{endpoints: [a:eth0, r:eth0], subnet: 10.0.0.0/30}]
"""

CHANGES = {
    "ip -n r link set eth0 mtu 1300": "veth r/eth0: mtu is 1300, not 1500",
    "ip -n r addr add 10.9.9.9/24 dev eth0": "address r/eth0 10.9.9.9/24: it was added",
    "ip -n r addr flush dev eth0": "address r/eth0 10.0.0.2/30: it was deleted",
    "ip -n r route add blackhole 10.67.0.0/24": (
        "route r 10.67.0.0/24: it was added (protocol boot: made with `ip`, by hand or by a script)"
    ),
}


@pytest.mark.parametrize("command", CHANGES)
def test_a_change_in_the_meantime_is_reported(host: Host, command: str) -> None:
    file = host.write("lab.yaml", FILE)
    done = host.run(
        sys.executable,
        "-c",
        MEDDLER,
        "apply",
        str(file),
        env={"TIMES": "1", "COMMAND": command},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    title, _, change = CHANGES[command].partition(": ")
    note = f"{title}: changed by something else meanwhile, and set again: {change}"
    assert note in done.stdout + done.stderr
    assert host.netorch("diff", file).stdout == "lab: in sync\n"


def test_a_namespace_that_somebody_deletes(host: Host) -> None:
    """The deleted node's cable ends in the fabric.

    This apply changes nothing there, so netorch does not read the fabric again by itself.
    """
    text = (
        "name: lab\nnetworks: {lan: {subnet: 10.0.0.0/24, mode: segment}}\nnodes:\n"
        "  a: {networks: {lan: 10.0.0.1}}\n"
    )
    file = host.write(
        "lab.yaml",
        f"{text}  b: {{networks: {{lan: 10.0.0.2}}}}\n  c: {{networks: {{lan: 10.0.0.3}}}}\n",
    )
    host.netorch("apply", file)
    file.write_text(file.read_text().replace("10.0.0.3", "10.0.0.4"))
    environment = {"TIMES": "1", "COMMAND": "ip netns del b"}
    done = host.python(MEDDLER, "apply", str(file), env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "changed by something else meanwhile, and set again" in done.stdout + done.stderr
    assert host.netorch("diff", file).stdout == "lab: in sync\n"
    assert host.run("ip", "netns", "exec", "b", "ping", "-c1", "-w5", "10.0.0.4").returncode == 0


def test_processes_of_a_node_in_which_a_change_does_not_stay(host: Host) -> None:
    file = host.write("lab.yaml", FILE.replace("r: {}", "r: {}, c: {}"))
    host.netorch("apply", file)
    before = host.snapshot()
    sleeper = host.start("ip", "netns", "exec", "r", "sleep", "300")
    file.write_text(FILE.replace("10.0.0.0/30", "10.0.1.0/30"))
    # wait until the process is in the namespace
    while (
        "sleep"
        not in host.run(
            "sh", "-c", "for p in $(ip netns pids r); do cat /proc/$p/comm; done"
        ).stdout
    ):
        pass
    environment = {"TIMES": "9", "COMMAND": "ip -n r addr flush dev eth0"}
    done = host.python(MEDDLER, "apply", str(file), env=environment, check=False)
    assert done.returncode == 1
    assert "lab.yaml:3:" in done.stderr
    assert (
        "address r/eth0 10.0.1.2/30: does not stay as netorch sets it: it was deleted."
        in done.stderr
    )
    assert "Does another program on this machine change it? Processes in r: sleep (" in done.stderr
    sleeper.signal(signal.SIGKILL)
    sleeper.communicate()
    assert "Rolled back: the kernel is as it was before." in done.stderr
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch"]) == []
    host.netorch("apply", file)


REMOVER = r"""
import sys
from netorch.kernel.namespaces.open_namespaces import Namespaces
prepare, times = Namespaces.prepare, 0
def prepare_and_lose(self):
    global times
    prepare(self)
    times += 1
    if times == 1:
        self.tidy()
Namespaces.prepare = prepare_and_lose
from netorch.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_destroy_elsewhere_that_removes_the_empty_folder_of_names(host: Host) -> None:
    """`destroy` of another topology finds /run/netns empty before the first name is in it."""
    file = host.write("lab.yaml", FILE)
    host.run("sh", "-c", "umount /run/netns; rmdir /run/netns", check=False)
    done = host.run(sys.executable, "-c", REMOVER, "apply", str(file), check=False)
    assert done.returncode == 0, done.stderr
    assert host.netorch("diff", str(file)).returncode == 0
    host.netorch("destroy", "lab")
    assert not host.run("ip", "netns", "list").stdout
