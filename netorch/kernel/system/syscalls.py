"""System calls that Python 3.11 has no function for.

They are unshare(2), setns(2), mount(2), umount2(2), fsopen(2), fsconfig(2), fsmount(2) and
listmount(2).
"""

from __future__ import annotations

import ctypes
import os

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8
FSOPEN_CLOEXEC = 1
FSCONFIG_CMD_CREATE = 6
FSMOUNT_CLOEXEC = 1
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT, _SYS_LISTMOUNT = 430, 431, 432, 458
_ALL_MOUNTS = (1 << 64) - 1
_MOUNTS_AT_A_TIME = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_unshare, _setns, _mount, _umount2 = _libc.unshare, _libc.setns, _libc.mount, _libc.umount2
_unshare.argtypes = (ctypes.c_int,)
_setns.argtypes = (ctypes.c_int, ctypes.c_int)
_mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)
_umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Move only the calling thread into new namespaces."""
    _check(_unshare(flags), "unshare")


def setns(fd: int, kind: int = CLONE_NEWNET) -> None:
    """Move only the calling thread into the namespace of `fd`."""
    _check(_setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int) -> None:
    _check(_mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, None), target)


def umount(target: str, flags: int = MNT_DETACH | UMOUNT_NOFOLLOW) -> None:
    _check(_umount2(os.fsencode(target), flags), target)


def die_with_parent() -> None:
    """Make the kernel kill the calling process when the thread that forked it ends (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def fsopen(kind: str, flags: int) -> int:
    """Open a new file system for configuration, as a file descriptor.

    The call exists since Linux 5.2. glibc has a function for it since 2.36.
    """
    return _descriptor(_syscall(_SYS_FSOPEN, kind.encode(), ctypes.c_uint(flags)), "fsopen")


def fsconfig(context: int, command: int) -> None:
    """Configure the file system with a command that has no key and no value."""
    _descriptor(
        _syscall(
            _SYS_FSCONFIG,
            ctypes.c_int(context),
            ctypes.c_uint(command),
            None,
            None,
            ctypes.c_int(0),
        ),
        "fsconfig",
    )


def fsmount(context: int, flags: int) -> int:
    """Return the file system's root in a mount that is attached nowhere.

    The mount ends when its descriptor is closed.
    """
    return _descriptor(
        _syscall(_SYS_FSMOUNT, ctypes.c_int(context), ctypes.c_uint(flags), ctypes.c_uint(0)),
        "fsmount",
    )


class _MountRequest(ctypes.Structure):
    """`struct mnt_id_req` of linux/mount.h, in its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("spare", ctypes.c_uint32),
        ("mount", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
    )


def count_mounts() -> int:
    """Return how many mounts of this process's mount namespace can be seen.

    Return 0 if the kernel lacks the call, which exists since Linux 6.8.
    """
    request = _MountRequest(ctypes.sizeof(_MountRequest), 0, _ALL_MOUNTS, 0)
    numbers = (ctypes.c_uint64 * _MOUNTS_AT_A_TIME)()
    total = 0
    while True:
        count: int = _syscall(
            _SYS_LISTMOUNT,
            ctypes.byref(request),
            numbers,
            ctypes.c_size_t(_MOUNTS_AT_A_TIME),
            ctypes.c_uint(0),
        )
        if count <= 0:
            return total
        total += count
        if count < _MOUNTS_AT_A_TIME:
            return total
        request.last = numbers[count - 1]


def _descriptor(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
