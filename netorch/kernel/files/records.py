"""Locks and records of topologies in /run/netorch.

A record holds what no mark in the kernel can hold: the topology file, and the original values of
sysctls.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from textwrap import shorten
from typing import Any

from msgspec import convert, to_builtins

from netorch.errors import OWN_NETWORK, LockedError, NetorchError, Problem
from netorch.immutable import Value
from netorch.kernel.files import state_cache
from netorch.kernel.files.file_types import type_text
from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.kernel.system.error_text import MORE_FILES
from netorch.values.marks import PROTOCOLS
from netorch.values.ownership import Ownership
from netorch.values.typed_json import decode, encode

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = state_cache.READ
_TOPOLOGY, _META = state_cache.TOPOLOGY, state_cache.META
_SYSCTLS, _OWNERSHIP = state_cache.SYSCTLS, state_cache.OWNERSHIP
INTENDED = "intended.json"
"""The file of the deviations that users want. See `netorch.converge.intended`."""

Originals = Mapping[str, Mapping[tuple[str, ...], tuple[tuple[int, int], tuple[str, ...]]]]
"""Label → paths of a setting below /proc/sys → (inode of the namespace it was read in, values).

A single value is that of all paths; otherwise there is one value for each path. In the file, spaces
separate the paths and ` | ` separates the values.
"""
_AND = " | "


class Record(Value):
    """What was applied last."""

    text: str
    """The text of the topology file."""
    source: str
    """The path of the topology file, or `-` for the standard input."""
    variables: Mapping[str, str]
    """The variables that were given."""
    override: str | None
    """The topology's name if one was given instead of the file's."""
    applied: float
    """The time of the apply, in seconds since 1970."""
    version: str
    """The version of netorch."""
    folder: str = ""
    """The folder from which relative paths in the file count."""
    namespaces: tuple[str, ...] | None = None
    """Names of its namespaces in /run/netns; None in a record of a version that wrote none."""
    filters: Mapping[str, str] | None = None
    """Label → the backend of its packet filter.

    None in a record of a version that put no marks on tables and chains.
    """
    machine: str = ""
    """The machine whose part was applied, "" if the file has no `hosts`."""

    def may_contain(self, word: str) -> bool:
        """Tell whether the text may contain a word.

        It may if the text is UTF-16 or has escapes, because then it cannot be searched as it is.
        """
        return word in self.text or "\0" in self.text or "\\" in self.text


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NetorchError(
            Problem(
                "bad-topology-name",
                f"{name!r} is not a name of a topology. Use at most 32 lower case letters, digits "
                "and inner hyphens.",
                object=name,
            )
        )
    return name


_NOT_ROOT = f"netorch needs root, or a /run of its own: {OWN_NETWORK}"

_FULL = "Make room in the file system of /run: `df /run` and `df -i /run` show the free space."
_READ_ONLY = f"Run netorch where /run can be written, or in a /run of its own: {OWN_NETWORK}"
_BROKEN = "Look for the cause in the kernel's log: `dmesg | tail`."

_REMEDIES = {
    errno.EACCES: ("not-root", _NOT_ROOT),
    errno.EPERM: ("not-root", _NOT_ROOT),
    errno.EMFILE: ("file-limit", MORE_FILES),
    errno.ENFILE: ("file-limit", MORE_FILES),
    errno.ENOSPC: ("no-space", _FULL),
    errno.EDQUOT: ("no-space", _FULL),
    errno.EFBIG: ("no-space", "Raise the limit of a file's size (ulimit -f)."),
    errno.EROFS: ("records-unreadable", _READ_ONLY),
    errno.EIO: ("records-unreadable", _BROKEN),
}
"""errno → code and remedy."""


def refusal(error: OSError, path: str = RUN_NETORCH) -> NetorchError:
    """Return the error for a file below /run/netorch that cannot be used.

    `path` is the file's path, for an `error` that does not name one.
    """
    path = f"{error.filename or path}"
    if not path.startswith("/"):
        path = f"{RUN_NETORCH}/{path}"
    move_away = f"Move away what is there: `mv {path} {path}.old`."
    code, remedy = _REMEDIES.get(error.errno or 0, ("records-unreadable", move_away))
    what = f"{path}: {error.strerror}."
    return NetorchError(Problem(code, what, remedy=remedy, object=path))


def _top(make: bool) -> int:
    """Open /run/netorch, after making it if `make` is true.

    Raise FileNotFoundError if it does not exist, NetorchError if other users may write in it.
    """
    if make:
        with suppress(FileExistsError):
            os.mkdir(RUN_NETORCH, 0o700)
    top = os.open(RUN_NETORCH, _DIRECTORY)
    problem = _distrusted(os.fstat(top))
    if problem is not None:
        os.close(top)
        raise NetorchError(problem)
    return top


def _distrusted(status: os.stat_result) -> Problem | None:
    """Return a problem if other users can write in the directory; None if only this user can."""
    if state_cache.is_trusted(status):
        return None
    if status.st_uid != os.geteuid():
        what = (
            f"{RUN_NETORCH} belongs to user {status.st_uid}, so netorch cannot trust its content."
        )
        remedy = "Find out who made it, and remove it."
        return Problem("records-unreadable", what, remedy=remedy, object=RUN_NETORCH)
    mode = stat.S_IMODE(status.st_mode)
    what = (
        f"{RUN_NETORCH} can be written by other users (mode {mode:o}), so netorch cannot trust its "
        "content."
    )
    command = f"chmod go-w {RUN_NETORCH}"
    remedy = f"Find out who wrote there, then take the right away: `{command}`."
    return Problem("records-unreadable", what, remedy=remedy, object=RUN_NETORCH, command=command)


def require_usable_path(name: str) -> None:
    """Raise NetorchError if something that is not a directory is in the place of a record.

    netorch could not write the record there.
    """
    path = f"{RUN_NETORCH}/{_checked(name)}"
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISDIR(mode):
        what = f"{path} is {type_text(mode)}, not the directory of netorch's record."
        remedy = "Find out what it is, and remove it."
        raise NetorchError(Problem("records-unreadable", what, remedy=remedy, object=path))


class Holder(Value):
    """The process that holds a lock. It writes this into the lock file."""

    pid: int
    command: str
    since: float
    """The time at which the process took the lock, in seconds since 1970."""

    @property
    def text(self) -> str:
        """The process and its command for a message."""
        since = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} ({self.command}), since {since}"


def _holder(fd: int) -> str:
    try:
        return decode(os.pread(fd, 65536, 0), Holder).text
    except (ValueError, OSError):
        return "another process"


def last_holder(name: str) -> Holder | None:
    """Return the process that holds the topology's lock, or held it last; None if not known."""
    try:
        fd = os.open(f"{RUN_NETORCH}/{_checked(name)}.lock", _READ)
    except OSError:
        return None
    try:
        return decode(os.pread(fd, 65536, 0), Holder)
    except (ValueError, OSError):
        return None
    finally:
        os.close(fd)


