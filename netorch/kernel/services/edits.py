"""Writes and removes files below /etc: all of them, or none."""

from __future__ import annotations

import os
from contextlib import suppress

from netorch.errors import NetorchError, Problem


def read(path: str) -> bytes | None:
    """Return the content of a file, or None if there is none. Raise NetorchError otherwise."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(os.open(path, flags), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refusal(path, error, "read") from None


class Edits:
    """Changes of files, which `undo` takes back."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[bytes, int] | None] = {}
        self._folders: list[str] = []

    @property
    def has_changed(self) -> bool:
        """Whether any file was changed."""
        return bool(self._before)

    def write(self, path: str, data: bytes, mode: int) -> None:
        """Replace a file in one step, unless it has this content already."""
        before = read(path)
        if before == data:
            return
        try:
            self._make_folder(os.path.dirname(path))
            self._note(path, before)
            _replace(path, data, mode)
        except OSError as error:
            raise _refusal(path, error, "written") from None

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        before = read(path)
        if before is None:
            return
        try:
            self._note(path, before)
            os.unlink(path)
        except OSError as error:
            raise _refusal(path, error, "removed") from None

    def undo(self) -> None:
        """Restore what was there before."""
        for path, before in reversed(self._before.items()):
            with suppress(OSError):
                if before is None:
                    os.unlink(path)
                else:
                    _replace(path, *before)
        self._before = {}
        for folder in reversed(self._folders):
            remove_folder(folder)

    def _note(self, path: str, before: bytes | None) -> None:
        if path not in self._before:
            self._before[path] = (
                None if before is None else (before, os.stat(path).st_mode & 0o7777)
            )

    def _make_folder(self, folder: str) -> None:
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o755)
            self._folders.append(folder)


def remove_folder(path: str) -> None:
    """Remove a folder if it is empty."""
    with suppress(OSError):
        os.rmdir(path)


def _replace(path: str, data: bytes, mode: int) -> None:
    new = f"{path}.netorch-new"
    with suppress(FileNotFoundError):
        os.unlink(new)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(new, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            # because the machine may lose power before it starts with these files
            os.fsync(file.fileno())
        os.rename(new, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(new)


def _refusal(path: str, error: OSError, verb: str) -> NetorchError:
    what = f"{path} cannot be {verb}: {error.strerror}."
    return NetorchError(Problem("file-unwritable", what, object=path))
