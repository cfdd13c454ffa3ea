"""The worker's thread is replaced when it cannot go on. Calls fail if no new one can start."""

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


def test_waiting_calls_fail_if_no_new_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call makes the thread useless while a second call waits."""
    entered, go = threading.Event(), threading.Event()
    results: list[str] = []

    def first() -> int:
        entered.set()
        assert go.wait(10)
        monkeypatch.setattr(threading.Thread, "start", _refused)
        return 1

    def second() -> None:
        try:
            worker.call(lambda: 2)
        except KernelRefused as error:
            results.append(str(error))

    worker = Worker(lambda: False)
    waiting = threading.Thread(target=second)
    caller = threading.Thread(target=lambda: results.append(str(worker.call(first))))
    caller.start()
    assert entered.wait(10)
    waiting.start()
    while worker._calls.empty():
        pass
    go.set()
    caller.join(10)
    waiting.join(10)
    monkeypatch.undo()
    assert not waiting.is_alive() and sorted(results)[0] == "1"
    assert "the limit of processes is reached" in sorted(results)[1]
    worker.close()


def _refused(self: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
