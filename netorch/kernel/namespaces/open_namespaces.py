"""Opens, makes, enters and removes network namespaces by their labels (ip-netns(8), setns(2)).

A label is a name in /run/netns, or was given to an attached namespace.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from netorch.kernel.files import owned_directories
from netorch.kernel.files.file_types import mount_points, type_text
from netorch.kernel.namespaces.netns import OpenNetns
from netorch.kernel.system.descriptors import move_up
from netorch.kernel.system.error_text import MOUNT
from netorch.kernel.system.nsfs import (
    HOST,
    OWN_NETNS,
    RUN_NETNS,
    inode_of,
    netns_fd,
    owner_of,
)
from netorch.kernel.system.procfs import Procfs
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.kernel.system.syscalls import (
    CLONE_NEWNET,
    MS_BIND,
    MS_REC,
    MS_SHARED,
    mount,
    setns,
    umount,
    unshare,
)
from netorch.netlink import constants as c
from netorch.netlink.codec import as_i32, attr, attributes, i32, message, u32

_MARKER = "made-run-netns"
_OTHER_FILES = 14
"""Descriptors that stay free for other files than those of namespaces, even if the limit is low."""
_TABLE = 8192
"""Entries that the table of open files has from the start. Each takes the size of a pointer."""
_NEAR = 1024
"""The number of most recently used namespaces that stay open even near the limit on open files.

A batch may refer to all of them at once.
"""
_PATIENCE, _POLL = 1.0, 0.02
_PATIENCE_FOR_OWN = 10.0
"""The patience, in seconds, after this process itself has removed a namespace."""
_FIRST_USER_NAMESPACE = 0xEFFFFFFD
"""The inode of the user namespace that the machine starts with (PROC_USER_INIT_INO)."""
_FIRST_INDEX = 16
"""The first index that netorch assigns.

