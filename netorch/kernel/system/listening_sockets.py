"""Read the listening sockets in the thread's namespace (proc_pid_net(5): tcp, tcp6, udp, udp6)."""

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
    """Return (protocol, packed address, port) of each socket."""
    sockets: set[tuple[str, bytes, int]] = set()
    for protocol, file, state in _FILES:
        with suppress(OSError), open(f"/proc/thread-self/net/{file}", encoding="ascii") as lines:
            next(lines, None)
            for line in lines:
                words = line.split()
                if len(words) > 3 and words[3] == state:
                    address, _, port = words[1].partition(":")
                    sockets.add((protocol, _packed(address), int(port, 16)))
    return frozenset(sockets)


def _packed(address: str) -> bytes:
    """Decode an address that consists of words of four bytes, each in the machine's byte order."""
    words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
    return b"".join(words)
