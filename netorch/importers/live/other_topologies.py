"""What the records in /run/netorch say that other topologies have in imported namespaces.

`apply` leaves these objects and settings to their topologies, so the file must not have them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from netorch.errors import NetorchError
from netorch.immutable import Value, field, replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Originals
from netorch.state.key import Key
from netorch.values.marks import read_alias
from netorch.values.ownership import Ownership
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot
from netorch.values.sysctl_paths import by_path

_NAME = re.compile(r"[a-z0-9-]+")
"""What a name can be. An alias may be anything."""


class OtherTopologies(Value):
    """The topologies of this machine that the import does not write as its own."""

    names: frozenset[str] = frozenset()
    ownership: Mapping[str, Ownership] = field(default_factory=dict)
    """Topology → its objects in namespaces that it did not make."""
    settings: Mapping[str, Originals] = field(default_factory=dict)
    """Topology → the values of sysctls from before its first apply."""

    @classmethod
    def read(cls, snapshot: Snapshot, *, with_records: bool) -> OtherTopologies:
        """Return what the records and the marks of a machine say of all its topologies."""
        names: list[str] = []
        with suppress(NetorchError):
            # because a user who cannot read the records has a namespace without topologies
            names = records.applied_names() if with_records else []
        ownership = {name: records.read_ownership(name)[0] for name in names}
        return cls(
            frozenset((*names, *_marked(snapshot))),
            {name: own for name, own in ownership.items() if own is not None},
            records.sysctls_of_all(names) if names else {},
        )

    def without(self, names: Collection[str]) -> OtherTopologies:
        """Return the topologies without some of them."""
        return replace(
            self,
            names=self.names.difference(names),
            ownership={one: own for one, own in self.ownership.items() if one not in names},
            settings={one: own for one, own in self.settings.items() if one not in names},
        )

    def owner(self, key: Key, netns: NetnsSnapshot) -> str:
        """Return the topology that has an object of a namespace on record, or ""."""
        name = (key.kind, *key.parts)
        there = self.ownership.items()
        return next((one for one, own in there if name in own.of(netns.identity)), "")

    def owner_of_link(self, link: LinkRecord, netns: NetnsSnapshot) -> str:
        """Return the topology that a link belongs to by its mark or by a record, or ""."""
        marked = read_alias(link.alias).topology
        if marked in self.names:
            return marked
        there = self.ownership.items()
        return next((one for one, own in there if link.index in own.links_in(netns.identity)), "")

    def originals(self, netns: NetnsSnapshot) -> Iterator[tuple[str, str, str]]:
        """Yield the path, the original value and the topology of each sysctl that one has changed.

        The value is "" if the record does not have it.
        """
        for topology, by_label in self.settings.items():
            for settings in by_label.values():
                for paths, (identity, values) in settings.items():
                    if identity == netns.identity:
                        for path, value in by_path(paths, values).items():
                            yield path, value, topology


def made_by(topology: str) -> str:
    """Return the reason why an object of another topology is not in the file."""
    return f"topology {topology} has made it: `netorch show {topology} -o yaml`"


def set_by(topology: str) -> str:
    """Return the reason why a setting of another topology is not in the file."""
    return f"topology {topology} has set it, and sets it back when it is destroyed"


def _marked(snapshot: Snapshot) -> Iterator[str]:
    """Yield the topologies whose marks are on namespaces, or on links in them."""
    for netns in snapshot.namespaces.values():
        for alias in (netns.mark, *(link.alias for link in netns.links)):
            if _NAME.fullmatch(topology := read_alias(alias).topology):
                yield topology
