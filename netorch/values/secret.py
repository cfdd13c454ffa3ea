"""Secret values, which never appear in output, logs, errors or files."""

from __future__ import annotations

from functools import cache
from typing import NoReturn

from netorch.values.digest import blake2b


@cache
def _salt() -> bytes:
    """Return a salt that only this process has, so that a digest is useless outside."""
    from secrets import token_bytes

    return token_bytes(32)


class Secret:
    """Secret bytes. They compare by their digest, print as `(secret)`, and cannot be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def _digest(self) -> bytes:
        return blake2b(self._value, key=_salt(), digest_size=32).digest()

    def reveal(self) -> bytes:
        """Return the secret bytes."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._digest() == other._digest()

    def __hash__(self) -> int:
        return hash(self._digest())

    def __repr__(self) -> str:
        return "(secret)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")
