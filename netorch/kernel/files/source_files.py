"""Reads the files of other tools that `import` converts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from netorch.errors import FileError, Problem
from netorch.kernel.files.topology_files import absolute, folder_of, read_file


class SourceFiles:
    """The files that a user named, and those beside them that they refer to."""

    def __init__(
        self,
        paths: list[str],
        data: dict[str, bytes] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`data` maps the name of a source to its contents, for what is not a file, such as `-`.

        `environment` are the variables of the shell that the files may use.
        """
        self.environment = dict(environment or {})
        self.paths = paths
        """The files and folders that the user named."""
        self.data = data or {}
        first = absolute(paths[0])
        self.folder = first if os.path.isdir(first) else folder_of(first)
        """The folder of the first source."""
        self._root = os.path.realpath(_root(self.folder))

    @property
    def is_folder(self) -> bool:
        """Whether the first source is a folder."""
        return os.path.isdir(self.paths[0])

    def read(self, path: str) -> bytes:
        """Return the contents of a file that the user named. Raise FileError."""
        return self.data[path] if path in self.data else read_file(path)

    def sibling(self, path: str) -> bytes:
        """Return the contents of a file to which a source refers.

        A relative path starts at the folder of the first source. Raise FileError if the file cannot
        be read, or if it is neither below this folder nor in the same work tree of git: a file of
        somebody else may name any path, and messages quote the lines of files.
        """
        place = os.path.realpath(os.path.join(self.folder, path))
        if os.path.commonpath((self._root, place)) != self._root:
            what = f"{path}: the file is not below {self._root}."
            remedy = "Copy it there, or name it as a further SOURCE."
            raise FileError(Problem("file-unreadable", what, None, remedy, path))
        return read_file(place)

    def exists(self, path: str) -> bool:
        """Return whether there is a file at a path, relative to the folder of the first source."""
        return os.path.isfile(os.path.join(self.folder, path))

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the files in a folder, sorted. Empty if it cannot be read."""
        try:
            return sorted(os.listdir(os.path.join(self.folder, folder)))
        except OSError:
            return []


def _root(folder: str) -> str:
    """Return the top of the work tree of git that a folder is in, the folder itself without one."""
    place = folder
    while not os.path.lexists(os.path.join(place, ".git")):
        place, below = os.path.dirname(place), place
        if place == below:
            return folder
    return place
