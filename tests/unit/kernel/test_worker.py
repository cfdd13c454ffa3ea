"""The thread for other namespaces: replaced when it is spoiled, and what happens when there can be no other."""

from __future__ import annotations

import threading

import pytest

from netorch.errors import KernelRefused
from netorch.kernel.namespaces.worker import Worker


def test_a_thread_that_is_given_up_is_replaced() -> None:
    worker = Worker(lambda: False)
    threads = {worker.call(threading.get_ident) for _ in range(3)}
    worker.close()
    assert len(threads) > 1 and threading.get_ident() not in threads


def test_without_threads_the_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(lambda: True)
    monkeypatch.setattr(threading.Thread, "start", _refused)
    with pytest.raises(KernelRefused, match="the limit of processes is reached"):
        worker.call(int)
    monkeypatch.undo()
    assert worker.call(lambda: 7) == 7
    worker.close()


def test_who_waits_for_a_thread_that_cannot_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call spoils the thread while a second one waits behind it."""
    entered, go = threading.Event(), threading.Event()
    told: list[str] = []

    def first() -> int:
        entered.set()
        assert go.wait(10)
        monkeypatch.setattr(threading.Thread, "start", _refused)
        return 1

    def second() -> None:
        try:
            worker.call(lambda: 2)
        except KernelRefused as error:
            told.append(str(error))

    worker = Worker(lambda: False)
    waiting = threading.Thread(target=second)
    caller = threading.Thread(target=lambda: told.append(str(worker.call(first))))
    caller.start()
    assert entered.wait(10)
    waiting.start()
    while worker._calls.empty():
        pass
    go.set()
    caller.join(10)
    waiting.join(10)
    monkeypatch.undo()
    assert not waiting.is_alive() and sorted(told)[0] == "1"
    assert "the limit of processes is reached" in sorted(told)[1]
    worker.close()


def _refused(self: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
