"""Read and write sysctls of the thread's namespace, as files below /proc/sys.

See sysctl(8) and proc(5).
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from netorch.kernel.system.procfs import PROC_SYS, Procfs


def _checked(path: str) -> str:
    if any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        raise OSError(errno.EINVAL, "not the path of a sysctl", path)
    return path


def _open(path: str, flags: int, proc: Procfs | None) -> int:
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    return (
        os.open(PROC_SYS + _checked(path), flags)
        if proc is None
        else proc.open(_checked(path), flags)
    )


def squeeze(value: str) -> str:
    """Return the value as netorch compares it: trimmed, and with single spaces within."""
    return " ".join(value.split())


def read(path: str, proc: Procfs | None = None) -> str:
    """Return the value of `path`, which is relative to /proc/sys and has slashes.

    Raise OSError if there is no such sysctl or it cannot be read. Here and below, `proc` is used to
    open the file; it saves time with many namespaces.
    """
    fd = _open(path, os.O_RDONLY, proc)
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
    finally:
        os.close(fd)
    return squeeze(b"".join(parts).decode("utf-8", "surrogateescape"))


def write(path: str, value: str, proc: Procfs | None = None) -> None:
    """Write `value` unless the sysctl has it, because writing below /proc/sys/net is slow with many
    namespaces.
    """
    try:
        if read(path, proc) == squeeze(value):
            return
    except PermissionError:
        pass  # some sysctls can only be written
    put(path, value, proc)


def put(path: str, value: str, proc: Procfs | None = None) -> None:
    """Write `value` without reading the present one."""
    fd = _open(path, os.O_WRONLY, proc)
    try:
        os.write(fd, value.encode("utf-8", "surrogateescape") + b"\n")
    finally:
        os.close(fd)


def write_all(paths: tuple[str, ...], value: str, proc: Procfs | None = None) -> None:
    """Write `value` to each path that exists. Raise FileNotFoundError if none does."""
    missing = 0
    for path in paths:
        try:
            write(path, value, proc)
        except FileNotFoundError:
            missing += 1
    if paths and missing == len(paths):
        raise FileNotFoundError(
            errno.ENOENT, "this kernel, or this namespace, has no such sysctl", paths[0]
        )


def read_folder(path: str) -> dict[str, str]:
    """Return name → value of all readable settings in a directory.

    The result is empty if there is no such directory.
    """
    values: dict[str, str] = {}
    with suppress(OSError):
        for name in sorted(os.listdir(PROC_SYS + _checked(path))):
            with suppress(OSError):
                values[name] = read(f"{path}/{name}")
    return values


def read_tree(path: str) -> dict[str, str]:
    """Return path → value of all readable settings below a directory."""
    values: dict[str, str] = {}
    for folder, _, names in os.walk(PROC_SYS + _checked(path)):
        for name in sorted(names):
            place = f"{folder}/{name}".removeprefix(PROC_SYS)
            with suppress(OSError):
                values[place] = read(place)
    return values


def read_all(paths: tuple[str, ...], proc: Procfs | None = None) -> dict[str, str]:
    """Return path → value for the paths that can be read."""
    values = {}
    for path in paths:
        try:
            values[path] = read(path, proc)
        except OSError:
            continue
    return values
