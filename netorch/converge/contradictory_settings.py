"""Refuse sysctls to which another topology has given another value.

Topologies share the settings of the host and of attached namespaces. If two want different values,
each apply of the one would break the other, and neither would notice.
"""

from __future__ import annotations

from collections.abc import Iterator

from netorch.converge.previous import Previous, recorded
from netorch.errors import ConflictError, Problem
from netorch.kernel.files import records
from netorch.kinds.netns import netns_key
from netorch.kinds.sysctl import Sysctl
from netorch.resolve.desired import Desired
from netorch.resolve.loaded import Loaded
from netorch.state.plan import Plan
from netorch.values.snapshot import Snapshot
from netorch.values.sysctl_paths import by_path


def refuse_contradictions(
    plan: Plan, snapshot: Snapshot, desired: Desired, previous: Previous, loaded: Loaded | None
) -> None:
    """Raise ConflictError for sysctls that the file sets otherwise than another topology.

    Settings that the topology has already are not refused, so that it can still be repaired.
    """
    last = previous.desired.state if previous.desired is not None else {}
    problems: list[Problem] = []
    for step in plan.changes:
        mine = step.after
        if not isinstance(mine, Sysctl) or netns_key(mine.netns) in desired.state:
            continue
        known = last.get(mine.key)
        if isinstance(known, Sysctl) and known.values == mine.values:
            continue
        for topology, value in _elsewhere(mine, snapshot, previous):
            title = mine.title()
            problems.append(
                Problem(
                    "setting-of-another",
                    f"{title}: topology {topology!r} has set it to {value}, and this file asks for"
                    f" {mine.value}.",
                    loaded.where(desired.origins.get(mine.key, ())) if loaded else None,
                    "Write the same value in both files, or destroy that topology first.",
                    title,
                )
            )
            break
    if problems:
        raise ConflictError(problems, loaded.file if loaded else "")


def _elsewhere(mine: Sysctl, snapshot: Snapshot, previous: Previous) -> Iterator[tuple[str, str]]:
    """Yield each other topology that sets a path of a sysctl to another value, and the value."""
    netns = snapshot.namespaces.get(mine.netns)
    known = previous.memory.others
    if netns is None or not any(
        identity == netns.identity and not set(paths).isdisjoint(mine.paths)
        for identity, paths in known
    ):
        return
    asked = by_path(mine.paths, mine.values)
    others = [name for name in previous.names if name != previous.topology]
    for name, by_label in records.sysctls_of_all(others).items():
        labels = [
            label
            for label, settings in by_label.items()
            for paths, (identity, _) in settings.items()
            if identity == netns.identity and not set(paths).isdisjoint(mine.paths)
        ]
        desired = recorded(name, records.read_record(name)[0]) if labels else None
        for one in desired.state.values() if desired is not None else ():
            if isinstance(one, Sysctl) and one.netns in labels:
                theirs = by_path(one.paths, one.values)
                if any(theirs.get(path, value) != value for path, value in asked.items()):
                    yield name, one.value
