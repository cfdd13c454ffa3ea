"""What `impair` says: values with the units of tc(8), what they are together, and how they are written again."""

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
"""A probability of 100 %, as the kernel counts them."""
PACKETS = 1000
"""How many packets wait at most, where nothing says otherwise: what tc gives a netem."""

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
"""What netem has room for (netem_change in net/sched/sch_netem.c caps it)."""
FASTEST = 10**12 // 8


def _written(units: Mapping[str, float], what: str, *examples: str, nothing: bool = True) -> Shape:
    """An amount up to how many there may be of each unit. `nothing`: 0 goes without a unit."""
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
    found = schema_shapes.text(
        rf"{'' if nothing else some}\s*(?:{'|'.join(forms)}{f'|{zero}' if nothing else ''})\s*",
        what,
        *examples,
    )
    return found | ({"type": ["string", "number"], "minimum": 0, "maximum": 0} if nothing else {})


def duration(longest: int, so_much: str) -> PlainValidator:
    """Nanoseconds, up to `longest`, which is `so_much` in words."""

    units = {unit: longest / size for unit, size in _TIMES.items()}

    @accepts(_written(units, f"time such as 10ms, up to {so_much}", "10ms", "500us", "2s"))
    def time(value: object) -> int:
        text, amount, unit = _number(value, "a time such as 10ms")
        if not unit and amount:
            wrong(
                f"{text} has no unit: write {text}ms, or {text}us, which is what `tc` takes it for",
                "bad-time",
            )
        if unit and unit not in _TIMES:
            wrong(f"{text!r} is not time such as 10ms: the units are s, ms, us and ns", "bad-time")
        found = round(amount * _TIMES[unit or "s"])
        if found > longest:
            wrong(f"{text} is longer than {so_much}", "bad-time")
        return found

    return PlainValidator(time)


@accepts(_written({"%": 100}, "percentage such as 0.1%", "0.1%"))
def percentage(value: object) -> int:
    """A part of CERTAIN."""
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
    """Bytes a second."""
    text, amount, unit = _number(value, "a rate such as 100mbit")
    if not amount:
        wrong(
            "a rate of 0 lets nothing pass. Leave `rate` out where there is no limit; `loss: 100%` stops everything",
            "bad-rate",
        )
    if not unit:
        wrong(
            f"{text} has no unit: write {text}mbit, or {text}bit, which is what `tc` takes it for",
            "bad-rate",
        )
    if unit not in _RATES:
        wrong(
            f"{text!r} is not a rate such as 100mbit: the units are bit, kbit, mbit, gbit and tbit; kbps, mbps and so on count bytes",
            "bad-rate",
        )
    found = int(amount * _RATES[unit]) // 8
    if not 1 <= found <= FASTEST:
        wrong(f"{text} is not between 8bit and 1tbit", "bad-rate")
    return found


def _number(value: object, what: str) -> tuple[str, Fraction, str]:
    """The text in one line, its number and its unit."""
    text = " ".join(str(value).split())
    match = (
        re.fullmatch(_NUMBER, text)
        if isinstance(value, str | int | float) and not isinstance(value, bool)
        else None
    )
    if match is None:
        wrong(f"{'nothing' if value is None else repr(value)} is not {what}")
    return text, Fraction(match[1]), match[2].lower()


Delay = Annotated[int, duration(LONGEST_DELAY, "an hour")]
Jitter = Annotated[int, duration(LONGEST_JITTER, "the 2.147 seconds that the kernel has room for")]
Percentage = Annotated[int, PlainValidator(percentage)]
Rate = Annotated[int, PlainValidator(bitrate)]


NOTHING = {
    "delay": "0ms",
    "jitter": "0ms",
    **dict.fromkeys(("loss", "duplicate", "corrupt", "reorder"), "0%"),
}
"""How a key is taken back that a place further off says; the others have no such value."""


class ImpairModel(Model):
    """What is wrong with a line, in one direction: what leaves by an interface, on its way out."""

    delay: Delay | None = Field(None, description="How long every packet is kept (0ms).")
    jitter: Jitter | None = Field(
        None, description="By how much the delay varies, up and down (0ms)."
    )
    loss: Percentage | None = Field(None, description="Packets that are dropped, by chance (0%).")
    duplicate: Percentage | None = Field(None, description="Packets that arrive twice (0%).")
    corrupt: Percentage | None = Field(None, description="Packets in which one bit is turned (0%).")
    reorder: Percentage | None = Field(
        None,
        description="Packets that overtake those before them, since they are not delayed (0%).",
    )
    rate: Rate | None = Field(
        None, description="What gets through at most, Ethernet headers counted (no limit)."
    )
    limit: Annotated[int, BeforeValidator(integer(1, 2**32 - 1))] | None = Field(
        None,
        description="Packets that wait at most; further ones are dropped (1000; of a rate alone what it sends in 50 ms).",
    )


class Impairment(Value):
    """The same with every value filled in: times in ns, parts of CERTAIN, bytes a second, packets."""

    delay: int = 0
    jitter: int = 0
    loss: int = 0
    duplicate: int = 0
    corrupt: int = 0
    reorder: int = 0
    rate: int = 0
    limit: int | None = None

    def __bool__(self) -> bool:
        return self != Impairment()

    @property
    def qdisc(self) -> str:
        """A rate alone is what tbf does, by bytes; all the rest is netem's."""
        return "tbf" if self.rate and self == Impairment(rate=self.rate) else "netem"

    @property
    def packets(self) -> int:
        return PACKETS if self.limit is None else self.limit

    def normal(self) -> Self:
        """Without a limit that goes without saying."""
        plain = replace(self, limit=None)
        return plain if self.limit == PACKETS and plain.qdisc == "netem" else self

    def file_values(self) -> Mapping[str, str]:
        """Key → value as the file writes it, without what goes without saying."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {key: _FORMS[key](value) for key, value in values.items() if value}


def together(said: Iterable[ImpairModel]) -> Impairment:
    """What several places say of one direction; an earlier one goes over the later ones, key by key."""
    found: dict[str, int] = {}
    for model in said:
        for key in model.model_fields_set:
            if (value := getattr(model, key)) is not None:
                found.setdefault(key, value)
    return Impairment(**found)


def senseless(impairment: Impairment) -> Iterator[tuple[str, str, str]]:
    """Keys that do nothing as they stand, each with what is missing and what to do."""
    for key in ("jitter", "reorder"):
        if getattr(impairment, key) and not impairment.delay:
            does = "varies a delay" if key == "jitter" else "lets packets overtake delayed ones"
            yield (
                key,
                f"`{key}` {does}, and there is none.",
                f"Say `delay: 10ms` beside it, or leave `{key}` out.",
            )
    if impairment.limit is not None and not (impairment.delay or impairment.rate):
        what = "`limit` is how many packets wait, and without a `delay` or a `rate` none does."
        yield "limit", what, "Say one of them, or leave `limit` out."


def time_text(nanoseconds: int) -> str:
    return _in_units(nanoseconds, {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1})


def percent_text(part: int) -> str:
    """The shortest one that means just this part."""
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
    """Exact, in the largest unit that it has one of; the units are powers of ten."""
    unit, size = next(
        ((unit, size) for unit, size in units.items() if amount >= size), list(units.items())[-1]
    )
    whole, rest = divmod(amount, size)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}{unit}" if digits else f"{whole}{unit}"


def _plain(value: float, digits: int) -> str:
    """So many significant digits, never with an exponent."""
    return format(Decimal(f"{value:.{digits}g}"), "f")
