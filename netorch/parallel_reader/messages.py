"""What the two processes send each other, as msgpack: the scope to the child, and back what it has read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from netorch.values.snapshot import NetnsSnapshot, Scope


class Share(msgspec.Struct, frozen=True):
    """Some namespaces that the child has read.

    `snapshots`: name → the namespace, read in full. `aliases`: name → the alias of lo, of namespaces that the scope does not ask for.
    """

    snapshots: dict[str, NetnsSnapshot]
    aliases: dict[str, str]


def encode_scope(scope: Scope) -> bytes:
    return _ENCODER.encode(scope)


def decode_scope(data: bytes) -> Scope:
    return msgspec.msgpack.decode(data, type=Scope)


def encode_share(namespaces: Mapping[str, NetnsSnapshot | str]) -> bytes:
    """Encode what was read, less the namespaces that cannot be sent, which the parent then reads itself.

    Those are the ones in which a WireGuard device has keys, because a secret does not leave the process that has read it, and the ones
    with text that is not UTF-8.
    """
    try:
        return _encode(namespaces)
    except UnicodeEncodeError:
        return _encode({name: one for name, one in namespaces.items() if _is_utf8(name, one)})


def _encode(namespaces: Mapping[str, NetnsSnapshot | str]) -> bytes:
    snapshots = {
        name: one
        for name, one in namespaces.items()
        if isinstance(one, NetnsSnapshot) and not one.wireguard
    }
    aliases = {name: one for name, one in namespaces.items() if isinstance(one, str)}
    return _ENCODER.encode(Share(snapshots, aliases))


def _is_utf8(name: str, one: NetnsSnapshot | str) -> bool:
    try:
        _encode({name: one})
    except UnicodeEncodeError:
        return False
    return True


def decode_share(data: bytes) -> dict[str, NetnsSnapshot | str]:
    """msgspec.DecodeError for what is not a share."""
    share = _share_decoder().decode(data)
    return {**share.snapshots, **share.aliases}


_ENCODER = msgspec.msgpack.Encoder()


@cache
def _share_decoder() -> msgspec.msgpack.Decoder[Share]:
    return msgspec.msgpack.Decoder(Share)
