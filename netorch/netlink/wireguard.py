"""Encode and decode WireGuard's configuration in generic netlink (linux/wireguard.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from netorch.immutable import replace
from netorch.netlink.codec import (
    Message,
    as_u8,
    as_u16,
    as_u32,
    attr,
    attribute_list,
    attributes,
    cstring,
    nested,
    u8,
    u16,
    u32,
)
from netorch.netlink.constants import AF_INET, AF_INET6
from netorch.netlink.genl import HEADER_SIZE, header
from netorch.values.requests import WireguardPeerDel, WireguardPeerSet, WireguardSet
from netorch.values.secret import Secret
from netorch.values.snapshot import PeerRecord, WireguardRecord

FAMILY = "wireguard"
KEY_SIZE = 32

WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE = 0, 1

(
    WGDEVICE_A_IFINDEX,
    WGDEVICE_A_IFNAME,
    WGDEVICE_A_PRIVATE_KEY,
    WGDEVICE_A_PUBLIC_KEY,
    WGDEVICE_A_FLAGS,
) = 1, 2, 3, 4, 5
WGDEVICE_A_LISTEN_PORT, WGDEVICE_A_FWMARK, WGDEVICE_A_PEERS = 6, 7, 8

WGPEER_F_REMOVE_ME, WGPEER_F_REPLACE_ALLOWEDIPS, WGPEER_F_UPDATE_ONLY = 1, 2, 4
WGPEER_A_PUBLIC_KEY, WGPEER_A_PRESHARED_KEY, WGPEER_A_FLAGS, WGPEER_A_ENDPOINT = 1, 2, 3, 4
WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, WGPEER_A_LAST_HANDSHAKE_TIME, WGPEER_A_ALLOWEDIPS = 5, 6, 9

WGALLOWEDIP_A_FAMILY, WGALLOWEDIP_A_IPADDR, WGALLOWEDIP_A_CIDR_MASK = 1, 2, 3

AT_ONCE = 500
"""The number of allowed addresses in one message.

