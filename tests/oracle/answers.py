"""Small answers: settings, numbers of namespaces and families, errors."""

from __future__ import annotations

import struct

from pyroute2.netlink import ctrlmsg, nlmsgerr
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg

from netorch.netlink import constants as c
from tests.oracle.reading import Netconf, last, raw, read, word


def forwarding(data: bytes) -> bool | None:
    found = last(read(Netconf, data), "NETCONFA_FORWARDING")
    return None if found is None else found != 0


def nsid(data: bytes) -> int:
    """It is a signed number, which pyroute2 reads without its sign."""
    found: int = struct.unpack("=i", struct.pack("=I", last(read(nsidmsg, data), "NETNSA_NSID")))[0]
    return found


def family(data: bytes) -> int | None:
    found: int | None = last(read(ctrlmsg, data), "CTRL_ATTR_FAMILY_ID")
    return found


def failure(data: bytes, flags: int) -> tuple[int, str]:
    """pyroute2 takes the request that an error echoes for an attribute, as long as the whole of it is there."""
    theirs = read(nlmsgerr, data)
    if flags & c.NLM_F_CAPPED:
        told = (
            dict(raw(data[36:])).get(c.NLMSGERR_ATTR_MSG, b"") if flags & c.NLM_F_ACK_TLVS else b""
        )
        return -theirs["error"], word(told)
    return -theirs["error"], last(theirs, "NLMSGERR_ATTR_MSG") or ""
