"""Generate the commands and options of the manual page from the parsers of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from textwrap import fill

from netorch.cli.commands import NAMES, find
from netorch.cli.parser import parser


def commands() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Return the summary and the parser of each command by its name."""
    parsers = parser().commands
    return {name: (find(name).summary, parsers[name]) for name in NAMES}


def manual() -> str:
    """Return a section for each command, and one for the options that every command has."""
    table = commands()
    shared = set.intersection(
        *({spelled(action) for action in _documented(words)} for _, words in table.values())
    )
    sections = [
        _section(
            name,
            summary,
            [action for action in _documented(words) if spelled(action) not in shared],
        )
        for name, (summary, words) in table.items()
    ]
    first = next(iter(table.values()))[1]
    common = _list(action for action in _documented(first) if spelled(action) in shared)
    sections.append(f"### Options of every command\n\n{common}")
    sections.append(
        "`netorch --version` prints the version, `netorch --help` the commands, and\n"
        "`netorch help COMMAND` the options and examples of a command.\n"
    )
    return "\n".join(sections)


def spelled(action: argparse.Action) -> str:
    """Return an option or argument as a user writes it: "`-o`, `--output FORM`"."""
    value = _value(action)
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(
        f"`{option}{f' {value}' if value and option.startswith('--') else ''}`"
        for option in action.option_strings
    )


def _documented(words: argparse.ArgumentParser) -> list[argparse.Action]:
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


def _section(name: str, summary: str, actions: list[argparse.Action]) -> str:
    text = f"### {_usage(name, actions)}\n\n{_wrapped(_sentence(summary))}\n"
    return f"{text}\n{_list(actions)}" if actions else text


def _list(actions: Iterable[argparse.Action]) -> str:
    """Return a bullet list. roff.py makes a definition list of it for `man`."""
    items = (
        f"- {spelled(action)}: {_sentence((action.help or '') % {'default': action.default})}"
        for action in sorted(actions, key=lambda action: bool(action.option_strings))
    )
    return "\n".join(_wrapped(item, "  ") for item in items) + "\n"


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
