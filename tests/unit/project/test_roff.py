"""The manual page as roff: what each form of Markdown becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import roff

ROOT = Path(__file__).resolve().parents[3]
HEAD = roff.page("# netorch(1)", "1.0")


@pytest.mark.parametrize(
    ("markdown", "lines"),
    [
        ("# netorch(1)", []),
        ("## Exit status", [".SH EXIT STATUS"]),
        ("### netorch diff [NEW]", [".SS netorch diff [NEW]"]),
        ("a **b** *c*\n`-d`", [".PP", r"a \fBb\fR \fIc\fR \fB\-d\fR"]),
        ("- `-o`, `--out F`: The\n  file.", [".TP", r"\fB\-o\fR, \fB\-\-out F\fR", "The file."]),
        ("- `a`: b\n- `c`: d", [".TP", r"\fBa\fR", "b", ".TP", r"\fBc\fR", "d"]),
        ("<!-- a: b -->\n\n.x 'y' ~/z ^ a\\b \"c\"\n\n<!-- end -->",
         [".PP", r"\&.x \(aqy\(aq \(ti/z \(ha a\eb \(dqc\(dq"]),
    ],
)  # fmt: skip
def test_markdown_as_roff(markdown: str, lines: list[str]) -> None:
    text = roff.page(markdown, "1.0")
    assert text.removeprefix(HEAD).splitlines() == lines


@pytest.mark.parametrize(
    "markdown", ["1. one", "```\ncode\n```", "| a | b |", "- no term", "> said", "a [b](c)"]
)
def test_other_markdown_is_refused(markdown: str) -> None:
    with pytest.raises(ValueError, match="cannot have this Markdown"):
        roff.page(markdown, "1.0")


def test_the_page_of_this_tree_has_all_its_headings() -> None:
    headings = [line for line in (ROOT / "docs/man.md").read_text().splitlines() if "## " in line]
    lines = roff.manual_page().splitlines()
    titles = [line for line in lines if line.startswith((".SH", ".SS"))]
    assert len(titles) == len(headings) + 1
    assert ".SH FILES" in titles
