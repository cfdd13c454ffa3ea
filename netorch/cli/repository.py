"""Reads the environment of a GitHub Actions job, and writes the summary of the job's step."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from netorch.render import github


def path_in(file: str) -> str:
    """Return a file's path for annotations.

    It is relative to the checkout ($GITHUB_WORKSPACE, else the current folder).
    """
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        return file
    return github.relative(file, folder, os.environ.get("GITHUB_WORKSPACE") or folder)


def summarise(text: str, warn: Callable[[list[str]], None]) -> None:
    """Add a text to the summary of the job's step, if there is one."""
    place = os.environ.get("GITHUB_STEP_SUMMARY")
    if not place:
        return
    try:
        with Path(place).open("a", encoding="utf-8") as summary:
            summary.write(f"{text.rstrip()}\n\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        warn([f"the job summary was not written to {place}: {reason}"])
