"""pyroute2's reading of messages: their attributes by name, and as raw payloads."""

from __future__ import annotations

import socket
import struct
from typing import Any

from pyroute2.netlink import nla, nlmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from netorch.netlink import constants as c

INETS = (c.AF_INET, c.AF_INET6)


class Raw(nla):
    """Attributes of any kind with raw payloads."""

    nla_map = tuple((number, str(number), "cdata") for number in range(4096))


class RawLink(nlmsg):
    fields = ifinfmsg.fields
    nla_map = Raw.nla_map


class RawQdisc(nlmsg):
    fields = tcmsg.fields
    nla_map = Raw.nla_map


class Netconf(nlmsg):
    """struct netconfmsg (linux/netconf.h), for which pyroute2 has no class."""

    fields = (("family", "B"), ("__pad", "3x"))
    nla_map = (
        ("NETCONFA_UNSPEC", "none"),
        ("NETCONFA_IFINDEX", "int32"),
        ("NETCONFA_FORWARDING", "int32"),
    )


def read(form: Any, data: bytes) -> Any:
    """Read one message, with its header, by pyroute2's class `form`."""
    parsed = form(data)
    parsed.decode()
    return parsed


def last(parsed: Any, name: str) -> Any:
    """Return the value of an attribute.

    If it occurs twice, the last one counts, as in netorch and in the kernel's own parser.
    """
    values = parsed.get_attrs(name)
    return values[-1] if values else None


def raw(payload: bytes) -> list[tuple[int, bytes]]:
    """Return the attributes in a payload, in order."""
    parsed = Raw(struct.pack("=HH", len(payload) + 4, 0) + payload)
    parsed.decode()
    return numbered(parsed)


def packed(address: str | None) -> bytes | None:
    return (
        None
        if address is None
        else socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    )


def link_address(text: str | None) -> bytes | None:
    """Return a MAC, or the IP address that a tunnel has in place of one."""
    if text is None:
        return None
    return (
        packed(text)
        if "." in text or (text.count(":") != 5 or "::" in text)
        else bytes.fromhex(text.replace(":", ""))
    )


def word(payload: bytes) -> str:
    return payload.partition(b"\0")[0].decode()


def numbered(parsed: Any) -> list[tuple[int, bytes]]:
    return [(int(name), bytes(value)) for name, value in parsed["attrs"]]
