"""A second process for commands about many namespaces: it reads or makes them while the file is still being loaded.

Which topology it will be is guessed from the command line and the records. A wrong guess costs the time of a processor that had nothing
to do: what is read is used only where it is what is asked for, and what was made without a use is gone with the command.
"""

from __future__ import annotations

import argparse
import os
import re
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from netorch.cli import DEFAULT
from netorch.cli.glance import beginning
from netorch.kernel import MANY
from netorch.values.sysctl_paths import with_defaults

if TYPE_CHECKING:
    from netorch.kernel.files.records import Stamp
    from netorch.kernel.spares import Spares
    from netorch.kernel.twin import Twin, Work

_NAME = re.compile(rb"""^name:[ \t]*["']?([a-z0-9-]+)""", re.MULTILINE)
_NODES = re.compile(rb"^nodes:[ \t]*\r?\n((?:[ \t#].*(?:\n|\Z)|\r?\n)*)", re.MULTILINE)
_KEYS = re.compile(rb"""^( +)["']?([^\s#"'{}-][^\s#"'{}:]*)["']?:""", re.MULTILINE)
_RANGE = re.compile(rb"\[([0-9]{1,6})-([0-9]{1,6})\]")


class Ahead:
    """`twin`: the process that reads, if there is one. `stamp`: of the topology's lock, when it began. `spares`: those made."""

    def __init__(
        self, twin: Twin | None = None, stamp: Stamp | None = None, spares: Spares | None = None
    ) -> None:
        self.twin = twin
        self.stamp = stamp
        self.spares = spares

    def close(self) -> None:
        for process in (self.twin, self.spares):
            if process is not None:
                process.close()


def begin(options: argparse.Namespace) -> Ahead:
    """Start on what a command line will ask for, if that can be guessed and is much."""
    if options.command not in ("apply", "diff", "destroy") or not _has_a_processor_to_spare():
        return Ahead()
    from netorch.errors import NetorchError

    with suppress(NetorchError, OSError, ValueError):
        there = _many_are_there()
        if there and (name := _meant(options)) is not None:
            return _reading(name, options)
        if (count := _wanted(options)) >= MANY and (there or _meant(options) is None):
            return Ahead(spares=_made(count))
    return Ahead()


def _reading(name: str, options: argparse.Namespace) -> Ahead:
    from netorch.kernel.files import records

    stamp = records.stamp(name)
    record, _ = records.read_record(name)
    twin = _started() if stamp is not None and record is not None else None
    if record is None or twin is None:
        return Ahead()
    from netorch.kernel.twin import order
    from netorch.values.marks import Mark
    from netorch.values.snapshot import Scope

    # as netorch.converge.compare asks for them, if the file still says the same
    scope = Scope(
        Mark(name).alias,
        sysctls=_settings(name),
        topology=name,
        neighbours=record.may_say("neighbours"),
        static_macs=record.may_say("fdb"),
        brief=options.command == "destroy" and nothing_is_told(options),
    )
    try:
        twin.begin(order(scope))
    except BaseException:
        twin.close()
        raise
    return Ahead(twin, stamp)


def _settings(name: str) -> dict[str, tuple[str, ...]]:
    """Label → the settings that were made there, and where their defaults stand."""
    from netorch.kernel.files import records

    found: dict[str, tuple[str, ...]] = {}
    for label, entries in records.read_sysctls(name)[0].items():
        paths = [path for setting in entries for path in setting if path.startswith("net/")]
        found[label] = with_defaults(paths)
    return found


def _wanted(options: argparse.Namespace) -> int:
    """About how many namespaces a command may have to make. For one that is to be confirmed none is made ahead, since it forks too."""
    if (
        options.command != "apply"
        or options.dry_run
        or options.plan is not None
        or options.confirm_within is not None
    ):
        return 0
    return nodes_said(beginning(Path(DEFAULT if options.file is None else options.file)))


def _made(count: int) -> Spares | None:
    from netorch.kernel.spares import Spares, affordable

    return Spares(count) if affordable(count) else None


def nodes_said(text: bytes) -> int:
    """About how many nodes a file speaks of, its ranges counted: the keys below `nodes`, if each stands in a line of its own."""
    section = _NODES.search(text)
    if section is None:
        return 0
    keys = _KEYS.findall(section[1])
    outermost = min((len(indent) for indent, _ in keys), default=0)
    return sum(_size(key) for indent, key in keys if len(indent) == outermost)


def _size(key: bytes) -> int:
    return prod(max(0, int(last) - int(first) + 1) for first, last in _RANGE.findall(key))


def nothing_is_told(options: argparse.Namespace) -> bool:
    """Whether nobody is to hear what goes, beside errors."""
    return bool(options.quiet) and options.output != "json"


def _has_a_processor_to_spare() -> bool:
    return len(os.sched_getaffinity(0)) > 1


def _many_are_there() -> bool:
    try:
        with os.scandir("/run/netns") as names:
            return sum(1 for _ in names) >= MANY
    except OSError:
        return False


def _started() -> Twin | None:
    from netorch.kernel.twin import Twin

    def ready() -> Work:
        from netorch.kernel.reader import read_along

        return read_along

    with suppress(OSError):
        return Twin(ready)
    return None


def _meant(options: argparse.Namespace) -> str | None:
    """The topology that was applied from the file of the command line, or that is named there; None if that is not sure."""
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
    path = Path(DEFAULT if word is None else word).absolute()
    of_source = [name for name in names if _applied_from(name, str(path), override)]
    if len(of_source) == 1:
        return of_source[0]
    said = _NAME.search(beginning(path)) if override is None else None
    return found if said is not None and (found := said[1].decode()) in names else None


def _applied_from(name: str, source: str, override: str | None) -> bool:
    from netorch.kernel.files import records

    record, _ = records.read_record(name)
    return record is not None and (record.source, record.override) == (source, override)
