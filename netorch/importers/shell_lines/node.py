"""What the lines of one node have declared so far."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from netorch.immutable import Value
from netorch.importers.draft import Remark, SourceLine
from netorch.importers.shell_lines.arguments import IpInterface, NotCarriedError, is_ipv6

MAIN = 254
FIRST_RULE = 32766
"""The priority of the rule for the table main. A rule without a priority comes before all others
(fib_default_rule_pref in net/core/fib_rules.c).
"""
SEGMENTS = frozenset(("bridge", "bond"))
"""Kinds whose ports have no addresses."""


class Address(Value):
    interface: IpInterface
    """The address with the prefix length of its subnet, or of `peer`."""
    peer: str = ""
    scope: str = ""

    @property
    def version(self) -> int:
        return self.interface.version

    def entry(self) -> Any:
        """Return the address as an entry of the file."""
        text = str(self.interface)
        if not self.peer and not self.scope:
            return text
        entry = {"address": text}
        if self.peer:
            entry = {"address": f"{self.interface.ip}/{self.interface.network.prefixlen}"}
            entry["peer"] = self.peer
        if self.scope:
            entry["scope"] = self.scope
        return entry


class PortVlan(Value):
    """A VLAN of a port."""

    pvid: bool
    untagged: bool


class Interface:
    """An interface of the node.

    `entry` is the mapping of the draft that has its keys already, such as the end of a link. It is
    None for an interface that the lines make.
    """

    def __init__(
        self,
        name: str,
        *,
        kind: str = "",
        entry: dict[str, Any] | None = None,
        mtu: int = 1500,
    ) -> None:
        self.name, self.kind, self.entry = name, kind, entry
        self.mtu = mtu
        """The MTU that it has without a line about it."""
        self.up = entry is not None
        self.options: dict[str, Any] = {}
        """The keys of its kind."""
        self.settings: dict[str, Any] = {}
        """The keys that all kinds have, except addresses."""
        self.addresses: list[Address] = []
        """The addresses that the lines give to it."""
        self.subnets: list[Any] = []
        """The subnets of the addresses that it has without a line."""
        self.master = ""
        self.port: dict[str, Any] = {}
        """Its settings as a port of a bridge, except VLANs."""
        self.vlans: dict[int, PortVlan] = {}
        """Its VLANs as a port of a bridge, or those of the bridge interface itself."""

    def join_default_vlan(self, bridge: Interface) -> None:
        """Put it into the VLAN in which all ports of a bridge are without a line about it."""
        pvid = bridge.options.get("vlan_default_pvid", 1)
        if pvid:
            self.vlans[pvid] = PortVlan(True, True)

    @property
    def is_membership(self) -> bool:
        """Whether a network makes it."""
        return self.entry is not None and "node" not in self.entry


class Node:
    """A node under construction."""

    def __init__(self, name: str, *, forwards: bool = False) -> None:
        """`forwards` says whether it forwards packets without a line about it."""
        self.name = name
        self.interfaces = {"lo": Interface("lo", kind="lo")}
        self.interfaces["lo"].up = True
        self.routes: list[dict[str, Any]] = []
        """Entries of `routes`, each with its `metric` and `table`."""
        self.rules: list[dict[str, Any]] = []
        self.sysctls: dict[str, str] = {}
        """Path with dots → value."""
        self.forwards = {4: forwards, 6: forwards}
        """IP version → whether the node forwards packets."""
        self.nat: dict[tuple[int, str], list[Any]] = {}
        """IP version and chain of the table nat → its rules (`iptables.Rule`)."""
        self.filters: dict[tuple[int, str], list[Any]] = {}
        """IP version and chain of the table filter → its rules (`iptables.Rule`)."""
        self.policies: dict[tuple[int, str], Any] = {}
        """IP version and chain of the table filter → its policy (`iptables.Rule`)."""
        self.pings: list[str] = []
        """Destinations of pings."""
        self.name_servers: dict[str, list[str]] = {}
        """The keys of `dns`."""
        self.tables = {"main": MAIN, "default": 253, "local": 255}
        """Names of routing tables."""
        self.nexthops: dict[int, dict[str, Any]] = {}
        """Number of a next hop object → the keys that a route gets from it."""
        self.nexthop_users: list[tuple[int, dict[str, Any]]] = []
        """Numbers of next hop objects with the entries of `routes` that use them."""
        self.nexthop_members: dict[int, list[int]] = {}
        """Number of a next hop object → the objects of its group."""
        self.losses: list[Remark] = []
        self.lines: list[SourceLine] = []
        """The commands that are carried over."""
        self.drops_default_route: set[int] = set()
        """IP versions whose default route, which the runtime made, the lines remove."""

    def lose(self, text: str, why: str, where: str, *, matters: bool) -> None:
        self.losses.append(Remark(text, why, (where,) if where else (), matters))

    def interface(self, name: str) -> Interface:
        """Return an interface. Raise NotCarriedError if it does not exist."""
        interface = self.interfaces.get(name)
        if not name:
            raise NotCarriedError("the command is not complete: an interface is missing")
        if interface is None:
            raise NotCarriedError(f"the node has no interface {name}", matters=False)
        return interface

    def add_interface(self, name: str, kind: str) -> Interface:
        """Return a new interface. Raise NotCarriedError if the name is taken."""
        if name in self.interfaces:
            raise NotCarriedError(f"the node has an interface {name} already", matters=False)
        self.interfaces[name] = Interface(name, kind=kind)
        return self.interfaces[name]

    def remove_interface(self, name: str) -> None:
        interface = self.interface(name)
        if interface.entry is not None or interface.kind == "lo":
            raise NotCarriedError("a topology keeps its links while it exists")
        self.lose_routes(interface, 4, 6)
        del self.interfaces[name]
        for other in list(self.interfaces.values()):
            if other.master == name:
                other.master = ""
            if other.options.get("parent") == name or other.options.get("peer") == (
                f"{self.name}:{name}"
            ):
                self.interfaces.pop(other.name, None)

    def rename(self, name: str, new: str) -> None:
        interface = self.interface(name)
        if new in self.interfaces:
            raise NotCarriedError(f"the node has an interface {new} already", matters=False)
        self.interfaces = {
            (new if key == name else key): value for key, value in self.interfaces.items()
        }
        interface.name = new
        for other in self.interfaces.values():
            if other.master == name:
                other.master = new
            if other.options.get("parent") == name:
                other.options["parent"] = new
        if interface.entry is not None:
            interface.entry["name" if interface.is_membership else "interface"] = new

    def set_state(self, interface: Interface, up: bool) -> None:
        """Set an interface up or down. Linux removes routes and IPv6 addresses if it goes down."""
        if interface.up and not up:
            self.lose_routes(interface, 4, 6)
            interface.addresses = [one for one in interface.addresses if one.version == 4]
        interface.up = up

    def lose_routes(self, interface: Interface, *versions: int) -> None:
        """Remove the routes over an interface."""
        self.routes = [
            route
            for route in self.routes
            if version_of(route) not in versions or interface.name not in self.devices(route)
        ]

    def devices(self, route: dict[str, Any]) -> set[str]:
        """Return the interfaces over which a route leads."""
        hops = route.get("nexthops") or [route]
        return {
            device for hop in hops if (device := hop.get("dev") or self.device_to(hop.get("via")))
        }

    def device_to(self, gateway: str | None) -> str:
        """Return the interface whose subnet has a gateway, "" if there is none."""
        if not gateway:
            return ""
        address = ip_address(gateway)
        best = max(
            (
                (network.prefixlen, interface.name)
                for interface, network in self.subnets()
                if address in network
            ),
            default=(0, ""),
        )
        return best[1]

    def subnets(self) -> Iterator[tuple[Interface, Any]]:
        """Yield the interfaces with the subnets of their addresses, and of routes over them."""
        for interface in self.interfaces.values():
            yield from ((interface, subnet) for subnet in interface.subnets)
            for address in interface.addresses:
                if address.peer:
                    yield interface, ip_network(address.peer, strict=False)
                else:
                    yield interface, address.interface.network
        for route in self.routes:
            if "dev" in route and "via" not in route and route["dev"] in self.interfaces:
                everything = "::/0" if version_of(route) == 6 else "0.0.0.0/0"
                to = everything if route["to"] == "default" else route["to"]
                yield self.interfaces[route["dev"]], ip_network(to, strict=False)

    def ports(self, master: str) -> list[Interface]:
        return [one for one in self.interfaces.values() if one.master == master]


def version_of(entry: dict[str, Any]) -> int:
    """Return the IP version of a route."""
    if entry["to"] != "default":
        return 6 if is_ipv6(entry["to"]) else 4
    if "family" in entry:
        return 6 if entry["family"] == "ipv6" else 4
    hops = entry.get("nexthops") or [entry]
    return 6 if all(is_ipv6(hop.get("via", "")) for hop in hops) else 4
