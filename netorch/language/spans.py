"""Find the words of a topology file that its errors are about.

This reads the text a second time, because only a file with errors needs to know where a word ends.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml

from netorch.errors import InCode, Position, Problem
from netorch.immutable import replace

_Loader: Any = getattr(yaml, "CLoader", yaml.Loader)
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""The line breaks of libyaml, which counts the lines of a position."""
_SECRET = re.compile(r"private|preshared|secret|passw|psk|token|credential", re.IGNORECASE)
"""A key with a secret value."""
_SECRET_IN_KEY = re.compile(rf"((?:{_SECRET.pattern})[\w-]*[:=])[^\s'`]+", re.IGNORECASE)
"""A secret after its key, with no space between them."""
_SECRET_IN_CODE = re.compile(rf"(`[\w.-]*(?:{_SECRET.pattern})[\w-]*: )[^`]+", re.IGNORECASE)
"""A secret in code that a remedy suggests."""
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/]{40}|[0-9a-fA-F]{32}")
"""A text that looks like a key."""
_PUBLIC = re.compile(r"public_key['\"]?\s*:\s*['\"]?[A-Za-z0-9+/=]+")
"""A key that is not a secret."""
_OF_KEYS = frozenset(("unknown-key", "missing-key", "duplicate-key", "bad-key"))
"""Codes of errors about a key, whatever its value is."""
_QUOTED = re.compile(r"(?<![A-Za-z0-9])'([^']+)'")


class Span(NamedTuple):
    """A part of the file."""

    start: Position
    end: Position
    """The place after the last character."""


class Entry(NamedTuple):
    """A key with its value, or an item of a list, which has no key."""

    key: Span | None
    value: Span | None
    """The value, None if it is empty or if it is a mapping or list of several lines."""
    is_scalar: bool = False
    is_list: bool = False


