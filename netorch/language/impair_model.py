"""The model of `impair`, whose values have the units of tc(8), and how several are combined."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

from netorch.errors import NetorchError, Problem, did_you_mean
from netorch.language import schema_shapes
from netorch.language.impairment import (
    FASTEST,
    LONGEST_DELAY,
    LONGEST_JITTER,
    Impairment,
    keys_without_effect,
    share_of,
)
from netorch.language.model import Before, Field, Model, Plain
from netorch.language.scalars import integer, wrong
from netorch.language.schema_shapes import Shape, accepts

if TYPE_CHECKING:
    from fractions import Fraction

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


def duration(longest: int, longest_text: str) -> Plain:
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

    return Plain(time)


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
    return share_of(amount)


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


_SIZES = {
    **dict.fromkeys(("", "b"), 8),
    **{
        f"{letter}{unit}": 1024**power * bits
        for power, letter in enumerate("kmg", 1)
        for unit, bits in (("", 8), ("b", 8), ("bit", 1))
    },
}
"""Unit of tc(8) → its size in bits. They are powers of two, also in front of `bit`."""


@accepts(
    schema_shapes.text(
        rf"\s*(?:[0-9]{{1,18}}(?:\.[0-9]{{1,18}})?|\.[0-9]{{1,18}})\s*"
        rf"(?:{'|'.join(map(schema_shapes.anycase, filter(None, _SIZES)))})?\s*",
        "size such as 32kbit or 5000",
        "32kbit",
        "15k",
        5000,
        numbers=True,
    )
)
def size(value: object) -> int:
    """Parse a number of bytes, in the units of tc(8)."""
    text, amount, unit = _number(value, "a size such as 32kbit or 5000")
    if unit not in _SIZES:
        wrong(
            f"{text!r} is not a size such as 32kbit: the units are b, k, m and g for bytes, and"
            " kbit, mbit and gbit",
            "bad-size",
        )
    result = int(amount * _SIZES[unit] / 8)
    if not 1 <= result < 2**32:
        wrong(f"{text} is not between 1 byte and 4g", "bad-size")
    return result


def _number(value: object, what: str) -> "tuple[str, Fraction, str]":
    """Return the text on one line, its number, and its unit in lower case."""
    text = " ".join(str(value).split())
    match = (
        re.fullmatch(_NUMBER, text)
        if isinstance(value, str | int | float) and not isinstance(value, bool)
        else None
    )
    if match is None:
        wrong(f"the value is empty: write {what}" if value is None else f"{value!r} is not {what}")
    from fractions import Fraction

    return text, Fraction(match[1]), match[2].lower()


Delay = Annotated[int, duration(LONGEST_DELAY, "an hour")]


Jitter = Annotated[int, duration(LONGEST_JITTER, "2.147 seconds, the limit of the kernel")]


Percentage = Annotated[int, Plain(percentage)]


Rate = Annotated[int, Plain(bitrate)]


Size = Annotated[int, Plain(size)]


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
    limit: Annotated[int, Before(integer(1, 2**32 - 1))] | None = Field(
        None,
        description="Largest number of packets in the queue; further ones are dropped (1000; with "
        "a rate alone, as many as it sends in 50 ms).",
    )
    burst: Size | None = Field(
        None,
        description="Bytes that a `rate` alone lets pass at once after a pause; at least one full"
        " packet (what it sends in 4 ms, at least two full packets).",
    )
    latency: Delay | None = Field(
        None,
        description="Longest time that a packet waits for a `rate` alone; others are dropped (50ms,"
        " at least ten full packets).",
    )


def combine(models: Iterable[ImpairModel]) -> Impairment:
    """Combine several impairments of one direction. For each key, the first one with it counts."""
    values: dict[str, int] = {}
    for model in models:
        for key in model.model_fields_set:
            if (value := getattr(model, key)) is not None:
                values.setdefault(key, value)
    return Impairment(**values)


def parse_words(words: Mapping[str, str]) -> Impairment:
    """Return the impairment that a command line asks for. Raise NetorchError for a wrong word."""
    keys = ImpairModel.model_fields
    problems: list[Problem] = []
    for key in words:
        if key not in keys:
            remedy = did_you_mean(key, keys) or f"The keys are {', '.join(keys)}."
            problems.append(
                Problem("unknown-key", f"{key!r} cannot be impaired.", None, remedy, key)
            )
    known: dict[str, object] = {
        key: int(text) if key == "limit" and text.isdecimal() and len(text) < 20 else text
        for key, text in words.items()
        if key in keys
    }
    impairment = Impairment()
    try:
        impairment = combine([ImpairModel.model_validate(known)])
    except ValueError as error:
        from netorch.language.validation import errors_of

        for one in errors_of(error):
            key, context = f"{one['loc'][0]}", one.get("ctx", {})
            what = f"{key}: {context.get('text', one['msg'])}."
            problems.append(Problem(context.get("code", "bad-value"), what, object=key))
    for key, what, remedy in () if problems else keys_without_effect(impairment):
        problems.append(Problem("bad-impairment", what, None, remedy.replace(": ", "="), key))
    if problems:
        raise NetorchError(problems)
    return impairment
