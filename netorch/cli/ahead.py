"""A second process for commands about many namespaces: it reads them while the file is still being loaded.

Which topology it will be is guessed from the command line and the records. A wrong guess costs the time of a processor that had nothing
to do: what is read is used only where it is what is asked for.
"""

from __future__ import annotations

import argparse
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from netorch.kernel import MANY

if TYPE_CHECKING:
    from netorch.kernel.records import Stamp
    from netorch.kernel.twin import Twin, Work

DEFAULT = "topo.yaml"
_NAME = re.compile(rb"""^name:[ \t]*["']?([a-z0-9-]+)""", re.MULTILINE)
_LOOKED_AT = 1 << 16
"""Bytes of a file."""


class Ahead:
    """`twin`: the process, if there is one. `stamp`: of the topology's lock, when it began to read."""

    def __init__(self, twin: Twin | None = None, stamp: Stamp | None = None) -> None:
        self.twin = twin
        self.stamp = stamp

    def close(self) -> None:
        if self.twin is not None:
            self.twin.close()


def begin(options: argparse.Namespace) -> Ahead:
    """Start to read the namespaces of the topology that a command line speaks of, if that is known and there are many."""
    if options.command not in ("apply", "diff", "destroy") or not _has_a_processor_to_spare() or not _many_are_there():
        return Ahead()
    from netorch.errors import NetorchError
    from netorch.kernel import records

    with suppress(NetorchError, OSError, ValueError):
        name = _meant(options)
        stamp = records.stamp(name) if name is not None else None
        record = records.read_record(name)[0] if name is not None else None
        twin = _started() if record is not None and stamp is not None else None
        if name is not None and record is not None and twin is not None:
            from netorch.kernel.twin import order
            from netorch.marks import Mark
            from netorch.snapshot import Scope

            # as netorch.look asks for them, if the file still says the same
            found = {word: word in record.text for word in ("neighbours", "fdb")}
            scope = Scope(Mark(name).alias, topology=name, neighbours=found["neighbours"], static_macs=found["fdb"])
            twin.begin(order(scope))
            return Ahead(twin, stamp)
    return Ahead()


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
    from netorch.kernel import records

    if getattr(options, "all", False) or getattr(options, "plan", None) is not None or getattr(options, "new", None) is not None:
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
    said = _NAME.search(_beginning(path)) if override is None else None
    return found if said is not None and (found := said[1].decode()) in names else None


def _beginning(path: Path) -> bytes:
    """Of a plain file: from anything else one could not read again."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(_LOOKED_AT)


def _applied_from(name: str, source: str, override: str | None) -> bool:
    from netorch.kernel import records

    record, _ = records.read_record(name)
    return record is not None and (record.source, record.override) == (source, override)
