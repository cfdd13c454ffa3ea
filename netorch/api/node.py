"""A node of a running topology: its commands, its sockets and its interfaces."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)
from pathlib import PurePath
from typing import Any, Literal, overload

from netorch.api import operations
from netorch.api.topology import Topology
from netorch.converge.attached import NodePlace, place
from netorch.errors import NetorchError, Problem, which_node
from netorch.immutable import Value
from netorch.kernel.capture.to_files import BUFFER, ETH_P_ALL, Capture
from netorch.kernel.namespaces.inspect import look, open_socket, wait_for_port
from netorch.kernel.private_host.client import Machine
from netorch.kernel.probe.echo import echo
from netorch.kernel.processes import spawn
from netorch.kernel.processes.spawn import Completed, Process
from netorch.kernel.system.socket_names import (
    AF_INET,
    AF_PACKET,
    SOCK_RAW,
    SOCK_STREAM,
    Socket,
    htons,
)
from netorch.netlink.constants import IFF_UP

_PATIENCE = 10.0
"""The number of seconds to wait while another netorch changes the topology."""
GRACE = 2.0
"""The number of seconds that a process gets between SIGTERM and SIGKILL."""

Word = str | PurePath
"""An argument of a command, or a path."""
NodeAddresses = tuple[IPv4Interface | IPv6Interface, ...]


class Interface(Value):
    """An interface in the state that the kernel has now."""

    name: str
    kind: str
    """The kind as in `ip link`: `veth`, `bridge` and so on. Empty for lo and for hardware."""
    mac: str
    """The MAC address. Empty if the interface does not have one of 6 bytes."""
    mtu: int
    """The MTU in bytes."""
    up: bool
    addresses: NodeAddresses


class NodeContext:
    """What the nodes of one topology share: the machine, and the processes that run in them.

    Its methods may be called from any thread.
    """

    def __init__(self, topology: Topology, machine: Machine) -> None:
        self.topology = topology
        self.machine = machine
        self._lock = threading.Lock()
        self._processes: list[Process[Any]] = []
        self._unanswered: dict[tuple[str, str], None] = {}

    def node(self, name: str) -> Node:
        __tracebackhide__ = True
        node_place = place(self.topology.loaded.desired, name)
        if node_place is None:
            what = f"topology {self.topology.name!r} has no node {name!r}."
            remedy = which_node(name, self.topology.nodes)
            raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=name))
        return Node(name, node_place, self)

    def note_ping(self, source: str, target: str, is_answered: bool) -> None:
        """Remember a ping that had no answer, until another one has."""
        with self._lock:
            self._unanswered.pop((source, target), None)
            if not is_answered:
                self._unanswered[source, target] = None

    @property
    def unanswered(self) -> tuple[tuple[str, str], ...]:
        """The node and the address of each ping whose last try had no answer."""
        with self._lock:
            return tuple(self._unanswered)

    def forget_pings(self) -> None:
        with self._lock:
            self._unanswered.clear()

    def add_process(self, process: Process[Any]) -> None:
        with self._lock:
            self._processes = [known for known in self._processes if known.poll() is None]
            self._processes.append(process)

    def end_processes(self) -> None:
        """End and reap the processes of `popen` that still run."""
        with self._lock:
            processes = list(self._processes)
        spawn.end(processes, GRACE)
        with self._lock:
            self._processes = [process for process in self._processes if process not in processes]


class Node:
    """A node of a running topology, from `lab.node(NAME)`.

    Several threads may call its methods at the same time.
    """

    def __init__(self, name: str, place: NodePlace, context: NodeContext) -> None:
        self.name = name
        """The name of the node in the topology."""
        self._place = place
        self._context = context

    def __repr__(self) -> str:
        return f"<netorch.Node {self.name!r} of {self._context.topology.name!r}>"

    # commands

    @overload
    def run(
        self,
        argv: Sequence[Word],
        *,
        check: bool = True,
        capture: bool = True,
        text: Literal[True] = True,
        timeout: float | None = None,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Word | None = None,
    ) -> Completed[str]: ...

    @overload
    def run(
        self,
        argv: Sequence[Word],
        *,
        check: bool = True,
        capture: bool = True,
        text: Literal[False],
        timeout: float | None = None,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Word | None = None,
    ) -> Completed[bytes]: ...

    def run(
        self,
        argv: Sequence[Word],
        *,
        check: bool = True,
        capture: bool = True,
        text: bool = True,
        timeout: float | None = None,
        input: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Word | None = None,
    ) -> Completed[Any]:
        """Run a command in the node and wait for its end.

        Like with `netorch exec`, the command has the node's /etc/hosts, /etc/resolv.conf and /sys.
        The result is like that of `subprocess.run`: `returncode`, `stdout` and `stderr`.

        Args:
            argv: The command and its arguments.
            check: Raise CommandFailed if the exit status is not 0.
            capture: Collect the output. Otherwise it goes where the program's own output goes.
            text: Return the output as text, otherwise as bytes.
            timeout: Seconds after which the command is ended and CommandTimeout is raised.
            input: The standard input of the command. It is empty without one.
            env: The environment of the command, instead of the program's own.
            cwd: The folder in which the command runs.

        Raise CommandError if the command does not exist, CommandFailed or CommandTimeout.
        """
        __tracebackhide__ = True

        def start(words: Sequence[str], options: dict[str, Any]) -> Process[Any]:
            return self._start(words, options | {"env": env, "cwd": cwd})

        return spawn.run(
            start,
            spawn.program(argv),
            self.name,
            input,
            spawn.CommandOptions(check, capture, text, timeout),
        )

    @overload
    def popen(
        self, argv: Sequence[Word], *, text: Literal[True] = True, **options: Any
    ) -> Process[str]: ...

    @overload
    def popen(
        self, argv: Sequence[Word], *, text: Literal[False], **options: Any
    ) -> Process[bytes]: ...

    def popen(self, argv: Sequence[Word], *, text: bool = True, **options: Any) -> Process[Any]:
        """Start a command in the node, and return it as a `subprocess.Popen` without waiting.

        A command that still runs when the topology ends gets SIGTERM, and SIGKILL after 2 seconds.

        `options` are those of `subprocess.Popen`, such as `stdin`, `stdout`, `stderr`, `env`,
        `cwd`, `bufsize`, `encoding`, `pass_fds` and `start_new_session`, but not `preexec_fn`,
        `shell` and `executable`. Raise CommandError if the command does not exist.
        """
        __tracebackhide__ = True
        for refused in {"preexec_fn", "shell", "executable"} & options.keys():
            raise TypeError(f"Node.popen does not accept {refused}")
        process = self._start(spawn.program(argv), {**options, "text": text})
        self._context.add_process(process)
        return process

    def _start(self, argv: Sequence[str], options: dict[str, Any]) -> Process[Any]:
        __tracebackhide__ = True
        machine = self._context.machine
        files = machine.call(spawn.entrance, *self._place)
        try:
            return spawn.popen(spawn.namespaces_of(files, machine.namespaces), argv, options)
        finally:
            spawn.close_all(files)

    # sockets

    def socket(self, family: int = AF_INET, type: int = SOCK_STREAM, proto: int = 0) -> Socket:
        """Open a socket in the node, which uses the node's addresses and routes.

        The arguments are those of `socket.socket`. Close the socket: an open one keeps the node's
        namespace alive.
        """
        files = self._context.machine.call(
            open_socket, *self._place[:2], int(family), int(type), proto, 0
        )
        return Socket(fileno=files.fds[0])

    def wait_for_port(
        self, port: int, protocol: Literal["tcp", "udp"] = "tcp", *, timeout: float = 5.0
    ) -> None:
        """Wait until a program in the node listens on a port.

        Raise NetorchError if none does within `timeout` seconds.
        """
        __tracebackhide__ = True
        if not self._context.machine.call(wait_for_port, *self._place[:2], protocol, port, timeout):
            raise NetorchError(
                Problem(
                    "not-listening",
                    f"node {self.name}: nothing listens on {protocol} port {port} "
                    f"after {timeout:g} s.",
                    object=self.name,
                )
            )

    def capture(self, file: Word) -> Capture:
        """Write every packet that the node sees to a pcapng file, with the names of the interfaces.

        Close the result, or use it as a context manager, to end the capture. Wireshark and tcpdump
        read such files. Raise OSError if the file cannot be written.
        """
        return Capture({self.tap(): str(file)})

    def tap(self) -> int:
        """Open a socket that receives every packet of the node, and return its file descriptor.

        `Capture` takes it and closes it.
        """
        files = self._context.machine.call(
            open_socket, *self._place[:2], AF_PACKET, SOCK_RAW, htons(ETH_P_ALL), BUFFER
        )
        return files.fds[0]

    def ping(
        self, to: str | IPv4Address | IPv6Address | Node, *, timeout: float = 2.0
    ) -> float | None:
        """Ping `to`. Return the round-trip time in seconds, or None without an answer.

        The node sends a request every 0.2 s, for `timeout` seconds, so that a target that is still
        starting has time to answer. `to` is an address, or a node. For a node, the ping goes to its
        address on a network of both nodes, or else to its first address. Raise NetorchError if the
        node has no address.
        """
        target = self._target(to)
        seconds = self._context.machine.call(echo, *self._place[:2], target, timeout)
        self._context.note_ping(self.name, target, seconds is not None)
        return seconds

    def _target(self, to: str | IPv4Address | IPv6Address | Node) -> str:
        if not isinstance(to, Node):
            try:
                return str(ip_address(to))
            except ValueError:
                to = self._context.node(str(to))
        theirs = to.addresses
        if not theirs:
            raise NetorchError(
                Problem("no-address", f"node {to.name} has no address to ping.", object=to.name)
            )
        near = [
            entry.ip
            for entry in theirs
            if any(entry.network == own.network for own in self.addresses)
        ]
        return str(near[0] if near else theirs[0].ip)

    # the state in the kernel

    @property
    def interfaces(self) -> Mapping[str, Interface]:
        """Name → interface, in the state that the kernel has now."""
        links, addresses = self._context.machine.call(look, *self._place[:2])
        addresses_of: dict[int, list[IPv4Interface | IPv6Interface]] = {
            link.index: [] for link in links
        }
        for record in addresses:
            if record.index in addresses_of:
                addresses_of[record.index].append(ip_interface((record.local, record.prefixlen)))
        return {
            link.name: Interface(
                name=link.name,
                kind=link.kind,
                mac=link.mac.hex(":") if len(link.mac) == 6 else "",
                mtu=link.mtu,
                up=bool(link.flags & IFF_UP),
                addresses=tuple(addresses_of[link.index]),
            )
            for link in links
        }

    # what is done on purpose

    def link_down(self, interface: str) -> operations.Changes:
        """Set a link down on purpose, as `netorch link` does, and return the changes.

        `lab.diff` does not list it, and `lab.apply` keeps it. Raise NetorchError for a link that
        netorch did not make.
        """
        return self._set_link(interface, down=True)

    def link_up(self, interface: str) -> operations.Changes:
        """Set a link up again, with its routes and addresses, and return the changes."""
        return self._set_link(interface, down=False)

    def impair(self, interface: str, **values: str) -> operations.Changes:
        """Impair what an interface sends, as `netorch impair` does, and return the changes.

            lab.node("r1").impair("eth0", delay="10ms", loss="1%")

        The keys and values are those of `impair` in the file, and replace what the file has.
        Without any, the interface becomes as in the file again. Raise LacksError if the kernel
        lacks the qdisc.
        """
        return self._context.machine.change(
            operations.impair, self._context.topology.name, self._end(interface), values, _PATIENCE
        )

    def _set_link(self, interface: str, *, down: bool) -> operations.Changes:
        return self._context.machine.change(
            operations.set_link, self._context.topology.name, self._end(interface), down, _PATIENCE
        )

    def _end(self, interface: str) -> str:
        return f"{self.name}:{interface}"

    @property
    def addresses(self) -> NodeAddresses:
        """The addresses that the node has now, with prefixes, without loopback and link-local ones.

        They are in the order of the interfaces, IPv4 first.
        """
        every = [entry for interface in self.interfaces.values() for entry in interface.addresses]
        return tuple(
            entry for entry in every if not (entry.ip.is_loopback or entry.ip.is_link_local)
        )

    @property
    def address(self) -> str:
        """The first of `addresses`, without its prefix. Raises NetorchError if there is none."""
        for entry in self.addresses:
            return str(entry.ip)
        raise NetorchError(
            Problem("no-address", f"node {self.name} has no address.", object=self.name)
        )
