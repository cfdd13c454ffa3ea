"""Make a NIC a port of a bridge, or take it out again, together with its addresses and routes.

All changes are sent in one batch, so that hardly any packet arrives without a receiver.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Collection, Sequence

from netorch.kernel.namespaces.indexes import Refused
from netorch.kernel.reader import dump_links
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.address_moves import (
    Belongings,
    MovedLink,
    Piece,
    belongings,
    give,
    identity,
    take,
)
from netorch.netlink.codec import attr, message, u32
from netorch.netlink.decode import addresses
from netorch.values.requests import BelongingIdentity, UplinkJoin, UplinkLeave
from netorch.values.snapshot import LinkRecord

_MAX_MTU = 65535
_IFINFOMSG = struct.Struct("=BxHiII")
_HARMLESS = {
    c.RTM_DELADDR: {errno.EADDRNOTAVAIL},
    c.RTM_DELROUTE: {errno.ESRCH},
    c.RTM_NEWROUTE: {errno.EEXIST},
}
"""Error numbers that mean that the desired state exists already."""
HOPELESS = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
"""Error numbers of routes that cannot be made at the moment. `send` ignores them if asked to."""


def join(rtnl: Rtnl, request: UplinkJoin) -> None:
    """Make the NIC a port of the bridge, and move its addresses and routes to the bridge.

    Raise Refused if the kernel refuses a part. Then everything is as it was before, or the message
    tells what is not.
    """
    nic, bridge = _links(rtnl, request)
    if nic is None or bridge is None:
        missing = request.nic if nic is None else request.bridge
        raise Refused(errno.ENODEV, f"there is no link {missing!r} in namespace {request.netns!r}")
    source, target = MovedLink(nic.index, nic.name), MovedLink(bridge.index, bridge.name)
    objects = _belongings(rtnl, nic, request.protocol)
    pieces: list[Piece] = []
    if bridge.mac != nic.mac:
        pieces.append(setlink(bridge, attr(c.IFLA_ADDRESS, nic.mac), f"MAC of {request.bridge}"))
    if nic.master != bridge.index:
        # A bridge stops following the MTU of its ports only when its own MTU changes
        # (br_change_mtu). So it gets another MTU first, and then that of the NIC.
        for mtu in (
            (nic.mtu + 1 if nic.mtu < _MAX_MTU else nic.mtu - 1, nic.mtu) if request.mtu else ()
        ):
            pieces.append(setlink(bridge, attr(c.IFLA_MTU, u32(mtu)), f"MTU of {request.bridge}"))
        pieces.append(setlink(nic, attr(c.IFLA_MASTER, u32(bridge.index)), request.nic))
    pieces += take(objects, source, source) + give(objects, source, target)
    refused = send(rtnl, pieces)
    if refused is None:
        return
    undo = take(objects, source, target)
    if nic.master != bridge.index:
        undo.append(setlink(nic, attr(c.IFLA_MASTER, u32(nic.master)), request.nic))
    undo_refusal = send(rtnl, undo + give(objects, source, source))
    raise Refused(
        refused[0],
        refused[1]
        + (
            f", and the previous state cannot be restored: {undo_refusal[1]}"
            if undo_refusal
            else ""
        ),
    )


def leave(rtnl: Rtnl, request: UplinkLeave) -> None:
    """Take the NIC out of the bridge, and move addresses and routes back to the NIC.

    Routes that need the bridge's own addresses are lost with these. If the NIC or the bridge does
    not exist, nothing happens.
    """
    nic, bridge = _links(rtnl, request)
    if nic is None or bridge is None:
        return
    source, target = MovedLink(bridge.index, bridge.name), MovedLink(nic.index, nic.name)
    objects = _belongings(rtnl, bridge, request.protocol, request.own)
    own = {
        identity(record)
        for record in addresses(rtnl.dump(c.RTM_GETADDR, bytes(8)))
        if record.index == nic.index
    }
    pieces = (
        [setlink(nic, attr(c.IFLA_MASTER, u32(0)), request.nic)]
        if nic.master == bridge.index
        else []
    )
    pieces += take(objects, source, source) + give(objects, source, target, own)
    refused = send(rtnl, pieces, HOPELESS)
    if refused is None:
        return
    undo = take(
        Belongings(
            tuple(pair for pair in objects.addresses if identity(pair[0]) not in own),
            objects.routes,
        ),
        source,
        target,
    )
    if nic.master == bridge.index:
        undo.append(setlink(nic, attr(c.IFLA_MASTER, u32(bridge.index)), request.nic))
    send(rtnl, undo + give(objects, source, source))
    raise Refused(*refused)


def _links(
    rtnl: Rtnl, request: UplinkJoin | UplinkLeave
) -> tuple[LinkRecord | None, LinkRecord | None]:
    links = {name: link for link in dump_links(rtnl) for name in (link.name, *link.altnames)}
    return links.get(request.nic), links.get(request.bridge)


def _belongings(
    rtnl: Rtnl,
    link: LinkRecord,
    protocol: int,
    own: tuple[BelongingIdentity, ...] | None = None,
) -> Belongings:
    dumps = rtnl.dump(c.RTM_GETADDR, bytes(8)), rtnl.dump(c.RTM_GETROUTE, bytes(12))
    return belongings(*dumps, link.index, link.mac, protocol, own)


def setlink(
    link: LinkRecord,
    attrs: bytes,
    about: str,
    kind: int = c.RTM_SETLINK,
    *,
    up: bool | None = None,
) -> Piece:
    """Return a message about a link. `about` names its object in error messages."""
    flags = (0, 0) if up is None else (c.IFF_UP if up else 0, c.IFF_UP)
    return Piece(kind, 0, _IFINFOMSG.pack(0, 0, link.index, *flags) + attrs, about)


def send(rtnl: Rtnl, pieces: Sequence[Piece], also: Collection[int] = ()) -> tuple[int, str] | None:
    """Send the messages. Return errno and sentence of the first refusal that matters, or None.

    `also` are error numbers that do not matter for routes.
    """
    batch = {rtnl.next_seq(): piece for piece in pieces}
    if not batch:
        return None
    errors = rtnl.send(
        [
            (seq, message(piece.kind, c.NLM_F_REQUEST | piece.flags, seq, piece.payload))
            for seq, piece in batch.items()
        ]
    )
    for seq, piece in batch.items():
        if seq in errors:
            number, sentence = errors[seq]
            is_harmless = number in _HARMLESS.get(piece.kind, ()) or (
                piece.kind == c.RTM_NEWROUTE and number in also
            )
            if not is_harmless:
                return number, f"{piece.about}: {sentence or os.strerror(number)}"
    return None
