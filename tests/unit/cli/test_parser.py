"""What the parser says about a wrong command line."""

from __future__ import annotations

import pytest

from netorch.cli.options import end_of
from netorch.cli.other_words import of_option
from netorch.cli.parser import WrongUsage, parse


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("aply", "there is no command 'aply'. Did you mean 'apply'?"),
        ("diff --ouput json", "there is no option --ouput. Did you mean '--output'?"),
        (
            "diff -o jsn",
            "-o/--output: 'jsn' is not one of text, json, github, gitlab, markdown. Did you",
        ),
        ("diff -o x", "-o/--output: 'x' is not one of text, json, github, gitlab, markdown."),
        ("apply -f x", "there is no option -f. Write the file by itself."),
        ("apply --json x", "there is no option --json. Write `-o json`."),
        ("destroy -a", "there is no option -a. Write `--all`."),
        ("list -a", "there is no option -a."),
        ("link down a:eth0", "action: 'a:eth0' is not one of down, up, flap. Write `netorch link"),
        ("--verison", "there is no option --verison. Did you mean '--version'?"),
        ("-V", "there is no option -V. `netorch --version` prints the version."),
        (
            "-v",
            "a command is missing. `netorch --help` lists the commands, and `netorch --version`",
        ),
        ("-q", "a command is missing. `netorch --help` lists the commands."),
        ("diff --version", "there is no option --version. `netorch --version` prints the version."),
        ("explain a b --port 80", "there is no option --port. Write `--tcp PORT`."),
        ("diff --exit-code", "there is no option --exit-code. `netorch diff` ends with status 2"),
        ("check a b", "too many arguments: b. `netorch explain A B` follows a packet"),
        ("shell a ls", "too many arguments: ls. `netorch exec NODE COMMAND` runs a command"),
        ("help nodez", "there is no command 'nodez'."),
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


def test_the_options_of_other_tools_lead_to_options_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(WrongUsage) as caught:
        parse(["list", "--all"])
    assert "--all" not in caught.value.what.partition(". ")[2]
    assert of_option("-a", ["-q"]) == ""
    assert of_option("-a", ["--all"]) == "Write `--all`."
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("r1/eth0", "r1:eth0"),
        ("host.rack1/br-lan.5", "host.rack1:br-lan.5"),
        ("r1:eth0", "r1:eth0"),
        ("r1", "r1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("fd00::/64", "fd00::/64"),
        ("../topo", "../topo"),
        ("a/b/c", "a/b/c"),
        ("r1/", "r1/"),
    ],
)
def test_an_interface_as_the_output_names_it(word: str, end: str) -> None:
    assert end_of(word) == end
    assert parse(["link", word, "down"]).end == end  # type: ignore[attr-defined]
