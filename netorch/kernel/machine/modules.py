"""Lists the kernel's modules from files (modules.dep(5)), without loading any."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress

from netorch.immutable import Value

_FOLDERS = ("/lib/modules", "/usr/lib/modules")
_SETTINGS = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
_FILE = re.compile(r"([^/\s]+)\.ko(?:\.(?:gz|xz|zst))?$")
_BARRED = re.compile(r"\s*(?:blacklist\s+(\S+)|install\s+(\S+)\s+\S*/(?:true|false)\b)")


class Modules(Value):
    """Names of modules, as lsmod(8) prints them."""

    present: frozenset[str] = frozenset()
    """Modules that are built in or loaded."""
    loadable: frozenset[str] = frozenset()
    """Modules that the kernel would load on demand."""


def read() -> Modules:
    """List the modules of the running kernel."""
    release = os.uname().release
    listed: set[str] = set()
    builtin: set[str] = set()
    for folder in _FOLDERS:
        listed |= {
            name
            for line in _lines(f"{folder}/{release}/modules.dep")
            if (name := _name(line.partition(":")[0]))
        }
        builtin |= {
            name for line in _lines(f"{folder}/{release}/modules.builtin") if (name := _name(line))
        }
    loaded = {line.split(" ", 1)[0] for line in _lines("/proc/modules")}
    present = frozenset(builtin | loaded)
    frozen = "1" in _lines("/proc/sys/kernel/modules_disabled")
    return Modules(present, frozenset() if frozen else frozenset(listed - _barred()) - present)


def _barred() -> set[str]:
    """Return the modules that modprobe.d(5) forbids to load on demand."""
    barred: set[str] = set()
    for folder in _SETTINGS:
        names: list[str] = []
        with suppress(OSError):
            names = [name for name in os.listdir(folder) if name.endswith(".conf")]
        for name in names:
            for line in _lines(f"{folder}/{name}"):
                if match := _BARRED.match(line):
                    barred.add((match[1] or match[2]).replace("-", "_"))
    return barred


def _name(path: str) -> str:
    match = _FILE.search(path.strip())
    return match[1].replace("-", "_") if match else ""


def _lines(path: str) -> Iterator[str]:
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            yield line.rstrip("\n")
