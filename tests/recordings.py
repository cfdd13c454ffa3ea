"""Recorded answers of kernels to netorch's questions, byte by byte, as tests/record.py made them.

A recording is stored as JSON, compressed and in base85.
"""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from netorch.netlink.codec import Message, headers

FOLDER = Path(__file__).parent / "recorded"
SUFFIX = ".json.xz.b85"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message as it came, with its header."""

    kernel: str
    space: str
    """The namespace; empty for the host."""
    what: str
    """The question."""
    data: bytes

    @property
    def message(self) -> Message:
        [(kind, _, _, start, end)] = headers(self.data)
        return kind, self.data, start, end

    @property
    def flags(self) -> int:
        [(_, flags, _, _, _)] = headers(self.data)
        return flags


def packed(recording: dict[str, Any]) -> bytes:
    text = json.dumps(recording, separators=(",", ":"), sort_keys=True)
    return base64.b85encode(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def unpacked(data: bytes) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads(lzma.decompress(base64.b85decode(data)))
    return recording


@cache
def recordings() -> tuple[Recorded, ...]:
    """Return all messages of all kernels, in the order in which they came."""
    return tuple(_all())


def of(*what: str) -> list[Recorded]:
    """Return the different messages that answered these questions.

    A message that several namespaces have in common occurs once.
    """
    return list(
        {
            (one.what, one.data[16:], one.flags): one for one in recordings() if one.what in what
        }.values()
    )


def dumped(kernel: str, space: str, what: str) -> list[Message]:
    """Return all messages of one answer."""
    return [
        one.message
        for one in recordings()
        if (one.kernel, one.space, one.what) == (kernel, space, what)
    ]


def _all() -> Iterator[Recorded]:
    for path in sorted(FOLDER.glob(f"*{SUFFIX}")):
        recording = unpacked(path.read_bytes().strip())
        for space, answers in recording["spaces"].items():
            for what, messages in answers.items():
                for text in messages:
                    yield Recorded(recording["kernel"], space, what, bytes.fromhex(text))
