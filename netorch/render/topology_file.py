"""Writes a state as a topology file in low-level words: interfaces, links and routes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address, ip_interface
from typing import Any

from netorch.kinds.address import SCOPES, Address
from netorch.kinds.base.ip_tunnel import IpTunnel
from netorch.kinds.base.link import Link, link_key
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.bond import Primary, primary_key
from netorch.kinds.bridge import Bridge
from netorch.kinds.fdb import Fdb
from netorch.kinds.file import EXTRA_HOSTS, NodeFile
from netorch.kinds.geneve import Geneve
from netorch.kinds.impair import Impair, impair_key
from netorch.kinds.loopback import Loopback
from netorch.kinds.mac import PortMac
from netorch.kinds.name import SecondName
from netorch.kinds.neighbour import Neighbour
from netorch.kinds.netns import Netns
from netorch.kinds.peer import Peer, subnet_text
from netorch.kinds.port import Port, port_key
from netorch.kinds.route import IPV6_METRIC, MAIN, TYPES, Route
from netorch.kinds.rule import ACTIONS, Rule, conditions
from netorch.kinds.sysctl import Sysctl
from netorch.kinds.up import FLAGS, Up, up_key
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.kinds.vlans import PortVlans, Tag, VlanRange, vlans_key
from netorch.kinds.vrf import MTU as VRF_MTU
from netorch.kinds.vrf import Vrf
from netorch.kinds.vxlan import Vxlan
from netorch.kinds.wireguard import Wireguard
from netorch.language.impairment import OFF
from netorch.language.limits import IFNAMSIZ
from netorch.netlink import encap
from netorch.netlink.constants import (
    AF_INET6,
    FR_ACT_TO_TBL,
    RT_SCOPE_UNIVERSE,
    RTN_LOCAL,
    RTN_UNICAST,
)
from netorch.render import yaml_text
from netorch.state.key import HOST, Key, is_attached, label_text
from netorch.state.resource import Resource
from netorch.values.marks import Mark, read_alias
from netorch.values.requests import Attachment, Hop

Entries = dict[str, Any]


class LowLevelFile:
    """Collects the entries of a file, one resource after the other."""

    def __init__(
        self,
        name: str,
        state: Mapping[Key, Resource],
        prefix: str,
        attached: Mapping[str, Attachment],
        *,
        with_networks: bool = True,
        missing: Collection[str] = (),
    ) -> None:
        """Prepare to write a state. Without `with_networks`, the fabric is a node like others.

        `missing` are nodes that are not live: their names in hosts files are not aliases.
        """
        self.missing = missing
        self.mark, self.state, self.prefix, self.attached = Mark(name), state, prefix, attached
        self.fabric = self.mark.fabric if with_networks else ""
        self.macs: dict[tuple[str, str], list[PortMac]] = {}
        self.ports_of: dict[tuple[str, str], list[Port]] = {}
        """Label and master → its ports."""
        for resource in state.values():
            if isinstance(resource, PortMac):
                self.macs.setdefault((resource.netns, resource.link), []).append(resource)
            elif isinstance(resource, Port):
                self.ports_of.setdefault((resource.netns, resource.master), []).append(resource)
        self.nodes: dict[str, Entries] = {}
        self.networks: dict[str, Entries] = {}
        self.links: list[Entries] = []
        self.whole: Entries = {}
        self.order: dict[str, int] = {}
        self.trunks: dict[str, list[str]] = {}
        """Bridge of the fabric → other bridges of the fabric that a cable joins to it."""
        for key, port in state.items():
            if isinstance(port, Port) and key.netns == self.fabric:
                veth = state.get(link_key(key.netns, port.link))
                far = (
                    state.get(port_key(*veth.peer))
                    if isinstance(veth, Veth) and veth.peer[0] == key.netns
                    else None
                )
                if isinstance(far, Port):
                    self.trunks.setdefault(port.master, []).append(far.master)

    def node(self, label: str) -> str:
        """Return the node whose namespace has this label."""
        if label == HOST:
            return label
        return label_text(label) if is_attached(label) else label.removeprefix(self.prefix)

    def name(self, label: str, dev: str) -> str:
        """Return the name of an interface in the file.

        On the host, netorch puts a prefix before the name, and shortens a long name.
        """
        link = self.state.get(link_key(label, dev))
        long = link.altname if isinstance(link, Link) and link.altname else dev
        short = long.removeprefix(self.prefix)
        # a name in the file cannot be longer, even if that of a network's port is composed of two
        fits = len(short.encode()) <= IFNAMSIZ
        return (short if fits else dev.removeprefix(self.prefix)) if label == HOST else dev

    def node_entries(self, label: str) -> Entries:
        entries = self.nodes.setdefault(self.node(label), {})
        if label in self.attached:
            entries["attach"] = str(self.attached[label])
        return entries

    def interface(self, label: str, dev: str) -> Entries:
        entries: Entries = (
            self.node_entries(label)
            .setdefault("interfaces", {})
            .setdefault(self.name(label, dev), {})
        )
        return entries

    def membership(self, label: str, network: str) -> Entries:
        """Return a new entry for an interface of a node in a network."""
        networks = self.node_entries(label).setdefault("networks", {})
        entry: Entries = {}
        if network not in networks:
            networks[network] = entry
        elif isinstance(networks[network], list):
            networks[network].append(entry)
        else:
            networks[network] = [networks[network], entry]
        return entry

    def tree(self, captions: Mapping[Key, str] | None = None) -> Entries:
        """Return the file as a tree of Python values.

        `captions` maps the keys of namespaces and bridges to the `label` of the node or network.
        """
        if not self.whole:
            self.whole = self._build(captions or {})
        return self.whole

    def _build(self, captions: Mapping[Key, str]) -> Entries:
        self.add_names()
        for resource in self.state.values():
            self.add(resource)
        self.add_extra_hosts()
        self.add_captions(captions)
        self.sort_addresses()
        for model in self.nodes.values():
            if "interfaces" in model:
                model["interfaces"] = {
                    name: {key: words[key] for key in sorted(words, key=_place_of)}
                    for name, words in model["interfaces"].items()
                }
        whole: Entries = {"name": self.mark.topology}
        if self.prefix:
            whole["prefix"] = self.prefix
        if not any(isinstance(resource, NodeFile) for resource in self.state.values()):
            whole["names"] = False
        return whole | {
            key: part
            for key, part in (
                ("nodes", self.nodes),
                ("networks", self.networks),
                ("links", self.links),
            )
            if part
        }

    def add_captions(self, captions: Mapping[Key, str]) -> None:
        """Write the `label` of each node, and of each network that the file has as such."""
        for key, caption in captions.items():
            bridge = self.state.get(key)
            if key.kind in {"netns", "name"}:
                self.node_entries(key.netns)["label"] = caption
            elif isinstance(bridge, Bridge) and (
                key.netns == self.fabric or read_alias(bridge.alias).uplink
            ):
                in_fabric = key.netns == self.fabric
                name = bridge.altname or bridge.name
                network = name if in_fabric else self.name(bridge.netns, bridge.name)
                self.networks[network]["label"] = caption

    def add(self, resource: Resource) -> None:
        label = resource.key.netns
        if label == self.fabric and not isinstance(resource, Bridge):
            if isinstance(resource, StandaloneLink) and resource.mtu != 1500:
                self.networks.setdefault(resource.altname or resource.name, {})["mtu"] = (
                    resource.mtu
                )
            return
        match resource:
            case Netns():
                self.add_netns(resource)
            case SecondName():
                self.node_entries(label)["attach"] = f"node:{self.node(resource.target)}"
            case Loopback():
                for name, text in resource.attributes().items():
                    self.interface(label, "lo")[name] = int(text)
            case Bridge():
                self.add_bridge(resource)
            case StandaloneLink():
                self.add_standalone_link(resource)
            case Veth():
                self.add_veth(resource)
            case Impair():
                self.add_impair(resource)
            case Address():
                self.add_address(resource)
            case Neighbour():
                entry: Entries = {"address": resource.address, "mac": resource.mac}
                self.interface(label, resource.link).setdefault("neighbours", []).append(entry)
            case Fdb():
                self.interface(label, resource.link).setdefault("fdb", []).append(
                    {"mac": resource.mac, "dst": resource.dst}
                )
            case Peer():
                self.interface(label, resource.link).setdefault("peers", []).append(_peer(resource))
            case Route() if resource.spec.type == RTN_LOCAL:
                pass  # because only published ports have such routes
            case Route():
                self.node_entries(label).setdefault("routes", []).append(self.route(resource))
            case Rule():
                self.node_entries(label).setdefault("rules", []).append(self.rule(resource))
            case Sysctl():
                self.node_entries(label).setdefault("sysctls", {})[dotted(resource.paths[0])] = (
                    resource.value
                )
            case NodeFile(name="resolv.conf", second=False):
                self.node_entries(label)["dns"] = _dns(resource.content)

    def add_names(self) -> None:
        """Take the order of nodes and addresses, and aliases, from the hosts file.

        No other object of the kernel has them.
        """
        addresses = [resource for resource in self.state.values() if isinstance(resource, Address)]
        owners = {address.address.local: (address.netns, address.link) for address in addresses}
        content = next(
            (
                file.content
                for file in self.state.values()
                if isinstance(file, NodeFile) and file.name == "hosts"
            ),
            "",
        )
        sharing = {
            self.node(name.netns): self.node(name.target)
            for name in self.state.values()
            if isinstance(name, SecondName)
        }
        for line in content.partition(EXTRA_HOSTS)[0].splitlines()[3:]:
            address, *names = line.split()
            self.order[address] = len(self.order)
            if not (names := [name for name in names if name not in self.missing]):
                continue
            # the names of a node and of those that share its namespace, each before its aliases
            node = first = names[0]
            for name in names:
                if name == first or sharing.get(name) == first:
                    node, model = name, self.nodes.setdefault(name, {})
                    model.pop("aliases", None)
                else:
                    self.nodes[node].setdefault("aliases", []).append(name)
            if address in owners:
                self.interface(*owners[address])

    def add_extra_hosts(self) -> None:
        """Take `extra_hosts` from the end of each hosts file."""
        for file in self.state.values():
            if isinstance(file, NodeFile) and file.name == "hosts" and not file.second:
                for line in file.content.partition(EXTRA_HOSTS)[2].splitlines()[1:]:
                    address, name = line.split()
                    entries = self.node_entries(file.netns).setdefault("extra_hosts", {})
                    entries.setdefault(name, []).append(address)

    def sort_addresses(self) -> None:
        """Put the addresses of each interface into the order of the hosts file.

        The kernel lists the IPv6 addresses of an interface in reverse order, and its IPv4 addresses
        in the order in which they were added; the first one is primary.
        """
        for model in self.nodes.values():
            for interface in model.get("interfaces", {}).values():
                if "addresses" in interface:
                    interface["addresses"].sort(
                        key=lambda entry: self.order.get(_host(entry), len(self.order))
                    )

    def add_netns(self, netns: Netns) -> None:
        model = self.node_entries(netns.netns)
        if netns.ipv4_forwarding and netns.ipv6_forwarding:
            model["forwarding"] = True
        elif netns.ipv4_forwarding or netns.ipv6_forwarding:
            name = (
                "net.ipv4.ip_forward" if netns.ipv4_forwarding else "net.ipv6.conf.all.forwarding"
            )
            model.setdefault("sysctls", {})[name] = 1

    @staticmethod
    def bridge_settings(bridge: Bridge) -> Entries:
        """Return the settings of a bridge without the defaults."""
        return {
            name: _parsed(text)
            for name, text in bridge.attributes().items()
            if name not in {"mtu", "mac", "description", "altname", "mark", "group"}
        }

    def add_bridge(self, bridge: Bridge) -> None:
        settings = self.bridge_settings(bridge)
        if uplink := read_alias(bridge.alias).uplink:
            self.add_bridged_network(bridge, uplink, settings)
        elif bridge.netns != self.fabric:
            model = self.interface(bridge.netns, bridge.name)
            model |= {
                "kind": "bridge",
                **settings,
                **self.link_settings(bridge),
                **self.ports(bridge),
            }
            if own := self.port_settings(bridge.netns, bridge.name):
                model["port"] = own
        elif self.root(bridge.name) == bridge.name:
            mtu = {"mtu": bridge.mtu} if bridge.mtu != 1500 else {}
            self.networks[bridge.altname or bridge.name] = settings | mtu

    def ports(self, master: Link) -> Entries:
        """Return the `ports` of a master, and write each bridge port's own settings to the port."""
        ports = [port.link for port in self.ports_of.get((master.netns, master.name), ())]
        for name in ports:
            if model := self.port_settings(master.netns, name):
                self.interface(master.netns, name)["port"] = model
        return {"ports": [self.name(master.netns, name) for name in ports]} if ports else {}

    def port_settings(self, label: str, dev: str) -> Entries:
        """Return the settings of a bridge's port without the defaults."""
        port, vlans = self.state.get(port_key(label, dev)), self.state.get(vlans_key(label, dev))
        model: Entries = {}
        if isinstance(port, Port) and port.of == "bridge":
            model = {
                name: _parsed(text) for name, text in port.attributes().items() if name != "master"
            }
        if macs := self.macs.get((label, dev)):
            model["fdb"] = [
                {"mac": mac.mac, "vlan": mac.vlan} if mac.vlan else mac.mac for mac in macs
            ]
        if isinstance(vlans, PortVlans):
            model |= {"pvid": vlans.pvid} if vlans.pvid != vlans.default else {}
            if listed := [_vlan(entry) for entry in vlans.listed()]:
                model["vlans"] = listed
        return model

    def add_bridged_network(self, bridge: Bridge, uplink: str, settings: Entries) -> None:
        """Add a network of mode bridged.

        The cables of its members join it: their near ends have it as `master`.
        """
        name = self.name(bridge.netns, bridge.name)
        owner = {} if bridge.netns == HOST else {"node": self.node(bridge.netns)}
        self.networks[name] = {
            "mode": "bridged",
            "uplink": self.name(bridge.netns, uplink),
            **owner,
            **settings,
        }
        for port in self.ports_of.get((bridge.netns, bridge.name), ()):
            self.interface(port.netns, port.link)["master"] = name
            if model := self.port_settings(port.netns, port.link):
                self.interface(port.netns, port.link)["port"] = model

    def root(self, bridge: str) -> str:
        """Return the first bridge of the network of a bridge in the fabric.

        A cable joins each further bridge of the network to the first one.
        """
        return next(
            (other for other in self.trunks.get(bridge, ()) if len(other) < len(bridge)), bridge
        )

    def add_veth(self, veth: Veth) -> None:
        if veth.peer == UNKNOWN:
            return
        if veth.peer[0] == self.fabric:
            port = self.state.get(port_key(*veth.peer))
            bridge = self.state.get(link_key(self.fabric, self.root(getattr(port, "master", ""))))
            if isinstance(bridge, Bridge):
                membership = self.membership(veth.netns, bridge.altname or bridge.name)
                membership |= {
                    "name": self.name(veth.netns, veth.name),
                    "addresses": False,
                    **self.link_settings(veth),
                }
                self.add_member_impairment(veth, membership)
                if options := self.port_settings(*veth.peer):
                    membership["port"] = options
            return
        model = self.link_settings(veth)
        if model or not is_attached(veth.netns):
            self.interface(veth.netns, veth.name).update(model)
        if (veth.netns, veth.name) < veth.peer:
            ends = [
                f"{self.node(label)}:{self.name(label, dev)}"
                for label, dev in ((veth.netns, veth.name), veth.peer)
            ]
            self.links.append({"endpoints": ends})

    def add_impair(self, impair: Impair) -> None:
        link = self.state.get(link_key(impair.netns, impair.link))
        if not (isinstance(link, Veth) and link.peer[0] == self.fabric):
            self.interface(impair.netns, impair.link)["impair"] = self.impairment(
                impair.netns, impair.link
            )

    def add_member_impairment(self, member: Veth, membership: Entries) -> None:
        """Add the impairments of both ends of a member's cable."""
        own: Entries = {}
        self.add_impairments(member, membership, own)
        if own:
            self.interface(member.netns, member.name).update(own)

    def add_impairments(self, member: Veth, membership: Entries, entry: Entries) -> None:
        """Add the impairments of both ends of a member's cable to its membership and its interface.

        The `impair` of a membership holds for both ends. If the member's own end differs, its
        interface gets an `impair` that overrides it.
        """
        to, own = self.impairment(*member.peer), self.impairment(member.netns, member.name)
        if to:
            membership["impair"] = to
        if own != to and (model := {key: none for key, none in OFF.items() if key in to} | own):
            entry["impair"] = model

    def impairment(self, label: str, dev: str) -> Entries:
        impair = self.state.get(impair_key(label, dev))
        if not isinstance(impair, Impair):
            return {}
        link = self.state.get(link_key(label, dev))
        mtu = link.mtu if isinstance(link, Link) else 0
        return {key: _parsed(text) for key, text in impair.file_values(mtu).items()}

    def add_standalone_link(self, link: StandaloneLink) -> None:
        if link.parent is not None and link.parent[0] == self.fabric:
            self.add_parentless_member(link, link.parent)
            return
        model = self.interface(link.netns, link.name)
        model |= {
            "kind": link.KIND,
            **{name: _parsed(text) for name, text in link.own().items()},
            **self.upper_link_settings(link),
            **self.ports(link),
        }
        if isinstance(primary := self.state.get(primary_key(link.netns, link.name)), Primary):
            model["primary"] = self.name(link.netns, primary.port)
        if link.parent is not None:
            label, dev = link.parent
            model["parent"] = (
                self.name(label, dev)
                if label == link.netns
                else f"{self.node(label)}:{self.name(label, dev)}"
            )
        if isinstance(port := self.state.get(port_key(link.netns, link.name)), Port):
            model["master"] = self.name(link.netns, port.master)

    def add_parentless_member(self, link: StandaloneLink, parent: tuple[str, str]) -> None:
        """Add a member of a network that has no bridge and whose file names no parent.

        Its parent is a link in the fabric, which is named after the network.
        """
        link_below = self.state.get(link_key(*parent))
        altname = link_below.altname if isinstance(link_below, Link) else ""
        network = altname or parent[1]
        model = self.networks.setdefault(network, {})
        model |= {"driver": link.KIND, "driver_mode": link.own()["mode"]}
        membership = self.membership(link.netns, network)
        membership |= {
            "name": self.name(link.netns, link.name),
            "addresses": False,
            **self.upper_link_settings(link),
        }

    def upper_link_settings(self, link: StandaloneLink) -> Entries:
        """Return the settings of a link that may have a parent.

        Like `link_settings`, but the default MTU of some upper links is the parent's.
        """
        below = self.state.get(link_key(*link.parent)) if link.parent is not None else None
        model = self.link_settings(link)
        if isinstance(below, Link):
            model.pop("mtu", None)
            if link.mtu != below.mtu or not link.FITS_PARENT:
                model["mtu"] = link.mtu
        return model

    def link_settings(self, link: Link) -> Entries:
        node = self.node(link.netns)
        model: Entries = {}
        port = self.state.get(port_key(link.netns, link.name))
        bonded = isinstance(port, Port) and port.of == "bond"
        usual = self.usual_mtu(link)
        if not bonded and (link.mtu != usual or self.other_mtu(link) not in (0, usual)):
            model["mtu"] = link.mtu
        if (
            link.mac
            and not bonded
            and not link.LENT
            and link.mac != self.mark.mac(node, self.name(link.netns, link.name))
        ):
            model["mac"] = link.mac
        if link.txqueuelen != link.QUEUE and not link.LENT:
            model["txqueuelen"] = link.txqueuelen
        if description := read_alias(link.alias).description:
            model["description"] = description
        up = self.state.get(up_key(link.netns, link.name))
        if isinstance(up, Up):
            model |= {name: on for name, on in up.flags.items() if on != FLAGS[name]}
        else:
            model["state"] = "down"
        return model

    def usual_mtu(self, link: Link) -> int:
        """Return the MTU that a link without `mtu` has, 0 if it depends on something else."""
        if isinstance(link, Vrf):
            return VRF_MTU
        if isinstance(link, (Geneve, IpTunnel, Wireguard)):
            return 0
        if isinstance(link, Vxlan) and link.local is not None:
            local = ip_interface(link.local).ip
            outer = next(
                (
                    below.mtu
                    for one in self.state.values()
                    if isinstance(one, Address) and one.netns == link.netns
                    if ip_interface(one.address.local).ip == local
                    if isinstance(below := self.state.get(link_key(one.netns, one.link)), Link)
                ),
                0,
            )
            return 0 if outer else 1500
        return 1500

    def other_mtu(self, link: Link) -> int:
        """Return the MTU whose value an end of a cable would have without an `mtu`, 0 for 1500.

        It is that of the other end, or that of the network whose bridge has the other end.
        """
        if not isinstance(link, Veth):
            return 0
        other = self.state.get(link_key(*link.peer))
        port = self.state.get(port_key(*link.peer))
        master = port.master if isinstance(port, Port) else ""
        bridge = self.state.get(link_key(link.peer[0], master))
        mtus = {end.mtu for end in (other, bridge) if isinstance(end, Link)} - {1500}
        return max(mtus, default=0)

    def add_address(self, address: Address) -> None:
        value = address.address
        entry: Any = (
            {"address": value.with_length, "peer": value.peer} if value.peer else value.with_length
        )
        names = {number: name for name, number in SCOPES.items()}
        if (
            value.version == 4
            and address.scope != RT_SCOPE_UNIVERSE
            and not value.local.startswith("127.")
        ):
            entry = (entry if isinstance(entry, dict) else {"address": entry}) | {
                "scope": names[address.scope]
            }
        self.interface(address.netns, address.link).setdefault("addresses", []).append(entry)

    def route(self, route: Route) -> Entries:
        spec = route.spec
        default = "::/0" if spec.family == AF_INET6 else "default"
        model: Entries = {
            "to": default if spec.dst is None else f"{ip_address(spec.dst)}/{spec.prefixlen}"
        }
        if spec.type != RTN_UNICAST:
            model["type"] = next(name for name, number in TYPES.items() if number == spec.type)
        hops = [self.hop(route.netns, hop) for hop in spec.hops]
        if len(hops) == 1:
            model |= hops[0]
        elif hops:
            model["nexthops"] = [
                model | {"weight": hop.weight} for model, hop in zip(hops, spec.hops, strict=True)
            ]
        if spec.metric != (IPV6_METRIC if spec.family == AF_INET6 else 0):
            model["metric"] = spec.metric
        if spec.table != MAIN or any(self.in_vrf(route.netns, hop.dev) for hop in spec.hops):
            model["table"] = spec.table
        if spec.src is not None:
            model["src"] = str(ip_address(spec.src))
        if spec.mtu:
            model["mtu"] = spec.mtu
        return model

    def in_vrf(self, label: str, dev: str | None) -> bool:
        port = self.state.get(port_key(label, dev or ""))
        return isinstance(port, Port) and port.of == "vrf"

    def hop(self, label: str, hop: Hop) -> Entries:
        model: Entries = {"via": str(ip_address(hop.via))} if hop.via else {}
        if hop.dev:
            model["dev"] = self.name(label, hop.dev)
        if hop.onlink:
            model["onlink"] = True
        words = encap.words(hop.encap) if hop.encap is not None else None
        if words is not None:
            model["encap"] = self.encap_words(label, words)
        return model

    def encap_words(self, label: str, words: encap.Words) -> Entries:
        local = words.get("seg6local", {})
        if "oif" not in local:
            return dict(words)
        return {"seg6local": {**local, "oif": self.name(label, local["oif"])}}

    def rule(self, rule: Rule) -> Entries:
        spec = rule.spec
        model: Entries = {"priority": spec.priority}
        for word, selector in (("from", spec.src), ("to", spec.dst)):
            if selector is not None:
                model[word] = f"{ip_address(selector[0])}/{selector[1]}"
        model |= {word: name for word, name in (("iif", spec.iif), ("oif", spec.oif)) if name}
        if spec.mark is not None:
            model["fwmark"] = f"{spec.mark[0]:#x}/{spec.mark[1]:#x}"
        model |= conditions(spec)
        if spec.action == FR_ACT_TO_TBL:
            model["table"] = spec.table
        else:
            model["action"] = next(
                name for name, number in ACTIONS.items() if number == spec.action
            )
        if spec.family == AF_INET6 and spec.src is None and spec.dst is None:
            model["family"] = "ipv6"
        return model


