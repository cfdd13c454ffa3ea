"""The hash functions of netorch: BLAKE2b (RFC 7693), and SHA-256 for what users compare."""

from __future__ import annotations

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from hashlib import blake2b, sha256
else:
    try:
        # because `hashlib` also loads OpenSSL, which takes longer than all that is hashed
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b
    try:
        from _sha2 import sha256  # Python 3.12
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256

__all__ = ["blake2b", "sha256"]
