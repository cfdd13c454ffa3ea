"""The names of ICMP types, as nft(8) writes them."""

from __future__ import annotations

from collections.abc import Mapping

ICMP_TYPES: Mapping[int, Mapping[str, int]] = {
    4: {
        "echo-reply": 0,
        "destination-unreachable": 3,
        "source-quench": 4,
        "redirect": 5,
        "echo-request": 8,
        "router-advertisement": 9,
        "router-solicitation": 10,
        "time-exceeded": 11,
        "parameter-problem": 12,
        "timestamp-request": 13,
        "timestamp-reply": 14,
        "info-request": 15,
        "info-reply": 16,
        "address-mask-request": 17,
        "address-mask-reply": 18,
    },
    6: {
        "destination-unreachable": 1,
        "packet-too-big": 2,
        "time-exceeded": 3,
        "parameter-problem": 4,
        "echo-request": 128,
        "echo-reply": 129,
        "mld-listener-query": 130,
        "mld-listener-report": 131,
        "mld-listener-done": 132,
        "nd-router-solicit": 133,
        "nd-router-advert": 134,
        "nd-neighbor-solicit": 135,
        "nd-neighbor-advert": 136,
        "nd-redirect": 137,
        "mld2-listener-report": 143,
    },
}
"""IP version → name of a type → its number (linux/icmp.h, linux/icmpv6.h)."""

_NAMES = {
    version: {number: name for name, number in types.items()}
    for version, types in ICMP_TYPES.items()
}


def icmp_name(version: int, number: int) -> str:
    """Return the name of an ICMP type, or its number as text if it has no name."""
    return _NAMES[version].get(number, str(number))
