"""Small answers: settings, numbers of namespaces and families, errors."""

from __future__ import annotations

import struct

from pyroute2.netlink import ctrlmsg, nlmsgerr
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg

from netorch.netlink import constants as c
from tests.oracle.reading import Netconf, last, raw, read, word


def forwarding(data: bytes) -> bool | None:
    value = last(read(Netconf, data), "NETCONFA_FORWARDING")
    return None if value is None else value != 0


def nsid(data: bytes) -> int:
    """Return the number, which is signed; pyroute2 reads it as unsigned."""
    value: int = struct.unpack("=i", struct.pack("=I", last(read(nsidmsg, data), "NETNSA_NSID")))[0]
    return value


def family(data: bytes) -> int | None:
    number: int | None = last(read(ctrlmsg, data), "CTRL_ATTR_FAMILY_ID")
    return number


def failure(data: bytes, flags: int) -> tuple[int, str]:
    """Return the error number and the kernel's text.

    pyroute2 parses the request in the error as an attribute. That works only if the whole request
    is there. If the error has only its header, the attributes after it are read here.
    """
    parsed = read(nlmsgerr, data)
    if flags & c.NLM_F_CAPPED:
        text = (
            dict(raw(data[36:])).get(c.NLMSGERR_ATTR_MSG, b"") if flags & c.NLM_F_ACK_TLVS else b""
        )
        return -parsed["error"], word(text)
    return -parsed["error"], last(parsed, "NLMSGERR_ATTR_MSG") or ""
