"""Explain YAML's syntax errors in the words of a topology file. Only an error reads this module."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from netorch.errors import Position

_WITHOUT_SPACE = re.compile(r"\s*(?:- )?([A-Za-z_][\w.-]*):(?![\s:/\\])(\S.*)")
_IPV6 = re.compile(r"(?<![\w\"':.])(?:[0-9A-Fa-f]{0,4}:){2,}[0-9A-Fa-f:.]*(?:/\d+)?")
_NAME = re.compile(r"[\w.-]+$")


class Explanation(NamedTuple):
    """What is wrong with the text, where, and what to do."""

    what: str
    at: Position
    remedy: str


def explain(
    words: str, at: Position, opening: Position | None, lines: Sequence[str]
) -> Explanation | None:
    """Explain an error of the parser, or return None if it is none of those that are usual.

    `words` are the parser's own, `at` is where it stopped, and `opening` is where the text, list or
    mapping begins that it was in.
    """
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] and "cannot start any token" in words:
        tab = Position(at.line, line.index("\t") + 1)
        return Explanation("a tab cannot be used for indentation", tab, "Use spaces.")
    if "mapping values are not allowed" in words:
        return _no_space(at, lines) or _second_colon(line, at) or _indentation(at, lines)
    if "could not find expected ':'" in words:
        return _no_space(Position(at.line + 1, 1), lines)
    if "unexpected end of stream" in words and opening is not None:
        return Explanation("the quote that begins here is not closed", opening, "Close it.")
    if "unexpected ':'" in words or "expected node content" in words:
        return _ipv6(line, at)
    if "{%" in line or "{{" in line:
        at = Position(at.line, max(line.find("{%"), line.find("{{")) + 1)
        remedy = "Write its result to a file first, or use ranges such as h[1-3] and `vars`."
        return Explanation("this is a template (Jinja)", at, remedy)
    if "<document start>" in words and re.search(r"(?m)^\s*\[[\w .-]+\]\s*$", "\n".join(lines)):
        remedy = "Write `nodes:` with an entry `NAME: {…}` for each node."
        return Explanation("it looks like an INI file", at, remedy)
    if "expected alphabetic" in words:
        sign = line[at.column - 2 : at.column - 1]
        start = Position(at.line, at.column - 1)
        return Explanation(f"a plain text cannot begin with {sign!r}", start, "Quote it.")
    if "did not find expected ',' or" in words and opening is not None:
        return _braces(line, at) or _range(line, at) or _not_closed(line, at, opening, lines)
    if "did not find expected" in words and not line[: at.column - 1].strip():
        return _indentation(at, lines)
    return None


def without_space(text: str) -> str:
    """Return what to write for a text such as `name:lab`, "" if its colon is not the mistake."""
    match = _WITHOUT_SPACE.fullmatch(text)
    if match and (" " not in text or match[2][0] in "[{'\""):
        return f"Write a space after the colon: `{match[1]}: {match[2]}`."
    if match := re.fullmatch(r"([\w.-]+) *=\s*(.*)", text):
        return f"Write a colon and a space: `{match[1]}: {match[2]}`."
    # not `-p tcp`, an option of iptables
    if re.match(r"-[^\s-](?!\s+\S)", text):
        return f"Write a space after the hyphen: `- {text[1:]}`."
    return ""


def _no_space(at: Position, lines: Sequence[str]) -> Explanation | None:
    """Explain a line before the error that has no space after its colon."""
    for number in range(min(at.line, len(lines) + 1) - 1, 0, -1):
        text = lines[number - 1]
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        if match := _WITHOUT_SPACE.fullmatch(text):
            start = Position(number, match.start(1) + 1)
            remedy = f"Write `{match[1]}: {match[2]}`."
            return Explanation("a colon after a key needs a space behind it", start, remedy)
        return None
    return None


def _second_colon(line: str, at: Position) -> Explanation | None:
    """Explain a second `key: ` in one line."""
    before = line[: at.column - 1]
    if re.match(r"\s*(?:- )?[\w.-]+: +\S", before):
        remedy = "Put it in quotes, or write `{key: value}` for a mapping in one line."
        return Explanation("a value cannot contain ': '", at, remedy)
    return None


def _indentation(at: Position, lines: Sequence[str]) -> Explanation | None:
    """Explain a line that is indented otherwise than those to which it could belong."""
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    own = len(line) - len(line.lstrip())
    above: list[int] = []
    for text in reversed(lines[: at.line - 1]):
        depth = len(text) - len(text.lstrip())
        if text.strip() and not text.lstrip().startswith("#") and (not above or depth < above[0]):
            above.insert(0, depth)
    if not above or own in above:
        return None
    start = Position(at.line, own + 1)
    columns = [*map(str, above)]
    depths = f"{', '.join(columns[:-1])} or {columns[-1]}" if columns[1:] else columns[0]
    what = f"this line is indented by {own}, and the lines before it by {depths}"
    return Explanation(what, start, "Indent the entries of one mapping or list equally.")


def _ipv6(line: str, at: Position) -> Explanation | None:
    for match in _IPV6.finditer(line):
        if match.start() <= at.column - 1 <= match.end():
            what = "an IPv6 address that begins or ends with a colon needs quotes in [ ] and { }"
            start = Position(at.line, match.start() + 1)
            return Explanation(what, start, f'Write "{match[0]}".')
    return None


def _braces(line: str, at: Position) -> Explanation | None:
    """Explain a variable as a shell has it, in a flow collection."""
    for match in re.finditer(r"\$\{(\w+)[^}]*\}", line):
        if match.start() <= at.column - 1 <= match.end():
            start = Position(at.line, match.start() + 1)
            remedy = f"Write $({match[1]})."
            return Explanation("a variable has parentheses instead of braces", start, remedy)
    return None


def _range(line: str, at: Position) -> Explanation | None:
    """Explain the `[` of a range in a flow collection."""
    before, after = line[: at.column - 1], line[at.column - 1 :]
    name, bracket = _NAME.search(before), re.match(r"\[[^\]]*\][\w.:-]*", after)
    if name is None or bracket is None:
        return None
    word = name[0] + bracket[0].rstrip(":")
    remedy = f'Write "{word}".'
    return Explanation(
        "a range needs quotes in [ ] and { }", Position(at.line, name.start() + 1), remedy
    )


def _not_closed(line: str, at: Position, opening: Position, lines: Sequence[str]) -> Explanation:
    first = lines[opening.line - 1]
    bracket = first[opening.column - 1 : opening.column]
    closing = {"[": "]", "{": "}"}.get(bracket, "")
    what = f"this {bracket} is not closed"
    if at.line != opening.line:
        is_comment = re.search(r"\s#", first[opening.column - 1 :])
        remedy = "The ' #' behind it begins a comment: quote it." if is_comment else ""
        return Explanation(what, opening, remedy or f"Write the {closing} that belongs to it.")
    if line[at.column - 1 : at.column] in ("]", "}"):
        return Explanation(what, opening, f"Write {closing} before the {line[at.column - 1]}.")
    return Explanation("a comma is missing before this word", at, "Write a comma.")
