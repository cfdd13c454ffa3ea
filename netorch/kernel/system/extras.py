"""Read what a namespace has beyond the objects of a snapshot, for `import --live`."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode, decode_extras, generic_dumps
from netorch.netlink.codec import Message
from netorch.netlink.genl import GENL_ID_CTRL, NETLINK_GENERIC, header
from netorch.values.extras import Extra

_NETLINK_XFRM = 6
_XFRM_USERSA_ID, _XFRM_USERPOLICY_ID = 24, 64
"""The sizes of the structures that a request for a dump begins with."""
_ENOTSUPP = 524
"""An error number of Linux that `errno` does not have."""
_ABSENT = frozenset(
    (
        *(errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EINVAL),
        *(errno.ENOENT, errno.ECONNREFUSED, errno.ESOCKTNOSUPPORT, _ENOTSUPP),
    )
)
"""The errors of a kernel that is built without a part."""
_NDMSG = struct.Struct("=B3xiHBB")
_NEIGHBOURS = (
    *((c.AF_INET, 0), (c.AF_INET6, 0), (c.AF_BRIDGE, 0)),
    *((c.AF_INET, c.NTF_PROXY), (c.AF_INET6, c.NTF_PROXY)),
)
_COUNTED = (
    ("ip_mr_cache", 1, "route of IPv4 multicast"),
    ("ip6_mr_cache", 1, "route of IPv6 multicast"),
    ("ip_vs", 3, "line of IPVS"),
)
"""File below /proc/net, the lines of its head, and what each further line is."""


def read(rtnl: Rtnl) -> tuple[Extra, ...]:
    """Read everything in the thread's namespace, to which the socket belongs."""
    return tuple(dict.fromkeys(_read(rtnl)))


def _read(rtnl: Rtnl) -> Iterator[Extra]:
    link_messages = rtnl.dump(c.RTM_GETLINK, bytes(16))
    links = decode.links(link_messages)
    names = {link.index: link.name for link in links}
    yield from decode_extras.links(link_messages)
    yield from decode_extras.addresses(rtnl.dump(c.RTM_GETADDR, bytes(8)), names)
    for family in (c.AF_INET, c.AF_INET6, decode_extras.AF_MPLS):
        payload = struct.pack("=B11x", family)
        yield from decode_extras.routes(_dump(rtnl, c.RTM_GETROUTE, payload), names)
    yield from decode_extras.nexthops(_dump(rtnl, decode_extras.RTM_GETNEXTHOP, bytes(8)))
    macs = frozenset(link.mac for link in links)
    for family, flags in _NEIGHBOURS:
        payload = _NDMSG.pack(family, 0, 0, flags, 0)
        entries = _dump(rtnl, c.RTM_GETNEIGH, payload)
        yield from decode_extras.neighbours(entries, names, macs)
    if any(link.kind in ("bridge", "vxlan") for link in links):
        payload = struct.pack("=B7x", c.AF_BRIDGE)
        yield from decode_extras.multicast(_dump(rtnl, decode_extras.RTM_GETMDB, payload), names)
    queues = _dump(rtnl, c.RTM_GETQDISC, bytes(20))
    yield from decode_extras.queues(queues, names)
    for payload in decode_extras.filter_requests(queues):
        answers = _dump(rtnl, decode_extras.RTM_GETTFILTER, payload)
        yield from decode_extras.filters(answers, names)
    yield from decode_extras.address_labels(
        _dump(rtnl, decode_extras.RTM_GETADDRLABEL, struct.pack("=B11x", c.AF_INET6))
    )
    yield from _ipsec()
    yield from _generic()
    yield from _multicast_addresses()
    yield from _counted()


def _dump(rtnl: Rtnl, kind: int, payload: bytes) -> list[Message]:
    return rtnl.dump_if_built(kind, payload, _ABSENT)


def _ipsec() -> Iterator[Extra]:
    with _socket(_NETLINK_XFRM) as socket:
        if socket is None:
            return
        for kind, size in (
            (decode_extras.XFRM_MSG_GETSA, _XFRM_USERSA_ID),
            (decode_extras.XFRM_MSG_GETPOLICY, _XFRM_USERPOLICY_ID),
        ):
            yield from decode_extras.ipsec(_dump(socket, kind, bytes(size)))
        for answer in socket.get(decode_extras.XFRM_MSG_GETDEFAULT, (bytes(3),)):
            yield from decode_extras.ipsec_default(answer)


def _generic() -> Iterator[Extra]:
    with _socket(NETLINK_GENERIC) as socket:
        if socket is None:
            return
        numbers = generic_dumps.families(_dump(socket, GENL_ID_CTRL, generic_dumps.EVERY_FAMILY))
        for one in generic_dumps.DUMPS:
            if (number := numbers.get(one.family)) is not None:
                yield from generic_dumps.counted(one, _dump(socket, number, header(one.command)))
        for family, command, decoded in (
            (
                generic_dumps.MPTCP,
                generic_dumps.MPTCP_PM_CMD_GET_LIMITS,
                generic_dumps.mptcp_limits,
            ),
            (generic_dumps.SEG6, generic_dumps.SEG6_CMD_GET_TUNSRC, generic_dumps.tunnel_source),
        ):
            if (number := numbers.get(family)) is not None:
                for answer in socket.get(number, (header(command),)):
                    yield from decoded(answer)


@contextmanager
def _socket(protocol: int) -> Iterator[Rtnl | None]:
    """Open a netlink socket, None if the kernel does not have the protocol."""
    try:
        socket = Rtnl(protocol)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        yield None
        return
    try:
        yield socket
    finally:
        socket.close()


def _multicast_addresses() -> Iterator[Extra]:
    """Yield the multicast addresses of links that somebody added by hand (`ip maddr add`)."""
    with suppress(FileNotFoundError), open("/proc/thread-self/net/dev_mcast", "rb") as file:
        for line in file:
            words = line.decode("utf-8", "surrogateescape").split()
            if len(words) == 5 and words[3] != "0":
                mac = ":".join(words[4][at : at + 2] for at in range(0, len(words[4]), 2))
                yield Extra(f"maddr {mac}", matters=True, link=words[1])


def _counted() -> Iterator[Extra]:
    for name, head, what in _COUNTED:
        with suppress(FileNotFoundError), open(f"/proc/thread-self/net/{name}", "rb") as file:
            count = sum(1 for _ in islice(file, head, None))
            if count:
                yield Extra(f"{count} {what}{'s' if count > 1 else ''}", matters=True)
