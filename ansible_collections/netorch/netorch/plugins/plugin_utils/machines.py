"""Reads the machines and nodes of a topology file, on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ansible.errors import AnsibleError


class Machine(NamedTuple):
    """An entry of `hosts`."""

    name: str
    address: str


class Node(NamedTuple):
    """A node that netorch makes."""

    name: str
    machine: str
    """The machine that has it, "" in a file without `hosts`."""


class Spread(NamedTuple):
    """What Ansible needs to know of a topology file."""

    topology: str
    machines: list[Machine]
    """In the order of the file; empty without `hosts`."""
    nodes: list[Node]


def read(path: str, variables: Mapping[str, str]) -> Spread:
    """Return the machines and nodes of the file at `path`."""
    try:
        import netorch
    except ImportError as error:
        raise AnsibleError(
            "netorch is not installed on the controller: `pip install 'netorch[ansible]'`"
        ) from error
    try:
        topology = netorch.load(path, variables=variables)
    except netorch.NetorchError as error:
        raise AnsibleError(f"{path} is not a valid topology:\n{error}") from error
    spread = topology.loaded.desired.machines
    machines = [] if spread is None else list(spread.all.values())
    of_node = {} if spread is None else spread.of_node
    return Spread(
        topology.name,
        [Machine(machine.name, str(machine.address)) for machine in machines],
        [Node(name, of_node.get(name, "")) for name in topology.nodes if _is_made(name)],
    )


def _is_made(name: str) -> bool:
    """Return whether a node is a namespace, and not the host of a machine."""
    return name != "host" and not name.startswith("host.")
