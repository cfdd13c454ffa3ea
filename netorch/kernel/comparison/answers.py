"""What a comparison asks of a machine, apart from netlink, and the form in which it is stored.

It imports little, because `repeat` needs it.
"""

from __future__ import annotations

import fcntl
import os
import stat

from netorch.kernel.files import state_cache
from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.kernel.system.boot import boot_id
from netorch.kernel.system.nsfs import HOST, OWN_NETNS
from netorch.values.digest import blake2b

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE = state_cache.COMPARED
FORM = 1
"""The number of this form of the file."""
USUAL_FILES = frozenset(
    (
        *(FILE, state_cache.FILE, state_cache.TOPOLOGY, state_cache.META),
        *(state_cache.SYSCTLS, state_cache.OWNERSHIP),
    )
)
"""The files of a record in which nothing is pending, intended or lent."""
_CACHES = (FILE, state_cache.FILE)
_USER = "/proc/self/ns/user"


def digest(parts: Iterable[bytes]) -> str:
    """Return a digest of a sequence of bytes."""
    result = blake2b(digest_size=16)
    for part in parts:
        result.update(len(part).to_bytes(8, "little"))
        result.update(part)
    return result.hexdigest()


def digest_of(values: Mapping[str, str]) -> str:
    """Return a digest of texts with names."""
    return digest(
        word.encode("utf-8", "surrogateescape") for pair in sorted(values.items()) for word in pair
    )


def machine() -> list[str]:
    """Return what identifies this boot of the machine, and the namespaces of the calling thread."""
    places = [os.stat(path) for path in (OWN_NETNS, _USER)]
    return [boot_id(), *(f"{place.st_dev}:{place.st_ino}" for place in places)]


def lock(name: str, *, changes: bool) -> int:
    """Lock a topology, if nobody has locked it. Closing the file unlocks it.

    The lock is not signed, because its last holder is the one who has changed something. Raise
    OSError if another process holds the lock, or if the lock is unusual. `changes` says that the
    caller would change the topology: it must be able to write the file, and a watch notices it.
    """
    path = f"{RUN_NETORCH}/{name}.lock"
    how = os.O_RDWR if changes else os.O_RDONLY
    fd = os.open(path, how | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(fd)
        # a file that was unlinked meanwhile locks nothing
        if not stat.S_ISREG(status.st_mode) or os.lstat(path).st_ino != status.st_ino:
            raise FileNotFoundError(path)
    except OSError:
        os.close(fd)
        raise
    return fd


def stamp_of_records() -> str:
    """Return a digest of which files are in the records of all topologies, and of their stamps.

    Caches are left out. The digest is "" if /run/netorch cannot be read.
    """
    parts: list[str] = []
    try:
        with os.scandir(RUN_NETORCH) as entries:
            folders = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for folder in folders:
            with os.scandir(f"{RUN_NETORCH}/{folder}") as files:
                parts += sorted(_stamp(folder, file) for file in files if not _is_cache(file.name))
    except OSError:
        return ""
    return digest(part.encode("utf-8", "surrogateescape") for part in parts)


def _is_cache(file: str) -> bool:
    """Whether a file is a cache, also while it is written, as `.compared.new`."""
    return file in _CACHES or file[1:-4] in _CACHES


def _stamp(folder: str, file: os.DirEntry[str]) -> str:
    status = file.stat(follow_symlinks=False)
    return (
        f"{folder}/{file.name} {status.st_mode} {status.st_ino} {status.st_size} "
        f"{status.st_mtime_ns} {status.st_ctime_ns}"
    )


def has_no_filter(label: str, table: str) -> bool:
    """Tell whether the thread's namespace certainly has nothing of a topology's packet filter.

    `table` is the name of the topology's table. On the host, rules of other programs matter too.
    """
    from netorch.kernel.firewall import legacy_tables
    from netorch.kernel.firewall.nf_tables_names import tables

    there = tables()
    unused = not there if label == HOST else ("inet", table) not in there
    return unused and not legacy_tables.exist()
