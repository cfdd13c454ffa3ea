"""What somebody else changed while netorch worked: what it is, and who it may have been, as far as the kernel tells."""

from __future__ import annotations

from collections.abc import Iterable

from netorch.kernel.processes.members import inside
from netorch.kinds.route import Route
from netorch.kinds.rule import Rule
from netorch.netlink.constants import RTPROT_BOOT, RTPROT_STATIC
from netorch.state.key import HOST, label_text
from netorch.state.plan import Plan, Step
from netorch.values.snapshot import Snapshot

_MAKERS = {
    RTPROT_BOOT: "protocol boot: made with `ip`, by hand or a script",
    RTPROT_STATIC: "protocol static",
}


def describe_deviation(step: Step) -> str:
    """How an object is not what it was just set to: `mtu is 1300, not 1400`."""
    if step.before is None:
        return "it is gone"
    if step.after is None:
        maker = _maker(step)
        return f"it has come ({maker})" if maker else "it has come"
    old, new = step.before.attributes(), step.after.attributes()
    wrong = [
        f"{name} is {old.get(name, 'not set')}, not {new.get(name, 'set')}"
        for name in {**new, **old}
        if old.get(name) != new.get(name)
    ]
    return ", ".join(wrong) or "it is another"


def name_processes(steps: Iterable[Step], snapshot: Snapshot) -> list[str]:
    """`In a run zebra (88), dhclient (90).` for each namespace of a step but the host, where everybody is."""
    labels = {step.key.netns for step in steps} - {HOST}
    told = []
    for label in sorted(labels & snapshot.namespaces.keys()):
        if found := inside([snapshot.namespaces[label].inode]):
            told.append(
                f"In {label_text(label)} run {', '.join(f'{name} ({pid})' for pid, name in sorted(found.items()))}."
            )
    return told


def describe_changes(plan: Plan, snapshot: Snapshot) -> list[str]:
    """A note for each object that changed between being set and being read back, other than by the kernel itself."""
    steps = [step for step in plan.steps if not step.resource.follows_link]
    notes = [
        f"changed meanwhile, and set right: {step.resource.title()}: {describe_deviation(step)}"
        for step in steps
    ]
    return [*notes, *name_processes(steps, snapshot)]


def _maker(step: Step) -> str:
    match step.resource:
        case Route(spec=spec) | Rule(spec=spec):
            return _MAKERS.get(spec.protocol, "")
    return ""
