"""Translates labels to namespaces and names of links to indices."""

from __future__ import annotations

import errno

from netorch.kernel.namespaces.netns import OpenNetns
from netorch.kernel.namespaces.open_namespaces import Namespaces


class Refused(Exception):
    """A request that fails before the kernel sees it."""

    def __init__(self, number: int, sentence: str) -> None:
        self.number, self.sentence = number, sentence
        super().__init__(sentence)


class UnknownLink(Refused):
    """There is no link of that name in the namespace `netns`."""

    def __init__(self, netns: str, name: str) -> None:
        super().__init__(errno.ENODEV, f"there is no link {name!r} in namespace {netns!r}")
        self.netns, self.name = netns, name


class IndexResolver:
    """Implements `netorch.netlink.encode.Resolver` for the open namespaces."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces

    def namespace(self, label: str) -> OpenNetns:
        """Return the open namespace of a label. Raise Refused (ENOENT) if there is none."""
        netns = self._namespaces.find(label)
        if netns is None:
            raise Refused(errno.ENOENT, f"there is no namespace {label!r}")
        return netns

    def index_of(self, netns: str, name: str) -> int:
        """Return the index of a link. Raise UnknownLink if it is not known."""
        index = self.namespace(netns).indices.get(name)
        if index is None:
            raise UnknownLink(netns, name)
        return index

    def new_index(self, netns: str, name: str, used: bool = True) -> int:
        """Return the index for a new link, or 0 if the kernel chooses it.

        `used` is False if the kernel would ignore an index in the request. The result is then 0.
        """
        known = self.namespace(netns)
        known.complete = False
        if not known.next_index:
            known.indices.pop(name, None)
            return 0
        if not used:
            # The kernel counts its own indices up from 2. netorch skips one of its indices for
            # each, so that the kernel never reaches an index that netorch assigns.
            known.indices.pop(name, None)
            known.next_index += 1
            return 0
        index = known.indices[name] = known.next_index
        known.next_index += 1
        return index

    def fd_of(self, netns: str) -> int:
        """Return the file descriptor of a namespace. Raise Refused (ENOENT) if there is none."""
        return self.namespace(netns).fd
