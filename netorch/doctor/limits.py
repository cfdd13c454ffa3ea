"""Checks of the machine's limits against the sizes of the topologies. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netorch.converge.needs import (
    Shortage,
    further_shortages,
    needs_of,
    neighbours_of,
    small_neighbour_tables,
)
from netorch.doctor.findings import Finding, Level, Situation
from netorch.kernel.machine.limits import MAX_NAMESPACES
from netorch.kinds.route import Route
from netorch.kinds.rule import Rule
from netorch.kinds.sysctl import Sysctl, sysctl_key
from netorch.state.key import HOST

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
RP_FILTER = ("net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter")

_FEW_FILES = 64
_NAMESPACES, _NEIGHBOURS = "namespace-limit", "neighbour-limit"


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


def shortages(situation: Situation) -> list[Shortage]:
    """Return the limits that are too low for what the file still has to make.

    The neighbours of all topologies count, because they share one table.
    """
    limits = situation.machine.limits
    desired = situation.topologies.get(situation.file)
    state = desired.state if desired is not None else {}
    # what is in existing namespaces exists too, or is little
    new = {
        key.netns
        for key in state
        if key.kind == "netns" and key.netns not in situation.machine.names
    }
    made = [resource for key, resource in state.items() if key.netns in new]
    everything = [
        resource for other in situation.topologies.values() for resource in other.state.values()
    ]
    needs = needs_of(made, (), state.values())
    return [
        *further_shortages(needs, limits),
        *small_neighbour_tables(neighbours_of(everything), limits.neighbours),
    ]


def namespaces(situation: Situation) -> Iterator[Finding]:
    yield from _findings(situation, lambda code: code == _NAMESPACES)
    if situation.machine.full:
        yield Finding(
            Level.ERROR,
            _NAMESPACES,
            "this user cannot have more network namespaces, so doctor cannot try features",
            f"sysctl -w {MAX_NAMESPACES.replace('/', '.')}=65536",
        )


def neighbours(situation: Situation) -> Iterator[Finding]:
    yield from _findings(situation, lambda code: code == _NEIGHBOURS)


def sizes(situation: Situation) -> Iterator[Finding]:
    """Report limits on mounts, files, memory and connections."""
    yield from _findings(situation, lambda code: code not in (_NAMESPACES, _NEIGHBOURS))


def _findings(situation: Situation, concerns: Callable[[str], bool]) -> Iterator[Finding]:
    for shortage in shortages(situation):
        if concerns(shortage.code):
            level = Level.ERROR if shortage.certain else Level.WARNING
            yield Finding(
                level, shortage.code, shortage.what, shortage.command, object=shortage.object
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
