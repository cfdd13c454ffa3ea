"""Repeats the questions of a comparison, and tells whether all answers are the same.

It runs before anything large is imported, in the main thread of a process that has no other one.
"""

from __future__ import annotations

import os

from netorch.kernel.comparison import answers
from netorch.kernel.files import etc_netns, state_cache
from netorch.kernel.system import sysctl
from netorch.kernel.system.capabilities import has_root
from netorch.kernel.system.nsfs import HOST, OWN_NETNS, RUN_NETNS, inode_of, netns_fd
from netorch.kernel.system.procfs import Procfs
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.kernel.system.syscalls import setns
from netorch.netlink import constants as c
from netorch.netlink.codec import attr, attributes, text, u32

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from netorch.kernel.system.rtnetlink import Question

MANY = 100
"""The number of namespaces from which a second process asks half of them."""
_LO = bytes(4) + u32(1) + bytes(8) + attr(c.IFLA_EXT_MASK, u32(c.RTEXT_FILTER_SKIP_STATS))
"""The question about the link with the index of lo."""


class Differs(Exception):
    """An answer is another one than before, or there is none."""


def topology_in_sync(names: Iterable[str], identity: str, *, changes: bool) -> str | None:
    """Return the topology of an identity (`state_cache.identity_of`) if it is surely in sync.

    None means that it may be in sync or not, or that none of `names` is such a topology. `changes`
    says that the caller is an apply: it holds the topology's lock meanwhile, and the record must be
    complete.
    """
    try:
        if not has_root():
            return None
        for name in names:
            if state_cache.read_identity(name, answers.FILE) != identity:
                continue
            with open(
                answers.lock(name, changes=True) if changes else os.devnull, "rb", buffering=0
            ):
                written_for, stored, _ = state_cache.split(state_cache.read(name, answers.FILE))
                if written_for == identity and (stored["is_complete"] or not changes):
                    return name if is_as_stored(name, stored) else None
    except Exception:
        # whatever is unusual is for the usual comparison, which can also say what it is
        return None
    return None


def is_as_stored(name: str, stored: Mapping[str, Any]) -> bool:
    """Tell whether this machine gives the stored answers. Raise Differs or OSError if it does not.

    The calling thread is in its own namespace again afterwards.
    """
    if (
        stored["form"] != answers.FORM
        or stored["machine"] != answers.machine()
        or stored["records"] != answers.stamp_of_records()
    ):
        return False
    namespaces: dict[str, dict[str, Any]] = stored["namespaces"]
    labels = [*stored["foreign"], *namespaces]
    if {*_names()} != {*labels} - {HOST}:
        return False
    _compare_files_without_namespace(stored["mark"], namespaces)
    home = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
    questions = _Questions(name, stored, home)
    try:
        _compare_all(questions, labels)
    finally:
        questions.close()
        setns(home)
        os.close(home)
    return True


def _names() -> list[str]:
    try:
        return os.listdir(RUN_NETNS)
    except FileNotFoundError:
        return []


def _compare_files_without_namespace(mark: str, namespaces: Mapping[str, object]) -> None:
    """Raise Differs if the topology has files in /etc/netns for a namespace that is not its own."""
    for label in etc_netns.labels():
        if label not in namespaces:
            texts = etc_netns.read_all(label, etc_netns.NAMES, {})
            if any(one.startswith(mark) for one in texts.values()):
                raise Differs(label)


def _compare_all(questions: _Questions, labels: Sequence[str]) -> None:
    """Compare all namespaces, half of many in a process of its own. Raise Differs or OSError."""
    half = len(labels)
    if half >= MANY and len(os.sched_getaffinity(0)) > 1:
        half //= 2
    child = os.fork() if half < len(labels) else -1
    if child == 0:
        status = 1
        try:
            for label in labels[half:]:
                questions.compare(label)
            status = 0
        finally:
            os._exit(status)
    try:
        for label in labels[:half]:
            questions.compare(label)
    except BaseException:
        if child > 0:
            _end(child)
        raise
    if child > 0 and os.waitpid(child, 0)[1] != 0:
        raise Differs


def _end(child: int) -> None:
    import _signal as signal  # type: ignore[import-not-found]

    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


class _Questions:
    """The questions of one comparison."""

    def __init__(self, topology: str, stored: Mapping[str, Any], home: int) -> None:
        """`home` is the open namespace of the host."""
        self._topology, self._stored, self._home = topology, stored, home
        self._questions = [
            [(dump, kind, bytes.fromhex(payload)) for dump, kind, payload in questions]
            for questions in stored["questions"]
        ]
        self._contents: dict[etc_netns.FileIdentity, str] = {}
        self._etc = frozenset(etc_netns.labels())
        self._proc = Procfs()

    def close(self) -> None:
        self._proc.close()

    def compare(self, label: str) -> None:
        """Raise Differs unless a namespace gives the stored answers, or OSError if it cannot.

        The thread is in the namespace afterwards.
        """
        path = f"{RUN_NETNS}/{label}"
        fd = os.dup(self._home) if label == HOST else netns_fd(path, follow=False)
        try:
            setns(fd)
            rtnl = Rtnl()
            try:
                place = [*inode_of(os.fstat(fd)), rtnl.cookie]
                same = (
                    _alias_of_lo(rtnl) == self._stored["foreign"][label]
                    if label in self._stored["foreign"]
                    else self._is_same(label, place, rtnl)
                )
            finally:
                rtnl.close()
        finally:
            os.close(fd)
        if not same:
            raise Differs(label)

    def _is_same(self, label: str, place: list[int], rtnl: Rtnl) -> bool:
        expected = self._stored["namespaces"][label]
        files = (
            etc_netns.read_all(label, etc_netns.NAMES, self._contents) if label in self._etc else {}
        )
        paths = tuple(self._stored["paths"][expected["paths"]])
        return (
            place == expected["place"]
            and answers.digest(_ask(rtnl, self._questions[expected["questions"]]))
            == expected["answers"]
            and answers.digest_of(files) == expected["files"]
            and answers.digest_of(sysctl.read_all(paths, self._proc)) == expected["sysctls"]
            and self._has_same_filters(label, expected["filters"])
        )

    def _has_same_filters(self, label: str, expected: Mapping[str, Any] | None) -> bool:
        if expected is None:
            return answers.has_no_filter(label, self._stored["table"])
        from netorch.kernel.comparison.filters import digest_of_filters

        digest: str = expected["digest"]
        return digest == digest_of_filters(
            label,
            self._topology,
            expected["backend"],
            is_asked=expected["is_asked"],
            forwards=expected["forwards"],
        )


def _alias_of_lo(rtnl: Rtnl) -> str:
    (answer,) = rtnl.get(c.RTM_GETLINK, (_LO,))
    return "".join(
        text(attributes(buffer, start + 16, end).get(c.IFLA_IFALIAS, b""))
        for _, buffer, start, end in answer
    )


def _ask(rtnl: Rtnl, questions: Sequence[Question]) -> Iterator[bytes]:
    """Yield the digest of the answer to each question. Raise Differs if there is none."""
    digests: dict[Question, bytes | None] = {}
    rtnl.answers = digests
    together: list[bytes] = []
    for position, (dump, kind, payload) in enumerate(questions):
        if dump:
            rtnl.dump_if_built(kind, payload)
            continue
        together.append(payload)
        following = questions[position + 1 : position + 2]
        if not following or following[0][:2] != (dump, kind):
            rtnl.get(kind, together)
            together = []
    for question in questions:
        digest = digests.get(question)
        if digest is None:
            raise Differs
        yield digest
