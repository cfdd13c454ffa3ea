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


@pytest.mark.parametrize(
    ("words", "argument", "expected"),
    [
        ("impair r1:eth0 --name lab delay=1ms", "values", ["delay=1ms"]),
        ("impair r1:eth0 delay=1ms -q loss=1%", "values", ["delay=1ms", "loss=1%"]),
        ("link r1:eth0 flap --count 2 500ms", "every", 0.5),
        ("link r1:eth0 flap --count 2", "every", None),
        ("capture r1 -w x.pcapng icmp", "rest", ["icmp"]),
    ],
)
def test_arguments_after_options(words: str, argument: str, expected: object) -> None:
    assert getattr(parse(words.split()), argument) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("link r1:eth0 flap --count 2 1s 2s", "too many arguments: 2s"),
        ("link r1:eth0 flap 1s --count 2 2s", "too many arguments: 2s"),
        ("link r1:eth0 flap --count 2 soon", "argument EVERY: 'soon' is not a time"),
    ],
)
def test_wrong_arguments_after_options(words: str, expected: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        parse(words.split())
    assert caught.value.what.startswith(expected)