An attribute holds 64 KiB at most, and an allowed address takes 40 bytes.
"""

_SOCKADDR_IN = struct.Struct(">4s8x")
_SOCKADDR_IN6 = struct.Struct(">4x16s4x")


def get_device(index: int) -> bytes:
    return header(WG_CMD_GET_DEVICE) + attr(WGDEVICE_A_IFINDEX, u32(index))


def set_device(request: WireguardSet) -> bytes:
    parts = [attr(WGDEVICE_A_IFNAME, cstring(request.name))]
    if request.private_key is not None:
        parts.append(attr(WGDEVICE_A_PRIVATE_KEY, request.private_key.reveal()))
    if request.listen_port is not None:
        parts.append(attr(WGDEVICE_A_LISTEN_PORT, u16(request.listen_port)))
    if request.fwmark is not None:
        parts.append(attr(WGDEVICE_A_FWMARK, u32(request.fwmark)))
    return header(WG_CMD_SET_DEVICE) + b"".join(parts)


def set_peer(request: WireguardPeerSet) -> Iterator[bytes]:
    """Encode the messages for one peer. It needs several if its allowed addresses do not fit in
    one.
    """
    flags = WGPEER_F_UPDATE_ONLY if request.known else 0
    first = (
        [attr(WGPEER_A_PRESHARED_KEY, request.preshared_key.reveal())]
        if request.preshared_key is not None
        else []
    )
    if request.endpoint is not None:
        first.append(attr(WGPEER_A_ENDPOINT, _sockaddr(*request.endpoint)))
    if request.keepalive is not None:
        first.append(attr(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, u16(request.keepalive)))
    allowed = request.allowed
    if allowed is None:
        yield _peer(request.link, request.public_key, flags, first)
        return
    yield _peer(
        request.link,
        request.public_key,
        flags | WGPEER_F_REPLACE_ALLOWEDIPS,
        [*first, _allowed(allowed[:AT_ONCE])],
    )
    for start in range(AT_ONCE, len(allowed), AT_ONCE):
        yield _peer(
            request.link,
            request.public_key,
            WGPEER_F_UPDATE_ONLY,
            [_allowed(allowed[start : start + AT_ONCE])],
        )


def remove_peer(request: WireguardPeerDel) -> bytes:
    return _peer(request.link, request.public_key, WGPEER_F_REMOVE_ME | WGPEER_F_UPDATE_ONLY, [])


def _peer(link: str, key: bytes, flags: int, parts: Sequence[bytes]) -> bytes:
    peer = nested(0, attr(WGPEER_A_PUBLIC_KEY, key), attr(WGPEER_A_FLAGS, u32(flags)), *parts)
    return (
        header(WG_CMD_SET_DEVICE)
        + attr(WGDEVICE_A_IFNAME, cstring(link))
        + nested(WGDEVICE_A_PEERS, peer)
    )


def _allowed(subnets: Sequence[tuple[bytes, int]]) -> bytes:
    return nested(
        WGPEER_A_ALLOWEDIPS,
        *(
            nested(
                0,
                attr(WGALLOWEDIP_A_FAMILY, u16(AF_INET if len(address) == 4 else AF_INET6)),
                attr(WGALLOWEDIP_A_IPADDR, address),
                attr(WGALLOWEDIP_A_CIDR_MASK, u8(length)),
            )
            for address, length in subnets
        ),
    )


def _sockaddr(address: bytes, port: int) -> bytes:
    family = u16(AF_INET if len(address) == 4 else AF_INET6)
    return (
        family
        + port.to_bytes(2, "big")
        + (_SOCKADDR_IN if len(address) == 4 else _SOCKADDR_IN6).pack(address)
    )


def device(messages: Iterable[Message]) -> WireguardRecord:
    """Decode a dump of WG_CMD_GET_DEVICE.

    A peer whose allowed addresses do not fit in one message continues in the next one.
    """
    private: Secret | None = None
    port = mark = 0
    peers: list[PeerRecord] = []
    for _, buffer, start, end in messages:
        attrs = attributes(buffer, start + HEADER_SIZE, end)
        private = _key(attrs.get(WGDEVICE_A_PRIVATE_KEY)) or private
        port = as_u16(attrs[WGDEVICE_A_LISTEN_PORT]) if WGDEVICE_A_LISTEN_PORT in attrs else port
        mark = as_u32(attrs[WGDEVICE_A_FWMARK]) if WGDEVICE_A_FWMARK in attrs else mark
        for _, body in attribute_list(attrs.get(WGDEVICE_A_PEERS, b"")):
            peer = _peer_record(body)
            if peers and peers[-1].public_key == peer.public_key:
                peers[-1] = replace(peers[-1], allowed=peers[-1].allowed + peer.allowed)
            else:
                peers.append(peer)
    return WireguardRecord(private, port, mark, tuple(peers))


def _peer_record(body: bytes) -> PeerRecord:
    attrs = attributes(body, 0, len(body))
    endpoint = attrs.get(WGPEER_A_ENDPOINT, b"")
    return PeerRecord(
        public_key=attrs.get(WGPEER_A_PUBLIC_KEY, b""),
        preshared_key=_key(attrs.get(WGPEER_A_PRESHARED_KEY)),
        endpoint=_endpoint(endpoint) if endpoint else None,
        keepalive=as_u16(attrs[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL])
        if WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL in attrs
        else 0,
        handshake=any(attrs.get(WGPEER_A_LAST_HANDSHAKE_TIME, b"")),
        allowed=tuple(
            _subnet(entry) for _, entry in attribute_list(attrs.get(WGPEER_A_ALLOWEDIPS, b""))
        ),
    )


def _key(payload: bytes | None) -> Secret | None:
    """Return the key, or None for a key of zeros, which means that there is none."""
    return Secret(payload) if payload is not None and any(payload) else None


def _endpoint(sockaddr: bytes) -> tuple[bytes, int]:
    port = int.from_bytes(sockaddr[2:4], "big")
    return (sockaddr[4:8] if as_u16(sockaddr[:2]) == AF_INET else sockaddr[8:24]), port


def _subnet(entry: bytes) -> tuple[bytes, int]:
    attrs = attributes(entry, 0, len(entry))
    return attrs.get(WGALLOWEDIP_A_IPADDR, b""), as_u8(attrs.get(WGALLOWEDIP_A_CIDR_MASK, b"\0"))
