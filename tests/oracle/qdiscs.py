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
    records = {}
    for data in messages:
        parsed = read(tcmsg, data)
        kind = last(parsed, "TCA_KIND")
        if parsed["parent"] == c.TC_H_ROOT and parsed["handle"] and kind in ("netem", "tbf"):
            records[parsed["index"]] = QdiscRecord(
                kind, dict(numbered(read(RawQdisc, data))).get(c.TCA_OPTIONS, b"")
            )
    return records


def netem(data: bytes) -> Netem:
    """Return the options of a netem that netorch supports."""
    options = last(read(tcmsg, data), "TCA_OPTIONS")
    reorder, corrupt = (
        last(options, "TCA_NETEM_REORDER") or {},
        last(options, "TCA_NETEM_CORRUPT") or {},
    )
    rate = last(options, "TCA_NETEM_RATE") or {}
    # 64-bit values, for which pyroute2 has no names
    more = dict(raw(dict(numbered(read(RawQdisc, data)))[c.TCA_OPTIONS][24:]))
    return Netem(
        struct.unpack("=q", more[10])[0] if 10 in more else options["delay"] * 64,
        struct.unpack("=q", more[11])[0] if 11 in more else options["jitter"] * 64,
        options["loss"],
        options["duplicate"],
        corrupt.get("prob_corrupt", 0),
        reorder.get("prob_reorder", 0),
        struct.unpack("=Q", more[8])[0] if 8 in more else rate.get("rate", 0),
        options["limit"],
    )


def tbf(data: bytes) -> Tbf:
    parms = last(last(read(tcmsg, data), "TCA_OPTIONS"), "TCA_TBF_PARMS")
    more = dict(raw(dict(numbered(read(RawQdisc, data)))[c.TCA_OPTIONS]))
    return Tbf(
        struct.unpack("=Q", more[4])[0] if 4 in more else parms["rate"],
        parms["buffer"],
        parms["limit"],
    )
