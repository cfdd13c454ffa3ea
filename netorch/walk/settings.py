"""Sysctls of a namespace that decide about packets, combined as the kernel does (Documentation/networking/ip-sysctl)."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.immutable import Value, field

TTL = 64


class Settings(Value):
    """`values`: path below /proc/sys → value."""

    values: Mapping[str, str] = field(default_factory=dict)

    def number(self, path: str, default: int = 0) -> int:
        """The value of one path; `default` where it is not known, or is not a number."""
        text = self.values.get(path, "")
        return int(text) if text.lstrip("-").isdigit() else default

    def own(self, version: int, name: str, iface: str, default: int = 0) -> int:
        """The interface's own value, which alone counts."""
        return self.number(f"net/ipv{version}/conf/{iface}/{name}", default)

    def most(self, version: int, name: str, iface: str) -> int:
        """The larger one of the interface's own value and that of all (IN_DEV_MAXCONF, IN_DEV_ORCONF)."""
        return max(self.own(version, name, "all"), self.own(version, name, iface))

    def is_mute(self, version: int) -> bool:
        """Whether no echo is answered."""
        path = "net/ipv4/icmp_echo_ignore_all" if version == 4 else "net/ipv6/icmp/echo_ignore_all"
        return self.number(path) > 0

    def filters_bridges(self, version: int) -> bool:
        """Whether frames from port to port of a bridge go through the packet filter."""
        name = "iptables" if version == 4 else "ip6tables"
        return self.number(f"net/bridge/bridge-nf-call-{name}") > 0

    def ttl(self, version: int, iface: str) -> int:
        """Routers that a packet may pass that is sent by this interface."""
        if version == 4:
            return self.number("net/ipv4/ip_default_ttl", TTL)
        return self.own(6, "hop_limit", iface, TTL)
