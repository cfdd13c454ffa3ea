"""The progress line: its width, when it is drawn, and when it is not."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.cli import progress
from netorch.cli.progress import Bar, cut, is_visible, line


def test_a_line() -> None:
    assert (
        line("making", 15, 30, "veth r1/eth0", 80)
        == f"[{'#' * 15}{'.' * 15}] making 15/30 veth r1/eth0"
    )
    assert line("comparing", 0, 0, "", 80) == f"[{'.' * 30}] comparing"
    assert line("making", 40, 30, "", 80).startswith(f"[{'#' * 30}] making 30/30")
    assert line("making", 15, 30, "veth r1/eth0", 40) == "making 15/30 veth r1/eth0", (
        "a narrow terminal has no room for a bar"
    )
    assert line("making", 15, 30, "a\x1b[2Jb", 80).endswith("a\\x1b[2Jb")


@given(st.text(), st.integers(0, 200))
def test_it_is_never_wider_than_the_terminal(what: str, columns: int) -> None:
    text = line("making", 1, 2, what, columns)
    assert cut(text, columns - 1) == text
    assert len(text) <= max(0, 2 * columns)


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    assert cut("網路網路", 5) == "網路"
    assert cut("e\u0301e\u0301e\u0301", 2) == "e\u0301e\u0301"
    assert cut("abc", 0) == cut("abc", -1) == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    return made


def test_where_it_is_visible(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_visible()
    for name, value, visible in (
        ("CI", "true", False),
        ("CI", "1", False),
        ("CI", "false", True),
        ("CI", "", True),
        ("TERM", "dumb", False),
    ):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            assert is_visible() is visible, (name, value)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=io.StringIO()))
    assert not is_visible()


def test_it_is_drawn_seldom_and_leaves_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    bar = Bar(True)
    for done in range(1000):
        now += 0.001
        bar.at("making", done, 1000)
    assert 10 <= terminal.getvalue().count("\r") <= 20
    bar.at("verifying")
    assert terminal.getvalue().endswith("verifying"), "a new phase is drawn at once"
    drawn = terminal.getvalue()
    now += 10
    bar.at("verifying")
    assert terminal.getvalue() == drawn, "the same line is not drawn again"
    bar.clear()
    assert terminal.getvalue().endswith("\r\x1b[K")
    before = terminal.getvalue()
    bar.clear()
    Bar(False).at("making", 1, 2)
    assert terminal.getvalue() == before


def test_a_terminal_that_goes_away_is_no_error(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(terminal, "write", gone)
    bar = Bar(True)
    bar.at("making")
    bar.at("verifying")
    bar.clear()
