"""The table of commands: each command has a file and typed options, and is quick to load."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import netorch.cli.commands
from netorch.cli.commands import NAMES, find
from netorch.cli.parser import parser
from netorch.parallel_reader.reader import ForkedReader

HEAVY = {
    "msgspec",
    "dataclasses",
    "netorch.errors",
    "netorch.kernel",
    "netorch.resolve.loader",
    "pydantic",
    "typing",
    "yaml",
}


def test_each_file_of_the_folder_is_in_the_table() -> None:
    folder = Path(netorch.cli.commands.__file__).parent
    assert {file.stem for file in folder.glob("*.py")} - {"__init__"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_is_named_as_its_file(name: str) -> None:
    assert find(name).name == name
    assert list(parser(name).commands) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_the_options_of_a_command_are_those_of_its_class(name: str) -> None:
    options = find(name).options
    annotated = {key for base in options.__mro__ for key in vars(base).get("__annotations__", {})}
    actions = [action for action in parser(name).commands[name]._actions if action.dest != "help"]
    without_output = {"output"} - {action.dest for action in actions}
    assert annotated - {"command", "reader", "failure"} - without_output == {
        action.dest for action in actions
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_types_of_a_class_are_those_of_the_parser(name: str) -> None:
    hints = get_type_hints(find(name).options, localns={"ForkedReader": ForkedReader})
    for action in parser(name).commands[name]._actions:
        if action.dest == "help":
            continue
        assert hints[action.dest] in _types(action), action.dest


def _types(action: argparse.Action) -> list[object]:
    """Return the types with which the value of an option may be declared."""
    if isinstance(action, argparse._StoreTrueAction):
        return [bool]
    if isinstance(action, argparse._AppendAction) or action.nargs in {"*", argparse.REMAINDER}:
        return [list[str]]
    convert = action.type
    kind = get_type_hints(convert)["return"] if callable(convert) else str
    may_be_missing = action.default is None and not action.required
    # `output` has one declaration, for commands with a default and for commands without one
    return (
        [kind | None]
        if may_be_missing
        else [kind, *([kind | None] if action.dest == "output" else [])]
    )


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["diff", "--help"], ["apply", "--help"]]
)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        f"import sys; from netorch.cli import main; main({words}); "
        "print(*sys.modules, file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert HEAVY & {*process.stderr.split()} == set()


def test_the_help_names_the_commands_that_end_with_status_2() -> None:
    line = parser("").format_help().partition("\n  2 ")[2].partition("\n  64 ")[0]
    commands = {name for name in NAMES if find(name).status_2}
    assert commands == {word.strip(",:") for word in line.split()} & {*NAMES}
    for name in commands:
        assert "exit status 2:" in parser(name).commands[name].format_help()


def test_only_commands_with_more_to_print_describe_verbose() -> None:
    for name in NAMES:
        described = "--verbose" in parser(name).commands[name].format_help()
        assert described == bool(find(name).verbose)
        assert parser(name).parse_args([name, *_ARGUMENTS.get(name, ()), "-v"]).verbose


_ARGUMENTS = {
    "completion": ("bash",),
    "link": ("a:b", "down"),
    "impair": ("a:b",),
    "capture": ("a",),
    "shell": ("a",),
    "exec": ("-v", "a"),
}
"""The arguments that a command requires."""
