"""The numbers behind labels and link names, out of what is known of the namespaces."""

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
    """No link of that name; `netns` says where it was looked for."""

    def __init__(self, netns: str, name: str) -> None:
        super().__init__(errno.ENODEV, f"there is no link {name!r} in namespace {netns!r}")
        self.netns, self.name = netns, name


class IndexResolver:
    """`netorch.netlink.encode.Resolver` over the namespaces that are open."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces

    def namespace(self, label: str) -> OpenNetns:
        netns = self._namespaces.find(label)
        if netns is None:
            raise Refused(errno.ENOENT, f"there is no namespace {label!r}")
        return netns

    def index_of(self, netns: str, name: str) -> int:
        index = self.namespace(netns).indices.get(name)
        if index is None:
            raise UnknownLink(netns, name)
        return index

    def new_index(self, netns: str, name: str, heeded: bool = True) -> int:
        known = self.namespace(netns)
        known.complete = False
        if not known.next_index:
            known.indices.pop(name, None)
            return 0
        if not heeded:
            # ours stay ahead of what the kernel chooses, which counts up from 2
            known.indices.pop(name, None)
            known.next_index += 1
            return 0
        index = known.indices[name] = known.next_index
        known.next_index += 1
        return index

    def fd_of(self, netns: str) -> int:
        return self.namespace(netns).fd
