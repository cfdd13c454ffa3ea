"""Both sides of the parallel reader: the child reads namespaces, and the parent uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING

from netorch.parallel_reader.child import Child, Work
from netorch.parallel_reader.claims import Claims
from netorch.parallel_reader.guess import MANY

if TYPE_CHECKING:
    from netorch.kernel.files.records import Stamp
    from netorch.values.snapshot import NetnsSnapshot, Scope

_GENERAL = attrgetter("mark", "topology", "neighbours", "static_macs", "passage", "brief")
"""Returns the parts of a scope that apply to every namespace."""


class ForkedReader:
    """A `ParallelReader` that reads many namespaces once, in a child of this process.

    Make one only while this process has a single thread. `close` ends the child.
    """

    def __init__(self, stamp: Stamp | None = None) -> None:
        """Fork the child. Raise OSError if the fork fails.

        `stamp` is the stamp of the topology's lock before the child began to read. If there is one,
        `locked` compares it.
        """
        self._stamp = stamp
        self._scope: Scope | None = None
        self._claims = Claims()
        self.child = Child(lambda: child_work(self._claims))

    def begin(self, scope: Scope) -> None:
        """Make the child read this scope. A second call does nothing."""
        from netorch.parallel_reader.messages import encode_scope

        if self._scope is None:
            self._scope = scope
            self.child.begin(encode_scope(scope))

    def locked(self, stamp: Stamp) -> None:
        """End the child if another process has held the lock since the child began.

        That process may have changed what the child has read.
        """
        if self._stamp is not None and self._stamp != stamp:
            self.close()

    def read(
        self,
        scope: Scope,
        unread: Mapping[str, tuple[int, int]],
        read_here: Callable[[Iterable[str]], None],
    ) -> dict[str, NetnsSnapshot | str]:
        """Read `unread` in both processes, and return what the child has read.

        This process reads its part with `read_here`. Only namespaces that the child has read as
        `scope` asks are returned. The child ends, unless it has nothing to do yet.
        """
        if len(unread) < MANY:
            if self._scope is not None:
                self.close()
            return {}
        if self.closed:
            return {}
        try:
            self.begin(scope)
            read_here(self._claims.from_the_back(list(unread)))
            return dict(self._usable(scope, unread))
        finally:
            self.close()

    def _usable(
        self, scope: Scope, unread: Mapping[str, tuple[int, int]]
    ) -> Iterator[tuple[str, NetnsSnapshot | str]]:
        from msgspec import MsgspecError

        from netorch.parallel_reader.messages import ShareDecoder

        decoder = ShareDecoder()
        assert self._scope is not None
        for data in self.child.answers():
            try:
                share = decoder.decode(data)
            except MsgspecError:
                return
            for name, one in share.items():
                if serves(self._scope, scope, name, one, unread.get(name)):
                    yield name, one

    @property
    def closed(self) -> bool:
        return self.child.pid < 0

    def close(self) -> None:
        """End the child. A second call does nothing."""
        if not self.closed:
            self.child.close()
            self._claims.close()


def serves(
    read_for: Scope,
    scope: Scope,
    name: str,
    one: NetnsSnapshot | str,
    inode: tuple[int, int] | None,
) -> bool:
    """Whether a namespace that was read for one scope has what another scope asks for.

    `inode` is the inode of the namespace that has the name now.
    """
    from netorch.kernel.reader import is_simple

    if isinstance(one, str):
        return name not in scope.in_full and read_for.mark == scope.mark
    if one.inode != inode:
        return False
    if (
        scope.brief
        and read_for.brief
        and read_for.mark == scope.mark
        and all(map(is_simple, one.links))
    ):
        return True
    return (
        _GENERAL(read_for) == _GENERAL(scope)
        and (read_for.answers or not scope.answers)
        and set(scope.sysctls.get(name, ())) <= set(read_for.sysctls.get(name, ()))
        and (name in read_for.filters) is (name in scope.filters)
        and read_for.recorded_filters.get(name) == scope.recorded_filters.get(name)
        and (name in read_for.forwards) is (name in scope.forwards)
    )


def child_work(claims: Claims) -> Work:
    """Return the work of the child. The imports run while the child waits for its order."""
    from netorch.kernel.namespaces.open_namespaces import Namespaces
    from netorch.kernel.reader import Reader
    from netorch.kernel.system.nsfs import HOST
    from netorch.parallel_reader.messages import ShareEncoder, decode_scope

    def work(order: bytes) -> Iterator[bytes]:
        namespaces = Namespaces()
        namespaces.round += 1
        reader = Reader(namespaces, decode_scope(order))
        encoder = ShareEncoder()
        names = sorted(
            name for name, inode in namespaces.names().items() if inode is not None and name != HOST
        )
        for part in claims.from_the_front(names):
            share = reader.read_names(part)
            # the child leaves the namespace before it waits, because a search for processes in the
            # namespace would otherwise find it
            namespaces.home()
            yield encoder.encode(share)

    return work
