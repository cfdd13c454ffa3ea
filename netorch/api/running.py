"""A topology for as long as a block runs: applied at its beginning, taken away at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netorch.api import operations
from netorch.api.node import Node, Surroundings, Word
from netorch.api.operations import Changes, Checks
from netorch.api.topology import Source, Topology, Variables, load
from netorch.checks.run import TIMEOUT
from netorch.errors import LacksError, NetorchError, Problem
from netorch.kernel.linux import has_root
from netorch.kernel.private_host.calls import Files
from netorch.kernel.private_host.client import CurrentHost, Machine, PrivateHost
from netorch.kernel.probe.capture import Capture
from netorch.kernel.processes.spawn import close_all

CALLS = "netorch.api.private_host_calls"
"""The module with the table of what a private host is asked for, which it has loaded."""


class Lab:
    """A topology that runs, from `netorch.running`. Its methods may be called from any thread."""

    def __init__(self, topology: Topology, machine: Machine, lock_timeout: float) -> None:
        self._site = Surroundings(topology, machine)
        self._lock_timeout = lock_timeout
        self._live = False
        self.applied: Changes = Changes(topology.name, ())
        """What the last apply did, with its warnings."""

    def __repr__(self) -> str:
        return f"<netorch.Lab {self.name!r}>"

    @property
    def name(self) -> str:
        return self.topology.name

    @property
    def topology(self) -> Topology:
        """What was applied last."""
        return self._site.topology

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in the order of the file."""
        return tuple(map(self._site.node, self.topology.nodes))

    def node(self, name: str) -> Node:
        """The node of this name. NetorchError, with a guess at what was meant, if there is none."""
        __tracebackhide__ = True
        return self._site.node(name)

    def diff(self, source: Source | None = None) -> Changes:
        """What differs from the topology as it was applied, or from another version of it."""
        return self._site.machine.call(operations.diff, self._version(source))

    def apply(self, source: Source | None = None) -> Changes:
        """Put right what differs, or go on to another version of the topology (of the same name)."""
        topology = self._version(source)
        self.applied = self._site.machine.change(
            operations.converge, topology, self._lock_timeout, False
        )
        self._site.topology = topology
        return self.applied

    def check(self, *, timeout: float = TIMEOUT) -> Checks:
        """Try the topology's checks, by real packets from inside its nodes; true if all passed. `timeout`: seconds for an answer."""
        return self._site.machine.call(operations.try_checks, self.topology, timeout)

    def _version(self, source: Source | None) -> Topology:
        topology = self.topology if source is None else load(source)
        if topology.name != self.name:
            raise NetorchError(
                Problem(
                    "wrong-topology",
                    f"this is topology {self.name!r}, and the other version of it is called {topology.name!r}.",
                    object=topology.name,
                )
            )
        return topology

    def capture(self, folder: Word) -> Capture:
        """Write every packet of every node to `folder`/NODE.pcapng until the result is closed; it is a context manager."""
        where = Path(folder)
        where.mkdir(parents=True, exist_ok=True)
        taps: dict[int, str] = {}
        try:
            for node in self.nodes:
                taps[node.tap()] = str(where / f"{node.name}.pcapng")
        except BaseException:
            close_all(Files(tuple(taps)))
            raise
        return Capture(taps)

    def begin(self) -> None:
        """Apply; ConflictError if it is there already."""
        machine = self._site.machine
        try:
            self.applied = machine.change(
                operations.converge, self.topology, self._lock_timeout, True
            )
        except KeyboardInterrupt:
            # a private host heard nothing of it
            self._live = not isinstance(machine, CurrentHost)
            raise
        self._live = True

    def end(self) -> None:
        """End the processes of `popen` and destroy the topology. KernelRefused for what could not be removed."""
        if not (self._live and self._site.machine.ours):
            return
        try:
            self._end()
        except KeyboardInterrupt:
            # to the end, and then heed it
            operations.retry_despite_interrupts(self._end)
            raise

    def _end(self) -> None:
        self._site.end_processes()
        attached = self.topology.loaded.desired.attached
        # a private host goes with all that is in it, but for what others have of the topology
        if attached or isinstance(self._site.machine, CurrentHost):
            self._site.machine.change(operations.destroy_by_name, self.name, self._lock_timeout)
        self._live = False


@contextmanager
def running(
    source: Source,
    *,
    variables: Variables | None = None,
    name: str | None = None,
    private: bool = False,
    lock_timeout: float = 10.0,
) -> Iterator[Lab]:
    """Apply a topology for a block of code, and destroy it at the end, however that comes: also by an exception or Ctrl-C.

        with netorch.running("topo.yaml") as lab:
            lab.node("r1").run(["ping", "-c", "1", "r2"])

    `source`, `variables` and `name` are as `netorch.load` takes them, `lock_timeout` as `netorch.apply` does. `private`: in a private host,
    with network, mounts and processes of its own, where nothing of this machine's network is seen or touched, several instances of one
    topology can run at once, and root is not needed where user namespaces are allowed.

    If it cannot be applied, nothing is left of it. One that is live here already is a ConflictError, since it is not this block's to take
    away. If it cannot be destroyed that is raised, or, where an exception ends the block, added to that one as a note.
    """
    topology = load(source, variables=variables, name=name)
    if not private and not has_root():
        need = "this needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)."
        raise LacksError(
            Problem(
                "not-root",
                need,
                remedy="Run the program with sudo, or the topology with `private=True`.",
            )
        )
    machine: Machine = PrivateHost(CALLS) if private else CurrentHost()
    lab = Lab(topology, machine, lock_timeout)
    try:
        try:
            lab.begin()
            yield lab
        except BaseException as error:
            try:
                lab.end()
            except NetorchError as left:
                error.add_note(
                    "\n".join(
                        [f"netorch: topology {lab.name!r} could not be taken away:", *left.lines()]
                    )
                )
            raise
        lab.end()
    finally:
        machine.close()
