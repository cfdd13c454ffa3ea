"""Looks up the names of users."""

from __future__ import annotations

import os
from functools import lru_cache


def user_name() -> str:
    """Return the user who runs this process: the one who ran sudo, else that of the user ID.

    The ID itself stands for a user without a name.
    """
    if (name := os.environ.get("SUDO_USER", "")) and name.isprintable():
        return name
    return name_of(os.getuid()) or str(os.getuid())


@lru_cache(maxsize=64)
def name_of(number: int) -> str:
    """Return the name of a user ID, or "" if this machine has none."""
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except (KeyError, OverflowError):
        return ""
