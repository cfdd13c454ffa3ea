"""Convert Python values to the tree that a topology file results in, and a tree to YAML text."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import PurePath
from typing import Any

from netorch.errors import FileError, InCode, Problem
from netorch.language.yaml_tree import Map, Seq, seal
from netorch.values.limits import MAX_DEPTH, MAX_VALUES

TEXTS = (IPv4Address, IPv6Address, IPv4Interface, IPv6Interface, IPv4Network, IPv6Network, PurePath)
"""Types whose values are converted to text."""


def tree_of(values: Mapping[str, object], line: int) -> Map:
    """Return the tree of a mapping that a program passed in the line `line` of its source.

    Raises FileError if it contains values that no topology file can contain.
    """
    converter = _Converter(line)
    tree = converter.tree(values, "", 1)
    assert isinstance(tree, Map)
    if converter.problems:
        raise FileError(converter.problems)
    return tree


def yaml_of(tree: Map) -> str:
    """Return the tree as YAML text, which results in the same tree when it is parsed."""
    import yaml

    return str(
        yaml.dump(
            _plain(tree), Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, width=10_000
        )
    )


class _Converter:
    def __init__(self, line: int) -> None:
        self.line = line
        self.count = 0
        self.problems: list[Problem] = []

    def place(self, path: str) -> InCode:
        self.count += 1
        if self.count > MAX_VALUES:
            raise FileError(
                [
                    *self.problems,
                    Problem(
                        "too-many-values",
                        f"there are more than {MAX_VALUES:,} values.",
                        InCode(self.line, self.count, ""),
                    ),
                ]
            )
        return InCode(self.line, self.count, path)

    def wrong(self, code: str, what: str, path: str) -> None:
        self.problems.append(Problem(code, what, self.place(path), object=path))

    def tree(self, value: object, path: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise FileError(
                [
                    *self.problems,
                    Problem(
                        "too-deep",
                        f"mappings and lists are nested more than {MAX_DEPTH} levels deep.",
                        self.place(path[:60]),
                    ),
                ]
            )
        if value is None or isinstance(value, bool):
            return value
        # The member of an enum, or a value of another subclass of int or str, counts as its value.
        if isinstance(value, int):
            return int(value)
        if isinstance(value, str):
            if any(not (letter.isprintable() or letter in "\t\n\r") for letter in value):
                self.wrong(
                    "control-character", f"{value!r:.60} contains a control character.", path
                )
            return str.__str__(value)
        if isinstance(value, (float, *TEXTS)):
            return str(value)
        if isinstance(value, Mapping):
            return self.mapping(value, path, depth)
        if isinstance(value, (list, tuple)):
            return self.sequence(value, path, depth)
        self.wrong(
            "bad-value",
            f"a topology cannot contain a value of type {type(value).__name__}: use mappings, "
            "lists, texts, numbers, booleans or None.",
            path,
        )
        return None

    def mapping(self, value: Mapping[object, object], path: str, depth: int) -> Map:
        result = Map(self.place(path))
        for name, item in value.items():
            if not isinstance(name, (str, int)) or isinstance(name, bool):
                self.wrong("bad-key", f"the key {name!r:.60} is not a text.", path)
                continue
            key = str.__str__(name) if isinstance(name, str) else str(int(name))
            if key in result:
                self.wrong(
                    "duplicate-key",
                    f"the key {key!r:.60} appears twice, as a number and as a text.",
                    path,
                )
                continue
            inner = f"{path}.{key}" if path else key
            result.where[key] = self.place(inner)
            result[key] = self.tree(item, inner, depth + 1)
        seal(result)
        return result

    def sequence(self, value: list[object] | tuple[object, ...], path: str, depth: int) -> Seq:
        result = Seq(self.place(path))
        for index, item in enumerate(value):
            inner = f"{path}.{index}"
            result.where.append(self.place(inner))
            result.append(self.tree(item, inner, depth + 1))
        seal(result)
        return result


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
