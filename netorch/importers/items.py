"""Values of YAML and JSON files with their places, and a reader that checks their types."""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import pairwise
from typing import Any

from netorch.errors import FileError, NetorchError, Position, Problem
from netorch.immutable import Value, replace


class Place(Value):
    """A place in a file."""

    file: str
    line: int
    column: int

    def text(self) -> str:
        """Return the place as losses name it."""
        return f"{self.file}:{self.line}"


class Item(Value):
    """A value of a file."""

    data: Any
    """A mapping of texts to items, a list of items, a text, a number, a boolean or None."""
    place: Place
    """The place of the key of the value, or of the value itself in a list."""
    tag: str = ""
    """A tag that the caller of `parse` allowed, or ""."""
    unset: tuple[str, ...] = ()
    """The variables without a value that it uses."""

    def get(self, key: str) -> Item:
        """Return an entry of a mapping. It is an item with None if there is none."""
        entry: Item | None = self.data.get(key) if isinstance(self.data, dict) else None
        return entry if entry is not None else Item(None, self.place)

    def with_data(self, data: Any) -> Item:
        return replace(self, data=data, tag="")


class Faults:
    """Collects what is wrong with files, so that all errors are reported together."""

    def __init__(self) -> None:
        self._problems: dict[str, list[Problem]] = {}

    def add(self, place: Place, what: str, remedy: str = "") -> None:
        where = Position(place.line, place.column)
        problems = self._problems.setdefault(place.file, [])
        problem = Problem("bad-import", what, where, remedy)
        if problem not in problems:
            problems.append(problem)

    def done(self) -> None:
        """Raise FileError with the problems of the first file that has any."""
        for file, problems in self._problems.items():
            raise FileError(sorted(problems, key=lambda one: one.where or Position(0, 0)), file)


