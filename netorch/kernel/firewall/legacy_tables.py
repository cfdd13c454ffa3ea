"""Whether there are tables of iptables-legacy in the namespace of the calling thread."""

from __future__ import annotations

import os

NAMES = ("/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names")


def exist() -> bool:
    """Tell whether the namespace has any table. Reading a missing table would create it."""
    for path in NAMES:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if os.read(fd, 16).strip():
                return True
        except OSError:
            continue
        finally:
            os.close(fd)
    return False
