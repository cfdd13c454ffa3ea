"""`10 Mbps` is 10 megabytes per second, which few people mean."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.resolve.loader import load

LAB = "name: lab\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:e, b:e], impair: {rate: %s}}]\n"


@pytest.mark.parametrize(
    ("rate", "written"),
    [("10 Mbps", "10mbit"), ("1.5Gbps", "1.5gbit"), ("100 Mb/s", ""), ("10mbps", ""), ("1m", "")],
)
def test_a_warning_for_a_unit_with_a_capital_letter(rate: str, written: str) -> None:
    try:
        warnings = load((LAB % rate).encode(), "lab.yaml").warnings
    except FileError:
        assert not written
        return
    assert [written in warning.remedy for warning in warnings] == [True] * bool(written)
    for warning in warnings:
        assert warning.code == "rate-in-bytes"
        assert warning.where is not None
