"""Receives and decodes notifications, with the asyncio sockets of pyroute2."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from pyroute2.netlink.nfnetlink.nftsocket import nft_gen_msg
from pyroute2.netlink.nlsocket import AsyncNetlinkSocket
from pyroute2.netlink.rtnl.iprsocket import AsyncIPRSocket

from netorch.kernel.events.netlink_sockets import NetnsSockets
from netorch.kernel.events.notification import MOST, Notification, Process
from netorch.kernel.events.processes import describe, process_of

_HEADER = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=B3xiHBB")
_ROUTE = struct.Struct("=BBBBBBBBI")
_GENERATION = 10 << 8 | 15
"""NFT_MSG_NEWGEN of the subsystem nftables, which ends each transaction."""
_NETFILTER = 12
_AF_BRIDGE = 7
_LASTING = 0x80 | 0x40
"""NUD_PERMANENT and NUD_NOARP: the kernel did not learn the entry, and does not forget it."""
_PERMANENT = 0x80
_OF_THE_NETWORK = frozenset((1, 9))
"""RTPROT_REDIRECT and RTPROT_RA: routes that come and go with packets."""
_CACHED_ROUTE = 0x200
_KINDS = {
    **dict.fromkeys((16, 17), "link"),
    **dict.fromkeys((20, 21), "address"),
    **dict.fromkeys((24, 25), "route"),
    **dict.fromkeys((28, 29), "neighbour"),
    **dict.fromkeys((32, 33), "rule"),
    **dict.fromkeys((36, 37, 40, 41, 44, 45), "impair"),
    **dict.fromkeys((80, 81), "netns"),
    **dict.fromkeys((88, 89), "netns"),
    **dict.fromkeys((104, 105), "route"),
    **dict.fromkeys((112, 113), "vlans"),
}
"""RTM_NEW… and RTM_DEL… → kind of object."""
_PROTOCOLS = {
    **{8: "gated", 11: "zebra", 12: "bird", 14: "xorp", 16: "dhcp", 17: "mrouted"},
    **{18: "keepalived", 42: "babel", 84: "ovn", 99: "openr", 186: "bgp", 187: "isis"},
    **{188: "ospf", 189: "rip", 192: "eigrp"},
}
"""Protocol number of a routing daemon or a DHCP client → its name (linux/rtnetlink.h)."""


class Receiver:
    """Receives the notifications of one namespace in the event loop of the calling thread."""

    def __init__(
        self,
        sockets: NetnsSockets,
        changed: Callable[[Receiver], None],
        lost: Callable[[Receiver], None],
    ) -> None:
        """Prepare to receive. Both functions are called in the thread of the event loop."""
        self.sockets = sockets
        self.notifications: list[Notification] = []
        """The changes since they were taken last. Not more than `MOST` are described."""
        self._changed, self._lost = changed, lost
        self._processes: dict[int, Process | None] = {}
        self._is_open = True
        self._route = _RouteSocket(sockets.route, self._receive_route, self._fail)
        self._netfilter = (
            None
            if sockets.netfilter is None
            else _FilterSocket(sockets.netfilter, self._receive_filter, self._fail)
        )

    async def begin(self) -> None:
        """Begin to receive."""
        await self._route.setup_endpoint()
        if self._netfilter is not None:
            await self._netfilter.setup_endpoint()

    def close(self) -> None:
        """Close the sockets at once, because they keep the namespace alive."""
        self._is_open = False
        for receiving in (self._route, self._netfilter):
            if receiving is not None:
                receiving.local.transport.abort()
        self.sockets.close()

    def take(self) -> list[Notification]:
        """Return the changes since the last call, and forget them."""
        taken, self.notifications = self.notifications, []
        self._processes = {}
        return taken

    def _fail(self) -> None:
        # pyroute2 also reports an error when a socket is closed
        if self._is_open:
            self._lost(self)

    def _receive_route(self, data: bytes) -> None:
        relevant = False
        for start, kind, port in _messages(data):
            if kind in _KINDS and _is_relevant(data, start, kind, port):
                relevant = True
        if relevant:
            if len(self.notifications) < MOST:
                for message in self._route.marshal.parse(data):
                    self.notifications.append(self._describe(message))
            self._changed(self)

    def _receive_filter(self, data: bytes) -> None:
        for start, kind, _ in _messages(data):
            if kind == _GENERATION:
                if len(self.notifications) < MOST:
                    self.notifications.append(_generation(data[start:]))
                self._changed(self)

    def _describe(self, message: Any) -> Notification:
        header = message["header"]
        kind = _KINDS.get(header["type"], "")
        port = header["pid"]
        # because `take` replaces the processes at any time, in another thread
        processes = self._processes
        if port not in processes:
            processes[port] = process_of(port, self.sockets.inode)
        protocol = _PROTOCOLS.get(_protocol(kind, message) or 0, "")
        return Notification(kind, _name(kind, message), processes[port], protocol)


def _messages(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (offset, type, port of the requester) of the messages in a datagram."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, port = _HEADER.unpack_from(data, at)
        yield at, kind, port
        if length < _HEADER.size:
            return
        at += (length + 3) & ~3


def _is_relevant(data: bytes, start: int, kind: int, port: int) -> bool:
    """Tell whether somebody configured something.

    What the kernel learns from packets is not relevant: neighbours, MACs and cached routes.
    """
    if _KINDS[kind] == "neighbour":
        family, _, state, _, _ = _NEIGHBOUR.unpack_from(data, start + _HEADER.size)
        if family == _AF_BRIDGE:
            return bool(state & _LASTING)
        # an entry that somebody deletes has another state by then
        return bool(state & _PERMANENT or port)
    if kind in (24, 25):
        *_, protocol, _, _, flags = _ROUTE.unpack_from(data, start + _HEADER.size)
        return protocol not in _OF_THE_NETWORK and not flags & _CACHED_ROUTE
    return True


def _name(kind: str, message: Any) -> str:
    """Return what identifies the object of a message, or ""."""
    match kind:
        case "link":
            return str(message.get("IFLA_IFNAME") or "")
        case "address":
            text = message.get("IFA_LOCAL") or message.get("IFA_ADDRESS") or ""
            return f"{text}/{message['prefixlen']}"
        case "route":
            text = message.get("RTA_DST") if "dst_len" in message else None
            return f"{text}/{message['dst_len']}" if text else "default"
        case "neighbour":
            return str(message.get("NDA_DST") or message.get("NDA_LLADDR") or "")
    return ""


def _protocol(kind: str, message: Any) -> int | None:
    number: int | None = None
    match kind:
        case "address":
            number = message.get("IFA_PROTO")
        case "route":
            number = message.get("proto")
        case "rule":
            number = message.get("FRA_PROTOCOL")
        case "neighbour":
            number = message.get("NDA_PROTOCOL")
    return number


def _generation(data: bytes) -> Notification:
    """Describe a change of nftables, of which Linux tells the process."""
    message = nft_gen_msg(data)
    message.decode()
    pid = message.get("NFTA_GEN_PROC_PID") or 0
    name = message.get("NFTA_GEN_PROC_NAME") or ""
    return Notification("filter", process=describe(pid, command=name) if pid else None)


class _RouteSocket(AsyncIPRSocket):  # type: ignore[misc]
    """A socket of NETLINK_ROUTE that hands over each datagram as it is.

    pyroute2 would decode each message, which takes 25 to 150 µs, and could not be used any more
    after ENOBUFS. This socket continues after an error.
    """

    def __init__(
        self, opened: object, receive: Callable[[bytes], None], fail: Callable[[], None]
    ) -> None:
        super().__init__(use_socket=opened)
        self._receive, self._fail = receive, fail

    def enqueue(self, data: bytes, addr: object) -> None:
        """Receive a datagram, or an error, which has no address."""
        if addr is None:
            self._error_event.clear()
            self._fail()
        else:
            self._receive(data)


class _FilterSocket(AsyncNetlinkSocket):  # type: ignore[misc]
    """The same for NETLINK_NETFILTER."""

    def __init__(
        self, opened: object, receive: Callable[[bytes], None], fail: Callable[[], None]
    ) -> None:
        super().__init__(family=_NETFILTER, use_socket=opened)
        self._receive, self._fail = receive, fail

    def enqueue(self, data: bytes, addr: object) -> None:
        """Receive a datagram, or an error, which has no address."""
        if addr is None:
            self._error_event.clear()
            self._fail()
        else:
            self._receive(data)
