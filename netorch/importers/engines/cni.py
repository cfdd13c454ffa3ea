"""Reads networks of CNI: lists of plugins, and files with one plugin."""

from __future__ import annotations

from ipaddress import ip_address, ip_network, summarize_address_range
from typing import TYPE_CHECKING, Any

from netorch.importers.engines import networks_of, new_draft
from netorch.importers.items import Faults, Item, Reader
from netorch.importers.names import Names
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
}
"""Plugins that need no words here → why."""
_BRIDGE_KEYS = frozenset(
    (
        "bridge",
        "capabilities",
        "disableContainerInterface",
        "forceAddress",
        "hairpinMode",
        "ipMasq",
        "ipMasqBackend",
        "isDefaultGateway",
        "isGateway",
        "portIsolation",
    )
)
_LINK_KEYS = frozenset(("capabilities", "linkInContainer", "master", "mode"))
_COMMON = frozenset(("args", "cniVersion", "ipam", "mtu", "name", "type"))
_FEW = 8
"""The largest number of subnets that stand for a range of addresses."""


def read(files: SourceFiles, name: str | None) -> Draft:
    """Return a topology with the networks. Nobody is in them: CNI does not know the containers.

    Raises NetorchError if the file cannot be read.
    """
    reader = Reader(Faults())
    draft = new_draft(files, name, "CNI")
    names = Names(63, frozenset(("default", "host", "all", "lo")))
    for _, source in networks_of(files, reader):
        text = reader.text(source.get("name"), "name")
        if not text:
            reader.fault(source, "The network has no `name`.")
            continue
        network = _Network(names(text), draft, reader)
        plugins = source.get("plugins")
        for plugin in reader.sequence(plugins, "plugins") if plugins.data is not None else [source]:
            network.add(plugin)
        if network.tree:
            draft.networks[network.name] = network.tree
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

    def add(self, plugin: Item) -> None:
        """Add what a plugin of the network does."""
        kind = self.read.text(plugin.get("type"), "type")
        if kind in _MAIN:
            known = _BRIDGE_KEYS if kind in ("bridge", "ptp") else _LINK_KEYS
            if kind in ("bridge", "ptp"):
                self.add_bridge(plugin, kind)
            else:
                self.add_link(plugin, kind)
            self.add_addresses(plugin.get("ipam"))
            self.add_routes(plugin.get("ipam"))
            mtu = self.read.number(plugin.get("mtu"), "mtu", 0)
            if mtu not in (0, 1500):
                self.tree["mtu"] = mtu
            for key, entry in self.read.mapping(plugin, "plugins").items():
                if key not in known | _COMMON and entry.data not in (None, "", False, 0, [], {}):
                    matters = key in ("vlan", "vlanTrunk")
                    self.lose(f"{key} of {kind}", "netorch has no word for it", entry, matters)
        elif kind in _CHAINED:
            self.lose(f"plugin {kind}", _CHAINED[kind], plugin)
            policy = self.read.text(plugin.get("ingressPolicy"), "ingressPolicy")
            if kind == "firewall" and policy in ("same-bridge", "isolated"):
                self.tree["isolated"] = True
        elif kind == "tuning":
            why = "it holds for interfaces of nodes: write it into the memberships"
            self.lose("plugin tuning", why, plugin)
        elif kind == "bandwidth":
            why = "write `impair` with a `rate` into the memberships"
            self.lose("plugin bandwidth", why, plugin)
        else:
            self.lose(f"plugin {kind}", "netorch does not know it", plugin, matters=True)

    def add_bridge(self, plugin: Item, kind: str) -> None:
        read = self.read
        is_default = kind == "ptp" or read.flag(plugin.get("isDefaultGateway"), "isDefaultGateway")
        is_gateway = is_default or read.flag(plugin.get("isGateway"), "isGateway")
        routes = read.sequence(plugin.get("ipam").get("routes"), "routes")
        targets = [read.text(one.get("dst"), "dst") for one in routes]
        is_default = is_default or any(one in ("0.0.0.0/0", "::/0") for one in targets)
        if not is_gateway:
            self.tree["node"] = "host"
        elif not is_default:
            self.tree |= {"mode": "host-only", "isolated": False}
        elif read.flag(plugin.get("ipMasq"), "ipMasq"):
            self.tree |= {"mode": "nat", "isolated": False}
        else:
            self.tree["mode"] = "routed"
        if kind == "bridge":
            bridge = read.text(plugin.get("bridge"), "bridge") or "cni0"
            if bridge != self.name:
                self.tree["bridge"] = bridge
            if read.flag(plugin.get("portIsolation"), "portIsolation"):
                self.tree["port_isolation"] = True
        else:
            why = "netorch makes a bridge, on which the nodes reach each other as well"
            self.lose("plugin ptp", why, plugin)

    def add_link(self, plugin: Item, kind: str) -> None:
        self.tree["driver"] = kind
        if parent := self.read.text(plugin.get("master"), "master"):
            self.tree["parent"] = parent
        else:
            why = "without it CNI takes the interface of the default route: write it as `parent`"
            self.lose("master", why, plugin, matters=True)
        mode = self.read.text(plugin.get("mode"), "mode")
        if mode not in ("", "bridge", "l2"):
            self.tree["driver_mode"] = mode

    def add_addresses(self, ipam: Item) -> None:
        read = self.read
        kind = read.text(ipam.get("type"), "type")
        if kind == "host-local":
            entries = [ipam] if ipam.get("subnet").data is not None else []
            for group in read.sequence(ipam.get("ranges"), "ranges"):
                entries += read.sequence(group, "ranges")
            self.add_ranges(entries)
        elif kind == "static":
            for one in read.sequence(ipam.get("addresses"), "addresses"):
                text = f"address {read.text(one.get('address'), 'address')}"
                why = "no node is in the network yet: write it into the membership of the node"
                self.lose(text, why, one, matters=True)
        elif kind:
            why = "netorch asks nobody for addresses: write the `subnet`, with an `ip_range`"
            self.lose(f"ipam {kind}", why, ipam, matters=True)

    def add_routes(self, ipam: Item) -> None:
        """Add the routes of the members, but for the default route."""
        subnets = self.tree.get("subnet", [])
        first = subnets if isinstance(subnets, str) else next(iter(subnets), "")
        for route in self.read.sequence(ipam.get("routes"), "routes"):
            target = self.read.text(route.get("dst"), "dst")
            if target in ("0.0.0.0/0", "::/0"):
                continue
            gateway = self.read.text(route.get("gw"), "gw")
            if not gateway and first and "mode" in self.tree:
                gateway = str(ip_network(first)[1])
            if gateway:
                self.tree.setdefault("routes", []).append({"to": target, "via": gateway})
            else:
                why = "the route has no gateway"
                self.lose(f"route to {target}", why, route, matters=True)

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
            except ValueError:
                what = f"{text!r} is not a subnet with a range and a gateway."
                self.read.fault(entry, what)
                continue
            if str(subnet) not in subnets:
                subnets.append(str(subnet))
            first, last, gateway = bounds
            if gateway is not None and (gateway != subnet[1] or "driver" in self.tree):
                gateways.append(str(gateway))
            if first is not None or last is not None:
                parts = [
                    str(one)
                    for one in summarize_address_range(first or subnet[0], last or subnet[-1])
                ]
                if len(parts) <= _FEW:
                    ranges += parts
                else:
                    why = "it does not consist of few subnets"
                    self.lose(f"range {first} to {last}", why, entry)
        for key, values in (("subnet", subnets), ("ip_range", ranges), ("gateway", gateways)):
            if values and not (key == "gateway" and self.tree.get("node")):
                self.tree[key] = only_or_all(values)

    def lose(self, text: str, why: str, item: Item, matters: bool = False) -> None:
        path = ("networks", self.name)
        self.draft.lose(path, text, why, item.place.text(), matters=matters)
