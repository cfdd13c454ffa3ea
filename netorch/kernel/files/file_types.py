"""Describes the type of a file for messages, and lists mount points."""

from __future__ import annotations

import stat

_TYPES = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def type_text(mode: int) -> str:
    """Return the type of a file from its `st_mode`, such as `a symbolic link`."""
    return next((text for check, text in _TYPES if check(mode)), "a device")


def mount_points() -> frozenset[str]:
    """Return the mount points in the mount namespace of this process."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            return frozenset(line.split(" ")[4] for line in mounts)
    except OSError:
        return frozenset()
