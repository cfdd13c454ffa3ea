"""Runs one command after the other in a thread, so that the caller need not wait for them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from netorch.immutable import Value
from netorch.kernel.system import threads

QUEUE = 1000
"""The most commands that may wait."""


class Run(Value):
    """One run of the command."""

    input: str
    environment: Mapping[str, str]
    """Variables in addition to those of this process."""


class Runner:
    """Runs a command for each `Run`, in their order and one at a time."""

    def __init__(self, argv: Sequence[str], seconds: float, end: Callable[[str], None]) -> None:
        """Start the thread. A command that takes more than `seconds` is killed.

        `end` is called in the thread after each command, with a sentence if it failed, or "".
        """
        self._argv, self._seconds, self._end = tuple(argv), seconds, end
        self._runs: deque[Run] = deque()
        self._condition = threading.Condition()
        self._is_closing = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._loop, name="netorch-commands", daemon=True)
        threads.start(self._thread)

    def run(self, run: Run) -> bool:
        """Let the command run as soon as the earlier ones have ended.

        Return False if too many wait. It does not run then.
        """
        with self._condition:
            if len(self._runs) >= QUEUE:
                return False
            self._runs.append(run)
            self._condition.notify()
        return True

    def close(self, patience: float) -> None:
        """Wait for the end of the commands for `patience` seconds, and then kill them."""
        with self._condition:
            self._is_closing = True
            self._condition.notify()
        self._thread.join(patience)
        if self._thread.is_alive():
            with self._condition:
                self._runs.clear()
                if self._process is not None:
                    _kill(self._process)
            self._thread.join(1.0)

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._runs or self._is_closing)
                if not self._runs:
                    return
                run = self._runs.popleft()
            self._end(self._carry_out(run))

    def _carry_out(self, run: Run) -> str:
        """Run the command. Return what went wrong, or ""."""
        command = self._argv[0]
        try:
            process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                # the standard output is that of the watch, which another program may read
                stdout=2,
                env={**os.environ, **run.environment},
                start_new_session=True,
                restore_signals=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            return f"{command} could not be run: {why}"
        with self._condition:
            self._process = process
        try:
            # a command that does not read its input is not an error
            with suppress(BrokenPipeError):
                process.communicate(run.input.encode("utf-8", "surrogateescape"), self._seconds)
            process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
            return f"{command} was killed, because it took more than {self._seconds:g} s"
        finally:
            with self._condition:
                self._process = None
        if process.returncode < 0:
            return f"{command} was ended by signal {-process.returncode}"
        return f"{command} failed with status {process.returncode}" if process.returncode else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and everything that it started in its session."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 1.0
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
