"""Reads namespaces into snapshots: chooses which ones to read, and what to read in each."""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from netorch.immutable import replace
from netorch.kernel.files import etc_netns
from netorch.kernel.firewall import filters, forward_accept
from netorch.kernel.firewall.own_filter import OwnFilter
from netorch.kernel.links import lent
from netorch.kernel.links.bridge_timers import follows, with_own_times
from netorch.kernel.links.wireguard import WireguardSocket
from netorch.kernel.namespaces.netns import OpenNetns
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.system import ipv6_siblings, packet_policy, sysctl
from netorch.kernel.system.listening_sockets import listening
from netorch.kernel.system.nsfs import HOST, inode_of, netns_fd
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import Message, attr, i32, u32
from netorch.netlink.lost_routes import lost_routes
from netorch.values.marks import ALIAS, read_alias
from netorch.values.requests import RouteSpec, RuleSpec
from netorch.values.snapshot import (
    SHAPERS,
    AddressRecord,
    ForwardSnapshot,
    LinkRecord,
    NetnsSnapshot,
    Passage,
    Scope,
    Snapshot,
    WireguardRecord,
)

if TYPE_CHECKING:
    from netorch.kernel.files.records import Stamp

_LINKS = bytes(16) + attr(c.IFLA_EXT_MASK, u32(c.RTEXT_FILTER_SKIP_STATS))
_VLANS = struct.pack("=B15x", c.AF_BRIDGE) + attr(
    c.IFLA_EXT_MASK, u32(c.RTEXT_FILTER_BRVLAN_COMPRESSED)
)
_ALL = attr(c.NETCONFA_IFINDEX, i32(c.NETCONFA_IFINDEX_ALL))
_NETCONF = tuple(struct.pack("=B3x", family) + _ALL for family in (c.AF_INET, c.AF_INET6))
_FORWARDING = struct.pack("=B11x", c.AF_BRIDGE)
TUNNELS = frozenset(("vxlan",))
"""Kinds with a forwarding database of their own. It is read in namespaces with such a link."""
_TUNNEL_PARENT = 3
"""The number of the attribute of a vxlan's IFLA_INFO_DATA with its parent (IFLA_VXLAN_LINK)."""
_SIMPLE = frozenset(("veth", "bridge", "dummy"))
"""Kinds about which RTM_GETLINK tells everything, and which a lent NIC never has."""
_FILE_MARK = re.compile(rf"# {ALIAS}([a-z0-9-]+):")
"""The beginning of a file in /etc/netns that netorch wrote."""
_LATE = 1.0
"""Seconds after which a missing route that the kernel makes for an IPv6 address counts as lost."""
_NOTHING: Mapping[str, NetnsSnapshot] = {}
Part = TypeVar("Part")


def dump_links(rtnl: Rtnl) -> list[LinkRecord]:
    """Return all links of the namespace that the socket belongs to."""
    return decode.links(rtnl.dump(c.RTM_GETLINK, _LINKS))


class _Routing(NamedTuple):
    """The routes and rules of a namespace."""

    all_routes: list[Message]
    """All routes, as the kernel sent them."""
    routes: tuple[RouteSpec, ...]
    counts: Mapping[tuple[int, int], int]
    """The counts that `decode.routes` fills in."""
    all_rules: list[Message]
    rules: tuple[RuleSpec, ...]


def mark_of(links: Iterable[LinkRecord]) -> str:
    """Return the alias of lo, which tells who made the namespace."""
    return next((link.alias for link in links if link.index == 1), "")


def has_mark(alias: str, mark: str) -> bool:
    """Tell whether lo's alias has the mark of a topology, or any mark if `mark` is ALIAS."""
    return alias.startswith(mark) and (
        mark == ALIAS or (bool(mark) and alias[len(mark) :][:1] in ("", " "))
    )


def writers(texts: Iterable[str]) -> frozenset[str]:
    """Return the topologies that wrote some of these files in /etc/netns."""
    return frozenset(mark[1] for mark in map(_FILE_MARK.match, texts) if mark is not None)


