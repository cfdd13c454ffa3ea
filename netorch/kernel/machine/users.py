"""Looks up the names of users."""

from __future__ import annotations

import pwd


def user_name(number: int) -> str:
    """Return the name of a user ID, or "" if this machine has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except (KeyError, OverflowError):
        return ""
