"""Choose the ports of owners for published ports that leave the choice to netorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netorch.immutable import Value
from netorch.language.publish import Ports, PublishModel, host_text, ports_text
from netorch.resolve.desired import Complaint
from netorch.resolve.sharing import holder_of
from netorch.state.key import HOST
from netorch.topology import TopologyFile

LAST = 65535
"""The last port."""


class ChosenPorts(Value):
    """A topology in which every published port has a port of the owner."""

    topology: TopologyFile
    """The topology, with the chosen ports."""
    chosen: Mapping[str, tuple[str, ...]]
    """Node → the published ports for which netorch chose the owner's port, in the short form."""
    complaints: tuple[Complaint, ...]
    """The errors of the file: published ports for which no port is free."""


def choose_ports(topology: TopologyFile) -> ChosenPorts:
    """Choose the owner's port of each published port that has none, or a range for one port.

    It is the first port from the node's port on, or in the range, that no other entry of the same
    owner and protocol has. So entries with a port of their own come first, then the others in the
    order of the file.
    """
    entries = [
        (name, index, model)
        for name, node in topology.nodes.items()
        for index, model in enumerate(node.publish)
    ]
    if not any(model.is_open for _, _, model in entries):
        return ChosenPorts(topology, {}, ())
    taken: dict[tuple[str, str], set[int]] = {}
    for name, _, model in entries:
        if not model.is_open:
            place = _owner(topology, name, model), model.proto
            taken.setdefault(place, set()).update(_every(model.owner_port))
    chosen: dict[str, list[str]] = {}
    models: dict[str, dict[int, PublishModel]] = {}
    complaints: list[Complaint] = []
    waiting: dict[tuple[object, ...], Iterator[Ports]] = {}
    for name, index, model in entries:
        if not model.is_open:
            continue
        place = _owner(topology, name, model), model.proto
        used = taken.setdefault(place, set())
        # Ports never become free again, so an equal entry need not look at the first ones again.
        alike = (*place, model.port, model.to)
        candidates = waiting.setdefault(alike, _candidates(model))
        free = next((ports for ports in candidates if used.isdisjoint(_every(ports))), None)
        if free is None:
            complaints.append(_none_free(name, index, model))
            free = next(_candidates(model))
        used.update(_every(free))
        models.setdefault(name, {})[index] = done = model.model_copy(update={"port": free})
        text = f"{host_text(done.address)}{ports_text(free)}:{ports_text(done.to)}/{done.proto}"
        chosen.setdefault(name, []).append(text)
    nodes = dict(topology.nodes)
    for name, own in models.items():
        publish = [own.get(index, model) for index, model in enumerate(nodes[name].publish)]
        nodes[name] = nodes[name].model_copy(update={"publish": publish})
    whole = topology.model_copy(update={"nodes": nodes})
    texts = {name: tuple(ports) for name, ports in chosen.items()}
    return ChosenPorts(whole, texts, tuple(complaints))


def _candidates(model: PublishModel) -> Iterator[Ports]:
    """Yield the owner's ports that an entry could have, the best first."""
    if model.port is not None:
        yield from ((port, port) for port in _every(model.port))
        return
    first, last = model.to
    for start in range(first, LAST + 1 - (last - first)):
        yield start, start + last - first


def _every(ports: Ports) -> range:
    return range(ports[0], ports[1] + 1)


def _none_free(node: str, index: int, model: PublishModel) -> Complaint:
    among = "" if model.port is None else f" among {ports_text(model.port)}"
    return Complaint(
        "no-free-port",
        ("nodes", node, "publish", index),
        f"{node} publishes {model.proto} port {ports_text(model.to)}, but no port{among} is free,"
        " because others publish them.",
        "Write a larger range, or a free port.",
    )


def _owner(topology: TopologyFile, name: str, model: PublishModel) -> str:
    """Return the owner of the network in which a node publishes, "" if the file is wrong there.

    A host has the name of its machine, if the file has `hosts`.
    """
    node = topology.nodes.get(holder_of(topology.nodes, name))
    if node is None:
        return ""
    networks = [
        topology.networks[name]
        for name in (node.networks if model.network is None else [model.network])
        if name in topology.networks
    ]
    network = next(
        (entry for entry in networks if model.network is not None or "nat" in entry.modes), None
    )
    if network is None:
        return ""
    machine = network.on or node.on
    if network.node is not None and network.node != HOST:
        return network.node
    return HOST if machine is None else f"{HOST}.{machine}"
