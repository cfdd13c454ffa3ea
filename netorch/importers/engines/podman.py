"""Reads what `podman network inspect` prints, and the files of netavark."""

from __future__ import annotations

from ipaddress import ip_address, ip_network, summarize_address_range
from typing import TYPE_CHECKING, Any

from netorch.importers.compose import fill
from netorch.importers.compose.networks import ComposeNetwork
from netorch.importers.compose.project import Project
from netorch.importers.engines import HINT, Unread, item, networks_of, new_draft, unique
from netorch.importers.items import Faults, Item, Reader
from netorch.importers.shorten import only_or_all

if TYPE_CHECKING:
    from netorch.importers.draft import Draft
    from netorch.kernel.files.source_files import SourceFiles

_MTU = "com.docker.network.driver.mtu"
_OPTIONS = frozenset(("isolate", "metric", "mode", "mtu", "no_default_route", "parent"))
"""The options that the topology has."""
_ISOLATIONS = ("", "true", "false", "strict")
_KEYS = frozenset(
    (
        "containers",
        "dns_enabled",
        "driver",
        "internal",
        "ipam_options",
        "ipv6_enabled",
        "name",
        "network_dns_servers",
        "network_interface",
        "options",
        "routes",
        "subnets",
    )
)
_IDENTITY = frozenset(("created", "id"))
"""Keys that Podman chooses."""
_REASONS = {
    "addresses": "a membership has one address of each IP version here",
    "dns_enabled": "netorch writes all names into `hosts` files",
    "interfaces": "the container has an interface in the network already",
    "labels": "only a container engine uses it",
}
_FEW = 8
"""The largest number of subnets that stand for a range of addresses."""


def read(files: SourceFiles, name: str | None) -> Draft:
    """Return a topology with the networks, and a node for each container in them.

    Raises NetorchError if the file cannot be read.
    """
    reader = Reader(Faults())
    draft = new_draft(files, name, "Podman")
    draft.note((), HINT.format(engine="podman"))
    networks: dict[str, Item] = {}
    services: dict[str, dict[str, Any]] = {}
    places: dict[str, Item] = {}
    sources: dict[str, Item] = {}
    unread = Unread(reader, _REASONS)
    for _, network in networks_of(files, reader):
        key = reader.text(network.get("name"), "name")
        if not key:
            reader.fault(network, "The network has no `name`.")
        if not unique(networks, key, network, draft):
            continue
        _add_unread(unread, key, network, reader)
        sources[key] = network
        networks[key] = _network(network, reader)
        for container in reader.mapping(network.get("containers"), "containers").values():
            own_name = reader.text(container.get("name"), "name")
            places.setdefault(own_name, container)
            services.setdefault(own_name, {})[key] = _membership(container, reader)
    nodes = {key: item({"networks": one}, places[key].place) for key, one in services.items()}
    project = Project(draft.tree["name"], nodes, networks, {}, {}, (), {}, {}, "")
    own = _Own(draft, sources, reader)
    fill(draft, project, reader, keep_all=True, adjust=own.adjust)
    own.add_to_nodes()
    unread.lose(draft, {key: one.name for key, one in own.networks.items()})
    reader.faults.done()
    return draft


def _add_unread(unread: Unread, key: str, network: Item, read: Reader) -> None:
    unread.add(key, network, _KEYS | _IDENTITY)
    if network.get("dns_enabled").data is False:
        unread.put(key, "dns_enabled", "dns_enabled: false", network.get("dns_enabled"))
    unread.add(key, network.get("ipam_options"), ("driver",), "ipam_options")
    for subnet in read.sequence(network.get("subnets"), "subnets"):
        unread.add(key, subnet, ("gateway", "lease_range", "subnet"), "a subnet")
    for route in read.sequence(network.get("routes"), "routes"):
        unread.add(key, route, ("destination", "gateway", "metric"), "a route")
    for container in read.mapping(network.get("containers"), "containers").values():
        unread.add(key, container, ("interfaces", "name"), "a container")
        interfaces = read.mapping(container.get("interfaces"), "interfaces")
        for interface in interfaces.values():
            unread.add(key, interface, ("mac_address", "subnets"), "an interface")
            texts = [
                read.text(one.get("ipnet"), "ipnet")
                for one in read.sequence(interface.get("subnets"), "subnets")
            ]
            for version in (True, False):
                for text in [one for one in texts if (":" in one) == version][:-1]:
                    unread.put(key, "addresses", f"address {text}", interface)
        for name in [*interfaces][1:]:
            text = f"interface {name} of {read.text(container.get('name'), 'name')}"
            unread.put(key, "interfaces", text, container)


