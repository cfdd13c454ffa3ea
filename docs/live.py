"""What a change of a key does to a link, asked of the kinds: two files that differ in the key, and what `update` makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from netorch.kinds.link import InterfaceWords
from netorch.kinds.solo import SoloWords

SAMPLES: dict[str, tuple[Any, Any]] = {
    "parent": ("eth0", "eth1"),
    "id": (10, 11),
    "vni": (10, 11),
    "table": (10, 11),
    "local": ("192.0.2.1", "192.0.2.2"),
    "remote": ("192.0.2.3", "192.0.2.4"),
    "group": ("239.0.0.1", "239.0.0.2"),
    "key": (1, 2),
    "ttl": (5, 6),
    "port": (4789, 4790),
}
"""Two values of a key that only its kind can tell apart from nonsense; for one kind alone as `KIND.KEY`."""

_FIELDS = {"netns": "n", "name": "x", "mtu": 1400, "mac": "02:00:00:00:00:01", "group": 1, "alias": "netorch:t"}


def effects(kind: str, model: type[SoloWords]) -> Iterator[tuple[str, str]]:
    """(key, `update`, `replace` or `beside`: what hangs on the link changes, the link itself does not)."""
    required = {name: _sample(kind, name)[0] for name, field in model.model_fields.items() if field.is_required()}
    for name, field in model.model_fields.items():
        if name in InterfaceWords.model_fields or (kind, name) in _ELSEWHERE:
            continue
        first, second = _values(kind, name, field.annotation, field.default)
        before, after = (
            model.model_validate({_key(model, other): value for other, value in {**required, name: value}.items()})
            for value in (first, second)
        )
        was, now = (words.link(dict(_FIELDS), ("n", words.rides_on) if words.rides_on else None) for words in (before, after))
        yield _key(model, name), "beside" if was == now else "replace" if now.update(was) is None else "update"


_ELSEWHERE: set[tuple[str, str]] = set()
"""Keys whose two values cannot be made up here."""


def _key(model: type[SoloWords], name: str) -> str:
    return model.model_fields[name].alias or name


def _sample(kind: str, name: str) -> tuple[Any, Any]:
    return SAMPLES.get(f"{kind}.{name}") or SAMPLES[name]


def _values(kind: str, name: str, annotation: Any, default: Any) -> tuple[Any, Any]:
    if f"{kind}.{name}" in SAMPLES or name in SAMPLES:
        return _sample(kind, name)
    options = list(get_args(annotation)) if get_origin(annotation) in {Union, UnionType} else [annotation]
    for option in options:
        if get_origin(option) is Literal:
            values = get_args(option)
            return (default if default in values else values[0]), next(value for value in values if value != default)
    if bool in options or default is True or default is False:
        return bool(default), not default
    raise KeyError(f"docs/live.py: no sample of {kind}.{name}")


def sentence(kind: str, model: type[SoloWords]) -> str:
    """For the page: which keys change in place."""
    found: dict[str, list[str]] = {}
    for key, effect in effects(kind, model):
        found.setdefault(effect, []).append(f"`{key}`")
    parts = [
        f"{what} {', '.join(found[effect])}"
        for effect, what in (("update", "Changes in place:"), ("beside", "without touching the link:"), ("replace", "by a new link:"))
        if effect in found
    ]
    text = "; ".join(parts)
    return f"\n{text[0].upper()}{text[1:]}.\n" if text else ""
