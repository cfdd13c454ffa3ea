"""Encode and decode the value of an attribute: numbers in the kernel's byte orders, flags, words,
addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from netorch.immutable import Value


class AttributeType(Value):
    """How the value of an attribute is encoded and decoded."""

    encode: Callable[[Any], bytes | None]
    """Returns the payload, or None if the attribute is to be left out."""
    decode: Callable[[bytes], Any]
    """Returns the value of a payload."""
    blank: Callable[[Any], bytes | None] = lambda before: None
    """Returns the payload that resets a previous value, or None if the kernel cannot reset it."""
    has_word: Callable[[Any], bool] = lambda value: True
    """Returns whether a value has a word in the file, or is one."""


def number(size: int, order: str = "little", *, absent: int | None = None) -> AttributeType:
    """An unsigned integer of `size` bytes.

    `absent` is a number that means "not set". It is None if every number is a value.
    """
    big = order == "big"

    def encode(value: int | None) -> bytes | None:
        return None if value is None else value.to_bytes(size, "big" if big else "little")

    def decode(payload: bytes) -> int | None:
        value = int.from_bytes(payload[:size], "big" if big else "little")
        return None if value == absent else value

    return AttributeType(encode, decode)


def choice(words: Mapping[str, int | bytes], size: int = 1) -> AttributeType:
    """One of several words. Each stands for a number of `size` bytes, or for its own bytes."""
    payloads = {
        word: value if isinstance(value, bytes) else value.to_bytes(size, "little")
        for word, value in words.items()
    }
    names = {payload: word for word, payload in payloads.items()}
    return AttributeType(
        # a word that is not in the table is the number as it was read, which a rollback restores
        lambda word: (
            None if word is None else payloads[word] if word in payloads else bytes.fromhex(word)
        ),
        lambda payload: names.get(payload, payload.hex()),
        has_word=lambda word: word is None or word in payloads,
    )


def _address(value: str | None) -> bytes | None:
    return None if value is None else ip_address(value).packed


def _address_text(payload: bytes) -> str | None:
    if len(payload) not in (4, 16) or not any(payload):
        return None
    return str(ip_address(payload))


U8, U16, U32 = number(1), number(2), number(4)
BE16 = number(2, "big")
FLAG = AttributeType(lambda value: None if value is None else bytes((bool(value),)), any)
ADDRESS = AttributeType(
    _address, _address_text, lambda before: bytes(len(ip_address(before).packed))
)
"""An IPv4 or IPv6 address as text. All zeros mean None, as if the attribute were left out."""
