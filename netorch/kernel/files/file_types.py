"""What stands in a place where something else is meant to stand, in a person's words."""

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
    """The type of a file by its `st_mode`, such as `a symbolic link`."""
    return next((text for check, text in _TYPES if check(mode)), "a device")


def mount_points() -> frozenset[str]:
    """The paths where something is mounted, as this process sees them."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            return frozenset(line.split(" ")[4] for line in mounts)
    except OSError:
        return frozenset()
