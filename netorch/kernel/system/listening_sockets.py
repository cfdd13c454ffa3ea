"""Read the listening sockets in the thread's namespace (proc_pid_net(5): tcp, tcp6, udp, udp6)."""

from __future__ import annotations

from contextlib import suppress

_LISTEN, _UDP_OPEN = "0A", "07"
_FILES = (
    ("tcp", "tcp", _LISTEN, "sockstat", "TCP:"),
    ("tcp", "tcp6", _LISTEN, "sockstat6", "TCP6:"),
    ("udp", "udp", _UDP_OPEN, "sockstat", "UDP:"),
    ("udp", "udp6", _UDP_OPEN, "sockstat6", "UDP6:"),
)
"""Protocol, list of its sockets, state of a listening one, and where their number is.

The lists of all namespaces are in the same tables of the kernel. To look through these takes
milliseconds, and most nodes have no sockets at all, so the numbers come first.
"""


def listening() -> frozenset[tuple[str, bytes, int]]:
    """Return (protocol, packed address, port) of each socket."""
    sockets: set[tuple[str, bytes, int]] = set()
    used = _used()
    for protocol, file, state, *number in _FILES:
        if used.get((number[0], number[1])) == "0":
            continue
        with suppress(OSError), open(f"/proc/thread-self/net/{file}", encoding="ascii") as lines:
            next(lines, None)
            for line in lines:
                words = line.split()
                if len(words) > 3 and words[3] == state:
                    address, _, port = words[1].partition(":")
                    sockets.add((protocol, _packed(address), int(port, 16)))
    return frozenset(sockets)


def _used() -> dict[tuple[str, str], str]:
    """Return (file, beginning of a line) → the number of sockets of this namespace in use."""
    numbers: dict[tuple[str, str], str] = {}
    for file in ("sockstat", "sockstat6"):
        with suppress(OSError), open(f"/proc/thread-self/net/{file}", encoding="ascii") as lines:
            for line in lines:
                words = line.split()
                if words[1:2] == ["inuse"]:
                    numbers[file, words[0]] = words[2]
    return numbers


def _packed(address: str) -> bytes:
    """Decode an address that consists of words of four bytes, each in the machine's byte order."""
    words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
    return b"".join(words)
