"""The table of doctor's checks. A new check is a function and a line in `CHECKS`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from shlex import quote

from netorch.doctor import firewalls, limits, managers
from netorch.doctor.findings import Finding, Level, Situation
from netorch.errors import OWN_NETWORK
from netorch.immutable import Value, replace
from netorch.kinds.name import name_key
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import Sysctl
from netorch.state.key import HOST

OLDEST = (5, 5)
"""The first kernel with every netlink feature that netorch uses.

Alternative names of links came last, with Linux 5.5.
"""

USER_NAMESPACES = (
    "kernel/unprivileged_userns_clone",
    "user/max_user_namespaces",
    "kernel/apparmor_restrict_unprivileged_userns",
)


class Examination(Value):
    """One check of the machine."""

    name: str
    """The name of the check in the JSON document."""
    about: str
    """What the check looks for."""
    look: Callable[[Situation], Iterable[Finding]]


def look(situation: Situation) -> list[Finding]:
    """Return the findings of all checks, the worst first."""
    findings = [
        replace(finding, check=check.name) for check in CHECKS for finding in check.look(situation)
    ]
    return sorted(findings, key=severity)


def severity(finding: Finding) -> int:
    """Return a number for sorting: the lower, the worse."""
    return list(Level).index(finding.level)


def rootless(situation: Situation) -> str:
    """Return why a user without privileges cannot make a network namespace in a user namespace.

    Return "" if no setting forbids it.
    """
    clone, maximum, restricted = (situation.machine.sysctls.get(path) for path in USER_NAMESPACES)
    if clone == "0" or maximum == "0":
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
        what = (
            f"the kernel is {situation.machine.release}, and netorch uses features "
            f"that Linux has since {'.'.join(map(str, OLDEST))}"
        )
        yield Finding(
            Level.WARNING,
            "old-kernel",
            what,
            "apt full-upgrade",
            "netorch is tested on 6.1 and newer.",
        )


def _privileges(situation: Situation) -> Iterator[Finding]:
    if situation.machine.privileged:
        what = (
            "netorch does not run as root (CAP_NET_ADMIN and CAP_SYS_ADMIN), "
            "and could not examine the packet filters here"
        )
        reason = rootless(situation)
        other = (
            f"You cannot make a network of your own in a user namespace here: {reason}."
            if reason
            else f"Or make a network of your own in a user namespace: {OWN_NETWORK}"
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
        what = (
            "/proc/sys/net is read-only, as in most containers: "
            "netorch cannot set forwarding and other sysctls"
        )
        yield Finding(
            Level.ERROR,
            "read-only-sysctls",
            what,
            "mount -o remount,rw /proc/sys",
            "Or start the container with `--privileged`.",
        )


def _leftovers(situation: Situation) -> Iterator[Finding]:
    # not reported if another topology has the namespace, because its next `apply` repairs
    # what a crash left there
    expected = {
        key.netns
        for name, desired in situation.topologies.items()
        if name != situation.file
        for key in desired.state
        if key.kind in {"netns", "name"}
    }
    desired = situation.topologies.get(situation.file)
    for damage in situation.machine.leftovers:
        name = damage.name
        if name in expected:
            continue
        needed = desired is not None and any(
            key(name) in desired.state for key in (netns_key, name_key)
        )
        purpose = f", and a node of {situation.file} needs that name" if needed else ""
        remove = "rmdir" if damage.directory else "rm"
        yield Finding(
            Level.ERROR if needed else Level.WARNING,
            damage.code,
            f"{damage.path} is {damage.what}{purpose}",
            f"{remove} -- {quote(damage.path)}",
            object=damage.path,
        )


def _records(situation: Situation) -> Iterator[Finding]:
    for damage in situation.machine.records:
        what = f"{damage.path}: {damage.what}"
        aside = damage.path.replace("/run/netorch", "/run/netorch-damaged", 1)
        aside = aside.replace("damaged/", "damaged-")
        level = Level.ERROR if damage.code == "records-unreadable" else Level.WARNING
        remedy = (
            "Then apply the topology's file again: netorch recognises its objects by their marks."
        )
        command = f"mv -- {damage.path} {aside}"
        yield Finding(level, damage.code, what, command, remedy, damage.path)


def _overlaps(situation: Situation) -> Iterator[Finding]:
    for name, hazards in situation.overlaps.items():
        for hazard in hazards:
            if hazard.key.netns == HOST:
                level = Level.ERROR if name == situation.file else Level.WARNING
                what = f"{name}: {hazard.what}"
                remedy = f"The command shows its routes. {hazard.remedy}"
                yield Finding(level, hazard.code, what, hazard.command, remedy, hazard.object)


CHECKS = (
    Examination("privileges", "root privileges, or a user namespace in place of them", _privileges),
    Examination("kernel", "a kernel that is too old", _kernel),
    Examination("read-only", "sysctls that cannot be set", _read_only),
    Examination("records", "damaged records in /run/netorch", _records),
    Examination("leftovers", "entries of /run/netns that are not namespaces", _leftovers),
    Examination("overlaps", "subnets that the host has already", _overlaps),
    Examination("backends", "libraries and kernel parts for NAT and filtering", firewalls.backends),
    Examination("blind", "foreign rules that netorch cannot read", firewalls.unreadable_rules),
    Examination(
        "walls",
        "foreign nftables chains, such as firewalld's, that drop by default",
        firewalls.dropping_chains,
    ),
    Examination(
        "firewalls",
        "ufw and firewalld, which filter packets to the host itself",
        firewalls.firewalls,
    ),
    Examination(
        "forward",
        "iptables chains that drop forwarded packets, such as Docker's",
        firewalls.forward_drops,
    ),
    Examination("br_netfilter", "bridged frames that go through firewalls", firewalls.bridged),
    Examination(
        "networkmanager",
        "NetworkManager, which may configure netorch's interfaces",
        managers.network_manager,
    ),
    Examination(
        "networkd",
        "systemd-networkd, if one of its files matches every interface",
        managers.networkd,
    ),
    Examination("forwarding", "forwarding that is off", limits.forwarding),
    Examination("open-files", "the limit on open files", limits.open_files),
    Examination("namespaces", "the limit on network namespaces", limits.namespaces),
    Examination("neighbours", "the size of the neighbour table", limits.neighbours),
    Examination("limits", "limits on mounts, files, memory and connections", limits.sizes),
    Examination(
        "rp_filter", "strict reverse path filters on nodes with several paths", limits.reverse_path
    ),
)
