"""Receives the notifications of many namespaces, and changes of netorch's files, in a thread.

The thread has an event loop of asyncio. It empties the sockets even while the rest of netorch reads
the kernel, so that notifications are rarely lost.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from netorch.kernel.events.inotify import (
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_DELETE,
    IN_MODIFY,
    IN_MOVED,
    FileEvent,
    Inotify,
)
from netorch.kernel.events.netlink_sockets import NetnsSockets
from netorch.kernel.events.notification import Inode, News
from netorch.kernel.events.receivers import Receiver
from netorch.kernel.files.etc_netns import ETC_NETNS
from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.kernel.processes.members import processes_in
from netorch.kernel.system import threads
from netorch.kernel.system.nsfs import RUN_NETNS

_NAMES = IN_CREATE | IN_DELETE | IN_MOVED
_CONTENTS = _NAMES | IN_CLOSE_WRITE | IN_MODIFY
_PARENTS = {"/run": {"netns", "netorch"}, "/etc": {"netns"}}
"""Directory → the directories in it that come and go."""
_LOCK = ".lock"
Result = TypeVar("Result")


class Listener:
    """Listens in namespaces. Any thread may call its methods."""

    def __init__(self) -> None:
        """Start the thread. Raise NetorchError if the limit of processes does not allow it."""
        self._condition = threading.Condition()
        self._news = News()
        self._receivers: dict[Inode, Receiver] = {}
        self._loop = asyncio.new_event_loop()
        self._inotify: Inotify | None = None
        self._processes: set[int] = set()
        self.output_is_closed = False
        """Whether nobody reads the pipe of `watch_output` any more."""
        self._thread = threading.Thread(target=self._run, name="netorch-events", daemon=True)
        threads.start(self._thread)

    def close(self) -> None:
        """Close all sockets and end the thread."""
        with suppress(RuntimeError):
            self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def watches_files(self) -> bool:
        """Whether changes of files are told. If not, inotify's limits are reached."""
        return self._inotify is not None

    def inodes(self) -> frozenset[Inode]:
        """Return the namespaces in which it listens."""
        return frozenset(self._receivers.copy())

    def add(self, sockets: Iterable[NetnsSockets]) -> None:
        """Begin to listen with these sockets, and close them later.

        Sockets of a namespace in which it listens already are closed at once.
        """
        self._call(self._add(list(sockets)))

    def remove(self, inodes: Iterable[Inode]) -> None:
        """Close the sockets of namespaces."""
        self._call(self._remove(frozenset(inodes)))

    def wait(self, seconds: float | None) -> bool:
        """Wait until something has changed. Return whether that happened in time."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._news.is_empty, seconds)

    def settle(self, quiet: float, most: float) -> None:
        """Wait until nothing has changed for `quiet` seconds, but at most `most` seconds.

        `most` counts from the first change.
        """
        with self._condition:
            while not self._news.is_empty:
                now = time.monotonic()
                left = min(self._news.last + quiet, self._news.first + most) - now
                if left <= 0:
                    return
                self._condition.wait(left)

    def take(self) -> News:
        """Return what has changed since the last call."""
        with self._condition:
            news, self._news = self._news, News()
            for inode in news.notifications:
                if (receiver := self._receivers.get(inode)) is not None:
                    news.add(inode, receiver.take())
        return news

    def wake(self) -> None:
        """Let `wait` return."""
        self._note(lambda news: None)

    # in the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._inotify = Inotify()
        except OSError:
            self._inotify = None
        else:
            self._loop.add_reader(self._inotify.fd, self._files_changed)
            for parent in _PARENTS:
                self._inotify.watch(parent, _NAMES)
            self._watch_directories()
        self._loop.run_forever()

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _add(self, added: list[NetnsSockets]) -> None:
        for sockets in added:
            if sockets.inode in self._receivers:
                sockets.close()
                continue
            receiver = Receiver(sockets, self._changed, self._lost)
            await receiver.begin()
            self._receivers[sockets.inode] = receiver
            if not sockets.name and not sockets.is_host:
                self._watch_process(sockets.inode)

    async def _remove(self, inodes: frozenset[Inode]) -> None:
        for inode in inodes:
            receiver = self._receivers.pop(inode, None)
            if receiver is not None:
                receiver.close()

    async def _close(self) -> None:
        await self._remove(frozenset(self._receivers))
        for fd in list(self._processes):
            self._forget_process(fd)
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.fd)
            self._inotify.close()

    def _note(self, change: Callable[[News], None]) -> None:
        with self._condition:
            self._news.last = time.monotonic()
            self._news.first = self._news.first or self._news.last
            change(self._news)
            self._condition.notify_all()

    def _changed(self, receiver: Receiver) -> None:
        inode = receiver.sockets.inode
        self._note(lambda news: news.add(inode, ()))

    def _lost(self, receiver: Receiver) -> None:
        inode = receiver.sockets.inode

        def change(news: News) -> None:
            news.add(inode, ())
            news.lost.add(inode)

        self._note(change)

    def _watch_directories(self) -> None:
        """Watch the directories that exist now, and were not watched before."""
        assert self._inotify is not None
        for path, mask in (
            (RUN_NETNS, _NAMES),
            (ETC_NETNS, _NAMES),
            (RUN_NETORCH, _CONTENTS),
        ):
            if not self._inotify.is_watched(path):
                self._inotify.watch(path, mask)

    def watch_files(self, labels: Iterable[str]) -> None:
        """Watch the files of these names in /etc/netns."""
        paths = [f"{ETC_NETNS}/{label}" for label in labels]

        async def work() -> None:
            if self._inotify is not None:
                for path in paths:
                    if not self._inotify.is_watched(path):
                        self._inotify.watch(path, _CONTENTS)

        self._call(work())

    def _files_changed(self) -> None:
        assert self._inotify is not None
        for event in self._inotify.read():
            self._file_changed(event)

    def _file_changed(self, event: FileEvent) -> None:
        directory, name = event.directory, event.name
        if not directory:
            self._note(_everything)
        elif directory in _PARENTS:
            if name in _PARENTS[directory]:
                self._watch_directories()
                self._note(_everything)
        elif directory == RUN_NETNS:
            if event.mask & (IN_DELETE | IN_MOVED):
                self._release(name)
            self._note(lambda news: news.names.add(name))
        elif directory == ETC_NETNS:
            self._note(lambda news: news.files.add(name))
        elif directory == RUN_NETORCH:
            self._note(lambda news: news.records.add(name.removesuffix(_LOCK)))
        else:
            label = directory.rpartition("/")[2]
            self._note(lambda news: news.files.add(label))

    def _release(self, name: str) -> None:
        """Close the sockets of a namespace that has lost its name, so that Linux can delete it."""
        for inode, receiver in list(self._receivers.items()):
            if receiver.sockets.name == name:
                del self._receivers[inode]
                receiver.close()

    def _watch_process(self, inode: Inode) -> bool:
        """Wait for the end of a process in a namespace without a name, such as a container's.

        The namespace ends with the last of its processes, and with these sockets. Return whether
        there is such a process.
        """
        for pid in sorted(processes_in((inode,))):
            try:
                fd = os.pidfd_open(pid)
            except OSError:
                continue
            self._processes.add(fd)
            self._loop.add_reader(fd, self._process_ended, fd, inode)
            return True
        return False

    def _process_ended(self, fd: int, inode: Inode) -> None:
        self._forget_process(fd)
        if inode in self._receivers and not self._watch_process(inode):
            self._receivers.pop(inode).close()
            self._note(lambda news: news.names.add(""))

    def _forget_process(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        self._processes.discard(fd)
        os.close(fd)

    def watch_output(self, fd: int) -> None:
        """Set `output_is_closed` when nobody reads a pipe any more. Other files are ignored."""
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            self._loop.call_soon_threadsafe(self._loop.add_reader, fd, self._output_closed, fd)

    def _output_closed(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        # a socket may have input
        if _has_hung_up(fd):
            self.output_is_closed = True
            self.wake()


def _has_hung_up(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, 0)
    return any(mask & (select.POLLERR | select.POLLHUP) for _, mask in poll.poll(0))


def _everything(news: News) -> None:
    news.names.add("")
    news.files.add("")
    news.records.add("")
