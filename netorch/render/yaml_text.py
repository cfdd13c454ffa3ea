"""Writes a tree as YAML in the way a person would: short entries on one line, with comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from netorch.language.yaml_tree import retype

Path = tuple[str | int, ...]

WIDTH = 100
"""The length of the longest line, if the words of a comment or a value allow it."""

BLOCK_LEVELS = 1
"""The number of levels below the top whose mappings never stand on one line."""

_BLOCK_KEY = re.compile(r"[A-Za-z0-9_./-]+\[[A-Za-z0-9-]+\][A-Za-z0-9_./-]*")
"""A name with a range, which needs quotes on one line only."""
_PLAIN = re.compile(r"[A-Za-z0-9_./+$(](?:[A-Za-z0-9_./*+$()@%:~-]|(?<=\S) (?=[^\s#]))*")
"""A text that needs no quotes, in a list or mapping on one line either."""
_YAML_1_1 = re.compile(
    r"(?i)y|n|yes|no|on|off|true|false|null|(?!\d+\.\d+\.)[-+.0-9][-+.0-9_:]*(?:e\d+)?|0x\w+"
)
"""A text that some programs read as a number or a boolean. An IPv4 address is neither."""


def document(tree: Mapping[str, Any], comments: Mapping[Path, Sequence[str]] | None = None) -> str:
    """Return the text of a YAML file, without a line break at its end.

    `comments` maps the path of an entry to the comments before it, each a paragraph. `()` is the
    top of the file. A comment whose entry does not exist stands at the end of the nearest entry
    around it.
    """
    return "\n".join(_Writer(tree, comments or {}).lines())


def scalar(value: object) -> str:
    """Return a text, number, boolean or None as YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    text = str(value)
    if not isinstance(value, str):
        return text
    if (
        _PLAIN.fullmatch(text)
        and isinstance(retype(text), str)
        and not _YAML_1_1.fullmatch(text)
        and not text.endswith(":")
        and ": " not in text
        and "::" not in text
    ):
        return text
    if text.isprintable() and "\\" not in text and '"' not in text:
        return f'"{text}"'
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    return f"\\U{ord(char):08x}"


def flow(value: Any) -> str:
    """Return a value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


class _Writer:
    def __init__(self, tree: Mapping[str, Any], comments: Mapping[Path, Sequence[str]]) -> None:
        self.tree = tree
        self.comments: dict[Path, list[str]] = {}
        self.trailing: dict[Path, list[str]] = {}
        """Path of a mapping or list → the comments at its end."""
        self.inside: set[Path] = set()
        """The paths of all entries with a comment in them, which need lines of their own."""
        for path, texts in comments.items():
            place = path
            if _has(tree, path):
                self.comments.setdefault(path, []).extend(texts)
            else:
                while place and not (_has(tree, place) and _is_block(_at(tree, place))):
                    place = place[:-1]
                self.trailing.setdefault(place, []).extend(texts)
                self.inside.add(place)
            self.inside.update(place[:length] for length in range(len(place)))

    def lines(self) -> Iterator[str]:
        yield from self._comment((), 0)
        yield from self._mapping(self.tree, (), 0)

    def _comment(self, path: Path, indent: int, end: bool = False) -> Iterator[str]:
        space = " " * indent
        for text in (self.trailing if end else self.comments).get(path, ()):
            yield from wrap(
                text,
                max(WIDTH, indent + 40),
                initial_indent=f"{space}# ",
                subsequent_indent=f"{space}#   ",
                break_long_words=False,
                break_on_hyphens=False,
            )

    def _mapping(self, tree: Mapping[str, Any], path: Path, indent: int) -> Iterator[str]:
        for key, value in tree.items():
            place = (*path, key)
            yield from self._comment(place, indent)
            name = key if _BLOCK_KEY.fullmatch(key) else scalar(key)
            yield from self._entry(f"{' ' * indent}{name}:", value, place, indent)
        yield from self._comment(path, indent, end=True)

    def _entry(self, head: str, value: Any, path: Path, indent: int) -> Iterator[str]:
        """Yield the lines of a value after its key."""
        if self._fits(head, value, path):
            yield f"{head} {flow(value)}"
        elif isinstance(value, Mapping):
            yield head
            yield from self._mapping(value, path, indent + 2)
        else:
            yield head
            yield from self._list(value, path, indent + 2)

    def _list(self, items: Sequence[Any], path: Path, indent: int) -> Iterator[str]:
        head = f"{' ' * indent}-"
        for index, item in enumerate(items):
            place = (*path, index)
            yield from self._comment(place, indent)
            if self._fits(head, item, place):
                yield f"{head} {flow(item)}"
            else:
                # The first entry stands after the dash. A comment before it stands above the dash.
                inner = self._mapping if isinstance(item, Mapping) else self._list
                lines = list(inner(item, place, indent + 2))
                first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
                yield from (f"{' ' * indent}{line.lstrip()}" for line in lines[:first])
                yield f"{head} {lines[first].lstrip()}"
                yield from lines[first + 1 :]
        yield from self._comment(path, indent, end=True)

    def _fits(self, head: str, value: Any, path: Path) -> bool:
        if not _is_block(value):
            return True
        if path in self.inside or len(path) <= BLOCK_LEVELS:
            return False
        return len(head) + 1 + len(flow(value)) <= WIDTH


def _is_block(value: Any) -> bool:
    """Return whether a value can stand on several lines."""
    return isinstance(value, (Mapping, list, tuple)) and bool(value)


def _at(tree: Any, path: Path) -> Any:
    """Return the value at a path. Raise LookupError or TypeError if it does not exist."""
    for step in path:
        tree = tree[step]
    return tree


def _has(tree: Any, path: Path) -> bool:
    try:
        _at(tree, path)
    except (LookupError, TypeError):
        return False
    return True
