"""Wait until the kernel has processed a link's carrier.

The kernel reacts to the carrier some time after both ends of a cable have come up
(net/core/link_watch.c). For example, it then gives the IPv6 configuration the MTU of the link
(addrconf_notify).
"""

from __future__ import annotations

import time

from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.codec import attributes, message
from netorch.netlink.encode import link_name

_WITHIN = 3.0
"""The longest wait, in seconds.

The kernel processes events that are not urgent once per second (linkwatch_schedule_work).
"""
_POLL = 0.005


def settle(rtnl: Rtnl, link: str) -> None:
    """Wait, at most for some seconds, until the link has no carrier or the kernel has processed
    it.
    """
    deadline = time.monotonic() + _WITHIN
    while _is_pending(rtnl, link) and time.monotonic() < deadline:
        time.sleep(_POLL)
    # The state of the link is visible before the kernel has notified all its parts of it. The
    # kernel does both under one lock, so the answer to any request shows that both are done.
    seq = rtnl.next_seq()
    rtnl.send([(seq, message(c.RTM_SETLINK, c.NLM_F_REQUEST, seq, bytes(16) + link_name(link)))])


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
