"""Watches directories for files that appear, change and go (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

IN_MODIFY = 0x2
IN_CLOSE_WRITE = 0x8
IN_MOVED = 0xC0
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
_IN_ONLYDIR = 0x1000000
_IN_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_HEADER = struct.Struct("=iIII")

_libc = ctypes.CDLL(None, use_errno=True)


class FileEvent(NamedTuple):
    """One change in a directory."""

    directory: str
    """The path of the directory, "" if changes were lost."""
    name: str
    """The file in it, "" if it is the directory itself."""
    mask: int


class Inotify:
    """The watches of this process."""

    def __init__(self) -> None:
        """Open it. Raise OSError if the limit of the user is reached."""
        self.fd = _checked(_libc.inotify_init1(_IN_NONBLOCK_CLOEXEC))
        self._paths: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def watch(self, path: str, mask: int) -> bool:
        """Watch a directory. Return whether that is possible: it exists, and the limit allows it.

        A directory that was removed and made again has to be watched again.
        """
        number = _libc.inotify_add_watch(
            self.fd, os.fsencode(path), ctypes.c_uint32(mask | _IN_ONLYDIR)
        )
        if number < 0:
            return False
        self._paths[number], self._numbers[path] = path, number
        return True

    def is_watched(self, path: str) -> bool:
        return path in self._numbers

    def read(self) -> Iterator[FileEvent]:
        """Yield what has changed since the last call."""
        with suppress(BlockingIOError):
            while data := os.read(self.fd, 1 << 16):
                yield from self._events(data)

    def _events(self, data: bytes) -> Iterator[FileEvent]:
        at = 0
        while at < len(data):
            number, mask, _, length = _HEADER.unpack_from(data, at)
            start = at + _HEADER.size
            name = os.fsdecode(data[start : start + length].rstrip(b"\0"))
            at = start + length
            if mask & IN_Q_OVERFLOW:
                yield FileEvent("", "", mask)
            elif mask & IN_IGNORED:
                path = self._paths.pop(number, "")
                if self._numbers.get(path) == number:
                    del self._numbers[path]
            elif number in self._paths:
                yield FileEvent(self._paths[number], name, mask)

    def close(self) -> None:
        os.close(self.fd)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "inotify")
    return result
