"""A look into a node, and sockets of it."""

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
    """The links of a node and their addresses, as they are now."""

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
    """A socket of the node. A socket stays in the namespace that it was made in, whoever uses it. `buffer`: bytes to hold, if not 0."""

    def work() -> Files:
        made = socket.socket(family, kind, protocol)
        if buffer:
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        return Files((made.detach(),))

    return run_within(how, what, work)


def wait_for_port(how: str, what: str, protocol: str, port: int, timeout: float) -> bool:
    """Whether a socket of the node waits on the port (`tcp` or `udp`) within `timeout` seconds."""

    def work() -> bool:
        end = time.monotonic() + timeout
        while (
            not (
                found := any(
                    (known, number) == (protocol, port) for known, _, number in listening()
                )
            )
            and time.monotonic() < end
        ):
            time.sleep(_POLL)
        return found

    return run_within(how, what, work)