class Reader:
    """Reads items with the types that a format wants. Another type is a fault."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def fault(self, item: Item, what: str, remedy: str = "") -> None:
        """Report that an item is not valid."""
        if item.unset and not remedy:
            remedy = f"Set {' and '.join(item.unset)} in the file `.env` beside the compose file."
        self.faults.add(item.place, what, remedy)

    def mapping(self, item: Item, name: str) -> dict[str, Item]:
        """Return the entries of a mapping. None is an empty one."""
        if isinstance(item.data, dict):
            return item.data
        if item.data is not None:
            self.fault(item, f"`{name}` is not a mapping.", "Write `key: value` lines.")
        return {}

    def others(self, item: Item, name: str, known: Container[str]) -> list[tuple[str, Item]]:
        """Return the entries of a mapping that have a value, except those in `known`."""
        return [
            (key, one)
            for key, one in self.mapping(item, name).items()
            if key not in known and one.data not in (None, "", [], {})
        ]

    def words(self, item: Item) -> str:
        """Return any value as one line of text."""
        if isinstance(item.data, dict):
            pairs = (f"{key}: {self.words(one)}" for key, one in item.data.items())
            return "{" + ", ".join(pairs) + "}"
        if isinstance(item.data, list):
            return "[" + ", ".join(map(self.words, item.data)) + "]"
        return self.text(item, "")

    def sequence(self, item: Item, name: str) -> list[Item]:
        """Return the items of a list. None is an empty one, and a scalar a list of itself."""
        if isinstance(item.data, list):
            return item.data
        if isinstance(item.data, dict):
            self.fault(item, f"`{name}` is not a list.", "Begin each line with `- `.")
            return []
        return [] if item.data in (None, "") else [item]

    def pairs(self, item: Item, name: str, separators: str = "=") -> list[tuple[str, Item]]:
        """Return the pairs of a mapping, or of a list of texts such as `KEY=VALUE`."""
        if isinstance(item.data, dict):
            return list(item.data.items())
        pairs = []
        for one in self.sequence(item, name):
            text = self.text(one, name)
            at = min((text.find(mark) for mark in separators if mark in text), default=len(text))
            pairs.append((text[:at].strip(), one.with_data(text[at + 1 :].strip())))
        return pairs

    def text(self, item: Item, name: str) -> str:
        """Return a scalar as text. None is ""."""
        if isinstance(item.data, (dict, list)):
            self.fault(item, f"`{name}` is not a text.")
            return ""
        if isinstance(item.data, bool):
            return str(item.data).lower()
        return "" if item.data is None else str(item.data).strip()

    def flag(self, item: Item, name: str, default: bool = False) -> bool:
        """Return a boolean, in all spellings that Compose accepts."""
        text = self.text(item, name).lower()
        if text in ("true", "yes", "y", "on", "1"):
            return True
        if text in ("false", "no", "n", "off", "0"):
            return False
        if text:
            self.fault(item, f"`{name}` is neither true nor false.")
        return default

    def number(self, item: Item, name: str, default: int, most: int | None = None) -> int:
        """Return a whole number. With `most`, it is not larger."""
        text = self.text(item, name)
        if not text:
            return default
        try:
            number = int(text)
        except ValueError:
            self.fault(item, f"`{name}` is not a whole number.")
            return default
        if most is not None and number > most:
            self.fault(item, f"`{name}` is {number}, and netorch imports at most {most}.")
            return default
        return number


def parse(file: str, data: bytes, tags: Container[str] = (), above: int = 0) -> Item:
    """Return the tree of a YAML file. Raise FileError.

    `tags` are the YAML tags of the format. `above` is the number of the first lines of `data` that
    the file does not have.
    """
    from netorch.language import yaml_tree

    try:
        tree = yaml_tree.parse(data, tags=tags)
    except NetorchError as error:
        raise FileError([_general(one) for one in error.problems], file) from None
    return _item(tree, Place(file, 1, 1), above)


_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
"""The line that begins a YAML document."""


def documents(text: str) -> list[str]:
    """Return the YAML documents of a text. Each has as many lines before it as in the text.

    Documents without a value are left out, unless there are no others.
    """
    starts = [0, *(match.start() for match in _DOCUMENT.finditer(text)), len(text)]
    parts = []
    for start, end in pairwise(starts):
        body = re.sub(r"^(?:---|%\w+.*)", "", text[start:end], flags=re.MULTILINE)
        if re.sub(r"#.*", "", body).strip():
            parts.append("\n" * text.count("\n", 0, start) + text[start:end])
    return parts or [text]


def parse_documents(file: str, data: bytes, tags: Container[str] = ()) -> list[Item]:
    """Return the trees of all documents of a YAML file. Raise FileError."""
    try:
        parts = documents(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return [parse(file, data, tags)]
    return [parse(file, part.encode(), tags) for part in parts]


def parse_json(file: str, data: bytes) -> Item:
    """Return the tree of a JSON file. Raise FileError."""
    import json

    text = data.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = Position(error.lineno, error.colno)
        problem = Problem("bad-import", f"The file is not JSON: {error.msg}.", where)
        raise FileError(problem, file) from None
    try:
        # JSON is YAML, except for tabs and pairs of surrogates. Only the YAML parser has positions.
        return parse(file, ('{"":\n' + text.replace("\t", " ") + "}").encode(), above=1).get("")
    except FileError:
        return _plain(value, Place(file, 1, 1))


def _plain(value: object, place: Place) -> Item:
    if isinstance(value, dict):
        return Item({key: _plain(one, place) for key, one in value.items()}, place)
    if isinstance(value, list):
        return Item([_plain(one, place) for one in value], place)
    return Item(value, place)


_GENERAL = {
    "not-a-mapping": "The file is not a mapping.",
    "second-document": "A second YAML document begins here, and netorch reads one for each file.",
}
"""Code of an error about topology files → what it means in the files of others."""


def _general(problem: Problem) -> Problem:
    if problem.code not in _GENERAL:
        return problem
    return Problem("bad-import", _GENERAL[problem.code], problem.where)


def _item(value: object, place: Place, above: int) -> Item:
    from netorch.language.yaml_tree import Map, Seq, TaggedText, retype

    def at(where: Position) -> Place:
        return Place(place.file, max(where.line - above, 1), where.column)

    if isinstance(value, Map):
        entries = {key: _item(one, at(value.where[key]), above) for key, one in value.items()}
        return Item(entries, place, value.tag)
    if isinstance(value, Seq):
        pairs = zip(value, value.where, strict=True)
        return Item([_item(one, at(where), above) for one, where in pairs], place, value.tag)
    if isinstance(value, TaggedText):
        return Item(retype(str(value)), place, value.tag)
    return Item(value, place)
