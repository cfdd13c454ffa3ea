"""Marker files in /run/netorch for directories that netorch made.

netorch removes such a directory again when it is empty.
"""

from __future__ import annotations

import os

RUN_NETORCH = "/run/netorch"


def _path(name: str) -> str:
    return f"{RUN_NETORCH}/.{name}"


def make(path: str, name: str) -> None:
    """Make a directory and its marker file.

    Raise OSError if either fails; then the directory does not exist. Raise FileExistsError if the
    directory already exists.
    """
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
    """Tell whether there is a marker file of this name."""
    return os.path.lexists(_path(name))


def remove(name: str) -> None:
    """Remove a marker file, and /run/netorch if that is empty then."""
    try:
        os.unlink(_path(name))
        os.rmdir(RUN_NETORCH)
    except OSError:
        return
