"""Which topology a command line is about, guessed before its file is read.

A wrong guess costs the time of a processor that had nothing to do: what is read is used only where
it is what the command asks for.
"""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netorch.kernel.files.records import Record
    from netorch.parallel_reader.reader import ForkedReader
    from netorch.values.snapshot import Scope

MANY = 100
"""The number of namespaces from which on reading them takes longer than starting a process."""


def begin(options: argparse.Namespace, default_file: str, *, brief: bool) -> ForkedReader | None:
    """Start to read what a command line will ask for, if that can be guessed and is much.

    `default_file`: the file of a command that names none. `brief`: whether a `destroy` lists
    nothing of what it removes.
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
            return _start(name, brief=brief and options.command == "destroy")
    return None


def topology_of(options: argparse.Namespace, default_file: str) -> str | None:
    """The topology that was applied from the file of the command line, or that is named there; None
    if that is not sure.
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
    if word in names and not Path(word).exists():
        return word
    source = str(Path(default_file if word is None else word).absolute())
    of_source = [name for name in names if _was_applied_from(name, source, override)]
    return of_source[0] if len(of_source) == 1 else None


def _was_applied_from(name: str, source: str, override: str | None) -> bool:
    from netorch.kernel.files import records

    record, _ = records.read_record(name)
    return record is not None and (record.source, record.override) == (source, override)


def _start(name: str, *, brief: bool) -> ForkedReader | None:
    from netorch.kernel.files import records

    stamp = records.stamp(name)
    record, _ = records.read_record(name)
    if stamp is None or record is None:
        return None
    from netorch.parallel_reader.reader import ForkedReader

    # the fork comes before more is imported, so that the child is small
    reader = ForkedReader(stamp)
    try:
        reader.begin(_scope(name, record, brief=brief))
    except BaseException:
        reader.close()
        raise
    return reader


def _scope(name: str, record: Record, *, brief: bool) -> Scope:
    """What `netorch.converge.compare` will ask for if the file still says the same."""
    from netorch.values.marks import Mark
    from netorch.values.snapshot import Scope

    return Scope(
        Mark(name).alias,
        sysctls=_settings(name),
        topology=name,
        recorded_filters=record.filters or {},
        neighbours=record.may_contain("neighbours"),
        static_macs=record.may_contain("fdb"),
        brief=brief,
    )


def _settings(name: str) -> dict[str, tuple[str, ...]]:
    """Label → the settings that were made there, and where their defaults stand."""
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
    try:
        with os.scandir("/run/netns") as names:
            return sum(1 for _ in names) >= MANY
    except OSError:
        return False
