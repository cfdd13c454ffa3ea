"""Reads topology files, and finds their absolute paths.

It imports the errors only where one is raised, because that takes longer than reading a file.
"""

from __future__ import annotations

import os

from netorch.values.limits import MAX_BYTES

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from os import PathLike


def absolute(path: str | PathLike[str]) -> str:
    """Return the absolute path, without `.` and double slashes.

    Raise FileError if it depends on a folder that no longer exists.
    """
    text = os.fspath(path)
    try:
        parts = (text if text.startswith("/") else f"{os.getcwd()}/{text}").split("/")
    except FileNotFoundError:
        from netorch.errors import FileError, Problem

        what = "the current folder no longer exists."
        remedy = "Change to another folder: `cd /`."
        raise FileError(Problem("file-not-found", what, None, remedy, text, "cd /")) from None
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def folder_of(path: str) -> str:
    """Return the folder of a file with an absolute path."""
    return path.rpartition("/")[0] or "/"


def read_file(path: str | PathLike[str]) -> bytes:
    """Return a file's bytes. Raise FileError if it cannot be read or is too large."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        from netorch.errors import FileError, Problem

        code = "file-not-found" if isinstance(error, FileNotFoundError) else "file-unreadable"
        remedy = (
            "Name a file in it. `netorch import` also takes the folder of a lab of Kathara."
            if isinstance(error, IsADirectoryError)
            else ""
        )
        raise FileError(
            Problem(code, f"{name}: {error.strerror}.", None, remedy, object=name)
        ) from None
    except ValueError:
        from netorch.errors import FileError, Problem

        raise FileError(
            Problem("bad-file-name", f"{name!r} is not a file name.", object=name)
        ) from None
    return not_too_large(name, data)


def not_too_large(name: str, data: bytes) -> bytes:
    """Return the first bytes of a file. Raise FileError if they are more than a file may have."""
    if len(data) > MAX_BYTES:
        from netorch.errors import FileError, Problem

        raise FileError(
            Problem("file-too-large", f"{name}: the file is larger than 10 MB.", object=name)
        )
    return data
