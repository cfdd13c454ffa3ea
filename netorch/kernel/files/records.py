"""/run/netorch: one lock a topology, and of the applied ones what no mark in the kernel can hold (the file, sysctls from before)."""

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
from netorch.kernel.files.file_types import type_text
from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.kernel.system.error_text import MORE_FILES
from netorch.values.marks import PROTOCOLS
from netorch.values.ownership import Ownership
from netorch.values.typed_json import decode, encode

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TOPOLOGY, _META, _SYSCTLS = "topology.yaml", "meta.json", "sysctls.json"
_OWNERSHIP = "ownership.json"

Originals = Mapping[str, Mapping[tuple[str, ...], tuple[tuple[int, int], tuple[str, ...]]]]
"""Label → setting, as its paths below /proc/sys → (inode of the namespace that it was read in, its values).

One value holds for all paths, several for one each. In the file the paths are one text with spaces between, and the values one with
` | ` between.
"""
_AND = " | "


class Record(Value):
    """What was applied last: the file's text, where it came from, and with what. `applied` is in seconds since 1970.

    `folder`: where the files are that it names. `namespaces`: the names in /run/netns that it makes, None where that was not noted.
    `filters`: label → the backend of its packet filter, None in a record of a version that put no marks on tables and chains.
    """

    text: str
    source: str
    variables: Mapping[str, str]
    override: str | None
    applied: float
    version: str
    folder: str = ""
    namespaces: tuple[str, ...] | None = None
    filters: Mapping[str, str] | None = None

    def may_say(self, word: str) -> bool:
        """Whether the text has a word; also where it cannot be searched as it stands, being UTF-16 or having escapes."""
        return word in self.text or "\0" in self.text or "\\" in self.text


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NetorchError(
            Problem(
                "bad-topology-name",
                f"{name!r} is not a name of a topology. Lower case letters, digits and inner hyphens, 32 at most.",
                object=name,
            )
        )
    return name


_NOT_OURS = f"netorch needs root, or a /run of its own: {OWN_NETWORK}"

_FULL = "Make room in the file system of /run: `df /run` and `df -i /run` show what is left."
_READ_ONLY = f"Run netorch where /run can be written, or in a /run of its own: {OWN_NETWORK}"
_BROKEN = "The kernel's log says more: `dmesg | tail`."

_REMEDIES = {
    errno.EACCES: ("not-root", _NOT_OURS),
    errno.EPERM: ("not-root", _NOT_OURS),
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
    """The error of a file below /run/netorch that cannot be used; `path` is the one that `error` does not name."""
    path = f"{error.filename or path}"
    if not path.startswith("/"):
        path = f"{RUN_NETORCH}/{path}"
    move_away = f"Move away what is there: `mv {path} {path}.old`."
    code, remedy = _REMEDIES.get(error.errno or 0, ("records-unreadable", move_away))
    what = f"{path}: {error.strerror}."
    return NetorchError(Problem(code, what, remedy=remedy, object=path))


def _top(make: bool) -> int:
    """The directory, open; FileNotFoundError if it is not there and not to be made."""
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
    """Why others may have written what is in the directory; None if only this user can."""
    if status.st_uid != os.geteuid():
        what = f"{RUN_NETORCH} belongs to user {status.st_uid}: what it says proves nothing."
        remedy = "Look at who made it, and remove it."
        return Problem("records-unreadable", what, remedy=remedy, object=RUN_NETORCH)
    if not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None
    mode = stat.S_IMODE(status.st_mode)
    what = f"{RUN_NETORCH} can be written by others (mode {mode:o}): what it says proves nothing."
    command = f"chmod go-w {RUN_NETORCH}"
    remedy = f"Look at who has put what there, then close it: `{command}`."
    return Problem("records-unreadable", what, remedy=remedy, object=RUN_NETORCH, command=command)


def refuse_odd_place(name: str) -> None:
    """NetorchError if something else is where the record of a topology belongs, because nothing could be written there."""
    path = f"{RUN_NETORCH}/{_checked(name)}"
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISDIR(mode):
        what = f"{path} is {type_text(mode)}, and not the directory of netorch's record."
        remedy = "Look what it is, and remove it."
        raise NetorchError(Problem("records-unreadable", what, remedy=remedy, object=path))


class Holder(Value):
    """The process that holds a lock, as it writes itself into the lock's file."""

    pid: int
    command: str
    since: float
    """Seconds since 1970."""

    @property
    def text(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} ({self.command}), since {since}"


def _holder(fd: int) -> str:
    try:
        return decode(os.pread(fd, 65536, 0), Holder).text
    except (ValueError, OSError):
        return "another process"


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
            continue  # as below, a moment earlier
        try:
            return os.open(
                file,
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                0o600,
                dir_fd=top,
            )
        except FileNotFoundError:
            continue  # somebody removed the empty directory under us
        finally:
            os.close(top)
    raise OSError(errno.EAGAIN, "does not hold still", RUN_NETORCH)


def _open_plain_lock(file: str) -> int:
    """The same; OSError where something else than a plain file stands there, which cannot say who holds it."""
    fd = _open_lock(file)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "is not a plain file", f"{RUN_NETORCH}/{file}")
    return fd


