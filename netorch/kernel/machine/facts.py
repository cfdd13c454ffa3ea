"""Reads the facts about a machine that matter to topologies.

Reading them changes nothing and loads no kernel module.
"""

from __future__ import annotations

import os
import re
import resource
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress

from netorch.errors import NetorchError
from netorch.immutable import Value, field
from netorch.kernel.files import records
from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.kernel.firewall import forward_accept, libnftables, nf_tables_netlink
from netorch.kernel.linux import require_root
from netorch.kernel.machine import limits, modules
from netorch.kernel.machine.limits import Limits
from netorch.kernel.machine.modules import Modules
from netorch.kernel.system import sysctl
from netorch.kernel.system.nsfs import OWN_NETNS, RUN_NETNS, inode_of
from netorch.values.snapshot import ForwardSnapshot

_COMM = 15
"""The number of bytes of a process's name that the kernel stores."""

_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_UFW = ("ufw-user-input", "ufw6-user-input")


class Damage(Value):
    """A file or directory below /run that is not as it should be."""

    path: str
    code: str
    """Key of the table in `netorch.errors.codes`."""
    what: str
    """A description of what is there, or of what is wrong with it."""
    directory: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class Machine(Value):
    """The facts about a machine."""

    release: str = ""
    """The kernel's release, as `uname -r` prints it."""
    privileged: str = ""
    """Why the process has too few capabilities; "" if it has enough."""
    modules: Modules = field(default_factory=Modules)
    programs: Mapping[str, int] = field(default_factory=dict)
    """Name → PID of the requested programs that run in this network namespace."""
    hidden: bool = False
    """Whether processes of other users are invisible."""
    folders: frozenset[str] = frozenset()
    """The requested paths that exist."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Path below /proc/sys → value of the requested sysctls that exist."""
    fresh: Mapping[str, str] = field(default_factory=dict)
    """Path below /proc/sys → value in a new network namespace."""
    read_only: bool = False
    """Whether /proc/sys/net is mounted read-only."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path → text of the requested files."""
    forward: ForwardSnapshot | None = None
    """Foreign rules that drop forwarded packets; None if they cannot be read."""
    ufw: frozenset[str] | None = None
    """The interfaces that ufw accepts packets from; None if there are no rules of ufw."""
    leftovers: tuple[Damage, ...] = ()
    """Entries of /run/netns that are not namespaces."""
    records: tuple[Damage, ...] = ()
    """Damaged records, and whatever else is in the place of one."""
    names: frozenset[str] = frozenset()
    """The names of the namespaces in /run/netns."""
    limits: Limits = field(default_factory=Limits)
    """The limits that topologies can reach."""
    full: bool = False
    """Whether the user cannot have more network namespaces."""
    open_files: int = 1 << 20
    """The hard limit on open files."""
    libnftables: bool = True
    """Whether libnftables is installed."""


def read(
    programs: Iterable[str], folders: Iterable[str], sysctls: Iterable[str], files: Iterable[str]
) -> Machine:
    """Read the facts about this machine. Without root some of them are missing.

    `programs` are names of processes, `folders` are paths to look for, and `sysctls` are paths
    below /proc/sys. `files` are paths, of which `/etc/x.d/*.conf` means all files in /etc/x.d whose
    names end in `.conf`.
    """
    try:
        require_root()
        privileged = ""
    except NetorchError as error:
        privileged = str(error)
    running, hidden = _programs(frozenset(programs))
    leftovers, names = _named()
    return Machine(
        release=os.uname().release,
        privileged=privileged,
        modules=modules.read(),
        programs=running,
        hidden=hidden,
        folders=frozenset(path for path in folders if os.path.exists(path)),
        sysctls=sysctl.read_all(tuple(sysctls)),
        read_only=bool(os.statvfs("/proc/sys/net").f_flag & os.ST_RDONLY),
        files=_files(files),
        forward=None if privileged else forward_accept.read("", dropping=True),
        ufw=None if privileged else _ufw(),
        leftovers=leftovers,
        records=_records(),
        names=names,
        limits=limits.read_all(len(names)),
        open_files=_limit(),
        libnftables=libnftables.installed(),
    )


