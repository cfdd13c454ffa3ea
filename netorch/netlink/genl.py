"""Generic netlink: families by name, and the header of their messages (linux/genetlink.h, genl(7))."""

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
    return _GENLMSGHDR.pack(command, version)


def family_question(name: str) -> bytes:
    """The payload that asks GENL_ID_CTRL for the number of a family."""
    return header(CTRL_CMD_GETFAMILY) + attr(CTRL_ATTR_FAMILY_NAME, cstring(name))


def family_number(answer: Iterable[Message]) -> int | None:
    """The number in the answer, by which messages of the family are addressed; None if there is no such family."""
    for _, buffer, start, end in answer:
        found = attributes(buffer, start + HEADER_SIZE, end).get(CTRL_ATTR_FAMILY_ID)
        if found is not None:
            return as_u16(found)
    return None
