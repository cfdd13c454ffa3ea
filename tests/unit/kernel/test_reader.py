"""The mark of a namespace, as the reader compares it."""

from __future__ import annotations

import pytest

from netorch.kernel.reader import has_mark
from netorch.values.marks import ALIAS, Mark


@pytest.mark.parametrize(
    ("alias", "mark", "expected"),
    [
        ("netorch:t1", Mark("t1").alias, True),
        ("netorch:t1 a description", Mark("t1").alias, True),
        ("netorch:t10", Mark("t1").alias, False),
        ("netorch:t1-b", Mark("t1").alias, False),
        ("", Mark("t1").alias, False),
        ("netorch:t10", ALIAS, True),
        ("", ALIAS, False),
        ("netorch:t1", "", False),
        ("", "", False),
    ],
)
def test_a_mark_is_the_whole_name(alias: str, mark: str, expected: bool) -> None:
    assert has_mark(alias, mark) is expected
