"""Generic netlink: families by name, and the header of messages (linux/genetlink.h, genl(7))."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from netorch.netlink.codec import Message, as_u16, attr, attributes, cstring

NETLINK_GENERIC = 16
GENL_ID_CTRL = 0x10
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2

HEADER_SIZE = 4
_GENLMSGHDR = struct.Struct("=BBxx")


def header(command: int, version: int = 1) -> bytes:
    """Encode struct genlmsghdr."""
    return _GENLMSGHDR.pack(command, version)


def family_question(name: str) -> bytes:
    """Encode the payload that asks GENL_ID_CTRL for the number of a family."""
    return header(CTRL_CMD_GETFAMILY) + attr(CTRL_ATTR_FAMILY_NAME, cstring(name))


def family_number(answer: Iterable[Message]) -> int | None:
    """Return the family's number, which its messages have as type, or None without such a
    family.
    """
    for _, buffer, start, end in answer:
        payload = attributes(buffer, start + HEADER_SIZE, end).get(CTRL_ATTR_FAMILY_ID)
        if payload is not None:
            return as_u16(payload)
    return None
