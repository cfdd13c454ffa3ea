"""The help of each command: its group, two examples that work, and a page that exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from netorch.cli.command import GROUPS
from netorch.cli.commands import NAMES, find
from netorch.cli.parser import COLUMNS, command_first, parse, parser

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_a_group_examples_and_a_page(name: str) -> None:
    command = find(name)
    assert command.group in GROUPS, "give the command a `group`, one of netorch.cli.command.GROUPS"
    assert len(command.examples) == 2, "give the command two `examples`"
    file, _, heading = command.page.partition("#")
    titles = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(), re.MULTILINE)
    names = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
    assert not heading or heading in names, f"{command.page} does not exist"


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_can_be_parsed(name: str) -> None:
    for words, about in find(name).examples:
        assert parse(shlex.split(words.partition(" > ")[0])).command == name
        assert about[0].islower() and not about.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_the_help_has_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = parser(name).commands[name].format_help()
    assert "examples:\n  netorch " in text
    assert find(name).page in text
    assert all(len(line) <= COLUMNS for line in text.splitlines())


def test_the_list_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = parser().format_help()
    assert all(len(line) <= COLUMNS for line in text.splitlines())
    assert [line[:-1] for line in text.splitlines() if line[:-1] in GROUPS] == [*GROUPS]
    for name in NAMES:
        assert re.search(rf"^  {name} ", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("help diff", "diff --help"),
        ("help", "--help"),
        ("-v diff x", "diff -v x"),
        ("-o json --name list show", "show -o json --name list"),
        ("--debug -q apply", "apply --debug -q"),
        ("exec h1 -v", "exec h1 -v"),
        ("-v", "-v"),
        ("-x nope", "-x nope"),
        ("", ""),
    ],
)
def test_the_command_may_follow_its_options(words: str, expected: str) -> None:
    assert command_first(words.split()) == expected.split()
