"""Make devices of /dev/net/tun and set their owners.

The devices are made in the namespace of the calling thread. Sources:
Documentation/networking/tuntap.rst, drivers/net/tun.c.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from netorch.kernel.namespaces.indexes import Refused
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.codec import cstring, message, pack
from netorch.netlink.encode import link_name
from netorch.values.requests import TunAdd, TunSet

DEVICE = "/dev/net/tun"

_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER, _TUNSETGROUP = (
    0x400454CA,
    0x400454CB,
    0x400454CC,
    0x400454CE,
)
_IFF_TUN, _IFF_TAP, _IFF_MULTI_QUEUE, _IFF_NO_PI, _IFF_TUN_EXCL = 0x1, 0x2, 0x100, 0x1000, 0x8000
_IFREQ = struct.Struct("=16sH22x")
_IFINFOMSG = struct.Struct("=BxHiII")


def add(rtnl: Rtnl, request: TunAdd) -> None:
    """Make a device that persists.

    Until TUNSETPERSIST, the device disappears when its file is closed, so that no partly configured
    device can remain.
    """
    fd = _open(request, _IFF_TUN_EXCL)
    try:
        seq = rtnl.next_seq()
        payload = _IFINFOMSG.pack(0, 0, 0, 0, 0) + link_name(request.name) + pack(request.attrs)
        errors = rtnl.send([(seq, message(c.RTM_SETLINK, c.NLM_F_REQUEST, seq, payload))])
        if errors:
            number, sentence = errors[seq]
            raise Refused(number, sentence or os.strerror(number))
        _give(fd, request)
        fcntl.ioctl(fd, _TUNSETPERSIST, 1)
    finally:
        os.close(fd)


def change(request: TunSet) -> None:
    """Change the owner of a device. Fails with EBUSY while a program has its only queue open."""
    fd = _open(request)
    try:
        _give(fd, request)
    finally:
        os.close(fd)


def _open(request: TunAdd | TunSet, more: int = 0) -> int:
    fd = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    flags = (
        (_IFF_TAP if request.tap else _IFF_TUN)
        | (_IFF_MULTI_QUEUE if request.multi_queue else 0)
        | _IFF_NO_PI
        | more
    )
    try:
        fcntl.ioctl(fd, _TUNSETIFF, _IFREQ.pack(cstring(request.name), flags))
    except OSError as error:
        os.close(fd)
        # EBUSY with IFF_TUN_EXCL means that a device of that name exists.
        number = errno.EEXIST if more and error.errno == errno.EBUSY else error.errno or errno.EIO
        raise Refused(
            number,
            "a program has the device open" if number == errno.EBUSY else os.strerror(number),
        ) from None
    return fd


def _give(fd: int, request: TunAdd | TunSet) -> None:
    for command, number in ((_TUNSETOWNER, request.owner), (_TUNSETGROUP, request.group)):
        if number is not None:
            assert isinstance(number, int), f"{number!r} is a name, not a number"
            fcntl.ioctl(fd, command, number - (number >> 31 << 32))
