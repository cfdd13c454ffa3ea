"""netorch on a terminal of a given width, as a user or `expect` would run it."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

from tests.kernel.host import Host


def on_a_terminal(
    host: Host,
    *words: str,
    env: dict[str, str] | None = None,
    columns: int = 80,
    observe: Callable[[subprocess.Popen[bytes], bytes], None] = lambda *_: None,
) -> str:
    """Return the text that the command writes to a terminal, which gets both of its streams.

    `observe` is called with the process and everything that it has written so far. The process's
    attribute `leader` is the user's end of the terminal.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(
        follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0)
    )
    argv = host.inside(sys.executable, "-m", "netorch", *words)
    process = subprocess.Popen(
        argv,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=host.environment() | {"TERM": "xterm", **(env or {})},
    )
    process.leader = leader  # type: ignore[attr-defined]
    os.close(follower)
    output = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            break
        if not part:
            break
        output += part
        observe(process, output)
    os.close(leader)
    process.wait()
    return output.decode()