Lower ones are left to the links that the kernel makes in a new namespace (lo, sit0, tunl0, gre0 …).
"""


def _widen(fd: int, limit: int) -> None:
    """Enlarge the process's table of open files to _TABLE entries, but not beyond `limit`.

    This is only quick while the process has one thread. With several threads the kernel waits for
    all readers whenever it doubles the table, which takes ten milliseconds or more (expand_fdtable
    in fs/file.c).
    """
    with suppress(OSError):
        os.close(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, min(limit, _TABLE) - 1))


class Remembered:
    """The marks of namespaces and of files that were read before."""

    def __init__(self) -> None:
        self.aliases: dict[tuple[int, int], str] = {}
        """Inode of a namespace → the alias of its lo."""
        self.writers: dict[str, frozenset[str]] = {}
        """Name in /etc/netns → the topologies that wrote files in it."""


class Namespaces:
    """All namespaces in use. As many of them are open as the limit on open files allows.

    Any thread may call the constructor and `close`. All other methods may move the calling thread
    to another namespace; `home` brings it back.
    """

    def __init__(self) -> None:
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft, hard = self._limits
        if soft != hard:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            except OSError:
                hard = soft  # setrlimit(2) is forbidden, so the soft limit counts
        limit = 1 << 20 if hard == resource.RLIM_INFINITY else min(hard, 1 << 20)
        # each namespace needs two descriptors, and other files need some
        self.capacity = max(3, (limit - min(256, max(limit // 2, _OTHER_FILES))) // 2)
        home = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
        if threading.active_count() == 1:
            _widen(home, limit)
        self.host = OpenNetns(HOST, home, inode_of(os.fstat(home)), pinned=True)
        self._user = inode_of(os.stat("/proc/self/ns/user"))
        self.round = 0
        """Counts the reads and changes: each name is looked up again once in a round."""
        self.remembered: Remembered | None = None
        """The marks that need not be read again."""
        self.proc = Procfs()
        self._known: dict[str, OpenNetns] = {}
        self._open: OrderedDict[str, OpenNetns] = OrderedDict()
        self._at: tuple[int, int] = self.host.inode
        self._patience = _PATIENCE
        """For how many seconds more this process waits for namespaces that end."""
        self._learned: list[OpenNetns] = []
        """The namespaces of which `forget_links` has to forget indices."""

    def close(self) -> None:
        """Close all files and restore the limit on open files."""
        for netns in self._known.values():
            netns.close()
        self._known.clear()
        self._open.clear()
        self.host.close()
        self.proc.close()
        soft, hard = self._limits
        if soft != hard:
            with suppress(OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    # moving the thread

    def enter(self, netns: OpenNetns) -> None:
        """Move the calling thread into a namespace, unless it is there already."""
        if self._at != netns.inode:
            setns(netns.fd)
            self._at = netns.inode

    def home(self) -> bool:
        """Move the thread back to the host's namespace. Return False if that fails."""
        try:
            if self._at != self.host.inode:
                setns(self.host.fd)
        except OSError:
            return False
        finally:
            self._at = self.host.inode
        return True

    # finding

    def pin(self, label: str, fd: int) -> None:
        """Let a label mean an open namespace until it is pinned again or unpinned.

        This holds even if the namespace's name or path changes.
        """
        self.drop(label)
        self._known[label] = OpenNetns(label, fd, inode_of(os.fstat(fd)), pinned=True)

    def pinned(self) -> dict[str, tuple[int, int]]:
        """Return label → inode of the pinned namespaces."""
        return {label: netns.inode for label, netns in self._known.items() if netns.pinned}

    def unpin(self) -> None:
        """Close all pinned namespaces and forget what their labels mean."""
        for label in self.pinned():
            self.drop(label)

    def names(self, only: Collection[str] | None = None) -> Mapping[str, tuple[int, int] | None]:
        """Return the entries of /run/netns: name → inode. `only` are the names to look at.

        The inode is None for an entry that is not a namespace (a symbolic link, a stale file …).
        """
        inodes: dict[str, tuple[int, int] | None] = {}
        try:
            entries = os.listdir(RUN_NETNS)
        except (FileNotFoundError, NotADirectoryError):
            return inodes
        for name in entries if only is None else [name for name in entries if name in only]:
            try:
                status = os.lstat(f"{RUN_NETNS}/{name}")
            except FileNotFoundError:
                continue
            # all namespaces are files of the file system nsfs, which holds nothing else
            inodes[name] = inode_of(status) if status.st_dev == self.host.inode[0] else None
        return inodes

    def count_names(self) -> int:
        """Return the number of entries of /run/netns."""
        try:
            return len(os.listdir(RUN_NETNS))
        except OSError:
            return 0

    def count_own(self) -> int:
        """Return how many namespaces at least count towards this user's limit (namespaces(7)).

        These are the named ones of this process's user namespace, and the one it was started in,
        unless that may be the first one of the machine.
        """
        counted: set[tuple[int, int]] = set()
        for name, inode in self.names().items():
            if inode is not None and inode not in counted:
                with suppress(OSError):
                    fd = netns_fd(f"{RUN_NETNS}/{name}", follow=False)
                    try:
                        if owner_of(fd) == self._user:
                            counted.add(inode)
                    finally:
                        os.close(fd)
        if self._user[1] != _FIRST_USER_NAMESPACE and self.is_own(self.host):
            counted.add(self.host.inode)
        return len(counted)

    def foreign_file(self, name: str) -> str:
        """Return what an entry of /run/netns is if it is a foreign file, such as `a directory`.

        Return "" for a network namespace, and for the empty file that a crash leaves.
        """
        path = f"{RUN_NETNS}/{name}"
        try:
            status, folder = os.lstat(path), os.lstat(RUN_NETNS)
        except OSError:
            return ""
        if status.st_dev == self.host.inode[0]:
            try:
                os.close(netns_fd(path, follow=False))
            except OSError:
                return "a namespace of another kind"
            return ""
        if not stat.S_ISREG(status.st_mode):
            return type_text(status.st_mode)
        if status.st_dev != folder.st_dev or path in mount_points():
            return "a file that is mounted there"
        return "a file with something in it" if status.st_size else ""

    def is_own(self, netns: OpenNetns) -> bool:
        """Tell whether a namespace belongs to the user namespace of this process.

        Only root of that user namespace can set marks in it.
        """
        return owner_of(netns.fd) == self._user

    def find(self, label: str) -> OpenNetns | None:
        """Return the open namespace of a label, or None if there is none.

        Each name is looked up again once in a `round`.
        """
        if label == HOST:
            return self.host
        known = self._known.get(label)
        if known is not None and known.pinned:
            return known
        if known is None or known.last_round != self.round:
            known = self._look_up(label, known)
            if known is None:
                return None
        if known.fd < 0:
            try:
                fd = netns_fd(f"{RUN_NETNS}/{label}", follow=False)
            except OSError:
                self.drop(label)
                return None
            if inode_of(os.fstat(fd)) != known.inode:
                os.close(fd)
                self.drop(label)
                return self.find(label)
            known.fd = fd
        self._use(known)
        return known

    def _look_up(self, label: str, known: OpenNetns | None) -> OpenNetns | None:
        try:
            if "/" in label or label in ("", ".", ".."):
                raise FileNotFoundError(errno.ENOENT, "is not a name of a namespace", label)
            status = os.lstat(f"{RUN_NETNS}/{label}")
        except OSError:
            self.drop(label)
            return None
        if status.st_dev != self.host.inode[0]:
            self.drop(label)
            return None
        if known is None or known.inode != inode_of(status):
            self.drop(label)
            known = self._known[label] = OpenNetns(label, -1, inode_of(status))
        known.last_round = self.round
        return known

    def _use(self, netns: OpenNetns) -> None:
        # Far from the limit the order of use does not matter. Near it the namespaces of a batch
        # must be the most recently used ones, so that they stay open.
        if netns.label in self._open and len(self._open) < self.capacity - _NEAR:
            return
        self._open[netns.label] = netns
        self._open.move_to_end(netns.label)
        while len(self._open) > self.capacity:
            self._open.popitem(last=False)[1].close()

    def make_room(self, files: int) -> None:
        """Close the least recently used namespaces until `files` more files may be opened."""
        while self._open and 2 * len(self._open) + files > 2 * self.capacity:
            self._open.popitem(last=False)[1].close()

    def rtnl(self, netns: OpenNetns) -> Rtnl:
        """Return the namespace's netlink socket, which is opened at the first use."""
        if netns.rtnl is None:
            self.enter(netns)
            netns.rtnl = Rtnl()
        return netns.rtnl

    def number_of(self, asker: OpenNetns, fd: int) -> int | None:
        """Return the nsid that the namespace `fd` has in `asker`, or None (RTM_GETNSID)."""
        return self._number(asker, attr(c.NETNSA_FD, u32(fd)))

    def number_in(self, target: int, number: int) -> int | None:
        """Return the nsid that the namespace `number` has in the namespace `target`, or None.

        `number` and `target` are the nsids of the two in the host's namespace.
        """
        return self._number(
            self.host, attr(c.NETNSA_NSID, i32(number)) + attr(c.NETNSA_TARGET_NSID, i32(target))
        )

    def give_number(self, fd: int) -> None:
        """Give an open namespace an nsid in the host's namespace, unless it has one."""
        if self.number_of(self.host, fd) is None:
            rtnl = self.rtnl(self.host)
            seq = rtnl.next_seq()
            payload = bytes(4) + attr(c.NETNSA_FD, u32(fd)) + attr(c.NETNSA_NSID, i32(-1))
            rtnl.send([(seq, message(c.RTM_NEWNSID, c.NLM_F_REQUEST, seq, payload))])

    def _number(self, asker: OpenNetns, question: bytes) -> int | None:
        for answer in self.rtnl(asker).get(c.RTM_GETNSID, (bytes(4) + question,)):
            for _, buffer, start, end in answer:
                number = attributes(buffer, start + 4, end).get(c.NETNSA_NSID)
                if number is not None and as_i32(number) >= 0:
                    return as_i32(number)
        return None

    def numbers(self, label: str, others: Iterable[str]) -> dict[str, int]:
        """Return label → nsid that the other namespaces have in the namespace `label`."""
        nsids: dict[str, int] = {}
        for other in others:
            asker, netns = self.find(label), self.find(other)
            if asker is not None and netns is not None:
                number = self.number_of(asker, netns.fd)
                if number is not None:
                    nsids[other] = number
        return nsids

    def drop(self, label: str) -> None:
        """Close a namespace's files and forget its label."""
        self._open.pop(label, None)
        known = self._known.pop(label, None)
        if known is not None:
            if self._at == known.inode:
                self.home()
            known.close()

    def close_cached_files(self) -> None:
        """Close the files of all namespaces except the host's and the pinned ones.

        Each namespace is opened again when it is needed.
        """
        self.home()
        self.proc.close()
        while self._open:
            self._open.popitem()[1].close()

    def forget_links(self) -> None:
        """Forget the links' indices, because other programs may have changed links meanwhile.

        Namespaces in which netorch assigned every index are exempt.
        """
        for netns in self._learned:
            if not netns.next_index:
                netns.forget()
        self._learned.clear()

    def learn_links(self, netns: OpenNetns, indices: Mapping[str, int]) -> None:
        """Remember the indices of all links of a namespace until `forget_links`."""
        netns.indices |= indices
        netns.complete = True
        if not netns.next_index:
            # a list, because going through all namespaces would take too long at each change
            self._learned.append(netns)

    # making and removing

    def enter_new(self) -> None:
        """Move the thread into a new namespace that no other process uses."""
        self._unshare()
        self._at = (-1, -1)

    def _unshare(self) -> None:
        """Move the thread into a new namespace. At the limit, wait for namespaces that end.

        A removed namespace counts until the kernel has deleted it, which happens in the background.
        """
        while True:
            try:
                unshare(CLONE_NEWNET)
            except OSError as error:
                if error.errno != errno.ENOSPC or self._patience <= 0:
                    raise
                self._patience -= _POLL
                time.sleep(_POLL)
            else:
                return

    def new(self, label: str) -> OpenNetns:
        """Make a namespace without a name and enter it.

        The caller gives it a name with `publish`, or closes it.
        """
        self.enter_new()
        fd = move_up(os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC))
        netns = OpenNetns(label, fd, inode_of(os.fstat(fd)))
        self._at = netns.inode
        netns.next_index, netns.indices = _FIRST_INDEX, {"lo": 1}
        netns.last_round = self.round
        return netns

    @contextmanager
    def throwaway(self, label: str) -> Iterator[OpenNetns]:
        """Make a namespace with the label `label`, which is deleted when the context ends."""
        netns = self.new(label)
        netns.pinned = True
        self.drop(label)
        self._known[label] = netns
        try:
            yield netns
        finally:
            self.drop(label)

    def publish(self, netns: OpenNetns, reclaim: frozenset[str] = frozenset()) -> None:
        """Give the thread's namespace its name. Raise FileExistsError if the name is taken.

        An empty plain file, which a crash left, is removed first if its name is in `reclaim`.
        """
        self._bind(netns.label, reclaim)
        self.drop(netns.label)
        self._known[netns.label] = netns
        self._use(netns)

    def add_name(self, name: str, netns: OpenNetns, reclaim: frozenset[str] = frozenset()) -> None:
        """Give a namespace a second name. `reclaim` and the errors are those of `publish`."""
        self.enter(netns)
        self._bind(name, reclaim)
        self.drop(name)

    def _bind(self, name: str, reclaim: frozenset[str]) -> None:
        """Make a file in /run/netns for the namespace of this thread."""
        path = f"{RUN_NETNS}/{name}"
        if "/" in name or name in ("", ".", ".."):
            raise OSError(errno.EINVAL, "is not a name for a namespace", name)
        if name in reclaim:
            self._unlink_stale(path)
        self._create(path)
        try:
            mount(OWN_NETNS, path, "none", MS_BIND)
        except OSError as error:
            os.unlink(path)
            # the message tells the limit on mounts from a file system that is full
            raise OSError(error.errno, error.strerror, f"{MOUNT}{path}") from error
        except BaseException:
            os.unlink(path)
            raise

    def _create(self, path: str) -> None:
        """Create the file for a name. Make /run/netns again if it is gone.

        A `destroy` of another topology removes the directory if it finds it empty, which it is
        until the first name of this topology stands there.
        """
        flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0)
        except FileNotFoundError:
            self.prepare()
            fd = os.open(path, flags, 0)
        os.close(fd)

    def _unlink_stale(self, path: str) -> bool:
        """Remove `path` if it is the empty plain file that a crash leaves. Tell whether it was."""
        try:
            status, home = os.lstat(path), os.lstat(RUN_NETNS)
        except FileNotFoundError:
            return False
        stale = (
            stat.S_ISREG(status.st_mode) and status.st_size == 0 and status.st_dev == home.st_dev
        )
        if stale:
            os.unlink(path)
        return stale

    def remove(self, label: str, reclaim: frozenset[str] = frozenset()) -> None:
        """Remove the name of a namespace (umount2(2), MNT_DETACH).

        The kernel deletes the namespace when its last user is gone. Raise OSError with ENOENT if
        there is no such name, with EINVAL if it means another namespace than at the last lookup.
        """
        known = self._known.get(label)
        inode = known.inode if known is not None else None
        self.drop(label)
        path = f"{RUN_NETNS}/{label}"
        if "/" in label or label in ("", ".", ".."):
            raise OSError(errno.EINVAL, "is not a name of a namespace", label)
        status = os.lstat(path)
        if status.st_dev != self.host.inode[0]:
            if label in reclaim and self._unlink_stale(path):
                return
            raise OSError(errno.EINVAL, "not a network namespace", path)
        if inode is None:
            os.close(netns_fd(path, follow=False))
        elif inode != inode_of(status):
            raise OSError(errno.EINVAL, "another namespace has that name by now", path)
        while status.st_dev == self.host.inode[0]:
            umount(path)
            status = os.lstat(path)
        os.unlink(path)
        self._patience = _PATIENCE_FOR_OWN

    def prepare(self) -> None:
        """Make /run/netns a shared mount, as `ip netns add` does.

        Other mount namespaces then see the namespaces that are made there.
        """
        if not os.path.isdir(RUN_NETNS):
            os.makedirs(os.path.dirname(RUN_NETNS), 0o755, exist_ok=True)
            with suppress(FileExistsError):
                owned_directories.make(RUN_NETNS, _MARKER)
        fd = os.open(RUN_NETNS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                mount("", RUN_NETNS, "none", MS_SHARED | MS_REC)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                mount(RUN_NETNS, RUN_NETNS, "none", MS_BIND | MS_REC)
                mount("", RUN_NETNS, "none", MS_SHARED | MS_REC)
        finally:
            os.close(fd)

    def tidy(self) -> None:
        """Remove /run/netns if it is empty and netorch made it."""
        if owned_directories.has(_MARKER) and not self.names():
            try:
                umount(RUN_NETNS)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    return
            try:
                os.rmdir(RUN_NETNS)
            except OSError:
                return
            owned_directories.remove(_MARKER)
