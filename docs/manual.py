"""The commands and options of the manual page, from the table of commands and their parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from netorch.cli.commands import NAMES, find
from netorch.cli.parser import parser


def commands() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Name → what it does, and its words."""
    parsers = parser().commands
    return {name: (find(name).summary, parsers[name]) for name in NAMES}


def manual() -> str:
    """A section for each command; options that every command has stand in one of their own."""
    found = commands()
    shared = set.intersection(
        *({spelled(action) for action in _said(words)} for _, words in found.values())
    )
    sections = [
        _section(name, about, [action for action in _said(words) if spelled(action) not in shared])
        for name, (about, words) in found.items()
    ]
    some = next(iter(found.values()))[1]
    sections.append(
        f"### Options of every command\n\n{_list(action for action in _said(some) if spelled(action) in shared)}"
    )
    sections.append("`netorch --version` prints the version, `netorch --help` the commands.\n")
    return "\n".join(sections)


def spelled(action: argparse.Action) -> str:
    """How an option or argument is written: `-o`, `--output FORM`."""
    value = _value(action)
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(
        f"`{option}{f' {value}' if value and option.startswith('--') else ''}`"
        for option in action.option_strings
    )


def _said(words: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in words._actions if action.help != argparse.SUPPRESS]


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    name = (
        "|".join(map(str, action.choices))
        if action.choices
        else str(action.metavar or action.dest.upper())
    )
    return name


def _usage(name: str, actions: Iterable[argparse.Action]) -> str:
    words = [f"netorch {name}"]
    for action in actions:
        if not action.option_strings:
            value = _value(action)
            many = action.nargs in {"*", "+", argparse.REMAINDER}
            optional = action.nargs in {"?", "*"}
            text = f"{value} …" if many else value
            words.append(f"[{text}]" if optional else text)
    return " ".join(words)


def _section(name: str, about: str, actions: list[argparse.Action]) -> str:
    text = f"### {_usage(name, actions)}\n\n{_sentence(about)}\n"
    return f"{text}\n{_list(actions)}" if actions else text


def _list(actions: Iterable[argparse.Action]) -> str:
    lines = (
        f"{spelled(action)}\n: {_sentence((action.help or '') % {'default': action.default})}\n"
        for action in sorted(actions, key=lambda action: bool(action.option_strings))
    )
    return "\n".join(lines)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
