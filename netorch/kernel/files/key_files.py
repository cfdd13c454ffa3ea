"""Reads key files: one line of base64, as `wg genkey` writes it.

Error messages never quote the content of such a file.
"""

from __future__ import annotations

import binascii
import os
import stat
from base64 import b64decode

from netorch.errors import printable
from netorch.values.requests import Answer, KeyFile
from netorch.values.secret import Secret

LARGEST = 512
"""The largest size of a key file, in bytes."""
SIZE = 32
"""The size of a key, in bytes."""


def read(question: KeyFile, folder: str) -> Answer:
    """Read a key file. A relative path is relative to `folder`."""
    path = os.path.join(folder, question.path)
    name = printable(path)
    try:
        # O_NONBLOCK because opening a FIFO would wait for its writer
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        where = (
            ""
            if os.path.isabs(question.path)
            else f"The path is relative to the topology's folder, {printable(folder or '.')}."
        )
        return Answer(code="key-file-unreadable", problem=f"{name}: {error.strerror}", remedy=where)
    except ValueError:
        return Answer(code="key-file-unreadable", problem=f"{question.path!r} is not a file name")
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return Answer(code="key-file-unreadable", problem=f"{name} is not a plain file")
        content = os.read(fd, LARGEST + 1)
    except OSError as error:
        return Answer(code="key-file-unreadable", problem=f"{name}: {error.strerror}")
    finally:
        os.close(fd)
    if len(content) > LARGEST:
        return Answer(
            code="bad-key-file",
            problem=f"{name} is larger than {LARGEST} bytes",
            remedy="A key file holds one key and nothing else.",
        )
    key = _decoded(content)
    if key is None:
        return Answer(
            code="bad-key-file",
            problem=f"{name} does not hold one key of {SIZE} bytes in base64",
            remedy=f"`wg {'genkey' if question.private else 'genpsk'}` makes one.",
        )
    is_open = bool(status.st_mode & stat.S_IROTH)
    if is_open and question.is_strict:
        return Answer(
            code="key-file-open",
            problem=f"{name}: everybody can read this key",
            remedy=f"Run chmod 600 {name}.",
        )
    warning = f"{name}: everybody can read this key: chmod 600 {name}" if is_open else ""
    return Answer(secret=Secret(_clamped(key) if question.private else key), warning=warning)


def _clamped(key: bytes) -> bytes:
    """Return the key with the bits that X25519 fixes (RFC 7748).

    The kernel sets these bits in every private key, and lists the key with them.
    """
    return bytes((key[0] & 0xF8, *key[1:31], key[31] & 0x7F | 0x40))


def _decoded(content: bytes) -> bytes | None:
    try:
        key = b64decode(content.strip(), validate=True)
    except binascii.Error:
        return None
    return key if len(key) == SIZE and any(key) else None
