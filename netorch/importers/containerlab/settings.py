"""What a node has: its own keys, and those of its group, of its kind and of the defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netorch.immutable import Value
from netorch.language.yaml_tree import Map, Seq

_JOINED = frozenset(("exec", "binds", "ports"))
"""Lists of all levels together."""
_LISTS = _JOINED | {"aliases"}
"""Lists, in whose place people write a single value."""
_MERGED = frozenset(("env", "labels", "sysctls", "stages", "dns", "certificate", "config"))
"""Mappings that merge key by key."""


class Setting(Value):
    """A key of a node."""

    value: Any
    line: int
    lines: tuple[int, ...] = ()
    """The lines of the entries of a list."""


def settings_of(topology: Map, node: str) -> dict[str, Setting]:
    """Return the keys of a node. A key of a nearer level replaces that of a farther one."""
    settings: dict[str, Setting] = {}
    for level in _levels(topology, node):
        for key, value in level.items():
            line = level.where[key].line
            new = Setting(value, line, _lines(value))
            if key in _LISTS and not isinstance(value, Seq):
                new = Setting([] if value is None else [value], line, (line,))
            old = settings.get(key)
            if old is not None and key in _JOINED:
                new = Setting([*old.value, *new.value], old.line, old.lines + new.lines)
            elif old is not None and key in _MERGED and isinstance(value, Map):
                merged = {**old.value, **value} if isinstance(old.value, dict) else value
                new = Setting(merged, new.line)
            settings[key] = new
    return settings


def _levels(topology: Map, node: str) -> Iterator[Map]:
    """Yield the mappings with keys of a node, from the farthest to the nearest."""
    own = _at(topology, "nodes", node)
    defaults = _at(topology, "defaults")
    group = _at(topology, "groups", _text(own, "group") or _text(defaults, "group"))
    kind = _text(own, "kind") or _text(group, "kind") or _text(defaults, "kind")
    for level in (defaults, _at(topology, "kinds", kind), group, own):
        if level is not None:
            yield level


def _at(tree: Map, *path: str) -> Map | None:
    value: Any = tree
    for step in path:
        if not isinstance(value, Map):
            return None
        value = value.get(step)
    return value if isinstance(value, Map) else None


def _text(level: Map | None, key: str) -> str:
    value = level.get(key) if level is not None else None
    return value if isinstance(value, str) else ""


def _lines(value: Any) -> tuple[int, ...]:
    return tuple(at.line for at in value.where) if isinstance(value, Seq) else ()
