"""Gives up a topology: takes the marks from what it made, and leaves it all as it is."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.converge.execute import send_updates
from netorch.converge.kernel_errors import problems_of
from netorch.converge.observe import Observed
from netorch.converge.previous import Previous
from netorch.converge.read import read_all
from netorch.converge.report import Observers, Report
from netorch.converge.teardown import reach_of
from netorch.errors import ConflictError, KernelRefused, Problem
from netorch.kernel.files import records
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.physical import Physical
from netorch.state.key import Key, label_text
from netorch.state.resource import Resource
from netorch.values.ownership import Original
from netorch.values.snapshot import Snapshot

_LAST = ("link", "netns")
"""Kinds whose marks prove that what is in them belongs to the topology, so they go last."""


def release(kernel: LinuxKernel, name: str, observers: Observers, report: Report) -> None:
    """Take the marks from all that topology `name` has here. The caller holds the lock.

    Raise ConflictError if the host lent it a NIC, because only the record brings that back. If
    Linux refuses a request, the record stays, and the rest can be released again.
    """
    observers.phase("reading")
    previous = Previous.read(name)
    within = reach_of(kernel, previous)
    snapshot, observed = read_all(kernel, previous, within)
    if lent := [one for one in observed.state.values() if isinstance(one, Physical)]:
        raise ConflictError([_lent_problem(one) for one in lent])
    report.record = previous.record
    report.warnings += [*previous.warnings, *within.warnings, *observed.unproven.values()]
    report.notes += _what_stays(observed)
    observers.phase("releasing")
    work = [
        (one, list(one.release(_original(one.key, previous, snapshot))))
        for one in _ordered(observed)
    ]
    report.released = tuple(
        resource.title() for resource, requests in work if requests and resource.key.kind in _LAST
    )
    report.changed = any(requests for _, requests in work) or previous.record is not None
    if refusals := send_updates(kernel, work):
        raise KernelRefused(problems_of(refusals, lambda _: None))
    records.remove_record(name)


def _original(key: Key, previous: Previous, snapshot: Snapshot) -> Original | None:
    """Return the marks that an object had before the topology took it over."""
    netns = snapshot.namespaces.get(key.netns)
    if previous.ownership is None or netns is None:
        return None
    return previous.ownership.original((key.kind, *key.parts), netns.identity)


def _ordered(observed: Observed) -> Iterator[Resource]:
    """Yield the resources: what is in links and namespaces first, then these."""

    def rank(key: Key) -> int:
        return _LAST.index(key.kind) + 1 if key.kind in _LAST else 0

    yield from sorted(observed.state.values(), key=lambda resource: rank(resource.key))


def _lent_problem(nic: Physical) -> Problem:
    what = f"{nic.title()}: the host lent this NIC, and only netorch can give it back."
    remedy = "Take it out of the file and apply that first."
    return Problem("nic-lent", what, None, remedy, nic.title())


def _what_stays(observed: Observed) -> list[str]:
    """Return a sentence about objects with a mark that cannot be taken from them."""
    places = {"filter": list[str](), "file": list[str]()}
    for key in observed.state:
        if key.kind in places and label_text(key.netns) not in places[key.kind]:
            places[key.kind].append(label_text(key.netns))
    sentences = []
    if filters := places["filter"]:
        sentences.append(
            f"the packet filter of {', '.join(filters)} keeps the name of the topology and works"
            " on, and an apply of that topology takes it over again"
        )
    if files := places["file"]:
        sentences.append(f"the files in /etc/netns of {', '.join(files)} stay")
    return sentences