def _command() -> str:
    try:
        with open("/proc/self/cmdline", "rb") as file:
            words = file.read(4096).replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return "?"
    line = "".join(letter if letter.isprintable() else " " for letter in words)
    return shorten(line, 100, placeholder=" …") or "?"


def _open_lock(file: str) -> int:
    for _ in range(100):
        try:
            top = _top(make=True)
        except FileNotFoundError:
            continue  # another process removed the empty directory before it was opened
        try:
            return os.open(
                file,
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                0o600,
                dir_fd=top,
            )
        except FileNotFoundError:
            continue  # another process removed the empty directory after it was opened
        finally:
            os.close(top)
    raise OSError(errno.EAGAIN, "is removed and made again all the time", RUN_NETORCH)


def _open_plain_lock(file: str) -> int:
    """Open the lock file. Raise OSError if it is not a plain file and so cannot name its holder."""
    fd = _open_lock(file)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "is not a plain file", f"{RUN_NETORCH}/{file}")
    return fd


def _acquire(name: str, timeout: float) -> int:
    """Open and lock the lock file (flock(2)). A file that was unlinked meanwhile does not count."""
    file, deadline = f"{name}.lock", time.monotonic() + timeout
    tries = 0
    while True:
        fd = _open_plain_lock(file)
        # at the first try the holder may be a process that reads the stamp, and lets go at once
        tries += 1
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.lstat(f"{RUN_NETORCH}/{file}")
            if status.st_ino == os.fstat(fd).st_ino:
                return fd
        except BlockingIOError:
            if time.monotonic() >= deadline and tries > 1:
                holder = _holder(fd)
                os.close(fd)
                what = f"topology {name!r} is being changed by {holder}."
                remedy = "Try again when it is done."
                raise LockedError(Problem("locked", what, remedy=remedy, object=name)) from None
            time.sleep(0.02)
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


