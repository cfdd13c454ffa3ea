"""The hash function of netorch, BLAKE2b (RFC 7693)."""

from __future__ import annotations

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from hashlib import blake2b
else:
    try:
        # because `hashlib` also loads OpenSSL, which takes longer than all that is hashed
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b

__all__ = ["blake2b"]
