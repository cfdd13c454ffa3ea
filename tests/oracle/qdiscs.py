"""Root qdiscs and their options."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from pyroute2.netlink.rtnl.tcmsg import tcmsg

from netorch.netlink import constants as c
from netorch.netlink.qdisc import Netem, Tbf
from netorch.values.snapshot import QdiscRecord
from tests.oracle.reading import RawQdisc, last, numbered, raw, read


def qdiscs(messages: Iterable[bytes]) -> dict[int, QdiscRecord]:
    found = {}
    for data in messages:
        theirs = read(tcmsg, data)
        kind = last(theirs, "TCA_KIND")
        if theirs["parent"] == c.TC_H_ROOT and theirs["handle"] and kind in ("netem", "tbf"):
            found[theirs["index"]] = QdiscRecord(
                kind, dict(numbered(read(RawQdisc, data))).get(c.TCA_OPTIONS, b"")
            )
    return found


def netem(data: bytes) -> Netem:
    """The options of a netem; what netorch has no word for is not looked at."""
    found = last(read(tcmsg, data), "TCA_OPTIONS")
    reorder, corrupt = (
        last(found, "TCA_NETEM_REORDER") or {},
        last(found, "TCA_NETEM_CORRUPT") or {},
    )
    rate = last(found, "TCA_NETEM_RATE") or {}
    # numbers of 64 bits, of which pyroute2 has no names
    more = dict(raw(dict(numbered(read(RawQdisc, data)))[c.TCA_OPTIONS][24:]))
    return Netem(
        struct.unpack("=q", more[10])[0] if 10 in more else found["delay"] * 64,
        struct.unpack("=q", more[11])[0] if 11 in more else found["jitter"] * 64,
        found["loss"],
        found["duplicate"],
        corrupt.get("prob_corrupt", 0),
        reorder.get("prob_reorder", 0),
        struct.unpack("=Q", more[8])[0] if 8 in more else rate.get("rate", 0),
        found["limit"],
    )


def tbf(data: bytes) -> Tbf:
    parms = last(last(read(tcmsg, data), "TCA_OPTIONS"), "TCA_TBF_PARMS")
    more = dict(raw(dict(numbered(read(RawQdisc, data)))[c.TCA_OPTIONS]))
    return Tbf(
        struct.unpack("=Q", more[4])[0] if 4 in more else parms["rate"],
        parms["buffer"],
        parms["limit"],
    )
