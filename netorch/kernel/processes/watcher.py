"""Starts a process that outlives the command that started it, its terminal and its session.

It calls setsid(2) and closes all open files and streams.
"""

from __future__ import annotations

import os
import signal
import syslog
import time
from collections.abc import Callable

from netorch.kernel.files.owned_directories import RUN_NETORCH

LOG = f"{RUN_NETORCH}/confirm.log"
_POLL = 0.2


def start(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own and return its PID.

    All open files of this process are closed in the new one, so it holds none of its locks.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            try:
                grandchild = os.fork()
            except OSError as error:
                grandchild = -(error.errno or 0)
            if grandchild == 0:
                _detached(work)
            os.write(writer, str(grandchild).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        number = answer.read()
    os.waitpid(child, 0)
    if not number:
        raise OSError("the process that waits for the confirmation could not be started")
    if int(number) < 0:
        raise OSError(-int(number), os.strerror(-int(number)))
    return int(number)


def _detached(work: Callable[[], None]) -> None:
    try:
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.closerange(3, max(int(fd) for fd in os.listdir("/proc/self/fd")) + 1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        work()
    except BaseException as error:
        what = f"the process that waits for a confirmation failed: {type(error).__name__}: {error}"
        log(what)
        syslog.openlog("netorch", syslog.LOG_PID)
        syslog.syslog(syslog.LOG_ERR, what)
    finally:
        os._exit(0)


def wait(ready: Callable[[], bool]) -> bool:
    """Wait until `ready` returns True, or this process gets SIGTERM. Return whether it got that."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    while not ended and not ready():
        time.sleep(_POLL)
    return bool(ended)


def log(line: str) -> None:
    """Write a line to netorch's own log."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        os.makedirs(RUN_NETORCH, 0o700, exist_ok=True)
        with os.fdopen(os.open(LOG, flags, 0o600), "a", encoding="utf-8") as file:
            now = time.time()
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
            # with milliseconds, which tell whether a topology was applied again since
            file.write(f"{clock}.{int(now % 1 * 1000):03} {line}\n")
    except OSError:
        return


def logged(name: str) -> str:
    """Return the last line about a topology in netorch's own log, or ""."""
    lines = [line for line in _lines() if f" {name}: " in line]
    return lines[-1] if lines else ""


def logged_names() -> list[str]:
    """Return the sorted names of the topologies in netorch's own log."""
    words = [line.split(" ", 3) for line in _lines()]
    return sorted({word[2].rstrip(":") for word in words if len(word) == 4})


def _lines() -> list[str]:
    try:
        with os.fdopen(
            os.open(LOG, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC),
            encoding="utf-8",
            errors="replace",
        ) as file:
            return [line.rstrip("\n") for line in file]
    except OSError:
        return []


def time_of(line: str) -> float:
    """Return the time of a line of the log, in seconds since 1970; 0 if it has none."""
    try:
        clock, _, fraction = line[:23].partition(".")
        seconds = time.mktime(time.strptime(clock, "%Y-%m-%d %H:%M:%S"))
        return seconds + (int(fraction) + 1) / 1000
    except (ValueError, OverflowError):
        return 0.0
