"""Remembers a comparison in which a topology was in sync (`netorch.kernel.comparison`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netorch.converge.bridge_filter import places_without_filter
from netorch.converge.desired_here import asking_in
from netorch.firewall.syntax import AUTO, PREFERRED
from netorch.kinds.filter import PacketFilter
from netorch.state.by_class import of_class

if TYPE_CHECKING:
    from netorch.converge.compare import Difference
    from netorch.converge.previous import Previous
    from netorch.kernel.files.records import Record
    from netorch.resolve.desired import Desired
    from netorch.state.resource import State
    from netorch.values.snapshot import Scope


def is_of_record(record: Record, previous: Previous) -> bool:
    """Whether a file is the one that was applied last, so that it may be compared again and again.

    `record` is what an apply of the file would write.
    """
    last = previous.record
    return last is not None and last.text == record.text


def remember(
    difference: Difference, desired: Desired, record: Record, before: str, *, is_apply: bool
) -> None:
    """Store the answers of a comparison, if they alone decide that there is nothing to report.

    `record` is what an apply of the file would write. `before` is the stamp of all records before
    the comparison (`stamp_of_records`). `is_apply` says that the caller is an apply that had
    nothing to do.
    """
    from netorch.converge.recorded_state import identity_of

    reported = (difference.plan, difference.warnings, difference.intended, difference.claims)
    # the answers to these come from more than the kernel's network state
    further = (desired.attached, desired.machines, difference.attached.labels)
    scope = difference.scope
    if scope is None or any(reported) or any(further) or asking_in(desired.state):
        return
    if _may_become_another(desired.state, difference.desired, scope):
        return
    from netorch.kernel.comparison.store import store

    store(
        desired.topology,
        identity_of(record),
        before,
        scope,
        difference.snapshot,
        is_apply=is_apply,
    )


def _may_become_another(asked: State, state: State, scope: Scope) -> bool:
    """Whether what the file asks for may change with the abilities of this machine.

    These are a packet filter that `auto` would rather have, and br_netfilter, which the kernel
    loads as a module. `state` is what the file means here now, and `scope` is what was read.
    """
    is_auto = any(one.backend == AUTO for one in of_class(asked, PacketFilter))
    if is_auto and any(one.backend != PREFERRED for one in of_class(state, PacketFilter)):
        return True
    return any(
        path not in scope.sysctls.get(label, ()) for label, (path,) in places_without_filter(state)
    )
