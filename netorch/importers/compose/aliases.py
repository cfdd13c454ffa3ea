"""Further names of nodes: those by which services reach one another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netorch.importers.compose.nodes import is_address
from netorch.importers.compose.services import Service, Services
from netorch.importers.items import Item
from netorch.language.names import HOST_GATEWAY

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
"""A name that a hosts file can have."""


def add_aliases(services: Services) -> None:
    """Add the names of all services to the nodes of the draft, which are complete."""
    aliases = _Aliases(services)
    for service in services.all:
        if service.nodes:
            aliases.add_names(service)
            aliases.add_links(service)
    for service in services.all:
        if service.nodes:
            aliases.add_extra_hosts(service)


class _Aliases:
    def __init__(self, services: Services) -> None:
        self.services, self.read = services, services.read
        self.nodes = services.draft.nodes
        self.owners: dict[str, str] = {}
        """A further name → the node that has it."""

    def add(self, node: str, text: str, item: Item) -> None:
        """Give a node a further name."""
        owner = text if text in self.nodes else self.owners.get(text)
        if not text or owner == node:
            return
        if not _NAME.fullmatch(text) or text == "localhost":
            why = "it is not a name that a hosts file can have"
        elif owner is not None:
            why = f"it is a name of {owner} already, and a name stands for one node"
        else:
            self.nodes[node].setdefault("aliases", []).append(text)
            self.owners[text] = node
            return
        self.services.lose(("nodes", node), f"the name {text}", why, item)

    def add_names(self, service: Service) -> None:
        first = service.nodes[0]
        if len(service.nodes) > 1:
            others = ", ".join(service.nodes[1:])
            text = f"the name {service.key} for {others}"
            why = f"an alias stands for one node, here {first}"
            self.services.lose(("nodes", first), text, why, service.item)
        for text, item in self._names(service):
            self.add(first, text, item)

    def _names(self, service: Service) -> Iterator[tuple[str, Item]]:
        read, item = self.read, service.item
        if len(service.nodes) > 1:
            yield service.key, item
        yield read.text(item.get("container_name"), "container_name"), item.get("container_name")
        hostname = read.text(item.get("hostname"), "hostname")
        yield hostname, item.get("hostname")
        if domain := read.text(item.get("domainname"), "domainname"):
            yield f"{hostname or service.key}.{domain}", item.get("domainname")
        for membership in service.memberships.values():
            for one in read.sequence(membership.get("aliases"), "aliases"):
                yield read.text(one, "aliases"), one

    def add_links(self, service: Service) -> None:
        for item in self.read.sequence(service.item.get("links"), "links"):
            target, _, alias = self.read.text(item, "links").partition(":")
            if target not in self.services.project.services:
                what = f"The service {service.key} has a link to {target}, which does not exist."
                self.read.fault(item, what)
            other = self.services.find(target)
            if other is not None and other.nodes:
                self.add(other.nodes[0], alias, item)
        for item in self.read.sequence(service.item.get("external_links"), "external_links"):
            text = f"external_links: {self.read.text(item, 'external_links')}"
            why = "netorch knows no container that this file does not have"
            self.services.lose(("nodes", service.nodes[0]), text, why, item, matters=True)

    def add_extra_hosts(self, service: Service) -> None:
        for host, item in self.read.pairs(service.item.get("extra_hosts"), "extra_hosts", "=:"):
            for one in self.read.sequence(item, "extra_hosts"):
                self._add_extra_host(service, host, one)

    def _add_extra_host(self, service: Service, host: str, item: Item) -> None:
        address = self.read.text(item, "extra_hosts").strip("[]")
        text, path = f"extra_hosts: {host}={address}", ("nodes", service.nodes[0])
        owner = host if host in self.nodes else self.owners.get(host)
        if self.services.shared(service):
            why = "it shares the namespace of another service: write it there"
        elif not _NAME.fullmatch(host) or host == "localhost":
            why = "it is not a name that a hosts file can have"
        elif address != HOST_GATEWAY and not is_address(address):
            why = "it is not an IP address"
        elif owner is not None:
            if address in self._addresses(owner):
                return
            why = f"{host} is a name of {owner} already"
        elif address == HOST_GATEWAY and not self._reaches_host(service):
            why = "the host has no address in its networks"
        elif other := next((one for one in self.nodes if address in self._addresses(one)), ""):
            self.add(other, host, item)
            return
        else:
            for node in service.nodes:
                entries = self.nodes[node].setdefault("extra_hosts", {})
                there = entries.get(host)
                several = [*(there if isinstance(there, list) else [there]), address]
                entries[host] = address if there is None else several
            return
        self.services.lose(path, text, why, item, matters=True)

    def _addresses(self, node: str) -> list[str]:
        """Return the addresses that the file gives to a node."""
        addresses: list[str] = []
        for membership in self.nodes[node].get("networks", {}).values():
            own = membership.get("address") if isinstance(membership, dict) else membership
            addresses += own if isinstance(own, list) else [own] if own else []
        return addresses

    def _reaches_host(self, service: Service) -> bool:
        """Return whether the host has an address in a network of a service."""
        networks = [self.services.networks[key] for key in service.memberships]
        return any(one.is_bridge and one.modes != {"segment"} for one in networks)
