"""The real kernel: what is there, and requests carried out; everything happens in one thread of its own."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from netorch.errors import OWN_NETWORK, NetorchError, Problem
from netorch.firewall.chains import ListedChain
from netorch.kernel.files.etc_netns import EtcFiles
from netorch.kernel.firewall import conntrack, filters, local_sockets
from netorch.kernel.links import learned, route_lookup
from netorch.kernel.links.announcements import announce
from netorch.kernel.machine import answers
from netorch.kernel.namespaces.attach import NotAttached, open_all
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.namespaces.worker import Worker
from netorch.kernel.reader import ParallelReader, Reader, attach_unnamed
from netorch.kernel.system import sysctl
from netorch.kernel.system.error_text import MORE_FILES
from netorch.kernel.writer import RequestSender
from netorch.netlink.codec import DecodeError
from netorch.netlink.encode import delete_group
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
from netorch.values.snapshot import NetnsSnapshot, Scope, Snapshot

if TYPE_CHECKING:
    from netorch.kernel.probe.probes import Probe, Reply

_CAP_NET_ADMIN = 12
_CAP_SYS_ADMIN = 21


def has_root() -> bool:
    """Whether the thread has CAP_NET_ADMIN and CAP_SYS_ADMIN (capabilities(7)), be it in a user namespace."""
    with open("/proc/thread-self/status", encoding="utf-8", errors="replace") as status:
        held = next((int(line.split()[1], 16) for line in status if line.startswith("CapEff:")), 0)
    return bool(held >> _CAP_NET_ADMIN & 1 and held >> _CAP_SYS_ADMIN & 1)


def require_root() -> None:
    """NetorchError unless the thread has what netorch needs."""
    if not has_root():
        rights = "netorch needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)."
        remedy = f"Run it with sudo, or in a network of your own: {OWN_NETWORK}"
        raise NetorchError(Problem("not-root", rights, remedy=remedy, command=OWN_NETWORK))


class LinuxKernel:
    """The door to Linux, for the network namespace of the thread that makes it (label `host`). A context manager.

    Labels that were attached are known to `read` (`Scope.attached`) and to `transact` until the next `attach`.
    """

    def __init__(
        self,
        count_read: Callable[[int, int], None] = lambda *_: None,
        reader: ParallelReader | None = None,
    ) -> None:
        """`count_read` is called with the number of namespaces that have been read, and of all.

        It is called in the thread that reads.

        `reader`: reads some of the namespaces.
        """
        require_root()
        self._count_read = count_read
        self._reader = reader
        self._namespaces = Namespaces()
        self._etc = EtcFiles()
        self._backends: dict[str, str] = {}
        self._worker = Worker(self._namespaces.home)

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
        """End the thread and close every socket and namespace; may be called twice."""
        self._worker.close()
        self._namespaces.close()

    def close_cached_files(self) -> None:
        """Close the files that are open only to be quick: after a failure that may have been for want of them."""
        self._worker.call(self._namespaces.close_cached_files)

    def read(self, scope: Scope, kept: Mapping[str, NetnsSnapshot] | None = None) -> Snapshot:
        """What `scope` asks for, as it is now; of `kept`, label → a snapshot from before, as it was then, where the namespace is still
        the same one. NetorchError if the state changes faster than it can be read.
        """
        try:
            return self._worker.call(
                Reader(self._namespaces, scope, self._count_read, kept or {}, self._reader).read
            )
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            many = error.errno == errno.EMFILE
            raise NetorchError(
                Problem(
                    "file-limit" if many else "kernel-unreadable",
                    f"the kernel's network state could not be read: {what}{error.strerror or error}.",
                    remedy=MORE_FILES if many else "",
                    command="ulimit -n" if many else "",
                )
            ) from error
        except DecodeError as error:
            release = os.uname().release
            raise NetorchError(
                Problem(
                    "netlink-not-understood",
                    f"the kernel's network state could not be read: Linux {release} says what netorch does not understand: {error}.",
                )
            ) from error

    def transact(
        self, channels: Mapping[str, Sequence[Request]], reclaim: Iterable[str] = ()
    ) -> list[Failure]:
        """Carry out each channel's requests in order; every refusal. A channel goes no further than the batch of its first one.

        `reclaim`: names in /run/netns where an empty plain file, left by a crash, may be replaced or removed.
        """
        names = frozenset(reclaim)
        return self._worker.call(
            lambda: RequestSender(self._namespaces, self._etc, names).run(channels)
        )

    def delete_group(self, netns: str, group: int) -> tuple[int, str] | None:
        """Delete all links of a group at once; errno and sentence if refused. No such link, or no such namespace, is not a failure.

        The caller has looked that each of them is its own.
        """

        def act() -> tuple[int, str] | None:
            self._namespaces.round += 1
            found = self._namespaces.find(netns)
            if found is None:
                return None
            rtnl = self._namespaces.rtnl(found)
            seq = rtnl.next_seq()
            error = rtnl.send([(seq, delete_group(group, seq))]).get(seq)
            self._namespaces.forget_links()
            return None if error is None or error[0] == errno.ENODEV else error

        return self._worker.call(act)

    def tell_of(self, moves: Moves) -> None:
        """Have everybody know where the things are that have moved: what the namespaces have learned
        of them is forgotten, and they announce themselves.
        """

        def act() -> None:
            self._namespaces.round += 1
            learned.forget(self._namespaces, moves)
            if moves.rerouted:
                learned.forget_routes(self._namespaces, moves.neighbours)
            announce(self._namespaces, moves.announced)

        self._worker.call(act)

    def connections(self, label: str) -> Sequence[Connection]:
        """The connections that a namespace remembers; none where the kernel does not tell."""

        def act() -> Sequence[Connection]:
            netns = self._namespaces.find(label)
            if netns is None:
                return ()
            self._namespaces.enter(netns)
            return conntrack.connections()

        return self._worker.call(act)

    def end_connections(self, label: str, ended: Sequence[Connection]) -> None:
        """Make a namespace forget connections, so that their next packets meet the rules anew, and
        reset the sockets of its own that they arrive at.
        """

        def act() -> None:
            netns = self._namespaces.find(label)
            if netns is not None:
                self._namespaces.enter(netns)
                local_sockets.end_sockets(ended)
                conntrack.end_connections(ended)

        self._worker.call(act)

    def interfaces_to(self, label: str, addresses: Iterable[Address]) -> Mapping[Address, str]:
        """The interfaces by which a namespace reaches addresses; without those that it does not."""

        def act() -> Mapping[Address, str]:
            netns = self._namespaces.find(label)
            return (
                route_lookup.interfaces_to(self._namespaces.rtnl(netns), addresses)
                if netns is not None
                else {}
            )

        return self._worker.call(act)

    def filter_chains(self, backend: str, topology: str, text: str) -> Sequence[ListedChain]:
        """The chains of a topology's own filter, which its backend lists as `text`."""
        return self._worker.call(
            lambda: filters.backend(backend).chains_of(topology, text, self._namespaces.fresh)
        )

    def lacking(self, features: Iterable[Feature]) -> list[Feature]:
        """Those that this kernel does not have, tried in namespaces that nobody else sees."""

        def act() -> list[Feature]:
            return [feature for feature in features if self._lacks(feature)]

        return self._worker.call(act)

    def _lacks(self, feature: Feature) -> bool:
        with self._namespaces.throwaway(""):
            failures = RequestSender(self._namespaces, self._etc, frozenset()).run(
                {"": feature.probe}
            )
        return any(failure.errno in feature.lacking for failure in failures)

    def answers(self, questions: Iterable[Question], folder: str) -> Mapping[Question, Answer]:
        """What this machine tells to each; `folder` is where the files are that questions name."""
        return answers.answer(questions, folder)

    def pristine_sysctls(self, paths: Iterable[str]) -> Mapping[str, str]:
        """The values that a new namespace has; paths that it lacks are absent."""
        wanted = tuple(paths)

        def act() -> Mapping[str, str]:
            self._namespaces.fresh()
            return sysctl.read_all(wanted)

        return self._worker.call(act)

    def settings(self, paths: Mapping[str, Iterable[str]]) -> Mapping[str, Mapping[str, str]]:
        """Label → the values that these settings, paths below /proc/sys, have now; what is not there is absent."""

        def act() -> Mapping[str, Mapping[str, str]]:
            self._namespaces.round += 1
            found = {}
            for label, wanted in paths.items():
                if (netns := self._namespaces.find(label)) is not None:
                    self._namespaces.enter(netns)
                    found[label] = sysctl.read_all(tuple(wanted), self._namespaces.proc)
            return found

        return self._worker.call(act)

    def refused_sysctls(self, settings: Iterable[SysctlSet]) -> dict[SysctlSet, tuple[int, str]]:
        """Settings that a new namespace does not take, each with the errno, or 0 and what it reads after the write."""

        def act() -> dict[SysctlSet, tuple[int, str]]:
            found: dict[SysctlSet, tuple[int, str]] = {}
            with self._namespaces.throwaway(""):
                for setting in settings:
                    try:
                        sysctl.write_all(setting.paths, setting.value)
                    except OSError as error:
                        found[setting] = error.errno or errno.EINVAL, ""
                        continue
                    there = sysctl.read_all(setting.paths).values()
                    other = next((value for value in there if value != setting.value), None)
                    if other is not None:
                        found[setting] = 0, other
            return found

        return self._worker.call(act)

    def filter_backend(self, choice: str) -> str:
        """What `backend.nat` means on this machine; NetorchError if nothing works.

        Asked once, because rules that change their backend in the middle of an apply are made twice.
        """

        def act() -> str:
            self._namespaces.home()
            return filters.choose(choice)

        if choice not in self._backends:
            self._backends[choice] = self._worker.call(act)
        return self._backends[choice]

    def filter_refusal(self, backend: str) -> str | None:
        """Why a backend cannot be used here, tried where nobody else sees it; None of one that can."""

        def act() -> str | None:
            self._namespaces.fresh()
            return filters.backend(backend).refusal()

        return self._worker.call(act)

    def filter_text(self, backend: str, topology: str, rules: Ruleset) -> str:
        """The rules in the backend's words, as they would be read back."""
        try:
            return self._worker.call(
                lambda: filters.backend(backend).text_of(topology, rules, self._namespaces.fresh)
            )
        except ValueError as error:
            raise NetorchError(
                Problem("rule-not-expressible", f"{backend}: {error}", object=backend)
            ) from None

    def attach(self, wanted: Mapping[str, Attachment]) -> Mapping[str, NotAttached]:
        """Make labels mean namespaces of others, held open until the next call; why not, of those that are not there."""
        found, missing = open_all(wanted)

        def act() -> None:
            self._namespaces.unpin()
            for label, fd in found.items():
                self._namespaces.pin(label, fd)

        self._worker.call(act)
        return missing

    def attached(self) -> Mapping[str, tuple[int, int]]:
        """Label → inode of what labels were made to mean."""
        return self._worker.call(self._namespaces.pinned)

    def probe(
        self,
        probes: Sequence[Probe],
        patience: float,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> list[Reply]:
        """What each probe found out, in their order; NetorchError if packets of our own may not be sent. `patience`: seconds that an
        answer may take where one is wanted. `progress`: called now and then with how many of how many are done.
        """
        from netorch.kernel.probe.run import probe

        return probe(self._namespaces, self._worker.call, probes, patience, progress)

    def attach_unnamed(self, cables: Mapping[str, Mapping[int, str]]) -> frozenset[str]:
        """Attach to the unnamed namespaces that these nsids mean, label → nsid → label to give; the labels given."""
        return self._worker.call(lambda: attach_unnamed(self._namespaces, cables))
