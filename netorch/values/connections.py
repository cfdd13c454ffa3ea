"""Connections that the kernel remembers (conntrack), as plain data."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from netorch.immutable import Value

Address = IPv4Address | IPv6Address
End = tuple[Address, int]
"""An address and a port; 0 for a protocol without ports."""


class Connection(Value):
    """One entry. `answered_from` and `answered_to` are the ends of its answers, which differ from
    `target` and `source` where the connection is translated.
    """

    protocol: str
    """tcp, udp, sctp, icmp, icmpv6, or a number."""
    source: End
    target: End
    answered_from: End
    answered_to: End
    expected: bool = False
    """Whether another connection has announced it (the state `related`)."""
    key: bytes = b""
    """What the kernel knows the entry by: attributes of ctnetlink."""

    @property
    def version(self) -> int:
        return self.source[0].version

    @property
    def led_to(self) -> End | None:
        """Where it is led to instead of its target; None if the destination is not translated."""
        return self.answered_from if self.answered_from != self.target else None

    @property
    def leaves_as(self) -> End | None:
        """What it leaves with instead of its source; None if the source is not translated."""
        return self.answered_to if self.answered_to != self.source else None