class ParallelReader(Protocol):
    """Reads namespaces in another process at the same time as this one."""

    def locked(self, stamp: Stamp) -> None:
        """Tell the reader that this process now holds the topology's lock.

        `stamp` is the stamp that the lock had before. If it shows that another process has held the
        lock since the reader began to read, the reader discards what it has read.
        """

    def read(
        self,
        scope: Scope,
        unread: Mapping[str, tuple[int, int]],
        read_here: Callable[[Iterable[str]], None],
    ) -> Mapping[str, NetnsSnapshot | str]:
        """Return what the other process has read of `unread` (name → inode) for `scope`.

        The result has the form that `Reader.read_names` returns. Meanwhile it calls `read_here`
        with the names that this process reads. A name may be in both parts, or in neither.
        """

    def close(self) -> None:
        """End the other process."""


class Reader:
    """Reads the network once. Runs in the worker's thread."""

    def __init__(
        self,
        namespaces: Namespaces,
        scope: Scope,
        count_read: Callable[[int, int], None] = lambda *_: None,
        previous: Mapping[str, NetnsSnapshot] = _NOTHING,
        parallel: ParallelReader | None = None,
    ) -> None:
        """Prepare to read.

        `previous` maps labels to earlier snapshots. A snapshot stays valid, except for its files,
        as long as the name means the same namespace. `parallel` reads some of the namespaces.
        """
        self._count_read = count_read
        self._total = 0
        self._parallel = parallel
        self._previous = previous
        self._namespaces = namespaces
        self._scope = scope
        self._rules: dict[bytes, RuleSpec] = {}
        self._contents: dict[etc_netns.FileIdentity, str] = {}

    @property
    def _etc(self) -> Collection[str]:
        """The names in /etc/netns, in their order."""
        return self._etc_labels

    @property
    def _backends(self) -> tuple[str, ...]:
        """The packet filters of which any namespace can have rules."""
        return self._loaded_filters

    @cached_property
    def _etc_labels(self) -> Collection[str]:
        return dict.fromkeys(etc_netns.labels())

    @cached_property
    def _loaded_filters(self) -> tuple[str, ...]:
        return filters.loaded()

    def read(self) -> Snapshot:
        """Read the host, attached namespaces, and those in /run/netns that the scope asks for."""
        namespaces, scope = self._namespaces, self._scope
        self._begin()
        host = namespaces.host
        snapshots = {
            HOST: self._full(host, self._links(host))
            if scope.only is None or HOST in scope.only
            else NetnsSnapshot(HOST, host.inode, ())
        }
        foreign, foreign_files = self._read_named(snapshots)
        second_names = _second_names(snapshots, scope)
        for name, first in list(second_names.items()):
            if name in scope.in_full:
                second = snapshots[name]
                snapshots[name] = NetnsSnapshot(
                    name,
                    second.inode,
                    (),
                    files=second.files,
                    cookie=second.cookie,
                    shares=first,
                    is_own=second.is_own,
                )
                del second_names[name]
            else:
                foreign[name] = snapshots.pop(name).mark
        for label in sorted(scope.attached):
            netns = namespaces.find(label)
            if netns is not None:
                snapshots[label] = self._full(netns, self._links(netns))
        if scope.attached:
            snapshots |= self._with_nsids(snapshots)
        if scope.numbers:
            snapshots = self._with_numbers(snapshots)
        nics = lent.find(namespaces, snapshots, scope.topology) if scope.topology else {}
        orphans = self._orphans({*snapshots, *second_names})
        return Snapshot(snapshots, foreign, orphans, foreign_files, nics, second_names)

    def _begin(self) -> None:
        """Let each name be looked up again, because other programs may have changed something."""
        self._namespaces.round += 1
        self._namespaces.forget_links()

    def _once(self, netns: OpenNetns, part: Hashable, read: Callable[[], Part]) -> Part:
        """Return what `read` returns. `part` says which part of the namespace it reads.

        `SharedReader` reads each part only once.
        """
        return read()

    def _links(self, netns: OpenNetns) -> list[LinkRecord]:
        rtnl = self._namespaces.rtnl(netns)
        # the links are the first that is read of a namespace
        rtnl.answers = {} if self._scope.answers else None
        return self._once(netns, "links", lambda: dump_links(rtnl))

    def _is_own(self, netns: OpenNetns) -> bool:
        return self._once(netns, "is own", lambda: self._namespaces.is_own(netns))

    def _read_named(
        self, snapshots: dict[str, NetnsSnapshot]
    ) -> tuple[dict[str, str | None], dict[str, str]]:
        """Add the namespaces in /run/netns that the scope asks for to `snapshots`.

        Return `other_names` and `foreign_files` of the Snapshot.
        """
        namespaces, scope = self._namespaces, self._scope
        foreign: dict[str, str | None] = {}
        foreign_files: dict[str, str] = {}
        names = sorted(namespaces.names(scope.only).items())
        self._total = len(names)
        unread: dict[str, tuple[int, int]] = {}
        results: dict[str, NetnsSnapshot | str] = {}
        for name, inode in names:
            if inode is None or name == HOST or self._holds(name, inode):
                continue
            if (alias := self._remembered_alias(name, inode)) is not None:
                results[name] = alias
            else:
                unread[name] = inode
        results |= self._read_all(unread)
        for name, inode in names:
            if inode is None:
                foreign[name] = None
                foreign_files[name] = namespaces.foreign_file(name)
            elif (one := results.get(name)) is not None:
                if isinstance(one, str):
                    foreign[name] = one
                else:
                    snapshots[name] = one
            elif (before := self._previous.get(name)) is not None and self._holds(name, inode):
                texts = self._files(name)
                snapshots[name] = before if texts == before.files else replace(before, files=texts)
            elif what := namespaces.foreign_file(name):
                foreign[name], foreign_files[name] = None, what
        self._count_read(len(names), len(names))
        return foreign, {name: what for name, what in foreign_files.items() if what}

    def _with_nsids(self, snapshots: Mapping[str, NetnsSnapshot]) -> dict[str, NetnsSnapshot]:
        """Return the attached namespaces, each with the nsids of those that its cables lead to.

        The marks at the two ends of a cable name the candidates. Comparing the nsids later shows
        whether the cable really leads there.
        """
        ends: dict[str, set[str]] = {
            label: set() for label in self._scope.attached & snapshots.keys()
        }
        for label, netns in snapshots.items():
            for link in netns.links:
                if link.link_netnsid is None or not (peer := read_alias(link.alias).peer):
                    continue
                if label in ends and peer[0] != label:
                    ends[label].add(peer[0])
                if peer[0] in ends and peer[0] != label:
                    ends[peer[0]].add(label)
        return {
            label: replace(
                snapshots[label],
                nsids={
                    **snapshots[label].nsids,
                    **self._namespaces.numbers(label, sorted(others)),
                },
            )
            for label, others in ends.items()
            if others
        }

    def _with_numbers(self, snapshots: Mapping[str, NetnsSnapshot]) -> dict[str, NetnsSnapshot]:
        """Return the namespaces with the nsids of those that their links may lead to.

        A veth leads to a link with which it has exchanged index and peer, any other link to one
        whose index it names.
        """
        veths: dict[tuple[int, int], list[str]] = {}
        others: dict[int, list[str]] = {}
        for label, netns in snapshots.items():
            for link in netns.links:
                if link.kind == "veth":
                    veths.setdefault((link.index, link.link), []).append(label)
                others.setdefault(link.index, []).append(label)
        result: dict[str, NetnsSnapshot] = {}
        for label, netns in snapshots.items():
            ends = {
                end
                for link in netns.links
                if link.link_netnsid is not None
                for end in (
                    veths.get((link.link, link.index), ())
                    if link.kind == "veth"
                    else others.get(_parent_index(link), ())
                )
                if end != label
            }
            nsids = {**netns.nsids, **self._namespaces.numbers(label, sorted(ends))}
            result[label] = replace(netns, nsids=nsids)
        return result

    def _holds(self, name: str, inode: tuple[int, int]) -> bool:
        """Tell whether the earlier snapshot of a name can be used instead of reading it again."""
        before = self._previous.get(name)
        return (
            before is not None
            and before.inode == inode
            and not before.shares
            and before.sysctls.keys() >= set(self._scope.sysctls.get(name, ()))
        )

    def _read_all(self, unread: Mapping[str, tuple[int, int]]) -> dict[str, NetnsSnapshot | str]:
        """Read namespaces, together with the parallel reader if there is one.

        `unread` maps names to the inodes of the namespaces that they mean. The result is that of
        `read_names`. Namespaces that are gone by now are absent.
        """
        results: dict[str, NetnsSnapshot | str] = {}
        if self._parallel is not None:
            others = self._parallel.read(
                self._scope, unread, lambda names: self._read_into(names, results)
            )
            # results of this process win, because they are newer
            results |= {name: one for name, one in others.items() if name not in results}
        self._read_into([name for name in unread if name not in results], results)
        return results

    def read_names(self, names: Iterable[str]) -> dict[str, NetnsSnapshot | str]:
        """Read the namespaces of these names.

        Returns name → its snapshot, or the alias of its lo if the scope does not ask for it.
        """
        results: dict[str, NetnsSnapshot | str] = {}
        self._read_into(names, results)
        return results

    def _read_into(self, names: Iterable[str], results: dict[str, NetnsSnapshot | str]) -> None:
        namespaces, scope = self._namespaces, self._scope
        for name in names:
            self._count_read(len(results), self._total)
            netns = namespaces.find(name)
            if netns is None:
                continue
            links = self._links(netns)
            alias = mark_of(links)
            if namespaces.remembered is not None:
                namespaces.remembered.aliases[netns.inode] = alias
            marked = has_mark(alias, scope.mark)
            is_own = not (marked or name in scope.in_full) or self._is_own(netns)
            marked = marked and is_own
            if marked and scope.brief and all(map(is_simple, links)):
                texts = self._files(name)
                results[name] = NetnsSnapshot(
                    name,
                    netns.inode,
                    tuple(links),
                    files=texts,
                    cookie=namespaces.rtnl(netns).cookie,
                )
            else:
                results[name] = (
                    self._full(netns, links, is_own) if marked or name in scope.in_full else alias
                )

    def _orphans(self, read_names: Collection[str]) -> dict[str, dict[str, str]]:
        """Return label → name → text of files whose label is not among the namespaces read.

        Files that another topology wrote are left out, unless the scope has their label.
        """
        topology, asked = read_alias(self._scope.mark).topology, self._scope.in_full
        remembered = self._namespaces.remembered
        orphans: dict[str, dict[str, str]] = {}
        for label in self._etc:
            if label in read_names or not (
                label in asked
                or remembered is None
                or topology in remembered.writers.get(label, {topology})
            ):
                continue
            texts = etc_netns.read_all(label, etc_netns.NAMES, self._contents)
            written_by = writers(texts.values())
            if remembered is not None:
                remembered.writers[label] = written_by
            if texts and (label in asked or topology in written_by):
                orphans[label] = texts
        return orphans

    def _remembered_alias(self, name: str, inode: tuple[int, int]) -> str | None:
        """Return the alias of lo if it is known to be another topology's or foreign, else None."""
        if self._namespaces.remembered is None or name in self._scope.in_full:
            return None
        alias = self._namespaces.remembered.aliases.get(inode)
        return None if alias is None or has_mark(alias, self._scope.mark) else alias

    def _full(
        self, netns: OpenNetns, links: list[LinkRecord], is_own: bool = True
    ) -> NetnsSnapshot:
        rtnl, label, scope = self._namespaces.rtnl(netns), netns.label, self._scope
        if any(map(follows, links)):
            links = self._once(netns, "timers", lambda: self._with_own_times(netns, links))
        names = {link.index: link.name for link in links}
        # addresses of a link that appeared after the dump of links wait for the next read
        addresses = self._once(
            netns,
            "addresses",
            lambda: [
                record
                for record in decode.addresses(rtnl.dump_if_built(c.RTM_GETADDR, bytes(8)))
                if record.index in names
            ],
        )
        routing = self._once(netns, "routing", lambda: self._routing(rtnl, links, names))
        entries = (
            self._once(netns, "neighbours", lambda: rtnl.dump_if_built(c.RTM_GETNEIGH, bytes(12)))
            if scope.neighbours or scope.passage
            else []
        )
        has_tunnels = any(link.kind in TUNNELS for link in links)
        has_macs = scope.static_macs and any(link.kind == "bridge" for link in links)
        forwarding = (
            self._once(netns, "forwarding", lambda: rtnl.dump_if_built(c.RTM_GETNEIGH, _FORWARDING))
            if has_tunnels or has_macs
            else []
        )
        vlans = (
            self._once(
                netns, "vlans", lambda: decode.port_vlans(rtnl.dump_if_built(c.RTM_GETLINK, _VLANS))
            )
            if any(map(self._knows_vlans, links))
            else {}
        )
        v4, v6 = self._once(netns, "netconf", lambda: rtnl.get(c.RTM_GETNETCONF, _NETCONF))
        values: dict[str, str] = {}
        if label in scope.sysctls:
            self._namespaces.enter(netns)
            values = sysctl.read_all(scope.sysctls[label], self._namespaces.proc)
        texts = self._files(label)
        own: dict[str, OwnFilter] = {}
        forward = ForwardSnapshot()
        sockets: frozenset[tuple[str, bytes, int]] = frozenset()
        if scope.topology:
            # This is also read where the file asks for no filter, because an earlier file may have
            # asked for one.
            self._namespaces.enter(netns)
            own = filters.read(scope.topology, self._backends, scope.recorded_filters.get(label))
            sockets = listening() if label in scope.filters else sockets
            if label == HOST or label in scope.attached or label in scope.forwards:
                forward = forward_accept.read(scope.topology, dropping=label in scope.forwards)
        passage: Passage | None = None
        if scope.passage:
            self._namespaces.enter(netns)
            sockets = listening()
            kinds = {link.kind for link in links}
            passage = packet_policy.read(
                rtnl, names, routing.all_routes, routing.all_rules, entries, kinds
            )
        neighbours = [
            *(decode.neighbours(entries) if scope.neighbours else ()),
            *(decode.neighbours(forwarding) if has_tunnels else ()),
        ]
        shaped = any(link.qdisc in SHAPERS for link in links)
        # of the tunnels that were made elsewhere, only those with a parent name that namespace
        is_born_elsewhere = has_tunnels and any(
            link.link_netnsid is not None and not any(link.data.get(_TUNNEL_PARENT, b""))
            for link in links
            if link.kind in TUNNELS
        )
        return NetnsSnapshot(
            label=label,
            inode=netns.inode,
            links=tuple(links),
            addresses=tuple(addresses),
            routes=routing.routes,
            rules=routing.rules,
            forwarding=(decode.forwarding(v4), decode.forwarding(v6)),
            sysctls=values,
            files=texts,
            filters={name: one.text for name, one in own.items() if one.text},
            foreign_filters={name: one.foreign for name, one in own.items() if one.foreign},
            listening=sockets,
            forward=forward,
            qdiscs=self._once(
                netns, "qdiscs", lambda: decode.qdiscs(rtnl.dump(c.RTM_GETQDISC, bytes(20)))
            )
            if shaped
            else {},
            neighbours=tuple(neighbours),
            cookie=rtnl.cookie,
            wireguard=self._wireguard(netns, links),
            vlans=vlans,
            static_macs=decode.static_macs(forwarding) if has_macs else {},
            passage=passage,
            lost_routes=self._once(
                netns,
                "lost routes",
                lambda: _lost_routes(rtnl, links, addresses, routing.all_routes, routing.counts),
            ),
            nsids=self._host_number(netns) if is_born_elsewhere else {},
            is_own=is_own,
            answers=tuple((*question, digest) for question, digest in rtnl.answers.items())
            if rtnl.answers is not None
            else (),
        )

    def _host_number(self, netns: OpenNetns) -> dict[str, int]:
        """Return the nsid of the host in a namespace, as `nsids` of the snapshot."""
        number = self._namespaces.number_of(netns, self._namespaces.host.fd)
        return {} if number is None else {HOST: number}

    def _with_own_times(self, netns: OpenNetns, links: list[LinkRecord]) -> list[LinkRecord]:
        self._namespaces.enter(netns)
        return [*with_own_times(links)]

    def _routing(self, rtnl: Rtnl, links: list[LinkRecord], names: Mapping[int, str]) -> _Routing:
        all_routes = rtnl.dump_if_built(c.RTM_GETROUTE, bytes(12))
        counts: dict[tuple[int, int], int] = {}
        routes = decode.routes(all_routes, names, counts=counts)
        all_rules = rtnl.dump_if_built(c.RTM_GETRULE, bytes(12))
        rules = decode.rules(all_rules, self._rules)
        if any(route.family == c.AF_INET6 and len(route.hops) > 1 for route in routes):
            routes = ipv6_siblings.with_makers(rtnl, routes, rules, links)
        return _Routing(all_routes, tuple(routes), counts, all_rules, tuple(rules))

    def _files(self, label: str) -> dict[str, str]:
        return (
            etc_netns.read_all(label, etc_netns.NAMES, self._contents) if label in self._etc else {}
        )

    def _knows_vlans(self, link: LinkRecord) -> bool:
        scope = self._scope
        relevant = link.alias.startswith(scope.mark) or scope.passage or scope.unmarked
        return (
            link.kind == "bridge" and any(link.data.get(c.IFLA_BR_VLAN_FILTERING, b"")) and relevant
        )

    def _wireguard(self, netns: OpenNetns, links: list[LinkRecord]) -> dict[int, WireguardRecord]:
        """Read the WireGuard devices of the topology: index → record.

        Foreign devices are not read, because the kernel's answer holds their keys.
        """
        indices = [
            link.index
            for link in links
            if link.kind == "wireguard"
            and (link.group or link.alias.startswith(self._scope.mark) or self._scope.unmarked)
        ]
        if not indices:
            return {}
        self._namespaces.enter(netns)
        with WireguardSocket() as wireguard:
            return {index: wireguard.read(index) for index in indices}


