"""Which boot of the machine this is."""

from __future__ import annotations


def boot_id() -> str:
    """Return the identifier of the machine's present boot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
