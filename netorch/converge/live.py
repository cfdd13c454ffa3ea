"""List the topologies on this machine, each compared with the file that was applied last."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.converge.attached import reach
from netorch.converge.compare import compare
from netorch.converge.intended import Deviation
from netorch.converge.previous import Previous, RecordsOfAll
from netorch.converge.read import read_all
from netorch.converge.recorded_state import reload
from netorch.errors import NetorchError
from netorch.immutable import Value, field, replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.linux import LinuxKernel
from netorch.state.key import Key
from netorch.state.plan import Plan
from netorch.state.resource import Resource
from netorch.values.marks import ALIAS, read_alias
from netorch.values.requests import Attachment
from netorch.values.snapshot import Scope


class Live(Value):
    """A topology on this machine, as it is now."""

    name: str
    record: Record | None
    """What was applied last; None if there is no usable record."""
    state: Mapping[Key, Resource]
    """What the kernel has of the topology."""
    difference: Plan | None
    """The plan that would restore what was applied last; None if that is not known."""
    warnings: tuple[str, ...] = ()
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    """Label → what the node is attached to."""
    captions: Mapping[Key, str] = field(default_factory=dict)
    """Key of a namespace or of a network's bridge → the `label` of the node or network."""
    intended: tuple[Deviation, ...] = ()
    """What users have done on purpose. `difference` does not contain it."""

    @property
    def is_live(self) -> bool:
        """Whether it has objects here, or was applied and needs none on this machine."""
        return bool(self.state) or (self.difference is not None and not self.difference)


def names(kernel: LinuxKernel) -> list[str]:
    """Return every topology with a record or a mark on this machine, sorted."""
    names = set(records.applied_names())
    for netns in kernel.read(Scope(ALIAS, brief=True)).namespaces.values():
        for link in netns.links:
            # The alias of hardware, which has no kind, does not count: a NIC may have returned from
            # a foreign namespace with an alias that was written there.
            marked = link.kind or link.name == "lo"
            if marked and (topology := read_alias(link.alias).topology):
                names.add(topology)
    return sorted(names)


def look(kernel: LinuxKernel, name: str, every: RecordsOfAll | None = None) -> Live:
    """Read one topology as it is now, and compare it with the file that was applied last.

    `every` saves reading the records of the other topologies.
    """
    previous = Previous.read(name, every)
    warnings = [*filter(None, (previous.warning, previous.intended_warning))]
    difference: Plan | None = None
    deviations = previous.intended
    if previous.record is not None:
        try:
            desired = reload(name, previous.record).desired
            previous = replace(previous, loaded=desired)
            compared = compare(kernel, desired, previous, None)
            difference, deviations = compared.plan, compared.intended
        except NetorchError as error:
            warnings += error.lines()
    with_left = previous.desired_with_left
    within = reach(kernel, previous.mark, with_left)
    _, observed = read_all(kernel, previous, within)
    attached = with_left.attached if with_left is not None else {}
    return Live(
        name,
        previous.record,
        observed.state,
        difference,
        (*warnings, *within.warnings),
        attached,
        previous.loaded.captions if previous.loaded is not None else {},
        deviations,
    )
