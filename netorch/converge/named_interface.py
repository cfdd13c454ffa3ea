"""Find the interface of a live topology that a user names as NODE:IF."""

from __future__ import annotations

import time

from netorch.converge.intended import Deviation
from netorch.converge.recorded_state import reload
from netorch.errors import NetorchError, Problem, did_you_mean, listing, which_node
from netorch.immutable import Value
from netorch.kernel.files import records, state_cache
from netorch.kernel.files.records import Record
from netorch.language.impairment import Impairment
from netorch.resolve.desired import Desired
from netorch.state.key import HOST, label_text


class Target(Value):
    """An interface of a topology, as a user names it and as the kernel does."""

    topology: str
    node: str
    interface: str
    netns: str
    """The label of the node's namespace."""
    link: str
    """The name of the interface in the kernel."""

    @property
    def title(self) -> str:
        return f"{self.node} {self.interface}"

    def deviation(self, who: str, impairment: Impairment | None = None) -> Deviation:
        """Return the deviation that begins now."""
        return Deviation(
            self.node, self.interface, self.netns, self.link, time.time(), who, impairment
        )


class Choice(Value):
    """An interface that a user has named, with what is on record of its topology."""

    target: Target
    record: Record
    desired: Desired
    """What the recorded file asks for."""


def choose(end: str, topology: str | None) -> Choice:
    """Find the interface that `end` (NODE:IF) names, in one live topology or in all of them.

    Raise NetorchError if there is none, or if there are several.
    """
    node = end.partition(":")[0]
    choices: list[Choice] = []
    errors: list[NetorchError] = []
    known: list[str] = []
    names = records.applied_names()
    if topology is not None and topology not in names:
        remedy = did_you_mean(topology, names) or "`netorch list` shows the live topologies."
        what = f"topology {topology!r} is not live here."
        raise NetorchError(Problem("not-live", what, None, remedy, topology))
    for name in names if topology is None else [topology]:
        places = state_cache.places_on_record(name) if topology is None else None
        if places is not None and node != HOST:
            labels: dict[str, str] = places["labels"]
            if "machine" not in places and node not in (*labels, *labels.values()):
                known += labels
                continue
        record, warning = records.read_record(name)
        try:
            if record is None:
                raise NetorchError(Problem("record-damaged", warning, object=name))
            desired = reload(name, record).desired
            known += desired.labels
            choices.append(Choice(find_target(name, desired, end), record, desired))
        except NetorchError as error:
            errors.append(error)
    if len(choices) == 1:
        return choices[0]
    if choices:
        several = ", ".join(choice.target.topology for choice in choices)
        what = f"{end!r} is in several topologies ({several}): choose one with --name."
        raise NetorchError(Problem("ambiguous-node", what, object=end))
    better = [
        one for one in errors if one.problems[0].code not in ("unknown-node", "record-damaged")
    ]
    if better or topology is not None:
        raise (better or errors)[0]
    what = f"no live topology has a node {node!r}."
    remedy = which_node(node, known) or "`netorch list` shows the live topologies."
    raise NetorchError(Problem("unknown-node", what, None, remedy, node))


def find_target(topology: str, desired: Desired, end: str) -> Target:
    """Return the interface that `end` names. Raise NetorchError if the topology does not have it.

    `end` is NODE:IF. An interface of the host may have its name in the file or in the kernel.
    """
    node, colon, interface = end.partition(":")
    label = label_of(desired, node)
    if label is None:
        raise _no_node(topology, desired, node)
    names = interfaces_of(desired, label)
    if not colon or not interface:
        known = f" {node} has {listing(sorted(names))}." if names else ""
        raise NetorchError(
            Problem(
                "bad-end",
                f"{end!r} does not name an interface.",
                None,
                f"Write {node}:IF.{known}",
                end,
            )
        )
    link = next(
        (
            names[name]
            for name in (interface, f"{desired.prefix}{interface}" if label == HOST else "")
            if name in names
        ),
        None,
    )
    if link is None:
        what = f"topology {topology!r} has no interface {interface!r} in {node}."
        remedy = did_you_mean(interface, names) or (
            f"There are {listing(sorted(names))}." if names else ""
        )
        raise NetorchError(Problem("unknown-interface", what, None, remedy, end))
    return Target(topology, node, interface, label, link)


def label_of(desired: Desired, node: str) -> str | None:
    """Return the label of a node, which may also be named by its namespace."""
    if desired.machines is not None:
        if node == f"{HOST}.{desired.machines.here}":
            return HOST
        if _machine_of(desired, node):
            return None
    if node in desired.labels:
        return desired.labels[node]
    labels = {key.netns for key in desired.state}
    return next((label for label in labels if node in (label, label_text(label))), None)


def interfaces_of(desired: Desired, label: str) -> dict[str, str]:
    """Return each name of the topology's interfaces in a namespace → the name in the kernel."""
    names: dict[str, str] = {}
    for key, resource in desired.state.items():
        if key.kind == "link" and key.netns == label:
            names[key.name] = key.name
            if altname := getattr(resource, "altname", ""):
                names[altname] = key.name
    return names


def _machine_of(desired: Desired, node: str) -> str:
    """Return the other machine that has a node, "" if this one has it or none does."""
    machines = desired.machines
    if machines is None:
        return ""
    hosts = {f"{HOST}.{name}": name for name in machines.all}
    machine = machines.of_node.get(node) or hosts.get(node, machines.here)
    return "" if machine == machines.here else machine


def _no_node(topology: str, desired: Desired, node: str) -> NetorchError:
    machines, machine = desired.machines, _machine_of(desired, node)
    if machines is not None and machine:
        there = machines.all[machine]
        what = f"node {node} is on {machine}: run the command there."
        return NetorchError(
            Problem("node-elsewhere", what, None, f"`ssh {there.address} netorch …`", node)
        )
    what = f"topology {topology!r} has no node {node!r}."
    return NetorchError(Problem("unknown-node", what, None, which_node(node, desired.labels), node))
