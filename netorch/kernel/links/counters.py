"""Reads the packet counters of interfaces in many namespaces (netdevice(7), /proc/net/dev)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from netorch.immutable import Value
from netorch.kernel.namespaces.own_thread import run_in_new_thread
from netorch.kernel.system.nsfs import netns_fd
from netorch.kernel.system.syscalls import setns

_FILE = "/proc/thread-self/net/dev"
_TITLES = 2
_RECEIVED, _SENT = 0, 8
_MOST = 1 << 24


class Counters(Value):
    """What an interface has received and sent."""

    received_bytes: int
    received_packets: int
    received_errors: int
    received_drops: int
    sent_bytes: int
    sent_packets: int
    sent_errors: int
    sent_drops: int


def read(paths: Mapping[str, str]) -> dict[str, dict[str, Counters]]:
    """Return label → interface → counters. `paths` are the files of the namespaces by label.

    Namespaces that do not exist are absent. No namespace stays open.
    """

    def work() -> dict[str, dict[str, Counters]]:
        counters: dict[str, dict[str, Counters]] = {}
        for label, path in paths.items():
            with suppress(OSError):
                fd = netns_fd(path, follow=True)
                try:
                    setns(fd)
                finally:
                    os.close(fd)
                counters[label] = _read()
        return counters

    return run_in_new_thread(work)


def _read() -> dict[str, Counters]:
    fd = os.open(_FILE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(fd, _MOST)
        # a read returns only as many interfaces as fit in a page
        while more := os.read(fd, _MOST):
            text += more
    finally:
        os.close(fd)
    return parse(text.decode(errors="surrogateescape"))


def parse(text: str) -> dict[str, Counters]:
    """Return interface → counters, from the content of /proc/net/dev."""
    counters: dict[str, Counters] = {}
    for line in text.splitlines()[_TITLES:]:
        name, _, rest = line.partition(":")
        numbers = [int(word) for word in rest.split()]
        counters[name.strip()] = Counters(
            *numbers[_RECEIVED : _RECEIVED + 4], *numbers[_SENT : _SENT + 4]
        )
    return counters
