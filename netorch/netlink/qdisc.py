"""Encode and decode TCA_OPTIONS of the queueing disciplines netem and tbf.

Sources: linux/pkt_sched.h, net/sched/sch_{netem,tbf}.c.
"""

from __future__ import annotations

import struct

from netorch.immutable import Value
from netorch.netlink.codec import DecodeError, as_i64, as_u64, attr, attributes, i64, u32, u64

TICK = 64
"""Nanoseconds in one tick of the kernel's packet scheduler clock (PSCHED_SHIFT)."""
_U32_MAX = 2**32 - 1

(
    TCA_NETEM_CORR,
    TCA_NETEM_REORDER,
    TCA_NETEM_CORRUPT,
    TCA_NETEM_LOSS,
    TCA_NETEM_RATE,
    TCA_NETEM_ECN,
) = 1, 3, 4, 5, 6, 7
TCA_NETEM_RATE64, TCA_NETEM_LATENCY64, TCA_NETEM_JITTER64, TCA_NETEM_SLOT = 8, 10, 11, 12
TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_TBF_PRATE64, TCA_TBF_BURST = 1, 4, 5, 6
TC_LINKLAYER_ETHERNET = 1

_NETEM = struct.Struct("=6I")  # latency, limit, loss, gap, duplicate, jitter
_CORR = struct.Struct("=3I")  # correlation of delay, loss, duplication
_PAIR = struct.Struct("=2I")  # probability, correlation
_NETEM_RATE = struct.Struct("=IiIi")  # rate, packet overhead, cell size, cell overhead
_RATESPEC = struct.Struct("=BBHhHI")  # cell_log, linklayer, overhead, cell_align, mpu, rate
_TBF = struct.Struct("=3I")  # the end of tc_tbf_qopt: limit, buffer, mtu


class Netem(Value):
    """The parameters of netem. A probability is a fraction of 2^32-1."""

    delay: int
    """The delay in nanoseconds."""
    jitter: int
    """The jitter in nanoseconds."""
    loss: int
    """The probability that a packet is lost."""
    duplicate: int
    """The probability that a packet is duplicated."""
    corrupt: int
    """The probability that a packet is corrupted."""
    reorder: int
    """The probability that a packet is sent at once, ahead of delayed packets."""
    rate: int
    """The rate in bytes per second, 0 for no limit."""
    limit: int
    """The length of the queue, in packets."""
    other: str = ""
    """The names of other parameters that are set."""


class Tbf(Value):
    """The parameters of tbf."""

    rate: int
    """The rate in bytes per second."""
    buffer: int
    """The burst, as the time in ticks that sending it takes."""
    limit: int
    """The length of the queue, in bytes."""
    other: str = ""
    """The names of other parameters that are set."""


