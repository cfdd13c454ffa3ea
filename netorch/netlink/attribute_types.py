"""How the value of an attribute is written and read: numbers in the byte orders that the kernel uses, flags, words, addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from netorch.immutable import Value


class AttributeType(Value):
    """`encode` gives a payload, or None for what is said by leaving the attribute out; `decode` reads one back.

    `blank`: what takes a value back that was there before, None where nothing does.
    """

    encode: Callable[[Any], bytes | None]
    decode: Callable[[bytes], Any]
    blank: Callable[[Any], bytes | None] = lambda before: None


def number(size: int, order: str = "little", *, absent: int | None = None) -> AttributeType:
    """An unsigned integer of `size` bytes; `absent` is a value that means "not given", None where it is None itself."""
    big = order == "big"

    def encode(value: int | None) -> bytes | None:
        return None if value is None else value.to_bytes(size, "big" if big else "little")

    def decode(payload: bytes) -> int | None:
        value = int.from_bytes(payload[:size], "big" if big else "little")
        return None if value == absent else value

    return AttributeType(encode, decode)


def choice(words: Mapping[str, int | bytes], size: int = 1) -> AttributeType:
    """One of several words, each with its number (of `size` bytes) or its bytes."""
    payloads = {
        word: value if isinstance(value, bytes) else value.to_bytes(size, "little")
        for word, value in words.items()
    }
    names = {payload: word for word, payload in payloads.items()}
    return AttributeType(
        lambda word: None if word is None else payloads[word],
        lambda payload: names.get(payload, payload.hex()),
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
"""An IPv4 or IPv6 address as text; all zeros is None, the same as leaving it out."""
