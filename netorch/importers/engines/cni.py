"""Reads networks of CNI: lists of plugins, and files with one plugin."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network, summarize_address_range
from itertools import islice
from typing import TYPE_CHECKING, Any

from netorch.importers.compose.networks import Address, Network
from netorch.importers.engines import networks_of, new_draft
from netorch.importers.items import Faults, Item, Reader
from netorch.importers.names import network_names
from netorch.importers.shorten import only_or_all

if TYPE_CHECKING:
    from netorch.importers.draft import Draft
    from netorch.kernel.files.source_files import SourceFiles

_MAIN = ("bridge", "macvlan", "ipvlan", "ptp")
"""The plugins that make a network which netorch has words for."""
_CHAINED = {
    "portmap": "the runtime says which ports to publish: write `publish` into the nodes",
    "firewall": "netorch lets the packets of its networks pass by itself",
    "loopback": "`lo` of every node is up",
    "dhcp": "netorch asks no DHCP server",
    "tuning": "it holds for interfaces of nodes: write it into the memberships",
    "bandwidth": "write `impair` with a `rate` into the memberships",
    "sbr": "it holds for nodes: write `rules` and `routes` with a `table` into them",
}
"""Plugins that change no network here → why."""
_OF_NODES = {
    "vlan": "it makes an interface of the node: write one of `kind: vlan` into the node",
    "vrf": "it makes an interface of the node: write one of `kind: vrf` into the node",
    "dummy": "it makes an interface of the node: write one of `kind: dummy` into the node",
    "tap": "it makes an interface of the node: write one of `kind: tap` into the node",
    "host-device": "it moves an interface: write one of `kind: physical` into the node",
    "route-override": "it changes the routes of nodes: write `routes` into them",
}
"""Plugins that do something in nodes which netorch has words for → where to write it."""
_CARRIED = {
    "bridge": {"bridge", "ipMasq", "isDefaultGateway", "isGateway", "portIsolation"},
    "ptp": {"ipMasq"},
    "macvlan": {"master", "mode"},
    "ipvlan": {"master", "mode"},
}
"""Plugin → its keys that the topology has."""
_COMMON = frozenset(("cniVersion", "ipam", "mtu", "name", "type"))
_OF_LIST = frozenset(("cniVersion", "cniVersions", "name", "plugins"))
_OF_IPAM = {
    "host-local": {"gateway", "rangeEnd", "rangeStart", "ranges", "routes", "subnet", "type"},
    "static": {"addresses", "routes", "type"},
}
"""Type of ipam → its keys that are read."""
_OF_RANGE = frozenset(("gateway", "rangeEnd", "rangeStart", "subnet"))
_OF_ROUTE = frozenset(("dst", "gw"))
_WORDS = {
    "args": "the runtime gives it to one node",
    "capabilities": "the runtime says what they are for each node: write it into the nodes",
    "dataDir": "netorch keeps no files about addresses",
    "disableCheck": "only a runtime uses it",
    "disableGC": "only a runtime uses it",
    "disableContainerInterface": "the members have interfaces that are up",
    "dns": "it holds for nodes: write `dns` into them",
    "forceAddress": "netorch makes the bridge itself, and gives it no further addresses",
    "hairpinMode": "it holds for ports of members: write `port: {hairpin: true}` into memberships",
    "ipMasqBackend": "netorch chooses the packet filter itself",
    "linkInContainer": "the parent is an interface of the host here",
    "promiscMode": "a network has no such flag",
    "resolvConf": "it holds for nodes: write `dns` into them",
    "runtimeConfig": "the runtime gives it to one node",
}
"""Key of a plugin → why the topology does not have it."""
_NO_WORD = "netorch has no word for it"
_MATTERS = frozenset(
    ("disableContainerInterface", "linkInContainer", "preserveDefaultVlan", "vlan", "vlanTrunk")
)
"""Keys that decide who reaches whom."""
_ON_BY_DEFAULT = frozenset(("preserveDefaultVlan",))
_FEW = 8
"""The largest number of subnets that stand for a range of addresses."""
_ALL = ("0.0.0.0/0", "::/0")


def read(files: SourceFiles, name: str | None) -> Draft:
    """Return a topology with the networks. Nobody is in them: CNI does not know the containers.

    Raises NetorchError if the file cannot be read.
    """
    reader = Reader(Faults())
    draft = new_draft(files, name, "CNI")
    names = network_names()
    for _, source in networks_of(files, reader):
        text = reader.text(source.get("name"), "name")
        if not text:
            reader.fault(source, "The network has no `name`.")
            continue
        network = _Network(names(text), draft, reader)
        if network.name in draft.networks:
            why = "a network before it has the same name"
            network.lose(f"network {text}", why, source.get("name"), matters=True)
            continue
        if network.name != text:
            network.tree["label"] = text
        network.read_list(source)
        if network.tree.keys() - {"label"}:
            draft.networks[network.name] = network.tree
            draft.set_place(("networks", network.name), source.place.text())
    if draft.networks:
        example = f"nodes: {{a: {{networks: [{next(iter(draft.networks))}]}}}}"
        draft.note(("nodes",), f"nobody is in the networks: add `{example}`")
    reader.faults.done()
    return draft


class _Network:
    def __init__(self, name: str, draft: Draft, read: Reader) -> None:
        self.name, self.draft, self.read = name, draft, read
        self.tree: dict[str, Any] = {}
        """The network in the topology. Empty if netorch cannot make it."""
        self.main = ""
        """The plugin that makes the network."""

    def read_list(self, source: Item) -> None:
        """Read a list of plugins, or a plugin alone."""
        plugins = source.get("plugins")
        if plugins.data is None:
            self.add(source)
            return
        for key, entry in self.read.others(source, "the network", _OF_LIST):
            self.lose_key(key, "", entry)
        for plugin in self.read.sequence(plugins, "plugins"):
            self.add(plugin)

    def add(self, plugin: Item) -> None:
        """Add what a plugin of the network does."""
        kind = self.read.text(plugin.get("type"), "type")
        if kind in _MAIN and not self.main:
            self.main = kind
            self.add_main(plugin, kind)
        elif kind in _MAIN:
            why = f"the plugin {self.main} makes the network already"
            self.lose(f"plugin {self.words(plugin)}", why, plugin, matters=True)
        elif kind in _CHAINED:
            policy = self.read.text(plugin.get("ingressPolicy"), "ingressPolicy")
            isolates = kind == "firewall" and policy in ("same-bridge", "isolated")
            carried = ("ingressPolicy",) if isolates else ()
            self.lose(f"plugin {self.words(plugin, *carried)}", _CHAINED[kind], plugin)
            if isolates:
                self.tree.pop("isolated", None)
                if self.tree.get("mode") not in ("nat", "host-only"):
                    self.tree["isolated"] = True
        else:
            why = _OF_NODES.get(kind, "netorch does not know it")
            self.lose(f"plugin {self.words(plugin)}", why, plugin, matters=True)

    def words(self, plugin: Item, *carried: str) -> str:
        """Return a plugin with its keys that are not carried over."""
        rest = self.read.others(plugin, "plugins", ("type", "cniVersion", "name", *carried))
        words = ", ".join(f"{key}: {self.read.words(one)}" for key, one in rest)
        kind = self.read.text(plugin.get("type"), "type")
        return f"{kind} ({words})" if words else kind

    def add_main(self, plugin: Item, kind: str) -> None:
        """Add the plugin that makes the network."""
        ipam = plugin.get("ipam")
        self.read.mapping(ipam, "ipam")
        if kind in ("bridge", "ptp"):
            self.add_bridge(plugin, kind)
        else:
            self.add_link(plugin, kind)
        self.add_addresses(ipam)
        self.add_routes(ipam)
        mtu = self.read.number(plugin.get("mtu"), "mtu", 0)
        if mtu not in (0, 1500):
            self.tree["mtu"] = mtu
            self.place("mtu", plugin.get("mtu"))
        for key, entry in self.read.others(plugin, "plugins", _CARRIED[kind] | _COMMON):
            if entry.data not in (False, 0) or key in _ON_BY_DEFAULT:
                self.lose_key(key, f" of {kind}", entry)

    def lose_key(self, key: str, of: str, entry: Item) -> None:
        text = f"{key}: {self.read.words(entry)}{of}"
        if key in _ON_BY_DEFAULT and entry.data is True:
            return
        self.lose(text, _WORDS.get(key, _NO_WORD), entry, key in _MATTERS)

    def place(self, key: str | int, item: Item, *more: str | int) -> None:
        """Remember the place of a key of the network."""
        self.draft.set_place(("networks", self.name, key, *more), item.place.text())

    def add_bridge(self, plugin: Item, kind: str) -> None:
        read = self.read
        is_default = kind == "ptp" or read.flag(plugin.get("isDefaultGateway"), "isDefaultGateway")
        is_gateway = is_default or read.flag(plugin.get("isGateway"), "isGateway")
        routes = read.sequence(plugin.get("ipam").get("routes"), "routes")
        targets = [read.text(one.get("dst"), "dst") for one in routes]
        is_default = is_default or any(one in _ALL for one in targets)
        masquerades = read.flag(plugin.get("ipMasq"), "ipMasq")
        if not is_gateway:
            self.tree["node"] = "host"
            if masquerades:
                why = "without `isGateway` the host has no address in the network"
                self.lose("ipMasq: true", why, plugin.get("ipMasq"))
        elif not is_default and not masquerades:
            self.tree |= {"mode": "host-only", "isolated": False}
        elif masquerades:
            self.tree |= {"mode": "nat", "isolated": False}
        else:
            self.tree["mode"] = "routed"
        if is_gateway and masquerades and not is_default:
            why = "the members have a default route: write `default_route: false` into memberships"
            self.lose("isDefaultGateway: false", why, plugin.get("ipMasq"), matters=True)
        if kind == "bridge":
            bridge = read.text(plugin.get("bridge"), "bridge") or "cni0"
            if bridge != self.name:
                self.tree["bridge"] = bridge
                self.place("bridge", plugin.get("bridge"))
            if read.flag(plugin.get("portIsolation"), "portIsolation"):
                self.tree["port_isolation"] = True
        else:
            why = "netorch makes a bridge, on which the nodes reach each other as well"
            self.lose("plugin ptp", why, plugin)

    def add_link(self, plugin: Item, kind: str) -> None:
        self.tree["driver"] = kind
        if parent := self.read.text(plugin.get("master"), "master"):
            self.tree["parent"] = parent
            self.place("parent", plugin.get("master"))
        else:
            why = "without it CNI takes the interface of the default route: write it as `parent`"
            self.lose("master", why, plugin, matters=True)
        mode = self.read.text(plugin.get("mode"), "mode")
        if mode not in ("", "bridge", "l2"):
            self.tree["driver_mode"] = mode
            self.place("driver_mode", plugin.get("mode"))

    def add_addresses(self, ipam: Item) -> None:
        read = self.read
        kind = read.text(ipam.get("type"), "type")
        if kind == "host-local":
            entries = [ipam] if ipam.get("subnet").data is not None else []
            for group in read.sequence(ipam.get("ranges"), "ranges"):
                for one in read.sequence(group, "ranges"):
                    entries.append(one)
                    for key, entry in read.others(one, "ranges", _OF_RANGE):
                        self.lose_key(key, " of a range", entry)
            self.add_ranges(entries)
        elif kind == "static":
            for one in read.sequence(ipam.get("addresses"), "addresses"):
                more = read.others(one, "addresses", ("address",))
                words = read.words(one) if more else read.text(one.get("address"), "address")
                text = f"address {words}"
                why = "no node is in the network yet: write it into the membership of the node"
                self.lose(text, why, one, matters=True)
        elif kind:
            rest = read.others(ipam, "ipam", ("type",))
            words = "".join(f", {key}: {read.words(one)}" for key, one in rest)
            why = "netorch asks nobody for addresses: write the `subnet`, with an `ip_range`"
            self.lose(f"ipam {kind}{words}", why, ipam, matters=True)
        if kind in _OF_IPAM:
            for key, entry in read.others(ipam, "ipam", _OF_IPAM[kind]):
                self.lose_key(key, " of ipam", entry)

    def add_routes(self, ipam: Item) -> None:
        """Add the routes of the members, but for the default route."""
        if self.read.text(ipam.get("type"), "type") not in _OF_IPAM:
            return
        for route in self.read.sequence(ipam.get("routes"), "routes"):
            target = self.read.text(route.get("dst"), "dst")
            gateway = self.read.text(route.get("gw"), "gw")
            for key, entry in self.read.others(route, "routes", _OF_ROUTE):
                text = f"{key}: {self.read.words(entry)} of the route to {target}"
                self.lose(text, _NO_WORD, entry)
            own = self.gateway_to(target)
            if target in _ALL:
                if gateway not in ("", own) or not own:
                    self.lose_default_route(target, gateway, route)
            elif gateway or own:
                routes = self.tree.setdefault("routes", [])
                self.place("routes", route, len(routes))
                routes.append({"to": target, "via": gateway or own})
            else:
                why = "the route has no gateway"
                self.lose(f"route to {target}", why, route, matters=True)

    def lose_default_route(self, target: str, gateway: str, route: Item) -> None:
        """Record a default route that the network does not give."""
        if "driver" in self.tree and (gateway or self.tree.get("gateway")):
            self.tree.setdefault("gateway", gateway)
            self.place("gateway", route)
            return
        text = f"route to {target}" + (f" by {gateway}" if gateway else "")
        why = "the network has no gateway: write `gateway`, with the member that it is"
        if "mode" in self.tree:
            why = f"the default route of the members leads to {self.gateway_to(target)} here"
        self.lose(text, why, route, matters=bool(gateway))

    def gateway_to(self, target: str) -> str:
        """Return the gateway that the members have for a destination, "" if there is none."""
        if "mode" not in self.tree:
            return ""
        gateways = _as_list(self.tree.get("gateway"))
        gateways += [str(ip_network(one)[1]) for one in _as_list(self.tree.get("subnet"))]
        return next((one for one in gateways if (":" in one) == (":" in target)), "")

    def add_ranges(self, entries: list[Item]) -> None:
        """Add the subnets of an ipam of type host-local, with their ranges and gateways."""
        subnets: list[str] = []
        ranges: list[str] = []
        gateways: list[str] = []
        for entry in entries:
            text = self.read.text(entry.get("subnet"), "subnet")
            try:
                subnet = ip_network(text, strict=False)
                bounds = [
                    ip_address(self.read.text(entry.get(key), key)) if entry.get(key).data else None
                    for key in ("rangeStart", "rangeEnd", "gateway")
                ]
                first, last, gateway = bounds
                parts = summarize_address_range(first or subnet[0], last or subnet[-1])
                few = [str(one) for one in islice(parts, _FEW + 1)]
            except (ValueError, TypeError):
                what = f"{text!r} is not a subnet with a range and a gateway."
                self.read.fault(entry, what)
                continue
            if ip_interface(text).ip != subnet[0]:
                why = f"netorch writes {subnet}, because a subnet has no address of a host"
                self.lose(f"subnet: {text}", why, entry.get("subnet"))
            if str(subnet) not in subnets:
                subnets.append(str(subnet))
            if gateway is not None:
                self.add_gateway(gateways, gateway, subnet, entry.get("gateway"))
            if (first is not None or last is not None) and few != [str(subnet)]:
                if len(few) <= _FEW:
                    ranges += few
                else:
                    why = "it does not consist of few subnets"
                    self.lose(f"range {first or subnet[0]} to {last or subnet[-1]}", why, entry)
        for key, values in (("subnet", subnets), ("ip_range", ranges), ("gateway", gateways)):
            if values:
                self.tree[key] = only_or_all(values)
                self.place(key, entries[0])

    def add_gateway(
        self, gateways: list[str], gateway: Address, subnet: Network, entry: Item
    ) -> None:
        text = f"gateway: {gateway}"
        if gateway not in subnet:
            why = f"it is not an address of the subnet {subnet}"
            self.lose(text, why, entry, matters=True)
        elif self.tree.get("node"):
            why = "nobody in the network has it yet: write `gateway`, with the member that it is"
            self.lose(text, why, entry, matters=True)
        elif gateway != subnet[1] or "driver" in self.tree:
            gateways.append(str(gateway))

    def lose(self, text: str, why: str, item: Item, matters: bool = False) -> None:
        path = ("networks", self.name)
        self.draft.lose(path, text, why, item.place.text(), matters=matters)


def _as_list(value: Any) -> list[str]:
    return [*value] if isinstance(value, list) else [value] if value else []
