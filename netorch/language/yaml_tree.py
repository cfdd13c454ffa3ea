"""YAML text becomes a tree of mappings, lists and scalars that know where they were written."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Any

import yaml

from netorch.errors import FileError, Position, Problem

MAX_BYTES = 10_000_000
MAX_VALUES = 1_000_000
MAX_DEPTH = 64
MAX_PROBLEMS = 1000
_TOO_DEEP = f"Mappings and lists nest deeper than {MAX_DEPTH} here."

_Loader: Any = getattr(yaml, "CLoader", yaml.Loader)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,63}")
# what YAML has no place for (c-printable of its specification); the list of what it has takes ten times as long to compile
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_CONSTANTS: dict[str, object] = dict.fromkeys(("", "~", "null", "Null", "NULL"), None)
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_SCALAR, _ALIAS = yaml.ScalarEvent, yaml.AliasEvent
_MAP_START, _MAP_END = yaml.MappingStartEvent, yaml.MappingEndEvent
_SEQ_START, _SEQ_END = yaml.SequenceStartEvent, yaml.SequenceEndEvent
_TAG = "tag:yaml.org,2002:"
_SCALAR_TYPES: dict[str, type] = {"int": int, "bool": bool, "null": type(None)}
_HINTS = {
    "mapping values are not allowed": "Quote the text if its ': ' belongs to it, or check the indentation.",
    "could not find expected ':'": "Write 'key: value', with a space behind the colon.",
    "did not find expected key": "Check the indentation.",
    "did not find expected <document start>": "Check the indentation.",
    "did not find expected ','": "Is a comma or a closing bracket missing?",
    "unexpected end of stream": "Is a closing quote missing?",
    "did not find expected alphabetic": "Quote a text that begins with '*' or '&'.",
}


class Map(dict[str, Any]):
    """A mapping; `at` is its place, `where` each key's, `size` and `chars` count the subtree with its aliases expanded."""

    __slots__ = ("at", "chars", "depth", "dollar", "size", "where")

    def __init__(self, at: Position) -> None:
        self.at, self.where = at, dict[str, Position]()
        self.size, self.chars, self.depth, self.dollar = 1, 0, 1, False


class Seq(list[Any]):
    """A list; `at` is its place, `where` each item's, `size` and `chars` count the subtree with its aliases expanded."""

    __slots__ = ("at", "chars", "depth", "dollar", "size", "where")

    def __init__(self, at: Position) -> None:
        self.at, self.where = at, list[Position]()
        self.size, self.chars, self.depth, self.dollar = 1, 0, 1, False