def _programs(names: frozenset[str]) -> tuple[dict[str, int], bool]:
    """Return name → PID of programs in this network namespace, and whether some may be hidden."""
    short = {name[:_COMM]: name for name in names}
    home = inode_of(os.stat(OWN_NETNS))
    running: dict[str, int] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with suppress(OSError):
            with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as file:
                name = short.get(file.read().strip())
            if name is not None and _is_in(entry, home):
                running[name] = int(entry)
    return running, not os.path.exists("/proc/1/comm")


def _is_in(pid: str, home: tuple[int, int]) -> bool:
    try:
        return inode_of(os.stat(f"/proc/{pid}/ns/net")) == home
    except PermissionError:
        return True


def _files(paths: Iterable[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for path in paths:
        folder, name = os.path.split(path)
        names = [name]
        if name.startswith("*"):
            try:
                names = sorted(entry for entry in os.listdir(folder) if entry.endswith(name[1:]))
            except OSError:
                continue
        for entry in names:
            with suppress(OSError):
                fd = os.open(f"{folder}/{entry}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                with open(fd, encoding="utf-8", errors="replace") as file:
                    if stat.S_ISREG(os.fstat(fd).st_mode):
                        texts[f"{folder}/{entry}"] = file.read(1 << 20)
    return texts


def _named() -> tuple[tuple[Damage, ...], frozenset[str]]:
    problems: list[Damage] = []
    names: set[str] = set()
    nsfs = os.stat(OWN_NETNS).st_dev
    entries: list[str] = []
    with suppress(OSError):
        entries = sorted(os.listdir(RUN_NETNS))
    for name in entries:
        path = f"{RUN_NETNS}/{name}"
        with suppress(OSError):
            status = os.lstat(path)
            if status.st_dev == nsfs:
                names.add(name)
            elif stat.S_ISLNK(status.st_mode):
                # users make links to show a container in `ip netns`; only a broken one is a problem
                if not os.path.exists(path):
                    what = "a symbolic link that leads nowhere"
                    problems.append(Damage(path, "not-a-namespace", what))
            elif stat.S_ISDIR(status.st_mode):
                problems.append(Damage(path, "not-a-namespace", "a directory", directory=True))
            else:
                what = "a plain file, and no namespace is mounted on it"
                problems.append(Damage(path, "not-a-namespace", what))
    return tuple(problems), frozenset(names)


def _records() -> tuple[Damage, ...]:
    problems: list[Damage] = []
    try:
        status = os.lstat(RUN_NETORCH)
        if not stat.S_ISDIR(status.st_mode):
            return (Damage(RUN_NETORCH, "records-unreadable", "is not a directory"),)
        names = sorted(os.listdir(RUN_NETORCH))
    except (FileNotFoundError, PermissionError):
        # only root can list it
        return ()
    except OSError as error:
        return (Damage(RUN_NETORCH, "records-unreadable", f"cannot be read: {error.strerror}"),)
    for name in filter(_PLAIN.fullmatch, names):
        path = f"{RUN_NETORCH}/{name}"
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            problems.append(Damage(path, "records-unreadable", "is not a directory"))
        elif what := records.damage(name):
            problems.append(Damage(path, "record-damaged", what))
    return tuple(problems)


def _ufw() -> frozenset[str] | None:
    chains = [
        (family, name)
        for family in ("ip", "ip6")
        for name in _UFW
        if name in nf_tables_netlink.chains(family, "filter")
    ]
    if not chains:
        return None
    return frozenset(
        rule.iif
        for family, name in chains
        for rule in nf_tables_netlink.rules(family, "filter", name)
        if rule.verdict == "accept"
    )


def _limit() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard
