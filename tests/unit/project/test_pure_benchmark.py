"""The benchmark of the phases without a kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import pure
from tests.benchmarks.counts import Figure, calls
from tests.benchmarks.shapes import shape

TINY = {
    "star": shape("star-3").text,
    "tree": shape("fat-tree-2").text,
    "ports": shape("ports-3").text,
}


@pytest.mark.slow
def test_every_phase_is_measured_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pure, "SHAPES", TINY)
    monkeypatch.setattr(pure, "ROUNDS", 1)
    monkeypatch.setattr(pure, "SAVED", tmp_path / "pure.json")
    assert pure.main(["--save"]) == 0
    saved = json.loads((tmp_path / "pure.json").read_text())
    assert {shape: tuple(figures) for shape, figures in saved["figures"].items()} == dict.fromkeys(
        TINY, pure.PHASES
    )
    for figures in saved["figures"].values():
        assert all(figure["calls"] > 10 and figure["ratio"] > 0 for figure in figures.values())
    out = capsys.readouterr().out
    assert out.count("new") == 2 * len(TINY) * len(pure.PHASES)
    # a larger topology is more work
    more = pure.measured({"star": shape("star-30").text}, rounds=1)["star"]
    assert all(
        more[phase].calls > saved["figures"]["star"][phase]["calls"] for phase in pure.PHASES
    )


def test_the_saved_figures_have_all_shapes_and_phases() -> None:
    saved = json.loads(pure.SAVED.read_text())
    assert {shape: tuple(figures) for shape, figures in saved["figures"].items()} == dict.fromkeys(
        pure.SHAPES, pure.PHASES
    )


def test_growth_is_distinguished_from_noise() -> None:
    before = {"star": {"load": Figure(1000, 1.0), "decode": Figure(1000, 1.0)}}
    now = {"star": {"load": Figure(1009, 1.2), "decode": Figure(1011, 1.3)}}
    lines, grown = pure.table(before, now)
    assert len(lines) == 3
    assert grown == ["star, decode: calls +1.1%", "star, decode: ratio +30.0%"]
    assert pure.table(now, before)[1] == []


def test_calls_are_counted_and_are_the_same_each_time() -> None:
    def work() -> None:
        for number in range(10):
            str(number).encode()
            len(sorted([number]))

    assert calls(work) == calls(work)
    # `work` itself, and encode, sorted and len in each turn; calls of types are not traced
    assert calls(work) == 1 + 10 * 3
