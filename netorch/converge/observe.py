"""Snapshot → observed state: what in the kernel is this topology's, and what of others stands in its way. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import cache

from netorch.immutable import Value, field
from netorch.kinds.base.link import Link, link_key
from netorch.kinds.file import NodeFile
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import SysctlValues
from netorch.state.key import HOST, Key, is_attached
from netorch.state.registry import OBSERVED, View
from netorch.state.registry import ObservedKind as Kind
from netorch.state.resource import Resource
from netorch.values.marks import Mark, maker
from netorch.values.snapshot import NetnsSnapshot, Snapshot

OriginalValues = Mapping[str, Mapping[tuple[str, ...], SysctlValues | None]]
"""Label → the settings to look at (each as the places where it may stand) → the value from before netorch, if known."""


class Observed(Value):
    """`state`: ours. `strangers`: keys that something else has already → a sentence that says what and whose.

    `stale`: names in /run/netns that are no namespaces.
    """

    state: Mapping[Key, Resource]
    strangers: Mapping[Key, str] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()


def views(
    snapshot: Snapshot, mark: Mark, originals: OriginalValues, wanted: Container[Key]
) -> dict[str, View]:
    """One view a namespace, and one for files that outlived their namespace."""
    found: dict[str, View] = {}
    for label, netns in snapshot.namespaces.items():
        lo = next((link for link in netns.links if link.name == "lo"), None)
        created = (
            label != HOST
            and not is_attached(label)
            and lo is not None
            and mark.owns_alias(lo.alias)
        )
        found[label] = View(netns, mark, created, found, originals.get(label, {}), wanted)
    for label, files in snapshot.orphans.items():
        found[label] = View(NetnsSnapshot(label, (0, 0), (), files=files), mark, False, found)
    return found


def _by_links(kinds: Sequence[type[Kind]]) -> Callable[[frozenset[str]], Sequence[type[Kind]]]:
    """What to look for where there are links of such kinds."""
    on = [(kind, kind.links()) for kind in kinds]

    @cache
    def found(there: frozenset[str]) -> Sequence[type[Kind]]:
        return [
            kind for kind, links in on if kind.STRANGE or not links or not links.isdisjoint(there)
        ]

    return found


def observe(
    snapshot: Snapshot,
    mark: Mark,
    wanted: Mapping[Key, Resource],
    originals: OriginalValues | None = None,
    kinds: Sequence[type[Kind]] = OBSERVED,
    known: Mapping[str, Sequence[Resource]] | None = None,
) -> Observed:
    """What is ours in `snapshot`, and which of the `wanted` keys are somebody else's. `kinds`: what to look for.

    `known`: label → what is there beside files, from a look before.
    """
    state: dict[Key, Resource] = {}
    strangers: dict[Key, str] = {}
    # a link's alternative name is one more name that nobody else may have
    second_names = {
        link_key(key.netns, resource.altname): key
        for key, resource in wanted.items()
        if isinstance(resource, Link) and resource.altname
    }
    for label, alias in snapshot.strangers.items():
        what = "is no namespace, but a file" if alias is None else f"exists and {maker(alias)}"
        strangers[netns_key(label)] = f"/run/netns/{label} {what}"
    asked = {(key.kind, key.netns) for key in (*wanted, *second_names)}
    looked_for = _by_links(kinds)
    known = known or {}
    for view in views(snapshot, mark, originals or {}, wanted).values():
        if (
            not view.created
            and view.label != HOST
            and not is_attached(view.label)
            and view.netns.links
        ):
            lo = view.by_name.get("lo")
            strangers[netns_key(view.label)] = (
                f"namespace {view.label!r} exists and {maker(lo.alias if lo else '')}"
            )
        for resource in known.get(view.label, ()):
            state[resource.key] = resource
        for kind in looked_for(view.link_kinds) if view.label not in known else (NodeFile,):
            for resource in kind.observe(view):
                state[resource.key] = resource
            for key, whose in kind.strangers(view) if (kind.STRANGE, view.label) in asked else ():
                if key in wanted:
                    strangers[key] = whose
                elif key in second_names:
                    strangers[second_names[key]] = whose
    stale = frozenset(label for label, alias in snapshot.strangers.items() if alias is None)
    return Observed(
        state,
        {key: whose for key, whose in strangers.items() if key in wanted and key not in state},
        stale,
    )
