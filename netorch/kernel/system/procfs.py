"""Open files below /proc/sys through a private mount, which is renewed from time to time.

A procfs has one chain of names for the `net` directories of all namespaces that were opened in it,
and searches this chain at each open(2). With a thousand namespaces, the search takes longer than
the rest of the call, and more with each further namespace. A private mount has its own chain, which
is gone when the mount is closed. The mount is attached nowhere, so that nothing of it can remain.
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
MAX_OPENS = 128
"""The number of files that are opened before the mount is renewed. A renewal takes as long as
opening two files.
"""


class Procfs:
    """Opens files below /proc/sys, in the network namespace of the calling thread.

    It uses /proc itself if netorch cannot make a mount (an old kernel, a container) or if /proc/sys
    is mounted read-only.
    """

    def __init__(self) -> None:
        self._root = -1
        self._opens_left = 0
        self._refused = False

    def open(self, path: str, flags: int) -> int:
        """Open a file. `path` is relative to /proc/sys and has no `..` in it.

        Raise OSError like open(2), with the full path.
        """
        full = PROC_SYS + path
        if not self._opens_left:
            self._renew()
        if self._root < 0:
            return os.open(full, flags)
        self._opens_left -= 1
        try:
            return os.open(f"sys/{path}", flags, dir_fd=self._root)
        except PermissionError:
            # because a security profile may allow only paths in /proc
            self.close()
            self._refused = True
            return os.open(full, flags)
        except OSError as error:
            raise OSError(error.errno, error.strerror, full) from None

    def close(self) -> None:
        self._opens_left = 0
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def _renew(self) -> None:
        self.close()
        if self._refused:
            return
        try:
            if os.statvfs(f"{PROC_SYS}net").f_flag & os.ST_RDONLY:
                # Somebody mounted /proc/sys read-only on purpose, and a mount of netorch's own
                # would bypass that.
                raise PermissionError
            context = fsopen("proc", FSOPEN_CLOEXEC)
            try:
                fsconfig(context, FSCONFIG_CMD_CREATE)
                self._root = fsmount(context, FSMOUNT_CLOEXEC)
            finally:
                os.close(context)
            self._opens_left = MAX_OPENS
        except OSError:
            self._refused = True
