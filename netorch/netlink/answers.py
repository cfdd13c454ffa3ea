"""What of the kernel's answers matters to a snapshot, as a digest.

Two dumps with the same digest are decoded to the same records by `netorch.netlink.decode`, but for
what changes by itself and is never compared: timers of bridges, and how long an address with an end
still lives. Statistics, entries that the kernel learns and forgets, and attributes that are never
decoded, are left out too.

This module imports little, because it is all that an unchanged topology needs of netlink.
"""

from __future__ import annotations

import struct

from netorch.netlink import constants as c
from netorch.netlink.codec import attributes, pack
from netorch.values.digest import blake2b

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netorch.netlink.codec import Message

SIZE = 16
"""The number of bytes of a digest."""
ABSENT_TABLE = bytes(SIZE)
"""The digest of a table that the kernel is built without."""

_FAMILIES = (c.AF_INET, c.AF_INET6)
_LINK = (
    *(c.IFLA_ADDRESS, c.IFLA_IFNAME, c.IFLA_MTU, c.IFLA_LINK, c.IFLA_QDISC, c.IFLA_MASTER),
    *(c.IFLA_TXQLEN, c.IFLA_IFALIAS, c.IFLA_GROUP, c.IFLA_LINK_NETNSID, c.IFLA_PROP_LIST),
)
"""The attributes of a link that are decoded, besides IFLA_LINKINFO."""
_ADDRESS = (
    *(c.IFA_ADDRESS, c.IFA_LOCAL, c.IFA_LABEL, c.IFA_FLAGS, c.IFA_RT_PRIORITY, c.IFA_PROTO),
)
_NEIGHBOUR = (
    *(c.NDA_DST, c.NDA_LLADDR, c.NDA_VLAN, c.NDA_PORT, c.NDA_VNI, c.NDA_IFINDEX, c.NDA_MASTER),
    c.NDA_PROTOCOL,
)
_VOLATILE_OF_BRIDGE = frozenset(
    (
        *(c.IFLA_BR_HELLO_TIMER, c.IFLA_BR_TCN_TIMER, c.IFLA_BR_TOPOLOGY_CHANGE_TIMER),
        *(c.IFLA_BR_GC_TIMER, c.IFLA_BR_FDB_N_LEARNED, c.IFLA_BR_MCAST_QUERIER_STATE),
    )
)
_VOLATILE_OF_PORT = frozenset(
    (
        *(c.IFLA_BRPORT_MESSAGE_AGE_TIMER, c.IFLA_BRPORT_FORWARD_DELAY_TIMER),
        *(c.IFLA_BRPORT_HOLD_TIMER, c.IFLA_BRPORT_MCAST_N_GROUPS),
        c.IFLA_BRPORT_MCAST_EHT_HOSTS_CNT,
    )
)
_FROM_GET_TO_NEW = c.RTM_GETLINK - c.RTM_NEWLINK
"""The difference between the types of a request and of its answer."""
_FOREVER = b"\xff" * 8
_STAYS = c.NUD_PERMANENT | c.NUD_NOARP


def digest(question: int, payload: bytes, messages: Sequence[Message]) -> bytes | None:
    """Return the digest of an answer. Return None for a question that is not known here.

    `question` is the type of the request, and `payload` the rest of it. Raise DecodeError for an
    answer that cannot be decoded.
    """
    family = payload[:1]
    if question == c.RTM_GETLINK:
        essence: Callable[[bytes, int, int], bytes] | None = _vlans if family == _BRIDGE else _link
    else:
        essence = _ESSENCES.get(question)
    if essence is None:
        return None
    answer = question - _FROM_GET_TO_NEW
    parts = [essence(buffer, start, end) for kind, buffer, start, end in messages if kind == answer]
    if question == c.RTM_GETNEIGH:
        # the kernel lists them in the order of a hash table
        parts = sorted(filter(None, parts))
    sizes = struct.pack(f"={len(parts)}I", *map(len, parts))
    return blake2b(sizes + b"".join(parts), digest_size=SIZE).digest()


