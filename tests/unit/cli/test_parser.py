"""What the parser says about a wrong command line."""

from __future__ import annotations

import pytest

from netorch.cli.parser import WrongUsage, parse


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("aply", "there is no command 'aply'. Did you mean 'apply'?"),
        ("diff --ouput json", "there is no option --ouput. Did you mean '--output'?"),
        ("diff -o jsn", "-o/--output: 'jsn' is not one of text, json, github, markdown. Did you"),
        ("diff -o x", "-o/--output: 'x' is not one of text, json, github, markdown."),
        ("completion bahs", "shell: 'bahs' is not one of bash, zsh, fish. Did you mean 'bash'?"),
    ],
)
def test_wrong_words(words: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WrongUsage) as caught:
        parse(words.split())
    assert caught.value.what.startswith(expected)
    assert expected in capsys.readouterr().err
