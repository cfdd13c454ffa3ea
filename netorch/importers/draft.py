"""The topology file that an importer builds, with what it could not express."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netorch.immutable import Value

Path = tuple[str | int, ...]
"""The keys and indexes that lead from the top of the file to an entry: `("nodes", "web")`."""


class Remark(Value):
    """A comment of the topology file."""

    text: str
    """The comment or, for a loss, the words of the source: `image: nginx`."""
    why: str = ""
    """The reason why the topology does not have `text`. It is "" if `text` is a mere comment."""
    where: tuple[str, ...] = ()
    """The places of `text` in the source: `compose.yaml:12`."""
    matters: bool = False
    """Whether the nodes reach each other otherwise than in the source because of the loss."""

    @property
    def is_loss(self) -> bool:
        return bool(self.why)


class SourceLine(Value):
    """A command of the source."""

    words: tuple[str, ...]
    text: str
    """The command as the source has it."""
    where: str
    """Its place: `r1.startup:12`."""


class Draft:
    """A topology file under construction.

    An importer sets values in `tree`, in the order of the source. A value is a mapping, a list, a
    text, a number or a boolean. A `$` in a text stands for itself: `finish` doubles it.
    """

    def __init__(self, name: str, source: str, tool: str) -> None:
        self.source = source
        """The name of the source, as in messages."""
        self.tool = tool
        """What made the source: `Docker Compose`."""
        self.tree: dict[str, Any] = {"name": name, "nodes": {}, "networks": {}, "links": []}
        """The contents of the file. `finish` leaves out what is empty."""
        self.remarks: dict[Path, list[Remark]] = {}
        """Path of an entry → the comments before it. `()` is the top of the file."""
        self._places: dict[Path, str] = {}
        """Path of an entry → its place in the source."""
        self.lines: dict[str, list[SourceLine]] = {}
        """Node → the commands of the source that make it what it is."""

    @property
    def nodes(self) -> dict[str, Any]:
        nodes: dict[str, Any] = self.tree["nodes"]
        return nodes

    @property
    def networks(self) -> dict[str, Any]:
        networks: dict[str, Any] = self.tree["networks"]
        return networks

    @property
    def links(self) -> list[Any]:
        links: list[Any] = self.tree["links"]
        return links

    def check(self, **check: Any) -> None:
        """Add an entry to `checks`, unless it is there already."""
        checks = self.tree.setdefault("checks", [])
        entry = {"from" if key == "source" else key: value for key, value in check.items()}
        if entry not in checks:
            checks.append(entry)

    def note(self, path: Iterable[str | int], text: str) -> None:
        """Put a comment before an entry."""
        self._add(tuple(path), Remark(text))

    def lose(
        self,
        path: Iterable[str | int],
        text: str,
        why: str,
        where: str = "",
        *,
        matters: bool = False,
    ) -> None:
        """Record that the topology does not have `text` of the source.

        `path` is the entry before which the comment stands. It need not exist: the comment then
        stands at the end of the nearest entry around it. `why` completes the sentence `not carried
        over: …`. `where` is a place such as `compose.yaml:12`. `matters` says that the nodes reach
        each other otherwise than in the source.
        """
        self._add(tuple(path), Remark(text, why, (where,) if where else (), matters))

    def set_place(self, path: Iterable[str | int], where: str) -> None:
        """Remember the place of an entry in the source, such as `compose.yaml:12`."""
        self._places.setdefault(tuple(path), where)

    def place_of(self, path: Path) -> str:
        """Return the place of an entry in the source, or of the nearest one around it, or ""."""
        lengths = range(len(path), 0, -1)
        return next((self._places[path[:one]] for one in lengths if path[:one] in self._places), "")

    def close_gap(self, path: Path) -> None:
        """Move comments and places after an item of a list was removed. `path` is that of the item.

        Comments of the item itself move to the list.
        """
        *_, index = path
        assert isinstance(index, int)
        depth = len(path) - 1
        old = self.remarks
        self.remarks = {}
        for one, remarks in old.items():
            for remark in remarks:
                self._add(_moved(one, path[:-1], depth, index), remark)
        self._places = {
            _moved(one, path[:-1], depth, index): where
            for one, where in self._places.items()
            if one[: depth + 1] != path
        }

    def _add(self, path: Path, remark: Remark) -> None:
        remarks = self.remarks.setdefault(path, [])
        if remark not in remarks:
            remarks.append(remark)

    @property
    def losses(self) -> list[Remark]:
        """All losses, in the order in which they were recorded."""
        return [one for remarks in self.remarks.values() for one in remarks if one.is_loss]


def _moved(path: Path, above: Path, depth: int, index: int) -> Path:
    """Return a path after item number `index` of the list at `above` was removed."""
    if path[:depth] != above or len(path) == depth or not isinstance(path[depth], int):
        return path
    number = int(path[depth])
    if number == index:
        return above
    return path if number < index else (*above, number - 1, *path[depth + 1 :])


def add_membership(networks: dict[str, Any], network: str, name: str) -> dict[str, Any]:
    """Add an interface of a node to a network, and return its entry in the node's `networks`.

    netorch chooses the name of the interface if that is the next one in order.
    """
    entry: dict[str, Any] = {}
    if network in networks:
        # named, because netorch counts interfaces in the order of the networks
        entry["name"] = name
        there = networks[network]
        networks[network] = [*(there if isinstance(there, list) else [there]), entry]
        return entry
    if name != f"eth{len(networks)}":
        entry["name"] = name
    networks[network] = entry
    return entry
