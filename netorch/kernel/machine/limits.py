"""Reads the limits of this machine and of this process's control group that topologies can reach.

All of it takes less than a millisecond.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress

from netorch.immutable import Value, field
from netorch.kernel.system import syscalls, sysctl

MAX_NAMESPACES = "user/max_net_namespaces"
MAX_MOUNTS = "fs/mount-max"
NEIGHBOURS = {4: "net/ipv4/neigh/default/gc_thresh3", 6: "net/ipv6/neigh/default/gc_thresh3"}
CONNECTIONS = "net/netfilter/nf_conntrack_max"
FOLDERS = ("/run/netns", "/etc/netns")

_CGROUPS = "/sys/fs/cgroup"
_UNLIMITED = 1 << 60
"""A control group of version 1 without a limit has a number above this."""


class GroupMemory(Value):
    """The memory of a control group, in bytes."""

    path: str
    """The file with its limit."""
    limit: int
    free: int
    """What the group may still use. Its file cache counts as free."""


class Room(Value):
    """The room in the file system of a directory."""

    place: str
    """The directory, or its nearest parent that exists."""
    files: int
    """How many more files the file system can hold."""


class Limits(Value):
    """The limits that a topology can reach. None means that a limit is unknown or does not exist.

    The counts of existing objects are lower bounds, because the kernel does not tell all of them.
    """

    namespaces: int | None = None
    """How many network namespaces the user may have (user.max_net_namespaces)."""
    existing_namespaces: int = 0
    """How many of them exist."""
    mounts: int | None = None
    """How many mounts a mount namespace may have (fs.mount-max)."""
    existing_mounts: int = 0
    files: Mapping[str, Room] = field(default_factory=dict)
    """Directory → the room in its file system."""
    memory: int | None = None
    """How many bytes of memory and swap are free."""
    group: GroupMemory | None = None
    """The control group with the least free memory among those of this process."""
    processors: int = 1
    neighbours: Mapping[int, int] = field(default_factory=dict)
    """IP version → how many neighbours all namespaces together may have (gc_thresh3)."""
    connections: int | None = None
    """How many connections the packet filter of a namespace can track (nf_conntrack_max)."""


def read_countable(existing_namespaces: int) -> Limits:
    """Read the limits on what can be counted exactly: namespaces, mounts and files."""
    return Limits(
        namespaces=_number(MAX_NAMESPACES),
        existing_namespaces=existing_namespaces,
        mounts=_number(MAX_MOUNTS),
        existing_mounts=syscalls.count_mounts(),
        files=dict(_free_files()),
    )


def read_all(existing_namespaces: int) -> Limits:
    """Read all limits."""
    countable = read_countable(existing_namespaces)
    return Limits(
        namespaces=countable.namespaces,
        existing_namespaces=existing_namespaces,
        mounts=countable.mounts,
        existing_mounts=countable.existing_mounts,
        files=countable.files,
        memory=_free_memory(),
        group=_tightest_group(),
        processors=os.cpu_count() or 1,
        neighbours={
            version: limit
            for version, path in NEIGHBOURS.items()
            if (limit := _number(path)) is not None
        },
        connections=_number(CONNECTIONS),
    )


def _number(path: str) -> int | None:
    try:
        return int(sysctl.read(path))
    except (OSError, ValueError):
        return None


def _free_files() -> Iterator[tuple[str, Room]]:
    for folder in FOLDERS:
        place = folder
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        with suppress(OSError):
            status = os.statvfs(place)
            # file systems that make inodes as needed, such as btrfs, report 0 of 0
            if status.f_files:
                yield folder, Room(place, status.f_ffree)


def _free_memory() -> int | None:
    free = 0
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            values = {
                name: text.split() for name, _, text in (line.partition(":") for line in file)
            }
        for name in ("MemAvailable", "SwapFree"):
            free += int(values[name][0]) << 10
    except (OSError, ValueError, LookupError):
        return None
    return free


def _tightest_group() -> GroupMemory | None:
    groups = list(_groups())
    return min(groups, key=lambda group: group.free) if groups else None


def _groups() -> Iterator[GroupMemory]:
    """Yield the control groups with a limit on memory that this process is in (cgroups(7))."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if not controllers:
            names = "memory.max", "memory.current", "inactive_file"
            yield from _with_ancestors(_CGROUPS, path, names)
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            yield from _with_ancestors(f"{_CGROUPS}/memory", path, names)


def _with_ancestors(root: str, path: str, names: tuple[str, str, str]) -> Iterator[GroupMemory]:
    limit_name, usage_name, cache_name = names
    # in a container the path may be the one that the host sees, and only the root exists
    parts = [part for part in path.split("/") if part] if os.path.isdir(root + path) else []
    for length in range(len(parts) + 1):
        folder = "/".join((root, *parts[:length]))
        with suppress(OSError, ValueError):
            # "max" is not a number, so a group without a limit is left out
            limit = int(_text(f"{folder}/{limit_name}"))
            if limit < _UNLIMITED:
                used = int(_text(f"{folder}/{usage_name}"))
                cache = next(
                    int(line.split()[1])
                    for line in [*_text(f"{folder}/memory.stat").splitlines(), f"{cache_name} 0"]
                    if line.startswith(f"{cache_name} ")
                )
                free = max(0, limit - used + cache)
                yield GroupMemory(f"{folder}/{limit_name}", limit, free)


def _text(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()
