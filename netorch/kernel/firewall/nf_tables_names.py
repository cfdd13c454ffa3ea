"""Lists the tables of nf_tables in the namespace of the calling thread."""

from __future__ import annotations

import struct

from netorch.kernel.system.sockets import socket
from netorch.netlink.codec import DecodeError, attributes, headers, text

NETLINK_NETFILTER = 12
ERROR, DONE = 2, 3
REQUEST_DUMP = 0x301
TABLE_NAME = 1
FAMILIES = {1: "inet", 2: "ip", 7: "bridge", 10: "ip6"}
_GETTABLE = 10 << 8 | 1
_TABLE_USERDATA, _COMMENT = 6, 0


def tables() -> dict[tuple[str, str], str]:
    """Return (family, name) → comment of all tables. The comment is "" if a table has none."""
    comments: dict[tuple[str, str], str] = {}
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    except OSError:
        return comments
    try:
        sock.send(struct.pack("=IHHII", 20, _GETTABLE, REQUEST_DUMP, 1, 0) + bytes(4))
        while True:
            datagram = sock.recv(1 << 16)
            for kind, _, _, start, end in headers(datagram):
                if kind in {ERROR, DONE}:
                    return comments
                attrs = attributes(datagram, start + 4, end)
                family = FAMILIES.get(datagram[start], "")
                comments[family, text(attrs.get(TABLE_NAME, b""))] = _comment(
                    attrs.get(_TABLE_USERDATA, b"")
                )
    except (OSError, DecodeError):
        return comments
    finally:
        sock.close()


def _comment(userdata: bytes) -> str:
    """Return the comment in a table's user data.

    User data is a sequence of elements: one byte for the type, one for the length, and the bytes.
    """
    while len(userdata) > 2:
        kind, size = userdata[:2]
        if kind == _COMMENT:
            return text(userdata[2 : 2 + size])
        userdata = userdata[2 + size :]
    return ""
