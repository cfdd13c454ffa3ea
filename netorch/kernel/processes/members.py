"""Finds and ends the processes in a namespace, which otherwise keep it alive without a name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""


def end_processes(namespaces: Iterable[tuple[int, int]]) -> list[str]:
    """End every process in the namespaces with SIGTERM, then SIGKILL. Return `PID (NAME)` of each.

    `namespaces` has st_dev and st_ino of each namespace.
    """
    inodes = frozenset(namespaces)
    if not inodes:
        return []
    processes = processes_in(inodes)
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + GRACE
    while processes and (rest := processes_in(inodes)) and time.monotonic() < deadline:
        time.sleep(0.01)
    if processes:
        for pid in (rest := processes_in(inodes)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while rest and processes_in(inodes) and time.monotonic() < deadline + GRACE:
            time.sleep(0.01)
    return [f"{pid} ({name})" for pid, name in sorted(processes.items())]


def processes_in(inodes: Collection[tuple[int, int]]) -> dict[int, str]:
    """Return PID → name of the processes in the namespaces.

    `inodes` has st_dev and st_ino of each namespace.
    """
    processes: dict[int, str] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            status = os.stat(f"/proc/{entry}/ns/net")
            if (status.st_dev, status.st_ino) not in inodes:
                continue
            with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as file:
                processes[int(entry)] = file.read().strip()
        except OSError:
            continue
    return processes
