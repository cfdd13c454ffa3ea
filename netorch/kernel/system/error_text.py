"""Describe the errors of system calls to the user."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from netorch.errors import Problem

MORE_FILES = "Raise the limit of open files (ulimit -n)."


def sentence(number: int) -> str:
    """Return the text of an error number: `No such device, ENODEV` (strerror(3))."""
    return f"{os.strerror(number)}, {errno.errorcode.get(number, number)}"


class Remedy(NamedTuple):
    """What a user can do about an error of a system call."""

    code: str
    """The netorch error code."""
    text: str
    """The advice."""
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


def problem_of(error: OSError) -> Problem:
    """Return the problem for an error of a system call that no other code has explained."""
    number = error.errno or 0
    remedy = _REMEDIES.get(number, _OTHER)
    name = f"{error.filename}: " if error.filename else "the system refused a call: "
    why = sentence(number) if number else f"{error}"
    return Problem(
        remedy.code, f"{name}{why}.", None, remedy.text, f"{error.filename or ''}", remedy.command
    )
