"""Reads the networks of container engines: of Docker, of Podman and of CNI, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from netorch.importers.draft import Draft
from netorch.importers.items import Item, Place, Reader, parse_json
from netorch.importers.names import topology_name

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles

HINT = (
    "each container is a node without its programs. To keep the containers and add to their "
    "network, write `attach: {engine}:NAME` into the nodes instead."
)


def new_draft(files: SourceFiles, name: str | None, tool: str) -> Draft:
    """Return an empty draft for files with networks."""
    path = files.paths[0]
    stem = PurePath(path).stem if path != "-" else tool
    return Draft(topology_name(name or stem), path, tool)


def networks_of(files: SourceFiles, read: Reader) -> Iterator[tuple[str, Item]]:
    """Yield each network of the files with its file. A file has one, or a list of them."""
    for path in files.paths:
        tree = parse_json(path, files.read(path))
        for one in tree.data if isinstance(tree.data, list) else [tree]:
            read.mapping(one, "the network")
            yield path, one


def item(value: Any, place: Place) -> Item:
    """Return an item of a plain value, all of whose parts have the same place."""
    if isinstance(value, Item):
        return value
    if isinstance(value, dict):
        return Item({key: item(one, place) for key, one in value.items()}, place)
    if isinstance(value, list):
        return Item([item(one, place) for one in value], place)
    return Item(value, place)
