"""Describe the errors of system calls to the user."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from netorch.errors import Problem

MORE_FILES = "Raise the limit of open files (ulimit -n)."

MOUNT = "mount "
"""Begins the file name in the error of a mount: `mount /run/netns/r1`."""


def sentence(number: int) -> str:
    """Return the text of an error number: `No such device, ENODEV` (strerror(3))."""
    return f"{os.strerror(number)}, {errno.errorcode.get(number, number)}"


class Remedy(NamedTuple):
    """What a user can do about an error of the kernel."""

    code: str
    """The netorch error code."""
    text: str = ""
    """The advice, as a sentence; "" where the kernel's words have to suffice."""
    command: str = ""
    """A command that helps, "" for none."""


_MEMORY = Remedy("no-memory", "Free memory, or raise the limit: `ulimit -v`.", "ulimit -v")
_PROCESSES = "Raise the limit of processes: `ulimit -u`, or pids.max of the control group."
_FORBIDDEN = Remedy(
    "system-refused",
    "Something forbids netorch a system call, such as the seccomp filter of a container: start the"
    " container with `--security-opt seccomp=unconfined`, or run netorch outside.",
)
_FULL = Remedy("no-space", "Make room in the file system: `df` shows what is left.", "df")
_REMEDIES = {
    errno.EMFILE: Remedy("file-limit", MORE_FILES, "ulimit -n"),
    errno.ENFILE: Remedy(
        "file-limit",
        "The machine has no more open files left: raise fs.file-max.",
        "sysctl fs.file-max",
    ),
    errno.ENOMEM: _MEMORY,
    errno.EAGAIN: Remedy("process-limit", _PROCESSES, "ulimit -u"),
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: Remedy("no-space", "Raise the limit of a file's size: `ulimit -f`.", "ulimit -f"),
    errno.EPERM: _FORBIDDEN,
    errno.EACCES: _FORBIDDEN,
    errno.ENOSYS: _FORBIDDEN,
}
_OTHER = Remedy(
    "system-refused",
    "Check that /proc is mounted. `netorch --debug` shows where the error occurred.",
)


_MORE_NAMESPACES = Remedy(
    "namespace-limit",
    "Remove namespaces, or raise the limit user.max_net_namespaces.",
    "sysctl user.max_net_namespaces",
)
_MORE_MOUNTS = Remedy(
    "mount-limit", "Remove mounts, or raise the limit fs.mount-max.", "sysctl fs.mount-max"
)


def remedy_of(number: int, place: str) -> Remedy | None:
    """Return the remedy for a limit that has been reached, None for any other error.

    `place` is the file name of an OSError. Both limits have the number of a file system that is
    full, ENOSPC, and only the call tells which of them it is.
    """
    if number != errno.ENOSPC:
        return None
    if place == "unshare":
        return _MORE_NAMESPACES
    return _MORE_MOUNTS if place.startswith(MOUNT) else None


def problem_of(error: OSError) -> Problem:
    """Return the problem for an error of a system call that no other code has explained."""
    number = error.errno or 0
    limit = remedy_of(number, f"{error.filename or ''}")
    remedy = limit or _REMEDIES.get(number, _OTHER)
    name = f"{error.filename}: " if error.filename else "the system refused a call: "
    if limit is _MORE_NAMESPACES:
        name = "a network namespace cannot be made: "
    why = sentence(number) if number else f"{error}"
    return Problem(
        remedy.code, f"{name}{why}.", None, remedy.text, f"{error.filename or ''}", remedy.command
    )