def _acquire(name: str, timeout: float) -> int:
    """The lock file, locked; one that was unlinked meanwhile does not count (flock(2))."""
    file, deadline = f"{name}.lock", time.monotonic() + timeout
    tries = 0
    while True:
        fd = _open_plain_lock(file)
        # the first time it may be but somebody who takes its stamp
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
"""Inode of a lock file, and what is in it: whoever gets the lock writes who it is, and since when."""


def _stamp(fd: int) -> Stamp:
    return os.fstat(fd).st_ino, os.pread(fd, 65536, 0)


def _sign(fd: int) -> None:
    """Write who holds the lock; over what is there, because a full file system gives no room for anew what it takes."""
    text = encode(Holder(os.getpid(), _command(), time.time())).encode()
    if os.pwrite(fd, text, 0) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(fd, len(text))


def stamp(name: str) -> Stamp | None:
    """That of a topology's lock that nobody holds, None if somebody does, or there is none: where a later `lock` finds the same one,
    nobody has held it in between.
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


@contextmanager
def lock(name: str, timeout: float = 0.0) -> Iterator[Stamp]:
    """Hold the topology's lock; LockedError, naming the holder, after `timeout` seconds. It dies with its process. Its stamp until then.

    Without a record of the topology at the end, its lock file goes too.
    """
    try:
        fd = _acquire(_checked(name), timeout)
    except OSError as error:
        with suppress(OSError):
            os.rmdir(RUN_NETORCH)  # empty, if it was made for this
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
                # still locked: whoever waits for this file finds it gone and opens the next one
                os.unlink(f"{RUN_NETORCH}/{name}.lock")
                os.rmdir(RUN_NETORCH)
        os.close(fd)


@contextmanager
def shared_settings(timeout: float = 10.0) -> Iterator[None]:
    """Hold what lets one topology at a time note which settings of the machine it needs, or put back one that nobody else needs.

    LockedError after `timeout` seconds. The caller holds its topology's lock, so that the directory, which is what is locked, stays.
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
    """The directory of a topology's record, open; FileNotFoundError if it is not there and not to be made."""
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


def _write(name: str, files: Mapping[str, str]) -> None:
    """Replace these files: all of them, or none where one cannot be written."""
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
    """The name under which a file is written until it is whole. One writer holds the topology's lock."""
    return f".{file}.new"


def _old(file: str) -> str:
    """The name under which the file from before an apply is kept until that ends."""
    return f".{file}.old"


