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


def is_of_record(record: Record | None, previous: Previous) -> bool:
    """Whether a file is the one that was applied last, so that it may be compared again and again.

    `record` is what an apply of the file would write.
    """
    last = previous.record
    return record is not None and last is not None and last.text == record.text


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
    if difference.scope is None or any(reported) or any(further):
        return
    if asking_in(desired.state) or _may_become_another(difference, desired):
        return
    from netorch.kernel.comparison.store import store

    store(
        desired.topology,
        identity_of(record),
        before,
        difference.scope,
        difference.snapshot,
        is_apply=is_apply,
    )


def _may_become_another(difference: Difference, desired: Desired) -> bool:
    """Whether what the file asks for may change with the abilities of this machine.

    These are a packet filter that `auto` would rather have, and br_netfilter, which the kernel
    loads as a module.
    """
    chosen = of_class(difference.desired, PacketFilter)
    is_auto = any(one.backend == AUTO for one in of_class(desired.state, PacketFilter))
    if is_auto and any(one.backend != PREFERRED for one in chosen):
        return True
    read = difference.scope.sysctls if difference.scope is not None else {}
    return any(
        path not in read.get(label, ())
        for label, (path,) in places_without_filter(difference.desired)
    )
