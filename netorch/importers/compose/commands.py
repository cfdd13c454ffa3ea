"""Reads the commands of services that set up the network of their container.

`command: sh -c "ip route add … && exec nginx"` is such a command. Services that have none are left
alone.
"""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from typing import Any

from netorch.importers.compose.services import Service, Services
from netorch.importers.compose.variables import VariableError, interpolate
from netorch.importers.items import Item
from netorch.importers.shell_lines.node import MAIN, Interface, Node
from netorch.importers.shell_lines.reader import read_lines
from netorch.importers.shell_lines.write import write

_NETWORK_COMMAND = re.compile(
    r"(?<![\w./-])(?:ip (?:-\w+ )*(?:r|ro|route|a|ad|addr|address|l|li|link|ru|rule|neigh)\b"
    r"|ip6?tables\s+-|nft (?:add|-f)|ifconfig \w|route (?:add|del)|brctl \w|tc qdisc"
    r"|sysctl (?:-\w+ )*net\.)"
    r"(?!.*\b(?:show|list|ls|get)\b)"
)
"""A command of a shell that changes the network."""
_SEPARATOR = re.compile(r"&&|\|\||;|\n")


def read_commands(services: Services) -> None:
    """Put what the commands of all services declare into their nodes."""
    for service in services.all:
        words, places = _words(services, service)
        text = shlex.join(words)
        lines = _SEPARATOR.split(" ".join(words))
        if service.nodes and places and any(map(_NETWORK_COMMAND.search, lines)):
            for name in service.nodes:
                _read(services, service, name, text, places[-1].place.text())
            services.uncertain |= set(service.nodes)


def _words(services: Services, service: Service) -> tuple[list[str], list[Item]]:
    """Return the program of a service with its arguments, and the items that have them."""
    words: list[str] = []
    items: list[Item] = []
    for key in ("entrypoint", "command"):
        item = service.item.get(key)
        if item.data is None:
            continue
        items.append(item)
        parts = item.data if isinstance(item.data, list) else [item]
        texts = [_interpolated(services, str(one.data)) for one in parts]
        if isinstance(item.data, list):
            words += texts
        else:
            try:
                words += shlex.split(texts[0])
            except ValueError:
                words.append(texts[0])
    return words, items


def _interpolated(services: Services, text: str) -> str:
    with suppress(VariableError):
        return interpolate(text, services.project.variables, lambda name: None)
    return text


def _read(services: Services, service: Service, name: str, text: str, where: str) -> None:
    entry = services.draft.nodes[name]
    node = Node(name)
    given = _add_interfaces(services, service, node, entry)
    read_lines(node, text, lambda line: where)
    if given is not None and any(one is given for one in node.routes):
        node.routes = [one for one in node.routes if one is not given]
    elif given is not None or 4 in node.drops_default_route:
        for membership in entry.get("networks", {}).values():
            membership["default_route"] = False
    if entry.get("forwarding"):
        node.forwards = {4: False, 6: False}
    # because the command itself is a loss already, and what else it starts says nothing here
    node.losses = [one for one in node.losses if one.matters or _NETWORK_COMMAND.match(one.text)]
    node.pings.clear()
    write(node, services.draft)


def _add_interfaces(
    services: Services, service: Service, node: Node, entry: dict[str, Any]
) -> dict[str, Any] | None:
    """Add the interfaces of the memberships.

    Return the default route that the first network gives, None if it gives none.
    """
    networks = [services.networks[key] for key in services.ordered(service)]
    given: dict[str, Any] | None = None
    for index, network in enumerate(networks):
        membership = entry["networks"][network.name]
        if not isinstance(membership, dict):
            membership = {} if membership is None else {"address": membership}
            entry["networks"][network.name] = membership
        name = str(membership.get("name", f"eth{index}"))
        interface = Interface(name, entry=membership)
        interface.subnets = list(network.subnets)
        node.interfaces[name] = interface
        if index == 0 and network.is_bridge and not network.is_internal:
            subnet = next((one for one in network.subnets if one.version == 4), None)
            gateways = [one for one in network.gateway_addresses() if one.version == 4]
            given = {"to": "default", "metric": 0, "table": MAIN}
            if subnet is not None and gateways:
                given["via"] = str(gateways[0])
            node.routes.append(given)
    return given