def _network(network: Item, read: Reader) -> Item:
    """Return a network as an entry of `networks` in a compose file."""
    options = dict(read.pairs(network.get("options"), "options"))
    driver = read.text(network.get("driver"), "driver") or "bridge"
    opts: dict[str, Any] = {}
    interface = network.get("network_interface")
    parent = options.get("parent", interface)
    if driver in ("macvlan", "ipvlan") and parent.data:
        opts["parent"] = parent
    elif driver == "bridge" and interface.data:
        opts["com.docker.network.bridge.name"] = interface
    if "mtu" in options:
        opts[_MTU] = options["mtu"]
    if "mode" in options:
        opts[f"{driver}_mode"] = options["mode"]
    configs = []
    for subnet in read.sequence(network.get("subnets"), "subnets"):
        config: dict[str, Any] = {"subnet": subnet.get("subnet")}
        if read.text(subnet.get("gateway"), "gateway"):
            config["gateway"] = subnet.get("gateway")
        configs.append(config)
    texts = [read.text(one["subnet"], "subnet") for one in configs]
    has_ipv4 = any(":" not in one for one in texts) or not (texts or _has_no_addresses(network))
    result = {
        "name": network.get("name"),
        "driver": driver,
        "internal": network.get("internal"),
        "enable_ipv4": has_ipv4,
        "enable_ipv6": network.get("ipv6_enabled"),
        "driver_opts": opts,
        "ipam": {"config": configs},
    }
    return item(result, network.place)


def _has_no_addresses(network: Item) -> bool:
    return network.get("ipam_options").get("driver").data in ("dhcp", "none")


