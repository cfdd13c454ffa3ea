"""Checks of the machine's limits against the sizes of the topologies. Pure."""

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
    """Report that forwarding is off on the host, which an `apply` changes."""
    for version, path in FORWARDING.items():
        asking = [
            name
            for name, desired in situation.topologies.items()
            if sysctl_key(HOST, path) in desired.state
        ]
        if asking and situation.machine.sysctls.get(path) == "0":
            what = f"{path.replace('/', '.')} is 0, so that this host does not forward IPv{version}"
            yield Finding(
                Level.HANDLED,
                "forwarding-off",
                f"{what}: netorch sets it for {', '.join(asking)}, and resets it with `destroy`",
            )


def open_files(situation: Situation) -> Iterator[Finding]:
    """Report a low limit on open files.

    netorch then closes namespaces and opens them again, which works but takes time.
    """
    limit, namespaces = situation.machine.open_files, situation.namespaces()
    needed = 2 * namespaces + 256
    if limit < _FEW_FILES or (namespaces and limit < min(needed, 1 << 20)):
        count = max(needed, 1024)
        what = f"a process may open {limit} files" + (
            f", and netorch is fastest with {needed} for {namespaces} namespaces"
            if namespaces
            else ""
        )
        yield Finding(
            Level.WARNING, "file-limit", what, f"prlimit --pid $$ --nofile={count}:{count}"
        )


def namespaces(situation: Situation) -> Iterator[Finding]:
    limit = int(situation.machine.sysctls.get(MAX_NAMESPACES, 1 << 30))
    desired = situation.topologies.get(situation.file)
    more = sum(key.kind == "netns" for key in desired.state) if desired is not None else 0
    # one more, because netorch tries features in a temporary namespace
    needed = situation.machine.named + more + 1
    if needed > limit:
        what = (
            f"each user may have {limit} network namespaces, "
            f"{situation.machine.named} exist in /run/netns"
        )
        what += f", and the file makes {more}" if more else ""
        yield Finding(
            Level.ERROR,
            "namespace-limit",
            what,
            f"sysctl -w {MAX_NAMESPACES.replace('/', '.')}={_round(2 * needed)}",
        )


def neighbours(situation: Situation) -> Iterator[Finding]:
    """Report a neighbour table that the topologies' addresses can fill.

    All namespaces share one table, and each pair of nodes that exchange packets adds two entries.
    The check counts the minimum: each node and its gateway.
    """
    for version, path in NEIGHBOURS.items():
        limit = int(situation.machine.sysctls.get(path, 1 << 30))
        count = sum(
            _takes_an_entry(resource, version)
            for desired in situation.topologies.values()
            for resource in desired.state.values()
        )
        if 2 * count > limit:
            what = (
                f"the neighbour table of IPv{version} holds {limit} entries for all namespaces "
                f"together, which {count} addresses can overflow"
            )
            yield Finding(
                Level.WARNING,
                "neighbour-limit",
                what,
                f"sysctl -w {path.replace('/', '.')}={_round(8 * count)}",
            )


def reverse_path(situation: Situation) -> Iterator[Finding]:
    """Report a strict reverse path filter in topologies with several paths.

    A new namespace may take the host's values (net.core.devconf_inherit_init_net). A strict filter
    drops packets that arrive by a path other than the one back to their source.
    """
    values = situation.machine.fresh or situation.machine.sysctls
    # the kernel uses the larger number of the two, not the stricter: 1 is strict, 2 is loose
    if max((int(values.get(path, 0)) for path in RP_FILTER), default=0) != 1:
        return
    for name, desired in situation.topologies.items():
        configured = {
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
        if places := sorted(several - configured - {HOST}):
            nodes = ", ".join(places[:5]) + (" …" if len(places) > 5 else "")
            what = (
                f"rp_filter is strict in new namespaces: {nodes} of {name} will drop packets "
                "that arrive by another path than the one back to their source"
            )
            command = f"sysctl -w {RP_FILTER[0].replace('/', '.')}=2"
            yield Finding(
                Level.WARNING,
                "strict-reverse-path",
                what,
                command,
                "Or write `sysctls: {net.ipv4.conf.all.rp_filter: 2}` for these nodes in the file, "
                "which works on any machine.",
            )


def _takes_an_entry(resource: object, version: int) -> bool:
    return (
        isinstance(resource, Address)
        and resource.link != "lo"
        and resource.address.version == version
    )


def _round(number: int) -> int:
    return 1 << (number - 1).bit_length()
