"""Carry out a plan: send its requests to the kernel in order, and name the step of each refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from netorch.immutable import Value, field
from netorch.kinds.base.link import link_key
from netorch.kinds.netns import netns_key
from netorch.state.key import is_attached
from netorch.state.plan import Plan, Step
from netorch.state.planner import batches
from netorch.state.resource import Disruption, Resource
from netorch.values.requests import Failure, LinkDel, Request
from netorch.values.snapshot import Scope, Snapshot

ROUNDS = 4
"""How many times a command plans, carries out and reads again before it gives up."""
INTERRUPTS = 10
"""How many times Ctrl-C restarts a rollback. The next Ctrl-C ends it."""

CHUNK = 64
"""The number of namespaces that get their requests between two reports of progress."""

GROUP_FROM = 8
"""The number of links from which deleting them by their group is faster than one by one."""

GROUP_WITHIN = 128
"""The same number as `GROUP_FROM`, for links whose namespace is deleted too.

For fewer links it is faster to let the kernel delete them together with the namespace.
"""


class Kernel(Protocol):
    """The kernel as this module uses it; `netorch.kernel.linux.LinuxKernel` implements it."""

    def read(self, scope: Scope) -> Snapshot: ...

    def transact(
        self, channels: Mapping[str, Sequence[Request]], reclaim: Iterable[str] = ()
    ) -> list[Failure]: ...

    def delete_group(self, netns: str, group: int) -> tuple[int, str] | None: ...


Progress = Callable[[int, int, Step], None]
"""Called with the number of steps done, the number of all steps, and the last step done."""


class Refusal(Value):
    """A step that Linux refused, with the request and the error."""

    step: Step
    failure: Failure


class Execution(Struct):
    """The result of carrying out a plan."""

    done: int = 0
    """The number of steps that were sent."""
    refusals: list[Refusal] = field(default_factory=list)


def ignore_progress(done: int, total: int, step: Step) -> None:
    """Ignore a report of progress."""


def execute(
    kernel: Kernel,
    plan: Plan,
    *,
    groups: Mapping[str, int] | None = None,
    reclaim: Iterable[str] = (),
    keep_going: bool = False,
    progress: Progress = ignore_progress,
) -> Execution:
    """Carry out `plan`.

    `groups` is label → link group whose links are all to be deleted, so that one request deletes
    them. With `keep_going`, as for `destroy`, the execution continues after refusals and
    collects them; otherwise it stops after the first batch that has one.
    """
    run = Execution()
    total = len(plan)
    deletes = plan.deletes
    if groups and (early := tuple(step for step in deletes if step.resource.deleted_before)):
        _delete_early(kernel, early, reclaim, run)
        if run.refusals:
            # The group holds links that the refused steps depend on, so it must not be deleted now.
            # Deleting everything one by one, in order, reports the refusals again.
            groups, run = None, Execution()
        else:
            deletes = tuple(step for step in deletes if not step.resource.deleted_before)
    for label, group in (groups or {}).items():
        # a refusal does not matter, because the steps below delete the rest one by one
        kernel.delete_group(label, group)
    spared = frozenset(groups or ())
    for steps, deleting in ((deletes, True), (plan.changes, False)):
        for epoch in batches(steps, deleting=deleting):
            for chunk in _chunks(epoch):
                _send(kernel, chunk, spared if deleting else frozenset(), reclaim, run)
                last = next(reversed(chunk.values()))[-1]
                progress(run.done, total, last)
                if run.refusals and not keep_going:
                    return run
    return run


def _delete_early(
    kernel: Kernel, steps: Sequence[Step], reclaim: Iterable[str], run: Execution
) -> None:
    for epoch in batches(steps, deleting=True):
        _send(kernel, epoch, frozenset(), reclaim, run)


def deletable_groups(plan: Plan, snapshot: Snapshot, group: int) -> dict[str, int]:
    """Return label → `group` where all links of the group are to be deleted, and they are many.

    If a foreign link is in the group, links are deleted one by one. The same holds for attached
    namespaces, because there others may put a link into the group at any moment.
    """
    dying = {resource.key for resource in _dying(plan)}
    groups: dict[str, int] = {}
    for label, netns in snapshot.namespaces.items():
        members = [link for link in netns.links if link.group == group]
        if is_attached(label):
            continue
        fewest = GROUP_WITHIN if netns_key(label) in dying else GROUP_FROM
        if len(members) >= fewest and all(link_key(label, link.name) in dying for link in members):
            groups[label] = group
    return groups


def _dying(plan: Plan) -> Iterator[Resource]:
    for step in plan.deletes:
        yield step.resource
    yield from plan.implied


def _chunks(epoch: Mapping[str, list[Step]]) -> Iterator[dict[str, list[Step]]]:
    labels = list(epoch)
    for start in range(0, len(labels), CHUNK):
        yield {label: epoch[label] for label in labels[start : start + CHUNK]}


def send_updates(
    kernel: Kernel, work: Iterable[tuple[Resource, Iterable[Request]]]
) -> list[Refusal]:
    """Send requests that change resources in place, in order. Return what Linux refuses."""
    channels: dict[str, list[Request]] = {}
    owners: dict[int, Step] = {}
    for resource, requests in work:
        step = Step(resource, resource, Disruption.UPDATE)
        for request in requests:
            owners[id(request)] = step
            channels.setdefault(resource.key.netns, []).append(request)
    failures = kernel.transact(channels)
    return [Refusal(owners[id(failure.request)], failure) for failure in failures]


def _send(
    kernel: Kernel,
    steps: Mapping[str, Sequence[Step]],
    spared: frozenset[str],
    reclaim: Iterable[str],
    run: Execution,
) -> None:
    channels: dict[str, list[Request]] = {}
    owners: dict[int, Step] = {}
    for label, here in steps.items():
        queue: list[Request] = []
        for step in here:
            for request in step.requests():
                if label in spared and isinstance(request, LinkDel):
                    continue
                owners[id(request)] = step
                queue.append(request)
        channels[label] = queue
    failures = kernel.transact(channels, reclaim)
    run.refusals += [Refusal(owners[id(failure.request)], failure) for failure in failures]
    run.done += sum(len(here) for here in steps.values())