class Spans:
    """The keys and values of one file, and those of its lines that may be printed."""

    def __init__(self, data: bytes) -> None:
        is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if is_wide else "utf-8-sig", "replace")
        self._lines = _BREAK.split(text)
        self._keys: dict[Position, Entry] = {}
        self._items: dict[Position, Entry] = {}
        self._secret: set[int] = set()
        self._last = len(self._lines) + 1
        self._read(text)

    def aim(self, problem: Problem) -> Problem:
        """Return the problem with the place of the wrong word, its end, and its line.

        The line is left out if it may contain a secret.
        """
        where = problem.where
        if where is None or isinstance(where, InCode):
            return problem
        span = self._span(problem, where)
        return replace(
            problem,
            what=_without_secrets(problem.what),
            remedy=_without_secrets(problem.remedy),
            object=_without_secrets(problem.object),
            where=span.start,
            end=span.end,
            line=self._printable_line(span.start.line),
        )

    def with_line(self, problem: Problem) -> Problem:
        """Return the problem with the end of the word at its place, and its line."""
        aim = self.aim(problem)
        if problem.where is None or aim.where == problem.where:
            return aim
        entry = self._keys.get(problem.where)
        key = entry.key if entry is not None else None
        end = key.end if key is not None else self._end_of_word(problem.where)
        return replace(
            aim, where=problem.where, end=end, line=self._printable_line(problem.where.line)
        )

    def parts(self, where: Position) -> list[Span]:
        """Return the key and the value at a place, and the item of a list."""
        entries = (self._keys.get(where), self._items.get(where))
        return [
            span
            for entry in entries
            if entry
            for span in (entry.key, entry.value)
            if span is not None
        ]

    def _span(self, problem: Problem, where: Position) -> Span:
        entry = self._keys.get(where) or self._items.get(where)
        if where in self._items and problem.code != "unknown-key":
            # an item and the first key in it begin at one place
            is_item = problem.object.rpartition(".")[2].isdecimal()
            entry = self._items[where] if is_item or problem.code == "missing-key" else entry
        if entry is None:
            return Span(where, self._end_of_word(where))
        key, value = entry.key, entry.value
        words = _QUOTED.findall(problem.what)
        if key is not None and (problem.code in _OF_KEYS or value is None):
            return key
        if value is None:
            return Span(where, self._end_of_line(where))
        if key is None:
            return self._word_in(value, words) or value
        name = self._text(key).strip("'\"")
        if not entry.is_scalar and name in words:
            return key
        if word := self._word_in(value, words) or self._word_in(key, words):
            return word
        is_of_key = f"`{name}`" in problem.what or not (entry.is_scalar or entry.is_list)
        return key if is_of_key else value

    def _word_in(self, value: Span, words: Iterable[str]) -> Span | None:
        """Return the part of a value that is the first of the words which it contains once."""
        if value.start.line != value.end.line:
            return None
        text = self._text(value)
        for word in words:
            places = [*re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text)]
            if len(places) == 1:
                line, column = value.start
                begin, end = places[0].span()
                return Span(Position(line, column + begin), Position(line, column + end))
        return None

    def _text(self, span: Span) -> str:
        end = span.end.column - 1 if span.end.line == span.start.line else None
        return self._line(span.start.line)[span.start.column - 1 : end]

    def _line(self, number: int) -> str:
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def _end_of_line(self, where: Position) -> Position:
        text = self._line(where.line).rstrip()
        return Position(where.line, max(len(text), where.column) + 1)

    def _end_of_word(self, where: Position) -> Position:
        rest = self._line(where.line)[where.column - 1 :]
        word = re.match(r"[^\s,\]}]+", rest)
        return Position(where.line, where.column + (len(word[0]) if word else 1))

    def _printable_line(self, number: int) -> str:
        text = self._line(number)
        if number in self._secret or _SECRET_IN_KEY.search(text):
            return ""
        if number >= self._last:  # the parser stopped before this line
            before = next(filter(str.strip, reversed(self._lines[: number - 1])), "")
            if _SECRET.search(text) or _SECRET.search(before):
                return ""
        return "" if _KEY_MATERIAL.search(_PUBLIC.sub("", text)) else text

    def _read(self, text: str) -> None:
        stack: list[_Frame] = []
        try:
            loader = _Loader(text)
            try:
                while (event := loader.get_event()) is not None:
                    if isinstance(event, yaml.StreamEndEvent):
                        return
                    self._take(event, stack)
            finally:
                loader.dispose()
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            mark = getattr(error, "context_mark", None) or getattr(error, "problem_mark", None)
            self._last = mark.line + 1 if mark is not None else 1

    def _take(self, event: Any, stack: list[_Frame]) -> None:
        span = Span(_position(event.start_mark), _position(event.end_mark))
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            is_map = isinstance(event, yaml.MappingStartEvent)
            stack.append(_Frame(is_map, span.start, bool(event.flow_style)))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            frame = stack.pop()
            whole = Span(frame.start, span.end)
            is_one_line = frame.flow and frame.start.line == span.end.line
            self._put(
                stack, whole, Entry(None, whole if is_one_line else None, False, not frame.is_map)
            )
        elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
            is_empty = span.start == span.end
            self._put(stack, span, Entry(None, None if is_empty else span, True))

    def _put(self, stack: list[_Frame], whole: Span, entry: Entry) -> None:
        if not stack:
            return
        frame = stack[-1]
        if not frame.is_map:
            self._items.setdefault(whole.start, entry)
        elif frame.key is None:
            frame.key = whole
        else:
            self._keys.setdefault(frame.key.start, entry._replace(key=frame.key))
            name = self._text(frame.key).strip("'\"")
            names_file = name.endswith(("_file", "_path"))
            if _SECRET.search(name) and not (
                names_file and entry.value and not _KEY_MATERIAL.search(self._text(entry.value))
            ):
                self._secret.update(range(frame.key.start.line, whole.end.line + 1))
            frame.key = None


class _Frame:
    """A mapping or list whose end the parser has not reached yet."""

    __slots__ = ("flow", "is_map", "key", "start")

    def __init__(self, is_map: bool, start: Position, flow: bool) -> None:
        self.is_map, self.start, self.flow = is_map, start, flow
        self.key: Span | None = None
        """The key whose value comes next, None if a key comes next."""


def aim(problems: Iterable[Problem], data: bytes | None) -> list[Problem]:
    """Return the problems of a file with the places of the wrong words, in the file's order.

    `data` is the text of the file, None if a program passed its values.
    """
    entries = list(problems)
    if data is not None and any(problem.where is not None for problem in entries):
        spans = Spans(data)
        entries = [spans.aim(problem) for problem in entries]
    return sorted(entries, key=lambda problem: problem.where or Position(0, 0))


def with_lines(problems: Iterable[Problem], data: bytes | None) -> list[Problem]:
    """Return the problems with their lines, and with the ends of the words at their places."""
    entries = list(problems)
    if data is None or all(problem.where is None or problem.line for problem in entries):
        return entries
    spans = Spans(data)
    return [problem if problem.line else spans.with_line(problem) for problem in entries]


def _without_secrets(text: str) -> str:
    """Return a sentence without a secret that is a part of a key, as in `password:x`."""
    return _SECRET_IN_CODE.sub(r"\1…", _SECRET_IN_KEY.sub(r"\1…", text))


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)
