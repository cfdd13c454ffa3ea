"""Divides a list of names between two processes: the child claims names from the front, its parent
from the back.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence

_NUMBER = struct.Struct("=Q")
_FRONT, _BACK = 0, 8
_STEP = 8
"""The number of names that the child claims at a time."""
_NOTHING = (1 << 64) - 1
"""The back counter before the parent has claimed a name."""


class Claims:
    """Two counters in memory that both processes share.

    Each process claims a name before it reads it. Neither waits for the other, so both may read the
    same few names where they meet.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)
        self._set(_BACK, _NOTHING)

    def close(self) -> None:
        self._memory.close()

    @property
    def front(self) -> int:
        """The number of names that the child has claimed."""
        return self._get(_FRONT)

    def from_the_front(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        """Claim the child's names, and yield a few at a time."""
        for start in range(0, len(names), _STEP):
            self._set(_FRONT, start + _STEP)
            back = self._get(_BACK)
            if start >= back:
                return
            yield names[start : min(start + _STEP, back)]

    def from_the_back(self, names: Sequence[str]) -> Iterator[str]:
        """Claim the parent's names, and yield them one by one."""
        for number in range(len(names) - 1, -1, -1):
            if number < self._get(_FRONT):
                return
            self._set(_BACK, number)
            yield names[number]

    def _get(self, where: int) -> int:
        return int(_NUMBER.unpack_from(self._memory, where)[0])

    def _set(self, where: int, value: int) -> None:
        _NUMBER.pack_into(self._memory, where, value)
