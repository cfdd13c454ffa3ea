"""Makes neighbour entries before probes, and deletes those that probes leave.

All namespaces share one limit on the number of entries (gc_thresh3, arp(7)).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.probe.probes import NeighbourTrace
from netorch.kernel.reader import dump_links
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.codec import attr, attributes, message

_NDMSG = struct.Struct("=BxxxiHBB")
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}

Known = dict[str, tuple[dict[str, int], frozenset[tuple[int, bytes]]]]
"""Label → (name → index of its links, its entries before the probes as (index, packed address))."""


_CONFIRMED = c.NUD_REACHABLE | c.NUD_STALE | c.NUD_DELAY | c.NUD_PERMANENT
"""States of an entry after the neighbour has answered with its MAC."""


def read_entries(namespaces: Namespaces, labels: Iterable[str]) -> Known:
    """Read the neighbour entries before the probes are sent. Runs in the worker's thread."""
    known: Known = {}
    for label in labels:
        netns = namespaces.find(label)
        if netns is not None:
            rtnl = namespaces.rtnl(netns)
            indices = {link.name: link.index for link in dump_links(rtnl)}
            known[label] = indices, frozenset(_states(rtnl))
    return known


def _states(rtnl: Rtnl) -> Mapping[tuple[int, bytes], int]:
    """Return index of the link and packed address → state of the neighbour entry."""
    states: dict[tuple[int, bytes], int] = {}
    for kind, buffer, start, end in rtnl.dump(c.RTM_GETNEIGH, bytes(_NDMSG.size)):
        address = (
            attributes(buffer, start + _NDMSG.size, end).get(c.NDA_DST)
            if kind == c.RTM_NEWNEIGH
            else None
        )
        if address is not None:
            _, index, state, *_ = _NDMSG.unpack_from(buffer, start)
            states[index, address] = state
    return states


def enter_macs(namespaces: Namespaces, before: Known, traces: Iterable[NeighbourTrace]) -> None:
    """Make entries with the MACs of the neighbours. Runs in the worker's thread.

    The kernel asks each neighbour whether it still has the MAC (NUD_PROBE), with a packet to it
    alone instead of one to all nodes of the network. Entries that exist stay as they are.
    """
    flags = c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_EXCL
    for rtnl, entries in _by_namespace(namespaces, before, traces):
        batch = []
        for trace, (index, address) in entries:
            seq = rtnl.next_seq()
            payload = (
                _NDMSG.pack(_FAMILY[trace.address.version], index, c.NUD_PROBE, 0, 0)
                + attr(c.NDA_DST, address)
                + attr(c.NDA_LLADDR, trace.mac)
            )
            batch.append((seq, message(c.RTM_NEWNEIGH, flags, seq, payload)))
        rtnl.send(batch)


def delete_new_entries(
    namespaces: Namespaces, before: Known, traces: Iterable[NeighbourTrace]
) -> Collection[NeighbourTrace]:
    """Delete entries that did not exist before the probes. Runs in the worker's thread.

    An entry that is gone already is not an error. Return the traces with a MAC that the neighbour
    has not confirmed.
    """
    unconfirmed: list[NeighbourTrace] = []
    for rtnl, entries in _by_namespace(namespaces, before, traces):
        states = _states(rtnl) if any(trace.mac for trace, _ in entries) else {}
        batch = []
        for trace, (index, address) in entries:
            if trace.mac and not states.get((index, address), 0) & _CONFIRMED:
                unconfirmed.append(trace)
            seq = rtnl.next_seq()
            payload = _NDMSG.pack(_FAMILY[trace.address.version], index, 0, 0, 0) + attr(
                c.NDA_DST, address
            )
            batch.append((seq, message(c.RTM_DELNEIGH, c.NLM_F_REQUEST, seq, payload)))
        rtnl.send(batch)
    return unconfirmed


def _by_namespace(
    namespaces: Namespaces, before: Known, traces: Iterable[NeighbourTrace]
) -> Iterator[tuple[Rtnl, Sequence[tuple[NeighbourTrace, tuple[int, bytes]]]]]:
    """Yield each namespace's socket with the traces there that did not exist before the probes.

    Each of them has the index of its link and its packed address.
    """
    by_label: dict[str, list[NeighbourTrace]] = {}
    for trace in traces:
        by_label.setdefault(trace.netns, []).append(trace)
    for label, there in by_label.items():
        indices, older = before.get(label, ({}, frozenset()))
        netns = namespaces.find(label) if indices else None
        if netns is None:
            continue
        entries = [
            (trace, place)
            for trace in there
            if (place := (indices.get(trace.link, 0), trace.address.packed))[0]
            and place not in older
        ]
        if entries:
            yield namespaces.rtnl(netns), entries
