"""Published ports of services as `publish` of nodes."""

from __future__ import annotations

from netorch.immutable import replace
from netorch.importers.compose.networks import ComposeNetwork
from netorch.importers.compose.ports import HostPorts, Port, read_ports
from netorch.importers.compose.services import Service, Services
from netorch.render.yaml_text import flow

_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Address of the host that stands for all addresses → the one that a check can use."""

_OPENED = "Docker forwards no port of the host to a routed network, but opens the port itself"


def publish(services: Services) -> None:
    """Add `publish` to the nodes of the draft."""
    taken = HostPorts()
    fixed: list[Port] = []
    choices: list[Port] = []
    for service in services.all:
        # a service that shares a namespace has lost its ports already
        is_owner = service.nodes and not services.shared(service)
        for port in _possible(services, service) if is_owner else ():
            if port.is_choice:
                choices.append(port)
                nodes = service.nodes
            else:
                nodes = _owners(services, service, port, taken)
                fixed += [port] if nodes else []
            network = _network_to_name(services, service)
            for node in nodes:
                entries = services.draft.nodes[node].setdefault("publish", [])
                path = ("nodes", node, "publish", len(entries))
                services.draft.set_place(path, port.item.place.text())
                entries.append(port.entry(network))
    if choices:
        text = f"for {choices[0].text()} Docker takes any free port of the host, and netorch always"
        services.draft.note((), f"{text} the same one: `netorch validate` prints it")
    _note_check(services, fixed)
    _lose_addresses(services)


def _lose_addresses(services: Services) -> None:
    """Record the addresses of published ports that no port is published at."""
    publishing = {
        network.key
        for service in services.all
        if service.nodes
        and service.item.get("ports").data
        and (network := _publishing(services, service)) is not None
    }
    for key, network in services.networks.items():
        if network.publish_address and key not in publishing:
            text = f"host_binding_ipv4: {network.publish_address}"
            why = "no member publishes a port through this network"
            services.lose(("networks", network.name), text, why, network.publish_item)


def _note_check(services: Services, ports: list[Port]) -> None:
    """Add a comment with the check of a published port, which needs a program that listens."""
    for port in ports:
        if port.proto == "tcp" and port.published:
            to = _ANY.get(port.address, port.address)
            check = flow({"from": "host", "to": to, "tcp": port.published[0]})
            text = f"once a program listens on port {port.target[0]}, this passes as well: {check}"
            services.draft.note(("checks",), text)
            return


def _possible(services: Services, service: Service) -> list[Port]:
    """Return the ports of a service that its network can publish."""
    network = _publishing(services, service)
    result = []
    for port in read_ports(service.item.get("ports"), services.read):
        path, text = ("nodes", service.nodes[0]), f"port {port.text()}"
        for key in ("app_protocol", "name"):
            if (entry := port.item.get(key)).data:
                words, why = services.read.text(entry, key), "a published port has none"
                services.lose(path, f"{key}: {words}", why, entry)
        if network is None:
            services.lose(path, text, _reason(services, service), port.item)
        elif ":" in port.address and not network.has_ipv6:
            why = "the node has no IPv6 address, to which netorch could forward it"
            services.lose(path, text, why, port.item, matters=True)
        elif network.publish_address and not port.address:
            result.append(replace(port, address=network.publish_address))
        elif network.opens_ports:
            result += _of_other_version(services, network, port, path)
        else:
            result.append(port)
    return result


def _of_other_version(
    services: Services, network: ComposeNetwork, port: Port, path: tuple[str, ...]
) -> list[Port]:
    """Return a port for the only IP version of which Docker forwards ports of the host."""
    (version,) = network.versions - network.opens_ports
    if port.address and (":" in port.address) != (version == 6):
        services.lose(path, f"port {port.text()}", _OPENED, port.item)
        return []
    return [port if port.address else replace(port, address={4: "0.0.0.0", 6: "::"}[version])]


def _publishing(services: Services, service: Service) -> ComposeNetwork | None:
    """Return the network by which a service publishes its ports."""
    for key in services.ordered(service):
        network = services.networks[key]
        if network.publishes:
            return network
    return None


def _network_to_name(services: Services, service: Service) -> str:
    """Return the network that an entry of `publish` has to name, "" if it is the default one."""
    network = _publishing(services, service)
    assert network is not None, "the service publishes a port"
    networks = [services.networks[key] for key in services.ordered(service)]
    first = next((one for one in networks if "nat" in one.modes), None)
    return "" if first is network else network.name


def _reason(services: Services, service: Service) -> str:
    """Return why a service publishes no ports."""
    networks = [services.networks[key] for key in services.ordered(service)]
    if not networks:
        return "the node has no network"
    if any(one.opens_ports for one in networks):
        return _OPENED
    return "Docker publishes no ports of such a network either"


def _owners(services: Services, service: Service, port: Port, taken: HostPorts) -> list[str]:
    """Return the node that has a certain port of the host."""
    path, text = ("nodes", service.nodes[0]), f"port {port.text()}"
    if not taken.take(port):
        why = "another service publishes it already, so Docker would refuse it"
        services.lose(path, text, why, port.item, matters=True)
        return []
    if len(service.nodes) > 1:
        others = ", ".join(service.nodes[1:])
        why = "only one node can have a port of the host"
        services.lose(path, f"{text} of {others}", why, port.item, matters=True)
    return service.nodes[:1]
