"""Decode what families of generic netlink have in a namespace, mostly by counting it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from netorch.immutable import Value
from netorch.netlink.codec import Message, as_u16, attributes, text
from netorch.netlink.genl import (
    CTRL_ATTR_FAMILY_ID,
    CTRL_ATTR_FAMILY_NAME,
    CTRL_CMD_GETFAMILY,
    HEADER_SIZE,
    header,
)
from netorch.values.extras import Extra

MPTCP, MPTCP_PM_CMD_GET_LIMITS = "mptcp_pm", 6
SEG6, SEG6_CMD_GET_TUNSRC = "SEG6", 4
EVERY_FAMILY = header(CTRL_CMD_GETFAMILY)
"""The payload of a dump of all families. A question for one would load its module."""


class Dump(Value):
    """What a family has for which netorch has no resource."""

    family: str
    command: int
    """The command that lists it."""
    what: str
    matters: bool = False


DUMPS = (
    Dump(MPTCP, 3, "MPTCP endpoint"),
    Dump("IOAM6", 3, "IOAM namespace"),
    Dump("IOAM6", 6, "IOAM schema"),
    Dump(SEG6, 2, "HMAC key of SRv6"),
    Dump("fou", 3, "port of FOU", matters=True),
    Dump("ila", 3, "ILA translation", matters=True),
    Dump("l2tp", 4, "L2TP tunnel", matters=True),
)

_MPTCP_PM_ATTR_RCV_ADD_ADDRS, _MPTCP_PM_ATTR_SUBFLOWS = 2, 3
_MPTCP_LIMITS = (0, 2)
"""The limits of a new namespace (mptcp_pm_data_reset)."""
_SEG6_ATTR_DST = 1


def families(messages: Iterable[Message]) -> dict[str, int]:
    """Return name → number of the families in a dump."""
    numbers: dict[str, int] = {}
    for _, buffer, start, end in messages:
        parts = attributes(buffer, start + HEADER_SIZE, end)
        name, number = parts.get(CTRL_ATTR_FAMILY_NAME), parts.get(CTRL_ATTR_FAMILY_ID)
        if name is not None and number is not None:
            numbers[text(name)] = as_u16(number)
    return numbers


def counted(dump: Dump, messages: Iterable[Message]) -> Iterator[Extra]:
    """Yield one sentence about the answers to a dump, if there are any."""
    count = sum(1 for _ in messages)
    if count:
        yield Extra(f"{count} {dump.what}{'s' if count > 1 else ''}", matters=dump.matters)


def mptcp_limits(answer: Iterable[Message]) -> Iterator[Extra]:
    """Yield the limits of MPTCP, if they are not those of a new namespace."""
    for _, buffer, start, end in answer:
        parts = attributes(buffer, start + HEADER_SIZE, end)
        addresses, subflows = limits = tuple(
            int.from_bytes(parts.get(number, b""), "little")
            for number in (_MPTCP_PM_ATTR_RCV_ADD_ADDRS, _MPTCP_PM_ATTR_SUBFLOWS)
        )
        if limits != _MPTCP_LIMITS:
            yield Extra(f"MPTCP limits add_addr_accepted {addresses} subflows {subflows}")


def tunnel_source(answer: Iterable[Message]) -> Iterator[Extra]:
    """Yield the source of outer packets of SRv6, if there is one."""
    for _, buffer, start, end in answer:
        address = attributes(buffer, start + HEADER_SIZE, end).get(_SEG6_ATTR_DST, b"")
        if len(address) == 16 and any(address):
            yield Extra(f"sr tunsrc {ip_address(address)}", matters=True)
