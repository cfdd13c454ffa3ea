"""The values of `impair`: what they are, and how a file and tc(8) write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Self

from netorch.immutable import Value, replace

if TYPE_CHECKING:
    from fractions import Fraction

CERTAIN = 2**32 - 1
"""The kernel's number for a probability of 100 %."""
LONGEST_DELAY = 3600 * 10**9
"""The longest delay in nanoseconds."""
LONGEST_JITTER = 2**31 - 1
"""The largest jitter of netem in nanoseconds (netem_change in net/sched/sch_netem.c)."""
FASTEST = 10**12 // 8
"""The highest rate in bytes per second."""
PACKETS = 1000
"""The default limit of waiting packets, which is tc's default for netem."""
OFF = {
    "delay": "0ms",
    "jitter": "0ms",
    **dict.fromkeys(("loss", "duplicate", "corrupt", "reorder"), "0%"),
}
"""Values that turn a key off, to override one that applies from elsewhere. The other keys have no
such value.
"""


class Impairment(Value):
    """An impairment with a value for each key. Shares are parts of `CERTAIN`."""

    delay: int = 0
    """The delay in nanoseconds."""
    jitter: int = 0
    """The jitter in nanoseconds."""
    loss: int = 0
    duplicate: int = 0
    corrupt: int = 0
    reorder: int = 0
    rate: int = 0
    """The rate in bytes per second, 0 for no limit."""
    limit: int | None = None
    """The largest number of packets that may wait, None for the default."""
    burst: int = 0
    """The bytes that a rate alone lets pass at once after a pause, 0 for the default."""
    latency: int = 0
    """The longest time in nanoseconds that a packet waits for a rate alone, 0 for the default."""

    def __bool__(self) -> bool:
        return self != Impairment()

    @property
    def qdisc(self) -> str:
        """The qdisc for the impairment: `tbf` for a rate alone, `netem` for everything else."""
        alone = Impairment(rate=self.rate, burst=self.burst, latency=self.latency)
        return "tbf" if self.rate and self == alone else "netem"

    @property
    def packets(self) -> int:
        """The number of packets that can wait."""
        return PACKETS if self.limit is None else self.limit

    @property
    def is_possible(self) -> bool:
        """Whether each value is one that a file can have."""
        shares = (self.loss, self.duplicate, self.corrupt, self.reorder)
        return (
            0 <= self.delay <= LONGEST_DELAY
            and 0 <= self.jitter <= LONGEST_JITTER
            and all(0 <= share <= CERTAIN for share in shares)
            and 0 <= self.rate <= FASTEST
            and (self.limit is None or 1 <= self.limit < 2**32)
            and 0 <= self.burst < 2**32
            and 0 <= self.latency <= LONGEST_DELAY
        )

    def normal(self) -> Self:
        """Return the same impairment without `limit` if it is the default."""
        plain = replace(self, limit=None)
        return plain if self.limit == PACKETS and plain.qdisc == "netem" else self

    def file_values(self) -> Mapping[str, str]:
        """Return the keys and values in the notation of the file, without those that are 0."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {key: _FORMS[key](value) for key, value in values.items() if value}


def share_of(percent: Fraction) -> int:
    """Return a percentage as a part of `CERTAIN`."""
    return round(percent * CERTAIN / 100)


def keys_without_effect(impairment: Impairment) -> Iterator[tuple[str, str, str]]:
    """Yield keys without an effect, each with a sentence that tells why, and a remedy."""
    for key in ("jitter", "reorder"):
        if getattr(impairment, key) and not impairment.delay:
            effect = "varies the delay" if key == "jitter" else "lets packets overtake delayed ones"
            yield (
                key,
                f"`{key}` {effect}, but there is no `delay`.",
                f"Add for example `delay: 10ms`, or remove `{key}`.",
            )
    for key in ("burst", "latency"):
        if not getattr(impairment, key):
            continue
        if not impairment.rate:
            yield (
                key,
                f"`{key}` belongs to a `rate`, but there is none.",
                (f"Add for example `rate: 10mbit`, or remove `{key}`."),
            )
        elif impairment.qdisc != "tbf":
            what = (
                f"`{key}` is for a `rate` alone: with any other impairment the rate is that of"
                " netem, which has neither a burst nor a latency."
            )
            yield key, what, f"Remove `{key}`; `limit` is the length of netem's queue."
    if impairment.limit is not None and not (impairment.delay or impairment.rate):
        what = "`limit` limits the packets that wait, but without `delay` or `rate` none waits."
        yield "limit", what, "Add one of them, or remove `limit`."


def time_text(nanoseconds: int) -> str:
    return _in_units(nanoseconds, {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1})


def percent_text(part: int) -> str:
    """Return the shortest percentage that means exactly this part of `CERTAIN`."""
    from fractions import Fraction

    return next(
        f"{text}%"
        for digits in range(1, 20)
        if share_of(Fraction(text := _plain(100 * part / CERTAIN, digits))) == part
    )


def rate_text(bytes_a_second: int) -> str:
    return _in_units(
        bytes_a_second * 8, {"tbit": 10**12, "gbit": 10**9, "mbit": 10**6, "kbit": 10**3, "bit": 1}
    )


_FORMS: Mapping[str, Callable[[int], str]] = {
    **dict.fromkeys(("delay", "jitter", "latency"), time_text),
    **dict.fromkeys(("loss", "duplicate", "corrupt", "reorder"), percent_text),
    "rate": rate_text,
    "limit": str,
    "burst": "{}b".format,
}


def _in_units(amount: int, units: Mapping[str, int]) -> str:
    """Return the exact amount in the largest unit that is not larger. Units are powers of ten."""
    unit, size = next(
        ((unit, size) for unit, size in units.items() if amount >= size), list(units.items())[-1]
    )
    whole, rest = divmod(amount, size)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}{unit}" if digits else f"{whole}{unit}"


def _plain(value: float, digits: int) -> str:
    """Return the number with this many significant digits, never with an exponent."""
    from decimal import Decimal

    return format(Decimal(f"{value:.{digits}g}"), "f")
