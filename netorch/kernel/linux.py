"""`LinuxKernel` reads and changes the network of the running kernel, in a thread of its own."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from netorch.errors import OWN_NETWORK, NetorchError, Problem
from netorch.firewall.chains import ListedChain
from netorch.immutable import replace
from netorch.kernel.files.etc_netns import EtcFiles
from netorch.kernel.firewall import filters
from netorch.kernel.namespaces.open_namespaces import Namespaces, Remembered
from netorch.kernel.namespaces.worker import Worker
from netorch.kernel.reader import ParallelReader, Reader, attach_unnamed
from netorch.kernel.shared_reader import Readings, SharedReader
from netorch.kernel.system import sysctl
from netorch.kernel.system.capabilities import has_root
from netorch.kernel.system.error_text import MORE_FILES, problem_of
from netorch.netlink.codec import DecodeError
from netorch.values.connections import Connection
from netorch.values.filter_rules import Address, Ruleset
from netorch.values.moves import Moves
from netorch.values.requests import (
    Answer,
    Attachment,
    Failure,
    Feature,
    Question,
    Request,
    SysctlSet,
)
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Scope, Snapshot

if TYPE_CHECKING:
    from netorch.kernel.events.netlink_sockets import NetnsSockets
    from netorch.kernel.machine.limits import Limits
    from netorch.kernel.namespaces.attach import NotAttached
    from netorch.kernel.probe.probes import Probe, Reply
    from netorch.values.extras import Extra

_OTHER_NAMESPACES = 2
"""The namespaces of this process, which have no names: its own one, and one for trials."""
_MANY_FILTERS = 64
"""The number of packet filters whose texts are remembered."""


def require_root() -> None:
    """Raise NetorchError unless the thread has the capabilities that netorch needs."""
    if not has_root():
        rights = "netorch needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)."
        remedy = f"Run it with sudo, or in a network of your own: {OWN_NETWORK}"
        raise NetorchError(Problem("not-root", rights, remedy=remedy, command=OWN_NETWORK))


class LinuxKernel:
    """Reads and changes the kernel's network state. A context manager.

    The label `host` means the network namespace of the thread that makes the object. Labels that
    `attach` was given are valid for `read` (`Scope.attached`) and `transact` until the next
    `attach`.
    """

    def __init__(
        self,
        count_read: Callable[[int, int], None] = lambda *_: None,
        reader: ParallelReader | None = None,
    ) -> None:
        """Make the object; its thread starts with the first call.

        While namespaces are read, `count_read` is called in the thread that reads them, with the
        number of those read so far and the number of all. `reader` reads some of the namespaces in
        another process.
        """
        require_root()
        self._count_read = count_read
        self._reader = reader
        self._namespaces = Namespaces()
        self._readings: Readings | None = None
        self._etc = EtcFiles()
        self._backends: dict[str, str] = {}
        self._filter_texts: dict[tuple[str, str, Ruleset], str] = {}
        self._worker = Worker(self._namespaces.home, self._end_reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and close every socket and namespace. A second call does nothing."""
        self._worker.close()
        self._namespaces.close()

    def _end_reader(self) -> bool:
        """End the process that reads in parallel, and return whether there was one."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        return reader is not None

    def close_cached_files(self) -> None:
        """Close the files that are open only to save time.

        Call it after a failure that too many open files may have caused.
        """
        self._worker.call(self._namespaces.close_cached_files)

    def rest(self) -> None:
        """Close what keeps namespaces alive or takes memory, because nothing is read for a while.

        Attached namespaces lose their labels.
        """

        def act() -> None:
            self._namespaces.unpin()
            self._namespaces.close_cached_files()

        self._worker.call(act)

    def event_sockets(self, labels: Iterable[str], buffer: int) -> list[NetnsSockets]:
        """Open sockets that receive the notifications of these namespaces.

        `buffer` is the size of their receive buffers in bytes. Namespaces that do not exist are
        left out. Raise NetorchError if there are too many files.
        """
        from netorch.kernel.events.netlink_sockets import open_sockets

        names = tuple(labels)
        try:
            return self._worker.call(lambda: open_sockets(self._namespaces, names, buffer))
        except OSError as error:
            raise NetorchError(problem_of(error)) from error

    def read(self, scope: Scope, previous: Mapping[str, NetnsSnapshot] | None = None) -> Snapshot:
        """Read what `scope` asks for.

        Raise NetorchError if it cannot be read, or changes faster than it can be read.

        `previous` maps labels to earlier snapshots. A snapshot is used again if the label still
        means the same namespace.
        """
        try:
            return self._worker.call(self._reader_of(scope, previous or {}).read)
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            many = error.errno == errno.EMFILE
            raise NetorchError(
                Problem(
                    "file-limit" if many else "kernel-unreadable",
                    "the kernel's network state could not be read: "
                    f"{what}{error.strerror or error}.",
                    remedy=MORE_FILES if many else "",
                    command="ulimit -n" if many else "",
                )
            ) from error
        except DecodeError as error:
            release = os.uname().release
            raise NetorchError(
                Problem(
                    "netlink-not-understood",
                    f"the kernel's network state could not be read: Linux {release} sent an answer "
                    f"that netorch does not understand: {error}.",
                )
            ) from error

    def _reader_of(self, scope: Scope, previous: Mapping[str, NetnsSnapshot]) -> Reader:
        if self._readings is not None:
            return SharedReader(self._namespaces, scope, self._readings)
        return Reader(self._namespaces, scope, self._count_read, previous, self._reader)

    @contextmanager
    def reading_once(self) -> Iterator[Readings]:
        """Let all calls of `read` in this context share what they read.

        So each of them may return what an earlier call has read. The context is for commands that
        change nothing.
        """
        self._readings = readings = Readings()
        try:
            yield readings
        finally:
            self._readings = None

    @contextmanager
    def remembering_marks(self) -> Iterator[None]:
        """Read the marks of namespaces, and of files in /etc/netns, only once in this context.

        What has the mark of another topology is then not looked at again. So the context is for
        commands that work on one topology after the other.
        """
        self._namespaces.remembered = Remembered()
        try:
            yield
        finally:
            self._namespaces.remembered = None

    def transact(
        self, channels: Mapping[str, Sequence[Request]], reclaim: Iterable[str] = ()
    ) -> list[Failure]:
        """Carry out each channel's requests in order and return every refusal.

        A channel stops after the batch in which a request is refused.

        `reclaim` has names in /run/netns. An empty plain file with such a name, which a crash left,
        may be replaced or removed.
        """
        from netorch.kernel.writer import RequestSender

        names = frozenset(reclaim)
        return self._worker.call(
            lambda: RequestSender(self._namespaces, self._etc, names).run(channels)
        )

    def tidy(self) -> None:
        """Remove /run/netns and /etc/netns if they are empty and netorch made them."""

        def act() -> None:
            self._namespaces.home()
            self._namespaces.tidy()
            self._etc.finish()

        self._worker.call(act)

    def delete_group(self, netns: str, group: int) -> tuple[int, str] | None:
        """Delete all links of a group at once. Return errno and message if the kernel refuses.

        A group without links, or a namespace that does not exist, is not a failure. The caller has
        made sure that netorch made every link of the group.
        """
        from netorch.netlink.encode import delete_group

        def act() -> tuple[int, str] | None:
            self._namespaces.round += 1
            opened = self._namespaces.find(netns)
            if opened is None:
                return None
            rtnl = self._namespaces.rtnl(opened)
            seq = rtnl.next_seq()
            error = rtnl.send([(seq, delete_group(group, seq))]).get(seq)
            self._namespaces.forget_links()
            return None if error is None or error[0] == errno.ENODEV else error

        return self._worker.call(act)

    def announce_moves(self, moves: Moves | None) -> None:
        """Let the namespaces learn where addresses and MACs are after they have moved.

        This deletes what the namespaces had learned about them and sends announcements. It does
        nothing with None.
        """
        if moves is None:
            return
        from netorch.kernel.links import learned
        from netorch.kernel.links.announcements import announce

        def act() -> None:
            self._namespaces.round += 1
            learned.forget(self._namespaces, moves)
            if moves.rerouted:
                learned.forget_routes(self._namespaces, moves.neighbours)
            announce(self._namespaces, moves.announced)

        self._worker.call(act)

    def connections(self, label: str) -> Sequence[Connection]:
        """Return the connections that conntrack tracks in a namespace.

        The result is empty if the kernel cannot list them.
        """
        from netorch.kernel.firewall import conntrack

        def act() -> Sequence[Connection]:
            netns = self._namespaces.find(label)
            if netns is None:
                return ()
            self._namespaces.enter(netns)
            return conntrack.connections()

        return self._worker.call(act)

    def end_connections(self, label: str, ended: Sequence[Connection]) -> None:
        """Delete connections from a namespace's conntrack and reset the local sockets they end at.

        The next packet of such a connection is then checked by the current rules.
        """
        from netorch.kernel.firewall import conntrack, local_sockets

        def act() -> None:
            netns = self._namespaces.find(label)
            if netns is not None:
                self._namespaces.enter(netns)
                local_sockets.end_sockets(ended)
                conntrack.end_connections(ended)

        self._worker.call(act)

    def interfaces_to(self, label: str, addresses: Iterable[Address]) -> Mapping[Address, str]:
        """Return address → the interface by which the namespace reaches it.

        Addresses without a route are absent.
        """
        from netorch.kernel.links import route_lookup

        def act() -> Mapping[Address, str]:
            netns = self._namespaces.find(label)
            return (
                route_lookup.interfaces_to(self._namespaces.rtnl(netns), addresses)
                if netns is not None
                else {}
            )

        return self._worker.call(act)

    def listening_on_host(self) -> frozenset[tuple[str, int]]:
        """Return (protocol, port) of the listening sockets of the host."""
        from netorch.kernel.system.listening_sockets import listening

        def act() -> frozenset[tuple[str, int]]:
            self._namespaces.enter(self._namespaces.host)
            return frozenset((protocol, port) for protocol, _, port in listening())

        return self._worker.call(act)

    def tunnels_of_host(self) -> Sequence[tuple[str, LinkRecord]]:
        """Return the VXLANs whose outer packets belong to the host, with their namespaces."""
        from netorch.kernel.links.tunnels import tunnels_of_host

        return self._worker.call(lambda: tunnels_of_host(self._namespaces))

    def filter_chains(self, backend: str, topology: str, text: str) -> Sequence[ListedChain]:
        """Return the chains of a topology's filter. `text` is how its backend lists the filter."""
        return self._worker.call(
            lambda: filters.backend(backend).chains_of(topology, text, self._namespaces.enter_new)
        )

    def lacking(self, features: Iterable[Feature]) -> list[Feature]:
        """Return the features that this kernel lacks. Each is tried in a throwaway namespace."""

        def act() -> list[Feature]:
            return [feature for feature in features if self._lacks(feature)]

        return self._worker.call(act)

    def _lacks(self, feature: Feature) -> bool:
        from netorch.kernel.writer import RequestSender

        with self._namespaces.throwaway(""):
            failures = RequestSender(self._namespaces, self._etc, frozenset()).run(
                {"": feature.probe}
            )
        return any(failure.errno in feature.lacking for failure in failures)

    def limits(self, namespaces: int, *, everything: bool) -> Limits:
        """Read the limits that a topology can reach, of which `namespaces` are to be made.

        Without `everything`, it reads only limits on what can be counted exactly. Existing
        namespaces are only counted if they and the new ones may be more than the limit.
        """
        from netorch.kernel.machine import limits

        read = limits.read_all(0) if everything else limits.read_countable(0)
        names = self._namespaces.count_names() + namespaces + _OTHER_NAMESPACES
        if read.namespaces is None or names <= read.namespaces:
            return read
        existing = self._worker.call(self._namespaces.count_own)
        return replace(read, existing_namespaces=existing)

    def answers(self, questions: Iterable[Question], folder: str) -> Mapping[Question, Answer]:
        """Answer each question. Relative paths of key files count from `folder`."""
        from netorch.kernel.machine import answers

        return answers.answer(questions, folder)

    def pristine_sysctls(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return path → value in a new namespace. Paths that it does not have are absent."""
        names = tuple(paths)

        def act() -> Mapping[str, str]:
            self._namespaces.enter_new()
            return sysctl.read_all(names)

        return self._worker.call(act)

    def settings(self, paths: Mapping[str, Iterable[str]]) -> Mapping[str, Mapping[str, str]]:
        """Return label → path below /proc/sys → its current value.

        Settings and namespaces that do not exist are absent.
        """

        def act() -> Mapping[str, Mapping[str, str]]:
            self._namespaces.round += 1
            values = {}
            for label, names in paths.items():
                if (netns := self._namespaces.find(label)) is not None:
                    self._namespaces.enter(netns)
                    values[label] = sysctl.read_all(tuple(names), self._namespaces.proc)
            return values

        return self._worker.call(act)

    def all_settings(
        self, labels: Iterable[str]
    ) -> tuple[Mapping[str, Mapping[str, str]], Mapping[str, str]]:
        """Return label → path below /proc/sys → value, for all network settings of the namespaces.

        The second mapping has those of a new namespace.
        """
        names = tuple(labels)

        def act() -> tuple[Mapping[str, Mapping[str, str]], Mapping[str, str]]:
            self._namespaces.round += 1
            values: dict[str, Mapping[str, str]] = {}
            for label in names:
                if (netns := self._namespaces.find(label)) is not None:
                    self._namespaces.enter(netns)
                    values[label] = sysctl.read_tree("net")
            self._namespaces.enter_new()
            return values, sysctl.read_tree("net")

        return self._worker.call(act)

    def extras(self, labels: Iterable[str]) -> Mapping[str, tuple[Extra, ...]]:
        """Return label → what the namespace has for which netorch has no resource."""
        from netorch.kernel.system import extras

        names = tuple(labels)

        def act() -> Mapping[str, tuple[Extra, ...]]:
            self._namespaces.round += 1
            extras_of: dict[str, tuple[Extra, ...]] = {}
            for label in names:
                if (netns := self._namespaces.find(label)) is not None:
                    rtnl = self._namespaces.rtnl(netns)
                    self._namespaces.enter(netns)
                    extras_of[label] = extras.read(rtnl)
            return extras_of

        return self._worker.call(act)

    def refused_sysctls(self, settings: Iterable[SysctlSet]) -> dict[SysctlSet, tuple[int, str]]:
        """Return the settings that a new namespace refuses, each with an errno and a value.

        If the write fails, the errno is that of the write, and the value is empty. If the setting
        has another value after the write, the errno is 0, and the value is that other one.
        """

        def act() -> dict[SysctlSet, tuple[int, str]]:
            refused: dict[SysctlSet, tuple[int, str]] = {}
            with self._namespaces.throwaway(""):
                for setting in settings:
                    try:
                        sysctl.write_all(setting.paths, setting.value)
                    except OSError as error:
                        refused[setting] = error.errno or errno.EINVAL, ""
                        continue
                    values = sysctl.read_all(setting.paths).values()
                    other = next((value for value in values if value != setting.value), None)
                    if other is not None:
                        refused[setting] = 0, other
            return refused

        return self._worker.call(act)

    def filter_backend(self, choice: str) -> str:
        """Return the backend that a value of `backend.nat` means on this machine.

        Raise NetorchError if none works. The answer is remembered, because rules whose backend
        changed during an `apply` would be made twice.
        """

        def act() -> str:
            self._namespaces.home()
            return filters.choose(choice)

        if choice not in self._backends:
            self._backends[choice] = self._worker.call(act)
        return self._backends[choice]

    def filter_refusal(self, backend: str) -> str | None:
        """Return why this machine cannot use a backend, or None if it can.

        It is tried in a new namespace that nothing else uses.
        """

        def act() -> str | None:
            self._namespaces.enter_new()
            return filters.backend(backend).refusal()

        return self._worker.call(act)

    def filter_text(self, backend: str, topology: str, rules: Ruleset) -> str:
        """Return the rules as the backend would list them.

        The last answers are remembered, because loading the rules takes long. Raise NetorchError if
        the backend cannot express one.
        """
        asked = backend, topology, rules
        if asked in self._filter_texts:
            return self._filter_texts[asked]
        try:
            text = self._worker.call(
                lambda: filters.backend(backend).text_of(
                    topology, rules, self._namespaces.enter_new
                )
            )
        except ValueError as error:
            raise NetorchError(
                Problem("rule-not-expressible", f"{backend}: {error}", object=backend)
            ) from None
        if len(self._filter_texts) == _MANY_FILTERS:
            self._filter_texts.clear()
        self._filter_texts[asked] = text
        return text

    def attach(self, attachments: Mapping[str, Attachment]) -> Mapping[str, NotAttached]:
        """Give labels to namespaces that already exist, and hold these open until the next call.

        Returns label → the reason for each namespace that could not be attached.
        """
        opened: Mapping[str, int] = {}
        missing: Mapping[str, NotAttached] = {}
        if attachments:
            from netorch.kernel.namespaces.attach import open_all

            opened, missing = open_all(attachments)

        def act() -> None:
            self._namespaces.unpin()
            for label, fd in opened.items():
                self._namespaces.pin(label, fd)

        self._worker.call(act)
        return missing

    def attached(self) -> Mapping[str, tuple[int, int]]:
        """Return label → inode of the namespaces that are attached."""
        return self._worker.call(self._namespaces.pinned)

    def probe(
        self,
        probes: Sequence[Probe],
        patience: float,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> list[Reply]:
        """Send the probes and return their replies, in the same order.

        Raise NetorchError if the kernel does not let netorch send packets of its own.

        `patience` is the number of seconds that an expected answer may take. `progress` is called
        now and then with the number of finished probes and the number of all.
        """
        from netorch.kernel.probe.run import probe

        return probe(self._namespaces, self._worker.call, probes, patience, progress)

    def attach_unnamed(self, cables: Mapping[str, Mapping[int, str]]) -> frozenset[str]:
        """Attach the unnamed namespaces that nsids mean, and return the labels they got.

        `cables` is label → nsid in that namespace → label to give.
        """
        return self._worker.call(lambda: attach_unnamed(self._namespaces, cables))
