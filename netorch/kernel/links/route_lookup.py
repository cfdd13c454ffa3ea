"""Ask the kernel by which interface it reaches an address, as `ip route get` does."""

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
"""The number of questions in one datagram."""


def interfaces_to(rtnl: Rtnl, addresses: Iterable[Address]) -> Mapping[Address, str]:
    """Return address → interface, for the addresses that have a route."""
    names = {link.index: link.name for link in dump_links(rtnl)}
    questions = list(addresses)
    interfaces: dict[Address, str] = {}
    for first in range(0, len(questions), _AT_ONCE):
        chunk = questions[first : first + _AT_ONCE]
        answers = rtnl.get(c.RTM_GETROUTE, [_question(address) for address in chunk])
        for address, answer in zip(chunk, answers, strict=True):
            for _, buffer, start, end in answer:
                index = attributes(buffer, start + _RTMSG.size, end).get(c.RTA_OIF)
                if index is not None and as_u32(index) in names:
                    interfaces[address] = names[as_u32(index)]
    return interfaces


def _question(address: Address) -> bytes:
    header = (_FAMILIES[address.version], address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    return _RTMSG.pack(*header) + attr(c.RTA_DST, address.packed)
