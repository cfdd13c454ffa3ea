"""Reads each part of the kernel once for several topologies, and gives each its own snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from typing import cast

from netorch.kernel.files import etc_netns
from netorch.kernel.firewall import filters
from netorch.kernel.namespaces.netns import OpenNetns
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.reader import Part, Reader, has_mark, mark_of, writers
from netorch.kernel.system.nsfs import HOST
from netorch.values.marks import ALIAS, read_alias
from netorch.values.snapshot import NetnsSnapshot, Scope


class Readings:
    """What has been read of the kernel so far. Only the worker's thread uses it."""

    def __init__(self) -> None:
        self.begun = False
        self.aliases: dict[str, str | None] = {}
        """Name in /run/netns → the alias of its lo, or None if it is not a namespace."""
        self.foreign_files: dict[str, str] = {}
        """Name in /run/netns that is neither a namespace nor a stale file → what it is."""
        self.by_topology: dict[str, list[str]] = {}
        """Topology → the names in /run/netns with its mark."""
        self.parts: dict[tuple[int, int], dict[Hashable, object]] = {}
        """Inode of a namespace → part → what was read."""
        self.files: dict[str, dict[str, str]] = {}
        """Name in /etc/netns → name → text of its files."""
        self.files_of: dict[str, list[str]] = {}
        """Topology → the names in /etc/netns with a file that it wrote."""
        self.backends: tuple[str, ...] = ()
        self._detailed: set[tuple[int, int]] = set()

    def once(self, netns: OpenNetns, part: Hashable, read: Callable[[], Part]) -> Part:
        """Return what `read` returns, which is called only the first time."""
        parts = self.parts.setdefault(netns.inode, {})
        if part not in parts:
            parts[part] = read()
            if len(parts) == _FEW + 1 and netns.label != HOST:
                self._detailed.add(netns.inode)
        return cast("Part", parts[part])

    def forget_details(self) -> None:
        """Forget what was read of the namespaces except the host, but for their links.

        This saves memory after all of one topology was read, because the next one has others.
        """
        for inode in self._detailed:
            parts = self.parts[inode]
            self.parts[inode] = {part: parts[part] for part in _ALWAYS if part in parts}
        self._detailed.clear()


_ALWAYS = ("links", "is own")
_FEW = len(_ALWAYS)
"""The parts that are read of each namespace, and their number."""


class SharedReader(Reader):
    """A Reader that reads nothing twice. Runs in the worker's thread."""

    def __init__(self, namespaces: Namespaces, scope: Scope, readings: Readings) -> None:
        super().__init__(namespaces, scope)
        self._readings = readings

    def _begin(self) -> None:
        if not self._readings.begun:
            super()._begin()
            self._survey()
            self._readings.begun = True

    @property
    def _etc(self) -> Collection[str]:
        return self._readings.files

    @property
    def _backends(self) -> tuple[str, ...]:
        return self._readings.backends

    def _survey(self) -> None:
        """Read the names and marks of all namespaces, and the files in /etc/netns."""
        readings, namespaces = self._readings, self._namespaces
        for name, inode in sorted(namespaces.names().items()):
            netns = namespaces.find(name) if inode is not None and name != HOST else None
            if netns is not None:
                alias = readings.aliases[name] = mark_of(self._links(netns))
                if topology := read_alias(alias).topology:
                    readings.by_topology.setdefault(topology, []).append(name)
                continue
            what = namespaces.foreign_file(name)
            if inode is None or what:
                readings.aliases[name] = None
            if what:
                readings.foreign_files[name] = what
        for label in etc_netns.labels():
            texts = etc_netns.read_all(label, etc_netns.NAMES, self._contents)
            readings.files[label] = texts
            for topology in writers(texts.values()):
                readings.files_of.setdefault(topology, []).append(label)
        readings.backends = filters.loaded()

    def _once(self, netns: OpenNetns, part: Hashable, read: Callable[[], Part]) -> Part:
        return self._readings.once(netns, part, read)

    def _read_named(
        self, snapshots: dict[str, NetnsSnapshot]
    ) -> tuple[dict[str, str | None], dict[str, str]]:
        readings = self._readings
        foreign = dict(readings.aliases)
        names = sorted({*self._marked(), *(self._scope.in_full & foreign.keys())})
        names = [name for name in names if foreign[name] is not None]
        results = self.read_names(names)
        for name in names:
            one = results.get(name)
            if not isinstance(one, str):
                del foreign[name]
            if isinstance(one, NetnsSnapshot):
                snapshots[name] = one
        return foreign, readings.foreign_files

    def _marked(self) -> Iterator[str]:
        """Yield the names with the mark of the scope."""
        mark, by_topology = self._scope.mark, self._readings.by_topology
        if mark == ALIAS:
            for names in by_topology.values():
                yield from names
        elif mark:
            for name in by_topology.get(read_alias(mark).topology, ()):
                if has_mark(self._readings.aliases[name] or "", mark):
                    yield name

    def _files(self, label: str) -> dict[str, str]:
        return self._readings.files.get(label, {})

    def _orphans(self, read_names: Collection[str]) -> dict[str, dict[str, str]]:
        files, scope = self._readings.files, self._scope
        written = self._readings.files_of.get(read_alias(scope.mark).topology, ())
        labels = sorted({*written, *(scope.in_full & files.keys())})
        return {
            label: texts
            for label in labels
            if label not in read_names and (texts := self._files(label))
        }
