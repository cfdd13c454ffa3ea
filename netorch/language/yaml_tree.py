"""Parse YAML text into a tree of mappings, lists and scalars with their positions."""

from __future__ import annotations

import codecs
import re
from collections.abc import Container, Sequence
from typing import Any

import yaml

from netorch.errors import FileError, Position, Problem
from netorch.values.limits import MAX_BYTES, MAX_DEPTH, MAX_PROBLEMS, MAX_VALUES

_TOO_DEEP = f"Mappings and lists are nested more than {MAX_DEPTH} levels deep here."

_Loader: Any = getattr(yaml, "CLoader", yaml.Loader)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,63}")
# Characters that YAML does not allow: all but c-printable of its specification. A pattern of the
# allowed ones would take ten times as long to compile.
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
    "mapping values are not allowed": (
        "Quote the text if ': ' is a part of it, or check the indentation."
    ),
    "could not find expected ':'": "Write 'key: value', with a space after the colon.",
    "did not find expected key": "Check the indentation.",
    "did not find expected <document start>": "Check the indentation.",
    "did not find expected ','": "Is a comma or a closing bracket missing?",
    "unexpected end of stream": "Is a closing quote missing?",
    "did not find expected alphabetic": "Quote a text that begins with '*' or '&'.",
}


class Map(dict[str, Any]):
    """A mapping of the file.

    `at` is its position, and `where` has the position of each key. `size`, `chars` and `depth` are
    the numbers of values, characters and levels in it, with aliases expanded. `needs_expansion` is
    true if a text in it may contain `$(…)` or a range. `tag` is its tag if the caller of
    `parse` allowed it, else "".
    """

    __slots__ = ("at", "chars", "depth", "needs_expansion", "size", "tag", "where")

    def __init__(self, at: Position) -> None:
        self.tag = ""
        self.at, self.where = at, dict[str, Position]()
        self.size, self.chars, self.depth, self.needs_expansion = 1, 0, 1, False


class Seq(list[Any]):
    """A list of the file, with the same attributes as `Map`. `where` has each item's position."""

    __slots__ = ("at", "chars", "depth", "needs_expansion", "size", "tag", "where")

    def __init__(self, at: Position) -> None:
        self.tag = ""
        self.at, self.where = at, list[Position]()
        self.size, self.chars, self.depth, self.needs_expansion = 1, 0, 1, False


class TaggedText(str):
    """A scalar with a tag that the caller of `parse` allowed."""

    tag: str

    def __new__(cls, text: str, tag: str) -> TaggedText:
        tagged = super().__new__(cls, text)
        tagged.tag = tag
        return tagged


class Findings:
    """Collects the problems of one file, to raise them together in the order of the file."""

    def __init__(self) -> None:
        # A dictionary, because a problem that is reported twice counts once.
        self._problems: dict[Problem, None] = {}

    def add(
        self, code: str, what: str, where: Position | None, remedy: str = "", object: str = ""
    ) -> None:
        """Add a problem. Raises FileError if there are too many."""
        self._problems[Problem(code, what, where, remedy, object)] = None
        if len(self._problems) >= MAX_PROBLEMS:
            self.stop(
                "too-many-problems", f"netorch stopped reading after {MAX_PROBLEMS} errors.", where
            )

    def stop(self, code: str, what: str, where: Position | None, remedy: str = "") -> None:
        """Add a problem and raise FileError, because reading on is useless or needs much memory."""
        self._problems[Problem(code, what, where, remedy)] = None
        self.done()

    @property
    def problems(self) -> list[Problem]:
        """The problems in the order of the file, those without a position first."""
        return sorted(self._problems, key=lambda problem: problem.where or Position(0, 0))

    def done(self) -> None:
        """Raise FileError if there are problems."""
        if self._problems:
            raise FileError(self.problems)


def quote(text: str) -> str:
    """Return a text of the file for an error message: quoted, on one line and not too long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def retype(text: str) -> object:
    """Return the value of a plain scalar: None, a boolean, an integer, or the text itself.

    Only canonical decimal integers are numbers.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return int(text) if text[0] in "-0123456789" and _INTEGER.fullmatch(text) else text


def expandable(text: str) -> bool:
    """Return whether the text may contain `$(…)` or a range."""
    return "$" in text or "[" in text


def seal(node: Map | Seq) -> None:
    """Set the counters of a mapping or list that is complete."""
    size, chars, depth, needs_expansion = 1, 0, 0, False
    for value in node.values() if isinstance(node, Map) else node:
        if isinstance(value, str):
            size += 1
            chars += len(value)
            needs_expansion = needs_expansion or "$" in value or "[" in value
        elif isinstance(value, (Map, Seq)):
            size += value.size
            chars += value.chars
            depth = max(depth, value.depth)
            needs_expansion = needs_expansion or value.needs_expansion
        else:
            size += 1
    if isinstance(node, Map):
        chars += sum(map(len, node))
        needs_expansion = needs_expansion or any(map(expandable, node))
    node.size, node.chars, node.depth, node.needs_expansion = (
        size,
        chars,
        depth + 1,
        needs_expansion,
    )


def locate(tree: object, path: Sequence[str | int]) -> Position | None:
    """Return the position of the deepest key or item of `path` that exists in the tree.

    Elements of the path that do not exist are skipped.
    """
    place: Position | None = None
    for step in path:
        if isinstance(tree, Map) and str(step) in tree.where:
            place, tree = tree.where[str(step)], tree[str(step)]
        elif isinstance(tree, Seq) and isinstance(step, int) and 0 <= step < len(tree):
            place, tree = tree.where[step], tree[step]
    return place


