"""The values of `impair` with the units of tc(8): parse them, combine them, write them again."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainValidator

from netorch.immutable import Value, replace
from netorch.language import schema_shapes
from netorch.language.scalars import Model, integer, wrong
from netorch.language.schema_shapes import Shape, accepts

CERTAIN = 2**32 - 1
"""The kernel's number for a probability of 100 %."""
PACKETS = 1000
"""The default limit of waiting packets, which is tc's default for netem."""

_TIMES = {
    **dict.fromkeys(("s", "sec", "secs"), 10**9),
    **dict.fromkeys(("ms", "msec", "msecs"), 10**6),
    **dict.fromkeys(("us", "usec", "usecs"), 10**3),
    **dict.fromkeys(("ns", "nsec", "nsecs"), 1),
}
_SCALES = {
    "": 1,
    **{
        f"{letter}{i}": base**power
        for power, letter in enumerate("kmgt", 1)
        for i, base in (("", 1000), ("i", 1024))
    },
}
_RATES = {
    f"{scale}{unit}": size * bits
    for scale, size in _SCALES.items()
    for unit, bits in (("bit", 1), ("bps", 8))
}
_NUMBER = r"([0-9]{1,18}(?:\.[0-9]{1,18})?|\.[0-9]{1,18})\s*([A-Za-z%]*)"

LONGEST_DELAY = 3600 * 10**9
LONGEST_JITTER = 2**31 - 1
"""The largest jitter of netem in nanoseconds (netem_change in net/sched/sch_netem.c)."""
FASTEST = 10**12 // 8


def _written(units: Mapping[str, float], what: str, *examples: str, nothing: bool = True) -> Shape:
    """Return the schema of a number with a unit. `units` has the largest number for each unit.

    If `nothing` is true, 0 is allowed, also without a unit.
    """
    most: dict[float, list[str]] = {}
    for unit, limit in units.items():
        most.setdefault(limit, []).append(schema_shapes.anycase(unit))
    forms = []
    for limit, names in most.items():
        whole = int(limit)
        last = rf"{whole}(?:\.0{{1,18}})?|" if whole == limit else ""
        below = schema_shapes.decimal(0, whole - 1 if last else whole)
        forms.append(
            rf"(?:0*(?:{last}{below}(?:\.[0-9]{{1,18}})?)|\.[0-9]{{1,18}})\s*(?:{'|'.join(names)})"
        )
    zero = "0+(?:[.]0+)?|[.]0+"
    some = rf"(?!\s*(?:{zero})\s*[A-Za-z]*\s*$)"
    shape = schema_shapes.text(
        rf"{'' if nothing else some}\s*(?:{'|'.join(forms)}{f'|{zero}' if nothing else ''})\s*",
        what,
        *examples,
    )
    return shape | ({"type": ["string", "number"], "minimum": 0, "maximum": 0} if nothing else {})


def duration(longest: int, longest_text: str) -> PlainValidator:
    """Return a validator for a time. Its result is in nanoseconds.

    `longest` is the limit in nanoseconds, and `longest_text` the same in words.
    """

    units = {unit: longest / size for unit, size in _TIMES.items()}

    @accepts(_written(units, f"time such as 10ms, up to {longest_text}", "10ms", "500us", "2s"))
    def time(value: object) -> int:
        text, amount, unit = _number(value, "a time such as 10ms")
        if not unit and amount:
            wrong(
                f"{text} has no unit: write {text}ms, or {text}us, which `tc` assumes",
                "bad-time",
            )
        if unit and unit not in _TIMES:
            wrong(
                f"{text!r} is not a time such as 10ms: the units are s, ms, us and ns", "bad-time"
            )
        result = round(amount * _TIMES[unit or "s"])
        if result > longest:
            wrong(f"{text} is longer than {longest_text}", "bad-time")
        return result

    return PlainValidator(time)


@accepts(_written({"%": 100}, "percentage such as 0.1%", "0.1%"))
def percentage(value: object) -> int:
    """Parse a percentage. The result is a part of `CERTAIN`."""
    text, amount, unit = _number(value, "a percentage such as 0.1%")
    if not unit and amount:
        wrong(f"{text} has no unit: write {text}%", "bad-percentage")
    if unit not in {"", "%"}:
        wrong(f"{text!r} is not a percentage such as 0.1%", "bad-percentage")
    if amount > 100:
        wrong(f"{text} is more than 100%", "bad-percentage")
    return round(amount * CERTAIN / 100)


_FASTEST = {unit: FASTEST * 8 / size for unit, size in _RATES.items()}


