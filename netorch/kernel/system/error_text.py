"""Error numbers in the system's words."""

from __future__ import annotations

import errno
import os

MORE_FILES = "Raise the limit of open files (ulimit -n)."


def sentence(number: int) -> str:
    """`No such device, ENODEV` (strerror(3))."""
    return f"{os.strerror(number)}, {errno.errorcode.get(number, number)}"
