"""Runs the command of `--exec` for each drift, without waiting for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from netorch.kernel.processes.runner import QUEUE, Run, Runner
from netorch.watch.events import Event, Sort
from netorch.watch.text import as_json

SECONDS = 60.0
"""Seconds that a command may take."""
_PATIENCE = 5.0
"""Seconds for the commands that still run when the watch ends."""


class Commands:
    """The runs of a command. It does nothing without a command."""

    def __init__(self, argv: Sequence[str], wake: Callable[[], None]) -> None:
        """`wake` is called in another thread when a command has failed."""
        self._wake = wake
        self._lock = threading.Lock()
        self._failures: list[Event] = []
        self._is_full = False
        self._last = ""
        """Why the last command failed. The same reason is not reported again after it."""
        self._runner = Runner(argv, SECONDS, self._end) if argv else None

    def run(self, event: Event) -> bool:
        """Run the command for an event. Return False if there is a failure to report now."""
        if self._runner is None:
            return True
        is_full = not self._runner.run(Run(f"{as_json(event)}\n", environment(event)))
        is_news = is_full and not self._is_full
        self._is_full = is_full
        if is_news:
            self._add(f"is not run as long as {QUEUE} runs of it wait")
        return not is_news

    def take_failures(self) -> list[Event]:
        """Return events for the commands that have failed since the last call."""
        with self._lock:
            failures, self._failures = self._failures, []
        return failures

    def close(self) -> None:
        """Wait a little for commands that run, and then end them."""
        if self._runner is not None:
            self._runner.close(_PATIENCE)

    def _end(self, reason: str) -> None:
        is_news, self._last = reason not in ("", self._last), reason
        if is_news:
            self._add(reason)
            self._wake()

    def _add(self, reason: str) -> None:
        with self._lock:
            self._failures.append(
                Event(time.time(), "", Sort.COMMAND, reason=f"the command of --exec: {reason}")
            )


def environment(event: Event) -> dict[str, str]:
    """Return the variables that a command receives."""
    return {
        "NETORCH_TOPOLOGY": event.topology,
        "NETORCH_EVENT": event.sort.value,
        "NETORCH_OBJECT": event.object,
        "NETORCH_CHANGE": event.change.value if event.change is not None else "",
        "NETORCH_ATTRIBUTE": event.attribute,
        "NETORCH_BEFORE": event.before or "",
        "NETORCH_AFTER": event.after or "",
        "NETORCH_WHO": event.who.text,
    }
