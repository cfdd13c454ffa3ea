"""What can be asked of a network from inside a namespace, and what came of it: plain values."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from netorch.immutable import Value

Address = IPv4Address | IPv6Address


class NeighbourTrace(Value):
    """An entry that a probe leaves in a table of neighbours: `address` on the link `link` (the kernel's name) of `netns` (a label)."""

    netns: str
    link: str
    address: Address


class Probe(Value):
    """A TCP connect to `port`, or with port 0 an echo request, from the namespace `netns` (a label) to `address`.

    `size`: bytes of the whole IP packet, which no hop may cut into pieces; 0 for a small one.
    `expects_answer`: whether the caller expects an answer, or silence. `group`: an answer to one probe of a group ends the wait for
    the others. `traces`: what it leaves behind on a segment where everybody asks everybody, taken away again if it was not there before.
    """

    netns: str
    address: Address
    port: int = 0
    size: int = 0
    expects_answer: bool = True
    group: int = -1
    traces: tuple[NeighbourTrace, ...] = ()

    @property
    def zone(self) -> str:
        """The interface that a link-local address names, as `eth0` of fe80::1%eth0; "" without one."""
        return self.address.scope_id or "" if isinstance(self.address, IPv6Address) else ""

    @property
    def target(self) -> str:
        """The address without its zone."""
        return str(IPv6Address(self.address.packed) if self.zone else self.address)


class Sort(Enum):
    """What came of a probe."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """A TCP reset."""
    UNREACHABLE = "unreachable"
    """An ICMP error, `icmp` by `sender`."""
    STOPPED = "stopped"
    """The node itself did not let it out, with `errno`: no route, a link that is down, its own filter."""
    SILENT = "silent"
    UNSENT = "unsent"
    """It could not be tried, with `errno`, which says nothing of the network."""
    NOT_NEEDED = "not needed"
    """Another probe of its group was answered."""
    ELSEWHERE = "elsewhere"
    """Answered, but not by the node that is meant: somebody else has the address, too."""


class Reply(Value):
    """`seconds`: round trip of what was answered. `icmp`: type and code. `mtu`: the largest packet for the hop, in bytes; 0 if unknown.
    `own`: the ICMP error is the sending node's own, where the next hop answers no ARP or neighbour solicitation.
    """

    sort: Sort
    seconds: float = 0.0
    errno: int = 0
    sender: str = ""
    icmp: tuple[int, int] = (0, 0)
    mtu: int = 0
    own: bool = False
    text: str = ""
    """Who answered, and why that is not the node, where `sort` is ELSEWHERE."""
