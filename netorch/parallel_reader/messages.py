"""Encodes, in msgpack, the scope that the parent sends and the namespaces that the child sends."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from netorch.immutable import replace
from netorch.values.snapshot import NetnsSnapshot, Scope

_NO_FILES: Mapping[str, str] = {}


class Share(msgspec.Struct, frozen=True):
    """Some namespaces that the child has read.

    Each text of a file is sent once, because many nodes have the same hosts file, and this file
    grows with the number of nodes.
    """

    snapshots: dict[str, NetnsSnapshot]
    """Name → the namespace, without its files."""
    files: dict[str, dict[str, int]]
    """Name → file → the number of its text."""
    texts: list[str]
    """The texts that no earlier share contained. The numbers continue from share to share."""
    aliases: dict[str, str]
    """Name → the alias of lo, for namespaces outside the scope."""


def encode_scope(scope: Scope) -> bytes:
    return msgspec.msgpack.encode(scope)


def decode_scope(data: bytes) -> Scope:
    return msgspec.msgpack.decode(data, type=Scope)


class ShareEncoder:
    """Encodes the shares, one after the other."""

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._numbers: dict[str, int] = {}

    def encode(self, namespaces: Mapping[str, NetnsSnapshot | str]) -> bytes:
        """Encode the namespaces, without those that cannot be sent. The parent reads these itself.

        A namespace cannot be sent if a WireGuard device in it has keys, because a secret does not
        leave the process that has read it, or if it contains text that is not UTF-8.
        """
        numbers = dict(self._numbers)
        try:
            return self._encode(namespaces)
        except UnicodeEncodeError:
            self._numbers = numbers
            return self._encode(
                {name: one for name, one in namespaces.items() if self._can_be_sent(name, one)}
            )

    def _encode(self, namespaces: Mapping[str, NetnsSnapshot | str]) -> bytes:
        known = len(self._numbers)
        snapshots: dict[str, NetnsSnapshot] = {}
        files: dict[str, dict[str, int]] = {}
        aliases: dict[str, str] = {}
        for name, one in namespaces.items():
            if isinstance(one, str):
                aliases[name] = one
            elif not one.wireguard:
                snapshots[name] = replace(one, files=_NO_FILES) if one.files else one
                files[name] = {
                    file: self._numbers.setdefault(text, len(self._numbers))
                    for file, text in one.files.items()
                }
        return self._encoder.encode(Share(snapshots, files, list(self._numbers)[known:], aliases))

    def _can_be_sent(self, name: str, one: NetnsSnapshot | str) -> bool:
        if isinstance(one, NetnsSnapshot) and one.wireguard:
            return False
        try:
            self._encoder.encode((name, one))
        except UnicodeEncodeError:
            return False
        return True


class ShareDecoder:
    """Decodes the shares of one `ShareEncoder` in their order."""

    def __init__(self) -> None:
        self._decoder = msgspec.msgpack.Decoder(Share)
        self._texts: list[str] = []

    def decode(self, data: bytes) -> dict[str, NetnsSnapshot | str]:
        """Decode a share. Raise msgspec.MsgspecError if `data` is not one."""
        share = self._decoder.decode(data)
        self._texts += share.texts
        namespaces: dict[str, NetnsSnapshot | str] = dict(share.aliases)
        for name, one in share.snapshots.items():
            files = {file: self._texts[number] for file, number in share.files[name].items()}
            namespaces[name] = replace(one, files=files) if files else one
        return namespaces
