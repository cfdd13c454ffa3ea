"""Reads the networks of container engines: of Docker, of Podman and of CNI, as JSON."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
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


class Unread:
    """The keys of networks that an importer does not read, to be named at their networks."""

    def __init__(self, read: Reader, reasons: Mapping[str, str]) -> None:
        self._read, self._reasons = read, reasons
        """`reasons`: key → why the topology does not have it."""
        self._entries: list[tuple[str, str, str, Item]] = []

    def add(self, network: str, item: Item, known: Container[str], of: str = "") -> None:
        """Add the entries of a mapping with a value that is not "off", except those in `known`.

        `of` says what has the keys, "" for the network itself.
        """
        for key, one in self._read.others(item, of or "the network", known):
            if one.data not in (False, 0):
                text = f"{key}: {self._read.words(one)}" + (f" of {of}" if of else "")
                self.put(network, key, text, one)

    def put(self, network: str, key: str, text: str, one: Item) -> None:
        """Add an entry with the words for it."""
        self._entries.append((network, key, text, one))

    def lose(self, draft: Draft, names: Mapping[str, str]) -> None:
        """Record them. `names` maps the key of a network to its name in the topology."""
        for network, key, text, one in self._entries:
            why = self._reasons.get(key, "netorch has no word for it")
            path = ("networks", names.get(network, network))
            draft.lose(path, text, why, one.place.text())


def unique(networks: Mapping[str, Item], key: str, item: Item, draft: Draft) -> bool:
    """Return whether no network has a name yet. Record a second one of the same name as lost."""
    if key not in networks:
        return True
    why = "a network before it has the same name"
    draft.lose(("networks",), f"network {key}", why, item.place.text(), matters=True)
    return False


def item(value: Any, place: Place) -> Item:
    """Return an item of a plain value, all of whose parts have the same place."""
    if isinstance(value, Item):
        return value
    if isinstance(value, dict):
        return Item({key: item(one, place) for key, one in value.items()}, place)
    if isinstance(value, list):
        return Item([item(one, place) for one in value], place)
    return Item(value, place)
