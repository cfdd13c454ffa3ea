"""The module `socket`, without its enums.

At its import, `socket` makes enums of hundreds of constants, which takes longer than reading a
small topology. Plain sockets and constants are all that netorch needs. They lack only the methods
that `socket` adds in Python, such as the context manager, so `opened` is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
else:
    import _socket as socket

__all__ = ["opened", "socket"]


@contextmanager
def opened(family: int, kind: int, protocol: int = 0) -> Iterator[socket.socket]:
    """Open a socket, and close it at the end."""
    made = socket.socket(family, kind, protocol)
    try:
        yield made
    finally:
        made.close()
