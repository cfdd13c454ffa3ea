"""Networks of a compose project as networks of a topology."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from netorch.importers.compose.project import Project
from netorch.importers.draft import Draft
from netorch.importers.items import Item, Place, Reader
from netorch.importers.names import network_names
from netorch.importers.shorten import only_or_all

_BRIDGE = "com.docker.network.bridge."
_DRIVERS = ("bridge", "macvlan", "ipvlan", "overlay", "host", "null", "none")
_OF_ENGINE = frozenset(("attachable", "labels"))
"""Keys that only the engine uses."""
_KEYS = _OF_ENGINE | {
    "driver",
    "driver_opts",
    "enable_ipv4",
    "enable_ipv6",
    "external",
    "internal",
    "ipam",
    "name",
}
_ENGINE = "only a container engine uses it"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Members:
    """What services say about a network that they are in."""

    def __init__(self, place: Place) -> None:
        self.place = place
        """The place where the first service joins it."""
        self.addresses: list[Address] = []
        """The static addresses of the members."""


class ComposeNetwork:
    """A network of a compose project that services are in."""

    def __init__(self, key: str, name: str, item: Item, project: Project) -> None:
        self.key = key
        """Its name in the compose file."""
        self.name = name
        """Its name in the topology."""
        self.item = item
        self.real_name = f"{project.name}_{key}"
        """The name that the engine gives to it."""
        self.driver = "bridge"
        self.is_external = False
        self.is_internal = False
        self.has_ipv4, self.has_ipv6 = True, False
        self.subnets: list[Network] = []
        self.gateways: list[Address] = []
        self.reserved: dict[Address, str] = {}
        """`aux_addresses`: addresses that no member gets, with their names."""
        self.publish_address = ""
        """The address of the host at which ports are published if they name none."""
        self.publish_item = Item(None, item.place)
        """The option that names it."""
        self.opens_ports: set[int] = set()
        """IP versions of which the engine forwards no ports of the host to the members."""
        self.interface_prefix = ""
        self.tree: dict[str, Any] = {}
        """The network in the topology."""

    @property
    def is_bridge(self) -> bool:
        return self.driver in ("bridge", "overlay")

    @property
    def publishes(self) -> bool:
        """Whether members can publish ports through this network."""
        leads_out = not self.modes.isdisjoint(("nat", "routed"))
        return self.is_bridge and leads_out and not self.versions <= self.opens_ports

    @property
    def versions(self) -> set[int]:
        """The IP versions of the network."""
        return {version for version, has in ((4, self.has_ipv4), (6, self.has_ipv6)) if has}

    @property
    def modes(self) -> set[str]:
        """The modes of the network for its IP versions."""
        mode = self.tree.get("mode", "segment")
        return {*mode.values()} if isinstance(mode, dict) else {mode}

    def set_mode(self, mode: str, version: int | None = None) -> None:
        """Set the mode for an IP version, None for both."""
        old = self.tree.get("mode", "segment")
        modes = dict(old) if isinstance(old, dict) else {"v4": old, "v6": old}
        others = self.versions - {version}
        if version is None or not others:
            self.tree["mode"] = mode
            return
        modes[f"v{version}"] = mode
        is_one = len({*modes.values()}) == 1
        self.tree["mode"] = mode if is_one else modes

    @property
    def place(self) -> Place:
        return self.item.place

    def gateway_addresses(self) -> set[Address]:
        """Return the addresses of gateways, with those that netorch takes by default."""
        result = set(self.gateways)
        if self.is_bridge:
            for subnet in self.subnets:
                if not any(one in subnet for one in self.gateways):
                    result.add(subnet[1])
        return result

    def subnet_of(self, address: Address) -> Network | None:
        return next((one for one in self.subnets if address in one), None)


def read_networks(
    project: Project,
    members: dict[str, Members],
    draft: Draft,
    read: Reader,
    keep_all: bool = False,
) -> dict[str, ComposeNetwork]:
    """Return key → network of those that services are in, and put them into the draft.

    `members` maps the key of a network to its members. Compose makes no network without members;
    with `keep_all` the draft has it nevertheless.
    """
    used = {key: item for key, item in project.networks.items() if keep_all or key in members}
    used |= {key: Item(None, one.place) for key, one in members.items() if key not in used}
    names = _names(list(used), project)
    parser = _Parser(project, draft, read)
    networks = {key: parser.network(key, names[key], item) for key, item in used.items()}
    for key, item in project.networks.items():
        if key not in used:
            why = "no service is in it, so Compose does not make it"
            if _is_external(item, read):
                why = "no service is in it, and it is external, so Compose does not make it"
            draft.lose(("networks", key), f"network {key}", why, item.place.text())
    for key, network in networks.items():
        if network.driver not in ("host", "none", "null"):
            addresses = members[key].addresses if key in members else []
            _put_subnets(network, addresses, draft)
            if key not in (network.name, "default"):
                network.tree = {"label": key} | network.tree
            draft.networks[network.name] = network.tree
            draft.set_place(("networks", network.name), network.place.text())
        elif network.driver != "host":
            why = "it connects its members to nothing"
            draft.lose(("networks", network.name), f"network {key}", why, network.place.text())
    return networks


def _is_external(item: Item, read: Reader) -> bool:
    external = item.get("external")
    return isinstance(external.data, dict) or read.flag(external, "external")


def _names(keys: list[str], project: Project) -> dict[str, str]:
    """Return key of a network → its name in the topology.

    The name is also that of its bridge on the host. `default` cannot be one, so the default network
    is named after the project.
    """
    names = network_names("none")
    result = {key: names(key) for key in keys if key != "default"}
    if "default" in keys:
        is_free = project.name not in result.values()
        result["default"] = names(project.name if is_free else f"{project.name}-default")
    return result


def _put_subnets(network: ComposeNetwork, addresses: list[Address], draft: Draft) -> None:
    """Write the subnets of a network, and choose those that static addresses need."""
    texts = [str(one) for one in network.subnets]
    for version, automatic in ((4, "auto"), (6, "auto6")):
        has_version = network.has_ipv4 if version == 4 else network.has_ipv6
        if not has_version or any(one.version == version for one in network.subnets):
            continue
        own = [one for one in addresses if one.version == version]
        subnet = _around(own)
        if subnet is None and "parent" in network.tree:
            text = f"the IPv{version} subnet that Docker chooses"
            why = "the members are on the segment of the parent: write the subnet of that segment"
            path = ("networks", network.name)
            draft.lose(path, text, why, network.place.text(), matters=True)
            continue
        texts.append(str(subnet or automatic))
        if subnet is not None:
            network.subnets.append(subnet)
            why = "chosen by netorch because of the addresses of the members"
            draft.note(("networks", network.name), f"the subnet {subnet}: {why}")
            gateway = next(one for one in subnet.hosts() if one not in own)
            if network.is_bridge and gateway != subnet[1]:
                network.gateways.append(gateway)
                network.tree["gateway"] = str(gateway)
    is_default = texts == ["auto"] and network.modes != {"segment"}
    if texts and not is_default:
        network.tree["subnet"] = only_or_all(texts)
    for key in ("ip_range", "gateway"):
        if key in network.tree:
            network.tree[key] = network.tree.pop(key)  # after the subnet


def _around(addresses: list[Address]) -> Network | None:
    """Return a subnet with all addresses, None if there are none or no usual one has them."""
    for length in (24, 16) if addresses and addresses[0].version == 4 else (64,):
        subnets = {ip_network(f"{one}/{length}", strict=False) for one in addresses}
        if len(subnets) == 1:
            return subnets.pop()
    return None


class _Parser:
    def __init__(self, project: Project, draft: Draft, read: Reader) -> None:
        self.project, self.draft, self.read = project, draft, read

    def network(self, key: str, name: str, item: Item) -> ComposeNetwork:
        read = self.read
        network = ComposeNetwork(key, name, item, self.project)
        entries = read.mapping(item, key)
        for word, entry in entries.items():
            if word in _OF_ENGINE:
                self.lose(network, entry, word, _ENGINE)
            elif word not in _KEYS and not word.startswith("x-"):
                read.fault(entry, f"`{word}` is not a key of a network in Compose.")
        if name_text := read.text(item.get("name"), "name"):
            network.real_name = name_text
        network.is_external = _is_external(item, read)
        if network.is_external:
            self.external(network)
            return network
        driver = read.text(item.get("driver"), "driver") or "bridge"
        network.driver = driver if driver in _DRIVERS else "bridge"
        if network.driver != driver:
            why = "netorch does not know this driver, and makes a bridge"
            self.lose(network, item.get("driver"), f"driver: {driver}", why, matters=True)
        network.is_internal = read.flag(item.get("internal"), "internal")
        network.has_ipv4 = read.flag(item.get("enable_ipv4"), "enable_ipv4", True)
        network.has_ipv6 = read.flag(item.get("enable_ipv6"), "enable_ipv6")
        if network.is_bridge:
            network.tree["mode"] = "host-only" if network.is_internal else "nat"
        elif network.driver in ("macvlan", "ipvlan"):
            network.tree["driver"] = network.driver
        if driver == "overlay":
            why = "netorch makes a bridge: on one machine the services reach each other as well"
            self.lose(network, item.get("driver"), "driver: overlay", why)
        options = dict(read.pairs(item.get("driver_opts"), "driver_opts"))
        for option, value in options.items():
            before = set(network.tree)
            self.option(network, option, value)
            for word in set(network.tree) - before:
                self.draft.set_place(("networks", name, word), value.place.text())
        self.ipam(network, read.mapping(item.get("ipam"), "ipam"))
        return network

    def external(self, network: ComposeNetwork) -> None:
        """Read a network that somebody else made."""
        external = network.item.get("external")
        if isinstance(external.data, dict) and external.get("name").data:
            network.real_name = self.read.text(external.get("name"), "name")
        elif not self.read.text(network.item.get("name"), "name"):
            network.real_name = network.key
        if network.real_name in ("host", "none"):
            network.driver = network.real_name
            return
        network.tree["mode"] = "nat"
        for key, entry in self.read.others(network.item, network.key, ("external", "name")):
            if key not in _OF_ENGINE and not key.startswith("x-"):
                why = "Compose reads only the name of an external network"
                self.lose(network, entry, f"{key}: {self.read.words(entry)}", why)
        why = (
            "netorch makes one in its place, which only the nodes of this file are in; a network "
            "with `bridge: NAME, existing: true` joins a bridge that exists"
        )
        text = f"the external network {network.real_name}"
        self.lose(network, network.item.get("external"), text, why, matters=True)

    def option(self, network: ComposeNetwork, option: str, value: Item) -> None:
        """Read an entry of `driver_opts`."""
        text = self.read.text(value, option)
        tree = network.tree
        short = option.removeprefix(_BRIDGE)
        if option in ("com.docker.network.driver.mtu", "mtu"):
            if text not in ("1500", "0", ""):
                tree["mtu"] = int(text) if text.isdecimal() else text
        elif option == "parent" and network.driver in ("macvlan", "ipvlan"):
            self.parent(network, text)
        elif option in ("macvlan_mode", "ipvlan_mode") and not network.is_bridge:
            if text not in ("bridge", "l2"):  # the defaults
                tree["driver_mode"] = text
        elif option == "com.docker.network.container_iface_prefix":
            network.interface_prefix = text
        elif not network.is_bridge or short == option:
            self.lose(network, value, f"{option}: {text}", "netorch has no word for it")
        elif short == "name":
            tree["bridge"] = text
        elif short == "enable_icc":
            if not self.read.flag(value, option, True):
                tree["port_isolation"] = True
        elif short == "host_binding_ipv4":
            network.publish_address = "" if text == "0.0.0.0" else text
            network.publish_item = value
        elif short == "enable_ip_masquerade":
            if not self.read.flag(value, option, True) and not network.is_internal:
                self.routed(network, value, option)
        elif short in ("gateway_mode_ipv4", "gateway_mode_ipv6"):
            self.gateway_mode(network, value, option)
        elif short == "default_bridge" or (short == "trusted_host_interfaces" and not text):
            pass
        else:
            self.lose(network, value, f"{option}: {text}", "netorch has no word for it", True)

    def gateway_mode(self, network: ComposeNetwork, value: Item, option: str) -> None:
        text = self.read.text(value, option)
        version = int(option[-1])
        if version not in network.versions:
            return
        if text in ("routed", "nat-unprotected"):
            if text == "routed":
                network.opens_ports.add(version)
            self.routed(network, value, option, version)
        elif text == "isolated":
            network.set_mode("segment")
        elif text not in ("", "nat"):
            why = "it is not a mode that Docker knows"
            self.lose(network, value, f"{option}: {text}", why, matters=True)

    def routed(
        self, network: ComposeNetwork, value: Item, option: str, version: int | None = None
    ) -> None:
        network.set_mode("routed", version)
        why = "everybody outside can reach all ports of the members, not only those published"
        text = f"{option}: {self.read.text(value, option)}"
        self.lose(network, value, text, why, matters=True)

    def parent(self, network: ComposeNetwork, text: str) -> None:
        """Read the parent of a macvlan or ipvlan. `eth0.20` is VLAN 20 of eth0."""
        if network.is_internal:
            self.lose(network, network.item, f"parent: {text}", "the network is internal")
            return
        device, dot, number = text.rpartition(".")
        if dot and number.isdigit() and 0 < int(number) < 4095:
            network.tree |= {"parent": device, "vlan": int(number)}
            note = f"if {text} exists already, write `parent: {text}` without `vlan`"
            self.draft.note(("networks", network.name), note)
        else:
            network.tree["parent"] = text

    def ipam(self, network: ComposeNetwork, ipam: dict[str, Item]) -> None:
        read = self.read
        driver = read.text(ipam["driver"], "driver") if "driver" in ipam else ""
        if driver not in ("", "default"):
            why = "netorch chooses addresses by itself"
            self.lose(network, ipam["driver"], f"ipam driver: {driver}", why)
        if "options" in ipam and ipam["options"].data:
            words = ", ".join(
                f"{key}: {read.words(one)}" for key, one in read.pairs(ipam["options"], "options")
            )
            why = "netorch has no word for them"
            self.lose(network, ipam["options"], f"ipam options: {words}", why)
        ranges: list[str] = []
        for config in read.sequence(ipam["config"], "config") if "config" in ipam else ():
            subnet = self.subnet(network, config)
            for name, entry in read.mapping(config, "config").items():
                if name == "subnet" or not read_scalar(entry):
                    continue
                if name == "gateway":
                    self.gateway(network, entry, subnet)
                elif name == "ip_range":
                    part = self.parse_subnet(entry, name)
                    if part is not None and subnet is not None:
                        ranges.append(str(part))
                    elif part is not None:
                        why = "it is not in a subnet of the network"
                        self.lose(network, entry, f"ip_range: {part}", why)
                elif name in ("aux_addresses", "auxiliary_addresses"):
                    for host, one in read.pairs(entry, name):
                        if (address := self.address(one, name)) is not None:
                            network.reserved[address] = host
                else:
                    read.fault(entry, f"`{name}` is not a key of ipam in Compose.")
        if ranges:
            network.tree["ip_range"] = only_or_all(ranges)
        is_default = all(self.is_default(network, one) for one in network.gateways)
        gateways = [] if is_default else [str(one) for one in network.gateways]
        if network.is_bridge and network.modes == {"segment"}:
            gateways = []
        if gateways:
            network.tree["gateway"] = only_or_all(gateways)

    def is_default(self, network: ComposeNetwork, gateway: Address) -> bool:
        """Return whether a gateway is the one that netorch takes without `gateway`."""
        subnet = network.subnet_of(gateway)
        return subnet is not None and network.is_bridge and gateway == subnet[1]

    def subnet(self, network: ComposeNetwork, config: Item) -> Network | None:
        entry = config.get("subnet")
        if not self.read.text(entry, "subnet"):
            return None
        subnet = self.parse_subnet(entry, "subnet")
        if subnet is None:
            return None
        if subnet.version == 6 and not network.has_ipv6:
            why = "the network does not have `enable_ipv6`, so Docker ignores it"
            self.lose(network, entry, f"subnet: {subnet}", why)
            return None
        if subnet.version == 4 and not network.has_ipv4:
            why = "the network has `enable_ipv4: false`"
            self.lose(network, entry, f"subnet: {subnet}", why)
            return None
        text = read_host_bits(self.read.text(entry, "subnet"), subnet)
        if text:
            why = f"netorch writes {subnet}, because a subnet has no address of a host"
            self.lose(network, entry, f"subnet: {text}", why)
        network.subnets.append(subnet)
        return subnet

    def gateway(self, network: ComposeNetwork, entry: Item, subnet: Network | None) -> None:
        gateway = self.address(entry, "gateway")
        if gateway is None:
            return
        if subnet is None or gateway not in subnet:
            why = "it is not in a subnet of the network"
            self.lose(network, entry, f"gateway: {gateway}", why)
        elif network.is_internal and not network.is_bridge:
            self.lose(network, entry, f"gateway: {gateway}", "the network is internal")
        elif network.tree.get("driver_mode") in ("l3", "l3s"):
            why = "an ipvlan of this mode routes without a gateway"
            self.lose(network, entry, f"gateway: {gateway}", why)
        elif gateway == subnet[0]:
            why = "no host can have the address of the subnet itself"
            self.lose(network, entry, f"gateway: {gateway}", why)
        else:
            network.gateways.append(gateway)

    def parse_subnet(self, entry: Item, name: str) -> Network | None:
        text = self.read.text(entry, name)
        try:
            return ip_network(text, strict=False)
        except ValueError:
            what = f"{text!r} is not a subnet such as 172.28.0.0/16."
            self.read.fault(entry, what)
            return None

    def address(self, entry: Item, name: str) -> Address | None:
        text = self.read.text(entry, name)
        try:
            return ip_address(text)
        except ValueError:
            self.read.fault(entry, f"{text!r} is not an IP address.")
            return None

    def lose(
        self, network: ComposeNetwork, item: Item, text: str, why: str, matters: bool = False
    ) -> None:
        path = ("networks", network.name)
        self.draft.lose(path, text, why, item.place.text(), matters=matters)


def read_host_bits(text: str, subnet: Network) -> str:
    """Return the text of a subnet if it has the address of a host, else ""."""
    address, slash, _ = text.partition("/")
    return text if slash and ip_address(address) != subnet[0] else ""


def read_scalar(item: Item) -> bool:
    """Return whether an item has a value."""
    return item.data not in (None, "", [], {})
