"""Keep low file descriptor numbers free for code that needs them.

libnftables waits by select(2), which accepts only descriptors below 1,024. With a higher one, glibc
ends the process at once.
"""

from __future__ import annotations

import fcntl
import os

SELECT_LIMIT = 1024
"""FD_SETSIZE: the first number that select(2) does not accept."""
_FIRST_RESERVED = 512


def move_up(fd: int) -> int:
    """Return the same open file with a number from 1,024 on, if its number should be free.

    The numbers below 512 are not freed: a small topology never comes near the limit, and threads
    wait when the table of open files grows. If the limit on open files is too low, the file keeps
    its number.
    """
    if not _FIRST_RESERVED <= fd < SELECT_LIMIT:
        return fd
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SELECT_LIMIT)
    except OSError:
        return fd
    os.close(fd)
    return high


def check_low(fd: int, who: str) -> None:
    """Raise KernelRefused if the next file that `who` opens has a number that select(2) does not
    accept.

    `fd` is the number of a file that was opened just now.
    """
    if fd >= SELECT_LIMIT - 1:
        from netorch.errors import KernelRefused, Problem

        free = f"this process has more than {SELECT_LIMIT - 2:,} files open"
        what = f"{who} needs a file descriptor below {SELECT_LIMIT:,}, and {free}."
        remedy = "Close some, or run the command `netorch` instead."
        raise KernelRefused(Problem("file-limit", what, remedy=remedy))
