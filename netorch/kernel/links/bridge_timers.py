"""Read the spanning tree times that are set on a bridge.

A dump of a bridge has the times of the spanning tree's root instead (net/bridge/br_ioctl.c).
"""

from __future__ import annotations

import ctypes
import fcntl
import struct
from collections.abc import Iterator

from netorch.immutable import replace
from netorch.kernel.system.sockets import opened, socket
from netorch.netlink import constants as c
from netorch.netlink.codec import u32
from netorch.values.snapshot import LinkRecord

_SIOCDEVPRIVATE = 0x89F0
_GET_BRIDGE_INFO = 6
_INFO_BYTES = 128
_TIMES = struct.Struct("=28x4I")
"""The fields of struct __bridge_info (linux/if_bridge.h) that are read here: forward_delay,
bridge_max_age, bridge_hello_time, bridge_forward_delay.

Only the last is in centiseconds. The kernel returns the others in its own ticks.
"""
_TICKS = (100, 250, 300, 1000)
"""The numbers of ticks per second that a kernel can be built with (kernel/Kconfig.hz)."""


def with_own_times(links: list[LinkRecord]) -> Iterator[LinkRecord]:
    """Return the links of the thread's namespace, where bridges have the times set on
    themselves.
    """
    for link in links:
        own = _own_times(link) if follows(link) else None
        yield replace(link, data={**link.data, **own}) if own else link


def follows(link: LinkRecord) -> bool:
    """Return whether the dumped times of this bridge are those of another bridge, the root.

    A bridge knows other bridges only with STP.
    """
    return link.kind == "bridge" and link.data.get(c.IFLA_BR_ROOT_ID) != link.data.get(
        c.IFLA_BR_BRIDGE_ID
    )


def _own_times(link: LinkRecord) -> dict[int, bytes] | None:
    """Return IFLA_BR_* → value of the three times.

    Return None for a bridge that no longer exists, and if the kernel does not have the call.
    """
    info = ctypes.create_string_buffer(_INFO_BYTES)
    arguments = (ctypes.c_ulong * 4)(_GET_BRIDGE_INFO, ctypes.addressof(info), 0, 0)
    request = struct.pack("=16s", link.name.encode()) + struct.pack(
        "@P16x", ctypes.addressof(arguments)
    )
    try:
        with opened(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, _SIOCDEVPRIVATE, request)
    except OSError:
        return None
    ticks, max_age, hello_time, forward_delay = _TIMES.unpack_from(info)
    # The ioctl returns the forward delay of the root in ticks, and the dump has the same delay in
    # centiseconds. Their ratio is the length of a tick.
    dumped_delay = int.from_bytes(link.data.get(c.IFLA_BR_FORWARD_DELAY, b""), "little")
    if not dumped_delay:
        return None
    hertz = min(_TICKS, key=lambda rate: abs(rate * dumped_delay - 100 * ticks))
    return {
        c.IFLA_BR_MAX_AGE: u32(max_age * 100 // hertz),
        c.IFLA_BR_HELLO_TIME: u32(hello_time * 100 // hertz),
        c.IFLA_BR_FORWARD_DELAY: u32(forward_delay),
    }


__all__ = ["follows", "with_own_times"]
