"""What is guessed of a command line before its file is loaded."""

from __future__ import annotations

import pytest

from netorch.cli.ahead import nodes_said

SAID = {
    "nothing": ("", 0),
    "no nodes": ("name: lab\nnetworks: {lan: {}}\n", 0),
    "one in a line": ("nodes:\n  a: {}\n  b:\n    networks: {lan: {}}\n    routes: []\n", 2),
    "ranges": ("nodes:\n  h[1-100]: {}\n  'r[01-12]':\n    x: 1\n  \"p[0-2]x[1-4]\": {}\n", 124),
    "other sections": (
        "links:\n  - [a:eth0, b:eth0]\nnodes:\n  a: {}\nnetworks:\n  lan: {}\n  lan2: {}\n",
        1,
    ),
    "comments, and empty lines": (
        "nodes:  # of the lab\n  # one[1-9]: {}\n\n  a: {}\n# more\n  b: {}\n",
        0,
    ),
    "comments below": ("nodes:\n  # one[1-9]: {}\n\n  a: {}\n# more\n  b: {}\n", 2),
    "in one line": ("nodes: {h[1-100]: {}}\n", 0),
    "a range that runs backwards": ("nodes:\n  h[9-1]: {}\n", 0),
    "numbers as long as they like": (f"nodes:\n  h[1-{'9' * 400}]: {{}}\n", 1),
    "CR LF": ("nodes:\r\n  h[1-3]: {}\r\n  i: {}\r\n", 4),
    "no end of line": ("nodes:\n  h[1-3]: {}", 3),
    "deeper": ("nodes:\n      h[1-3]: {}\n      i: {}\n", 4),
}


@pytest.mark.parametrize(("text", "count"), SAID.values(), ids=SAID)
def test_nodes_said(text: str, count: int) -> None:
    assert nodes_said(text.encode()) == count


def test_a_hostile_file_takes_no_longer_than_its_length() -> None:
    for text in (
        b"nodes:\n" + b" " * 500_000,
        b"nodes:\n" + b"  " + b"a" * 500_000,
        b"nodes:\n" + b"  '" * 200_000,
        b"nodes:\n" * 100_000,
        b"\n" * 500_000,
    ):
        assert nodes_said(text) <= 1
