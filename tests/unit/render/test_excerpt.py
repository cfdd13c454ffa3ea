"""The line of an error, with the wrong word underlined."""

from __future__ import annotations

import pytest

from netorch.errors import FileError, Position, Problem
from netorch.render import excerpt


def excerpt_of(line: str, first: int, last: int, columns: int = 40) -> str:
    """Return the excerpt of a line whose columns from `first` up to `last` are wrong."""
    problem = Problem("x", "wrong.", Position(7, first), end=Position(7, last), line=line)
    return "\n".join(excerpt.lines(problem, columns))


@pytest.mark.parametrize(
    ("line", "first", "last", "expected"),
    [
        ("  mtu: abc", 8, 11, "   7 |   mtu: abc\n     |        ^^^"),
        ("\tmtu: abc", 7, 10, "   7 |     mtu: abc\n     |          ^^^"),
        ("日本: abc", 5, 8, "   7 | 日本: abc\n     |       ^^^"),
        ("a: 日本", 4, 6, "   7 | a: 日本\n     |    ^^^^"),
        ("a\u0301: b", 5, 6, "   7 | a\u0301: b\n     |    ^"),
        ("nodes: {", 9, 9, "   7 | nodes: {\n     |         ^"),
        ("a: \x1b[31m", 1, 2, "   7 | a: \\x1b[31m\n     | ^"),
    ],
)
def test_what_is_underlined(line: str, first: int, last: int, expected: str) -> None:
    assert excerpt_of(line, first, last) == expected


@pytest.mark.parametrize("first", [1, 20, 100, 480, 495])
@pytest.mark.parametrize("length", [1, 6, 200])
@pytest.mark.parametrize("letter", ["x", "日", "\t"])
def test_of_a_long_line_only_the_part_around_the_word(first: int, length: int, letter: str) -> None:
    line = letter * (first - 1) + "W" * length + letter * 500 + "x"
    above, below = excerpt_of(line, first, first + length).split("\n")
    assert excerpt._width(above) <= 40
    assert excerpt._width(below) <= 40
    assert "^" in below
    assert above.endswith("…")
    if length < 10:
        begin = below.index("^")
        cells = "".join(cell * 2 if cell == "日" else cell for cell in above)
        assert cells[begin : begin + length] == "W" * length
        assert below.count("^") == length


def test_an_error_without_a_line_shows_nothing() -> None:
    assert excerpt.lines(Problem("x", "wrong.", Position(7, 1))) == []
    assert excerpt.lines(Problem("x", "wrong.", line="  x")) == []


def test_colour() -> None:
    problem = Problem("x", "wrong.", Position(7, 1), end=Position(7, 3), line="ab")
    assert excerpt.lines(problem, colour=True)[1].endswith("\033[1;31m^^\033[0m")


def test_errors_of_one_place_are_together() -> None:
    same = [Problem("x", f"{name} is wrong", Position(1, 1)) for name in "abc"]
    other = Problem("x", "wrong", Position(2, 1))
    assert excerpt.groups([*same, other]) == [same, [other]]


def test_a_terminal_gets_long_sentences_on_several_lines() -> None:
    error = FileError(Problem("x", "word " * 30, Position(7, 1), end=Position(7, 2), line="a"), "f")
    lines = list(excerpt.report(error, 40, wrap=True))
    assert lines[0].startswith("f:7:1: word word")
    assert lines[1].startswith("  word")
    assert all(len(line) <= 40 for line in lines)
    assert lines[-2:] == ["   7 | a", "     | ^"]
    assert len(list(excerpt.report(error, 40))) == 3


def test_a_line_of_megabytes_and_a_large_number() -> None:
    line = "x" * 2_000_000 + "WRONG" + "y" * 2_000_000
    place = Position(12_345, 2_000_001)
    problem = Problem("x", "wrong.", place, end=Position(12_345, 2_000_006), line=line)
    above, below = excerpt.lines(problem, 40)
    assert len(above) == 40
    assert above[below.index("^") : below.index("^") + 5] == "WRONG"
    assert above.index("|") == below.index("|")
