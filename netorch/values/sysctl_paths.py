"""Where a setting of the network stands (ip-sysctl in the kernel's documentation): paths below /proc/sys, with slashes."""

from __future__ import annotations

from collections.abc import Sequence


def default_path(path: str) -> str | None:
    """Where the value for a new object stands: that of a new interface under `conf/default`, None for what has no such place."""
    parts = path.split("/")
    if len(parts) == 5 and parts[2] in {"conf", "neigh"} and parts[3] not in {"all", "default"}:
        return "/".join((*parts[:3], "default", parts[4]))
    return None


def with_defaults(paths: Sequence[str]) -> tuple[str, ...]:
    """Each once, and after them where their defaults stand."""
    return tuple(
        dict.fromkeys([*paths, *(default for path in paths if (default := default_path(path)))])
    )
