"""A NIC into a bridge and out again, its addresses and routes with it: one batch, so that hardly a packet finds nobody home."""

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
_GONE = {
    c.RTM_DELADDR: {errno.EADDRNOTAVAIL},
    c.RTM_DELROUTE: {errno.ESRCH},
    c.RTM_NEWROUTE: {errno.EEXIST},
}
"""Answers that say no more than that it is so already."""
HOPELESS = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


def join(rtnl: Rtnl, request: UplinkJoin) -> None:
    """Refused where something of it cannot be; then all is as it was before, or the sentence says what is not."""
    nic, bridge = _links(rtnl, request)
    if nic is None or bridge is None:
        missing = request.nic if nic is None else request.bridge
        raise Refused(errno.ENODEV, f"there is no link {missing!r} in namespace {request.netns!r}")
    here, there = MovedLink(nic.index, nic.name), MovedLink(bridge.index, bridge.name)
    things = _belongings(rtnl, nic, request.protocol)
    pieces: list[Piece] = []
    if bridge.mac != nic.mac:
        pieces.append(setlink(bridge, attr(c.IFLA_ADDRESS, nic.mac), f"MAC of {request.bridge}"))
    if nic.master != bridge.index:
        # only an MTU that changed stays whatever other ports have (br_change_mtu)
        for mtu in (
            (nic.mtu + 1 if nic.mtu < _MAX_MTU else nic.mtu - 1, nic.mtu) if request.mtu else ()
        ):
            pieces.append(setlink(bridge, attr(c.IFLA_MTU, u32(mtu)), f"MTU of {request.bridge}"))
        pieces.append(setlink(nic, attr(c.IFLA_MASTER, u32(bridge.index)), request.nic))
    pieces += take(things, here, here) + give(things, here, there)
    refused = send(rtnl, pieces)
    if refused is None:
        return
    undo = take(things, here, there)
    if nic.master != bridge.index:
        undo.append(setlink(nic, attr(c.IFLA_MASTER, u32(nic.master)), request.nic))
    left = send(rtnl, undo + give(things, here, here))
    raise Refused(
        refused[0],
        refused[1]
        + (f", and what was there before could not be put back: {left[1]}" if left else ""),
    )


def leave(rtnl: Rtnl, request: UplinkLeave) -> None:
    """What cannot work without the bridge's own addresses goes with them. A NIC that is not there gets nothing back."""
    nic, bridge = _links(rtnl, request)
    if nic is None or bridge is None:
        return
    here, there = MovedLink(bridge.index, bridge.name), MovedLink(nic.index, nic.name)
    things = _belongings(rtnl, bridge, request.protocol, request.own)
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
    pieces += take(things, here, here) + give(things, here, there, own)
    refused = send(rtnl, pieces, HOPELESS)
    if refused is None:
        return
    undo = take(
        Belongings(
            tuple(pair for pair in things.addresses if identity(pair[0]) not in own), things.routes
        ),
        here,
        there,
    )
    if nic.master == bridge.index:
        undo.append(setlink(nic, attr(c.IFLA_MASTER, u32(bridge.index)), request.nic))
    send(rtnl, undo + give(things, here, here))
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
    found = rtnl.dump(c.RTM_GETADDR, bytes(8)), rtnl.dump(c.RTM_GETROUTE, bytes(12))
    return belongings(*found, link.index, link.mac, protocol, own)


def setlink(
    link: LinkRecord,
    attrs: bytes,
    about: str,
    kind: int = c.RTM_SETLINK,
    *,
    up: bool | None = None,
) -> Piece:
    flags = (0, 0) if up is None else (c.IFF_UP if up else 0, c.IFF_UP)
    return Piece(kind, 0, _IFINFOMSG.pack(0, 0, link.index, *flags) + attrs, about)


def send(rtnl: Rtnl, pieces: Sequence[Piece], also: Collection[int] = ()) -> tuple[int, str] | None:
    """Errno and sentence of the first refusal that matters. `also`: what is let pass of routes."""
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
            passed = number in _GONE.get(piece.kind, ()) or (
                piece.kind == c.RTM_NEWROUTE and number in also
            )
            if not passed:
                return number, f"{piece.about}: {sentence or os.strerror(number)}"
    return None
