"""The numbers behind labels and link names, out of what is known of the namespaces."""

from __future__ import annotations

import errno

from netorch.kernel.namespaces import Namespaces
from netorch.kernel.netns import Netns
from netorch.netlink import constants as c
from netorch.netlink.codec import as_i32, attr, attributes, i32, message, u32


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


class Resolver:
    """`netorch.netlink.encode.Resolver` over the namespaces that are open."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces

    def namespace(self, label: str) -> Netns:
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

    def nsid_of(self, netns: str, other: str) -> int:
        rtnl, fd = self._namespaces.rtnl(self.namespace(netns)), self.namespace(other).fd
        question = bytes(4) + attr(c.NETNSA_FD, u32(fd))
        # a number that is there already is refused and kept
        seq = rtnl.next_seq()
        rtnl.send([(seq, message(c.RTM_NEWNSID, c.NLM_F_REQUEST, seq, question + attr(c.NETNSA_NSID, i32(-1))))])
        for _, buffer, start, end in rtnl.get(c.RTM_GETNSID, (question,))[0]:
            nsid = attributes(buffer, start + 4, end).get(c.NETNSA_NSID)
            if nsid is not None and as_i32(nsid) >= 0:
                return as_i32(nsid)
        raise Refused(errno.ENOENT, f"namespace {netns!r} got no number for {other!r}")

    def fd_of(self, netns: str) -> int:
        return self.namespace(netns).fd
