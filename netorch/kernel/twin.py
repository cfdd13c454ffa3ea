"""A second process that reads namespaces on another processor, while this one does something else, or reads the other half of them.

It is forked while there is one thread, waits until it is told what to read, begins at the first name, and ends where it meets its parent,
who begins at the last. What it found comes back through a pipe; what did not come, for whatever reason, the parent reads itself.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from netorch.kernel.processes.child import end, forked

if TYPE_CHECKING:
    from netorch.values.snapshot import Scope

_NUMBER = struct.Struct("=Q")
_FRONT, _BACK = 0, 8
_CLAIM = 8
"""Names that the child takes at a time."""
_NOBODY = (1 << 64) - 1


def order(scope: Scope) -> bytes:
    """What a child that reads is told."""
    return pickle.dumps(scope)


Work = Callable[[bytes, "Twin"], Iterator[object]]


class Twin:
    """One child, for one piece of work; `close` ends it. Not for a process that has other threads."""

    def __init__(self, ready: Callable[[], Work]) -> None:
        """Fork. OSError if there can be no further process. `ready`: what the child does at once; what comes of it is run with the bytes
        that `begin` is given, and what that yields is sent back.
        """
        self._claims = mmap.mmap(-1, 16)
        self._set(_BACK, _NOBODY)
        self.told = False
        fds: list[int] = []
        try:
            fds += os.pipe()
            fds += os.pipe()
            order, self._order, self._answer, answer = fds
            self._pid = forked(lambda: self._live(ready, order, answer))
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        os.close(order)
        os.close(answer)

    def _live(self, ready: Callable[[], Work], order: int, answer: int) -> None:
        """The child's life."""
        os.close(self._order)
        os.close(self._answer)
        work = ready()
        with open(order, "rb") as orders:
            told = orders.read()
        if not told:
            return
        buffer = io.BytesIO()
        # one pickler, so that what many namespaces have in common is sent once
        pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
        for found in work(told, self):
            pickler.dump(found)
        with open(answer, "wb") as answers:
            answers.write(buffer.getbuffer())

    def begin(self, order: bytes) -> None:
        """Tell the child to work. To be told once; the second time nothing happens."""
        if not self.told:
            self.told = True
            with suppress(BrokenPipeError), open(self._order, "wb") as orders:
                orders.write(order)

    def answers(self) -> Iterator[Any]:
        """What the child found, once it is done; as much of it as came."""
        with open(self._answer, "rb", closefd=False) as stream:
            data = io.BytesIO(stream.read())
        unpickler = pickle.Unpickler(data)
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                yield unpickler.load()

    @property
    def over(self) -> bool:
        return self._pid < 0

    def close(self) -> None:
        """End the child, whether it is done or not. May be called twice."""
        if self.over:
            return
        pid, self._pid = self._pid, -1
        if not self.told:
            os.close(self._order)
        os.close(self._answer)
        end(pid)
        self._claims.close()

    # who reads what: the child counts up from 0, the parent down from the last, each ahead of its reading

    def from_the_front(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        """The child's share, a few names at a time."""
        for start in range(0, len(names), _CLAIM):
            self._set(_FRONT, start + _CLAIM)
            back = self._get(_BACK)
            if start >= back:
                return
            yield names[start : min(start + _CLAIM, back)]

    def from_the_back(self, names: Sequence[str]) -> Iterator[str]:
        """The parent's share."""
        for number in range(len(names) - 1, -1, -1):
            if number < self._get(_FRONT):
                return
            self._set(_BACK, number)
            yield names[number]

    def _get(self, where: int) -> int:
        return int(_NUMBER.unpack_from(self._claims, where)[0])

    def _set(self, where: int, value: int) -> None:
        _NUMBER.pack_into(self._claims, where, value)
