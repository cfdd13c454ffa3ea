"""Wrong files, each with everything that `netorch validate` prints about it.

`python -m tests.unit.messages.test_wrong_files` writes the current output into the corpus. Read the
difference before you commit it, as somebody who has not read the documentation.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from netorch.errors import FileError
from netorch.render import excerpt
from netorch.resolve.loader import load

CORPUS = Path(__file__).with_name("wrong-files.txt")
"""For each file a line `=== TITLE`, its text, a line `>>>`, and the output."""


def cases() -> dict[str, tuple[str, str]]:
    """Return title → text of the file and output."""
    result = {}
    for block in CORPUS.read_text().split("=== ")[1:]:
        title, _, rest = block.partition("\n")
        text, _, output = rest.partition("\n>>>\n")
        result[title] = (text + "\n", output.strip("\n"))
    return result


def output_of(text: str) -> str:
    """Return what `validate` prints about a file."""
    try:
        load(text.encode(), "lab.yaml")
    except FileError as error:
        return "\n".join(excerpt.report(error))
    return ""


@pytest.mark.parametrize("title", cases())
def test_output(title: str) -> None:
    text, expected = cases()[title]
    assert output_of(text) == expected


def test_each_error_says_what_to_do() -> None:
    """All of them are wrong, and no output is longer than a screen."""
    for title, (_, output) in cases().items():
        assert output, title
        assert len(output.splitlines()) <= 24, title


if __name__ == "__main__":
    blocks = [
        f"=== {title}\n{text}>>>\n{output_of(text)}\n" for title, (text, _) in cases().items()
    ]
    CORPUS.write_text("\n".join(blocks))
