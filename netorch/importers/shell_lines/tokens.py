"""Splits a text of a POSIX shell into tokens (POSIX.1, Shell Command Language, 2.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netorch.immutable import Value

WORD, OPERATOR, REDIRECTION = "word", "operator", "redirection"

_REDIRECTION = re.compile(r"&>>?|\d*(?:>>|>&|>\||<<<|<<-|<<|<&|<>|>|<)")
_OPERATOR = re.compile(r"&&|\|\||;;|[;|&()\n]")
_END = re.compile(r"[\s;|&()<>]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_BRACES = re.compile(r"\{([A-Za-z_]\w*)(?::?[-=]([^${}`]*))?\}")


class Part(Value):
    """A part of a word."""

    text: str
    """The text itself, the name of a variable, or what netorch does not evaluate."""
    kind: str = "text"
    """`text`, `variable` or `unknown`."""
    default: str | None = None
    """The value of a variable that has none."""
    is_quoted: bool = False


class Token(Value):
    kind: str
    """`WORD`, `OPERATOR` or `REDIRECTION`."""
    text: str
    """The token as the source has it."""
    start: int
    """The index of its first character in the text."""
    line: int
    parts: tuple[Part, ...] = ()
    """The parts of a word."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tokens(text: str, line: int = 1) -> list[Token]:
    """Return the tokens of a text without comments and here-documents.

    `line` is the number of its first line.
    """
    return list(_Lexer(text, line).tokens())


class _Lexer:
    def __init__(self, text: str, line: int) -> None:
        self.text, self.line, self.at = text, line, 0
        self.documents: list[str] = []
        """The words that end the here-documents that begin at the next line."""

    def tokens(self) -> Iterator[Token]:
        before = ""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r":
                self.at += 1
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
                self.line += 1
            elif char == "#":
                self.at = self._find("\n")
            else:
                token = self._token()
                yield token
                if before in ("<<", "<<-"):
                    self.documents.append("".join(part.text for part in token.parts))
                before = token.text if token.kind == REDIRECTION else ""
                if token.text == "\n":
                    self._skip_documents()

    def _token(self) -> Token:
        start, line = self.at, self.line
        for kind, pattern in ((REDIRECTION, _REDIRECTION), (OPERATOR, _OPERATOR)):
            if match := pattern.match(self.text, start):
                self.at = match.end()
                self.line += match[0].count("\n")
                return Token(kind, match[0], start, line)
        parts = tuple(self._word())
        return Token(WORD, self.text[start : self.at], start, line, parts)

    def _skip_documents(self) -> None:
        for end in self.documents:
            match = re.compile(rf"^\t*{re.escape(end)}[ \t]*$", re.M).search(self.text, self.at)
            stop = match.end() if match else len(self.text)
            self.line += self.text.count("\n", self.at, stop)
            self.at = stop
        self.documents = []

    def _find(self, text: str) -> int:
        """Return the index of the next occurrence of a text, or the end."""
        index = self.text.find(text, self.at)
        return len(self.text) if index < 0 else index

    def _word(self) -> Iterator[Part]:
        while self.at < len(self.text) and not _END.match(self.text, self.at):
            char = self.text[self.at]
            if char == "'":
                self.at += 1
                yield Part(self._take(self._find("'")), is_quoted=True)
                self.at += 1
            elif char == '"':
                self.at += 1
                yield from self._quoted()
            elif char in "$`":
                yield self._expansion()
            elif char == "\\":
                self.at += 1
                # a backslash at the end of a line joins it with the next one
                taken = self._take(self.at + 1)
                yield Part("" if taken == "\n" else taken, is_quoted=True)
            else:
                match = re.compile(r"[^\s;|&()<>'\"$`\\]+").match(self.text, self.at)
                assert match is not None
                yield Part(self._take(match.end()))

    def _quoted(self) -> Iterator[Part]:
        yield Part("", is_quoted=True)
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char in "$`":
                part = self._expansion()
                yield Part(part.text, part.kind, part.default, is_quoted=True)
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\", "$", "`"):
                self.at += 1
                yield Part(self._take(self.at + 1), is_quoted=True)
            else:
                yield Part(self._take(self.at + 1), is_quoted=True)
        self.at += 1

    def _take(self, end: int) -> str:
        """Return the text up to `end`, which is read then."""
        text = self.text[self.at : end]
        self.line += text.count("\n")
        self.at = min(end, len(self.text))
        return text

    def _expansion(self) -> Part:
        """Return the part that begins with a dollar sign or a back quote."""
        start = self.at
        if self.text[start] == "`":
            self.at += 1
            inner = self._take(self._find("`"))
            self.at += 1
            return Part(f"`{inner}`", "unknown")
        self.at += 1
        if match := _NAME.match(self.text, self.at):
            return Part(self._take(match.end()), "variable")
        if match := _BRACES.match(self.text, self.at):
            self.at = match.end()
            return Part(match[1], "variable", match[2])
        if self.text[self.at : self.at + 1] in ("(", "{"):
            return Part("$" + self._take(self._closing()), "unknown")
        if re.compile(r"[0-9@*#?$!-]").match(self.text, self.at):
            return Part("$" + self._take(self.at + 1), "unknown")
        return Part("$")

    def _closing(self) -> int:
        """Return the index after the bracket that closes the one here."""
        opening = self.text[self.at]
        closing, depth = {"(": ")", "{": "}"}[opening], 0
        for index in range(self.at, len(self.text)):
            depth += {opening: 1, closing: -1}.get(self.text[index], 0)
            if depth == 0:
                return index + 1
        return len(self.text)
