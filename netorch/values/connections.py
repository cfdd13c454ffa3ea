"""Entries of the kernel's connection tracking (conntrack), as plain data."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from netorch.immutable import Value

Address = IPv4Address | IPv6Address
End = tuple[Address, int]
"""An address and a port, which is 0 for a protocol without ports."""


class Connection(Value):
    """One entry of the connection tracking."""

    protocol: str
    """tcp, udp, sctp, icmp, icmpv6, or a number."""
    source: End
    target: End
    answered_from: End
    """The source of the answers. It differs from `target` if the destination is translated."""
    answered_to: End
    """The destination of the answers. It differs from `source` if the source is translated."""
    expected: bool = False
    """Whether another connection has announced it (the state `related`)."""
    key: bytes = b""
    """The attributes of ctnetlink that identify the entry."""

    @property
    def version(self) -> int:
        return self.source[0].version

    @property
    def led_to(self) -> End | None:
        """The translated destination; None if the destination is not translated."""
        return self.answered_from if self.answered_from != self.target else None

    @property
    def leaves_as(self) -> End | None:
        """The translated source; None if the source is not translated."""
        return self.answered_to if self.answered_to != self.source else None
