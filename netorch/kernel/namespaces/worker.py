"""A thread that enters other network namespaces, so that the caller's thread never has to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from netorch.errors import KernelRefused
from netorch.kernel.system import threads

Result = TypeVar("Result")


class _Call(Generic[Result]):
    """A call for the thread, and its result."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self.function = function
        self.done = threading.Event()
        self.result: Result | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.function()
        except BaseException as error:
            self.error = error


class Worker:
    """Runs calls one after the other in its thread."""

    def __init__(
        self, settle: Callable[[], bool], make_room: Callable[[], bool] = lambda: False
    ) -> None:
        """`settle` runs after each call. If it returns False, a new thread replaces this one.

        `make_room` is called if the limit of processes does not allow a thread. It returns whether
        it has ended a process.
        """
        self._settle, self._make_room = settle, make_room
        self._calls: SimpleQueue[_Call[object] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` in the thread, and return or raise what it does.

        Ctrl-C ends the wait, but not the call, which still runs to its end.
        """
        call: _Call[Result] = _Call(function)
        with self._lock:
            if self._thread is None:
                self._thread = self._started()
            self._calls.put(call)  # type: ignore[arg-type]
        call.done.wait()
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]

    def close(self) -> None:
        """End the thread and wait for its end."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._calls.put(None)
        if thread is not None:
            thread.join()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._loop, name="netorch-kernel", daemon=True)
        try:
            threads.start(thread)
        except KernelRefused:
            if not self._make_room():
                raise
            threads.start(thread)
        return thread

    def _replace(self) -> None:
        """Start a new thread for the remaining calls. If that fails, they raise the error."""
        try:
            self._thread = self._started()
        except KernelRefused as error:
            self._thread = None
            with suppress(Empty):
                while (call := self._calls.get_nowait()) is not None:
                    call.error = error
                    call.done.set()

    def _loop(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()
            settled = self._settle()
            if not settled:
                with self._lock:
                    if self._thread is threading.current_thread():
                        self._replace()
            call.done.set()
            if not settled:
                return
            del call