def topology(
    name: str,
    state: Mapping[Key, Resource],
    prefix: str = "",
    attached: Mapping[str, Attachment] | None = None,
    captions: Mapping[Key, str] | None = None,
    missing: Collection[str] = (),
) -> str:
    """Return the YAML text of a topology file.

    `prefix` is the file's `prefix`. `attached` maps labels to the `attach` of their nodes.
    `captions` maps the keys of namespaces and bridges to the `label` of the node or network.
    `missing` are nodes that are not live.
    """
    tunnels = set(_tunnels_to_machines(state))
    rest = {
        key: resource
        for key, resource in state.items()
        if key not in tunnels and tunnels.isdisjoint(resource.dies_with)
    }
    low = LowLevelFile(name, rest, prefix, attached or {}, missing=missing)
    return yaml_text.document(low.tree(captions))


def left_out(state: Mapping[Key, Resource]) -> list[str]:
    """Return a sentence for each part of the state that the YAML text does not express."""
    sentences: list[str] = []
    if any(key.kind == "filter" for key in state):
        sentences.append(
            "networks of mode nat, routed and host-only are written as bridges, "
            "without their NAT, published ports and isolation, and nodes without `filter`"
        )
    if names := [f"{key.netns}:{key.name}" for key in _tunnels_to_machines(state)]:
        sentences.append(
            f"the tunnels to other machines are left out: {', '.join(names)}. The file that was"
            " applied has all machines"
        )
    return sentences


