"""Files in /etc/netns/LABEL, which `ip netns exec` and netorch mount over /etc (ip-netns(8)).

Files with the same content share one inode.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress

from netorch.kernel.files import owned_directories

ETC_NETNS = "/etc/netns"
_MARKER = "made-etc-netns"
NAMES = ("hosts", "resolv.conf")
"""The files that netorch writes."""

TEMPORARY = re.compile(r"\.(hosts|resolv\.conf)\.netorch-\d+")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FileIdentity = tuple[int, int, int, int]
"""Device, inode, size in bytes and modification time in nanoseconds of a file."""


def _plain_name(name: str) -> str:
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise OSError(errno.EINVAL, "is not a plain file name", name)
    return name


def _remove_temporaries(directory: int) -> None:
    """Remove files that were never renamed to their final names.

    Their writer is gone, because a topology has one writer at a time.
    """
    for name in os.listdir(directory):
        if TEMPORARY.fullmatch(name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)


def _identity(status: os.stat_result) -> FileIdentity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class EtcFiles:
    """Writes and deletes the files.

    It remembers what it wrote, and makes another file with the same content a hard link.
    """

    def __init__(self) -> None:
        self._written: dict[str, tuple[str, FileIdentity]] = {}
        self._top = -1

    def close(self) -> None:
        """Close the directory /etc/netns, which stays open from one file to the next."""
        if self._top >= 0:
            os.close(self._top)
            self._top = -1

    def _make_directory(self, label: str) -> bool:
        """Make the directory of a label if there is none, and tell whether it was made.

        Symbolic links are not followed: they raise OSError with ELOOP or ENOTDIR.
        """
        _plain_name(label)
        if self._top < 0:
            with suppress(FileExistsError):
                owned_directories.make(ETC_NETNS, _MARKER)
            self._top = os.open(ETC_NETNS, _DIRECTORY)
        try:
            os.mkdir(label, 0o755, dir_fd=self._top)
        except FileExistsError:
            return False
        except FileNotFoundError:
            # another process removed the empty /etc/netns meanwhile
            self.close()
            return self._make_directory(label)
        return True

    def _open_directory(self, label: str) -> int:
        """Open the directory of a label.

        Symbolic links are not followed: they raise OSError with ELOOP or ENOTDIR.
        """
        top = os.open(ETC_NETNS, _DIRECTORY)
        try:
            return os.open(_plain_name(label), _DIRECTORY, dir_fd=top)
        finally:
            os.close(top)

    def write(self, label: str, name: str, content: str) -> None:
        """Put a file in place with one rename(2), or link it to an earlier one of the same content.

        Raise FileExistsError if there is a foreign file, which does not begin with the same line.
        """
        made = self._make_directory(label)
        if made and self._link(content, f"{label}/{_plain_name(name)}", self._top):
            # the directory is new, so there is no file to replace
            return
        try:
            self._replace(label, name, content)
        except BaseException:
            if made:
                with suppress(OSError):
                    os.rmdir(label, dir_fd=self._top)
            raise

    def _replace(self, label: str, name: str, content: str) -> None:
        directory = os.open(label, _DIRECTORY, dir_fd=self._top)
        temporary = f".{_plain_name(name)}.netorch-{os.getpid()}"
        try:
            if not self._link(content, temporary, directory):
                self._write(content, temporary, directory)
            try:
                _refuse_foreign(directory, name, content)
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            finally:
                # rename(2) does nothing if both names are links to the same inode
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=directory)
            self._written[content] = (f"{ETC_NETNS}/{label}/{name}", _identity(status))
        finally:
            os.close(directory)

    def _link(self, content: str, temporary: str, directory: int) -> bool:
        known = self._written.get(content)
        if known is None:
            return False
        path, identity = known
        try:
            if _identity(os.lstat(path)) != identity:
                return False
            os.link(path, temporary, dst_dir_fd=directory, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _write(self, content: str, temporary: str, directory: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(temporary, flags, 0o644, dir_fd=directory)
        except FileExistsError:
            _remove_temporaries(directory)
            fd = os.open(temporary, flags, 0o644, dir_fd=directory)
        try:
            with open(fd, "wb") as file:
                os.fchmod(fd, 0o644)
                file.write(content.encode("utf-8", "surrogateescape"))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise

    def delete(self, label: str, name: str) -> None:
        """Remove a file, and its directory if that is empty then."""
        directory = self._open_directory(label)
        try:
            os.unlink(_plain_name(name), dir_fd=directory)
        finally:
            os.close(directory)
        self.tidy(label)

    def tidy(self, label: str) -> None:
        """Remove a label's directory if it holds nothing but temporary files that a crash left.

        If it holds other files too, only the temporary ones are removed.
        """
        path = f"{ETC_NETNS}/{_plain_name(label)}"
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                return
            with suppress(OSError):
                directory = self._open_directory(label)
                try:
                    _remove_temporaries(directory)
                    os.rmdir(path)
                finally:
                    os.close(directory)

    def finish(self) -> None:
        """Remove /etc/netns if it is empty and netorch made it."""
        if owned_directories.has(_MARKER):
            with suppress(OSError):
                os.rmdir(ETC_NETNS)
                owned_directories.remove(_MARKER)


def _refuse_foreign(directory: int, name: str, content: str) -> None:
    mark = content.partition("\n")[0].encode("utf-8", "surrogateescape")
    try:
        fd = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory
        )
    except FileNotFoundError:
        return
    try:
        if os.read(fd, len(mark) + 1).rstrip(b"\n") != mark:
            raise FileExistsError(errno.EEXIST, "another program wrote this file a moment ago")
    finally:
        os.close(fd)


def labels() -> list[str]:
    """Return the sorted names in /etc/netns."""
    try:
        return sorted(os.listdir(ETC_NETNS))
    except OSError:
        return []


def read_all(label: str, names: tuple[str, ...], known: dict[FileIdentity, str]) -> dict[str, str]:
    """Return name → text of the files of a label that exist.

    This includes files that a crash left under a temporary name. Anything but a plain file in a
    real directory gets the text "\\0" followed by a description, which netorch never writes as
    content.

    `known` has the texts that were read before. The function adds to it, so that no inode is read
    twice.
    """
    directory = f"{ETC_NETNS}/{_plain_name(label)}"
    for part in (ETC_NETNS, directory):
        try:
            status = os.lstat(part)
        except FileNotFoundError:
            return {}
        except OSError as error:
            return dict.fromkeys(names, f"\0{error.strerror}")
        if not stat.S_ISDIR(status.st_mode):
            return dict.fromkeys(names, f"\0{part} is not a directory")
    try:
        present = os.listdir(directory)
    except OSError as error:
        return dict.fromkeys(names, f"\0{error.strerror}")
    texts = {}
    for name in (*names, *filter(TEMPORARY.fullmatch, present)):
        if name not in present:
            continue
        try:
            content = _read(f"{directory}/{_plain_name(name)}", known)
        except OSError as error:
            content = f"\0{error.strerror}"
        if content is not None:
            texts[name] = content
    return texts


def _read(path: str, known: dict[FileIdentity, str]) -> str | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return f"\0{path} is not a plain file"
    content = known.get(_identity(status))
    if content is None:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            content = known[_identity(os.fstat(fd))] = file.read().decode(
                "utf-8", "surrogateescape"
            )
    return content