Stamp = tuple[int, bytes]
"""Inode and content of a lock file. Every holder writes its PID and the time into it."""


def _stamp(fd: int) -> Stamp:
    return os.fstat(fd).st_ino, os.pread(fd, 65536, 0)


def _sign(fd: int) -> None:
    """Write the holder of the lock into its file.

    The text goes over the old one, because a full file system would have no room for it after the
    file was truncated.
    """
    text = encode(Holder(os.getpid(), _command(), time.time())).encode()
    if os.pwrite(fd, text, 0) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(fd, len(text))


def stamp(name: str) -> Stamp | None:
    """Return the stamp of a topology's lock; None if the lock is held or has no file.

    If a later `lock` returns the same stamp, no process has held the lock in between.
    """
    try:
        fd = os.open(f"{RUN_NETORCH}/{_checked(name)}.lock", _READ)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return _stamp(fd)
    except OSError:
        return None
    finally:
        os.close(fd)


def is_locked(name: str) -> bool:
    """Tell whether a process holds the topology's lock."""
    return stamp(name) is None and os.path.lexists(f"{RUN_NETORCH}/{name}.lock")


@contextmanager
def lock(name: str, timeout: float = 0.0) -> Iterator[Stamp]:
    """Hold the topology's lock, and yield the stamp that it had before.

    Raise LockedError, which names the holder, after `timeout` seconds. The kernel releases the lock
    when the process ends. If the topology has no record at the end, its lock file is removed.
    """
    try:
        fd = _acquire(_checked(name), timeout)
    except OSError as error:
        with suppress(OSError):
            os.rmdir(RUN_NETORCH)  # it is empty if it was made for this lock
        raise refusal(error) from error
    try:
        try:
            before = _stamp(fd)
            _sign(fd)
        except OSError as error:
            raise refusal(error, f"{RUN_NETORCH}/{name}.lock") from error
        yield before
    finally:
        with suppress(OSError):
            if not os.path.lexists(f"{RUN_NETORCH}/{name}"):
                # unlinked while locked: a process that waits for this file notices that it is gone
                # and opens a new one
                os.unlink(f"{RUN_NETORCH}/{name}.lock")
                os.rmdir(RUN_NETORCH)
        os.close(fd)


