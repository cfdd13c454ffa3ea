"""The files in /etc/netns/LABEL that `ip netns exec` and netorch put over /etc (ip-netns(8)); one inode for one content."""

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


def _plain(name: str) -> str:
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise OSError(errno.EINVAL, "no plain file name", name)
    return name


def _remove_temporaries(directory: int) -> None:
    """Files that were never renamed to their names: whoever wrote them is gone, since a topology has one writer at a time."""
    for name in os.listdir(directory):
        if TEMPORARY.fullmatch(name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)


def _identity(status: os.stat_result) -> FileIdentity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class EtcFiles:
    """Writes and reads the files; remembers what it wrote, so that the same content again is a hard link."""

    def __init__(self) -> None:
        self._written: dict[str, tuple[str, FileIdentity]] = {}
        self._top = -1

    def close(self) -> None:
        """Let go of /etc/netns, which is kept open from one file to the next."""
        if self._top >= 0:
            os.close(self._top)
            self._top = -1

    def _make_directory(self, label: str) -> bool:
        """See to it that a label has a directory; whether it had to be made. Never through a symbolic link (ELOOP or ENOTDIR then)."""
        _plain(label)
        if self._top < 0:
            with suppress(FileExistsError):
                owned_directories.make(ETC_NETNS, _MARKER)
            self._top = os.open(ETC_NETNS, _DIRECTORY)
        try:
            os.mkdir(label, 0o755, dir_fd=self._top)
        except FileExistsError:
            return False
        except FileNotFoundError:
            # somebody removed the empty directory under us
            self.close()
            return self._make_directory(label)
        return True

    def _open_directory(self, label: str) -> int:
        """The directory of a label; never through a symbolic link (ELOOP or ENOTDIR then)."""
        top = os.open(ETC_NETNS, _DIRECTORY)
        try:
            return os.open(_plain(label), _DIRECTORY, dir_fd=top)
        finally:
            os.close(top)

    def write(self, label: str, name: str, content: str) -> None:
        """Put the file in place in one rename(2); a file of the same content from before is linked to.

        FileExistsError if one is there that does not begin with the same line: somebody else's.
        """
        made = self._make_directory(label)
        if made and self._link(content, f"{label}/{_plain(name)}", self._top):
            # nothing was there to be replaced
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
        temporary = f".{_plain(name)}.netorch-{os.getpid()}"
        try:
            if not self._link(content, temporary, directory):
                self._write(content, temporary, directory)
            try:
                _refuse_others(directory, name, content)
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            finally:
                # rename(2) leaves both names where they are links of one inode already
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
        """Remove the file, and its directory if nothing is left in it."""
        directory = self._open_directory(label)
        try:
            os.unlink(_plain(name), dir_fd=directory)
        finally:
            os.close(directory)
        self.tidy(label)

    def tidy(self, label: str) -> None:
        """Remove what a crash of ours may have left in the label's directory, and the directory if it is empty."""
        path = f"{ETC_NETNS}/{_plain(label)}"
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


def _refuse_others(directory: int, name: str, content: str) -> None:
    mark = content.partition("\n")[0].encode("utf-8", "surrogateescape")
    try:
        fd = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory
        )
    except FileNotFoundError:
        return
    try:
        if os.read(fd, len(mark) + 1).rstrip(b"\n") != mark:
            raise FileExistsError(errno.EEXIST, "somebody wrote it a moment ago")
    finally:
        os.close(fd)


def labels() -> list[str]:
    """The names in /etc/netns, sorted."""
    try:
        return sorted(os.listdir(ETC_NETNS))
    except OSError:
        return []


def read_all(label: str, names: tuple[str, ...], known: dict[FileIdentity, str]) -> dict[str, str]:
    """Name → text of the files that exist, with what a crash of ours left under a temporary name; `known` spares reading an inode twice.

    What is not a plain file in a real directory reads as "\\0" and what it is, which equals no content that netorch writes.
    """
    directory = f"{ETC_NETNS}/{_plain(label)}"
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
        there = os.listdir(directory)
    except OSError as error:
        return dict.fromkeys(names, f"\0{error.strerror}")
    found = {}
    for name in (*names, *filter(TEMPORARY.fullmatch, there)):
        if name not in there:
            continue
        try:
            content = _read(f"{directory}/{_plain(name)}", known)
        except OSError as error:
            content = f"\0{error.strerror}"
        if content is not None:
            found[name] = content
    return found


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
