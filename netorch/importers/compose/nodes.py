"""Nodes of the topology, one for each container of a service."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from netorch.importers.compose.keys import NETWORK_KEYS, NO_PROGRAMS, PROGRAM_KEYS
from netorch.importers.compose.memberships import Memberships
from netorch.importers.compose.ports import read_ports
from netorch.importers.compose.services import Service, Services
from netorch.importers.items import Item
from netorch.importers.shorten import only_or_all
from netorch.language import names

_DNS = (("servers", "dns"), ("search", "dns_search"), ("options", "dns_opt"))
"""Key of the topology → key of Compose."""
_FORWARDING = "net.ipv4.ip_forward"


def add_nodes(services: Services) -> None:
    """Put the nodes of all services into the draft."""
    services.name_nodes()
    nodes = _Nodes(services)
    for service in services.all:
        nodes.add(service)
    nodes.memberships.avoid_reserved()


class _Nodes:
    def __init__(self, services: Services) -> None:
        self.services, self.read, self.draft = services, services.read, services.draft
        self.memberships = Memberships(services)

    def add(self, service: Service) -> None:
        self.check_keys(service)
        if self.services.is_on_host(service):
            self.add_to_host(service)
        elif target := self.services.shared(service):
            self.add_to_other(service, target)
        else:
            for name in service.nodes:
                self.draft.set_place(("nodes", name), service.item.place.text())
                self.draft.nodes[name] = self.node(service, name)
            if service.nodes and not service.memberships:
                self.lose_mac(service, service.nodes[0], "the node has no network of the file")
            if service.nodes:
                self.lose_programs(service, service.nodes[0])

    def check_keys(self, service: Service) -> None:
        for key, item in self.read.mapping(service.item, service.key).items():
            if key not in PROGRAM_KEYS | NETWORK_KEYS and not key.startswith("x-"):
                self.read.fault(item, f"`{key}` is not a key of a service in Compose.")

    def lose_mac(self, service: Service, node: str, why: str) -> None:
        item = service.item.get("mac_address")
        if item.data:
            text = f"mac_address: {self.read.text(item, 'mac_address')}"
            self.services.lose(("nodes", node), text, why, item)

    def add_to_host(self, service: Service) -> None:
        self.draft.nodes.setdefault("host", {})
        why = "its programs run in the network of this machine, which is the node `host`"
        path = ("nodes", "host")
        self.services.lose(path, f"service {service.key}", why, service.item)
        self.lose_ports(service, path, "the ports of a program on the host are open anyway")

    def add_to_other(self, service: Service, target: str) -> None:
        """Add a service that runs in the network namespace of another one."""
        other, hops = self.services.find(target), 0
        while other is not None and (further := self.services.shared(other)):
            other, hops = self.services.find(further), hops + 1
            if hops > len(self.services.all):
                other = None
        mode = service.item.get("network_mode")
        if other is None:
            what = f"The service {service.key} shares the network of {target}, which Compose does "
            self.read.fault(mode, what + "not start.")
        elif self.services.is_on_host(other):
            self.add_to_host(service)
        elif (holder := self.services.holder(service)) is not None and holder.nodes:
            for name in service.nodes:
                is_renamed = len(service.nodes) == 1 and service.key != name
                label = {"label": service.key} if is_renamed else {}
                self.draft.nodes[name] = label | {"attach": f"node:{holder.nodes[0]}"}
            if service.nodes:
                path = ("nodes", service.nodes[0])
                self.lose_ports(service, path, f"only {target} can publish ports")
                for key in ("sysctls", *(key for _, key in _DNS)):
                    if (lost := service.item.get(key)).data:
                        why = f"it shares the namespace of {holder.key}: write it there"
                        self.services.lose(path, key, why, lost, matters=True)
                self.lose_mac(service, service.nodes[0], f"it shares the namespace of {holder.key}")
                self.lose_programs(service, service.nodes[0])
                if service.nodes[0] in self.services.uncertain:
                    self.services.uncertain |= set(holder.nodes)
        elif other.nodes:
            name = other.nodes[0]
            why = f"it shares the network of {target}: `netorch exec {name}` runs its programs"
            path = ("nodes", name)
            self.services.lose(path, f"service {service.key}", why, mode, matters=True)
            self.lose_ports(service, path, f"only {target} can publish ports")

    def node(self, service: Service, name: str) -> dict[str, Any]:
        """Return the node of a container."""
        item, path = service.item, ("nodes", name)
        node: dict[str, Any] = {}
        if len(service.nodes) == 1 and service.key not in ("", name):
            node["label"] = service.key
        kind, _, target = service.mode.partition(":")
        if kind == "container":
            node["attach"] = f"docker:{target}"
        elif kind == "ns":
            node["attach"] = f"path:{target}"
        elif service.mode not in ("", "none"):
            why = "netorch does not know this mode, and the node has no network"
            text, where = f"network_mode: {service.mode}", item.get("network_mode")
            self.services.lose(path, text, why, where, matters=True)
        memberships = self.services.ordered(service)
        networks = [self.services.networks[key] for key in memberships]
        sysctls = self.sysctls(service, name)
        if len(networks) > 1 and _FORWARDING not in sysctls:
            # because the containers of Docker forward IPv4, but not IPv6
            if any(one.has_ipv6 for one in networks):
                sysctls[_FORWARDING] = 1
            else:
                node["forwarding"] = True
        if networks:
            node["networks"] = {
                network.name: self.memberships.membership(service, name, network, index)
                for index, network in enumerate(networks)
            }
        if sysctls:
            node["sysctls"] = sysctls
        if (dns := self.dns(item)) and "attach" not in node:
            node["dns"] = dns
        return node

    def sysctls(self, service: Service, node: str) -> dict[str, Any]:
        sysctls: dict[str, Any] = {}
        for key, item in self.read.pairs(service.item.get("sysctls"), "sysctls"):
            value = self.read.text(item, key)
            try:
                names.sysctl_path(key)
            except ValueError:
                why = "netorch sets only sysctls below net"
                self.services.lose(("nodes", node), f"{key}: {value}", why, item)
            else:
                sysctls[key] = number(value)
        return sysctls

    def dns(self, item: Item) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for word, key in _DNS:
            values = []
            for one in self.read.sequence(item.get(key), key):
                text = self.read.text(one, key)
                if key == "dns" and not is_address(text):
                    self.read.fault(one, f"{text!r} is not an IP address.")
                elif text and text not in values:
                    values.append(text)
            if values:
                result[word] = only_or_all(values)
        return result

    def lose_programs(self, service: Service, node: str) -> None:
        for key, item in self.read.mapping(service.item, service.key).items():
            is_program = key in PROGRAM_KEYS
            if key == "deploy":
                is_program = bool(set(self.read.mapping(item, key)) - {"replicas"})
            if is_program:
                self.services.lose(("nodes", node), key, NO_PROGRAMS, service.item)

    def lose_ports(self, service: Service, path: tuple[str, ...], why: str) -> None:
        for port in read_ports(service.item.get("ports"), self.read):
            self.services.lose(path, f"port {port.text()}", why, port.item)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def number(text: str) -> int | str:
    """Return a whole number as such, and another text as it is."""
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text
