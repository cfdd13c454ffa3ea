"""/proc/sys through a mount that nobody else sees, made anew now and then.

A procfs keeps the directories of all namespaces' `net` that were looked at in it in one chain of names, and goes through it at each
look: with a thousand namespaces one open(2) takes longer than all else that opens, and more with each one that is added. A mount of our
own has a chain of its own, which is gone when it is closed. It is attached nowhere, so that nothing of it can be left behind.
"""

from __future__ import annotations

import os

from netorch.kernel.system.syscalls import (
    FSCONFIG_CMD_CREATE,
    FSMOUNT_CLOEXEC,
    FSOPEN_CLOEXEC,
    fsconfig,
    fsmount,
    fsopen,
)

PROC_SYS = "/proc/sys/"
LOOKS = 128
"""After so many the mount is given up for a new one, which takes as long as two looks."""


class Procfs:
    """Opens files below /proc/sys, as the network namespace of the calling thread has them; where no mount of our own may be made (an
    old kernel, a container) or /proc/sys is mounted read-only, those of /proc.
    """

    def __init__(self) -> None:
        self._root = -1
        self._left = 0
        self._refused = False

    def open(self, path: str, flags: int) -> int:
        """`path`: below /proc/sys, with no `..` in it. OSError as open(2), with the whole path."""
        full = PROC_SYS + path
        if not self._left:
            self._renew()
        if self._root < 0:
            return os.open(full, flags)
        self._left -= 1
        try:
            return os.open(f"sys/{path}", flags, dir_fd=self._root)
        except PermissionError:
            # a profile may know /proc by its path alone
            self.close()
            self._refused = True
            return os.open(full, flags)
        except OSError as error:
            raise OSError(error.errno, error.strerror, full) from None

    def close(self) -> None:
        self._left = 0
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def _renew(self) -> None:
        self.close()
        if self._refused:
            return
        try:
            if os.statvfs(f"{PROC_SYS}net").f_flag & os.ST_RDONLY:
                # somebody does not want these to be written, and a mount of our own would not know
                raise PermissionError
            context = fsopen("proc", FSOPEN_CLOEXEC)
            try:
                fsconfig(context, FSCONFIG_CMD_CREATE)
                self._root = fsmount(context, FSMOUNT_CLOEXEC)
            finally:
                os.close(context)
            self._left = LOOKS
        except OSError:
            self._refused = True
