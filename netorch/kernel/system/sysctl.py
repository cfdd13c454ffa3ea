"""Sysctls of the namespace that the thread is in, as files below /proc/sys (sysctl(8), proc(5))."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from netorch.kernel.system.procfs import PROC_SYS, Procfs


def _checked(path: str) -> str:
    if any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        raise OSError(errno.EINVAL, "no path of a sysctl", path)
    return path


def _open(path: str, flags: int, proc: Procfs | None) -> int:
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    return (
        os.open(PROC_SYS + _checked(path), flags)
        if proc is None
        else proc.open(_checked(path), flags)
    )


def squeeze(value: str) -> str:
    """The value as netorch compares it: no white space around it, single spaces within."""
    return " ".join(value.split())


def read(path: str, proc: Procfs | None = None) -> str:
    """The value of `path` (below /proc/sys, with slashes); OSError if there is none or it cannot be read.

    `proc`, here and below: what to open it through, worth it for many namespaces.
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
    """Write `value` if it is not there already: writing below /proc/sys/net is slow with many namespaces."""
    try:
        if read(path, proc) == squeeze(value):
            return
    except PermissionError:
        pass  # some can only be written
    put(path, value, proc)


def put(path: str, value: str, proc: Procfs | None = None) -> None:
    """Write `value` without a look at what is there."""
    fd = _open(path, os.O_WRONLY, proc)
    try:
        os.write(fd, value.encode("utf-8", "surrogateescape") + b"\n")
    finally:
        os.close(fd)


def write_all(paths: tuple[str, ...], value: str, proc: Procfs | None = None) -> None:
    """Write to each path that exists; FileNotFoundError if none does."""
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
    """Name → value of all settings in a directory that can be read; nothing without it."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for name in sorted(os.listdir(PROC_SYS + _checked(path))):
            with suppress(OSError):
                found[name] = read(f"{path}/{name}")
    return found


def read_all(paths: tuple[str, ...], proc: Procfs | None = None) -> dict[str, str]:
    """The values of those paths that can be read."""
    found = {}
    for path in paths:
        try:
            found[path] = read(path, proc)
        except OSError:
            continue
    return found
