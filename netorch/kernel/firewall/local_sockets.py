"""Ends TCP sockets in the namespace of the calling thread, as `ss --kill` does.

The kernel's interface is SOCK_DESTROY of sock_diag(7).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from contextlib import suppress

from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink.codec import message
from netorch.netlink.constants import NLM_F_REQUEST
from netorch.values.connections import Connection

_NETLINK_SOCK_DIAG = 4
_SOCK_DESTROY = 21
_EVERY_STATE = 0xFFFFFFFF
_NO_COOKIE = b"\xff" * 8
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def end_sockets(ended: Iterable[Connection]) -> None:
    """Reset the local sockets at which these TCP connections end.

    Deleting the tracked connection is not enough for those: the next segment that the program sends
    would begin a new connection, and the rules let the answers to it in. Kernels without
    CONFIG_INET_DIAG_DESTROY refuse the request, which is not an error.
    """
    streams = [connection for connection in ended if connection.protocol == "tcp"]
    if not streams:
        return
    with suppress(OSError):
        diag = Rtnl(_NETLINK_SOCK_DIAG)
        try:
            batch = []
            for connection in streams:
                seq = diag.next_seq()
                batch.append(
                    (seq, message(_SOCK_DESTROY, NLM_F_REQUEST, seq, _request(connection)))
                )
            diag.send(batch)
        finally:
            diag.close()


def _request(connection: Connection) -> bytes:
    """Encode struct inet_diag_req_v2 (linux/inet_diag.h) for the socket that answers."""
    (near, port), (far, far_port) = connection.answered_from, connection.source
    header = struct.pack("=BBBxI", _FAMILIES[near.version], socket.IPPROTO_TCP, 0, _EVERY_STATE)
    ends = struct.pack("!HH16s16s", port, far_port, near.packed, far.packed)
    return header + ends + bytes(4) + _NO_COOKIE