class _Own:
    """What Podman says about networks, and Compose has no words for."""

    def __init__(self, draft: Draft, sources: dict[str, Item], read: Reader) -> None:
        self.draft, self.sources, self.read = draft, sources, read
        self.networks: dict[str, ComposeNetwork] = {}

    def adjust(self, networks: dict[str, ComposeNetwork]) -> None:
        """Complete the networks of the draft."""
        self.networks = networks
        apart = [key for key in networks if self._isolate(key) in ("true", "strict")]
        for key, network in networks.items():
            if network.is_bridge and key not in apart:
                network.tree["isolated"] = False
                # because `isolate: true` keeps a network apart from others with `isolate` only
                reached = [networks[one].name for one in apart if self._isolate(one) == "true"]
                if reached:
                    network.tree["allow"] = reached
            self._add_ranges(network)
            self._add_routes(network)
            for option, entry in self._options(key).items():
                if option == "isolate" and self._isolate(key) not in _ISOLATIONS:
                    text, why = f"isolate: {self._isolate(key)}", "Podman has no such isolation"
                    self._lose(network, text, why, entry)
                if option not in _OPTIONS:
                    text = f"{option}: {self.read.text(entry, option)}"
                    why = "netorch has no word for it"
                    self._lose(network, text, why, entry, matters=option in ("vlan", "vrf"))
            driver = self.sources[key].get("ipam_options").get("driver")
            if driver.data in ("dhcp", "none"):
                why = "netorch asks no DHCP server: write the `subnet`, with an `ip_range`"
                if driver.data == "none":
                    why = "the members have no addresses"
                self._lose(network, f"ipam driver: {driver.data}", why, driver, matters=True)

    def _options(self, key: str) -> dict[str, Item]:
        return dict(self.read.pairs(self.sources[key].get("options"), "options"))

    def _isolate(self, key: str) -> str:
        options = self._options(key)
        return self.read.text(options["isolate"], "isolate") if "isolate" in options else ""

    def _add_ranges(self, network: ComposeNetwork) -> None:
        result: list[str] = []
        subnets = self.read.sequence(self.sources[network.key].get("subnets"), "subnets")
        for subnet in subnets:
            lease = subnet.get("lease_range")
            first, last = (self.read.text(lease.get(key), key) for key in ("start_ip", "end_ip"))
            if not first and not last:
                continue
            ranges = _ranges(self.read.text(subnet.get("subnet"), "subnet"), first, last)
            if 0 < len(ranges) <= _FEW:
                result += ranges
            else:
                text, why = f"lease_range: {first}-{last}", "it does not consist of few subnets"
                self._lose(network, text, why, lease)
        if result:
            network.tree["ip_range"] = only_or_all(result)

    def add_to_nodes(self) -> None:
        """Add the name servers that networks give to their members."""
        for key, network in self.networks.items():
            source = self.sources[key]
            servers = self.read.sequence(source.get("network_dns_servers"), "network_dns_servers")
            own_default = self._options(key).get("no_default_route")
            is_last = own_default is not None and self.read.flag(own_default, "no_default_route")
            nodes = [
                node
                for node in self.draft.nodes.values()
                if network.name in node.get("networks", {})
            ]
            for node in nodes:
                if servers:
                    addresses = [self.read.text(one, "network_dns_servers") for one in servers]
                    node["dns"] = {"servers": addresses}
                if is_last:
                    _set(node["networks"], network.name, "default_route", False)

    def _add_routes(self, network: ComposeNetwork) -> None:
        read = self.read
        options = self._options(network.key)
        if "metric" in options:
            network.tree["metric"] = read.number(options["metric"], "metric", 0)
        for route in read.sequence(self.sources[network.key].get("routes"), "routes"):
            entry: dict[str, Any] = {
                "to": read.text(route.get("destination"), "destination"),
                "via": read.text(route.get("gateway"), "gateway"),
            }
            if route.get("metric").data is not None:
                entry["metric"] = read.number(route.get("metric"), "metric", 0)
            if entry["via"] in self._addresses(network):
                network.tree.setdefault("routes", []).append(entry)
            else:
                text, why = f"route to {entry['to']}", f"nobody in the network has {entry['via']}"
                self._lose(network, text, why, route, matters=True)

    def _addresses(self, network: ComposeNetwork) -> set[str]:
        """Return the addresses of the network's gateways and members."""
        addresses = {str(one) for one in network.gateway_addresses()}
        containers = self.sources[network.key].get("containers")
        for container in self.read.mapping(containers, "containers").values():
            membership = _membership(container, self.read)
            for word in ("ipv4_address", "ipv6_address"):
                if word in membership:
                    addresses.add(membership[word].data)
        return addresses

    def _lose(
        self, network: ComposeNetwork, text: str, why: str, entry: Item, matters: bool = False
    ) -> None:
        path = ("networks", network.name)
        self.draft.lose(path, text, why, entry.place.text(), matters=matters)


def _ranges(subnet: str, first: str, last: str) -> list[str]:
    """Return the subnets that a lease range consists of. Empty if it is not a range."""
    try:
        network = ip_network(subnet, strict=False)
        start = ip_address(first) if first else network[0]
        end = ip_address(last) if last else network[-1]
        return [str(one) for one in summarize_address_range(start, end)]
    except (ValueError, TypeError):
        return []


def _set(memberships: dict[str, Any], network: str, key: str, value: Any) -> None:
    membership = memberships[network]
    if not isinstance(membership, dict):
        membership = {} if membership is None else {"address": membership}
    memberships[network] = {**membership, key: value}


def _membership(container: Item, read: Reader) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, interface in read.mapping(container.get("interfaces"), "interfaces").items():
        result["interface_name"] = item(name, interface.place)
        if interface.get("mac_address").data:
            result["mac_address"] = interface.get("mac_address")
        for subnet in read.sequence(interface.get("subnets"), "subnets"):
            address = read.text(subnet.get("ipnet"), "ipnet").partition("/")[0]
            word = "ipv6_address" if ":" in address else "ipv4_address"
            result[word] = item(address, subnet.place)
    return result