def parse(data: bytes, into: Findings | None = None, tags: Container[str] = ()) -> Map:
    """Parse one topology file (UTF-8, or UTF-16 with a BOM).

    `tags` are the tags, such as `!reset`, that the format of the file allows besides those of YAML.
    Raises FileError with all problems. If `into` is given, problems that do not stop the reading
    are added to it instead.
    """
    findings = into or Findings()
    builder = _Builder(findings, tags)
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
        findings.stop("not-yaml", f"The file is not YAML: {' '.join(str(error).split())}.", None)
    if into is None:
        findings.done()
    if not isinstance(builder.root, Map):
        wrong = "The file is empty" if builder.root is None else "The file is not a mapping"
        findings.stop(
            "not-a-mapping",
            f"{wrong}: a topology is a mapping with keys such as `nodes`, `networks` and `links`.",
            builder.start,
        )
    assert isinstance(builder.root, Map)
    return builder.root


class _Frame:
    """A mapping or list whose end the parser has not reached yet."""

    __slots__ = ("anchor", "key", "key_at", "merge", "merging", "node")

    def __init__(self, node: Map | Seq, anchor: str | None) -> None:
        self.node, self.anchor = node, anchor
        self.key: str | None = None
        """The key whose value comes next, None if a key comes next."""
        self.key_at = node.at
        self.merging = False
        """Whether `key` is the merge key `<<`."""
        self.merge: Seq | None = None
        """A list with the value of `<<`, None if the mapping has no such key."""


class _Builder:
    """Builds the tree from the parser's events.

    It does not recurse, and it counts the values of an alias before it uses them, so that no file
    can exhaust the stack or the memory.
    """

    def __init__(self, findings: Findings, tags: Container[str] = ()) -> None:
        self.findings = findings
        self._tags = tags
        self.root: object = None
        self.start = Position(1, 1)
        self._documents = self._values = self._chars = 0
        self._stack: list[_Frame] = []
        # The value of each anchor, and its text if it is a scalar, because an alias may be a key.
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
                self.findings.add(
                    "control-character", f"{quote(text)} contains a control character.", at
                )
            value: object = text if event.style else retype(text)
            if event.tag is not None:
                value = self._tagged(event.tag, text, at)
            if event.anchor is not None:
                self._anchors[event.anchor] = value, text
            self._put(value, text, at, not event.style and event.tag is None)
        elif kind is _MAP_START or kind is _SEQ_START:
            node = Map(at) if kind is _MAP_START else Seq(at)
            if event.tag in self._tags:
                node.tag = event.tag
            elif event.tag not in (None, "!", _TAG + ("map" if isinstance(node, Map) else "seq")):
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
                    "A second document begins here, but a file contains only one topology.",
                    at,
                )

    def _count(self, values: int, chars: int, at: Position) -> None:
        self._values += values
        self._chars += chars
        if self._values > MAX_VALUES:
            self.findings.stop(
                "too-many-values",
                f"The file has more than {MAX_VALUES:,} values, with its aliases expanded.",
                at,
            )
        if self._chars > MAX_BYTES:
            self.findings.stop(
                "too-many-values",
                f"The file has more than {MAX_BYTES // 10**6} MB, with its aliases expanded.",
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
                "If it is a plain text, quote it.",
                object=anchor,
            )
            self._put(None, "", at, False)
            return
        value, text = self._anchors[anchor]
        if isinstance(value, (Map, Seq)):
            if any(frame.node is value for frame in self._stack):
                self.findings.stop(
                    "circle", f"The alias *{anchor} refers to a value that contains it.", at
                )
            self._count(value.size, value.chars, at)
            self._deep(value.depth, at)
        else:
            self._count(1, len(text or ""), at)
        self._put(value, text, at, False)

    def _put(self, value: object, text: str | None, at: Position, plain: bool) -> None:
        """Add a complete value to the mapping or list around it, as a key or a value."""
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
                    "Keys are texts. If this is a text, quote it. A variable is $(name).",
                )
                text = f"\0{at}"  # a key that no file can contain
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
                    f"The key {quote(key)} appears twice, first in line {first.line}.",
                    frame.key_at,
                    "Remove one of them.",
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
        if tag in self._tags:
            return TaggedText(text, tag)
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
            f"The tag {quote(name)} is not part of the language.",
            at,
            "Remove it.",
        )


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise FileError(
            Problem(
                "file-too-large",
                f"The file has {len(data):,} bytes. At most {MAX_BYTES // 10**6} MB are allowed.",
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
                f"The file is not {name} text.",
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
    """Stop with the parser's error in one line, and a remedy."""
    mark = error.problem_mark or error.context_mark
    words = error.problem or "syntax error"
    remedy = next((hint for start, hint in _HINTS.items() if start in words), "")
    at = Position(mark.line + 1, mark.column + 1) if mark else None
    if at is not None:
        from netorch.language.yaml_traps import explain

        lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)
        start = error.context_mark
        opening = Position(start.line + 1, start.column + 1) if start else None
        if (trap := explain(words, at, opening, lines)) is not None:
            findings.stop("not-yaml", f"The file is not YAML: {trap.what}.", trap.at, trap.remedy)
        rest = lines[at.line - 1][at.column - 1 :] if at.line <= len(lines) else ""
        if "cannot start any token" in words and rest:
            words, remedy = f"a plain text cannot begin with {rest[0]!r}", "Quote it."
            error.context = None
    if "nesting depth" in words:
        # The parser reads ahead, and has reached its own limit of 1,000 levels.
        findings.stop("too-deep", _TOO_DEEP, at)
    context = f", {error.context}" if error.context else ""
    findings.stop("not-yaml", f"The file is not YAML: {words}{context}.", at, remedy)
