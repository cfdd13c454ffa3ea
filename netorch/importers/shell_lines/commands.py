"""Splits a text of a shell into simple commands, in the order in which they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from netorch.immutable import Value
from netorch.importers.shell_lines.expansions import MOST, braces, expansion
from netorch.importers.shell_lines.tokens import OPERATOR, REDIRECTION, WORD, Token, tokens

Variables = dict[str, str | None]
"""Name → value of a variable, None if netorch does not know it."""

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")
_OPENING = frozenset(("if", "for", "while", "until", "case", "select"))
_CLOSING = frozenset(("fi", "done", "esac"))
_BETWEEN = frozenset(("then", "do", "else", "elif", "in"))
_DECLARE = frozenset(("export", "local", "readonly", "declare", "typeset"))


_ENDS_ROUND = frozenset(("break", "continue"))
_NOT_RUN = "netorch runs no conditions and functions, and only loops over words that it knows"


class Command(Value):
    """A simple command, or a block such as a condition, which netorch does not run."""

    words: tuple[str, ...]
    """The program and its arguments. Empty if netorch does not know them."""
    text: str
    """The command as the source has it."""
    line: int
    problem: str = ""
    """The reason why netorch does not know the words."""
    programs: tuple[str, ...] = ()
    """The programs in it, without their folders. A block has several."""
    output: str | None = None
    """The file to which it writes, None if it writes to standard output."""
    appends: bool = False
    """Whether it appends to `output`."""
    operator: str = ""
    """`&&`, `||` or `|` if that stands between the command before and this one."""


def commands(text: str, variables: Variables, line: int = 1) -> Iterator[Command]:
    """Yield the commands of a text. Assignments in it change `variables`.

    `line` is the number of the first line of the text.
    """
    yield from _Parser(text.replace("\r\n", "\n"), variables, line).commands()


class _Budget:
    """Counts the rounds of all loops of a text, which may be nested."""

    def __init__(self) -> None:
        self.rounds = MOST


class _Parser:
    def __init__(
        self,
        text: str,
        variables: Variables,
        line: int = 1,
        body: list[Token] | None = None,
        budget: _Budget | None = None,
    ) -> None:
        """`body` are the tokens of the text to read, None for all of them."""
        self.text, self.variables = text, variables
        self.tokens = tokens(text, line) if body is None else body
        self.budget = budget or _Budget()
        self.at = 0

    def commands(self) -> Iterator[Command]:
        operator = ""
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == OPERATOR:
                if token.text != "\n" or operator not in ("&&", "||", "|"):
                    operator = token.text if token.text in ("&&", "||", "|") else ""
                self.at += 1
            elif token.text in ("{", "}", "!"):
                self.at += 1
            elif token.text == "for" and (rounds := self._rounds()) is not None:
                yield from rounds
                operator = ""
            elif token.text in _OPENING:
                yield self._block(token, self._end_of_block())
                operator = ""
            elif self._is_function(token):
                yield self._block(token, self._end_of_function())
                operator = ""
            else:
                command = self._simple(operator)
                operator = ""
                if command is not None:
                    yield command

    def _is_function(self, token: Token) -> bool:
        after = [one.text for one in self.tokens[self.at + 1 : self.at + 3]]
        return token.text == "function" or after == ["(", ")"]

    def _rounds(self) -> Iterator[Command] | None:
        """Return the commands of all rounds of a loop. None if its words are not known."""
        end = self._end_of_block()
        loop = self.tokens[self.at : end]
        start = next((place for place, one in enumerate(loop) if one.text == "do"), 0)
        head = [one for one in loop[1:start] if one.kind != OPERATOR]
        if any(one.text in _ENDS_ROUND for one in loop):
            return None
        if not start or loop[-1].text != "done" or [one.text for one in head[1:2]] != ["in"]:
            return None
        words: list[str] = []
        for token in head[2:]:
            values = self._values(token)
            if values is None:
                return None
            words += values
        if len(words) > self.budget.rounds:
            return None
        self.budget.rounds -= len(words)
        self.at = end
        return self._run_rounds(head[0].text, words, loop[start + 1 : -1])

    def _run_rounds(self, name: str, words: list[str], body: list[Token]) -> Iterator[Command]:
        for word in words:
            self.variables[name] = word
            yield from _Parser(self.text, self.variables, 1, body, self.budget).commands()

    def _block(self, first: Token, end: int) -> Command:
        """Return the block up to the token with the index `end`."""
        body = self.tokens[self.at : end]
        self.at = end
        self._forget(body)
        text = self.text[first.start : body[-1].end]
        head = text.split("\n", 1)[0].strip()
        return Command(
            words=(),
            text=head if head == text.strip() else f"{head} …",
            line=first.line,
            problem=_NOT_RUN,
            programs=tuple(_programs(body)),
        )

    def _forget(self, body: list[Token]) -> None:
        """Forget the variables that a block sets, because netorch does not run it."""
        for token, before in zip(body, (None, *body), strict=False):
            if match := _ASSIGNMENT.match(token.text):
                self.variables[match[1]] = None
            elif before is not None and before.text in ("for", "select", "read"):
                self.variables[token.text] = None

    def _end_of_block(self) -> int:
        depth, starts = 0, True
        for index in range(self.at, len(self.tokens)):
            token = self.tokens[index]
            if starts and token.kind == WORD:
                depth += (token.text in _OPENING) - (token.text in _CLOSING)
                if depth == 0:
                    return index + 1
            starts = token.kind == OPERATOR or token.text in (*_BETWEEN, "{", "!")
        return len(self.tokens)

    def _end_of_function(self) -> int:
        depth = 0
        for index in range(self.at, len(self.tokens)):
            depth += {"{": 1, "}": -1}.get(self.tokens[index].text, 0)
            if depth == 0 and self.tokens[index].text == "}":
                return index + 1
        return len(self.tokens)

    def _simple(self, operator: str) -> Command | None:
        """Return the command that begins here, None if it only assigns variables."""
        first, words, output, appends = self.tokens[self.at], [], None, False
        while self.at < len(self.tokens) and self.tokens[self.at].kind != OPERATOR:
            token = self.tokens[self.at]
            self.at += 1
            if token.kind == REDIRECTION:
                target = self._target()
                if token.text in (">", ">>", "1>", "1>>", ">|", "&>", "&>>"):
                    output, appends = target, ">>" in token.text
            elif token.text != "}":
                words.append(token)
        last = self.tokens[self.at - 1]
        while words and _ASSIGNMENT.match(words[0].text):
            self._assign(words.pop(0))
        if words and words[0].text in _DECLARE:
            for word in words[1:]:
                self._assign(word)
            return None
        if not words:
            return None
        return self._command(first, last, words, output, appends, operator)

    def _command(
        self,
        first: Token,
        last: Token,
        words: list[Token],
        output: str | None,
        appends: bool,
        operator: str,
    ) -> Command:
        values: list[str] = []
        problem = ""
        for word in words:
            expanded = self._values(word)
            if expanded is None:
                problem = f"netorch does not know the value of `{word.text}`"
                break
            values += expanded
        return Command(
            words=() if problem else tuple(values),
            text=" ".join(self.text[first.start : last.end].split()),
            line=first.line,
            problem=problem,
            programs=tuple(_programs(words)),
            output=output,
            appends=appends,
            operator=operator,
        )

    def _target(self) -> str | None:
        """Return the word after a redirection, None if it has no known value."""
        if self.at >= len(self.tokens) or self.tokens[self.at].kind != WORD:
            return None
        self.at += 1
        return self._value(self.tokens[self.at - 1])

    def _assign(self, token: Token) -> None:
        if match := _ASSIGNMENT.match(token.text):
            value = self._value(token)
            self.variables[match[1]] = None if value is None else value.partition("=")[2]

    def _values(self, token: Token) -> list[str] | None:
        """Return the words that a word of the source stands for, None if they are not known."""
        value = self._value(token)
        if value is None:
            return None
        if not all(part.is_quoted or part.kind == "text" for part in token.parts):
            return value.split()
        return [value] if any(part.is_quoted for part in token.parts) else braces(value)

    def _value(self, token: Token) -> str | None:
        """Return the value of a word, None if netorch does not know it."""
        texts: list[str] = []
        for part in token.parts:
            value: str | None = part.text
            if part.kind == "unknown":
                value = expansion(part.text, self.variables)
            elif part.kind == "variable":
                value = self.variables.get(part.text, part.default)
                if part.default is not None and part.text not in self.variables:
                    self.variables[part.text] = value
            if value is None:
                return None
            texts.append(value)
        return "".join(texts)


def _programs(body: list[Token]) -> Iterator[str]:
    """Yield the names of the programs that the lines start, without their folders."""
    starts = True
    for token in body:
        if starts and token.kind == WORD and token.text not in (_OPENING | _CLOSING | _BETWEEN):
            yield PurePath(token.text).name
        starts = token.kind == OPERATOR or token.text in (*_BETWEEN, "if", "while", "!", "{")
