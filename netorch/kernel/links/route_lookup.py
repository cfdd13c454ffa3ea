"""By which interface an address is reached: the kernel is asked, as `ip route get` does."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from netorch.kernel.reader import dump_links
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.codec import as_u32, attr, attributes
from netorch.values.filter_rules import Address

_RTMSG = struct.Struct("=BBBBBBBBI")
_FAMILIES = {4: c.AF_INET, 6: c.AF_INET6}
_AT_ONCE = 64
"""Questions in one datagram."""


def interfaces_to(rtnl: Rtnl, addresses: Iterable[Address]) -> Mapping[Address, str]:
    """Address → interface, of those that are reached."""
    names = {link.index: link.name for link in dump_links(rtnl)}
    asked = list(addresses)
    found: dict[Address, str] = {}
    for first in range(0, len(asked), _AT_ONCE):
        part = asked[first : first + _AT_ONCE]
        answers = rtnl.get(c.RTM_GETROUTE, [_question(address) for address in part])
        for address, answer in zip(part, answers, strict=True):
            for _, buffer, start, end in answer:
                index = attributes(buffer, start + _RTMSG.size, end).get(c.RTA_OIF)
                if index is not None and as_u32(index) in names:
                    found[address] = names[as_u32(index)]
    return found


def _question(address: Address) -> bytes:
    header = (_FAMILIES[address.version], address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    return _RTMSG.pack(*header) + attr(c.RTA_DST, address.packed)
