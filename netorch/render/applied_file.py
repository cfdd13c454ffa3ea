"""Writes the file that was applied last, so that it needs nothing else than itself."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from netorch.errors import NetorchError
from netorch.language.yaml_tree import parse
from netorch.render import yaml_text

if TYPE_CHECKING:
    from netorch.kernel.files.records import Record
    from netorch.resolve.loaded import Loaded

_KEY_FILES = frozenset({"private_key_file", "preshared_key_file"})
"""The keys whose values are paths of files."""


def text_of(record: Record, loaded: Loaded) -> str:
    """Return the file that was applied, as its author wrote it if that is possible.

    Variables that were given, another name and relative paths of key files are not in the author's
    text. Then it is the text of `document`.
    """
    return _own_words(record, loaded) or document(loaded)


def _own_words(record: Record, loaded: Loaded) -> str:
    """Return the author's text, with a `name` if it has none; "" if it asks for something else."""
    from netorch.resolve import loader

    try:
        data = record.text.encode()
        tree = parse(data)
        text = record.text if "name" in tree else _with_name(record.text, tree, loaded)
        again = loader.load(
            text.encode(), "topology.yaml", folder="/", choose=lambda *_: record.machine
        )
    except (NetorchError, UnicodeError):
        return ""
    here, there = again.desired, loaded.desired
    same = (
        (here.topology, here.prefix, here.labels, here.attached)
        == (there.topology, there.prefix, there.labels, there.attached)
        and here.state == there.state
        and not _has_relative_path(plain(loaded.tree))
        and plain(again.tree).get("checks") == plain(loaded.tree).get("checks")
    )
    return text.rstrip() if same else ""


def _with_name(text: str, tree: Any, loaded: Loaded) -> str:
    """Return a text with the name of the topology before its first key."""
    first = min(tree.where.values()).line - 1
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:first], f"name: {loaded.desired.topology}\n", *lines[first:]])


def _has_relative_path(tree: Any) -> bool:
    """Return whether the path of a key file depends on the folder of the file."""
    if isinstance(tree, dict):
        return any(
            (key in _KEY_FILES and isinstance(value, str) and not value.startswith("/"))
            or _has_relative_path(value)
            for key, value in tree.items()
        )
    return isinstance(tree, list) and any(map(_has_relative_path, tree))


def document(loaded: Loaded) -> str:
    """Return the whole file as YAML, with ranges, profiles and variables resolved.

    Its part of each machine is that of the original, whatever the name and the variables with which
    that was applied.
    """
    return yaml_of(tree_of(loaded))


def yaml_of(tree: Any) -> str:
    """Return a plain tree as YAML."""
    return yaml_text.document(tree)


def tree_of(loaded: Loaded) -> dict[str, Any]:
    """Return the plain tree of the whole file, as `document` writes it."""
    tree = escaped(_with_folder(plain(loaded.tree), loaded.desired.folder))
    tree["name"] = loaded.desired.topology
    if loaded.desired.prefix:
        tree["prefix"] = loaded.desired.prefix
    first = {key: tree.pop(key) for key in ("name", "prefix") if key in tree}
    whole: dict[str, Any] = first | tree
    return whole


def _with_folder(tree: Any, folder: str) -> Any:
    """Return a tree whose paths of key files do not depend on the folder of the file."""
    if isinstance(tree, dict):
        return {
            key: str(PurePath(folder, value))
            if key in _KEY_FILES and isinstance(value, str)
            else _with_folder(value, folder)
            for key, value in tree.items()
        }
    return [_with_folder(value, folder) for value in tree] if isinstance(tree, list) else tree


def escaped(tree: Any) -> Any:
    """Return a tree in which a dollar sign is doubled, because it would begin a variable."""
    if isinstance(tree, dict):
        return {escaped(key): escaped(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [escaped(value) for value in tree]
    return tree.replace("$", "$$") if isinstance(tree, str) else tree


def plain(tree: Any) -> Any:
    """Return a tree without the positions of its entries."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    return [plain(value) for value in tree] if isinstance(tree, list) else tree