def _lost_routes(
    rtnl: Rtnl,
    links: list[LinkRecord],
    addresses: list[AddressRecord],
    routes: list[Message],
    counts: Mapping[tuple[int, int], int],
) -> Mapping[int, tuple[str, ...]]:
    """Return index → routes that the kernel had made for addresses of the link, and that are gone.

    The kernel makes the route of an IPv6 address a little later, in a thread of its own. So an IPv6
    route counts as lost only if it is still missing after `_LATE` seconds.
    """
    lost = lost_routes(links, addresses, routes, counts)
    end = time.monotonic() + _LATE
    while lost.late and time.monotonic() < end:
        time.sleep(_LATE / 100)
        lost = lost_routes(links, addresses, rtnl.dump_if_built(c.RTM_GETROUTE, bytes(12)), {})
    return lost.by_link


def _second_names(snapshots: Mapping[str, NetnsSnapshot], scope: Scope) -> dict[str, str]:
    """Return the second names of the namespaces that the scope asks for → the first name.

    The file or `ip netns attach` makes second names.
    """
    names: dict[tuple[int, int], str] = {}
    for name in sorted(
        scope.in_full, key=lambda name: (*(name in second for second in scope.second_names), name)
    ):
        if name in snapshots:
            names.setdefault(snapshots[name].inode, name)
    return {
        label: names[netns.inode]
        for label, netns in snapshots.items()
        if label != HOST and names.get(netns.inode, label) != label
    }


