"""What a machine tells of itself that decides how well topologies do on it. Reading it changes nothing and loads no module."""

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
from netorch.kernel.machine import modules
from netorch.kernel.machine.modules import Modules
from netorch.kernel.namespaces.netns import inode_of
from netorch.kernel.namespaces.open_namespaces import OWN_NETNS, RUN_NETNS
from netorch.kernel.system import sysctl
from netorch.values.snapshot import ForwardSnapshot

_COMM = 15
"""Letters of its name that the kernel keeps of a process."""

_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_UFW = ("ufw-user-input", "ufw6-user-input")


class Damage(Value):
    """Something below /run that is not as it should be."""

    path: str
    code: str
    """Key of the table in `netorch.errors.codes`."""
    what: str
    directory: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class Machine(Value):
    """`privileged`: "" or why not. `programs`: those asked for that run in this network namespace, name → PID; `hidden`: other users'
    processes cannot be seen. `sysctls`: path below /proc/sys → value, of those asked for that are there; `fresh`: those of a new
    network namespace. `files`: path → text of those asked for. `forward`: what others drop of what is forwarded, None where that
    cannot be seen. `ufw`: None without its rules,
    else the interfaces that it lets in. `leftovers`: what lies in /run/netns and is not a
    namespace. `named`: how many namespaces are there.
    """

    release: str = ""
    privileged: str = ""
    modules: Modules = field(default_factory=Modules)
    programs: Mapping[str, int] = field(default_factory=dict)
    hidden: bool = False
    folders: frozenset[str] = frozenset()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    fresh: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    forward: ForwardSnapshot | None = None
    ufw: frozenset[str] | None = None
    leftovers: tuple[Damage, ...] = ()
    records: tuple[Damage, ...] = ()
    named: int = 0
    open_files: int = 1 << 20
    libnftables: bool = True


def read(
    programs: Iterable[str], folders: Iterable[str], sysctls: Iterable[str], files: Iterable[str]
) -> Machine:
    """`files`: paths, or folders with the end of the names that count: `/etc/x.d/*.conf`. Works without root too, and then sees less."""
    try:
        require_root()
        privileged = ""
    except NetorchError as error:
        privileged = str(error)
    found, hidden = _programs(frozenset(programs))
    leftovers, named = _named()
    return Machine(
        release=os.uname().release,
        privileged=privileged,
        modules=modules.read(),
        programs=found,
        hidden=hidden,
        folders=frozenset(path for path in folders if os.path.exists(path)),
        sysctls=sysctl.read_all(tuple(sysctls)),
        read_only=bool(os.statvfs("/proc/sys/net").f_flag & os.ST_RDONLY),
        files=_files(files),
        forward=None if privileged else forward_accept.read("", dropping=True),
        ufw=None if privileged else _ufw(),
        leftovers=leftovers,
        records=_records(),
        named=named,
        open_files=_limit(),
        libnftables=libnftables.installed(),
    )


def _programs(names: frozenset[str]) -> tuple[dict[str, int], bool]:
    """Those in another network namespace are of no concern here."""
    short = {name[:_COMM]: name for name in names}
    home = inode_of(os.stat(OWN_NETNS))
    found: dict[str, int] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with suppress(OSError):
            with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as file:
                name = short.get(file.read().strip())
            if name is not None and _lives_in(entry, home):
                found[name] = int(entry)
    return found, not os.path.exists("/proc/1/comm")


def _lives_in(pid: str, home: tuple[int, int]) -> bool:
    try:
        return inode_of(os.stat(f"/proc/{pid}/ns/net")) == home
    except PermissionError:
        return True


def _files(wanted: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in wanted:
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
                        found[f"{folder}/{entry}"] = file.read(1 << 20)
    return found


def _named() -> tuple[tuple[Damage, ...], int]:
    found: list[Damage] = []
    named = 0
    nsfs = os.stat(OWN_NETNS).st_dev
    entries: list[str] = []
    with suppress(OSError):
        entries = sorted(os.listdir(RUN_NETNS))
    for name in entries:
        path = f"{RUN_NETNS}/{name}"
        with suppress(OSError):
            status = os.lstat(path)
            if status.st_dev == nsfs:
                named += 1
            elif stat.S_ISLNK(status.st_mode):
                # made by people who want a container in `ip netns`: it works, and netorch leaves it alone
                if not os.path.exists(path):
                    what = "a symbolic link that leads nowhere"
                    found.append(Damage(path, "not-a-namespace", what))
            elif stat.S_ISDIR(status.st_mode):
                found.append(Damage(path, "not-a-namespace", "a directory", directory=True))
            else:
                what = "a plain file, and no namespace is mounted on it"
                found.append(Damage(path, "not-a-namespace", what))
    return tuple(found), named


def _records() -> tuple[Damage, ...]:
    found: list[Damage] = []
    try:
        status = os.lstat(RUN_NETORCH)
        if not stat.S_ISDIR(status.st_mode):
            return (Damage(RUN_NETORCH, "records-unreadable", "is not a directory"),)
        names = sorted(os.listdir(RUN_NETORCH))
    except (FileNotFoundError, PermissionError):
        # without root there is nothing to be seen in it
        return ()
    except OSError as error:
        return (Damage(RUN_NETORCH, "records-unreadable", f"cannot be read: {error.strerror}"),)
    for name in filter(_PLAIN.fullmatch, names):
        path = f"{RUN_NETORCH}/{name}"
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            found.append(Damage(path, "records-unreadable", "is not a directory"))
        elif what := records.damage(name):
            found.append(Damage(path, "record-damaged", what))
    return tuple(found)


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
