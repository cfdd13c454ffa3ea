"""The resolved state of a topology, stored beside its record, so that the file need not be loaded.

It is a cache: its first line has a digest of what it was resolved from, and a command uses it only
if that is what the command would resolve. Behind it is a digest of all that follows, which shows
damage. The second line names the nodes. The rest is for `netorch.resolve.stored`.

This module imports little, because `netorch exec` reads the second line, and importing more would
take longer than the rest of that command.
"""

from __future__ import annotations

import os
import stat
from functools import cache

from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.version import __version__

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FILE = "state"
COMPARED = "compared"
"""The file of the last comparison in which the topology was in sync (`kernel.comparison`)."""
TOPOLOGY, META = "topology.yaml", "meta.json"
SYSCTLS, OWNERSHIP = "sysctls.json", "ownership.json"
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def identity_of(
    text: bytes, source: str, folder: str, override: str | None, variables: Mapping[str, str]
) -> str:
    """Return a digest of all that a desired state is resolved from.

    These are the text of the topology file, its path, the folder of relative paths, the name that
    the user chose, the variables, and the version and code of netorch.
    """
    from netorch.values.digest import blake2b

    words = [__version__, _code_stamp(), source, folder, "" if override is None else f"={override}"]
    words += [f"{name}={value}" for name, value in sorted(variables.items())]
    digest = blake2b(digest_size=32)
    digest.update("\0".join(words).encode("utf-8", "surrogateescape"))
    digest.update(b"\0\0")
    digest.update(text)
    return digest.hexdigest()


@cache
def _code_stamp() -> str:
    """Return a text that changes whenever a module of netorch changes.

    Between two releases the version stays the same, but the code does not.
    """
    newest = number = size = 0
    folders = [__file__.rsplit("/", 3)[0]]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    status = entry.stat()
                    newest = max(newest, status.st_mtime_ns)
                    number, size = number + 1, size + status.st_size
                elif "." not in entry.name and not entry.name.startswith("__"):
                    folders.append(entry.path)
    return f"{newest} {number} {size}"


def contents(identity: str, places: Mapping[str, Any], rest: bytes) -> bytes:
    """Return the contents of the cache file. `places` can be written as JSON."""
    import json

    content = b"%s\n%s" % (json.dumps(places).encode(), rest)
    return b"%s %s\n%s" % (identity.encode(), _digest(content).encode(), content)


def split(data: bytes) -> tuple[str, dict[str, Any], memoryview]:
    """Return the identity, the places and the rest.

    Raise ValueError if `data` is damaged.
    """
    import json

    first = data.index(b"\n")
    identity, _, digest = data[:first].decode("ascii").partition(" ")
    content = memoryview(data)[first + 1 :]
    if _digest(content) != digest:
        raise ValueError("the content has been changed")
    second = data.index(b"\n", first + 1)
    places = json.loads(data[first + 1 : second])
    if not isinstance(places, dict):
        raise ValueError("the places are not a mapping")
    return identity, places, content[second - first :]


def _digest(content: bytes | memoryview) -> str:
    from netorch.values.digest import blake2b

    return blake2b(content, digest_size=32).hexdigest()


def is_trusted(status: os.stat_result) -> bool:
    """Whether it is a directory in which only this user can write."""
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def read(name: str, file: str = FILE) -> bytes:
    """Return the contents of a topology's cache file, or of another file of its record.

    Raise OSError if there is none, or if other users can write in /run/netorch.
    """
    with open(_open(name, file), "rb", buffering=0) as opened:
        return opened.read()


def read_identity(name: str, file: str = FILE) -> str:
    """Return the identity of a topology's cache, or "" if there is no cache."""
    try:
        with open(_open(name, file), "rb", buffering=0) as opened:
            line = opened.read(65)
    except OSError:
        return ""
    return line[:64].decode("ascii", "replace") if line[64:] == b" " else ""


def places_on_record(name: str) -> dict[str, Any] | None:
    """Return the places of a topology's nodes, or None if the cache is not that of its record."""
    try:
        identity, places, _ = split(read(name))
        expected = identity_on_record(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return places if identity == expected else None


def identity_on_record(name: str) -> str:
    """Return the identity of what was applied last.

    Raise OSError, ValueError, KeyError, TypeError or AttributeError if the record is unusual.
    """
    import json

    meta = json.loads(read(name, META))
    return identity_of(
        read(name, TOPOLOGY), meta["source"], meta["folder"], meta["override"], meta["variables"]
    )


def names() -> list[str]:
    """Return the topologies that have a record. Raise OSError if /run/netorch cannot be trusted."""
    top = os.open(RUN_NETORCH, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not is_trusted(os.fstat(top)):
            raise PermissionError
        return sorted(
            name
            for name in os.listdir(top)
            if "." not in name and os.path.isfile(f"{RUN_NETORCH}/{name}/{TOPOLOGY}")
        )
    finally:
        os.close(top)


def _open(name: str, file: str) -> int:
    if "/" in name or "." in name or not name:
        raise FileNotFoundError(name)
    if not is_trusted(os.lstat(RUN_NETORCH)):
        raise PermissionError(RUN_NETORCH)
    directory = os.open(
        f"{RUN_NETORCH}/{name}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    )
    try:
        fd = os.open(file, READ, dir_fd=directory)
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileNotFoundError(file)
    return fd
