"""Reads the environment of a job in CI, and writes the summary and the outputs of its step."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

from netorch.render import github


def path_in(file: str) -> str:
    """Return a file's path for annotations.

    It is relative to the checkout, which $GITHUB_WORKSPACE or $CI_PROJECT_DIR (GitLab) names.
    Without them it is the current folder.
    """
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        return file
    named = map(os.environ.get, ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"))
    return github.relative(file, folder, next(filter(None, named), folder))


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


def set_outputs(
    document: Callable[[], str], warn: Callable[[list[str]], None], changed: bool | None = None
) -> None:
    """Set the outputs `changed` and `json` of a GitHub Actions step, if this is one.

    `document` returns what `-o json` prints. It may be too large for an output, so `json` is the
    path of a file that has it.
    """
    place, folder = map(os.environ.get, ("GITHUB_OUTPUT", "RUNNER_TEMP"))
    if not place:
        return
    try:
        lines = [] if changed is None else [f"changed={str(changed).lower()}"]
        if folder:
            file = _new_file(Path(folder))
            file.write_text(f"{document()}\n", encoding="utf-8")
            lines.append(f"json={file}")
        with Path(place).open("a", encoding="utf-8") as outputs:
            outputs.writelines(f"{line}\n" for line in lines)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        warn([f"the outputs of the step were not written to {place}: {reason}"])


def _new_file(folder: Path) -> Path:
    """Make an empty file that every user may read, because another step may run as another user."""
    for number in count(1):
        file = folder / f"netorch-{number}.json"
        try:
            file.touch(exist_ok=False)
        except FileExistsError:
            continue
        file.chmod(0o644)
        return file
    raise AssertionError