def _parent_index(link: LinkRecord) -> int:
    """Return the index of the parent of a link, 0 if it names none."""
    return link.link or int.from_bytes(link.data.get(_TUNNEL_PARENT, b"")[:4], "little")


def is_simple(link: LinkRecord) -> bool:
    """Tell whether a link's own attributes describe it completely."""
    return link.name == "lo" or link.kind in _SIMPLE


def attach_unnamed(
    namespaces: Namespaces, cables: Mapping[str, Mapping[int, str]]
) -> frozenset[str]:
    """Pin the namespaces without a name in /run/netns in which a cable of the topology ends.

    `cables` is label → nsid in that namespace → label to give. An nsid is valid in one namespace
    only (RTM_GETNSID), so a topology of the same name in a container is not mistaken for this one.

    Return the labels that were given. A namespace whose label is taken gets its path as label.
    """
    known = {inode for inode in namespaces.names().values() if inode is not None} | {
        namespaces.host.inode,
        *namespaces.pinned().values(),
    }
    given: set[str] = set()
    for path in _unnamed():
        try:
            fd = netns_fd(path, follow=True)
        except OSError:
            continue
        inode = inode_of(os.fstat(fd))
        label = _label_to_give(namespaces, cables, fd) if inode not in known else None
        if label is None:
            os.close(fd)
            continue
        known.add(inode)
        label = label if label not in namespaces.pinned() else f"@{path}"
        namespaces.pin(label, fd)
        given.add(label)
    return frozenset(given)


def _unnamed() -> Iterator[str]:
    """Yield the paths of all namespaces of processes, and of bind mounts that keep one alive."""
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            yield f"/proc/{pid}/ns/net"
    with (
        suppress(OSError),
        open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts,
    ):
        for line in mounts:
            fields = line.split(" ")
            if fields[3].startswith("net:[") and len(fields) > 4:
                yield re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])


def _label_to_give(
    namespaces: Namespaces, cables: Mapping[str, Mapping[int, str]], fd: int
) -> str | None:
    for label, nsids in cables.items():
        netns = namespaces.find(label)
        nsid = namespaces.number_of(netns, fd) if netns is not None else None
        if nsid is not None and nsid in nsids:
            return nsids[nsid]
    return None
