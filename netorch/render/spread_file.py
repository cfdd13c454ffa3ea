"""Writes the file of a topology that is spread over several machines."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from netorch.resolve.loaded import Loaded

_KEY_FILES = frozenset({"private_key_file", "preshared_key_file"})
"""The keys whose values are paths of files."""


def document(loaded: Loaded) -> str:
    """Return the whole file as YAML, with ranges, profiles and variables resolved.

    Its part of each machine is that of the original, whatever the name and the variables with which
    that was applied.
    """
    tree = _escaped(_with_folder(plain(loaded.tree), loaded.desired.folder))
    tree["name"] = loaded.desired.topology
    if loaded.desired.prefix:
        tree["prefix"] = loaded.desired.prefix
    first = {key: tree.pop(key) for key in ("name", "prefix") if key in tree}
    return str(
        yaml.safe_dump(
            first | tree, sort_keys=False, allow_unicode=True, default_flow_style=None, width=140
        )
    ).rstrip()


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


def _escaped(tree: Any) -> Any:
    """Return a tree in which a dollar sign is doubled, because it would begin a variable."""
    if isinstance(tree, dict):
        return {_escaped(key): _escaped(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_escaped(value) for value in tree]
    return tree.replace("$", "$$") if isinstance(tree, str) else tree


def plain(tree: Any) -> Any:
    """Return a tree without the positions of its entries."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    return [plain(value) for value in tree] if isinstance(tree, list) else tree