class Findings:
    """The problems of one file, each kept once and raised together in the order of the file."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(
        self, code: str, what: str, where: Position | None, remedy: str = "", object: str = ""
    ) -> None:
        self._found[Problem(code, what, where, remedy, object)] = None
        if len(self._found) >= MAX_PROBLEMS:
            self.stop("too-many-problems", f"Reading stopped after {MAX_PROBLEMS} problems.", where)

    def stop(self, code: str, what: str, where: Position | None, remedy: str = "") -> None:
        """Raise all that was found and this, for there is no sense or no memory in going on."""
        self._found[Problem(code, what, where, remedy)] = None
        self.done()

    @property
    def problems(self) -> list[Problem]:
        """In the order of the file."""
        return sorted(self._found, key=lambda problem: problem.where or Position(0, 0))

    def done(self) -> None:
        if self._found:
            raise FileError(self.problems)


def quote(text: str) -> str:
    """A piece of the file for an error: quoted, on one line and not too long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def retype(text: str) -> object:
    """What a plain scalar means: null, a boolean, a canonical decimal integer, or else its text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return int(text) if text[0] in "-0123456789" and _INTEGER.fullmatch(text) else text


def expandable(text: str) -> bool:
    return "$" in text or "[" in text


def seal(node: Map | Seq) -> None:
    """Count what a finished mapping or list holds."""
    size, chars, depth, dollar = 1, 0, 0, False
    for value in node.values() if isinstance(node, Map) else node:
        if isinstance(value, str):
            size += 1
            chars += len(value)
            dollar = dollar or "$" in value or "[" in value
        elif isinstance(value, (Map, Seq)):
            size += value.size
            chars += value.chars
            depth = max(depth, value.depth)
            dollar = dollar or value.dollar
        else:
            size += 1
    if isinstance(node, Map):
        chars += sum(map(len, node))
        dollar = dollar or any(map(expandable, node))
    node.size, node.chars, node.depth, node.dollar = size, chars, depth + 1, dollar


def locate(tree: object, path: Sequence[str | int]) -> Position | None:
    """The place of the deepest key or item of `path` that the tree has; elements that it does not have are passed over."""
    found: Position | None = None
    for step in path:
        if isinstance(tree, Map) and str(step) in tree.where:
            found, tree = tree.where[str(step)], tree[str(step)]
        elif isinstance(tree, Seq) and isinstance(step, int) and 0 <= step < len(tree):
            found, tree = tree.where[step], tree[step]
    return found


def parse(data: bytes, found: Findings | None = None) -> Map:
    """Read one topology file (UTF-8, or UTF-16 with a BOM). Raises FileError with everything found wrong.

    With `found`, what one can read on after is put there instead.
    """
    findings = found or Findings()
    builder = _Builder(findings)
    text = _decode(data)
    try:
        loader = _Loader(text)
        try:
            take, end = builder.take, yaml.StreamEndEvent
            while (event := loader.get_event()).__class__ is not end:
                take(event)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        _syntax(findings, error, text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        findings.stop("not-yaml", f"This is not YAML: {' '.join(str(error).split())}.", None)
    if found is None:
        findings.done()
    if not isinstance(builder.root, Map):
        wrong = "The file is empty" if builder.root is None else "The file holds no mapping"
        findings.stop(
            "not-a-mapping",
            f"{wrong}; a topology is a mapping with nodes, networks, links ….",
            builder.start,
        )
    assert isinstance(builder.root, Map)
    return builder.root


class _Frame:
    """A mapping or list that is still open, and what waits in it for its partner."""

    __slots__ = ("anchor", "key", "key_at", "merge", "merging", "node")

    def __init__(self, node: Map | Seq, anchor: str | None) -> None:
        self.node, self.anchor = node, anchor
        self.key: str | None = None
        self.key_at = node.at
        self.merging = False
        self.merge: Seq | None = None


class _Builder:
    """Puts parser events together; nothing here recurses, and aliases are counted before they are used."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.root: object = None
        self.start = Position(1, 1)
        self._documents = self._values = self._chars = 0
        self._stack: list[_Frame] = []
        # An anchor's value and, for a scalar, its text: an alias may stand for a key.
        self._anchors: dict[str, tuple[object, str | None]] = {}

    def take(self, event: Any) -> None:
        mark = event.start_mark
        at = Position(mark.line + 1, mark.column + 1)
        kind = event.__class__
        if kind is _SCALAR:
            text: str = event.value
            self._values += 1
            self._chars += len(text)
            if self._values > MAX_VALUES or self._chars > MAX_BYTES:
                self._count(0, 0, at)
            if event.style == '"' and _CONTROL.search(text):
                self.findings.add("control-character", f"A control character in {quote(text)}.", at)
            value: object = text if event.style else retype(text)
            if event.tag is not None:
                value = self._tagged(event.tag, text, at)
            if event.anchor is not None:
                self._anchors[event.anchor] = value, text
            self._put(value, text, at, not event.style and event.tag is None)
        elif kind is _MAP_START or kind is _SEQ_START:
            node = Map(at) if kind is _MAP_START else Seq(at)
            if event.tag not in (None, "!", _TAG + ("map" if isinstance(node, Map) else "seq")):
                self._refuse_tag(event.tag, at)
            self._count(1, 0, at)
            self._deep(1, at)
            self._stack.append(_Frame(node, event.anchor))
            if event.anchor is not None:
                self._anchors[event.anchor] = node, None
        elif kind is _MAP_END or kind is _SEQ_END:
            frame = self._stack.pop()
            if frame.merge is not None and isinstance(frame.node, Map):
                self._merge(frame.node, frame.merge)
            seal(frame.node)
            self._put(frame.node, None, frame.node.at, False)
        elif kind is _ALIAS:
            self._alias(event.anchor, at)
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self.findings.stop(
                    "second-document",
                    "A second document begins here; one file holds one topology.",
                    at,
                )

    def _count(self, values: int, chars: int, at: Position) -> None:
        self._values += values
        self._chars += chars
        if self._values > MAX_VALUES:
            self.findings.stop(
                "too-many-values",
                f"The file holds more than {MAX_VALUES:,} values, counting what its aliases stand for.",
                at,
            )
        if self._chars > MAX_BYTES:
            self.findings.stop(
                "too-many-values",
                f"The file holds more than {MAX_BYTES // 10**6} MB, counting what its aliases stand for.",
                at,
            )

    def _deep(self, more: int, at: Position) -> None:
        if len(self._stack) + more > MAX_DEPTH:
            self.findings.stop("too-deep", _TOO_DEEP, at)

    def _alias(self, anchor: str, at: Position) -> None:
        if anchor not in self._anchors:
            self.findings.add(
                "unknown-alias",
                f"The alias *{anchor} has no anchor &{anchor} before it.",
                at,
                "Quote it if it is a text.",
                object=anchor,
            )
            self._put(None, "", at, False)
            return
        value, text = self._anchors[anchor]
        if isinstance(value, (Map, Seq)):
            if any(frame.node is value for frame in self._stack):
                self.findings.stop(
                    "circle", f"The alias *{anchor} stands for a value that contains it.", at
                )
            self._count(value.size, value.chars, at)
            self._deep(value.depth, at)
        else:
            self._count(1, len(text or ""), at)
        self._put(value, text, at, False)

    def _put(self, value: object, text: str | None, at: Position, plain: bool) -> None:
        """Give a finished value to what is open around it."""
        if not self._stack:
            self.root, self.start = value, at
            return
        frame = self._stack[-1]
        node = frame.node
        if isinstance(node, Seq):
            node.append(value)
            node.where.append(at)
        elif frame.key is None:
            if text is None:
                self.findings.add(
                    "bad-key",
                    "A key is a mapping or a list.",
                    at,
                    "Keys are texts; quote it if it is one.",
                )
                text = f"\0{at}"  # no key of a file can be this one
            frame.key, frame.key_at, frame.merging = text, at, plain and text == "<<"
        else:
            key, frame.key = frame.key, None
            if frame.merging and frame.merge is None:
                frame.merge = Seq(frame.key_at)
                frame.merge.append(value)
            elif frame.merging or key in node:
                first = frame.merge.at if frame.merging and frame.merge else node.where[key]
                self.findings.add(
                    "duplicate-key",
                    f"The key {quote(key)} is here twice; the first is in line {first.line}.",
                    frame.key_at,
                    "Keep one.",
                    object=key,
                )
            else:
                node[key] = value
                node.where[key] = frame.key_at

    def _merge(self, node: Map, merge: Seq) -> None:
        sources = merge[0] if isinstance(merge[0], Seq) else merge
        own, own_where = dict(node), dict(node.where)
        node.clear()
        for source in sources:
            if isinstance(source, Map):
                for key, value in source.items():
                    if key not in node:
                        node[key], node.where[key] = value, source.where[key]
            else:
                self.findings.add(
                    "bad-merge", "'<<' takes a mapping or a list of mappings.", merge.at
                )
        node.update(own)
        node.where.update(own_where)

    def _tagged(self, tag: str, text: str, at: Position) -> object:
        name = tag.removeprefix(_TAG)
        if tag == "!" or (tag != name and name == "str"):
            return text
        if tag == name or name not in _SCALAR_TYPES:
            self._refuse_tag(tag, at)
            return text
        value = retype(text)
        if type(value) is not _SCALAR_TYPES[name]:
            self.findings.add("yaml-tag", f"{quote(text)} is not a !!{name}.", at)
        return value

    def _refuse_tag(self, tag: str, at: Position) -> None:
        name = tag.replace(_TAG, "!!", 1)
        self.findings.add(
            "yaml-tag",
            f"{quote(name)} here: tags are not part of the language.",
            at,
            "Leave it out.",
        )


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise FileError(
            Problem(
                "file-too-large",
                f"The file has {len(data):,} bytes; more than {MAX_BYTES // 10**6} MB are refused.",
            )
        )
    encoding = (
        "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    )
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "replace")
        name = encoding.removesuffix("-sig").upper()
        raise FileError(
            Problem(
                "bad-encoding",
                f"This is not {name} text.",
                _place(before),
                "Save the file as UTF-8.",
            )
        ) from error
    if bad := _CONTROL.search(text):
        raise FileError(
            Problem(
                "control-character",
                f"The control character U+{ord(bad[0]):04X} is not allowed.",
                _place(text[: bad.start()]),
            )
        )
    return text


def _place(before: str) -> Position:
    lines = re.split(r"\r\n|[\n\r]", before)
    return Position(len(lines), len(lines[-1]) + 1)


def _syntax(findings: Findings, error: yaml.MarkedYAMLError, text: str) -> None:
    """Turn the parser's words into one line and a remedy."""
    mark = error.problem_mark or error.context_mark
    words = error.problem or "syntax error"
    remedy = next((hint for start, hint in _HINTS.items() if start in words), "")
    at = Position(mark.line + 1, mark.column + 1) if mark else None
    if "cannot start any token" in words and at:
        lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)
        rest = lines[at.line - 1][at.column - 1 :] if at.line <= len(lines) else ""
        if rest.startswith("\t"):
            words, remedy = "a tab cannot indent", "Use spaces."
        elif rest:
            words, remedy = f"a plain text cannot begin with {rest[0]!r}", "Quote it."
    if "nesting depth" in words:
        # the parser's own limit, 1,000, met while it looks ahead
        findings.stop("too-deep", _TOO_DEEP, at)
    context = f", {error.context}" if error.context else ""
    findings.stop("not-yaml", f"This is not YAML: {words}{context}.", at, remedy)