def netem_options(netem: Netem) -> bytes:
    """Encode all parameters, because a change does not reset a parameter that is left out."""
    latency, jitter = (min(time // TICK, _U32_MAX) for time in (netem.delay, netem.jitter))
    # gap 1 makes every packet a candidate for reordering, gap 0 none
    head = _NETEM.pack(
        latency, netem.limit, netem.loss, 1 if netem.reorder else 0, netem.duplicate, jitter
    )
    parts = [
        attr(TCA_NETEM_CORR, _CORR.pack(0, 0, 0)),
        attr(TCA_NETEM_REORDER, _PAIR.pack(netem.reorder, 0)),
        attr(TCA_NETEM_CORRUPT, _PAIR.pack(netem.corrupt, 0)),
        attr(TCA_NETEM_RATE, _NETEM_RATE.pack(min(netem.rate, _U32_MAX), 0, 0, 0)),
        attr(TCA_NETEM_LATENCY64, i64(netem.delay)),
        attr(TCA_NETEM_JITTER64, i64(netem.jitter)),
    ]
    if netem.rate > _U32_MAX:
        parts.append(attr(TCA_NETEM_RATE64, u64(netem.rate)))
    return head + b"".join(parts)


def read_netem(payload: bytes) -> Netem:
    if len(payload) < _NETEM.size:
        raise DecodeError("netem without its parameters")
    latency, limit, loss, gap, duplicate, jitter = _NETEM.unpack_from(payload)
    attrs = attributes(payload, _NETEM.size, len(payload))
    reorder, reorder_correlation = _unpacked(_PAIR, attrs.get(TCA_NETEM_REORDER))
    corrupt, corrupt_correlation = _unpacked(_PAIR, attrs.get(TCA_NETEM_CORRUPT))
    rate, *overheads = _unpacked(_NETEM_RATE, attrs.get(TCA_NETEM_RATE))
    delay64, jitter64 = attrs.get(TCA_NETEM_LATENCY64), attrs.get(TCA_NETEM_JITTER64)
    further = {
        "correlation": any(_unpacked(_CORR, attrs.get(TCA_NETEM_CORR)))
        or reorder_correlation
        or corrupt_correlation,
        "gap": gap != (1 if reorder else 0),
        "loss model": TCA_NETEM_LOSS in attrs,
        "overhead": any(overheads),
        "ecn": TCA_NETEM_ECN in attrs,
        "slots": TCA_NETEM_SLOT in attrs,
    }
    return Netem(
        delay=latency * TICK if delay64 is None else as_i64(delay64),
        jitter=jitter * TICK if jitter64 is None else as_i64(jitter64),
        loss=loss,
        duplicate=duplicate,
        corrupt=corrupt,
        reorder=reorder,
        rate=as_u64(attrs[TCA_NETEM_RATE64]) if TCA_NETEM_RATE64 in attrs else rate,
        limit=limit,
        other=", ".join(name for name, is_set in further.items() if is_set),
    )


def tbf_options(rate: int, burst: int, limit: int) -> bytes:
    """Encode the parameters: `rate` in bytes per second, `burst` and `limit` in bytes.

    The kernel needs no table of rates if the link layer is given.
    """
    ticks = min(ticks_of(rate, burst), _U32_MAX)
    spec = _RATESPEC.pack(0, TC_LINKLAYER_ETHERNET, 0, 0, 0, min(rate, _U32_MAX))
    parts = [
        attr(TCA_TBF_PARMS, spec + bytes(_RATESPEC.size) + _TBF.pack(limit, ticks, 0)),
        attr(TCA_TBF_BURST, u32(burst)),
    ]
    if rate > _U32_MAX:
        parts.append(attr(TCA_TBF_RATE64, u64(rate)))
    return b"".join(parts)


def read_tbf(payload: bytes) -> Tbf:
    attrs = attributes(payload, 0, len(payload))
    parms = attrs.get(TCA_TBF_PARMS, b"")
    if len(parms) < 2 * _RATESPEC.size + _TBF.size:
        raise DecodeError("tbf without its parameters")
    _, layer, overhead, _, mpu, rate = _RATESPEC.unpack_from(parms)
    peak = _RATESPEC.unpack_from(parms, _RATESPEC.size)[-1]
    limit, buffer, mtu = _TBF.unpack_from(parms, 2 * _RATESPEC.size)
    further = {
        "peakrate": peak or TCA_TBF_PRATE64 in attrs or mtu,
        "overhead": overhead or mpu,
        "linklayer": layer != TC_LINKLAYER_ETHERNET,
    }
    return Tbf(
        as_u64(attrs[TCA_TBF_RATE64]) if TCA_TBF_RATE64 in attrs else rate,
        buffer,
        limit,
        ", ".join(name for name, is_set in further.items() if is_set),
    )


def ticks_of(rate: int, burst: int) -> int:
    """Return the time in ticks that sending `burst` bytes takes."""
    return burst * 10**9 // max(rate, 1) // TICK


def is_burst(buffer: int, rate: int, burst: int) -> bool:
    """Return whether a `buffer` of the kernel stands for `burst` bytes.

    The kernel reports 32 bits only, and it divides inexactly, by a multiplication.
    """
    ticks = ticks_of(rate, burst)
    distance = (buffer - ticks) % 2**32
    return min(distance, 2**32 - distance) <= 1 + (ticks >> 28)


def burst_of(buffer: int, rate: int) -> int:
    """Return the burst in bytes for a time in ticks."""
    return buffer * TICK * rate // 10**9


def _unpacked(form: struct.Struct, payload: bytes | None) -> tuple[int, ...]:
    if payload is None:
        return (0,) * len(form.unpack(bytes(form.size)))
    if len(payload) < form.size:
        raise DecodeError(f"{form.size} bytes expected, {len(payload)} found")
    return form.unpack_from(payload)
