"""Enters a namespace as `ip netns exec` does (ip-netns(8)), and runs a command there.

The namespace gets its own /etc files and /sys.
"""

from __future__ import annotations

import errno
import os

from netorch.kernel.files.etc_netns import ETC_NETNS
from netorch.kernel.system.syscalls import (
    CLONE_NEWNS,
    MS_BIND,
    MS_REC,
    MS_SLAVE,
    mount,
    setns,
    unshare,
)

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_MS_RDONLY = 1


def enter(fd: int, etc_name: str | None, argv: Sequence[str]) -> NoReturn:
    """Replace this process by the command `argv` in the namespace `fd`.

    The process must have only one thread. Raise CommandError if the command cannot be run,
    NetorchError if the namespace cannot be entered.
    """
    # here, because importing them takes longer than entering
    import _signal as signal  # type: ignore[import-not-found]

    if not argv:
        from netorch.errors import CommandError, Problem

        raise CommandError(Problem("no-command", "there is no command to run"), 127)
    move(fd, etc_name)
    # Python ignores these signals, and the command should not inherit that
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(argv[0], list(argv))
    except (FileNotFoundError, ValueError) as error:  # ValueError: an empty name, or a NUL
        from netorch.errors import CommandError, Problem

        raise CommandError(
            Problem("command-not-found", f"{argv[0]}: command not found", object=argv[0]), 127
        ) from error
    except OSError as error:
        from netorch.errors import CommandError, Problem

        raise CommandError(
            Problem("command-not-runnable", f"{argv[0]}: {error.strerror}", object=argv[0]), 126
        ) from error


def move(fd: int, etc_name: str | None) -> None:
    """Move the calling thread into the namespace `fd` and into a new mount namespace.

    This closes `fd`. Raise NetorchError if that fails.
    """
    try:
        setns(fd)
        unshare(CLONE_NEWNS)
        mount("", "/", "none", MS_SLAVE | MS_REC)
    except OSError as error:
        from netorch.errors import NetorchError, Problem

        denied = error.errno == errno.EPERM
        code = "not-root" if denied else "namespace-not-entered"
        remedy = "netorch needs root." if denied else ""
        what = f"the namespace cannot be entered: {error.strerror}."
        raise NetorchError(Problem(code, what, remedy=remedy)) from error
    finally:
        os.close(fd)
    _mount_sysfs()
    if etc_name is not None:
        _bind_etc(f"{ETC_NETNS}/{etc_name}")


def _mount_sysfs() -> None:
    """Mount a /sys that shows the links of this namespace. If that is not allowed, do nothing."""
    try:
        read_only = os.statvfs("/sys").f_flag & os.ST_RDONLY
        mount("netorch", "/sys", "sysfs", _MS_RDONLY if read_only else 0)
    except OSError:
        return


def _bind_etc(directory: str) -> None:
    if os.path.islink(directory) or not os.path.isdir(directory):
        return
    for name in sorted(os.listdir(directory)):
        source, target = f"{directory}/{name}", f"/etc/{name}"
        if name.startswith(".") or os.path.islink(source) or not os.path.exists(target):
            continue
        try:
            mount(source, target, "none", MS_BIND)
        except OSError as error:
            from netorch.errors import NetorchError, Problem

            raise NetorchError(
                Problem(
                    "namespace-not-entered",
                    f"{source} cannot be mounted on {target}: {error.strerror}.",
                    object=target,
                )
            ) from error
