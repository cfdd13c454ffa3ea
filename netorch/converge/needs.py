"""What a topology needs of the machine, and which of its limits are too low for that. Pure.

The sizes were measured on Linux 6.18; docs/performance.md has them. Another kernel may need half or
twice as much memory, so memory is only refused if there is not even half of the estimate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from netorch.errors import Problem
from netorch.immutable import Value, field
from netorch.kernel.machine.limits import (
    CONNECTIONS,
    MAX_MOUNTS,
    MAX_NAMESPACES,
    NEIGHBOURS,
    Limits,
)
from netorch.kinds.address import Address
from netorch.kinds.base.link import Link
from netorch.kinds.file import NodeFile
from netorch.kinds.filter import PacketFilter
from netorch.kinds.netns import Netns
from netorch.kinds.route import Route
from netorch.state.resource import Resource
from netorch.values.filter_rules import SourceTo, single_rules

Kind = TypeVar("Kind", bound=Resource)

LARGE = 50
"""The number of namespaces and links from which estimates are made.

Reading what they need takes most of a millisecond.
"""

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_NAMESPACE, _LINK, _ADDRESS, _ROUTE = 180 * _KIB, 37 * _KIB, 14 * _KIB, 4 * _KIB
"""Bytes of the kernel's memory for one object, without its parts for each processor."""
_NAMESPACE_PER_CPU, _LINK_PER_CPU = 2900, 400
_NAMESPACE_IN_GROUP, _LINK_IN_GROUP = 92 * _KIB, 32 * _KIB
"""The same, but only what the kernel charges to the control group."""
_OWN = 30 * _KIB
"""Bytes of netorch's own memory for one namespace."""
_UNCERTAIN = 2
"""The factor by which an estimate of memory may be wrong."""
_CONNECTIONS = 16
"""Connections that a node behind NAT has at a time, if it does not do much."""


class Needs(Value):
    """The numbers of objects that are made, less those that are deleted before."""

    namespaces: int = 0
    links: int = 0
    addresses: int = 0
    routes: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    """Directory → number of files below it."""
    neighbours: Mapping[int, int] = field(default_factory=dict)
    """IP version → number of addresses of the whole topology that other nodes may ask for."""
    trial: bool = False
    """Whether a further namespace is needed for a moment, to read a packet filter."""
    translated: int = 0
    """The number of nodes of the topology, if packets are translated; otherwise 0."""

    @property
    def is_large(self) -> bool:
        return self.namespaces + self.links >= LARGE or self.addresses + self.routes >= 20 * LARGE

    def memory(self, processors: int) -> int:
        """Return about how many bytes of memory the kernel and netorch need."""
        return (
            self.namespaces * (_NAMESPACE + processors * _NAMESPACE_PER_CPU + _OWN)
            + self.links * (_LINK + processors * _LINK_PER_CPU)
            + self.addresses * _ADDRESS
            + self.routes * _ROUTE
        )

    def group_memory(self, processors: int) -> int:
        """Return about how many bytes of them are charged to the control group."""
        return self.namespaces * (
            _NAMESPACE_IN_GROUP + processors * _NAMESPACE_PER_CPU + _OWN
        ) + self.links * (_LINK_IN_GROUP + processors * _LINK_PER_CPU)


def needs_of(
    made: Sequence[Resource], deleted: Sequence[Resource], whole: Collection[Resource]
) -> Needs:
    """Return what is needed to make and delete these resources of a topology.

    `whole` are all resources of the topology afterwards.
    """
    count = _counted(made)
    count.subtract(_counted(deleted))
    filters = _of_type(whole, PacketFilter)
    return Needs(
        namespaces=count[Netns],
        links=count[Link],
        addresses=count[Address],
        routes=count[Route],
        files={"/run/netns": count[Netns], "/etc/netns": _files(made) - _files(deleted)},
        neighbours=neighbours_of(whole),
        trial=bool(filters),
        translated=len(_of_type(whole, Netns)) if any(map(_translates, filters)) else 0,
    )


def neighbours_of(resources: Iterable[Resource]) -> Mapping[int, int]:
    """Return IP version → number of addresses that other nodes may ask for."""
    return Counter(
        address.address.version for address in _of_type(resources, Address) if address.link != "lo"
    )


def _counted(resources: Iterable[Resource]) -> Counter[type]:
    """Return class → number of resources. A lent link counts as nothing, because it exists."""
    count: Counter[type] = Counter()
    for kind, number in Counter(map(type, resources)).items():
        for base in (Netns, Link, Address, Route):
            if issubclass(kind, base) and not (issubclass(kind, Link) and kind.LENT):
                count[base] += number
    return count


def _of_type(resources: Iterable[Resource], kind: type[Kind]) -> list[Kind]:
    # not with isinstance, which takes ten times as long for these classes
    return [resource for resource in resources if type(resource) is kind]


def _files(resources: Iterable[Resource]) -> int:
    """Return the number of folders and files. Files with the same content are links to one file."""
    files = _of_type(resources, NodeFile)
    return len({file.netns for file in files}) + len({file.content for file in files})


def _translates(filter_: PacketFilter) -> bool:
    return any(isinstance(rule.act, SourceTo) for rule in single_rules(filter_.rules))


class Shortage(NamedTuple):
    """A limit that is too low for a topology."""

    code: str
    """A key of the table in `netorch.errors.codes`."""
    object: str
    """The name of the limit, as in a Problem."""
    what: str
    """What is wrong, as a sentence without its full stop."""
    remedy: str
    """What to do, as a sentence."""
    command: str
    """The command in the remedy."""
    certain: bool
    """Whether an apply would fail."""

    def problem(self) -> Problem:
        return Problem(self.code, f"{self.what}.", None, self.remedy, self.object, self.command)

    def warning(self) -> str:
        return f"{self.what}. {self.remedy}"


