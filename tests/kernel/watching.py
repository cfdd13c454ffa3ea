"""A running `netorch watch` in a private host, and the events that it prints."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.kernel.host import Host

PATIENCE = 60.0
"""Seconds for an event, which usually takes less than one."""

EAGER = """\
import sys
from netorch.watch import repair
from netorch.cli import main
repair.ATTEMPTS, repair.FIRST_DELAY = 1_000_000, 0.0
sys.exit(main(sys.argv[1:]))
"""
"""A netorch that puts every object right at once, however often it drifts."""

Event = Mapping[str, Any]


class Watch:
    """The process, and everything that it has printed."""

    def __init__(self, host: Host, *args: str, program: str = "") -> None:
        run = ("-c", program) if program else ("-m", "netorch")
        self.process = host.start(sys.executable, *run, "watch", "-o", "json", *args)
        self.events: list[Event] = []
        self._condition = threading.Condition()
        self._is_over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._condition:
                self.events.append(json.loads(line))
                self._condition.notify_all()
        with self._condition:
            self._is_over = True
            self._condition.notify_all()

    def until(self, ready: Callable[[list[Event]], bool], since: int = 0) -> list[Event]:
        """Wait until the events from number `since` on are as expected, and return these."""
        deadline = time.monotonic() + PATIENCE
        with self._condition:
            while not ready(self.events[since:]):
                left = deadline - time.monotonic()
                lines = "\n".join(f"{one['object']}: {one['text']}" for one in self.events[since:])
                assert not self._is_over, f"the watch has ended:\n{lines}"
                assert left > 0, f"not reported:\n{lines}"
                self._condition.wait(left)
            return self.events[since:]

    def event(self, since: int = 0, **fields: object) -> Event:
        """Wait for an event with these fields, and return it."""

        def of(events: list[Event]) -> Iterator[Event]:
            return (
                event
                for event in events
                if all(event[name] == value for name, value in fields.items())
            )

        return next(of(self.until(lambda events: any(of(events)), since)))

    def no_more(self, seconds: float, since: int) -> None:
        """Assert that no event follows for a while."""
        time.sleep(seconds)
        assert self.events[since:] == []

    def resume(self) -> None:
        """Continue a watch that SIGSTOP has stopped. nsenter stops with it."""
        self.process.send_signal(signal.SIGCONT)
        self.process.signal(signal.SIGCONT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the watch with a signal, and return its exit status."""
        self.process.signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.signal(signal.SIGKILL)
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def watching(host: Host, *args: str, program: str = "") -> Iterator[Watch]:
    """Run a watch in a private host."""
    watch = Watch(host, *args, program=program)
    try:
        yield watch
    finally:
        watch.close()


def titles(events: list[Event]) -> set[str]:
    """Return the objects that differ according to these events."""
    drifts = [event for event in events if event["event"] == "drift"]
    return {event["object"] for event in drifts} | {
        title for event in drifts for title in event["consequences"]
    }
