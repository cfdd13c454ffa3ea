"""A node of a topology that runs: commands in it, sockets of it, and what its interfaces are."""

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

from netorch.api.topology import Topology
from netorch.converge.attached import NodePlace, place
from netorch.errors import NetorchError, Problem, which_node
from netorch.immutable import Value
from netorch.kernel.namespaces.inspect import look, open_socket, wait_for_port
from netorch.kernel.private_host.client import Machine
from netorch.kernel.probe.capture import BUFFER, ETH_P_ALL, Capture
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

GRACE = 2.0
"""Seconds that a process gets between SIGTERM and SIGKILL."""

Word = str | PurePath
NodeAddresses = tuple[IPv4Interface | IPv6Interface, ...]


class Interface(Value):
    """An interface as it is now. `kind`: `veth`, `bridge` …, "" for lo and for hardware. `mac`: "" where it has none of 6 bytes."""

    name: str
    kind: str
    mac: str
    mtu: int
    up: bool
    addresses: NodeAddresses


class Surroundings:
    """What the nodes of one topology share: where they are, and which of their processes still run. For any thread."""

    def __init__(self, topology: Topology, machine: Machine) -> None:
        self.topology = topology
        self.machine = machine
        self._lock = threading.Lock()
        self._processes: list[Process[Any]] = []

    def node(self, name: str) -> Node:
        __tracebackhide__ = True
        found = place(self.topology.loaded.desired, name)
        if found is None:
            what = f"topology {self.topology.name!r} has no node {name!r}."
            remedy = which_node(name, self.topology.nodes)
            raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=name))
        return Node(name, found, self)

    def started(self, process: Process[Any]) -> None:
        with self._lock:
            self._processes = [known for known in self._processes if known.poll() is None]
            self._processes.append(process)

    def end_processes(self) -> None:
        """End and reap all that `popen` started and that still runs."""
        with self._lock:
            processes = list(self._processes)
        spawn.end(processes, GRACE)
        with self._lock:
            self._processes = [process for process in self._processes if process not in processes]


