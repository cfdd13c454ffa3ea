"""The second process that reads: it shares the work, and whatever becomes of it, nothing is lost and nothing is left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netorch.kernel.twin import Twin, Work

NAMES = [f"n{number}" for number in range(500)]


def reads(seconds: float) -> Callable[[], Work]:
    """A child that takes so long for a name."""

    def work(order: bytes, twin: Twin) -> Iterator[object]:
        for share in twin.from_the_front(NAMES):
            time.sleep(seconds * len(share))
            yield order, list(share)

    return lambda: work


def both(twin: Twin, seconds: float) -> tuple[list[str], list[str]]:
    """What the child read, and what the parent."""
    mine = []
    for name in twin.from_the_back(NAMES):
        time.sleep(seconds)
        mine.append(name)
    theirs: list[str] = []
    for order, share in twin.answers():
        assert order == b"go"
        theirs += share
    return theirs, mine


def _children() -> set[str]:
    """Those of this process, dead ones too: whoever runs the tests may have others."""
    return {
        pid
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    }


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = sorted(os.listdir("/proc/self/fd")), _children()
    yield
    assert (sorted(os.listdir("/proc/self/fd")), _children()) == before


@pytest.mark.parametrize(
    ("child", "parent"),
    [(0.0002, 0.0002), (0.0, 0.001), (0.001, 0.0)],
    ids=["alike", "child quicker", "parent quicker"],
)
def test_they_meet(child: float, parent: float) -> None:
    with closing(Twin(reads(child))) as twin:
        twin.begin(b"go")
        theirs, mine = both(twin, parent)
    assert theirs == NAMES[: len(theirs)] and mine == NAMES[: len(NAMES) - len(mine) - 1 : -1]
    assert set(theirs) | set(mine) == set(NAMES)
    # what both may have taken, since neither waits for the other
    assert len(theirs) + len(mine) <= len(NAMES) + 9
    assert theirs or parent == 0.0


def test_told_ahead_it_reads_all() -> None:
    with closing(Twin(reads(0.0))) as twin:
        twin.begin(b"go")
        twin.begin(b"once more")
        deadline = time.monotonic() + 10
        while twin._get(0) < len(NAMES) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert both(twin, 0.0) == (NAMES, [])


def test_one_that_was_never_told_goes() -> None:
    twin = Twin(reads(0.0))
    assert not twin.over
    twin.close()
    twin.close()
    assert twin.over


def fails(order: bytes, twin: Twin) -> Iterator[object]:
    yield order, NAMES[:8]
    raise ValueError("what the parent will find out by itself")


def dies(order: bytes, twin: Twin) -> Iterator[object]:
    yield order, NAMES[:8]
    os.kill(os.getpid(), signal.SIGKILL)


def cannot_be_sent(order: bytes, twin: Twin) -> Iterator[object]:
    yield order, NAMES[:8]
    yield order, lambda: None


def unready() -> Work:
    raise ImportError("not there")


@pytest.mark.parametrize(
    "ready",
    [lambda: fails, lambda: dies, lambda: cannot_be_sent, unready],
    ids=["fails", "dies", "unsendable", "unready"],
)
def test_one_that_fails_is_done_without(
    ready: Callable[[], Work], capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(Twin(ready)) as twin:
        twin.begin(b"go")
        assert list(twin.answers()) == []
    assert capfd.readouterr() == ("", "")


def test_half_an_answer_counts_as_far_as_it_goes() -> None:
    with closing(Twin(reads(0.0))) as twin:
        twin.begin(b"go")
        with open(twin._answer, "rb", closefd=False) as stream:
            data = stream.read()
        for size in range(0, len(data), 97):
            reader, writer = os.pipe()
            os.write(writer, data[:size])
            os.close(writer)
            own, twin._answer = twin._answer, reader
            shares = [share for _, share in twin.answers()]
            os.close(reader)
            twin._answer = own
            assert [name for share in shares for name in share] == NAMES[: 8 * len(shares)]
            assert size < 2000 or shares
