"""What passes on an interface while a command runs, as tcpdump tells it."""

from __future__ import annotations

import shutil
import signal

import pytest

from tests.kernel.host import Host


def sniff(host: Host, node: str, dev: str, expression: str, *command: str) -> str:
    """The packets that match on an interface of a node while `command` runs on the host, one line or more each, with MAC addresses."""
    if shutil.which("tcpdump") is None:
        pytest.skip("needs tcpdump")
    where = ("ip", "netns", "exec", node, "tcpdump")
    tcpdump = host.start(*where, "-n", "-e", "-v", "-l", "--immediate-mode", "-i", dev, *expression.split())
    assert tcpdump.stderr is not None
    while "listening on" not in (line := tcpdump.stderr.readline()):
        assert line, "tcpdump did not start"
    host.run(*command, check=False)
    tcpdump.signal(signal.SIGINT)
    out, _ = tcpdump.communicate(timeout=30)
    return out