class Node:
    """A node of a running topology, from `lab.node(NAME)`. Its methods may be called from any thread, several at once."""

    def __init__(self, name: str, place: NodePlace, site: Surroundings) -> None:
        self.name = name
        """What the topology calls it."""
        self._place = place
        self._site = site

    def __repr__(self) -> str:
        return f"<netorch.Node {self.name!r} of {self._site.topology.name!r}>"

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
        """Run a command in the node to its end, with the node's own /etc/hosts, /etc/resolv.conf and /sys, as `netorch exec` does.

        The result is that of `subprocess.run`: `returncode`, `stdout`, `stderr`, as text, or as bytes with `text=False`. `check=False`
        accepts any exit status, `capture=False` lets the output go where the program's own goes. `timeout` is in seconds. Without
        `input` the command reads from nothing. CommandError if there is no such command, CommandFailed, CommandTimeout.
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
        """Start a command in the node and go on: a `subprocess.Popen`. If it still runs when the topology ends it gets SIGTERM, after 2
        seconds SIGKILL, and is reaped.

        `options` are those of `subprocess.Popen`: `stdin`, `stdout`, `stderr`, `env`, `cwd`, `bufsize`, `encoding`, `pass_fds`,
        `start_new_session` …; `preexec_fn` and `shell` are not among them. CommandError if there is no such command.
        """
        __tracebackhide__ = True
        for refused in {"preexec_fn", "shell", "executable"} & options.keys():
            raise TypeError(f"Node.popen takes no {refused}")
        process = self._start(spawn.program(argv), {**options, "text": text})
        self._site.started(process)
        return process

    def _start(self, argv: Sequence[str], options: dict[str, Any]) -> Process[Any]:
        __tracebackhide__ = True
        machine = self._site.machine
        files = machine.call(spawn.entrance, *self._place)
        try:
            return spawn.popen(spawn.opened(files, machine.way), argv, options)
        finally:
            spawn.close_all(files)

    # sockets

    def socket(self, family: int = AF_INET, type: int = SOCK_STREAM, proto: int = 0) -> Socket:
        """A socket that lives in the node, for this program to use: it binds to the node's addresses and sends by its routes.

        The arguments are those of `socket.socket`. Close it; one that is open keeps the node's namespace alive.
        """
        files = self._site.machine.call(
            open_socket, *self._place[:2], int(family), int(type), proto, 0
        )
        return Socket(fileno=files.fds[0])

    def wait_for_port(
        self, port: int, protocol: Literal["tcp", "udp"] = "tcp", *, timeout: float = 5.0
    ) -> None:
        """Wait until a program in the node listens on a port. NetorchError if none does within `timeout` seconds."""
        __tracebackhide__ = True
        if not self._site.machine.call(wait_for_port, *self._place[:2], protocol, port, timeout):
            raise NetorchError(
                Problem(
                    "not-listening",
                    f"node {self.name}: nothing listens on {protocol} port {port} after {timeout:g} s.",
                    object=self.name,
                )
            )

    def capture(self, file: Word) -> Capture:
        """Write every packet that the node sees to a pcapng file until the result is closed; it is a context manager.

        Wireshark and tcpdump read such files. Interfaces have their names in it. OSError if it cannot be written.
        """
        return Capture({self.tap(): str(file)})

    def tap(self) -> int:
        """The file descriptor of a socket that sees every packet of the node; for `Capture`, which closes it."""
        files = self._site.machine.call(
            open_socket, *self._place[:2], AF_PACKET, SOCK_RAW, htons(ETH_P_ALL), BUFFER
        )
        return files.fds[0]

    def ping(
        self, to: str | IPv4Address | IPv6Address | Node, *, timeout: float = 2.0
    ) -> float | None:
        """Whether `to` answers a ping from here: the seconds that it took, or None without an answer within `timeout` seconds.

        A request goes out every 0.2 s, so it also waits for what is just coming up. `to` is an address, or another node: that one's
        address on a network that both are in, or else its first. NetorchError if it has none.
        """
        return self._site.machine.call(echo, *self._place[:2], self._target(to), timeout)

    def _target(self, to: str | IPv4Address | IPv6Address | Node) -> str:
        if not isinstance(to, Node):
            try:
                return str(ip_address(to))
            except ValueError:
                to = self._site.node(str(to))
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

    # what there is

    @property
    def interfaces(self) -> Mapping[str, Interface]:
        """Name → interface, as the kernel has them now."""
        links, addresses = self._site.machine.call(look, *self._place[:2])
        found: dict[int, list[IPv4Interface | IPv6Interface]] = {link.index: [] for link in links}
        for record in addresses:
            if record.index in found:
                found[record.index].append(ip_interface((record.local, record.prefixlen)))
        return {
            link.name: Interface(
                name=link.name,
                kind=link.kind,
                mac=link.mac.hex(":") if len(link.mac) == 6 else "",
                mtu=link.mtu,
                up=bool(link.flags & IFF_UP),
                addresses=tuple(found[link.index]),
            )
            for link in links
        }

    @property
    def addresses(self) -> NodeAddresses:
        """Its addresses with their prefixes, as the kernel has them now, without loopback and link-local ones; in the order of the
        interfaces, IPv4 first.
        """
        every = [entry for interface in self.interfaces.values() for entry in interface.addresses]
        return tuple(
            entry for entry in every if not (entry.ip.is_loopback or entry.ip.is_link_local)
        )

    @property
    def address(self) -> str:
        """The first of `addresses`, without its prefix. NetorchError if it has none."""
        for entry in self.addresses:
            return str(entry.ip)
        raise NetorchError(
            Problem("no-address", f"node {self.name} has no address.", object=self.name)
        )
