"""Waits until the kernel has taken note of a link's carrier.

What it does of its own then, such as giving the IPv6 configuration the MTU of the link (addrconf_notify), it does some time
after both ends of a cable have come up (net/core/link_watch.c).
"""

from __future__ import annotations

import time

from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.codec import attributes
from netorch.netlink.encode import link_name

_WITHIN = 1.0
_POLL = 0.005


def settle(rtnl: Rtnl, link: str) -> None:
    """Wait until the link has no carrier, or has been told that it has; a second at most."""
    deadline = time.monotonic() + _WITHIN
    while _is_pending(rtnl, link) and time.monotonic() < deadline:
        time.sleep(_POLL)


def _is_pending(rtnl: Rtnl, link: str) -> bool:
    for answers in rtnl.get(c.RTM_GETLINK, (bytes(16) + link_name(link),)):
        for kind, buffer, start, end in answers:
            if kind == c.RTM_NEWLINK:
                flags = int.from_bytes(buffer[start + 8 : start + 12], "little")
                state = attributes(buffer, start + 16, end).get(c.IFLA_OPERSTATE, b"\0")[0]
                return bool(flags & c.IFF_LOWER_UP) and state not in (
                    c.IF_OPER_UNKNOWN,
                    c.IF_OPER_UP,
                )
    return False
