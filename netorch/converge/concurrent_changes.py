"""Describe what somebody else changed while netorch worked, and who it may have been."""

from __future__ import annotations

from collections.abc import Iterable

from netorch.kernel.processes.members import processes_in
from netorch.kinds.route import Route
from netorch.kinds.rule import Rule
from netorch.netlink.constants import RTPROT_BOOT, RTPROT_STATIC
from netorch.state.key import HOST, label_text
from netorch.state.plan import Plan, Step
from netorch.values.snapshot import Snapshot

_MAKERS = {
    RTPROT_BOOT: "protocol boot: made with `ip`, by hand or by a script",
    RTPROT_STATIC: "protocol static",
}


def describe_deviation(step: Step) -> str:
    """Say how an object differs from what it was just set to, as in `mtu is 1300, not 1400`."""
    if step.before is None:
        return "it was deleted"
    if step.after is None:
        maker = _maker(step)
        return f"it was added ({maker})" if maker else "it was added"
    old, new = step.before.attributes(), step.after.attributes()
    wrong = [
        f"{name} is {old.get(name, 'not set')}, not {new.get(name, 'set')}"
        for name in {**new, **old}
        if old.get(name) != new.get(name)
    ]
    return ", ".join(wrong) or "it was replaced"


def name_processes(steps: Iterable[Step], snapshot: Snapshot) -> list[str]:
    """Return `Processes in r1: zebra (88), dhclient (90).` for each namespace of a step.

    The host is left out, because most of a machine's processes run there.
    """
    labels = {step.key.netns for step in steps} - {HOST}
    sentences = []
    for label in sorted(labels & snapshot.namespaces.keys()):
        if processes := processes_in([snapshot.namespaces[label].inode]):
            sentences.append(
                f"Processes in {label_text(label)}: "
                f"{', '.join(f'{name} ({pid})' for pid, name in sorted(processes.items()))}."
            )
    return sentences


def describe_changes(plan: Plan, snapshot: Snapshot) -> list[str]:
    """Return a note for each object that differed when it was read back after it was set.

    Changes that the kernel makes by itself when a link changes are left out.
    """
    steps = [step for step in plan.steps if not step.resource.follows_link]
    notes = [
        f"{step.resource.title()}: changed by something else meanwhile, and set again: "
        f"{describe_deviation(step)}"
        for step in steps
    ]
    return [*notes, *name_processes(steps, snapshot)]


def _maker(step: Step) -> str:
    match step.resource:
        case Route(spec=spec) | Rule(spec=spec):
            return _MAKERS.get(spec.protocol, "")
    return ""
