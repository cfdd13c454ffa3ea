"""Deletes the neighbour entries that probes leave.

All namespaces share one limit on the number of entries (gc_thresh3, arp(7)).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.probe.probes import NeighbourTrace
from netorch.kernel.reader import dump_links
from netorch.netlink import constants as c
from netorch.netlink.codec import attr, attributes, message

_NDMSG = struct.Struct("=BxxxiHBB")
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}

Known = dict[str, tuple[dict[str, int], frozenset[tuple[int, bytes]]]]
"""Label → (name → index of its links, its entries before the probes as (index, packed address))."""


def read_entries(namespaces: Namespaces, labels: Iterable[str]) -> Known:
    """Read the neighbour entries before the probes are sent. Runs in the worker's thread."""
    known: Known = {}
    for label in labels:
        netns = namespaces.find(label)
        if netns is not None:
            rtnl = namespaces.rtnl(netns)
            entries = set()
            for kind, buffer, start, end in rtnl.dump(c.RTM_GETNEIGH, bytes(_NDMSG.size)):
                address = (
                    attributes(buffer, start + _NDMSG.size, end).get(c.NDA_DST)
                    if kind == c.RTM_NEWNEIGH
                    else None
                )
                if address is not None:
                    entries.add((_NDMSG.unpack_from(buffer, start)[1], address))
            known[label] = {link.name: link.index for link in dump_links(rtnl)}, frozenset(entries)
    return known


def delete_new_entries(
    namespaces: Namespaces, before: Known, traces: Iterable[NeighbourTrace]
) -> None:
    """Delete entries that did not exist before the probes. Runs in the worker's thread.

    An entry that is gone already is not an error.
    """
    by_label: dict[str, list[NeighbourTrace]] = {}
    for trace in traces:
        by_label.setdefault(trace.netns, []).append(trace)
    for label, entries in by_label.items():
        indices, older = before.get(label, ({}, frozenset()))
        netns = namespaces.find(label) if indices else None
        if netns is None:
            continue
        rtnl = namespaces.rtnl(netns)
        batch = []
        for entry in entries:
            index, address = indices.get(entry.link, 0), entry.address.packed
            if index and (index, address) not in older:
                seq = rtnl.next_seq()
                payload = _NDMSG.pack(_FAMILY[entry.address.version], index, 0, 0, 0) + attr(
                    c.NDA_DST, address
                )
                batch.append((seq, message(c.RTM_DELNEIGH, c.NLM_F_REQUEST, seq, payload)))
        rtnl.send(batch)
