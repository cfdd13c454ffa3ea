"""A forked process that helps its parent, and never outlives it."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from netorch.kernel.system.syscalls import die_with_parent


def forked(life: Callable[[], None]) -> int:
    """The number of a child that lives so. OSError if there can be none. Not for a process that has other threads.

    Whatever goes wrong in it, it says nothing: its parent does without it, and meets what went wrong too.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        die_with_parent()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        gc.disable()
        life()
    finally:
        os._exit(0)


def end(pid: int) -> None:
    """Kill a child of this process, if it is not gone already, and reap it."""
    # where SIGCHLD is ignored the kernel has reaped it, and the number may be somebody else's
    with suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
