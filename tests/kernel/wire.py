"""The packets on an interface while a command runs, as tcpdump prints them."""

from __future__ import annotations

import shutil
import signal
import time
from threading import Thread

import pytest

from tests.kernel.host import Host

PATIENCE = 15.0
"""Seconds to wait for tcpdump, which may lag behind on a busy machine."""


def sniff(host: Host, node: str, dev: str, expression: str, expected: str, *command: str) -> str:
    """Return the packets on a node's interface, with MAC addresses, while `command` runs.

    `expression` selects them. Returns when a line contains `expected`, or after PATIENCE.
    """
    if shutil.which("tcpdump") is None:
        pytest.skip("needs tcpdump")
    where = ("ip", "netns", "exec", node, "tcpdump")
    tcpdump = host.start(
        *where, "-n", "-e", "-v", "-l", "--immediate-mode", "-i", dev, *expression.split()
    )
    assert tcpdump.stderr is not None and tcpdump.stdout is not None
    while "listening on" not in (line := tcpdump.stderr.readline()):
        assert line, "tcpdump did not start"
    lines: list[str] = []
    reader = Thread(target=lines.extend, args=(iter(tcpdump.stdout.readline, ""),))
    reader.start()
    host.run(*command, check=False)
    end = time.monotonic() + PATIENCE
    while not any(expected in line for line in lines) and time.monotonic() < end:
        time.sleep(0.02)
    tcpdump.signal(signal.SIGINT)
    reader.join()
    tcpdump.wait()
    return "".join(lines)
