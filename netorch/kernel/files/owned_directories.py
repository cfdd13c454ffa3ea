"""Notes under /run/netorch about directories that netorch made and therefore removes again when they are empty."""

from __future__ import annotations

import os

RUN_NETORCH = "/run/netorch"


def _path(name: str) -> str:
    return f"{RUN_NETORCH}/.{name}"


def make(path: str, name: str) -> None:
    """Make a directory and note that it is to go again. OSError where either fails, and then it is not there; FileExistsError."""
    os.mkdir(path, 0o755)
    try:
        os.makedirs(RUN_NETORCH, 0o700, exist_ok=True)
        os.close(
            os.open(_path(name), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        )
    except OSError:
        os.rmdir(path)
        raise


def has(name: str) -> bool:
    return os.path.lexists(_path(name))


def remove(name: str) -> None:
    try:
        os.unlink(_path(name))
        os.rmdir(RUN_NETORCH)
    except OSError:
        return
