"""A look at the beginning of a file that somebody else will read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

LARGEST = 1_000_000
"""Bytes that are looked at."""


def beginning(path: Path) -> bytes:
    """Of a plain file. Nothing else is even opened: whoever writes to a pipe would take us for its reader."""
    if not path.is_file():
        return b""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(LARGEST) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
