"""Reads a node's links and addresses, opens sockets in it, and waits for its ports."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from netorch.kernel.namespaces.own_thread import run_within
from netorch.kernel.private_host.calls import Files
from netorch.kernel.reader import dump_links
from netorch.kernel.system.listening_sockets import listening
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.values.snapshot import AddressRecord, LinkRecord

_SO_RCVBUFFORCE = 33
_POLL = 0.02


def look(how: str, what: str) -> tuple[list[LinkRecord], list[AddressRecord]]:
    """Return the current links of a node and their addresses."""

    def work() -> tuple[list[LinkRecord], list[AddressRecord]]:
        rtnl = Rtnl()
        try:
            return dump_links(rtnl), decode.addresses(rtnl.dump(c.RTM_GETADDR, bytes(8)))
        finally:
            rtnl.close()

    return run_within(how, what, work)


def open_socket(
    how: str, what: str, family: int, kind: int, protocol: int, buffer: int = 0
) -> Files:
    """Open a socket in a node. It stays in that namespace, even if another process uses it.

    `buffer` is the size of the receive buffer in bytes, or 0 for the default.
    """

    def work() -> Files:
        made = socket.socket(family, kind, protocol)
        if buffer:
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        return Files((made.detach(),))

    return run_within(how, what, work)


def wait_for_port(how: str, what: str, protocol: str, port: int, timeout: float) -> bool:
    """Tell whether a socket of the node listens on the port within `timeout` seconds.

    `protocol` is `tcp` or `udp`.
    """

    def work() -> bool:
        end = time.monotonic() + timeout
        while (
            not (
                listens := any(
                    (known, number) == (protocol, port) for known, _, number in listening()
                )
            )
            and time.monotonic() < end
        ):
            time.sleep(_POLL)
        return listens

    return run_within(how, what, work)
