"""The times and numbers that `history` accepts."""

from __future__ import annotations

import argparse
import time
from datetime import datetime

import pytest

from netorch.cli.commands.history import count, moment


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("3d", 259200), ("1w", 604800)]
)
def test_a_time_may_be_how_long_ago_it_was(text: str, seconds: int) -> None:
    assert abs(time.time() - seconds - moment(text)) < 60


def test_a_time_may_be_a_date() -> None:
    assert moment("2026-05-01 13:30") == datetime(2026, 5, 1, 13, 30).timestamp()
    assert moment("2026-05-01") == datetime(2026, 5, 1).timestamp()
    assert moment("2026-05-01T13:30:00+00:00") == 1777642200
    assert moment("yesterday") < moment("today") < time.time()


@pytest.mark.parametrize(
    "text", ["", "h", "2y", "-1h", "²h", "1e3s", "soon", "2026-13-01", "9" * 99]
)
def test_other_times_are_wrong_usage(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time"):
        moment(text)


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "²", "1000001"])
def test_a_number_of_acts_is_at_least_one(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        count(text)
