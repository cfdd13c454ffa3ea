"""Who is impaired how: what interfaces, ends of links, links, memberships and defaults say, to one resource an interface."""

from __future__ import annotations

from netorch.kinds.impair import Impair
from netorch.kinds.loopback import MTU as LOOPBACK_MTU
from netorch.language.impairment import ImpairModel, senseless, together
from netorch.resolve.draft import Draft, Iface, Path, all_interfaces
from netorch.resolve.interfaces import mtu_of
from netorch.resolve.roles import LoopbackRole


def put_impairments(draft: Draft) -> None:
    """Behind all links, since a qdisc needs the number of its link, which on the host is looked up once for all of them then."""
    told: set[tuple[Path, str]] = set()
    for iface in all_interfaces(draft.sites):
        if iface.is_existing:
            continue
        sources = _sources(draft, iface)
        said = together(words for words, _ in sources)
        for key, what, remedy in senseless(said):
            path = next((*path, key) for words, path in sources if getattr(words, key) is not None)
            if (path, key) not in told:
                told.add((path, key))
                draft.complain("bad-impairment", path, what, remedy)
        if said:
            if iface.explicit_value("txqueuelen") == 0:
                # qdisc_create makes it 1000
                what = f"{iface.display} has `txqueuelen: 0`, which is not a queue: what is impaired waits in one"
                draft.complain(
                    "bad-impairment",
                    sources[0][1],
                    f"{what}.",
                    "Leave `txqueuelen` out; `limit` says how many packets wait.",
                )
            mtu = (
                (iface.explicit_mtu or LOOPBACK_MTU)
                if isinstance(iface.role, LoopbackRole)
                else mtu_of(iface)
            )
            draft.put(Impair.of(iface.site.label, iface.dev, said, mtu), sources[0][1])


def _sources(draft: Draft, iface: Iface) -> list[tuple[ImpairModel, Path]]:
    """What goes before comes first: the interface's own, its end's, its link's or membership's, the default."""
    sources = list(iface.impairs)
    default = draft.topology.defaults.interface.impair
    if default is not None and not isinstance(iface.role, LoopbackRole) and not iface.made_up:
        sources.append((default, ("defaults", "interface", "impair")))
    return sources