@contextmanager
def shared_settings(timeout: float = 10.0) -> Iterator[None]:
    """Hold the lock on the machine's settings that several topologies may need.

    One topology at a time may note which settings it needs, or restore one that no other topology
    needs. Raise LockedError after `timeout` seconds.

    The lock is on the directory /run/netorch. The caller holds its topology's lock, so the
    directory stays.
    """
    try:
        top = _top(make=True)
    except OSError as error:
        raise refusal(error) from error
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                fcntl.flock(top, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    what = "another netorch holds the settings that topologies share."
                    remedy = "Try again when it is done: `fuser -v /run/netorch` names it."
                    command = "fuser -v /run/netorch"
                    raise LockedError(
                        Problem("locked", what, None, remedy, RUN_NETORCH, command)
                    ) from None
                time.sleep(0.005)
        yield
    finally:
        os.close(top)


@contextmanager
def _opened(name: str, *, make: bool) -> Iterator[int]:
    """Open the directory of a topology's record, after making it if `make` is true.

    Raise FileNotFoundError if it does not exist.
    """
    top = _top(make)
    try:
        if make:
            with suppress(FileExistsError):
                os.mkdir(_checked(name), 0o700, dir_fd=top)
        directory = os.open(_checked(name), _DIRECTORY, dir_fd=top)
    finally:
        os.close(top)
    try:
        yield directory
    finally:
        os.close(directory)


def _write(name: str, files: Mapping[str, str | bytes]) -> None:
    """Replace these files: all of them, or none if one cannot be written."""
    try:
        with _opened(name, make=True) as directory:
            try:
                for file, content in files.items():
                    _write_new(directory, file, content)
                for file in files:
                    os.rename(_new(file), file, src_dir_fd=directory, dst_dir_fd=directory)
            finally:
                for file in files:
                    with suppress(OSError):
                        os.unlink(_new(file), dir_fd=directory)
    except OSError as error:
        raise refusal(error, f"{RUN_NETORCH}/{name}") from error


def _new(file: str) -> str:
    """Return the name under which a file is written until it is complete.

    One name is enough, because the only writer holds the topology's lock.
    """
    return f".{file}.new"


def _old(file: str) -> str:
    """Return the name under which the file from before an apply is saved until the apply ends."""
    return f".{file}.old"


def _write_new(directory: int, file: str, content: str | bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(_new(file), dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(_new(file), flags, 0o600, dir_fd=directory), "wb") as opened:
        opened.write(
            content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
        )


_RECORD = (_META, _TOPOLOGY)
_SAVED_FILES = (*_RECORD, _SYSCTLS, _OWNERSHIP, INTENDED)
"""The files that `keep` saves."""


def keep(name: str) -> None:
    """Save the current record, for the functions that restore it.

    The files get a second name, so that restoring them needs no room in the file system. Raise
    NetorchError if that fails; then nothing is saved.
    """
    forget_previous(name)
    try:
        with _opened(name, make=False) as directory:
            for file in _SAVED_FILES:
                with suppress(FileNotFoundError):
                    os.link(file, _old(file), src_dir_fd=directory, dst_dir_fd=directory)
    except FileNotFoundError:
        return
    except OSError as error:
        forget_previous(name)
        raise refusal(error, f"{RUN_NETORCH}/{name}") from error


def restore(name: str, record: Record) -> None:
    """Restore the record that `keep` saved. `record` is its content."""
    for file in _RECORD:
        _restore_file(name, file)
    if read_record(name)[0] != record:
        write_record(name, record)


def restore_sysctls(name: str, originals: Originals) -> None:
    """Restore the original values that `keep` saved. `originals` is their content."""
    if not originals:
        forget_sysctls(name)
        return
    _restore_file(name, _SYSCTLS)
    if read_sysctls(name)[0] != originals:
        write_sysctls(name, originals)


def restore_ownership(name: str, ownership: Ownership | None) -> None:
    """Restore the ownership that `keep` saved. `ownership` is its content."""
    if ownership is None:
        _remove(name, (_OWNERSHIP,))
        return
    _restore_file(name, _OWNERSHIP)
    if read_ownership(name)[0] != ownership:
        write_ownership(name, ownership)


def restore_intended(name: str) -> None:
    """Restore the intended deviations that `keep` saved, if there were any."""
    _restore_file(name, INTENDED)


def forget_sysctls(name: str) -> None:
    """Remove the record of original values."""
    _remove(name, (_SYSCTLS,))


def _restore_file(name: str, file: str) -> None:
    try:
        with _opened(name, make=False) as directory:
            saved = os.stat(_old(file), dir_fd=directory, follow_symlinks=False)
            if not _is_same_file(saved, file, directory):
                _put_in_place(_old(file), file, directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refusal(error, f"{RUN_NETORCH}/{name}") from error
    _remove(name, (_old(file),))


def _is_same_file(saved: os.stat_result, file: str, directory: int) -> bool:
    try:
        return os.path.samestat(saved, os.stat(file, dir_fd=directory, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _put_in_place(saved: str, file: str, directory: int) -> None:
    try:
        os.rename(saved, file, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        # the cause of the rollback may be a failing rename(2), so the file gets there without one
        with suppress(FileNotFoundError):
            os.unlink(file, dir_fd=directory)
        os.link(saved, file, src_dir_fd=directory, dst_dir_fd=directory)


def forget_previous(name: str) -> None:
    """Remove the files that `keep` saved."""
    _remove(name, [_old(file) for file in _SAVED_FILES])


def _remove(name: str, files: Iterable[str]) -> None:
    with suppress(OSError), _opened(name, make=False) as directory:
        for file in files:
            with suppress(FileNotFoundError):
                os.unlink(file, dir_fd=directory)


def _read(name: str, file: str) -> str | None:
    """Return the text of a record's file, or None if there is none.

    Raise ValueError if it is not a plain file.
    """
    try:
        with _opened(name, make=False) as directory:
            fd = os.open(file, _READ, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise ValueError("its path leads over a symbolic link or a plain file") from None
        raise refusal(error) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("it is not a plain file")
    with open(fd, "rb") as opened:
        return opened.read().decode("utf-8", "surrogateescape")


def write_file(name: str, file: str, content: str) -> None:
    """Write one file in the directory of the record, replacing it atomically."""
    _write(name, {file: content})


def read_file(name: str, file: str) -> str | None:
    """Return the text of a file in the directory of the record, or None if there is none.

    Raise ValueError if it is not a plain file.
    """
    return _read(name, file)


def remove_file(name: str, file: str) -> None:
    """Remove a file from the directory of the record, and the directory if it is empty then."""
    path = f"{RUN_NETORCH}/{_checked(name)}"
    with suppress(OSError):
        os.unlink(f"{path}/{file}")
        os.rmdir(path)


def write_record(
    name: str,
    record: Record,
    originals: Originals | None = None,
    ownership: Ownership | None = None,
) -> None:
    """Write what was applied, the original values and the ownership.

    None for `originals` or `ownership` leaves their files as they are. The topology file's text is
    put in place last, so a record without it was never completed.
    """
    left_out = {"text"} if record.machine else {"text", "machine"}
    meta = {key: value for key, value in to_builtins(record).items() if key not in left_out}
    settings = {} if originals is None else {_SYSCTLS: _text_of(originals)}
    owned = {} if ownership is None else {_OWNERSHIP: encode(ownership)}
    _write(name, {**settings, **owned, _META: encode(meta, indent=1), _TOPOLOGY: record.text})


def write_state(name: str, content: bytes) -> None:
    """Write the cache of the topology's resolved state. See `state_cache`."""
    _write(name, {state_cache.FILE: content})


def write_comparison(name: str, content: bytes) -> None:
    """Write the last comparison of a topology. See `netorch.kernel.comparison`."""
    _write(name, {state_cache.COMPARED: content})


def read_record(name: str) -> tuple[Record | None, str]:
    """Return the record and "".

    Return None and a warning if it is damaged, None and "" if there is none.
    """
    try:
        return _record(name), ""
    except ValueError as error:
        return None, f"{RUN_NETORCH}/{name}: {_ignored(error)}."


def damage(name: str) -> str:
    """Return what is wrong with the record of a topology, or ""."""
    try:
        _record(name)
        _sysctls(name)
        _ownership(_read(name, _OWNERSHIP) or "{}")
    except ValueError as error:
        return _ignored(error)
    except NetorchError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError):
            return str(error)
        return f"{cause.strerror}. {error.problems[0].remedy}".rstrip(". ")
    return ""


def _ignored(error: ValueError) -> str:
    return f"the record is damaged and ignored ({error})"


def _record(name: str) -> Record | None:
    """Return the record, or None if there is none. Raise ValueError if it is damaged."""
    text, meta = _read(name, _TOPOLOGY), _read(name, _META)
    if text is None:
        return None
    return convert({**decode(meta or "", dict[str, Any]), "text": text}, Record)


def has_source(record: Record) -> bool:
    """Whether the file that was applied is still there."""
    return os.path.isfile(record.source)


def write_sysctls(name: str, originals: Originals) -> None:
    """Write the original values, replacing earlier ones."""
    _write(name, {_SYSCTLS: _text_of(originals)})


def _text_of(originals: Originals) -> str:
    by_label = {
        label: {
            " ".join(paths): (inode, _AND.join(values))
            for paths, (inode, values) in settings.items()
        }
        for label, settings in originals.items()
    }
    return encode(by_label, indent=1)


def read_sysctls(name: str) -> tuple[Originals, str]:
    """Return the original values and "", or no values and a warning if their record is damaged."""
    try:
        return _sysctls(name), ""
    except ValueError as error:
        return {}, f"{RUN_NETORCH}/{name}/{_SYSCTLS}: {_ignored(error)}."


def sysctls_of_all(names: Iterable[str]) -> dict[str, Originals]:
    """Return topology → the original values of its sysctls, for those that have any on record.

    A damaged record counts as none. A file is decoded once, as long as nobody replaces it.
    """
    try:
        top = _top(make=False)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise refusal(error) from error
    try:
        identities = {name: _identity(top, f"{name}/{_SYSCTLS}") for name in names}
    finally:
        os.close(top)
    result: dict[str, Originals] = {}
    for name, identity in identities.items():
        if identity is None:
            continue
        known = _memo.get(name)
        if known is None or known[0] != identity:
            known = _memo[name] = (identity, read_sysctls(name)[0])
        if known[1]:
            result[name] = known[1]
    return result


_FileIdentity = tuple[int, ...]
_memo: dict[str, tuple[_FileIdentity, Originals]] = {}
"""Topology → its record of sysctls, and what it says."""


def _identity(top: int, path: str) -> _FileIdentity | None:
    """Return what changes whenever a record's file is replaced, or None if there is no file."""
    try:
        status = os.stat(path, dir_fd=top, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise refusal(error) from error
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _sysctls(name: str) -> Originals:
    """Return the original values. Raise ValueError if their record is damaged."""
    form = dict[str, dict[str, tuple[tuple[int, int], str]]]
    by_label = decode(_read(name, _SYSCTLS) or "{}", form)
    return {
        label: {
            tuple(paths.split(" ")): (inode, tuple(text.split(_AND)) if text else ())
            for paths, (inode, text) in settings.items()
        }
        for label, settings in by_label.items()
    }


def write_ownership(name: str, ownership: Ownership) -> None:
    """Write which objects belong to the topology, before netorch makes them."""
    _write(name, {_OWNERSHIP: encode(ownership)})


def read_ownership(name: str) -> tuple[Ownership | None, str]:
    """Return the topology's ownership and "".

    Return None and a warning if its record is damaged, None and "" if there is none.
    """
    try:
        text = _read(name, _OWNERSHIP)
        return (None if text is None else _ownership(text)), ""
    except ValueError as error:
        return None, f"{RUN_NETORCH}/{name}/{_OWNERSHIP}: {_ignored(error)}."


def _ownership(text: str) -> Ownership:
    """Decode a topology's ownership. Raise ValueError if it is damaged."""
    ownership = decode(text, Ownership)
    if ownership.number and ownership.number not in PROTOCOLS:
        raise ValueError(f"{ownership.number} is not a protocol number of netorch")
    return ownership


def remove_record(name: str, keep: str = "") -> None:
    """Remove the record of a topology, except for the file `keep`.

    Its lock file is removed when the lock is released.
    """
    path = f"{RUN_NETORCH}/{_checked(name)}"
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return  # netorch only makes directories there, so it is foreign
        for file in os.listdir(path):
            if file != keep:
                os.unlink(f"{path}/{file}")
        if not keep or not os.path.lexists(f"{path}/{keep}"):
            os.rmdir(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refusal(error) from error


def applied_names() -> list[str]:
    """Return the sorted names of the topologies that have a record."""
    try:
        names = os.listdir(RUN_NETORCH)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise refusal(error) from error
    return sorted(
        name
        for name in names
        if _NAME.fullmatch(name) and os.path.isfile(f"{RUN_NETORCH}/{name}/{_TOPOLOGY}")
    )
