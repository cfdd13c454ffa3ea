"""`$(…)` in a text: names, small integer arithmetic and defaults, and never anything of Python's."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from operator import add, floordiv, mod, mul, sub

from netorch.errors import Position, did_you_mean
from netorch.language.yaml_tree import MAX_DEPTH, Findings, Map, Seq, quote

LONGEST_EXPRESSION = 200
LONGEST_RESULT = 65_536
HUGE = 2**128

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEFAULT = re.compile(r"\$\(\s*([A-Za-z_][A-Za-z0-9_]*)\s*:-([^)]*)\)")
_TOKEN = re.compile(r"\s*(?:([0-9]+)|([A-Za-z_][A-Za-z0-9_]*)|(//|[-+*%()]))")
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
# An address whose octets may have zeros in front, with a prefix length or with ports behind it, as `publish` has them.
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?(?::[0-9:-]+(?:/[a-z]+)?)?")
_MARK = "\0"
_ZEROS = re.compile(r"(?:^|(?<=\.))\x000+(?=[0-9])")

_BINARY: dict[str, tuple[int, Callable[[int, int], int]]] = {
    "+": (1, add),
    "-": (1, sub),
    "*": (2, mul),
    "//": (2, floordiv),
    "%": (2, mod),
}
_OPEN = ("open", "(")

Lookup = Callable[[str], str]
Piece = str | Callable[[Lookup], str]


class Wrong(Exception):
    """Something wrong in a text whose place the caller knows; without a code it was reported where it began."""

    def __init__(self, code: str = "", what: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.code, self.what, self.remedy = code, what, remedy


def usable(
    written: Map, given: Mapping[str, str], findings: Findings
) -> tuple[Map, frozenset[str]]:
    """The file's `vars` that can be used, and the names of those whose values cannot.

    What is wrong with them, or with those given from outside, is found.
    """
    for name, text in given.items():
        if _MARK in text:
            findings.add(
                "bad-variable", f"The value given for {quote(name)} holds a NUL.", None, object=name
            )
    right = Map(written.at)
    broken: set[str] = set()
    for name, value in written.items():
        at = written.where[name]
        if isinstance(value, (Map, Seq)):
            broken.add(name)
            findings.add(
                "bad-variable",
                f"The variable {quote(name)} is a mapping or a list.",
                at,
                "Variables are texts, numbers and booleans.",
                object=name,
            )
        elif name == "i":
            findings.add(
                "bad-variable",
                "A variable cannot be called 'i'.",
                at,
                "$(i) is the value of a range.",
                object=name,
            )
        elif not _NAME.fullmatch(name):
            findings.add(
                "bad-variable",
                f"{quote(name)} is not a name for a variable.",
                at,
                "It has letters, digits and '_', no digit first.",
                object=name,
            )
        else:
            right[name], right.where[name] = value, at
    return right, frozenset(broken - set(given))


def names_in(tree: object) -> frozenset[str]:
    """The variables that a file declares or mentions, wherever it does: what can be given a value from outside."""
    found: set[str] = set()
    if isinstance(tree, Map) and isinstance(declared := tree.get("vars"), Map):
        found.update(declared)
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Map):
            waiting += [*value, *value.values()]
        elif isinstance(value, Seq):
            waiting += value
        elif isinstance(value, str) and "$(" in value:
            found.update(_names(value))
    return frozenset(found - {"i"})


def _names(raw: str) -> Iterator[str]:
    at = 0
    while (dollar := raw.find("$", at)) >= 0:
        at = dollar + 1
        follows = raw[at : at + 1]
        if follows == "$":
            at += 1
        elif match := _DEFAULT.match(raw, dollar):
            yield match[1]
            at = match.end()
        elif follows == "(":
            with suppress(Wrong):  # it is found where it is replaced
                end = _closing(raw, at)
                yield from _NAME.findall(raw, at, end)
                at = end


def refuse_unknown(names: Iterable[str], known: Collection[str], findings: Findings) -> None:
    """Find names that were given a value from outside and mean nothing in the file."""
    for name in names:
        remedy = did_you_mean(name, sorted(known)) or (
            f"It has {', '.join(sorted(known)[:12])}{', …' if len(known) > 12 else ''}."
            if known
            else "It has none: declare it under vars, and use it as $(name)."
        )
        what = f"The file has no variable {quote(name)}, which was given a value."
        findings.add("unknown-variable", what, None, remedy, name)


class Substitution:
    """The variables of one file, and the texts that use them. `report` hears of each wrong variable once, but of the `broken` ones,
    which are told already.
    """

    def __init__(
        self,
        written: Map,
        given: Mapping[str, str],
        report: Callable[[Wrong, Position], None],
        broken: frozenset[str] = frozenset(),
    ) -> None:
        self._known = {name: text for name, text in given.items() if name != "i"}
        self._where = written.where
        self._waiting: dict[str, str] = {
            name: _text_of(value) for name, value in written.items() if name not in given
        }
        self._broken: set[str] = {*broken}
        self._chain: list[str] = []
        self._report = report
        self._templates: dict[str, tuple[Piece, ...]] = {}
        self._guesses: dict[str, str] = {}
        for name in list(self._waiting):
            with suppress(Wrong):  # it was reported at the variable
                self._variable(name)

    def text(self, raw: str, i: str | None = None) -> str:
        """The text with every `$(…)` replaced, `i` being the value of the range around it. Raises Wrong."""
        template = self._templates.get(raw)
        if template is None:
            template = self._templates[raw] = _compile(raw)

        def lookup(name: str) -> str:
            return i if name == "i" and i is not None else self._variable(name)

        parts: list[str] = []
        for piece in template:
            if isinstance(piece, str):
                parts.append(piece)
            else:
                part = piece(lookup)
                parts.append(_MARK + part if part[:1] == "0" else part)
        result = "".join(parts)
        if len(result) > LONGEST_RESULT:
            raise Wrong("too-many-values", f"The text grows past {LONGEST_RESULT:,} characters.")
        if _MARK in result:
            bare = result.replace(_MARK, "")
            # 10.0.$(i).1 with i=01 means 10.0.1.1; zeros that were written by hand are for the address check to refuse.
            result = _ZEROS.sub("", result).replace(_MARK, "") if _ADDRESS.fullmatch(bare) else bare
        return result

    def _variable(self, name: str) -> str:
        if name in self._known:
            return self._known[name]
        if name in self._broken:
            raise Wrong
        if name not in self._waiting:
            raise Unknown(
                "unknown-variable", f"There is no variable {quote(name)}.", self._remedy(name)
            )
        if name in self._chain:
            raise Wrong(
                "circle",
                f"Variables use one another in a circle: {' -> '.join([*self._chain[self._chain.index(name) :], name])}.",
            )
        if len(self._chain) >= MAX_DEPTH:
            raise Wrong("too-deep", f"Variables use one another more than {MAX_DEPTH} deep.")
        self._chain.append(name)
        try:
            self._known[name] = self.text(self._waiting[name])
        except Wrong as wrong:
            self._broken.add(name)
            if wrong.code:
                self._report(wrong, self._where[name])
            raise Wrong from None
        finally:
            self._chain.pop()
        return self._known[name]

    def _remedy(self, name: str) -> str:
        if name == "i":
            return "$(i) has a value inside of an entry with a range, such as h[1-3]."
        if name not in self._guesses:
            known = [*self._known, *self._waiting]
            guess = did_you_mean(name, known[:2000])
            self._guesses[name] = guess or "Declare it under vars, or write $(name:-default)."
        return self._guesses[name]


class Unknown(Wrong):
    """A name that nothing defines: what `:-` is for."""


def _text_of(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _compile(raw: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    at = 0
    while (dollar := raw.find("$", at)) >= 0:
        pieces.append(raw[at:dollar])
        follows = raw[dollar + 1 : dollar + 2]
        if follows == "$":
            pieces.append("$")
            at = dollar + 2
        elif follows == "(":
            if match := _DEFAULT.match(raw, dollar):
                pieces.append(_default(match[1], match[2]))
                at = match.end()
            else:
                end = _closing(raw, dollar + 1)
                pieces.append(_expression(raw[dollar + 2 : end]))
                at = end + 1
        elif follows == "{":
            name = _NAME.match(raw, dollar + 2)
            right = f"$({name[0] if name else '…'})"
            raise Wrong(
                "bad-expression",
                "'${' is not for variables here.",
                f"Write {right}, in round brackets; a dollar itself is $$.",
            )
        else:
            raise Wrong(
                "bad-expression",
                f"A lone '$' in {quote(raw)}.",
                "Write $$ for a dollar, $(name) for a variable.",
            )
    pieces.append(raw[at:])
    return tuple(piece for piece in pieces if piece != "")


def _default(name: str, text: str) -> Callable[[Lookup], str]:
    if "$(" in text:
        raise Wrong(
            "bad-expression",
            "A default is plain text and cannot hold another $(…).",
            "Give the variable a value under vars instead.",
        )

    def piece(lookup: Lookup) -> str:
        try:
            return lookup(name) or text
        except Unknown:
            return text

    return piece


def _closing(raw: str, start: int) -> int:
    depth = 0
    for at in range(start, min(len(raw), start + LONGEST_EXPRESSION + 2)):
        depth += {"(": 1, ")": -1}.get(raw[at], 0)
        if depth == 0:
            return at
    if len(raw) > start + LONGEST_EXPRESSION + 1:
        raise Wrong(
            "bad-expression",
            f"A $(…) of more than {LONGEST_EXPRESSION} characters.",
            "Is its ')' missing?",
        )
    raise Wrong(
        "bad-expression",
        f"$( without its ) in {quote(raw)}.",
        "Close it, or write $$ for a dollar.",
    )


def _expression(source: str) -> Callable[[Lookup], str]:
    """Compile to a postfix list (shunting-yard), so that neither reading nor running recurses."""
    written, takes = quote(f"$({source})"), "It takes names, integers, + - * // % and brackets."
    code: list[tuple[str, str]] = []
    waiting: list[tuple[str, str]] = []
    operand = True  # whether one must come next

    def flush(rank: int) -> None:
        while (
            waiting
            and waiting[-1] != _OPEN
            and (waiting[-1][0] == "sign" or _BINARY[waiting[-1][1]][0] >= rank)
        ):
            code.append(waiting.pop())

    at, source = 0, source.rstrip()
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            rest = source[at:].lstrip()
            raise Wrong(
                "bad-expression",
                f"{rest[:1]!r} does not belong into {written}.",
                "Divide with '//'." if rest[0] == "/" else takes,
            )
        at = match.end()
        number, name, sign = match.groups()
        if operand and sign is None:
            code.append(("number", number) if number else ("name", name))
            operand = False
        elif operand and sign in ("(", "+", "-"):
            waiting.append(_OPEN if sign == "(" else ("sign", sign))
        elif not operand and sign == ")" and _OPEN in waiting:
            flush(0)
            waiting.pop()
        elif not operand and sign in _BINARY:
            flush(_BINARY[sign][0])
            waiting.append(("binary", sign))
            operand = True
        else:
            raise Wrong(
                "bad-expression", f"{written} cannot be read at {match[0].strip()!r}.", takes
            )
    if operand or _OPEN in waiting:
        raise Wrong("bad-expression", f"{written} is not complete.", takes)
    flush(0)
    return lambda lookup: _run(code, lookup, written)


def _run(code: list[tuple[str, str]], lookup: Lookup, written: str) -> str:
    stack: list[str | int] = []

    def number() -> int:
        value = stack.pop()
        if isinstance(value, str):
            if not _INTEGER.fullmatch(value):
                raise Wrong(
                    "bad-arithmetic",
                    f"{quote(value)} is not an integer, so {written} cannot be computed.",
                )
            value = int(value)
        return value

    for kind, word in code:
        if kind == "name":
            stack.append(lookup(word))
            continue
        if kind == "number":
            result = int(word)
        elif kind == "sign":
            result = -number() if word == "-" else number()
        else:
            right, left = number(), number()
            if right == 0 and word in ("//", "%"):
                raise Wrong("bad-arithmetic", f"{written} divides by zero.")
            result = _BINARY[word][1](left, right)
        if abs(result) >= HUGE:
            raise Wrong(
                "bad-arithmetic",
                f"{written} gets too large.",
                "Numbers stay below 2 to the power of 128.",
            )
        stack.append(result)
    return str(stack[0])
