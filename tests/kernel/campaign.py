"""What the fault campaigns have in common: how many places are tried, and the figures that come out.

NETORCH_CAMPAIGN=long tries every place and takes its time; a number tries so many of each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_SAID = os.environ.get("NETORCH_CAMPAIGN", "")
LONG = _SAID == "long"
FIGURES: list[str] = []
SLOW = Path("/run/uml").exists()
"""On the second test kernel all that is done costs ten times as much."""


def spread(total: int, few: int) -> Sequence[int]:
    """1 to `total`, or of them only so many, evenly spread with both ends."""
    few = int(_SAID) if _SAID.isdigit() else max(2, few // 2) if SLOW else few
    if LONG or total <= few:
        return range(1, total + 1)
    return sorted({1 + round(number * (total - 1) / (few - 1)) for number in range(few)})


def rounds(few: int, many: int) -> int:
    """How many rounds are made of what is drawn by lot: `few` with every test run, `many` in the long form."""
    if _SAID.isdigit():
        return int(_SAID)
    return many if LONG else max(1, few // 3) if SLOW else few


def tell(figure: str) -> None:
    """A figure of a campaign, which pytest prints at its end if somebody asked for one."""
    if _SAID:
        FIGURES.append(figure)
