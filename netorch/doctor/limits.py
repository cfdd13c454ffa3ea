"""Checks of sizes: what the machine grants, and what the topologies take. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.doctor.findings import Finding, Level, Situation
from netorch.kinds.address import Address
from netorch.kinds.route import Route
from netorch.kinds.rule import Rule
from netorch.kinds.sysctl import Sysctl, sysctl_key
from netorch.state.key import HOST

MAX_NAMESPACES = "user/max_net_namespaces"
NEIGHBOURS = {4: "net/ipv4/neigh/default/gc_thresh3", 6: "net/ipv6/neigh/default/gc_thresh3"}
FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
RP_FILTER = ("net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter")

_FEW_FILES = 64


def forwarding(situation: Situation) -> Iterator[Finding]:
    """Which networks turn on where they are applied, and off where they are destroyed."""
    for version, path in FORWARDING.items():
        asking = [
            name
            for name, desired in situation.topologies.items()
            if sysctl_key(HOST, path) in desired.state
        ]
        if asking and situation.machine.sysctls.get(path) == "0":
            what = f"{path.replace('/', '.')} is 0, so that this host forwards no IPv{version}"
            yield Finding(
                Level.HANDLED,
                "forwarding-off",
                f"{what}: netorch sets it for {', '.join(asking)}, and back when that is destroyed",
            )


def open_files(situation: Situation) -> Iterator[Finding]:
    """Few are no obstacle, since namespaces are closed and opened again, but a cost."""
    limit, namespaces = situation.machine.open_files, situation.namespaces()
    needed = 2 * namespaces + 256
    if limit < _FEW_FILES or (namespaces and limit < min(needed, 1 << 20)):
        count = max(needed, 1024)
        what = f"{limit} open files are allowed" + (
            f", and {namespaces} namespaces are used fastest with {needed}" if namespaces else ""
        )
        yield Finding(
            Level.WARNING, "file-limit", what, f"prlimit --pid $$ --nofile={count}:{count}"
        )


def namespaces(situation: Situation) -> Iterator[Finding]:
    most = int(situation.machine.sysctls.get(MAX_NAMESPACES, 1 << 30))
    desired = situation.topologies.get(situation.file)
    more = sum(key.kind == "netns" for key in desired.state) if desired is not None else 0
    # one is tried out in, and taken away again
    needed = situation.machine.named + more + 1
    if needed > most:
        what = f"{most} network namespaces are allowed to each user, {situation.machine.named} have a name already"
        what += f", and the file makes {more}" if more else ""
        yield Finding(
            Level.ERROR,
            "namespace-limit",
            what,
            f"sysctl -w {MAX_NAMESPACES.replace('/', '.')}={_round(2 * needed)}",
        )


def neighbours(situation: Situation) -> Iterator[Finding]:
    """The table is one for all namespaces. With every pair that talks it fills up; a node and its gateway are the least."""
    for version, path in NEIGHBOURS.items():
        most = int(situation.machine.sysctls.get(path, 1 << 30))
        count = sum(
            _counts(resource, version)
            for desired in situation.topologies.values()
            for resource in desired.state.values()
        )
        if 2 * count > most:
            what = f"the table of neighbours of IPv{version} holds {most} for all namespaces together: {count} addresses can overflow it"
            yield Finding(
                Level.WARNING,
                "neighbour-limit",
                what,
                f"sysctl -w {path.replace('/', '.')}={_round(8 * count)}",
            )


def reverse_path(situation: Situation) -> Iterator[Finding]:
    """A new namespace has the host's values (net.core.devconf_inherit_init_net), and strict ones drop what comes another way."""
    values = situation.machine.fresh or situation.machine.sysctls
    # the stricter of the two does not win, but the larger number: 1 is strict, 2 is loose
    if max((int(values.get(path, 0)) for path in RP_FILTER), default=0) != 1:
        return
    for name, desired in situation.topologies.items():
        said = {
            key.netns
            for key, resource in desired.state.items()
            if isinstance(resource, Sysctl) and "rp_filter" in resource.paths[0]
        }
        several = {
            key.netns
            for key, resource in desired.state.items()
            if isinstance(resource, Rule)
            or (isinstance(resource, Route) and len(resource.spec.hops) > 1)
        }
        if places := sorted(several - said - {HOST}):
            nodes = ", ".join(places[:5]) + (" …" if len(places) > 5 else "")
            what = f"rp_filter is strict here, and so in new namespaces: {nodes} of {name} will drop what comes by the other way"
            command = f"sysctl -w {RP_FILTER[0].replace('/', '.')}=2"
            yield Finding(
                Level.WARNING,
                "strict-reverse-path",
                what,
                command,
                "Or say `sysctls: {net.ipv4.conf.all.rp_filter: 2}` of these nodes, for any machine.",
            )


def _counts(resource: object, version: int) -> bool:
    return (
        isinstance(resource, Address)
        and resource.link != "lo"
        and resource.address.version == version
    )


def _round(number: int) -> int:
    return 1 << (number - 1).bit_length()
