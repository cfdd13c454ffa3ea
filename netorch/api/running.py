"""Runs a topology during a block of code: applies it at the beginning, destroys it at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netorch.api import operations
from netorch.api.node import Node, NodeContext, Word
from netorch.api.operations import Changes, Checks
from netorch.api.topology import Source, Topology, Variables, load
from netorch.checks.run import TIMEOUT
from netorch.errors import LacksError, NetorchError, Problem
from netorch.kernel.capture.to_files import Capture
from netorch.kernel.private_host.calls import Files
from netorch.kernel.private_host.client import CurrentHost, Machine, PrivateHost
from netorch.kernel.processes.spawn import close_all
from netorch.kernel.system.capabilities import has_root

CALLS = "netorch.api.private_host_calls"
"""The module with the table of calls into a private host. The private host has loaded it."""


class Lab:
    """A running topology, from `netorch.running`. Its methods may be called from any thread."""

    def __init__(self, topology: Topology, machine: Machine, lock_timeout: float) -> None:
        self._context = NodeContext(topology, machine)
        self._lock_timeout = lock_timeout
        self._live = False
        self.applied: Changes = Changes(topology.name, ())
        """The changes of the last apply, with its warnings."""

    def __repr__(self) -> str:
        return f"<netorch.Lab {self.name!r}>"

    @property
    def name(self) -> str:
        return self.topology.name

    @property
    def topology(self) -> Topology:
        """The topology that was applied last."""
        return self._context.topology

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in the order of the file."""
        return tuple(map(self._context.node, self.topology.nodes))

    def node(self, name: str) -> Node:
        """Return the node of this name. Raise NetorchError, with a suggestion, if there is none."""
        __tracebackhide__ = True
        return self._context.node(name)

    def diff(self, source: Source | None = None) -> Changes:
        """Return what differs from the applied topology, or from another version of it."""
        return self._context.machine.call(operations.diff, self._version(source))

    def apply(self, source: Source | None = None) -> Changes:
        """Repair what differs, or change to another version of the topology, with the same name."""
        topology = self._version(source)
        self.applied = self._context.machine.change(
            operations.converge, topology, self._lock_timeout, False
        )
        self._context.topology = topology
        return self.applied

    def check(self, *, timeout: float = TIMEOUT) -> Checks:
        """Try the topology's checks with real packets from inside its nodes.

        `timeout` is the number of seconds that an expected answer may take.
        """
        return self._context.machine.call(operations.try_checks, self.topology, timeout)

    def unanswered(self) -> tuple[str, ...]:
        """Return why pings had no answer, as `netorch explain` would say it now.

        It is about each pair of a node and an address whose last ping had no answer, and the lines
        begin with the pair.
        """
        machine = self._context.machine
        return tuple(
            line
            for source, target in self._context.unanswered
            for line in (
                f"{source} → {target}:",
                *(
                    f"  {why}"
                    for why in machine.call(operations.why_not, self.topology, source, target)
                ),
            )
        )

    def forget_pings(self) -> None:
        """Let `unanswered` be about later pings only."""
        self._context.forget_pings()

    def _version(self, source: Source | None) -> Topology:
        topology = self.topology if source is None else load(source)
        if topology.name != self.name:
            raise NetorchError(
                Problem(
                    "wrong-topology",
                    f"topology {topology.name!r} is not a version of the running topology "
                    f"{self.name!r}: give it the same name.",
                    object=topology.name,
                )
            )
        return topology

    def capture(self, folder: Word) -> Capture:
        """Write every packet of every node to `folder`/NODE.pcapng.

        Close the result, or use it as a context manager, to end the capture.
        """
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
        """Apply the topology. Raise ConflictError if it is live already."""
        machine = self._context.machine
        try:
            self.applied = machine.change(
                operations.converge, self.topology, self._lock_timeout, True
            )
        except KeyboardInterrupt:
            # a private host gets no Ctrl-C and finishes the apply
            self._live = not isinstance(machine, CurrentHost)
            raise
        self._live = True

    def end(self) -> None:
        """End the processes of `popen` and destroy the topology.

        Raise KernelRefused if something could not be removed.
        """
        if not (self._live and self._context.machine.is_owner):
            return
        try:
            self._end()
        except KeyboardInterrupt:
            # finish the removal first, because nobody else would do it
            operations.retry_despite_interrupts(self._end)
            raise

    def _end(self) -> None:
        self._context.end_processes()
        attached = self.topology.loaded.desired.attached
        # A private host needs no `destroy`, because it ends with all its namespaces. But attached
        # namespaces outlive it.
        if attached or isinstance(self._context.machine, CurrentHost):
            self._context.machine.change(operations.destroy_by_name, self.name, self._lock_timeout)
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
    """Apply a topology for a block of code, and destroy it at the end of the block.

    It is also destroyed when the block ends by an exception or by Ctrl-C.

        with netorch.running("topo.yaml") as lab:
            lab.node("r1").run(["ping", "-c", "1", "r2"])

    Args:
        source: As for `netorch.load`.
        variables: As for `netorch.load`.
        name: As for `netorch.load`.
        private: Run the topology in a private host, which has network, mount and process namespaces
            of its own. The topology then cannot see or change this machine's network, several
            instances of it can run at once, and root is not needed if the kernel allows user
            namespaces.
        lock_timeout: As for `netorch.apply`.

    If the topology cannot be applied, nothing of it remains. Raise ConflictError if it is live
    already, because this block must not destroy it. If the topology cannot be destroyed, raise the
    error, or add it as a note to the exception that ends the block.
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
    if not private:
        topology = topology.part(None)
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
                        [f"netorch: topology {lab.name!r} could not be removed:", *left.lines()]
                    )
                )
            raise
        lab.end()
    finally:
        machine.close()
