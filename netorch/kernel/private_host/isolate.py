"""Moves the calling process into namespaces of its own and mounts what a private host needs.

/run/netns, /run/netorch and /etc/netns are empty there.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress

from netorch.errors import LacksError, Problem
from netorch.kernel.system.capabilities import has_root
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.kernel.system.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_BIND,
    MS_REC,
    MS_SLAVE,
    die_with_parent,
    mount,
    unshare,
)
from netorch.netlink import constants as c
from netorch.netlink.codec import message

_LOOPBACK_UP = struct.pack("=BxHiII", 0, 0, 1, c.IFF_UP, c.IFF_UP)
_SHADOWED = (("/run", ("netns", "netorch")), ("/etc", ("netns",)))


def enter_new_namespaces(user: bool) -> None:
    """Move into new network, mount and PID namespaces. The next child is process 1 of the host.

    The calling process then dies with its parent. Raise LacksError if the machine does not allow
    new namespaces.

    If `user` is true, it also makes a user namespace, in which the caller is root. This needs no
    capabilities.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        if user:
            unshare(CLONE_NEWUSER)
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"0 {uid} 1")
            _write("/proc/self/gid_map", f"0 {gid} 1")
        die_with_parent()
        unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID)
    except OSError as error:
        raise refusal("a namespace was refused", error, user) from None


def mount_and_bring_up(user: bool) -> None:
    """Mount the host's own directories and bring lo up. Runs in process 1 of the host.

    Raise LacksError if a step is not allowed.
    """
    try:
        what = "make the mounts private"
        mount("", "/", "none", MS_SLAVE | MS_REC)
        what = "mount /proc"
        mount("proc", "/proc", "proc", 0)
        with suppress(OSError):
            mount("sysfs", "/sys", "sysfs", 0)
        for parent, names in _SHADOWED:
            what = f"mount a private {parent}"
            _shadow(parent, names)
        what = "bring lo up"
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as forwarding:
            forwarding.write("0")
        _loopback_up()
    except OSError as error:
        raise refusal(f"the kernel refuses to {what}", error, user) from None


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _loopback_up() -> None:
    rtnl = Rtnl()
    try:
        seq = rtnl.next_seq()
        for number, sentence in rtnl.send(
            [(seq, message(c.RTM_SETLINK, c.NLM_F_REQUEST, seq, _LOOPBACK_UP))]
        ).values():
            raise OSError(number, sentence or os.strerror(number))
    finally:
        rtnl.close()


def _shadow(parent: str, names: Sequence[str]) -> None:
    """Put empty directories of these names in `parent`, and leave everything else in it as it is.

    If all of them exist, a tmpfs is mounted on each. Otherwise a new tmpfs is mounted on `parent`,
    with the entries of the old one bound into it.
    """
    if all(
        os.path.isdir(f"{parent}/{name}") and not os.path.islink(f"{parent}/{name}")
        for name in names
    ):
        for name in names:
            mount("netorch", f"{parent}/{name}", "tmpfs", 0)
            # because the root of a tmpfs can be written by all, and netorch does not trust that
            os.chmod(f"{parent}/{name}", 0o755)
        return
    old = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mount("netorch", parent, "tmpfs", 0)
        os.chmod(parent, 0o755)
        for name in names:
            os.mkdir(f"{parent}/{name}", 0o755)
        for name in os.listdir(old):
            if name not in names:
                with suppress(OSError):
                    _bind(old, name, f"{parent}/{name}")
    finally:
        os.close(old)


def _bind(old: int, name: str, target: str) -> None:
    status = os.stat(name, dir_fd=old, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=old), target)
        return
    if stat.S_ISDIR(status.st_mode):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    mount(f"/proc/self/fd/{old}/{name}", target, "none", MS_BIND | MS_REC)


def refusal(what: str, error: OSError, user: bool) -> LacksError:
    """Return the error that says why no private host can be made, with a remedy if one is known."""
    remedy, command = _remedy(error, user)
    sentence = f"no private host can be made here: {what} ({error.strerror})."
    return LacksError(Problem("no-private-host", sentence, remedy=remedy, command=command))


def _remedy(error: OSError, user: bool) -> tuple[str, str]:
    """Return a remedy and the command in it, or "" if it has none."""
    settings = (
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
        (
            "/proc/sys/kernel/unprivileged_userns_clone",
            "0",
            "sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    )
    if not user:
        return (
            "Root needs CAP_SYS_ADMIN and CAP_NET_ADMIN for it: start a container with "
            "--privileged.",
            "",
        )
    for path, value, command in settings:
        with suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
            if file.read().strip() == value:
                name = path.removeprefix("/proc/sys/").replace("/", ".")
                return f"{name} is {value}: run `{command}` as root, or run this as root.", command
    if error.errno == errno.ENOSPC:
        return (
            "The limit of namespaces is reached: raise user.max_user_namespaces, "
            "user.max_net_namespaces and the like.",
            "",
        )
    return (
        "This machine does not allow unprivileged user namespaces. The cause may be a container or "
        "its seccomp filter: run this as root.",
        "",
    )


def needs_user_namespace() -> bool:
    """Tell whether the caller has too few capabilities to do without a user namespace."""
    return not has_root()
