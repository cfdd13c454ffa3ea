"""Finds the machines that do not answer, and says which nodes are behind the tunnels to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netorch.checks.probes import Outcome
from netorch.errors import listing
from netorch.immutable import Value
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.probe.probes import Probe, Sort
from netorch.language.addresses import Address
from netorch.resolve.desired import Check, Desired, Machines
from netorch.state.key import HOST

PATIENCE = 1.0
"""Seconds that a machine itself may take to answer, after its nodes have not answered."""


class UnreachableMachine(Value):
    """A machine whose nodes do not answer."""

    name: str
    address: Address
    """The address at which the other machines reach it."""
    answers: bool
    """Whether the machine itself answers an echo request."""
    nodes: tuple[str, ...]
    """Its nodes."""

    @property
    def sentence(self) -> str:
        nodes = f"Behind the tunnels to it: {listing(self.nodes)}."
        if self.answers:
            return (
                f"{self.name}: {self.address} answers, but nothing comes through the tunnels to"
                f" it. {nodes}"
            )
        return f"{self.name}: {self.address} does not answer. {nodes}"


def unreachable_machines(
    kernel: LinuxKernel, desired: Desired, outcomes: Sequence[Outcome]
) -> tuple[UnreachableMachine, ...]:
    """Return the other machines whose nodes were tried, and none of them answered.

    It sends an echo request to each of them, from the host of this machine.
    """
    machines = desired.machines
    if machines is None or not machines.here:
        return ()
    silent = [machines.all[name] for name in _silent(machines, desired.checks, outcomes)]
    probes = [Probe(HOST, machine.address) for machine in silent]
    replies = kernel.probe(probes, PATIENCE) if probes else []
    return tuple(
        UnreachableMachine(
            machine.name,
            machine.address,
            reply.sort is Sort.ANSWERED,
            tuple(node for node, name in machines.of_node.items() if name == machine.name),
        )
        for machine, reply in zip(silent, replies, strict=True)
    )


def _silent(
    machines: Machines, checks: Sequence[Check], outcomes: Iterable[Outcome]
) -> Iterator[str]:
    """Yield the other machines from whose nodes no answer came although one was expected."""
    answers: dict[str, bool] = {}
    for outcome in outcomes:
        machine = machine_of(machines, checks[outcome.number], outcome)
        if machine and outcome.reachable:
            heard = any(entry.answered or entry.small for entry in outcome.tries)
            answers[machine] = answers.get(machine, False) or heard
    for name in machines.all:
        if answers.get(name) is False:
            yield name


def machine_of(machines: Machines, check: Check, outcome: Outcome) -> str:
    """Return the other machine to whose node an outcome is, or ""."""
    target = check.target.node if check.target is not None else outcome.target
    machine = check.tunnel or machines.of_node.get(target, "")
    return machine if machine != machines.here else ""


def why_elsewhere(desired: Desired, failed: Outcome) -> tuple[str, ...]:
    """Return a line about the machine of a target that is on another one, if it is."""
    machines, check = desired.machines, desired.checks[failed.number]
    name = machine_of(machines, check, failed) if machines is not None else ""
    if machines is None or not name:
        return ()
    target = check.target.node if check.target is not None else failed.target
    here, there = machines.all[machines.here], machines.all[name]
    return (f"{target} is on {name}, behind the tunnel from {here.address} to {there.address}",)


def target_of(desired: Desired, failed: Outcome) -> str:
    """Return the target of an outcome as `explain` takes it. A tunnel's has a name for people."""
    target = desired.checks[failed.number].target
    if target is None or not desired.checks[failed.number].tunnel:
        return failed.target
    return next((str(entry.address) for entry in failed.tries if not entry.answered), failed.target)
