"""Decides whether a second process reads, and guesses the topology of a command line.

A wrong guess wastes only time of a processor that is idle, because the command uses a namespace
that was read only if it asks for that namespace in the same way.
"""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netorch.kernel.files.records import Record
    from netorch.parallel_reader.reader import ForkedReader
    from netorch.values.snapshot import Scope

MANY = 100
"""The smallest number of namespaces whose reading takes longer than the start of a process."""


def begin(options: argparse.Namespace, default_file: str, *, brief: bool) -> ForkedReader | None:
    """Start to read the topology of a command line, if it can be guessed and this saves time.

    `default_file` is the file of a command without a FILE. `brief` says that a `destroy` does not
    list what it removes.
    """
    if (
        options.command not in ("apply", "diff", "destroy")
        or not _has_two_processors()
        or not _has_many_namespaces()
    ):
        return None
    from netorch.errors import NetorchError

    with suppress(NetorchError, OSError, ValueError):
        name = topology_of(options, default_file)
        if name is not None:
            file = default_file if (word := getattr(options, "file", None)) is None else word
            return _start(name, file, removes=options.command == "destroy", brief=brief)
    return None


def begin_later(namespaces: int) -> ForkedReader | None:
    """Return a reader for an apply of so many namespaces, if this saves time.

    It begins when the apply reads many of them, which is after it has made them.
    """
    if namespaces < MANY or not _has_two_processors():
        return None
    from netorch.parallel_reader.reader import ForkedReader

    with suppress(OSError):
        return ForkedReader()
    return None


def topology_of(options: argparse.Namespace, default_file: str) -> str | None:
    """Return the topology that the command line names, or that was applied from its file.

    For another file it is the only topology there is, if the file has its name. Return None if
    that is not certain.
    """
    from netorch.kernel.files import records

    if (
        getattr(options, "all", False)
        or getattr(options, "plan", None) is not None
        or getattr(options, "new", None) is not None
    ):
        return None
    names = records.applied_names()
    override: str | None = getattr(options, "name", None)
    word: str | None = options.target if options.command == "destroy" else options.file
    if override in names:
        return override
    if word in names and not os.path.exists(word):
        return word
    from netorch.kernel.files.topology_files import absolute

    source = absolute(default_file if word is None else word)
    of_source = [name for name in names if _was_applied_from(name, source, override)]
    another = not of_source and override is None and options.command != "destroy"
    if another and _has_name_of_only(names, source):
        return names[0]
    return of_source[0] if len(of_source) == 1 else None


def _has_name_of_only(names: Sequence[str], source: str) -> bool:
    """Tell whether there is one topology only, and its name occurs in this plain file."""
    if len(names) != 1 or not os.path.isfile(source):
        return False
    from netorch.values.limits import MAX_BYTES

    with open(source, "rb") as file:
        return names[0].encode() in file.read(MAX_BYTES)


def _was_applied_from(name: str, source: str, override: str | None) -> bool:
    from netorch.kernel.files import records

    record, _ = records.read_record(name)
    return record is not None and (record.source, record.override) == (source, override)


def _start(name: str, file: str, *, removes: bool, brief: bool) -> ForkedReader | None:
    from netorch.kernel.files import records

    stamp = records.stamp(name)
    record, _ = records.read_record(name)
    if stamp is None or record is None:
        return None
    from netorch.parallel_reader.reader import ForkedReader

    # the fork comes before further imports, so that the child is small
    reader = ForkedReader(stamp)
    try:
        reader.begin(_scope(name, record, file, removes=removes, brief=brief))
    except BaseException:
        reader.close()
        raise
    return reader


def _scope(name: str, record: Record, file: str, *, removes: bool, brief: bool) -> Scope:
    """Return the scope that `netorch.converge` will read if the file has not changed.

    `removes`: for a `destroy`.
    """
    from netorch.values.marks import Mark
    from netorch.values.snapshot import Scope

    return Scope(
        Mark(name).alias,
        sysctls=_settings(name),
        topology=name,
        recorded_filters=record.filters or {},
        neighbours=not removes or record.may_contain("neighbours"),
        static_macs=not removes or record.may_contain("fdb"),
        brief=brief and removes,
        # after another file was compared, the next comparison cannot repeat this one
        answers=not removes and _has_text(file, record.text),
    )


def _has_text(file: str, text: str) -> bool:
    """Tell whether a file has this text. A word that is not a file names a topology."""
    if not os.path.isfile(file):
        return True
    from netorch.values.limits import MAX_BYTES

    with open(file, "rb") as opened:
        return opened.read(MAX_BYTES) == text.encode("utf-8", "surrogateescape")


def _settings(name: str) -> dict[str, tuple[str, ...]]:
    """Return label → the paths of the sysctls that were set there, and of their defaults."""
    from netorch.kernel.files import records
    from netorch.values.sysctl_paths import with_defaults

    settings: dict[str, tuple[str, ...]] = {}
    for label, entries in records.read_sysctls(name)[0].items():
        paths = [path for setting in entries for path in setting if path.startswith("net/")]
        settings[label] = with_defaults(paths)
    return settings


def _has_two_processors() -> bool:
    try:
        return len(os.sched_getaffinity(0)) > 1
    except OSError:
        return False


def _has_many_namespaces() -> bool:
    from netorch.kernel.system.nsfs import RUN_NETNS

    try:
        with os.scandir(RUN_NETNS) as names:
            return sum(1 for _ in names) >= MANY
    except OSError:
        return False
