"""Processes that live in a namespace: without an end to them it would outlive its name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterable
from contextlib import suppress

GRACE = 2.0
"""Seconds between asking and making a process end."""


def end_processes(namespaces: Iterable[tuple[int, int]]) -> list[str]:
    """End every process in one of the namespaces, (st_dev, st_ino) each, with SIGTERM, then SIGKILL; `PID (NAME)` of each."""
    inodes = frozenset(namespaces)
    if not inodes:
        return []
    found = inside(inodes)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + GRACE
    while found and (rest := inside(inodes)) and time.monotonic() < deadline:
        time.sleep(0.01)
    if found:
        for pid in (rest := inside(inodes)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while rest and inside(inodes) and time.monotonic() < deadline + GRACE:
            time.sleep(0.01)
    return [f"{pid} ({name})" for pid, name in sorted(found.items())]


def inside(inodes: Collection[tuple[int, int]]) -> dict[int, str]:
    """The processes in one of the namespaces, (st_dev, st_ino) each: PID → name."""
    found: dict[int, str] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            status = os.stat(f"/proc/{entry}/ns/net")
            if (status.st_dev, status.st_ino) not in inodes:
                continue
            with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as file:
                found[int(entry)] = file.read().strip()
        except OSError:
            continue
    return found
