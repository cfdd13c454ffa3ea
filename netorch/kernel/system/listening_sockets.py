"""Sockets that wait for others, in the namespace that the thread is in (proc_pid_net(5): tcp, tcp6, udp, udp6)."""

from __future__ import annotations

from contextlib import suppress

_LISTEN, _UDP_OPEN = "0A", "07"
_FILES = (
    ("tcp", "tcp", _LISTEN),
    ("tcp", "tcp6", _LISTEN),
    ("udp", "udp", _UDP_OPEN),
    ("udp", "udp6", _UDP_OPEN),
)


def listening() -> frozenset[tuple[str, bytes, int]]:
    """(protocol, packed address, port) of each."""
    found: set[tuple[str, bytes, int]] = set()
    for protocol, file, state in _FILES:
        with suppress(OSError), open(f"/proc/thread-self/net/{file}", encoding="ascii") as lines:
            next(lines, None)
            for line in lines:
                words = line.split()
                if len(words) > 3 and words[3] == state:
                    address, _, port = words[1].partition(":")
                    found.add((protocol, _packed(address), int(port, 16)))
    return frozenset(found)


def _packed(address: str) -> bytes:
    """Words of four bytes, each in the host's order."""
    words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
    return b"".join(words)
