"""The variables of topology files in the environment."""

from __future__ import annotations

import os

VARIABLE = "NETORCH_VAR_"
"""The prefix of environment variables that set a variable of the file."""


def variables() -> dict[str, str]:
    """Return the variables of `NETORCH_VAR_name` in the environment."""
    return {
        name[len(VARIABLE) :]: value
        for name, value in os.environ.items()
        if name.startswith(VARIABLE)
    }
