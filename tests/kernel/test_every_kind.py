"""Kill netorch, or refuse its requests, while it works on every kind that this kernel has.

The tests do so at the acts of an apply, an update and a destroy. A normal run tries a few acts.
`NETORCH_CAMPAIGN=long` tries every act, every refusal with six errors, and many rounds. A number
tries that many acts of each.
"""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Iterator

import pytest

from tests.kernel.campaign import LONG, add_figure, spread
from tests.kernel.everykind import NIC, every_kind
from tests.kernel.host import Host, Snapshot
from tests.kernel.test_failure import LESS, OWN_FILES, names, server, settled, sh, shot
from tests.kernel.test_faults import soak

FEW = 6
ERRORS = (errno.EPERM, errno.ENOBUFS, errno.ENOMEM, errno.EBUSY, errno.EEXIST, errno.ENODEV)


@pytest.fixture
def before(host: Host) -> Snapshot:
    """Prepare a host with a NIC and foreign objects, and return its snapshot.

    The topology was applied and destroyed once, because the kernel keeps some objects from then
    on, such as the rule for VRFs.
    """
    sh(
        host,
        f"{NIC}; ip link add eth9 type veth peer name wire9; "
        "ip addr add 198.51.100.1/24 dev eth9; ip netns add other",
    )
    sh(host, "ip link add probe0 type vrf table 9 2>/dev/null && ip link del probe0 || true")
    for name, text in zip(("topo.yaml", "changed.yaml"), every_kind(host), strict=True):
        host.write(name, text)
    host.netorch("apply", "topo.yaml")
    host.netorch("destroy", "lab")
    return shot(host)


