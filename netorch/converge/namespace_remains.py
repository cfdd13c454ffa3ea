"""End what would remain of namespaces: names that lead to nothing, and processes in them."""

from __future__ import annotations

from collections.abc import Collection

from netorch.kernel.linux import LinuxKernel
from netorch.kernel.processes.members import end_processes
from netorch.state.plan import Plan
from netorch.values.requests import NetnsDel
from netorch.values.snapshot import Snapshot


def remove_stale_names(kernel: LinuxKernel, snapshot: Snapshot, ours: frozenset[str]) -> None:
    """Delete the names among `ours` in /run/netns that are not namespaces, and empty directories.

    A process that was killed may have left them, before it made anything in them.
    """
    remove_names(
        kernel,
        {
            label
            for label, alias in snapshot.other_names.items()
            if alias is None and label not in snapshot.foreign_files
        }
        & ours,
    )
    kernel.tidy()


def remove_names(kernel: LinuxKernel, names: Collection[str]) -> None:
    labels = sorted(names)
    kernel.transact({label: [NetnsDel(label)] for label in labels}, labels)


def end_processes_of(plan: Plan, snapshot: Snapshot) -> list[str]:
    """End the processes in the namespaces that `plan` deletes. Returns a note for each process.

    A namespace outlives its name as long as a process is in it.
    """
    leaving = [
        step.key.netns
        for step in plan.deletes
        if step.key.kind == "netns" and step.key.netns in snapshot.namespaces
    ]
    ended = end_processes(snapshot.namespaces[label].inode for label in leaving)
    return [f"ended process {text}" for text in ended]
