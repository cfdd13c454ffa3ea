"""Which of the machines in `hosts` of a file this machine is."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.errors import NetorchError, Problem, did_you_mean
from netorch.kernel.files import records
from netorch.kernel.machine.own_addresses import own_addresses
from netorch.kernel.system.error_text import problem_of
from netorch.resolve.desired import Machine
from netorch.resolve.loaded import Choose


def this_machine(host: str | None) -> Choose:
    """Return the function that finds the name of this machine.

    It is `host` if the user names one, else the machine whose address this one has, else the one
    that the topology was applied as.
    """

    def choose(topology: str, machines: Mapping[str, Machine]) -> str:
        if host is not None:
            return _named(host, machines)
        own = _own_addresses()
        here = [name for name, machine in machines.items() if machine.address in own]
        if len(here) == 1:
            return here[0]
        applied, _ = records.read_record(topology)
        if applied is not None and applied.machine in (here or machines):
            return applied.machine
        listed = ", ".join(f"{name} ({machine.address})" for name, machine in machines.items())
        several = f"this machine has the addresses of {' and '.join(here)}."
        what = several if here else f"this machine has the address of none of {listed}."
        remedy = "Say which machine this is: --host NAME."
        raise NetorchError(Problem("which-machine", what, remedy=remedy, object=topology))

    return choose


def _named(host: str, machines: Mapping[str, Machine]) -> str:
    if host not in machines:
        what = f"--host {host}: the file has no machine {host!r} in `hosts`."
        remedy = did_you_mean(host, machines) or f"It has {', '.join(machines)}."
        raise NetorchError(Problem("unknown-machine", what, remedy=remedy, object=host))
    return host


def _own_addresses() -> frozenset[object]:
    try:
        return frozenset(own_addresses())
    except OSError as error:
        raise NetorchError(problem_of(error)) from error
