"""Network namespaces by label: found in /run/netns or attached by path, opened, made and removed (ip-netns(8), setns(2))."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from netorch.kernel.files import owned_directories
from netorch.kernel.files.file_types import mount_points, type_text
from netorch.kernel.namespaces.netns import OpenNetns, inode_of, netns_fd, owner_of
from netorch.kernel.system.descriptors import move_up
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

HOST = "host"
"""The label of the namespace that everything starts from."""

RUN_NETNS = "/run/netns"
OWN_NETNS = "/proc/thread-self/ns/net"

_MARKER = "made-run-netns"
_OTHER_FILES = 14
"""Open files that are no namespace's, at most, but where the limit allows more."""
_TABLE = 8192
"""Open files that there is room for from the start, a pointer each."""
_NEAR = 1024
"""Namespaces that are used between two of which one may close the other, at most."""
_FIRST_INDEX = 16
"""Where allotted indices begin: below it the kernel puts what it makes by itself in a new namespace (lo, sit0, tunl0, gre0 …)."""


def _widen(fd: int, limit: int) -> None:
    """Make room in the table of open files while nobody shares it: once another thread does, each time that it has to double the kernel
    waits for all readers, ten milliseconds and more (expand_fdtable in fs/file.c).
    """
    with suppress(OSError):
        os.close(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, min(limit, _TABLE) - 1))


