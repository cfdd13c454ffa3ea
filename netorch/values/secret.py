"""Values that must not be seen: no print, no log, no error and no file shows them."""

from __future__ import annotations

from hashlib import blake2b
from secrets import token_bytes
from typing import NoReturn

_SALT = token_bytes(32)
"""Of this process alone, so that a digest says nothing elsewhere."""


class Secret:
    """Bytes that compare by their digest and print as `(secret)`; `reveal` alone gives them out."""

    __slots__ = ("_digest", "_value")

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._digest = blake2b(value, key=_SALT, digest_size=32).digest()

    def reveal(self) -> bytes:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        return "(secret)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")
