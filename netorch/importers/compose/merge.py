"""Merges the values of several compose files as Compose does."""

from __future__ import annotations

from fnmatch import fnmatchcase

from netorch.importers.items import Item

_LISTS_OF_PAIRS = ("services.*.extra_hosts", "services.*.sysctls", "services.*.dns*")
"""Values that are a mapping, a list or one text, and are merged as lists."""
_SETS_OF_NAMES = ("services.*.networks",)
"""Values that are a list of names or a mapping of them, and are merged as mappings."""
_REPLACED = ("services.*.command", "services.*.entrypoint", "services.*.healthcheck.test")


def merge(base: Item, over: Item, path: tuple[str, ...] = ()) -> Item | None:
    """Return `base` with the values of `over`, None if `over` removes the value.

    `path` has the keys that lead to both values.
    """
    if over.tag == "!reset":
        return None
    if over.tag == "!override":
        return clean(over)
    if over.data is None:
        return base
    if _is(path, _SETS_OF_NAMES):
        base, over = _as_mapping(base), _as_mapping(over)
    elif _is(path, _LISTS_OF_PAIRS):
        base, over = _as_list(base), _as_list(over)
    if isinstance(base.data, dict) and isinstance(over.data, dict):
        return _merge_mappings(base, over, path)
    if isinstance(base.data, list) and isinstance(over.data, list) and not _is(path, _REPLACED):
        return over.with_data([*base.data, *(clean(one) for one in over.data)])
    return clean(over)


def _merge_mappings(base: Item, over: Item, path: tuple[str, ...]) -> Item:
    entries = dict(base.data)
    for key, item in over.data.items():
        if key in entries:
            value = merge(entries[key], item, (*path, key))
        else:
            value = None if item.tag == "!reset" else clean(item)
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value
    return base.with_data(entries)


def clean(item: Item) -> Item:
    """Return an item without tags, and without the entries that they remove."""
    if isinstance(item.data, dict):
        entries = {key: clean(one) for key, one in item.data.items() if one.tag != "!reset"}
        return item.with_data(entries)
    if isinstance(item.data, list):
        return item.with_data([clean(one) for one in item.data if one.tag != "!reset"])
    return item.with_data(item.data) if item.tag else item


def _is(path: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    text = ".".join(key.replace(".", "_") for key in path)
    return any(
        fnmatchcase(text, pattern) and text.count(".") == pattern.count(".") for pattern in patterns
    )


def _as_mapping(item: Item) -> Item:
    if not isinstance(item.data, list):
        return item
    entries = {
        str(one.data): one.with_data(None)
        for one in item.data
        if not isinstance(one.data, (dict, list))
    }
    return item.with_data(entries)


def _as_list(item: Item) -> Item:
    if isinstance(item.data, dict):
        return item.with_data(
            [one.with_data(f"{key}={one.data}") for key, one in item.data.items()]
        )
    return item if isinstance(item.data, list) else item.with_data([item])
