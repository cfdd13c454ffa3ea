"""The types of addresses and subnets, of either IP version."""

from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

Interface = IPv4Interface | IPv6Interface
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