_BRIDGE = bytes((c.AF_BRIDGE,))


def _chosen(attrs: dict[int, bytes], numbers: tuple[int, ...]) -> bytes:
    return pack([(number, attrs[number]) for number in numbers if number in attrs])


def _link(buffer: bytes, start: int, end: int) -> bytes:
    attrs = attributes(buffer, start + 16, end)
    info = attrs.get(c.IFLA_LINKINFO, b"")
    # the index and the flags, and then the attributes
    return buffer[start + 4 : start + 12] + _chosen(attrs, _LINK) + _info(info)


def _info(info: bytes) -> bytes:
    parts = attributes(info, 0, len(info))
    for data, kind, volatile in (
        (c.IFLA_INFO_DATA, c.IFLA_INFO_KIND, _VOLATILE_OF_BRIDGE),
        (c.IFLA_INFO_SLAVE_DATA, c.IFLA_INFO_SLAVE_KIND, _VOLATILE_OF_PORT),
    ):
        if data in parts and parts.get(kind, b"").rstrip(b"\0") == b"bridge":
            inner = attributes(parts[data], 0, len(parts[data]))
            parts[data] = pack([one for one in inner.items() if one[0] not in volatile])
    parts.pop(c.IFLA_INFO_XSTATS, None)
    return pack(list(parts.items()))


def _vlans(buffer: bytes, start: int, end: int) -> bytes:
    attrs = attributes(buffer, start + 16, end)
    return buffer[start + 4 : start + 8] + _chosen(attrs, (c.IFLA_AF_SPEC,))


def _address(buffer: bytes, start: int, end: int) -> bytes:
    attrs = attributes(buffer, start + 8, end)
    # a lifetime that ends becomes shorter by itself
    ends = attrs.get(c.IFA_CACHEINFO, _FOREVER)[:8] != _FOREVER
    return bytes((ends,)) + buffer[start : start + 8] + _chosen(attrs, _ADDRESS)


def _route(buffer: bytes, start: int, end: int) -> bytes:
    family = buffer[start]
    if family == c.AF_INET:
        return buffer[start:end]
    if family not in _FAMILIES:
        return b""
    attrs = attributes(buffer, start + 12, end)
    attrs.pop(c.RTA_CACHEINFO, None)
    return buffer[start : start + 12] + pack(list(attrs.items()))


def _neighbour(buffer: bytes, start: int, end: int) -> bytes:
    state = int.from_bytes(buffer[start + 8 : start + 10], "little")
    if not state & _STAYS:
        return b""
    attrs = attributes(buffer, start + 12, end)
    mac = attrs.get(c.NDA_LLADDR, b"")
    if is_mac_of_kernel(buffer[start], state, mac):
        return b""
    return buffer[start : start + 12] + _chosen(attrs, _NEIGHBOUR)


def is_mac_of_kernel(family: int, state: int, mac: bytes) -> bool:
    """Return whether the kernel knows the MAC of an entry itself, so that it comes and goes.

    These are the MACs of groups and broadcasts, and of the addresses of the namespace itself, at
    its loopback interface.
    """
    comes_and_goes = not state & c.NUD_PERMANENT and family != c.AF_BRIDGE and mac != b""
    return comes_and_goes and (mac[0] & 1 != 0 or not any(mac))


def _whole(buffer: bytes, start: int, end: int) -> bytes:
    return buffer[start:end]


def _qdisc(buffer: bytes, start: int, end: int) -> bytes:
    attrs = attributes(buffer, start + 20, end)
    return buffer[start : start + 16] + _chosen(attrs, (c.TCA_KIND, c.TCA_OPTIONS))


_ESSENCES = {
    c.RTM_GETADDR: _address,
    c.RTM_GETROUTE: _route,
    c.RTM_GETRULE: _whole,
    c.RTM_GETNEIGH: _neighbour,
    c.RTM_GETNETCONF: _whole,
    c.RTM_GETQDISC: _qdisc,
}
