"""Public keys of private keys (X25519, RFC 7748).

Use it only to see whether two keys belong together: it is slow, and its running time depends on
the key.
"""

from __future__ import annotations

_P = 2**255 - 19
_A24 = 121665


def public_key(private: bytes) -> bytes:
    """Return the public key (32 bytes) of a private key (32 bytes)."""
    scalar = int.from_bytes(private, "little") & ~7 & (2**255 - 1) | 2**254
    base, x2, z2, x3, z3, swapped = 9, 1, 0, 9, 1, 0
    for position in range(254, -1, -1):
        bit = scalar >> position & 1
        if swapped ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b = x2 + z2, x2 - z2
        aa, bb = a * a % _P, b * b % _P
        da, cb = (x3 - z3) * a % _P, (x3 + z3) * b % _P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % _P, base * (da - cb) ** 2 % _P
        x2, z2 = aa * bb % _P, e * (aa + _A24 * e) % _P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")
