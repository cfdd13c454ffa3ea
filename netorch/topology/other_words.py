"""Keys of other tools and of `ip`, each with what it is in a topology file.

The table is read only for an error about an unknown key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from netorch.errors import most_similar

_NO_PROGRAMS = "netorch starts no programs: use `netorch exec NODE COMMAND` after `netorch apply`."
_NOT_CONTAINERS = (
    "netorch makes networks and no containers: leave it out. `attach: docker:NAME` connects a "
    "container that runs."
)
_ON_INTERFACE = (
    "An address belongs to an interface: write `networks: {NETWORK: 10.0.0.5}`, or "
    "`interfaces: {eth0: {addresses: [10.0.0.5/24]}}`."
)
_GATEWAY = "Write `routes: [{to: default, via: <10.0.0.1>}]`, or `gateway` in the network."
_ATTACH = "To use a namespace that exists, write `attach: netns:NAME`, `pid:NUMBER` or `path:PATH`."
_ENDPOINTS = "The two ends of a link are `endpoints: [a:eth0, b:eth0]`."
_KINDLESS = (
    "All nodes are alike, so they have no type. A router has `forwarding: true`, and a switch is "
    "an entry of `networks`."
)
_SUBNET = "Write `subnet: <10.0.0.0/24>`."
_MEMBERS = "A node joins a network by itself: write `networks: [NETWORK]` in the node."
_VLAN = "A VLAN is an interface `NAME: {kind: vlan, parent: eth0, id: 10}`."
_NAME_IS_KEY = "The name is the key of the entry: `NAME: {…}`."
_SECTION = "Interfaces belong to nodes: write `nodes: {NODE: {interfaces: {eth0: {…}}}}`."
_NO_DHCP = "netorch has no DHCP. A member of a network with a `subnet` gets an address of it."
_MAC = "A MAC belongs to an interface: write `interfaces: {eth0: {mac: …}}`."
_MTU = "An MTU belongs to an interface, link or network: write `interfaces: {eth0: {mtu: …}}`."
_LINKS = "Links are a list of the file: `links: [[a:eth0, b:eth0]]`."
_DNS = "Write `dns: {servers: [10.0.0.53], search: [example.org]}`."
_ALIASES = "Further names of a node are `aliases: [NAME]`."
_ROUTE = "Routes belong to nodes: write `nodes: {NODE: {routes: [{to: …, via: …}]}}`."


def _table(*rows: tuple[str, str]) -> Mapping[str, str]:
    """Return word → sentence, from rows of several words with one sentence."""
    return {word: sentence for words, sentence in rows for word in words.split()}


KEYS: Mapping[str, Mapping[str, str]] = {
    "TopologyFile": _table(
        ("services containers", "A service is a node: write it under `nodes`."),
        ("routers hosts_list", "A router is a node: `nodes: {r1: {forwarding: true}}`."),
        ("switches bridges lans", "A switch is a network: `networks: {lan: {}}`."),
        ("subnets vlans", "A subnet is a network: `networks: {lan: {subnet: 10.0.0.0/24}}`."),
        ("interfaces ethernets devices bonds tunnels_list", _SECTION),
        ("routes rules", _ROUTE),
        ("ports publish", 'Ports belong to nodes: write `nodes: {web: {publish: ["8080:80"]}}`.'),
        ("version", "A topology file has no version: leave it out."),
        ("volumes configs secrets images", _NOT_CONTAINERS),
        ("mgmt kinds groups", "netorch has no management network and no node types: leave it out."),
        (
            "variables env parameters",
            "Write `vars: {NAME: VALUE}`, and `$(NAME)` where it is used.",
        ),
        ("templates groups_of", "Write `profiles: {NAME: {…}}`, and `profile: NAME` in a node."),
        ("edges connections cables", _LINKS),
        ("tests", "Write `checks: [{from: a, to: b}]`."),
    ),
    "NodeModel": _table(
        ("ports port expose", 'Published ports are `publish: ["8080:80"]`.'),
        ("ip ips ipv4 ipv6 ip4 ip6 address addresses ip_address inet cidr subnet", _ON_INTERFACE),
        ("ipv4_address ipv6_address mgmt-ipv4 mgmt_ipv4", _ON_INTERFACE),
        ("gateway gateway4 gateway6 gw default_gateway default_route via", _GATEWAY),
        ("image build platform cap_add privileged binds volumes restart", _NOT_CONTAINERS),
        ("depends_on healthcheck labels memory cpu cpus", _NOT_CONTAINERS),
        ("container container_name docker podman", "Write `attach: docker:<NAME>`."),
        ("netns namespace pid", _ATTACH),
        ("network_mode", f"{_ATTACH} The node `host` is this machine."),
        ("kind type role driver", _KINDLESS),
        ("router ip_forward ip_forwarding", "Write `forwarding: true`."),
        ("exec command cmd commands entrypoint run startup start env environment", _NO_PROGRAMS),
        ("startup-config user script post_up up", _NO_PROGRAMS),
        ("hostname name", "The key of the entry is the name of the node."),
        ("extra_hosts hosts alias", _ALIASES),
        ("nameservers dns_search dns_servers", _DNS),
        ("links link", _LINKS),
        ("mac hwaddr mac_address macaddress", _MAC),
        ("mtu", _MTU),
        ("vlan vlans", _VLAN),
        ("bridge bridges", "A bridge is an interface: `br0: {kind: bridge, ports: [eth0]}`."),
        ("dhcp dhcp4 dhcp6", _NO_DHCP),
        ("masquerade snat", "Write `nat: [{masquerade: true}]`, or `mode: nat` in the network."),
        ("impair delay loss rate bandwidth latency", "Write it in the interface: `{impair: {…}}`."),
        ("eth0 eth1 eth2 lo wg0 br0", "Write it under `interfaces`, or use it in `links`."),
    ),
    "NetworkModel": _table(
        ("cidr prefix ip ipv4 range ipam network address addresses", _SUBNET),
        ("ipv6 ipv4_subnet ipv6_subnet", "Write `subnet: [10.0.0.0/24, fd00::/64]`."),
        ("enable_ipv6", "Add a subnet of IPv6: `subnet: [10.0.0.0/24, fd00::/64]`."),
        ("internal", "Write `mode: host-only`, or `mode: segment` if not even the host is on it."),
        ("external", "Write `mode: nat`, or `mode: bridged` with `uplink: eth0`."),
        ("nat masquerade ip_masq snat", "Write `mode: nat`."),
        ("type kind", "Write `mode: nat` (or another mode), or `driver: macvlan` (or another)."),
        ("dhcp dhcp4 dhcp_range pool", f"{_NO_DHCP} `ip_range` limits which."),
        ("name", _NAME_IS_KEY),
        ("nodes members hosts containers interfaces attached", _MEMBERS),
        ("vlan_id vid tag", "Write `vlan: 10`, with `driver: macvlan` or `ipvlan` and a `parent`."),
        ("vxlan_id id", "Write `driver: vxlan` and `vni: 10`."),
        ("default_gateway gw router via", "Write `gateway: <10.0.0.1>`, or the name of a member."),
        ("driver_opts options ipam_driver attachable labels scope", "Leave it out: see `mode`."),
        ("delay loss rate impair bandwidth", "Write it at the member: `{lan: {impair: {…}}}`."),
        ("dns", "Names are known inside the nodes. Further servers are `dns` of the node."),
        ("ports publish", 'Write `publish: ["8080:80"]` in the node.'),
    ),
    "InterfaceModel": _table(
        (
            "ip ips ipv4 ipv6 ip4 ip6 inet inet6 cidr ip_address",
            "Write `addresses: [<10.0.0.1/24>]`.",
        ),
        ("subnet prefix network netmask", "Write `addresses: [10.0.0.1/24]`, with the length."),
        ("type driver", "Write `kind: <vlan>`."),
        (
            "gateway gateway4 gw via default_route routes",
            "Write `routes` in the node, beside this.",
        ),
        ("vlan vlans vlan_id tag", _VLAN),
        ("bridge", "Write `master: <br0>`."),
        ("dhcp dhcp4 dhcp6", _NO_DHCP),
        ("hwaddr mac_address macaddress ether lladdr", "Write `mac: <02:00:00:00:00:01>`."),
        (
            "enabled up shutdown admin_state",
            "An interface is up. For one that is down: `state: down`.",
        ),
        ("link peer connected_to endpoint neighbor", _LINKS),
        (
            "delay loss rate bandwidth latency netem",
            "Write `impair: {delay: 10ms, rate: 100mbit}`.",
        ),
        ("name interface", _NAME_IS_KEY),
        ("forwarding", "Write `forwarding: true` in the node, beside `interfaces`."),
        ("alias comment", "Write `description: <TEXT>`."),
    ),
    "Membership": _table(
        ("ip ipv4 ipv6 ipv4_address ipv6_address ip_address cidr", "Write `address: <10.0.0.5>`."),
        ("interface iface dev ifname", "Write `name: <eth0>`."),
        ("gateway gw priority", "Write `gateway` in the network, or `default_route: true` here."),
        ("mac_address hwaddr", "Write `mac: <02:00:00:00:00:01>`."),
        ("aliases alias", "Write `aliases` in the node, beside `networks`."),
        ("delay loss rate bandwidth latency", "Write `impair: {delay: 10ms, rate: 100mbit}`."),
        ("ports publish", 'Write `publish: ["8080:80"]` in the node, beside `networks`.'),
    ),
    "LinkModel": _table(
        ("from to a b source target src dst left right node1 node2", _ENDPOINTS),
        ("nodes ends interfaces connect between node_a node_b peers", _ENDPOINTS),
        ("bandwidth bw speed", "Write `impair: {rate: 100mbit}`."),
        ("latency", "Write `impair: {delay: 10ms}`."),
        ("type kind vars name", "A link is always a cable (veth): leave it out."),
        (
            "ip ips address addresses ipv4",
            "Write `subnet: 10.0.0.0/30`, or `addresses` at each end.",
        ),
    ),
    "RouteModel": _table(
        ("gateway gw nexthop next_hop router", "Write `via: <10.0.0.1>`."),
        ("destination dst dest prefix network subnet target", "Write `to: <10.1.0.0/16>`."),
        ("interface device iface oif", "Write `dev: <eth0>`."),
        ("cost distance priority", "Write `metric: <100>`."),
        ("default", "Write `to: default`."),
    ),
    "CheckModel": _table(
        ("source src a node", "Write `from: <NODE>`."),
        ("destination dst dest target b host ping", "Write `to: <NODE>`."),
        ("port", "Write `tcp: <80>`."),
        ("expect allowed denied fails expected", "Write `reachable: false` if it must not arrive."),
    ),
    "ImpairModel": _table(
        ("latency", "Write `delay: 10ms`."),
        ("bandwidth bw speed", "Write `rate: 100mbit`."),
        ("packet_loss drop", "Write `loss: 1%`."),
    ),
}
"""Name of a model → its unknown key → a sentence with what to write."""


def sentence(models: tuple[str, ...], word: str, value: object) -> str:
    """Return what to write in place of an unknown key, "" if no table has it.

    `models` are the names of the model's class and its bases, the class itself first. `value` is
    that of the key, which takes the place of `<…>` in the sentence.
    """
    tables = [KEYS[model] for model in models if model in KEYS]
    text = next((table[word] for table in tables if word in table), "")
    simple = isinstance(value, (str, int)) and not isinstance(value, bool)
    right = str(value) if simple and len(str(value)) <= 40 else ""
    return re.sub("<([^>]*)>", lambda match: right or match[1], text)


def similar(models: tuple[str, ...], word: str, value: object) -> str:
    """Return what to write in place of a key that is similar to one of the tables, or ""."""
    close = most_similar(word, [known for model in models for known in KEYS.get(model, ())])
    return sentence(models, close, value) if close else ""
