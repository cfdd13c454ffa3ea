"""The table of what doctor looks at on a machine: a new check is a function and a line here. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from shlex import quote

from netorch.doctor import firewalls, limits, managers
from netorch.doctor.findings import Finding, Level, Situation
from netorch.errors import OWN_NETWORK
from netorch.immutable import Value, replace
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import Sysctl
from netorch.state.key import HOST

OLDEST = (5, 5)
"""The first kernel with all that netorch asks of netlink: alternative names of links were the last."""

USER_NAMESPACES = (
    "kernel/unprivileged_userns_clone",
    "user/max_user_namespaces",
    "kernel/apparmor_restrict_unprivileged_userns",
)


class Examination(Value):
    """`name` is what JSON calls it, `about` what it is for."""

    name: str
    about: str
    look: Callable[[Situation], Iterable[Finding]]


def look(situation: Situation) -> list[Finding]:
    """Everything that is in the way, the worst first."""
    found = [
        replace(finding, check=check.name) for check in CHECKS for finding in check.look(situation)
    ]
    return sorted(found, key=severity)


def severity(finding: Finding) -> int:
    """The lower, the worse."""
    return list(Level).index(finding.level)


def rootless(situation: Situation) -> str:
    """Why a plain user cannot be root of a network of his own; "" if he can, as far as settings tell."""
    clone, most, restricted = (situation.machine.sysctls.get(path) for path in USER_NAMESPACES)
    if clone == "0" or most == "0":
        return (
            f"{(USER_NAMESPACES[0] if clone == '0' else USER_NAMESPACES[1]).replace('/', '.')} is 0"
        )
    return (
        f"{USER_NAMESPACES[2].replace('/', '.')} is {restricted}"
        if restricted not in (None, "0")
        else ""
    )


def _kernel(situation: Situation) -> Iterator[Finding]:
    numbers = [
        int(part)
        for part in situation.machine.release.replace("-", ".").split(".")[:2]
        if part.isdigit()
    ]
    if len(numbers) == 2 and tuple(numbers) < OLDEST:
        what = f"this kernel is {situation.machine.release}, and netorch uses what {'.'.join(map(str, OLDEST))} brought"
        yield Finding(
            Level.WARNING,
            "old-kernel",
            what,
            "apt full-upgrade",
            "netorch is tested on 6.1 and newer.",
        )


def _privileges(situation: Situation) -> Iterator[Finding]:
    if situation.machine.privileged:
        what = "netorch is not run as root (CAP_NET_ADMIN and CAP_SYS_ADMIN): what filters packets here could not be looked at"
        reason = rootless(situation)
        other = (
            f"A network of your own is not to be had here: {reason}."
            if reason
            else f"For a network of your own: {OWN_NETWORK}"
        )
        yield Finding(Level.ERROR, "not-root", what, "sudo netorch doctor", other)


def _read_only(situation: Situation) -> Iterator[Finding]:
    if not situation.machine.read_only:
        return
    desired = situation.topologies.get(situation.file)
    if desired is None or any(
        isinstance(resource, Sysctl) or key.kind == "netns"
        for key, resource in desired.state.items()
    ):
        what = "/proc/sys/net is read-only, as in most containers: forwarding and other sysctls cannot be set"
        yield Finding(
            Level.ERROR,
            "read-only-sysctls",
            what,
            "mount -o remount,rw /proc/sys",
            "Or start the container with `--privileged`.",
        )


def _leftovers(situation: Situation) -> Iterator[Finding]:
    # names of ours that a crash left are taken back by the next apply
    ours = {
        key.netns
        for name, desired in situation.topologies.items()
        if name != situation.file
        for key in desired.state
        if key.kind == "netns"
    }
    desired = situation.topologies.get(situation.file)
    for damage in situation.machine.leftovers:
        name = damage.name
        if name in ours:
            continue
        needed = desired is not None and netns_key(name) in desired.state
        said = f", and a node of {situation.file} is to have that name" if needed else ""
        remove = "rmdir" if damage.directory else "rm"
        yield Finding(
            Level.ERROR if needed else Level.WARNING,
            damage.code,
            f"{damage.path} is {damage.what}{said}",
            f"{remove} -- {quote(damage.path)}",
            object=damage.path,
        )


def _records(situation: Situation) -> Iterator[Finding]:
    for damage in situation.machine.records:
        what = f"{damage.path}: {damage.what}"
        aside = f"mv -- {damage.path} {damage.path.replace('/run/netorch', '/run/netorch-damaged', 1).replace('damaged/', 'damaged-')}"
        level = Level.ERROR if damage.code == "records-unreadable" else Level.WARNING
        remedy = "Apply the topology's file again then: its objects are known by their marks."
        yield Finding(level, damage.code, what, aside, remedy, damage.path)


def _overlaps(situation: Situation) -> Iterator[Finding]:
    for name, hazards in situation.overlaps.items():
        for hazard in hazards:
            if hazard.key.netns == HOST:
                level = Level.ERROR if name == situation.file else Level.WARNING
                what, remedy = f"{name}: {hazard.what}", f"That shows whose it is. {hazard.remedy}"
                yield Finding(level, hazard.code, what, hazard.command, remedy, hazard.object)


CHECKS = (
    Examination("privileges", "root, or root of a network of one's own", _privileges),
    Examination("kernel", "a kernel that is too old", _kernel),
    Examination("read-only", "sysctls that cannot be set", _read_only),
    Examination("records", "damage in /run/netorch", _records),
    Examination("leftovers", "what lies in /run/netns and is not a namespace", _leftovers),
    Examination("overlaps", "subnets that the host has already", _overlaps),
    Examination("backends", "libraries and kernel parts for NAT and filtering", firewalls.backends),
    Examination("blind", "rules of others that cannot be looked into", firewalls.blind),
    Examination(
        "walls",
        "nftables of others, such as firewalld's, that drop what they do not know",
        firewalls.walls,
    ),
    Examination("firewalls", "ufw and firewalld, before the host itself", firewalls.firewalls),
    Examination(
        "forward",
        "iptables that drop what is forwarded, as Docker sets them",
        firewalls.forward_drops,
    ),
    Examination("br_netfilter", "bridged frames that firewalls see", firewalls.bridged),
    Examination(
        "networkmanager",
        "NetworkManager, which may take netorch's interfaces for its own",
        managers.network_manager,
    ),
    Examination(
        "networkd", "systemd-networkd, if a file of its matches any interface", managers.networkd
    ),
    Examination("forwarding", "forwarding that is off", limits.forwarding),
    Examination("open-files", "the limit of open files", limits.open_files),
    Examination("namespaces", "the limit of network namespaces", limits.namespaces),
    Examination("neighbours", "the size of the table of neighbours", limits.neighbours),
    Examination(
        "rp_filter", "strict reverse path filters where packets take two ways", limits.reverse_path
    ),
)
