"""Ranges such as `leaf[01-12]`, which expand to many names: find them, and list their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from netorch.language.variables import Wrong
from netorch.language.yaml_tree import Map, Seq, quote
from netorch.values.limits import MAX_VALUES

# A longer text cannot be a name. The limit also bounds the work of the pattern below.
_LONGEST = 1000
_EXPRESSION = r"\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_BOUND = rf"((?:[0-9A-Za-z]|{_EXPRESSION})+)"
_RANGE = re.compile(rf"\[{_BOUND}-{_BOUND}\]")
_NUMBER = re.compile(r"[0-9]{1,18}")
_LETTER = re.compile(r"[A-Za-z]")

RangeValues = Sequence[str]


def split(text: str, substituted: Callable[[str], str] = str) -> list[str | RangeValues]:
    """Split a text into plain texts, and the values of each range between them. Raises Wrong.

    `substituted` replaces variables in the bounds, as in `h[1-$(count)]`.
    """
    if "[" not in text or len(text) > _LONGEST:
        return [text]
    pieces: list[str | RangeValues] = []
    end = 0
    for match in _RANGE.finditer(text):
        first, last = (substituted(bound) if "$" in bound else bound for bound in match.groups())
        pieces += [text[end : match.start()], values(first, last)]
        end = match.end()
    return [*pieces, text[end:]]


def values(first: str, last: str) -> RangeValues:
    """Return the values of the range `[first-last]`. Numbers keep their leading zeros."""
    written = quote(f"[{first}-{last}]")
    if _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last):
        width, low, high = len(first), int(first), int(last)
        if width != len(last) and (first, last) != (str(low), str(high)):
            raise Wrong(
                "bad-range",
                f"The bounds of the range {written} have different numbers of digits.",
                f"Write [{first.zfill(len(last))}-{last.zfill(width)}].",
            )
        if high - low >= MAX_VALUES:
            raise Wrong("bad-range", f"The range {written} has more than {MAX_VALUES:,} values.")
        many = [str(number).zfill(width) for number in range(low, high + 1)]
    elif _LETTER.fullmatch(first) and _LETTER.fullmatch(last) and first.islower() == last.islower():
        many = [chr(code) for code in range(ord(first), ord(last) + 1)]
    else:
        raise Wrong(
            "bad-range",
            f"The bounds of the range {written} are neither two numbers nor two letters.",
            "Write for example [1-10] or [a-f].",
        )
    if not many:
        raise Wrong(
            "bad-range",
            f"The range {written} ends before it starts.",
            f"Write [{last}-{first}].",
        )
    return many


def expand_entry(
    entry: Map, substituted: Callable[[str], str], under: str = ""
) -> tuple[int, Iterator[tuple[Map, str | None]]]:
    """Expand the ranges of a link or check, which advance together. Raises Wrong.

    Returns the number of entries, and each entry with the value of its first range. The ranges are
    those in the entry's texts, or only those in its list `under` a key.
    """
    pieces_of: dict[str, list[str | RangeValues]] = {}
    for text in _texts(entry.get(under)) if under else entry.values():
        if isinstance(text, str) and len(pieces := split(text, substituted)) > 1:
            pieces_of[text] = pieces
    ranges = [
        piece for pieces in pieces_of.values() for piece in pieces if not isinstance(piece, str)
    ]
    if not ranges:
        return 1, iter([(entry, None)])
    if any(len(one) != len(ranges[0]) for one in ranges):
        lengths = " and ".join(f"[{one[0]}-{one[-1]}] has {len(one)}" for one in ranges)
        raise Wrong(
            "uneven-ranges",
            f"The ranges of one entry must have the same length, but {lengths} values.",
            "Make them equally long.",
        )

    def entries() -> Iterator[tuple[Map, str | None]]:
        for index, i in enumerate(ranges[0]):
            texts = {
                text: "".join(part if isinstance(part, str) else part[index] for part in parts)
                for text, parts in pieces_of.items()
            }
            if under:
                yield (
                    with_items(entry, (entry | {under: _with_texts(entry[under], texts)}).items()),
                    i,
                )
            else:
                yield _with_texts(entry, texts), i

    return len(ranges[0]), entries()


def with_items(node: Map, items: Iterable[tuple[str, Any]]) -> Map:
    """Return a mapping with other items and the same position."""
    copy = Map(node.at)
    copy.update(items)
    copy.where = {key: node.where[key] for key in copy}
    copy.size, copy.chars, copy.depth, copy.needs_expansion = (
        node.size,
        node.chars,
        node.depth,
        node.needs_expansion,
    )
    return copy


def _texts(ends: object) -> Iterator[object]:
    for end in ends if isinstance(ends, Seq) else ():
        yield from (end.get("node"), end.get("interface")) if isinstance(end, Map) else (end,)


def _with_texts(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, Map):
        return with_items(
            value,
            (
                (key, texts.get(item, item) if isinstance(item, str) else item)
                for key, item in value.items()
            ),
        )
    if not isinstance(value, Seq):
        return value
    copy = Seq(value.at)
    copy.extend(
        _with_texts(item, texts) if isinstance(item, (str, Map)) else item for item in value
    )
    copy.where, copy.size, copy.chars, copy.depth, copy.needs_expansion = (
        value.where,
        value.size,
        value.chars,
        value.depth,
        value.needs_expansion,
    )
    return copy