def _write_new(directory: int, file: str, content: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(_new(file), dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(_new(file), flags, 0o600, dir_fd=directory), "wb") as opened:
        opened.write(content.encode("utf-8", "surrogateescape"))


_RECORD = (_META, _TOPOLOGY)


def keep(name: str) -> None:
    """Keep the record as it is beside itself, for `restore` and `restore_sysctls`, which then take no room for a file.

    NetorchError, and nothing is kept, where that fails.
    """
    forget_previous(name)
    try:
        with _opened(name, make=False) as directory:
            for file in (*_RECORD, _SYSCTLS, _OWNERSHIP):
                with suppress(FileNotFoundError):
                    os.link(file, _old(file), src_dir_fd=directory, dst_dir_fd=directory)
    except FileNotFoundError:
        return
    except OSError as error:
        forget_previous(name)
        raise refusal(error, f"{RUN_NETORCH}/{name}") from error


def restore(name: str, record: Record) -> None:
    """Bring back the record that `keep` kept, which is `record`."""
    for file in _RECORD:
        _bring_back(name, file)
    if read_record(name)[0] != record:
        write_record(name, record)


def restore_sysctls(name: str, originals: Originals) -> None:
    """Bring back the values from before that `keep` kept, which are `originals`."""
    if not originals:
        forget_sysctls(name)
        return
    _bring_back(name, _SYSCTLS)
    if read_sysctls(name)[0] != originals:
        write_sysctls(name, originals)


def restore_ownership(name: str, ownership: Ownership | None) -> None:
    """Bring back what was whose, which is `ownership`; `keep` kept it."""
    if ownership is None:
        _remove(name, (_OWNERSHIP,))
        return
    _bring_back(name, _OWNERSHIP)
    if read_ownership(name)[0] != ownership:
        write_ownership(name, ownership)


def forget_sysctls(name: str) -> None:
    """Remember no values from before any more."""
    _remove(name, (_SYSCTLS,))


def _bring_back(name: str, file: str) -> None:
    try:
        with _opened(name, make=False) as directory:
            kept = os.stat(_old(file), dir_fd=directory, follow_symlinks=False)
            if not _is_still(kept, file, directory):
                _put_in_place(_old(file), file, directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refusal(error, f"{RUN_NETORCH}/{name}") from error
    _remove(name, (_old(file),))


def _is_still(kept: os.stat_result, file: str, directory: int) -> bool:
    try:
        return os.path.samestat(kept, os.stat(file, dir_fd=directory, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _put_in_place(kept: str, file: str, directory: int) -> None:
    try:
        os.rename(kept, file, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        # what failed once, and is why it goes back, may fail again
        with suppress(FileNotFoundError):
            os.unlink(file, dir_fd=directory)
        os.link(kept, file, src_dir_fd=directory, dst_dir_fd=directory)


def forget_previous(name: str) -> None:
    """Keep nothing any more."""
    _remove(name, [_old(file) for file in (*_RECORD, _SYSCTLS, _OWNERSHIP)])


def _remove(name: str, files: Iterable[str]) -> None:
    with suppress(OSError), _opened(name, make=False) as directory:
        for file in files:
            with suppress(FileNotFoundError):
                os.unlink(file, dir_fd=directory)


def _read(name: str, file: str) -> str | None:
    """The text of a record's file, None if it is not there; ValueError if it is not a plain file or no text."""
    try:
        with _opened(name, make=False) as directory:
            fd = os.open(file, _READ, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise ValueError("a symbolic link or no directory on the way") from None
        raise refusal(error) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("no plain file")
    with open(fd, "rb") as opened:
        return opened.read().decode("utf-8", "surrogateescape")


def write_file(name: str, file: str, content: str) -> None:
    """One file beside the record, replaced in one stroke."""
    _write(name, {file: content})


def read_file(name: str, file: str) -> str | None:
    """The text of a file beside the record, None without it; ValueError if it is not a plain file."""
    return _read(name, file)


def remove_file(name: str, file: str) -> None:
    """Remove a file beside the record, and the directory if it was the last one there."""
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
    """Remember what was applied; ahead of it values from before and what is whose, None for what is on record already.

    The text goes last, so that a record without one was never finished.
    """
    meta = {key: value for key, value in to_builtins(record).items() if key != "text"}
    settings = {} if originals is None else {_SYSCTLS: _text_of(originals)}
    owned = {} if ownership is None else {_OWNERSHIP: encode(ownership)}
    _write(name, {**settings, **owned, _META: encode(meta, indent=1), _TOPOLOGY: record.text})


def read_record(name: str) -> tuple[Record | None, str]:
    """The record and "", or None and a warning if it is damaged (no warning if there is none)."""
    try:
        return _record(name), ""
    except ValueError as error:
        return None, f"{RUN_NETORCH}/{name}: {_ignored(error)}."


def damage(name: str) -> str:
    """What is wrong with the record of a topology, "" where nothing is."""
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
    """The record, None without one. ValueError if it is damaged."""
    text, meta = _read(name, _TOPOLOGY), _read(name, _META)
    if text is None:
        return None
    return convert({**decode(meta or "", dict[str, Any]), "text": text}, Record)


def write_sysctls(name: str, originals: Originals) -> None:
    """Remember values from before, and no others."""
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
    """Values from before; with a warning, and empty, if their record is damaged."""
    try:
        return _sysctls(name), ""
    except ValueError as error:
        return {}, f"{RUN_NETORCH}/{name}/{_SYSCTLS}: {_ignored(error)}."


def _sysctls(name: str) -> Originals:
    """Values from before. ValueError if their record is damaged."""
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
    """Remember what is whose, ahead of its making."""
    _write(name, {_OWNERSHIP: encode(ownership)})


def read_ownership(name: str) -> tuple[Ownership | None, str]:
    """What is on record as the topology's own and "", or None and a warning if that is damaged (no warning if there is none)."""
    try:
        text = _read(name, _OWNERSHIP)
        return (None if text is None else _ownership(text)), ""
    except ValueError as error:
        return None, f"{RUN_NETORCH}/{name}/{_OWNERSHIP}: {_ignored(error)}."


def _ownership(text: str) -> Ownership:
    """What is on record as a topology's own. ValueError if that is damaged."""
    ownership = decode(text, Ownership)
    if ownership.number and ownership.number not in PROTOCOLS:
        raise ValueError(f"{ownership.number} is not a number of netorch's")
    return ownership


def remove_record(name: str, keep: str = "") -> None:
    """Forget the topology, but for one file to `keep`; its lock file goes when the lock is let go."""
    path = f"{RUN_NETORCH}/{_checked(name)}"
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return  # somebody else's
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
    """The topologies that have a record, sorted."""
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
