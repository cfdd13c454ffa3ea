"""Error numbers in the system's words."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from netorch.errors import Problem

MORE_FILES = "Raise the limit of open files (ulimit -n)."


def sentence(number: int) -> str:
    """`No such device, ENODEV` (strerror(3))."""
    return f"{os.strerror(number)}, {errno.errorcode.get(number, number)}"


class Remedy(NamedTuple):
    """What a person can do about an error of the system."""

    code: str
    text: str
    command: str = ""


_MEMORY = Remedy("no-memory", "Free memory, or raise the limit: `ulimit -v`.", "ulimit -v")
_PROCESSES = "Raise the limit of processes: `ulimit -u`, or pids.max of the control group."
_FORBIDDEN = Remedy(
    "system-refused",
    "Something forbids netorch a system call, such as the seccomp filter of a container: start that with"
    " `--security-opt seccomp=unconfined`, or run netorch outside.",
)
_FULL = Remedy("no-space", "Make room in the file system: `df` shows what is left.", "df")
_REMEDIES = {
    errno.EMFILE: Remedy("file-limit", MORE_FILES, "ulimit -n"),
    errno.ENFILE: Remedy(
        "file-limit", "The machine has no more of them: raise fs.file-max.", "sysctl fs.file-max"
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
    "Is /proc mounted, and all else as usual? `netorch --debug` shows where it was.",
)


def problem_of(error: OSError) -> Problem:
    """What the system refused to netorch, with the remedy, where nobody has said more about it."""
    number = error.errno or 0
    found = _REMEDIES.get(number, _OTHER)
    name = f"{error.filename}: " if error.filename else "the system refused a call: "
    why = sentence(number) if number else f"{error}"
    return Problem(
        found.code, f"{name}{why}.", None, found.text, f"{error.filename or ''}", found.command
    )
