"""Merge the impairments of interfaces, links, memberships and defaults into resources."""

from __future__ import annotations

from netorch.kinds.impair import Impair, frame_of
from netorch.kinds.loopback import MTU as LOOPBACK_MTU
from netorch.language.impair_model import ImpairModel, combine
from netorch.language.impairment import Impairment, keys_without_effect
from netorch.netlink.qdisc import ticks_of
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Iface, all_interfaces
from netorch.resolve.interfaces import mtu_of
from netorch.resolve.roles import LoopbackRole


def put_impairments(draft: Draft) -> None:
    """Put one resource for each impaired interface, after all links.

    A qdisc needs the index of its link. netorch looks these up once for all links of the host if
    the links come first.
    """
    reported: set[tuple[Path, str]] = set()
    for iface in all_interfaces(draft.sites):
        if iface.is_existing:
            continue
        sources = _sources(draft, iface)
        if not sources:
            continue
        impairment = combine(words for words, _ in sources)
        for key, what, remedy in keys_without_effect(impairment):
            path = next((*path, key) for words, path in sources if getattr(words, key) is not None)
            if (path, key) not in reported:
                reported.add((path, key))
                draft.complain("bad-impairment", path, what, remedy)
        if impairment:
            if iface.explicit_value("txqueuelen") == 0:
                # Linux would silently change the length to 1000 (qdisc_create).
                what = (
                    f"{iface.display} has `txqueuelen: 0`, so it has no queue, which impairments"
                    " need"
                )
                draft.complain(
                    "bad-impairment",
                    sources[0][1],
                    f"{what}.",
                    "Leave out `txqueuelen`; `limit` of `impair` sets the length of the queue.",
                )
            mtu = (
                (iface.explicit_mtu or LOOPBACK_MTU)
                if isinstance(iface.role, LoopbackRole)
                else mtu_of(iface)
            )
            _check_bucket(draft, impairment, iface, mtu, sources)
            draft.put(Impair.of(iface.site.label, iface.dev, impairment, mtu), sources[0][1])


def _check_bucket(
    draft: Draft,
    impairment: Impairment,
    iface: Iface,
    mtu: int,
    sources: list[tuple[ImpairModel, Path]],
) -> None:
    """Complain of a burst or a latency with which tbf could not work."""
    rate, burst, latency = impairment.rate, impairment.burst, impairment.latency
    if impairment.qdisc != "tbf":
        return
    problems = []
    if 0 < burst < frame_of(mtu):
        what = (
            f"the `burst` of {burst} bytes is smaller than a full packet of {iface.display}"
            f" ({frame_of(mtu)} bytes with its headers), which would be dropped"
        )
        problems.append(("burst", what, f"Write at least `burst: {frame_of(mtu)}`."))
    if ticks_of(rate, burst) >= 2**32:
        what = f"at the `rate` of {iface.display} the `burst` takes more than 274 seconds"
        problems.append(("burst", what, "Write a smaller one."))
    if rate * latency // 10**9 + burst >= 2**32:
        what = f"at the `rate` of {iface.display} 4 GB or more would wait for the `latency`"
        problems.append(("latency", what, "Write a shorter one."))
    for key, what, remedy in problems:
        path = next(path for words, path in sources if getattr(words, key) is not None)
        draft.complain("bad-impairment", (*path, key), f"{what}.", remedy)


def _sources(draft: Draft, iface: Iface) -> list[tuple[ImpairModel, Path]]:
    """Return the impairments of an interface with their places, most significant first.

    The order is the interface's own, that of its link's end, that of its link or membership, and
    the default.
    """
    sources = list(iface.impairs)
    default = draft.topology.defaults.interface.impair
    if default is not None and not isinstance(iface.role, LoopbackRole) and not iface.internal:
        sources.append((default, ("defaults", "interface", "impair")))
    return sources
