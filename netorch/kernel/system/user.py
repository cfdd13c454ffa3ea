"""Tells which user runs this process."""

from __future__ import annotations

import os


def user_name() -> str:
    """Return the name of the user: the one who ran sudo, else that of the user ID.

    The ID itself stands for a user without a name.
    """
    if (name := os.environ.get("SUDO_USER", "")) and name.isprintable():
        return name
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
