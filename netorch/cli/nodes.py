"""Finds the nodes of the live topologies, for commands that enter them."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from netorch.cli.options import end_of
from netorch.converge.attached import NodePlace, place
from netorch.converge.named_interface import interfaces_of, label_of
from netorch.converge.orchestrator import Orchestrator
from netorch.converge.recorded_state import reload
from netorch.errors import NetorchError, Problem, did_you_mean, which_node
from netorch.kernel.files import records
from netorch.kernel.system.nsfs import OWN_NETNS, RUN_NETNS
from netorch.state.key import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netorch.resolve.desired import Desired, Machine


class LiveNodes:
    """The nodes of one live topology, or of all."""

    def __init__(self, topology: str | None) -> None:
        """Load their records. Raise NetorchError if `topology` is not live."""
        self._topologies: dict[str, Desired] = {}
        if topology is not None and topology not in records.applied_names():
            with Orchestrator() as orchestrator:
                names = orchestrator.names()
            if topology not in names:
                what = f"topology {topology!r} is not live here."
                remedy = did_you_mean(topology, names)
                remedy = remedy or "`netorch list` shows the live topologies."
                raise NetorchError(Problem("not-live", what, remedy=remedy, object=topology))
        for name in records.applied_names() if topology is None else [topology]:
            record, _ = records.read_record(name)
            if record is None:
                continue
            try:
                self._topologies[name] = reload(name, record).desired
            except NetorchError:
                continue

    def place(self, node: str, command: str) -> NodePlace:
        """Return the place of a node. Raise NetorchError if there is none, or more than one.

        `command` is how the user runs the command on the machine that has the node, with `{}` for
        the topology and the node: `netorch exec {} CMD`.
        """
        places, elsewhere = self._places(node), self._elsewhere(node)
        if len({place[:2] for place in places.values()}) == 1:
            return next(iter(places.values()))
        if places or len(elsewhere) > 1:
            raise NetorchError(
                Problem(
                    "ambiguous-node",
                    f"node {node!r} is in several topologies ({', '.join(places or elsewhere)}): "
                    "choose one with --name",
                    object=node,
                )
            )
        for name, (own, machine) in elsewhere.items():
            what = f"node {own} is on {machine.name}: run the command there."
            # with the name, because another topology of that machine may have a node of the same
            # name
            there = f"ssh {machine.address} {command.format(f'--name {name} {own}')}"
            raise NetorchError(
                Problem("node-elsewhere", what, None, f"`{there}`", object=node, command=there)
            )
        if node == HOST:
            # topologies need not mention the host
            return "path", OWN_NETNS, None
        if node in self._by_marks:
            return "netns", node, node
        what = f"no live topology has a node {node!r}."
        remedy = which_node(node, self._known()) or "`netorch list` shows the live topologies."
        if end := self.node_of_end(node):
            remedy = f"{node!r} is an interface: write its node, {end}."
        if node in self._topologies:
            names = which_node("", self._known())
            remedy = f"{node!r} is a topology: write one of its nodes. {names}".rstrip()
        raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=node))

    def names(self) -> list[str]:
        """Return the names of the nodes of the topologies on this machine, each once."""
        names = [
            name
            for desired in self._topologies.values()
            for name in desired.labels
            if place(desired, name) is not None
        ]
        return list(dict.fromkeys(names))

    def topologies_of(self, node: str) -> list[str]:
        """Return the topologies that have a node of this name on this machine."""
        return [*self._places(node)]

    def node_of_end(self, word: str) -> str:
        """Return the node if the word is an interface, as NODE:IF or NODE/IF, else ""."""
        node, colon, _ = end_of(word).partition(":")
        return node if colon and self.has(node) else ""

    def interfaces(self, node: str) -> frozenset[str]:
        """Return the interfaces that the files of the topologies have in a node."""
        return frozenset(
            name
            for desired in self._topologies.values()
            if (label := label_of(desired, node)) is not None
            for name in interfaces_of(desired, label)
        )

    def suggest(self, word: str) -> str:
        """Return a question that suggests the node with the most similar name, or ""."""
        return did_you_mean(word, self._known())

    def _known(self) -> list[str]:
        known = [known for desired in self._topologies.values() for known in desired.labels]
        return [*known, *self._by_marks]

    def has(self, node: str) -> bool:
        """Whether a live topology has the node."""
        if node == HOST or self._places(node) or self._elsewhere(node):
            return True
        # because reading the marks of all namespaces takes longer
        return os.access(f"{RUN_NETNS}/{node}", os.F_OK) and node in self._by_marks

    def _places(self, node: str) -> dict[str, NodePlace]:
        """Return topology → the place of the node, on this machine."""
        places: dict[str, NodePlace] = {}
        for name, desired in self._topologies.items():
            if (machines := desired.machines) is not None:
                hosts = {f"{HOST}.{machine}": machine for machine in machines.all}
                own = _node_named(node, desired.prefix, machines.of_node)
                # the file may use either name for the host of this machine, or none
                if own == HOST or hosts.get(own) == machines.here:
                    places[name] = "path", OWN_NETNS, None
            if (there := place(desired, node)) is not None:
                places[name] = there
        return places

    def _elsewhere(self, node: str) -> dict[str, tuple[str, Machine]]:
        """Return topology → the own name of the node and its machine, if that is another one."""
        elsewhere: dict[str, tuple[str, Machine]] = {}
        for name, desired in self._topologies.items():
            if (machines := desired.machines) is not None:
                hosts = {f"{HOST}.{machine}": machine for machine in machines.all}
                own = _node_named(node, desired.prefix, machines.of_node)
                there = hosts.get(own) or machines.of_node.get(own, machines.here)
                if own != HOST and there != machines.here:
                    elsewhere[name] = own, machines.all[there]
        return elsewhere

    @cached_property
    def _by_marks(self) -> frozenset[str]:
        """The names of namespaces with the mark of a topology, which may have lost its record."""
        with Orchestrator() as orchestrator:
            return frozenset(orchestrator.labels())


def _node_named(word: str, prefix: str, of_node: Mapping[str, str]) -> str:
    """Return the node that a word means. It is the name of a node or of its namespace."""
    if word in of_node or not prefix:
        return word
    own = word.removeprefix(prefix)
    return own if own in of_node else word
