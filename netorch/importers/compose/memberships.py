"""Memberships of services in networks, with their addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import Any

from netorch.importers.compose.keys import MEMBERSHIP_KEYS
from netorch.importers.compose.networks import Address, ComposeNetwork, Network
from netorch.importers.compose.services import Service, Services
from netorch.importers.items import Item
from netorch.importers.shorten import only_or_all

_ENDPOINT = "com.docker.network.endpoint."
_IGNORED = "the network does not have `enable_ipv6`, so Docker ignores it"
_SYSCTL = re.compile(r"net\.ipv[46]\.conf\.IFNAME\.(\w+)")


class Memberships:
    """Reads the memberships of all services, and remembers the addresses that are taken."""

    def __init__(self, services: Services) -> None:
        self.services, self.read = services, services.read
        self.addresses: dict[tuple[str, str], str] = {}
        """Network and address → the node that has it."""

    def membership(
        self, service: Service, node: str, network: ComposeNetwork, index: int
    ) -> dict[str, Any] | str | None:
        """Return the membership of a node in its network number `index`."""
        read, item = self.read, service.memberships[network.key]
        for key, entry in read.mapping(item, network.key).items():
            if key not in MEMBERSHIP_KEYS and not key.startswith("x-"):
                read.fault(entry, f"`{key}` is not a key of a membership in Compose.")
        result: dict[str, Any] = {}
        addresses = self._addresses(service, node, network, item)
        if addresses:
            result["address"] = only_or_all(addresses)
        options = dict(read.pairs(item.get("driver_opts"), "driver_opts"))
        name = read.text(item.get("interface_name"), "interface_name")
        if f"{_ENDPOINT}ifname" in options:
            name = read.text(options.pop(f"{_ENDPOINT}ifname"), "ifname")
        if not name and network.interface_prefix:
            name = f"{network.interface_prefix}{index}"
        if name and name != f"eth{index}":
            result["name"] = name
        self._place(node, network, "name", item.get("interface_name"))
        mac_of_service = service.item.get("mac_address")
        mac = read.text(item.get("mac_address"), "mac_address")
        if index == 0 and not mac:
            mac = read.text(mac_of_service, "mac_address")
        mac_item = item.get("mac_address") if item.get("mac_address").data else mac_of_service
        if mac and len(service.nodes) == 1:
            result["mac"] = mac.lower().replace("-", ":")
            self._place(node, network, "mac", mac_item)
        elif mac:
            why = "the replicas of a service cannot all have it"
            self.services.lose(("nodes", node), f"mac_address: {mac}", why, mac_item)
        if f"{_ENDPOINT}sysctls" in options:
            result["sysctls"] = self._sysctls(options.pop(f"{_ENDPOINT}sysctls"))
        for option, value in options.items():
            text = f"{option}: {read.text(value, option)}"
            self.services.lose(("nodes", node), text, "netorch has no word for it", value)
        if item.get("priority").data not in (None, 0, "0"):
            text = f"priority: {read.text(item.get('priority'), 'priority')}"
            why = "the networks of a node are in the order in which they give it a default route"
            self.services.lose(("nodes", node), text, why, item.get("priority"))
        if result.keys() == {"address"} and isinstance(result["address"], str):
            return result["address"]
        return result or None

    def _place(self, node: str, network: ComposeNetwork, key: str, item: Item) -> None:
        path = ("nodes", node, "networks", network.name, key)
        self.services.draft.set_place(path, item.place.text())

    def _addresses(
        self, service: Service, node: str, network: ComposeNetwork, item: Item
    ) -> list[str]:
        result = []
        for key in ("ipv4_address", "ipv6_address"):
            entry = item.get(key)
            if not self.read.text(entry, key):
                continue
            try:
                address = ip_address(self.read.text(entry, key))
            except ValueError:
                what = f"{self.read.text(entry, key)!r} is not an IP address."
                self.read.fault(entry, what)
                continue
            if why := self._refusal(service, network, address):
                text = f"{key}: {address}"
                matters = why != _IGNORED
                self.services.lose(("nodes", node), text, why, entry, matters)
                continue
            self.addresses[network.name, str(address)] = node
            result.append(str(address))
        for entry in self.read.sequence(item.get("link_local_ips"), "link_local_ips"):
            text = f"link_local_ips: {self.read.text(entry, 'link_local_ips')}"
            why = "a member has only addresses of the subnets of its network"
            self.services.lose(("nodes", node), text, why, entry, matters=True)
        return result

    def _refusal(self, service: Service, network: ComposeNetwork, address: Address) -> str:
        """Return why a node cannot have an address, "" if it can."""
        if len(service.nodes) > 1:
            return "the replicas of a service cannot all have it"
        if address.version == 6 and not network.has_ipv6:
            return _IGNORED
        subnet = network.subnet_of(address)
        if subnet is None:
            return f"no subnet of {network.name} has it"
        if address in network.gateway_addresses():
            return f"it is the gateway of {network.name}"
        if address in (subnet[0], subnet[-1]) and subnet.num_addresses > 2:
            return f"no host can have the first or last address of {subnet}"
        if owner := self.addresses.get((network.name, str(address))):
            return f"{owner} has it already"
        return ""

    def _sysctls(self, item: Item) -> dict[str, Any]:
        """Return the sysctls of an interface, such as `net.ipv4.conf.IFNAME.rp_filter=2`."""
        sysctls: dict[str, Any] = {}
        for text in self.read.text(item, "sysctls").split(","):
            path, _, value = text.strip().partition("=")
            match = _SYSCTL.fullmatch(path)
            if match:
                sysctls[match[1]] = int(value) if value.isdigit() else value
            else:
                self.read.fault(item, f"{path!r} is not a sysctl of an interface.")
        return sysctls

    # aux_addresses

    def avoid_reserved(self) -> None:
        """Choose addresses of members that netorch would give a reserved address."""
        for network in self.services.networks.values():
            for subnet in network.subnets:
                reserved = {one: host for one, host in network.reserved.items() if one in subnet}
                if reserved:
                    self._avoid(network, subnet, reserved)

    def _avoid(
        self,
        network: ComposeNetwork,
        subnet: Network,
        reserved: dict[Address, str],
    ) -> None:
        nodes = self.services.draft.nodes
        automatic = [
            name
            for name, node in nodes.items()
            if network.name in node.get("networks", {})
            and not _has_address(node["networks"][network.name], subnet)
        ]
        candidates = self._free(network, subnet)
        taken = {*islice(candidates, len(automatic))}
        words = ", ".join(f"{host or 'address'} {one}" for one, host in reserved.items())
        if not taken & set(reserved):
            note = f"aux_addresses: {words}: no node of this file gets them"
            self.services.draft.note(("networks", network.name), note)
            return
        free = (one for one in self._free(network, subnet) if one not in reserved)
        for name, address in zip(automatic, free, strict=False):
            _add_address(nodes[name]["networks"], network.name, str(address))
        note = f"aux_addresses: {words}: netorch chose the addresses of the nodes, to avoid them"
        self.services.draft.note(("networks", network.name), note)

    def _free(self, network: ComposeNetwork, subnet: Network) -> Iterator[Address]:
        """Yield the addresses that netorch would give to members, in its order."""
        part = subnet
        for text in _as_list(network.tree.get("ip_range")):
            if ip_network(text).version == subnet.version:
                part = ip_network(text)
        gateways = network.gateway_addresses()
        edges = (subnet[0], subnet[-1])
        for address in part if part != subnet else subnet.hosts():
            is_taken = (network.name, str(address)) in self.addresses
            if not is_taken and address not in edges and address not in gateways:
                yield address


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _has_address(membership: Any, subnet: Network) -> bool:
    own = membership.get("address") if isinstance(membership, dict) else membership
    return any(ip_address(one.partition("/")[0]) in subnet for one in _as_list(own))


def _add_address(memberships: dict[str, Any], network: str, address: str) -> None:
    membership = memberships[network]
    if membership is None:
        memberships[network] = address
    elif isinstance(membership, str):
        memberships[network] = {"address": [membership, address]}
    elif "address" in membership:
        membership["address"] = [*_as_list(membership["address"]), address]
    else:
        memberships[network] = {"address": address, **membership}
