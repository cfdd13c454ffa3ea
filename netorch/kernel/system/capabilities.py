"""What the calling thread may do (capabilities(7))."""

from __future__ import annotations

_CAP_NET_ADMIN = 12
_CAP_SYS_ADMIN = 21


def has_root() -> bool:
    """Tell whether the thread has CAP_NET_ADMIN and CAP_SYS_ADMIN (capabilities(7)).

    Capabilities that it has only within a user namespace count too.
    """
    with open("/proc/thread-self/status", encoding="utf-8", errors="replace") as status:
        held = next((int(line.split()[1], 16) for line in status if line.startswith("CapEff:")), 0)
    return bool(held >> _CAP_NET_ADMIN & 1 and held >> _CAP_SYS_ADMIN & 1)
