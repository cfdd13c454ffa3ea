"""Opens the netlink sockets that receive the notifications of a namespace."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress

from netorch.immutable import Value
from netorch.kernel.events.notification import Inode
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.system.descriptors import move_up
from netorch.kernel.system.sockets import socket
from netorch.netlink import constants as c

_NETLINK_NETFILTER = 12
_ADD_MEMBERSHIP = 1
_SO_RCVBUFFORCE = 33
_LINK, _NEIGH, _TC, _IPV4_ADDRESS, _IPV4_ROUTE, _IPV4_RULE = 1, 3, 4, 5, 7, 8
_IPV6_ADDRESS, _IPV6_ROUTE, _IPV6_RULE, _IPV4_CONFIG, _IPV6_CONFIG = 9, 11, 19, 24, 25
_NSID, _NEXTHOP, _BRIDGE_VLAN = 28, 32, 33
_ROUTE_GROUPS = (
    *(_LINK, _NEIGH, _TC, _IPV4_ADDRESS, _IPV4_ROUTE, _IPV4_RULE),
    *(_IPV6_ADDRESS, _IPV6_ROUTE, _IPV6_RULE, _IPV4_CONFIG, _IPV6_CONFIG),
    *(_NSID, _NEXTHOP, _BRIDGE_VLAN),
)
"""RTNLGRP_… of linux/rtnetlink.h. Bridges have no multicast groups in a topology file."""
_NFTABLES_GROUPS = (7,)
"""NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h."""
_PORT = 0x2A0
"""The upper bits of the first port that a socket tries.

The lower ones are the PID, and the port that is only the PID stays free for the sockets that send
requests. So their notifications tell that this process made the change.
"""
_PORTS = 64
BUFFER = 4 << 20
"""The default size of a receive buffer. Linux takes memory only for what waits in it."""


class NetnsSockets(Value):
    """The sockets of one namespace, which do not block."""

    label: str
    inode: Inode
    name: str
    """The name in /run/netns that keeps it alive, "" if there is none."""
    is_host: bool
    route: socket.socket
    """A socket of NETLINK_ROUTE."""
    netfilter: socket.socket | None
    """A socket of NETLINK_NETFILTER; None if the kernel lacks it."""

    def close(self) -> None:
        self.route.close()
        if self.netfilter is not None:
            self.netfilter.close()


def open_sockets(
    namespaces: Namespaces, labels: Iterable[str], buffer: int = BUFFER
) -> list[NetnsSockets]:
    """Open the sockets of these namespaces, in the worker's thread.

    Namespaces that do not exist are left out.
    """
    result: list[NetnsSockets] = []
    namespaces.round += 1
    names: dict[Inode, str] = {}
    try:
        for label in labels:
            netns = namespaces.find(label)
            if netns is None:
                continue
            namespaces.enter(netns)
            route = _opened(c.NETLINK_ROUTE, _ROUTE_GROUPS, buffer)
            try:
                netfilter = _netfilter(buffer)
            except BaseException:
                route.close()
                raise
            is_host = netns is namespaces.host
            if netns.pinned and not is_host and not names:
                names = {inode: name for name, inode in namespaces.names().items() if inode}
            name = names.get(netns.inode, "") if netns.pinned else label
            result.append(NetnsSockets(label, netns.inode, name, is_host, route, netfilter))
    except BaseException:
        for sockets in result:
            sockets.close()
        raise
    return result


def _netfilter(buffer: int) -> socket.socket | None:
    try:
        return _opened(_NETLINK_NETFILTER, _NFTABLES_GROUPS, buffer)
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.ENOENT, errno.EINVAL):
            return None
        raise


def _opened(protocol: int, groups: Iterable[int], buffer: int) -> socket.socket:
    kind = socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, protocol
    opened = socket.socket(*kind, fileno=move_up(socket.socket(*kind).detach()))
    try:
        opened.setblocking(False)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        _bind(opened)
        for group in groups:
            # an older kernel lacks some groups
            with suppress(OSError):
                opened.setsockopt(c.SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except BaseException:
        opened.close()
        raise
    return opened


def _bind(opened: socket.socket) -> None:
    for number in range(_PORT, _PORT + _PORTS):
        try:
            opened.bind((os.getpid() + (number << 22), 0))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    opened.bind((0, 0))
