"""Asks systemd through `systemctl`, and finds its units."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from netorch.errors import NetorchError, Problem

RUNNING = "/run/systemd/system"
"""The directory that exists if systemd manages the machine (sd_booted(3))."""
LOCAL = "/etc/systemd/system"
"""The folder of the administrator's units."""
PACKAGED = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
"""The folders of the units that packages install."""
PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


def is_running() -> bool:
    """Whether systemd manages this machine."""
    try:
        return stat.S_ISDIR(os.lstat(RUNNING).st_mode)
    except OSError:
        return False


def packaged(unit: str) -> bool:
    """Whether a package has installed the unit."""
    return any(os.path.exists(f"{folder}/{unit}") for folder in PACKAGED)


def systemctl(*words: str) -> str:
    """Run systemctl and return its output. Raise NetorchError if it fails."""
    status, output, errors = _run(words)
    if status:
        lines = (errors or output).strip().splitlines() or [f"exit status {status}"]
        command = f"systemctl {' '.join(words)}"
        what = f"`{command}` failed: {' '.join(lines).rstrip('.')}."
        raise NetorchError(Problem("systemctl-failed", what, None, "", words[-1], command))
    return output


def try_systemctl(*words: str) -> None:
    """Run systemctl, and ignore that it fails."""
    with suppress(NetorchError):
        systemctl(*words)


def state_of(unit: str, question: str) -> str:
    """Return the answer of `systemctl is-enabled` or `is-active`, such as `enabled`."""
    return _run((question, unit))[1].strip()


def _run(words: Sequence[str]) -> tuple[int, str, str]:
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["systemctl", "--no-pager", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            check=False,
        )
    except OSError as error:
        what = f"systemctl cannot be started: {error.strerror}."
        raise NetorchError(Problem("systemctl-failed", what, None, "", "systemctl")) from None
    output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    return done.returncode, output, errors


def enabled_instances() -> list[str]:
    """Return the names of the topologies whose service starts with the machine, sorted."""
    names: set[str] = set()
    try:
        folders = [entry for entry in os.listdir(LOCAL) if entry.endswith((".wants", ".requires"))]
    except OSError:
        return []
    for folder in folders:
        for entry in os.listdir(f"{LOCAL}/{folder}"):
            if entry.startswith("netorch@") and entry.endswith(".service"):
                names.add(entry.removeprefix("netorch@").removesuffix(".service"))
    return sorted(names - {""})


def writable_part(path: str) -> str:
    """Return the first part of a path that somebody besides root can change, or ""."""
    part = ""
    for word in os.path.realpath(path).split("/")[1:]:
        part = f"{part}/{word}"
        try:
            status = os.stat(part)
        except OSError:
            return ""
        is_shared = bool(status.st_mode & 0o022) and not status.st_mode & stat.S_ISVTX
        if status.st_uid != 0 or is_shared:
            return part
    return ""
