"""The sysctls of a namespace that decide about packets, combined as the kernel does.

Documentation/networking/ip-sysctl of Linux describes them.
"""

from __future__ import annotations

from collections.abc import Mapping

from netorch.immutable import Value, field

TTL = 64
"""The default TTL."""


class Settings(Value):
    """The sysctls of a namespace."""

    values: Mapping[str, str] = field(default_factory=dict)
    """Path below /proc/sys → value."""

    def number(self, path: str, default: int = 0) -> int:
        """Return the value of one path, or `default` if it is unknown or not a number."""
        text = self.values.get(path, "")
        return int(text) if text.lstrip("-").isdigit() else default

    def own(self, version: int, name: str, iface: str, default: int = 0) -> int:
        """Return the interface's own value, for a sysctl where only that counts."""
        return self.number(f"net/ipv{version}/conf/{iface}/{name}", default)

    def most(self, version: int, name: str, iface: str) -> int:
        """Return the larger value of the interface and `all` (IN_DEV_MAXCONF, IN_DEV_ORCONF)."""
        return max(self.own(version, name, "all"), self.own(version, name, iface))

    def is_mute(self, version: int) -> bool:
        """Whether echo requests are not answered."""
        path = "net/ipv4/icmp_echo_ignore_all" if version == 4 else "net/ipv6/icmp/echo_ignore_all"
        return self.number(path) > 0

    def filters_bridges(self, version: int) -> bool:
        """Whether bridged frames go through the packet filter (br_netfilter)."""
        name = "iptables" if version == 4 else "ip6tables"
        return self.number(f"net/bridge/bridge-nf-call-{name}") > 0

    def ttl(self, version: int, iface: str) -> int:
        """Return the TTL of packets that are sent by an interface."""
        if version == 4:
            return self.number("net/ipv4/ip_default_ttl", TTL)
        return self.own(6, "hop_limit", iface, TTL)