@accepts(
    _written(
        _FASTEST, "rate such as 100mbit, up to 1tbit", "100mbit", "1gbit", "64kbit", nothing=False
    )
)
def bitrate(value: object) -> int:
    """Parse a rate. The result is in bytes per second."""
    text, amount, unit = _number(value, "a rate such as 100mbit")
    if not amount:
        wrong(
            "a rate of 0 would stop all packets: for no limit, leave out `rate`; to drop all "
            "packets, write `loss: 100%`",
            "bad-rate",
        )
    if not unit:
        wrong(
            f"{text} has no unit: write {text}mbit, or {text}bit, which `tc` assumes",
            "bad-rate",
        )
    if unit not in _RATES:
        wrong(
            f"{text!r} is not a rate such as 100mbit: the units are bit, kbit, mbit, gbit and "
            "tbit, or kbps, mbps and so on for bytes per second",
            "bad-rate",
        )
    result = int(amount * _RATES[unit]) // 8
    if not 1 <= result <= FASTEST:
        wrong(f"{text} is not between 8bit and 1tbit", "bad-rate")
    return result


def _number(value: object, what: str) -> tuple[str, Fraction, str]:
    """Return the text on one line, its number, and its unit in lower case."""
    text = " ".join(str(value).split())
    match = (
        re.fullmatch(_NUMBER, text)
        if isinstance(value, str | int | float) and not isinstance(value, bool)
        else None
    )
    if match is None:
        wrong(f"the value is empty: write {what}" if value is None else f"{value!r} is not {what}")
    return text, Fraction(match[1]), match[2].lower()


Delay = Annotated[int, duration(LONGEST_DELAY, "an hour")]
Jitter = Annotated[int, duration(LONGEST_JITTER, "2.147 seconds, the limit of the kernel")]
Percentage = Annotated[int, PlainValidator(percentage)]
Rate = Annotated[int, PlainValidator(bitrate)]


OFF = {
    "delay": "0ms",
    "jitter": "0ms",
    **dict.fromkeys(("loss", "duplicate", "corrupt", "reorder"), "0%"),
}
"""Values that turn a key off, to override one that applies from elsewhere. The other keys have no
such value.
"""


class ImpairModel(Model):
    """The impairment of packets that leave through an interface."""

    delay: Delay | None = Field(None, description="Time for which each packet is delayed (0ms).")
    jitter: Jitter | None = Field(
        None, description="Amount by which the delay varies, up and down (0ms)."
    )
    loss: Percentage | None = Field(None, description="Share of packets that are dropped (0%).")
    duplicate: Percentage | None = Field(None, description="Share of packets sent twice (0%).")
    corrupt: Percentage | None = Field(
        None, description="Share of packets in which one bit is flipped (0%)."
    )
    reorder: Percentage | None = Field(
        None,
        description="Share of packets that are not delayed, and so overtake those before them "
        "(0%).",
    )
    rate: Rate | None = Field(
        None, description="Largest rate, with Ethernet headers counted (no limit)."
    )
    limit: Annotated[int, BeforeValidator(integer(1, 2**32 - 1))] | None = Field(
        None,
        description="Largest number of packets in the queue; further ones are dropped (1000; with "
        "a rate alone, as many as it sends in 50 ms).",
    )


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

    def __bool__(self) -> bool:
        return self != Impairment()

    @property
    def qdisc(self) -> str:
        """The qdisc for the impairment: `tbf` for a rate alone, `netem` for everything else."""
        return "tbf" if self.rate and self == Impairment(rate=self.rate) else "netem"

    @property
    def packets(self) -> int:
        """The number of packets that can wait."""
        return PACKETS if self.limit is None else self.limit

    def normal(self) -> Self:
        """Return the same impairment without `limit` if it is the default."""
        plain = replace(self, limit=None)
        return plain if self.limit == PACKETS and plain.qdisc == "netem" else self

    def file_values(self) -> Mapping[str, str]:
        """Return the keys and values in the notation of the file, without those that are 0."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {key: _FORMS[key](value) for key, value in values.items() if value}


def combine(models: Iterable[ImpairModel]) -> Impairment:
    """Combine several impairments of one direction. For each key, the first one with it counts."""
    values: dict[str, int] = {}
    for model in models:
        for key in model.model_fields_set:
            if (value := getattr(model, key)) is not None:
                values.setdefault(key, value)
    return Impairment(**values)


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
    if impairment.limit is not None and not (impairment.delay or impairment.rate):
        what = "`limit` limits the packets that wait, but without `delay` or `rate` none waits."
        yield "limit", what, "Add one of them, or remove `limit`."


def time_text(nanoseconds: int) -> str:
    return _in_units(nanoseconds, {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1})


def percent_text(part: int) -> str:
    """Return the shortest percentage that means exactly this part of `CERTAIN`."""
    return next(
        f"{text}%"
        for digits in range(1, 20)
        if percentage(f"{(text := _plain(100 * part / CERTAIN, digits))}%") == part
    )


def rate_text(bytes_a_second: int) -> str:
    return _in_units(
        bytes_a_second * 8, {"tbit": 10**12, "gbit": 10**9, "mbit": 10**6, "kbit": 10**3, "bit": 1}
    )


_FORMS: Mapping[str, Callable[[int], str]] = {
    **dict.fromkeys(("delay", "jitter"), time_text),
    **dict.fromkeys(("loss", "duplicate", "corrupt", "reorder"), percent_text),
    "rate": rate_text,
    "limit": str,
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
    return format(Decimal(f"{value:.{digits}g}"), "f")
