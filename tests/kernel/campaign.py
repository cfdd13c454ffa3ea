"""Settings of the fault campaigns: how many places they try, and the figures that they report.

NETORCH_CAMPAIGN=long tries every place, however long it takes. A number tries that many of each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_SETTING = os.environ.get("NETORCH_CAMPAIGN", "")
LONG = _SETTING == "long"
FIGURES: list[str] = []
SLOW = Path("/run/uml").exists()
"""Whether this is the second test kernel, where every step costs ten times as much."""


def spread(total: int, few: int) -> Sequence[int]:
    """Return the numbers from 1 to `total`, or a few of them, evenly spread, with both ends."""
    few = int(_SETTING) if _SETTING.isdigit() else max(2, few // 2) if SLOW else few
    if LONG or total <= few:
        return range(1, total + 1)
    return sorted({1 + round(number * (total - 1) / (few - 1)) for number in range(few)})


def rounds(few: int, many: int) -> int:
    """Return the number of random rounds: `few` in every test run, `many` in the long form."""
    if _SETTING.isdigit():
        return int(_SETTING)
    return many if LONG else max(1, few // 3) if SLOW else few


def add_figure(figure: str) -> None:
    """Add a campaign's figure, which pytest prints at its end if NETORCH_CAMPAIGN is set."""
    if _SETTING:
        FIGURES.append(figure)
