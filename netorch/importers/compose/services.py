"""Services of a compose project: which Compose starts, and in which networks they are."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

from netorch.importers.compose.networks import ComposeNetwork, Members
from netorch.importers.compose.project import Project
from netorch.importers.draft import Draft
from netorch.importers.items import Item, Reader
from netorch.importers.names import node_names

DEFAULT_BRIDGE = "bridge"
"""The key of the network `docker0`, which services with `network_mode: bridge` are in."""


MOST_REPLICAS = 10_000
"""The most nodes of one service, because a file of somebody else may have any number."""


class Service:
    """A service that Compose starts."""

    def __init__(self, key: str, item: Item, mode: str, memberships: dict[str, Item]) -> None:
        self.key, self.item = key, item
        self.mode = mode
        """Its `network_mode`, "" if it is in networks."""
        self.memberships = memberships
        """Key of a network → the settings of the membership."""
        self.nodes: list[str] = []
        """The names of its nodes, several with replicas. Empty if its programs run on the host, or
        in a namespace that netorch does not make.
        """


class Services:
    """The services that Compose starts without further options, with the draft to fill."""

    def __init__(self, project: Project, draft: Draft, read: Reader) -> None:
        self.project, self.draft, self.read = project, draft, read
        self.uncertain: set[str] = set()
        """Nodes whose programs change the network, which the topology does not show."""
        self.networks: dict[str, ComposeNetwork] = {}
        """Key → network that a service is in, once `networks.read_networks` has read them."""
        profiles = project.variables.get("COMPOSE_PROFILES", "").split(",")
        self._profiles = {one.strip() for one in profiles}
        self.all = [
            self._service(key, item)
            for key, item in project.services.items()
            if self._is_active(key, item)
        ]

    def find(self, key: str) -> Service | None:
        return next((one for one in self.all if one.key == key), None)

    def members(self) -> dict[str, Members]:
        """Return key of a network → its members."""
        result: dict[str, Members] = {}
        for service in self.all:
            for key, item in service.memberships.items():
                members = result.setdefault(key, Members(item.place))
                if key not in self.project.networks and key != "default":
                    what = f"The service {service.key} is in the network {key}, which `networks` "
                    self.read.fault(item, what + "does not have.")
                for word in ("ipv4_address", "ipv6_address"):
                    with suppress(ValueError):  # because the membership reports it
                        members.addresses.append(ip_address(self.read.text(item.get(word), word)))
        return result

    def name_nodes(self) -> None:
        """Give names to the nodes of all services."""
        names = node_names()
        for service in self.all:
            item = service.item
            count = item.get("scale")
            if count.data is None:
                count = item.get("deploy").get("replicas")
            number = self.read.number(count, "replicas", 1, MOST_REPLICAS)
            if self.is_on_host(service) or (self.shared(service) and not self.holder(service)):
                continue
            name = names(service.key)
            service.nodes = [names(f"{name}-{one}") for one in range(1, number + 1)]
            if number == 1:
                service.nodes = [name]
            elif number < 1:
                text = f"service {service.key}"
                self.lose(("nodes", name), text, "it has 0 replicas", count)

    def is_on_host(self, service: Service) -> bool:
        """Return whether a service runs in the network namespace of the host."""
        return service.mode == "host" or any(
            self.networks[key].driver == "host" for key in service.memberships
        )

    def shared(self, service: Service) -> str:
        """Return the key of the service whose namespace this one shares, "" if there is none."""
        kind, _, target = service.mode.partition(":")
        if kind == "service":
            return target
        if kind == "container":
            for other in self.all:
                own_name = self.read.text(other.item.get("container_name"), "container_name")
                if target in (own_name, f"{self.project.name}-{other.key}-1"):
                    return other.key
        return ""

    def holder(self, service: Service) -> Service | None:
        """Return the service whose namespace this one has in the end.

        None if netorch does not make that namespace, or Compose does not start the services.
        """
        other: Service | None = service
        for _ in self.all:
            if other is None or not (target := self.shared(other)):
                break
            other = self.find(target)
        if other is None or self.shared(other) or self.is_on_host(other):
            return None
        return None if other.mode.partition(":")[0] in ("container", "ns") else other

    def ordered(self, service: Service) -> dict[str, Item]:
        """Return the memberships in the order in which Docker takes networks for the default route.

        The first network has the default route: the one with the highest `gw_priority`, and of
        several with the same one the first by its name.
        """

        def rank(key: str) -> tuple[int, str]:
            item = service.memberships[key].get("gw_priority")
            return -self.read.number(item, "gw_priority", 0), self.networks[key].real_name

        keys = [key for key in service.memberships if self.networks[key].tree]
        return {key: service.memberships[key] for key in sorted(keys, key=rank)}

    def lose(
        self, path: tuple[str, ...], text: str, why: str, item: Item, matters: bool = False
    ) -> None:
        """Record a loss. `path` is the entry of the topology before which it stands."""
        self.draft.lose(path, text, why, item.place.text(), matters=matters)

    def _is_active(self, key: str, item: Item) -> bool:
        self.read.mapping(item, key)
        entries = self.read.sequence(item.get("profiles"), "profiles")
        profiles = [self.read.text(one, "profiles") for one in entries]
        if not profiles or self._profiles & {*profiles, "*"}:
            return True
        why = (
            f"Compose starts it only with the profile {' or '.join(profiles)}: write "
            f"COMPOSE_PROFILES={profiles[0]} into .env to import it"
        )
        self.lose(("nodes", key), f"service {key}", why, item)
        return False

    def _service(self, key: str, item: Item) -> Service:
        mode_item = item.get("network_mode")
        mode = self.read.text(mode_item, "network_mode")
        networks = item.get("networks")
        memberships = self._memberships(networks)
        if mode and memberships:
            what = f"The service {key} has both `network_mode` and `networks`."
            self.read.fault(mode_item, what, "Remove one of them.")
        if mode and ":" not in mode and mode not in ("host", "none"):
            return Service(
                key, item, "", {self._network_of(mode, mode_item): Item(None, item.place)}
            )
        if not mode and not memberships:
            memberships = {"default": Item(None, item.place)}
        return Service(key, item, mode, {} if mode else memberships)

    def _memberships(self, item: Item) -> dict[str, Item]:
        if isinstance(item.data, list):
            return {self.read.text(one, "networks"): one.with_data(None) for one in item.data}
        return self.read.mapping(item, "networks")

    def _network_of(self, mode: str, item: Item) -> str:
        """Return the key of the network that `network_mode` names."""
        networks = self.project.networks
        if mode in ("bridge", "default"):
            own = {"name": Item("bridge", item.place)}
            networks.setdefault(DEFAULT_BRIDGE, Item(own, item.place))
            return DEFAULT_BRIDGE
        for key, network in {**networks, "default": networks.get("default", item)}.items():
            own_name = self.read.text(network.get("name"), "name") or f"{self.project.name}_{key}"
            if own_name == mode:
                return key
        external = {"external": Item(True, item.place), "name": Item(mode, item.place)}
        networks.setdefault(mode, Item(external, item.place))
        return mode
