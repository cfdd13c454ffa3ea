"""Test the parallel reader, a second process that reads namespaces in advance.

netorch uses what it has read where that answers the question and nothing can have changed since.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from netorch.converge.attached import reach_on_record
from netorch.converge.orchestrator import Orchestrator
from netorch.converge.previous import Previous
from netorch.converge.read import read_all
from netorch.immutable import replace
from netorch.kernel.files import records
from netorch.kernel.linux import LinuxKernel
from netorch.netlink.constants import AF_INET, IFA_F_TENTATIVE, IFF_UP
from netorch.parallel_reader import begin_later
from netorch.parallel_reader.guess import MANY
from netorch.parallel_reader.reader import ForkedReader
from netorch.resolve.loader import load
from netorch.state.planner import plan
from netorch.values.marks import Mark
from netorch.values.snapshot import NetnsSnapshot, Scope, Snapshot
from tests.kernel.host import Host
from tests.kernel.test_linux import private

SIZE = MANY + 20
FILE = f"""\
name: lab
networks: {{lan: {{subnet: 10.0.0.0/16, mode: segment}}}}
nodes:
  n[1-{SIZE}]: {{networks: {{lan: {{address: 10.0.1.$(i)/16}}}}}}
"""
CHANGED = FILE + "  more: {networks: {lan: 10.0.9.9}}\n"
SCOPE = Scope(Mark("lab").alias, topology="lab", neighbours=True, static_macs=True)
"""What `apply` and `diff` ask for."""


def apply(text: str) -> None:
    Path("/run/lab.yaml").write_text(text)
    subprocess.run([sys.executable, "-m", "netorch", "apply", "-q", "/run/lab.yaml"], check=True)


def wait_until_read(reader: ForkedReader) -> None:
    """Wait until the child has read everything and only has to hand it over."""
    deadline = time.monotonic() + 30
    while reader._claims.front < SIZE and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)


def opened_namespaces(kernel: LinuxKernel) -> int:
    """Return how many namespaces the process itself has opened."""
    return len(kernel._namespaces._open)


@private
def test_two_see_what_one_sees() -> None:
    apply(FILE)
    full = replace(
        SCOPE,
        in_full=frozenset({"n1"}),
        sysctls={"n7": ("net/ipv4/ip_default_ttl",)},
        filters=frozenset({"n8"}),
    )
    for scope in (
        SCOPE,
        full,
        replace(SCOPE, neighbours=False),
        replace(SCOPE, passage=True),
        Scope("netorch:else"),
    ):
        with LinuxKernel() as kernel:
            alone = kernel.read(scope)
        for begun in (None, SCOPE, scope):
            reader = ForkedReader()
            if begun is not None:
                reader.begin(begun)
                wait_until_read(reader)
            with LinuxKernel(reader=reader) as kernel:
                both = kernel.read(scope)
                assert reader.closed
                opened = opened_namespaces(kernel)
                assert _steady(kernel.read(scope)) == _steady(both)
            assert _steady(both) == _steady(alone)
            if begun == scope:
                assert opened == 0
            elif begun == SCOPE and scope is full:
                # the process itself reads only what the scope of the reader did not include
                assert opened == 2


def _steady(snapshot: Snapshot) -> dict[str, object]:
    """Leave out what changes by itself.

    These are neighbours, timers of a bridge and its ports, carriers, and whether duplicate address
    detection of an address is done.
    """

    def of(netns: NetnsSnapshot) -> NetnsSnapshot:
        links = tuple(
            replace(
                link,
                flags=link.flags & IFF_UP,
                data=link.data if link.kind != "bridge" else {},
                port={},
            )
            for link in netns.links
        )
        addresses = tuple(
            replace(address, flags=address.flags & ~IFA_F_TENTATIVE) for address in netns.addresses
        )
        passage = netns.passage
        if passage is not None:
            # IPv6 routes come and go with the carrier and with the detection of duplicates
            routes = tuple(route for route in passage.routes if route.family == AF_INET)
            passage = replace(passage, routes=routes, neighbours=())
        return replace(netns, neighbours=(), links=links, addresses=addresses, passage=passage)

    return {
        "namespaces": {label: of(netns) for label, netns in snapshot.namespaces.items()},
        "other_names": snapshot.other_names,
        "orphans": snapshot.orphans,
    }


@private
def test_a_reader_that_dies_is_replaced_by_the_process() -> None:
    apply(FILE)
    with LinuxKernel() as kernel:
        alone = kernel.read(SCOPE)
    for begun in (True, False):
        reader = ForkedReader()
        if begun:
            reader.begin(SCOPE)
        os.kill(reader.child.pid, 9)
        with LinuxKernel(reader=reader) as kernel:
            assert _steady(kernel.read(SCOPE)) == _steady(alone)
            assert opened_namespaces(kernel) == SIZE + 1


@private
def test_what_was_seen_before_somebody_else_had_the_lock_does_not_count() -> None:
    apply(FILE)
    stamp = records.stamp("lab")
    assert stamp is not None
    with records.lock("lab", 1) as before:
        assert before == stamp and records.stamp("lab") is None
    stamp = records.stamp("lab")
    loaded = load(FILE.encode(), "lab.yaml")
    for with_stamp in (True, False):
        reader = ForkedReader(stamp if with_stamp else None)
        reader.begin(replace(SCOPE, answers=True))
        wait_until_read(reader)
        subprocess.run(
            ["ip", "-n", "n5", "address", "del", "10.0.1.5/16", "dev", "eth0"], check=True
        )
        with records.lock("lab", 1):
            pass  # the holder of the lock may have changed anything
        record = records.read_record("lab")[0]
        assert record is not None
        with Orchestrator(reader=reader) as lab:
            report = lab.apply(loaded, record)
        # a reader without the stamp would report the old state
        assert [step.resource.title() for step in report.plan.steps] == (
            ["address n5/eth0 10.0.1.5/16"] if with_stamp else []
        )
        subprocess.run(
            ["ip", "-n", "n5", "address", "replace", "10.0.1.5/16", "dev", "eth0", "proto", "130"],
            check=False,
        )
        stamp = records.stamp("lab")


@private
def test_a_name_that_means_another_namespace_by_now() -> None:
    apply(FILE)
    with closing(ForkedReader()) as reader:
        reader.begin(SCOPE)
        wait_until_read(reader)
        # the child is not in a node's namespace, where its removal would end the child
        assert (
            os.stat(f"/proc/{reader.child.pid}/ns/net").st_ino
            == os.stat("/proc/self/ns/net").st_ino
        )
        subprocess.run("ip netns del n5; ip netns add n5", shell=True, check=True)
        with LinuxKernel(reader=reader) as kernel:
            snapshot = kernel.read(SCOPE)
        assert "n5" not in snapshot.namespaces and snapshot.other_names == {"n5": ""}


@private
def test_too_few_to_ask_for_help() -> None:
    apply(FILE.replace(f"[1-{SIZE}]", "[1-3]"))
    reader = ForkedReader()
    reader.begin(SCOPE)
    with LinuxKernel(reader=reader) as kernel:
        assert len(kernel.read(SCOPE).namespaces) == 5
        assert reader.closed


@private
def test_a_reader_without_an_order_waits_for_many_namespaces() -> None:
    """An apply reads few namespaces first, and all that it has made afterwards."""
    assert begin_later(MANY - 1) is None
    reader = begin_later(SIZE)
    assert reader is not None, "netorch starts no parallel reader with a single processor"
    with closing(reader), LinuxKernel(reader=reader) as kernel:
        assert len(kernel.read(SCOPE).namespaces) == 1
        assert not reader.closed
        apply(FILE)
        both = kernel.read(SCOPE)
        assert reader.closed
        alone = kernel.read(SCOPE)
    assert len(alone.namespaces) == SIZE + 2 and _steady(both) == _steady(alone)


@private
def test_a_brief_look_makes_no_namespaces() -> None:
    """A brief read leaves out settings, so it needs no new namespace to compare them with."""
    apply(FILE.replace("/16}}", "/16}}, sysctls: {net.ipv4.conf.all.rp_filter: 2}"))
    with LinuxKernel() as kernel:
        within = reach_on_record(kernel, "lab", records.read_record("lab")[0])
        assert within is not None
        asked: list[object] = []
        kernel.pristine_sysctls = lambda paths: asked.append(paths) or {}  # type: ignore[method-assign,func-returns-value]
        assert read_all(kernel, Previous.read("lab"), within, True)[1].state and asked == []


@private
def test_a_brief_look_leads_to_the_same_steps() -> None:
    apply(
        FILE.replace(
            "nodes:\n",
            "nodes:\n  odd: {interfaces: {ip0: {kind: ifb}}, "
            "networks: {lan: {address: 10.0.8.8}}}\n",
        )
    )
    with LinuxKernel() as kernel:
        record, _ = records.read_record("lab")
        within = reach_on_record(kernel, "lab", record)
        assert within is not None and len(within.names) == SIZE + 2
        (whole, all_of_it), (less, some) = (
            read_all(kernel, Previous.read("lab"), within, brief) for brief in (False, True)
        )
        assert [step.key for step in plan(some.state, {}).steps] == [
            step.key for step in plan(all_of_it.state, {}).steps
        ]
        assert not less.namespaces["n5"].addresses and whole.namespaces["n5"].addresses
        # a brief read lists rules only of the host and of nodes whose links may need a full read
        assert {label for label, netns in less.namespaces.items() if netns.rules} == {"host", "odd"}
        assert len(some.state) == len(all_of_it.state) - SIZE, (
            "a brief read leaves out one address of each node"
        )


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@private
def test_no_process_outlives_its_command() -> None:
    """Kill or interrupt the command while the reader works: both end, without a traceback."""
    apply(FILE)
    for words in (("apply", "/run/lab.yaml"), ("diff", "/run/lab.yaml")):
        for number in (signal.SIGKILL, signal.SIGINT):
            command = [sys.executable, "-m", "netorch", *words]
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            deadline = time.monotonic() + 20
            while not (children := _children(process.pid)) and time.monotonic() < deadline:
                time.sleep(0.002)
            assert len(children) == 1
            os.killpg(process.pid, number) if number == signal.SIGINT else process.kill()
            out, err = process.communicate(timeout=60)
            assert process.returncode in (-number, 130) and "Traceback" not in err and not out
            while any(map(_lives, children)) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not any(map(_lives, children))


def test_the_commands_use_it(host: Host) -> None:
    """strace shows which process opens the namespaces.

    The command itself opens few of them, or about half where it reads too.
    """
    host.write("lab.yaml", FILE)
    assert len(os.sched_getaffinity(0)) > 1, (
        "netorch starts no parallel reader with a single processor"
    )
    opened = {}
    for words, text, status in (
        (("apply", "-q", "lab.yaml"), FILE, 0),
        (("diff", "-q", "lab.yaml"), FILE, 0),
        (("diff", "-q", "./lab.yaml"), CHANGED, 2),
        (("apply", "-q", "./lab.yaml"), CHANGED, 0),
        (("destroy", "-q", "lab"), CHANGED, 0),
    ):
        host.write("lab.yaml", text)
        trace = ("strace", "-f", "-qqq", "-e", "trace=openat,fork,clone,vfork", "-o", "trace")
        assert (
            host.run(*trace, sys.executable, "-m", "netorch", *words, check=False).returncode
            == status
        )
        lines = (host.directory / "trace").read_text().splitlines()
        forked = {
            line.split()[-1] for line in lines if "clone(" in line and "CLONE_THREAD" not in line
        }
        opened[words] = [
            len(
                [
                    line
                    for line in lines
                    if '"/run/netns/n' in line
                    and "O_CREAT" not in line
                    and (line.split()[0] in forked) is by_reader
                ]
            )
            for by_reader in (True, False)
        ]
    # the command holds the namespaces open that it has made, so it opens none of them again, and
    # the reader opens those that it reads afterwards
    by_reader, by_command = opened.pop(("apply", "-q", "lab.yaml"))
    assert by_reader <= SIZE + 10 and not by_command
    # the quicker process reads more, and where the two meet both may open the same namespaces
    for words, (by_reader, by_command) in opened.items():
        # the command opens each name once more that it removes and has not read itself, to see
        # what it refers to
        removed = SIZE + 1 if words[0] == "destroy" else 0
        assert SIZE + 1 <= by_reader + by_command <= SIZE + 10 + removed, opened
    # on a busy machine, a command may be done before its reader begins
    assert any(by_reader for by_reader, _ in opened.values()), opened
    assert host.run("ip", "netns").stdout == ""
