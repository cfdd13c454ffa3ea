"""Probes, which are sent from a namespace, and their replies, as plain values."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from netorch.immutable import Value

Address = IPv4Address | IPv6Address


class NeighbourTrace(Value):
    """An entry that a probe leaves in a neighbour table."""

    netns: str
    """The label of the namespace."""
    link: str
    """The kernel's name of the link."""
    address: Address
    """The neighbour's address."""
    mac: bytes = b""
    """The neighbour's MAC, if it need not be asked for at all nodes of the network, or empty."""


class Probe(Value):
    """A TCP connection or an echo request from a namespace to an address."""

    netns: str
    """The label of the namespace."""
    address: Address
    port: int = 0
    """The TCP port to connect to; 0 for an echo request."""
    size: int = 0
    """The size of the whole IP packet in bytes, which no hop may fragment; 0 for a small packet."""
    expects_answer: bool = True
    """Whether the caller expects an answer. Otherwise it expects silence."""
    group: int = -1
    """An answer to one probe of a group ends the wait for the others. -1 for no group."""
    traces: tuple[NeighbourTrace, ...] = ()
    """Entries that the probe leaves on a network where every node probes every other node.

    They are deleted again if they were not there before.
    """

    @property
    def zone(self) -> str:
        """The interface that a link-local address names, such as `eth0` in fe80::1%eth0, or ""."""
        return self.address.scope_id or "" if isinstance(self.address, IPv6Address) else ""

    @property
    def target(self) -> str:
        """The address without its zone."""
        return str(IPv6Address(self.address.packed) if self.zone else self.address)


class Sort(Enum):
    """The outcome of a probe."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """A TCP reset."""
    UNREACHABLE = "unreachable"
    """An ICMP error `icmp` from `sender`."""
    STOPPED = "stopped"
    """The node itself refused to send it, with `errno`: no route, a link that is down, a filter."""
    SILENT = "silent"
    """No answer."""
    UNSENT = "unsent"
    """It could not be sent, with `errno`, for a reason that tells nothing about the network."""
    NOT_NEEDED = "not needed"
    """Another probe of its group was answered."""
    ELSEWHERE = "elsewhere"
    """Another node answered, which has the same address."""


class Reply(Value):
    """The result of a probe."""

    sort: Sort
    seconds: float = 0.0
    """Round trip time of an answered probe."""
    errno: int = 0
    sender: str = ""
    """The address that answered or sent the ICMP error."""
    icmp: tuple[int, int] = (0, 0)
    """Type and code of an ICMP error."""
    mtu: int = 0
    """The largest packet for the next hop in bytes; 0 if unknown."""
    own: bool = False
    """Whether the sending node's own kernel made the ICMP error.

    That happens if the next hop answers neither ARP nor neighbour solicitations.
    """
    text: str = ""
    """If `sort` is ELSEWHERE: which node answered, and why it is not the right one."""
