"""Replace `$(…)` in a text: variables, integer arithmetic and defaults.

Expressions are never evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from operator import add, floordiv, mod, mul, sub

from netorch.errors import Position, Suggestions, did_you_mean
from netorch.language.yaml_tree import Findings, Map, Seq, quote
from netorch.values.limits import MAX_DEPTH

LONGEST_EXPRESSION = 200
LONGEST_RESULT = 65_536
HUGE = 2**128

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEFAULT = re.compile(r"\$\(\s*([A-Za-z_][A-Za-z0-9_]*)\s*:-([^)]*)\)")
_TOKEN = re.compile(r"\s*(?:([0-9]+)|([A-Za-z_][A-Za-z0-9_]*)|(//|[-+*%()]))")
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
# An IPv4 address whose octets may have leading zeros, with an optional prefix length, or with ports
# after it as in `publish`.
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
    """A fault in a text. The caller knows the position of the text, and reports the fault.

    Without a code, the fault has been reported already, at the variable that caused it.
    """

    def __init__(self, code: str = "", what: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.code, self.what, self.remedy = code, what, remedy


def usable(
    written: Map, given: Mapping[str, str], findings: Findings
) -> tuple[Map, frozenset[str]]:
    """Return the valid variables of `vars`, and the names of those with invalid values.

    Adds the faults of `vars`, and of the values `given` from outside, to `findings`.
    """
    for name, text in given.items():
        if _MARK in text:
            findings.add(
                "bad-variable",
                f"The value of the variable {quote(name)} contains a NUL.",
                None,
                object=name,
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
                "Use a text, a number or a boolean.",
                object=name,
            )
        elif name == "i":
            findings.add(
                "bad-variable",
                "A variable cannot have the name 'i'.",
                at,
                "$(i) is the value of a range. Use another name.",
                object=name,
            )
        elif not _NAME.fullmatch(name):
            findings.add(
                "bad-variable",
                f"{quote(name)} cannot be the name of a variable.",
                at,
                "Use letters, digits and '_', and do not begin with a digit.",
                object=name,
            )
        else:
            right[name], right.where[name] = value, at
    return right, frozenset(broken - set(given))


def names_in(tree: object) -> frozenset[str]:
    """Return the variables that a file declares or uses, which can be set from outside."""
    names: set[str] = set()
    if isinstance(tree, Map) and isinstance(declared := tree.get("vars"), Map):
        names.update(declared)
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Map):
            waiting += [*value, *value.values()]
        elif isinstance(value, Seq):
            waiting += value
        elif isinstance(value, str) and "$(" in value:
            names.update(_names(value))
    return frozenset(names - {"i"})


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
            with suppress(Wrong):  # the substitution reports it later
                end = _closing(raw, at)
                yield from _NAME.findall(raw, at, end)
                at = end


def refuse_unknown(names: Iterable[str], known: Collection[str], findings: Findings) -> None:
    """Add an error for each variable that is set from outside and that the file does not have."""
    for name in names:
        remedy = did_you_mean(name, sorted(known)) or (
            f"It has {', '.join(sorted(known)[:12])}{', …' if len(known) > 12 else ''}."
            if known
            else "It has no variables: declare one under vars, and use it as $(name)."
        )
        what = f"The variable {quote(name)} is set, but the file does not have it."
        findings.add("unknown-variable", what, None, remedy, name)


class Substitution:
    """Replaces the variables of one file in texts.

    `written` are the variables of the file, and `given` those set from outside. `report` is called
    once for each variable with a fault, but not for the `broken` ones, which are already reported.
    `suggestions` suggests the names of variables for unknown ones.
    """

    def __init__(
        self,
        written: Map,
        given: Mapping[str, str],
        report: Callable[[Wrong, Position], None],
        suggestions: Suggestions,
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
        self._suggestions = suggestions
        self._templates: dict[str, tuple[Piece, ...]] = {}
        self._guesses: dict[str, str] = {}
        for name in list(self._waiting):
            with suppress(Wrong):  # _variable has reported it
                self._variable(name)

    def text(self, raw: str, i: str | None = None) -> str:
        """Return the text with every `$(…)` replaced. `i` is the value of the range around it.

        Raises Wrong.
        """
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
            raise Wrong(
                "too-many-values", f"The text expands to more than {LONGEST_RESULT:,} characters."
            )
        if _MARK in result:
            bare = result.replace(_MARK, "")
            # 10.0.$(i).1 with i=01 means 10.0.1.1. Only zeros that come from $(…) are removed:
            # the check of addresses refuses those that are written in the file.
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
            circle = " -> ".join([*self._chain[self._chain.index(name) :], name])
            raise Wrong("circle", f"The variables use each other in a circle: {circle}.")
        if len(self._chain) >= MAX_DEPTH:
            raise Wrong("too-deep", f"Variables use each other more than {MAX_DEPTH} levels deep.")
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
            return "$(i) has a value only inside an entry with a range, such as h[1-3]."
        if name not in self._guesses:
            known = chain(self._known, self._waiting)
            guess = self._suggestions.did_you_mean(name, known)
            self._guesses[name] = guess or "Declare it under vars, or write $(name:-default)."
        return self._guesses[name]


class Unknown(Wrong):
    """A variable that is not defined anywhere, for which a default after `:-` would apply."""


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
                "'${' does not begin a variable here.",
                f"Write {right}, in parentheses. A dollar sign itself is $$.",
            )
        else:
            raise Wrong(
                "bad-expression",
                f"{quote(raw)} contains a single '$'.",
                "Write $$ for a dollar sign, $(name) for a variable.",
            )
    pieces.append(raw[at:])
    return tuple(piece for piece in pieces if piece != "")


def _default(name: str, text: str) -> Callable[[Lookup], str]:
    if "$(" in text:
        raise Wrong(
            "bad-expression",
            "The default of a variable is plain text and cannot contain another $(…).",
            "Set the variable under vars instead.",
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
            f"A $(…) has more than {LONGEST_EXPRESSION} characters.",
            "Is its ')' missing?",
        )
    raise Wrong(
        "bad-expression",
        f"A ')' is missing after '$(' in {quote(raw)}.",
        "Add it, or write $$ for a dollar sign.",
    )


def _expression(source: str) -> Callable[[Lookup], str]:
    """Compile an expression to postfix order (shunting-yard), so that nothing recurses.

    Returns a function that evaluates the expression.
    """
    written = quote(f"$({source})")
    takes = "Use only names, integers, + - * // % and parentheses."
    code: list[tuple[str, str]] = []
    waiting: list[tuple[str, str]] = []
    operand = True  # whether an operand must come next

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
                f"{rest[:1]!r} is not allowed in {written}.",
                "Use '//' to divide." if rest[0] == "/" else takes,
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
            raise Wrong("bad-expression", f"{written} is not valid at {match[0].strip()!r}.", takes)
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
                f"The result of {written} is too large.",
                "Numbers must be less than 2 to the power of 128.",
            )
        stack.append(result)
    return str(stack[0])