class Namespaces:
    """All namespaces in use, with at most so many of them open as the limit on open files allows.

    Only the constructor and `close` are for any thread; all else moves the calling thread about, and `home` brings it back.
    """

    def __init__(self) -> None:
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft, hard = self._limits
        if soft != hard:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            except OSError:
                hard = soft  # what forbids the call leaves the limit as it is
        limit = 1 << 20 if hard == resource.RLIM_INFINITY else min(hard, 1 << 20)
        # two of each, and some for all else that is open
        self.capacity = max(3, (limit - min(256, max(limit // 2, _OTHER_FILES))) // 2)
        home = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
        if threading.active_count() == 1:
            _widen(home, limit)
        self.host = OpenNetns(HOST, home, inode_of(os.fstat(home)), pinned=True)
        self._user = inode_of(os.stat("/proc/self/ns/user"))
        self.round = 0
        self.proc = Procfs()
        self._known: dict[str, OpenNetns] = {}
        self._open: OrderedDict[str, OpenNetns] = OrderedDict()
        self._at: tuple[int, int] = self.host.inode

    def close(self) -> None:
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

    # where the thread is

    def enter(self, netns: OpenNetns) -> None:
        if self._at != netns.inode:
            setns(netns.fd)
            self._at = netns.inode

    def home(self) -> bool:
        """Back to the namespace of the start; False if the thread is lost."""
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
        """What the label means from now on, until it is pinned anew, whatever becomes of the name by which it was found."""
        self.drop(label)
        self._known[label] = OpenNetns(label, fd, inode_of(os.fstat(fd)), pinned=True)

    def pinned(self) -> dict[str, tuple[int, int]]:
        """Label → inode of the namespaces that were pinned."""
        return {label: netns.inode for label, netns in self._known.items() if netns.pinned}

    def unpin(self) -> None:
        """Let go of all that was pinned: what the labels mean may be something else by now."""
        for label in self.pinned():
            self.drop(label)

    def names(self) -> Mapping[str, tuple[int, int] | None]:
        """The entries of /run/netns: name → inode, None for one that is not a namespace (a symbolic link, a stale file …)."""
        found: dict[str, tuple[int, int] | None] = {}
        try:
            entries = os.listdir(RUN_NETNS)
        except (FileNotFoundError, NotADirectoryError):
            return found
        for name in entries:
            try:
                status = os.lstat(f"{RUN_NETNS}/{name}")
            except FileNotFoundError:
                continue
            # all namespaces are files of one file system that nothing else is in, nsfs
            found[name] = inode_of(status) if status.st_dev == self.host.inode[0] else None
        return found

    def odd(self, name: str) -> str:
        """What an entry of /run/netns is that is neither a network namespace nor the empty file that a crash leaves; else ""."""
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
        """Whether it belongs to the user namespace of this process: only root there can set its marks."""
        return owner_of(netns.fd) == self._user

    def find(self, label: str) -> OpenNetns | None:
        """The namespace of a label, open; None without one. Each name is looked at anew once a `round`."""
        if label == HOST:
            return self.host
        known = self._known.get(label)
        if known is not None and known.pinned:
            return known
        if known is None or known.seen != self.round:
            known = self._look(label, known)
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

    def _look(self, label: str, known: OpenNetns | None) -> OpenNetns | None:
        try:
            if "/" in label or label in ("", ".", ".."):
                raise FileNotFoundError(errno.ENOENT, "no name of a namespace", label)
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
        known.seen = self.round
        return known

    def _use(self, netns: OpenNetns) -> None:
        # far from the limit it does not matter who was used last; what a batch speaks of must have been, when it does
        if netns.label in self._open and len(self._open) < self.capacity - _NEAR:
            return
        self._open[netns.label] = netns
        self._open.move_to_end(netns.label)
        while len(self._open) > self.capacity:
            self._open.popitem(last=False)[1].close()

    def make_room(self, files: int) -> None:
        """Close what was not used for longest, until so many more files may be open."""
        while self._open and 2 * len(self._open) + files > 2 * self.capacity:
            self._open.popitem(last=False)[1].close()

    def rtnl(self, netns: OpenNetns) -> Rtnl:
        """The namespace's netlink socket, opened in it at the first use."""
        if netns.rtnl is None:
            self.enter(netns)
            netns.rtnl = Rtnl()
        return netns.rtnl

    def number_of(self, asker: OpenNetns, fd: int) -> int | None:
        """The number that the open namespace `fd` has in another one (RTM_GETNSID), None without one."""
        return self._number(asker, attr(c.NETNSA_FD, u32(fd)))

    def number_in(self, target: int, number: int) -> int | None:
        """The number that a namespace has in another one. `target`, `number`: what the host has for the two."""
        return self._number(
            self.host, attr(c.NETNSA_NSID, i32(number)) + attr(c.NETNSA_TARGET_NSID, i32(target))
        )

    def give_number(self, fd: int) -> None:
        """See to it that the host has a number for an open namespace."""
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
        """The numbers that other namespaces have in one, by their labels."""
        found: dict[str, int] = {}
        for other in others:
            asker, there = self.find(label), self.find(other)
            if asker is not None and there is not None:
                number = self.number_of(asker, there.fd)
                if number is not None:
                    found[other] = number
        return found

    def drop(self, label: str) -> None:
        """Close what is open of a namespace and forget it."""
        self._open.pop(label, None)
        known = self._known.pop(label, None)
        if known is not None:
            if self._at == known.inode:
                self.home()
            known.close()

    def close_cached_files(self) -> None:
        """Close what is open of all namespaces but the host's and the pinned ones; each is opened again when it is needed."""
        self.home()
        self.proc.close()
        while self._open:
            self._open.popitem()[1].close()

    def forget_links(self) -> None:
        """Links may have come and gone behind our back, except where every index is of our own allotting."""
        for netns in (self.host, *self._known.values()):
            if not netns.next_index:
                netns.forget()

    # making and removing

    def fresh(self) -> None:
        """Move the thread into a new namespace that nobody else knows."""
        unshare(CLONE_NEWNET)
        self._at = (-1, -1)

    def new(self, label: str) -> OpenNetns:
        """A new namespace that has no name yet, entered; give it one with `publish` or close it."""
        self.fresh()
        fd = move_up(os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC))
        netns = OpenNetns(label, fd, inode_of(os.fstat(fd)))
        self._at = netns.inode
        netns.next_index, netns.indices = _FIRST_INDEX, {"lo": 1}
        netns.seen = self.round
        return netns

    @contextmanager
    def throwaway(self, label: str) -> Iterator[OpenNetns]:
        """A new namespace that goes by `label` as long as the context lasts, and then is gone with all that is in it."""
        netns = self.new(label)
        netns.pinned = True
        self.drop(label)
        self._known[label] = netns
        try:
            yield netns
        finally:
            self.drop(label)

    def publish(self, netns: OpenNetns, reclaim: frozenset[str] = frozenset()) -> None:
        """Bind the namespace that the thread is in to its name; FileExistsError if that is taken."""
        path = f"{RUN_NETNS}/{netns.label}"
        if "/" in netns.label or netns.label in ("", ".", ".."):
            raise OSError(errno.EINVAL, "no name for a namespace", netns.label)
        if netns.label in reclaim:
            self._unlink_stale(path)
        os.close(
            os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0)
        )
        try:
            mount(OWN_NETNS, path, "none", MS_BIND)
        except BaseException:
            os.unlink(path)
            raise
        self.drop(netns.label)
        self._known[netns.label] = netns
        self._use(netns)

    def _unlink_stale(self, path: str) -> bool:
        """Remove an empty plain file that a crash left where a namespace's name belongs; nothing else."""
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
        """Take the name away; the namespace dies with its last user (umount2(2), MNT_DETACH). ENOENT if it is not there.

        EINVAL if the name means something else by now than when it was last looked at.
        """
        known = self._known.get(label)
        inode = known.inode if known is not None else None
        self.drop(label)
        path = f"{RUN_NETNS}/{label}"
        if "/" in label or label in ("", ".", ".."):
            raise OSError(errno.EINVAL, "no name of a namespace", label)
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

    def prepare(self) -> None:
        """Make /run/netns a shared mount, as `ip netns add` does, so that other mount namespaces see what is made there."""
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
        """Remove /run/netns again if it is empty and netorch made it."""
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