@pytest.fixture
def clean(host: Host, before: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Return the snapshots after an apply of each file to an empty host."""
    shots = []
    for name in ("topo.yaml", "changed.yaml"):
        host.netorch("apply", name)
        shots.append(shot(host))
        host.netorch("destroy", "lab")
    assert settled(before, host) == []
    return shots[0], shots[1]


@pytest.mark.uml
def test_killed_before_an_act_of_an_apply(host: Host, before: Snapshot) -> None:
    killed = 0
    with server(host) as run:
        nothing = names(host)
        total = run("apply", "topo.yaml")["acts"]
        assert run("diff", "topo.yaml")["status"] == 0
        run("destroy", "lab")
        for way in ("destroy", "apply") if LONG else ("apply",):
            for at in spread(total, FEW):
                answer = run("apply", "topo.yaml", kill_at=at)
                assert answer["status"] == -signal.SIGKILL, (at, answer["output"])
                killed += 1
                if way == "apply":
                    answer = run("apply", "topo.yaml")
                    assert answer["status"] == 0, (at, answer["output"])
                    assert run("diff", "topo.yaml")["status"] == 0, at
                answer = run("destroy", "lab")
                assert answer["status"] == 0, (at, answer["output"])
                assert names(host) == nothing, at
                assert settled(before, host) == [], (way, at)
    add_figure(f"every kind: killed at {killed} of {total} acts of an apply")


def test_killed_before_an_act_of_an_update(
    host: Host, before: Snapshot, clean: tuple[Snapshot, Snapshot]
) -> None:
    killed = 0
    with server(host) as run:
        run("apply", "topo.yaml")
        total = run("apply", "changed.yaml")["acts"]
        for way in ("forward", "back"):
            for at in spread(total, FEW // 2):
                assert run("apply", "topo.yaml")["status"] == 0, at
                answer = run("apply", "changed.yaml", kill_at=at)
                assert answer["status"] == -signal.SIGKILL, (at, answer["output"])
                killed += 1
                file, goal = (
                    ("changed.yaml", clean[1]) if way == "forward" else ("topo.yaml", clean[0])
                )
                answer = run("apply", file)
                assert answer["status"] == 0, (at, answer["output"])
                assert run("diff", file)["status"] == 0, at
                assert settled(goal, host, LESS) == [], (way, at)
        run("destroy", "lab")
    assert settled(before, host) == []
    add_figure(f"every kind: killed at {killed} of {total} acts of an update")


def test_killed_before_an_act_of_a_destroy(host: Host, before: Snapshot) -> None:
    killed = 0
    with server(host) as run:
        run("apply", "topo.yaml")
        total = run("destroy", "lab")["acts"]
        for turn, at in enumerate(spread(total, FEW // 2)):
            run("apply", "topo.yaml")
            answer = run("destroy", "lab", kill_at=at)
            assert answer["status"] == -signal.SIGKILL, (at, answer["output"])
            killed += 1
            if turn % 2:
                answer = run("apply", "topo.yaml")
                assert answer["status"] == 0, (at, answer["output"])
                assert run("diff", "topo.yaml")["status"] == 0, at
            answer = run("destroy", "lab")
            assert answer["status"] == 0, (at, answer["output"])
            assert settled(before, host) == [], at
    add_figure(f"every kind: killed at {killed} of {total} acts of a destroy")


def test_killed_in_the_middle_of_a_rollback(
    host: Host, before: Snapshot, clean: tuple[Snapshot, Snapshot]
) -> None:
    """The kernel then has neither state, and the next apply leads to either of them."""
    killed = 0
    with server(host) as run:
        run("apply", "topo.yaml")
        total = run("apply", "changed.yaml")["requests"]
        for at in (total // 3, total * 2 // 3):
            run("apply", "topo.yaml")
            # netorch sends the requests of a refused message again, one by one. They succeed, and
            # nothing is rolled back, so the test refuses the next request instead.
            while (answer := run("apply", "changed.yaml", fail_at=at, error=errno.EPERM))[
                "status"
            ] == 0:
                run("apply", "topo.yaml")
                at += 1  # noqa: PLW2901
            assert answer["status"] == 1 and "Rolled back" in answer["output"], answer["output"]
            failed, back = answer["failed"], answer["acts"] - answer["failed"]
            assert back > 0
            for turn, place in enumerate(spread(back, FEW // 2)):
                assert run("apply", "topo.yaml")["status"] == 0
                answer = run(
                    "apply", "changed.yaml", fail_at=at, error=errno.EPERM, kill_at=failed + place
                )
                assert answer["status"] == -signal.SIGKILL, (at, place, answer["output"])
                killed += 1
                file, goal = ("changed.yaml", clean[1]) if turn % 2 else ("topo.yaml", clean[0])
                answer = run("apply", file)
                assert answer["status"] == 0, (at, place, answer["output"])
                assert run("diff", file)["status"] == 0, (at, place)
                assert settled(goal, host, LESS) == [], (at, place)
        run("destroy", "lab")
    assert settled(before, host) == []
    add_figure(f"every kind: killed at {killed} acts of two rollbacks")


def refusals(total: int) -> Iterator[tuple[int, int, bool]]:
    """Yield the number of a request, the error, and whether the kernel executes it all the same."""
    for at in spread(total, FEW):
        for turn, error in enumerate(ERRORS):
            if LONG or turn == at % len(ERRORS):
                yield at, error, False
        for error in (errno.EINTR, errno.ENOBUFS) if LONG else (errno.ENOBUFS,):
            yield at, error, True


def test_a_request_refused(host: Host, before: Snapshot) -> None:
    """The apply is rolled back with status 1, or succeeds in its next round with status 0."""
    refused = tried = 0
    with server(host) as run:
        total = run("apply", "topo.yaml")["requests"]
        run("destroy", "lab")
        for at, error, executed in refusals(total):
            answer = run("apply", "topo.yaml", fail_at=at, error=error, executed=executed)
            tried += 1
            if answer["status"] == 0:
                assert run("diff", "topo.yaml")["status"] == 0, (at, error, executed)
                run("destroy", "lab")
            else:
                assert answer["status"] == 1
                # netorch has changed nothing yet while it finds out what this kernel supports
                assert "Rolled back" in answer["output"] or re.search(
                    "this (kernel|machine) has no", answer["output"]
                ), (
                    at,
                    error,
                    executed,
                    answer["output"],
                )
                refused += 1
            assert settled(before, host) == [], (at, error, executed, answer["output"])
    assert refused > tried // 4
    add_figure(f"every kind: {tried} refusals of {total} requests, {refused} of them rolled back")


def test_many_rounds(host: Host, before: Snapshot) -> None:
    """Neither memory nor the numbers of files, threads and mounts grow from round to round."""
    soak(host, 1000 if LONG else 10, "every kind: ")
    assert settled(before, host, OWN_FILES) == []


@pytest.mark.uml
def test_each_link_goes_down_and_up_on_purpose(host: Host, before: Snapshot) -> None:
    """The file is in sync while a link of any kind is down, and as before when it is up again."""
    host.netorch("apply", "topo.yaml")
    there = shot(host)
    ends = [
        f"{where}:{link['ifname']}"
        for where in ("a", "b", "r", "c", "host")
        for link in host.ip(*(() if where == "host" else ("-n", where)), "link")
        if link.get("ifalias", "").startswith("netorch:lab") and link["ifname"] != "lo"
    ]
    assert len(ends) > 15
    with server(host) as run:
        for number in spread(len(ends), FEW):
            end = ends[number - 1]
            answer = run("link", end, "down")
            assert answer["status"] == 0, (end, answer["output"])
            answer = run("diff", "topo.yaml")
            assert answer["output"].endswith("lab: in sync\n"), (end, answer["output"])
            answer = run("link", end, "up")
            if "because the file says so" in answer["output"]:
                continue
            assert answer["status"] == 0, (end, answer["output"])
            answer = run("diff", "topo.yaml")
            assert answer["output"].endswith("lab: in sync\n"), (end, answer["output"])
            assert "intended" not in answer["output"]
    assert settled(there, host, OWN_FILES) == []
