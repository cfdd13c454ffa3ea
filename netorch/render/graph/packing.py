"""Packs parts of a picture without a connection in rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from netorch.render.graph.numbered import GAP

WIDE = 1.7
"""The ratio of width to height into which the parts are packed."""

Part = TypeVar("Part")


def pack(
    boxes: Sequence[tuple[float, float, float, float, Part]], margin: float
) -> Iterator[tuple[Part, float, float]]:
    """Yield each part with the distance by which it moves, the highest first.

    A box is the width and the height of a part, the position of its upper left corner, and the
    part. The upper left corner of all is at the margin.
    """
    room = max(
        [
            *(width for width, *_ in boxes),
            (WIDE * sum((w + GAP) * (h + GAP) for w, h, *_ in boxes)) ** 0.5,
            0,
        ]
    )
    x = y = margin
    row = 0.0
    for width, height, left, top, part in sorted(boxes, key=lambda entry: -entry[1]):
        if x > margin and x + width > room + margin:
            x, y, row = margin, y + row + 2 * GAP, 0.0
        yield part, x - left, y - top
        x, row = x + width + 2 * GAP, max(row, height)
