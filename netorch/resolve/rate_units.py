"""Warn of rates whose unit is mostly written for something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netorch.resolve.desired import Complaint, Path

_MEGABYTES = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])(?:bps|b/s)\s*")


def warn_of_units(tree: object, data: bytes | None) -> list[Complaint]:
    """Return a warning for each `rate: 10 Mbps` of a file, whose text is `data`.

    `tc` reads it as megabytes, and people who write it with a capital letter mostly mean megabits.
    """
    if data is not None and b"bps" not in data and b"b/s" not in data:
        return []
    return [*_in(tree, ())]


def _in(tree: object, path: Path) -> Iterator[Complaint]:
    if isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from _in(item, (*path, index))
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if key == "rate" and isinstance(value, str) and (match := _MEGABYTES.fullmatch(value)):
                what = f"rate {value}: this is in bytes per second, as `tc` reads it."
                number = f"{match[1]}{match[2].lower()}"
                remedy = f"Write {number}bit for bits, or {number}bps, in small letters, for bytes."
                yield Complaint("rate-in-bytes", (*path, key), what, remedy)
            yield from _in(value, (*path, key))
