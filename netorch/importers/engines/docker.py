"""Reads what `docker network inspect` prints, with the containers in the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netorch.importers.compose import fill
from netorch.importers.compose.networks import ComposeNetwork
from netorch.importers.compose.project import Project
from netorch.importers.engines import HINT, Unread, item, networks_of, new_draft, unique
from netorch.importers.items import Faults, Item, Reader

if TYPE_CHECKING:
    from netorch.importers.draft import Draft
    from netorch.kernel.files.source_files import SourceFiles

_CONFIG = {
    "Subnet": "subnet",
    "IPRange": "ip_range",
    "Gateway": "gateway",
    "AuxAddress": "aux_addresses",
    "AuxiliaryAddresses": "aux_addresses",
}
"""The key of an address range in Docker → its key in a compose file."""
_KEYS = frozenset(
    (
        "ConfigFrom",
        "ConfigOnly",
        "Containers",
        "Driver",
        "EnableIPv4",
        "EnableIPv6",
        "IPAM",
        "Internal",
        "Labels",
        "Name",
        "Options",
    )
)
_IDENTITY = frozenset(("Created", "Id", "Scope"))
"""Keys that Docker chooses."""
_OF_CONTAINER = frozenset(("EndpointID", "IPv4Address", "IPv6Address", "MacAddress", "Name"))
_ENGINE = "only a container engine uses it"
_SWARM = "netorch knows no swarm"
_REASONS = {"Attachable": _ENGINE, "Ingress": _SWARM, "Peers": _SWARM, "Services": _SWARM}


def read(files: SourceFiles, name: str | None) -> Draft:
    """Return a topology with the networks, and a node for each container in them.

    Docker describes a network in other words than a compose file, but with the same meaning, so it
    is read as one. Raises NetorchError if the file cannot be read.
    """
    reader = Reader(Faults())
    draft = new_draft(files, name, "Docker")
    draft.note((), HINT.format(engine="docker"))
    networks: dict[str, Item] = {}
    services: dict[str, dict[str, Any]] = {}
    places: dict[str, Item] = {}
    unread = Unread(reader, _REASONS)
    for _, network in networks_of(files, reader):
        key = reader.text(network.get("Name"), "Name")
        if not key:
            reader.fault(network, "The network has no `Name`.")
        if not unique(networks, key, network, draft) or _is_template(network, key, reader, draft):
            continue
        networks[key] = _network(network, reader)
        unread.add(key, network, _KEYS | _IDENTITY)
        unread.add(key, network.get("IPAM"), ("Config", "Driver", "Options"), "IPAM")
        for config in reader.sequence(network.get("IPAM").get("Config"), "Config"):
            unread.add(key, config, _CONFIG, "IPAM")
        for container in reader.mapping(network.get("Containers"), "Containers").values():
            unread.add(key, container, _OF_CONTAINER, "a container")
            own_name = reader.text(container.get("Name"), "Name").lstrip("/")
            places.setdefault(own_name, container)
            services.setdefault(own_name, {})[key] = _membership(container, reader)
    nodes = {key: item({"networks": one}, places[key].place) for key, one in services.items()}
    project = Project(draft.tree["name"], nodes, networks, {}, {}, (), {}, {}, "")
    names: dict[str, str] = {}

    def take_names(used: dict[str, ComposeNetwork]) -> None:
        names.update({key: one.name for key, one in used.items()})

    fill(draft, project, reader, keep_all=True, adjust=take_names)
    unread.lose(draft, names)
    return draft


def _is_template(network: Item, key: str, read: Reader, draft: Draft) -> bool:
    """Return whether a network is only a template of others, and record it as lost then."""
    source = read.text(network.get("ConfigFrom").get("Network"), "Network")
    if source:
        text, why = f"ConfigFrom: {source}", "netorch takes what the network itself has"
        draft.lose(("networks", key), text, why, network.get("ConfigFrom").place.text())
    if not read.flag(network.get("ConfigOnly"), "ConfigOnly"):
        return False
    why = "other networks take its configuration, and no container can be in it"
    draft.lose(("networks",), f"network {key}", why, network.place.text())
    return True


def _network(network: Item, read: Reader) -> Item:
    """Return a network as an entry of `networks` in a compose file."""
    ipam = network.get("IPAM")
    configs = []
    for config in read.sequence(ipam.get("Config"), "Config"):
        entries = read.mapping(config, "Config")
        configs.append({_CONFIG[key]: one for key, one in entries.items() if key in _CONFIG})
    result = {
        "name": network.get("Name"),
        "driver": network.get("Driver"),
        "internal": network.get("Internal"),
        "enable_ipv6": network.get("EnableIPv6"),
        "driver_opts": network.get("Options"),
        "ipam": {
            "driver": ipam.get("Driver"),
            "config": configs,
            "options": ipam.get("Options"),
        },
    }
    if network.get("EnableIPv4").data is not None:
        result["enable_ipv4"] = network.get("EnableIPv4")
    if network.get("Labels").data:
        result["labels"] = network.get("Labels")
    return item(result, network.place)


def _membership(container: Item, read: Reader) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, word in (("IPv4Address", "ipv4_address"), ("IPv6Address", "ipv6_address")):
        if address := read.text(container.get(key), key).partition("/")[0]:
            result[word] = item(address, container.get(key).place)
    if read.text(container.get("MacAddress"), "MacAddress"):
        result["mac_address"] = container.get("MacAddress")
    return result
