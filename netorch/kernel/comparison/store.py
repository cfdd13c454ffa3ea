"""Stores the digests of a comparison in which a topology was in sync."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from netorch.errors import NetorchError
from netorch.firewall.nftables import table_name
from netorch.kernel.comparison import answers
from netorch.kernel.comparison.filters import digest_of_read
from netorch.kernel.files import records, state_cache
from netorch.kernel.files.owned_directories import RUN_NETORCH
from netorch.kernel.links.bridge_timers import follows
from netorch.kernel.system.nsfs import HOST
from netorch.values.marks import ALIAS
from netorch.values.snapshot import ForwardSnapshot, NetnsSnapshot, Scope, Snapshot


def store(
    topology: str, identity: str, before: str, scope: Scope, snapshot: Snapshot, *, is_apply: bool
) -> None:
    """Store a comparison, unless something about it is unusual.

    `identity` is that of `state_cache.identity_of`. `before` is that of
    `answers.stamp_of_records` before the records were read. `scope` is what was asked. `is_apply`
    says that the caller is an apply, which holds the topology's lock, and that the record needs no
    change either. An error does not matter, because this only saves time.
    """
    with suppress(NetorchError, OSError, UnicodeEncodeError):
        files = frozenset(os.listdir(f"{RUN_NETORCH}/{topology}"))
        stored = _stored(topology, before, scope, snapshot, is_apply)
        if stored is None or not before or not files <= answers.USUAL_FILES:
            return
        content = state_cache.contents(identity, stored, b"")
        if is_apply:
            records.write_comparison(topology, content)
            return
        with open(answers.lock(topology, changes=False), "rb", buffering=0):
            if before == answers.stamp_of_records():
                records.write_comparison(topology, content)


def _stored(
    topology: str, before: str, scope: Scope, snapshot: Snapshot, is_complete: bool
) -> dict[str, object] | None:
    """Return the contents of the file. Return None if an answer cannot be compared."""
    unusual = (
        *(snapshot.orphans, snapshot.foreign_files, snapshot.nics, snapshot.second_names),
        *(scope.attached, scope.passage, scope.unmarked, scope.numbers, scope.brief),
        *(scope.only is not None, not scope.topology),
    )
    if any(unusual) or any(alias is None for alias in snapshot.other_names.values()):
        return None
    questions: dict[tuple[tuple[bool, int, bytes], ...], int] = {}
    paths: dict[tuple[str, ...], int] = {}
    namespaces: dict[str, dict[str, object]] = {}
    for label, netns in snapshot.namespaces.items():
        asked = tuple(one[:3] for one in netns.answers)
        digests = [digest for *_, digest in netns.answers if digest is not None]
        if len(digests) < len(asked) or not asked or _is_unusual(netns):
            return None
        settings = scope.sysctls.get(label, ())
        present = [path for path in settings if path in netns.sysctls]
        namespaces[label] = {
            "place": [*netns.inode, netns.cookie],
            "questions": questions.setdefault(asked, len(questions)),
            "answers": answers.digest(digests),
            "files": answers.digest_of(netns.files),
            "paths": paths.setdefault(settings, len(paths)),
            "sysctls": answers.digest_of({path: netns.sysctls[path] for path in present}),
            "filters": _filters(label, netns, scope),
        }
    return {
        "form": answers.FORM,
        "machine": answers.machine(),
        "records": before,
        "is_complete": is_complete,
        "table": table_name(topology),
        "mark": f"# {ALIAS}{topology}:",
        "questions": [[(*one[:2], one[2].hex()) for one in asked] for asked in questions],
        "paths": [list(one) for one in paths],
        "foreign": dict(snapshot.other_names),
        "namespaces": namespaces,
    }


def _is_unusual(netns: NetnsSnapshot) -> bool:
    """Whether something was read of the namespace that `repeat` does not read."""
    return (
        bool(netns.wireguard or netns.nsids or netns.shares or netns.passage)
        or not netns.is_own
        or any(map(follows, netns.links))
    )


def _filters(label: str, netns: NetnsSnapshot, scope: Scope) -> dict[str, object] | None:
    """Return what is stored of the packet filters.

    None means that there are none, as `answers.has_no_filter` finds out faster.
    """
    is_asked, forwards = label in scope.filters, label in scope.forwards
    read: Mapping[str, object] = netns.filters or netns.foreign_filters
    nothing = not (is_asked or forwards or read) and netns.forward == ForwardSnapshot()
    if nothing and (label != HOST or answers.has_no_filter(HOST, "")):
        return None
    digest = digest_of_read(netns.filters, netns.foreign_filters, netns.forward, netns.listening)
    return {
        "backend": scope.recorded_filters.get(label),
        "is_asked": is_asked,
        "forwards": forwards,
        "digest": digest,
    }