def shortages(needs: Needs, limits: Limits) -> Iterator[Shortage]:
    """Yield the limits that are too low for what a topology needs."""
    yield from further_shortages(needs, limits)
    yield from small_neighbour_tables(needs.neighbours, limits.neighbours)


def further_shortages(needs: Needs, limits: Limits) -> Iterator[Shortage]:
    """Yield the same, without the tables of neighbours."""
    yield from _too_few_namespaces(needs, limits)
    yield from _too_few_mounts(needs, limits)
    yield from _too_few_files(needs, limits)
    yield from _too_little_memory(needs, limits)
    yield from _few_connections(needs, limits)


def _too_few_namespaces(needs: Needs, limits: Limits) -> Iterator[Shortage]:
    existing, limit = limits.existing_namespaces, limits.namespaces
    # with a packet filter, netorch needs one more to read back what it made
    needed = existing + needs.namespaces + needs.trial
    if needs.namespaces > 0 and limit is not None and needed > limit:
        name = MAX_NAMESPACES.replace("/", ".")
        command = f"sysctl -w {name}={round_up(2 * needed)}"
        exist = f", {existing:,} exist already" if existing else ""
        more = needs.namespaces + needs.trial
        yield Shortage(
            "namespace-limit",
            name,
            f"{name}: each user may have {limit:,} network namespaces{exist}, "
            f"and the topology needs {more:,} more",
            f"Raise the limit: `{command}`.",
            command,
            certain=True,
        )


def _too_few_mounts(needs: Needs, limits: Limits) -> Iterator[Shortage]:
    existing, limit = limits.existing_mounts, limits.mounts
    needed = existing + needs.namespaces
    if needs.namespaces > 0 and limit is not None and needed > limit:
        name = MAX_MOUNTS.replace("/", ".")
        command = f"sysctl -w {name}={round_up(2 * needed)}"
        yield Shortage(
            "mount-limit",
            name,
            f"{name}: there may be {limit:,} mounts, {existing:,} exist already, "
            f"and the topology needs {needs.namespaces:,} more, one for each namespace",
            f"Raise the limit: `{command}`.",
            command,
            certain=True,
        )


def _too_few_files(needs: Needs, limits: Limits) -> Iterator[Shortage]:
    for folder, room in limits.files.items():
        needed, free = needs.files.get(folder, 0), room.files
        if needed > free:
            command = f"df -i {room.place}"
            yield Shortage(
                "no-space",
                folder,
                f"{folder}: its file system has room for {free:,} more files, "
                f"and the topology needs {needed:,}",
                f"Remove files, or mount it with more inodes: `{command}` shows how many it has.",
                command,
                certain=True,
            )


def _too_little_memory(needs: Needs, limits: Limits) -> Iterator[Shortage]:
    needed = needs.memory(limits.processors)
    if limits.memory is not None and needed > limits.memory:
        yield Shortage(
            "no-memory",
            "memory",
            f"memory: the topology needs about {size(needed)}, and {size(limits.memory)} are free",
            "Make the topology smaller, or free memory: `free -m` shows how much there is.",
            "free -m",
            certain=needed > _UNCERTAIN * limits.memory,
        )
    group = limits.group
    needed = needs.group_memory(limits.processors)
    if group is not None and needed > group.free:
        more = -(-(group.limit + 2 * needed - group.free) // _MIB)
        command = f"echo {more}M >{group.path}"
        yield Shortage(
            "no-memory",
            group.path,
            f"{group.path}: the topology needs about {size(needed)}, and the control group of "
            f"netorch may use {size(group.free)} more",
            f"Make the topology smaller, or raise the limit: `{command}`.",
            command,
            certain=needed > _UNCERTAIN * group.free,
        )


def small_neighbour_tables(
    addresses: Mapping[int, int], limits: Mapping[int, int]
) -> Iterator[Shortage]:
    """Yield the tables of neighbours that these numbers of addresses can fill.

    All namespaces share one table, and each pair of nodes that exchange packets adds two entries.
    The check counts the minimum: each node and its gateway.
    """
    for version, limit in limits.items():
        count = addresses.get(version, 0)
        if 2 * count > limit:
            name = NEIGHBOURS[version].replace("/", ".")
            command = f"sysctl -w {name}={round_up(8 * count)}"
            yield Shortage(
                "neighbour-limit",
                name,
                f"{name}: all namespaces together may have {limit:,} neighbours, and the "
                f"{count:,} IPv{version} addresses here need at least {2 * count:,}",
                f"Otherwise packets get lost. Raise the limit: `{command}`.",
                command,
                certain=False,
            )


def _few_connections(needs: Needs, limits: Limits) -> Iterator[Shortage]:
    needed, limit = _CONNECTIONS * needs.translated, limits.connections
    if limit is not None and needed > limit:
        name = CONNECTIONS.replace("/", ".")
        command = f"sysctl -w {name}={round_up(4 * needed)}"
        yield Shortage(
            "connection-limit",
            name,
            f"{name}: NAT can track {limit:,} connections, and {needs.translated:,} nodes may have "
            f"{needed:,} or more",
            f"Raise the limit: `{command}`.",
            command,
            certain=False,
        )


def round_up(number: int) -> int:
    """Return the next power of 2."""
    return 1 << (number - 1).bit_length()


def size(number: int) -> str:
    """Return a number of bytes as users read it: `2.7 GB`, `120 MB`."""
    return f"{number / _GIB:.1f} GB" if number >= _GIB else f"{max(1, number // _MIB)} MB"
