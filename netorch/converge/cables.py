"""Find the other ends of cables, whoever made them."""

from __future__ import annotations

from netorch.values.marks import read_alias
from netorch.values.snapshot import LinkRecord, Snapshot

End = tuple[str, str]
"""The label of a namespace and the name of a link in it."""


def cables_of(snapshot: Snapshot) -> dict[End, End]:
    """Return each veth → its other end.

    The indices of the two ends refer to each other. If that is true of several veths, the numbers
    of their namespaces decide, if these were read, and else their aliases.
    """
    ends: dict[tuple[int, int], list[tuple[str, LinkRecord]]] = {}
    for label, netns in snapshot.namespaces.items():
        for record in netns.links:
            if record.kind == "veth":
                ends.setdefault((record.index, record.link), []).append((label, record))
    cables: dict[End, End] = {}
    for (index, link), here in ends.items():
        for label, record in here:
            fitting = [
                (other, far)
                for other, far in ends.get((link, index), ())
                if _may_be(label, record, other, far) and _leads_to(snapshot, label, record, other)
            ]
            alias_peer = read_alias(record.alias).peer
            chosen = [entry for entry in fitting if (entry[0], entry[1].name) == alias_peer] or [
                entry
                for entry in fitting
                if read_alias(entry[1].alias).peer in {None, (label, record.name)}
            ]
            if len(chosen) == 1 or (chosen and (chosen[0][0], chosen[0][1].name) == alias_peer):
                cables[label, record.name] = (chosen[0][0], chosen[0][1].name)
    return cables


def _may_be(label: str, record: LinkRecord, other: str, far: LinkRecord) -> bool:
    here = label == other
    return (
        (record.link_netnsid is None) == here
        and (far.link_netnsid is None) == here
        and record is not far
    )


def _leads_to(snapshot: Snapshot, label: str, record: LinkRecord, other: str) -> bool:
    """Return whether the other end may be in the namespace `other`, by the number of that."""
    nsids = snapshot.namespaces[label].nsids
    known = [name for name, number in nsids.items() if number == record.link_netnsid]
    return record.link_netnsid is None or not known or other in known