def _tunnels_to_machines(state: Mapping[Key, Resource]) -> list[Key]:
    """Return the links whose outer packets belong to the host, which no key of the file says."""
    return [key for key, link in state.items() if getattr(link, "underlay", "")]


_FIRST = ("kind", "parent", "peer", "master", "ports")
_LAST = ("mtu", "mac", "description", "state", "addresses", "neighbours", "fdb", "peers", "impair")


def _place_of(key: str) -> int:
    """Return the place of a key in the entry of an interface."""
    if key in _FIRST:
        return _FIRST.index(key)
    return len(_FIRST) + (1 + _LAST.index(key) if key in _LAST else 0)


def _host(entry: Any) -> str:
    """Return the address of an entry, in the long or the short form, without its prefix length."""
    return str(entry["address"] if isinstance(entry, dict) else entry).partition("/")[0]


def dotted(path: str) -> str:
    """Return a sysctl's path in the notation of sysctl(8), which swaps dots and slashes."""
    return path.translate(str.maketrans("./", "/."))


def _vlan(entry: VlanRange) -> object:
    """Return an entry of a port's `vlans`."""
    ids = entry.first if entry.first == entry.last else f"{entry.first}-{entry.last}"
    return ids if entry.tag is Tag.DEFAULT else {"id": ids, "untagged": entry.tag is Tag.UNTAGGED}


def _parsed(text: str) -> object:
    return {"true": True, "false": False}.get(text, int(text) if text.isdigit() else text)


def _peer(peer: Peer) -> Entries:
    model: Entries = {
        name: _parsed(text) for name, text in peer.attributes().items() if name != "allowed_ips"
    }
    subnets = list(map(subnet_text, peer.allowed_ips))
    return {"public_key": peer.public_key, **model, **({"allowed_ips": subnets} if subnets else {})}


def _dns(content: str) -> Entries:
    model: Entries = {}
    for line in content.splitlines():
        key, _, rest = line.partition(" ")
        if key == "nameserver":
            model.setdefault("servers", []).append(rest)
        elif key in {"search", "options"}:
            model[key] = rest.split()
    return model
