"""File descriptors with low numbers, which are kept free for what needs them.

libnftables waits by select(2), which takes descriptors below 1,024 only; with another one glibc
ends the process at once.
"""

from __future__ import annotations

import fcntl
import os

from netorch.errors import KernelRefused, Problem

SELECT_LIMIT = 1024
"""FD_SETSIZE: the first number that select(2) does not take."""
_KEPT_FREE_FROM = 512


def move_up(fd: int) -> int:
    """Return the same open file under a number from 1,024 on, if its number is to be kept free.

    The first 512 numbers stay where they are, because a small topology never comes near the limit,
    and a table of open files that grows makes threads wait. Where the limit on open files is too
    low, the file keeps its number.
    """
    if not _KEPT_FREE_FROM <= fd < SELECT_LIMIT:
        return fd
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SELECT_LIMIT)
    except OSError:
        return fd
    os.close(fd)
    return high


def check_low(fd: int, who: str) -> None:
    """KernelRefused if `who` would open its next file under a number that select(2) does not take.

    `fd`: the number of a file that was opened just now.
    """
    if fd >= SELECT_LIMIT - 1:
        free = f"this process has more than {SELECT_LIMIT - 2:,} files open"
        what = f"{who} needs a file descriptor below {SELECT_LIMIT:,}, and {free}."
        remedy = "Close some, or run the command `netorch` instead."
        raise KernelRefused(Problem("file-limit", what, remedy=remedy))
