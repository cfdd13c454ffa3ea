"""WireGuard devices."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from typing import Any

from pyroute2.netlink.generic.wireguard import wgmsg

from netorch.immutable import replace
from netorch.values.secret import Secret
from netorch.values.snapshot import PeerRecord, WireguardRecord
from tests.oracle.reading import last, packed, read


def device(messages: Iterable[bytes]) -> WireguardRecord:
    private, port, mark = None, 0, 0
    peers: list[PeerRecord] = []
    for parsed in (read(wgmsg, data) for data in messages):
        private = _key(last(parsed, "WGDEVICE_A_PRIVATE_KEY")) or private
        port = port if (value := last(parsed, "WGDEVICE_A_LISTEN_PORT")) is None else value
        mark = mark if (value := last(parsed, "WGDEVICE_A_FWMARK")) is None else value
        for entry in last(parsed, "WGDEVICE_A_PEERS") or ():
            peer = _peer(entry)
            if peers and peers[-1].public_key == peer.public_key:
                # a peer that does not fit into one message continues in the next
                before = peers.pop()
                peer = replace(before, allowed=before.allowed + peer.allowed)
            peers.append(peer)
    return WireguardRecord(private, port, mark, tuple(peers))


def _peer(entry: Any) -> PeerRecord:
    endpoint, handshake = (
        last(entry, "WGPEER_A_ENDPOINT"),
        last(entry, "WGPEER_A_LAST_HANDSHAKE_TIME"),
    )
    return PeerRecord(
        _key_bytes(last(entry, "WGPEER_A_PUBLIC_KEY")),
        _key(last(entry, "WGPEER_A_PRESHARED_KEY")),
        (packed(endpoint["addr"]) or b"", endpoint["port"]) if endpoint else None,
        last(entry, "WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL") or 0,
        bool(handshake and (handshake["tv_sec"] or handshake["tv_nsec"])),
        tuple(
            (packed(one["addr"].partition("/")[0]) or b"", last(one, "WGALLOWEDIP_A_CIDR_MASK"))
            for one in last(entry, "WGPEER_A_ALLOWEDIPS") or ()
        ),
    )


def _key(attribute: Any) -> Secret | None:
    key = _key_bytes(attribute)
    return Secret(key) if any(key) else None


def _key_bytes(attribute: Any) -> bytes:
    """Decode base64, which pyroute2 returns as the value itself or in a mapping."""
    return b64decode(attribute["value"] if isinstance(attribute, dict) else attribute or b"")
