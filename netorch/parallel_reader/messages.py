"""What the two processes send each other, as msgpack: the scope, and what the child has read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from netorch.immutable import replace
from netorch.values.snapshot import NetnsSnapshot, Scope

_NO_FILES: Mapping[str, str] = {}


class Share(msgspec.Struct, frozen=True):
    """Some namespaces that the child has read.

    `snapshots`: name → the namespace, without its files. `files`: name → file → number of its text.
    `texts`: those that are new, numbered through all shares: many nodes have the same hosts file,
    which grows with their number. `aliases`: name → the alias of lo, of namespaces that the scope
    does not ask for.
    """

    snapshots: dict[str, NetnsSnapshot]
    files: dict[str, dict[str, int]]
    texts: list[str]
    aliases: dict[str, str]


def encode_scope(scope: Scope) -> bytes:
    return msgspec.msgpack.encode(scope)


def decode_scope(data: bytes) -> Scope:
    return msgspec.msgpack.decode(data, type=Scope)


class ShareEncoder:
    """Encodes one share after the other."""

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._numbers: dict[str, int] = {}

    def encode(self, namespaces: Mapping[str, NetnsSnapshot | str]) -> bytes:
        """Encode what was read, less the namespaces that cannot be sent, which the parent then
        reads itself.

        Those are the ones in which a WireGuard device has keys, because a secret does not leave the
        process that has read it, and the ones with text that is not UTF-8.
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
        """msgspec.MsgspecError for what is not a share."""
        share = self._decoder.decode(data)
        self._texts += share.texts
        namespaces: dict[str, NetnsSnapshot | str] = dict(share.aliases)
        for name, one in share.snapshots.items():
            files = {file: self._texts[number] for file, number in share.files[name].items()}
            namespaces[name] = replace(one, files=files) if files else one
        return namespaces
