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
    "`interfaces: {eth0: {addresses: [<10.0.0.5/24>]}}`."
)
_GATEWAY = "Write `routes: [{to: default, via: <10.0.0.1>}]`, or `gateway` in the network."
_GATEWAY_NODE = "Write `gateway: <r1>` in the network of both nodes."
_ATTACH = "To use a namespace that exists, write `attach: netns:NAME`, `pid:NUMBER` or `path:PATH`."
_ENDPOINTS = "The two ends of a link are `endpoints: [a:eth0, b:eth0]`."
_NO_DAEMONS = (
    "netorch runs no routing daemons: start FRR or BIRD in the node, with `netorch exec NODE …`."
)
_KINDLESS = (
    "All nodes are alike, so they have no type. A router has `forwarding: true`, and a switch is "
    "an entry of `networks`."
)
_SUBNET = "Write `subnet: <10.0.0.0/24>`."
_MEMBERS = "A node joins a network by itself: write `networks: [NETWORK]` in the node."
_VLAN = "A VLAN is an interface `NAME: {kind: vlan, parent: eth0, id: 10}`."
_NAME_IS_KEY = "The name is the key of the entry: `NAME: {…}`."
_PORTS = "Write `ports: [<eth0, eth1>]`."
_PARENT = "Write `parent: <eth0>`."
_SECTION = "Interfaces belong to nodes: write `nodes: {NODE: {interfaces: {eth0: {…}}}}`."
_NO_DHCP = "netorch has no DHCP. A member of a network with a `subnet` gets an address of it."
_MAC = "A MAC belongs to an interface: write `interfaces: {eth0: {mac: …}}`."
_MTU = "An MTU belongs to an interface, link or network: write `interfaces: {eth0: {mtu: …}}`."
_LINKS = "Links are a list of the file: `links: [[a:eth0, b:eth0]]`."
_DNS = "Write `dns: {servers: [10.0.0.53], search: [example.org]}`."
_ALIASES = (
    "Further names of a node are `aliases: [NAME]`, and names of others "
    "`extra_hosts: {NAME: 10.0.0.5}`."
)
_POOL = "Write `defaults: {network: {pool: <10.0.0.0/8>}}`, or `pool` in a network."
_ONE_FILE = (
    "A topology is one file. `vars`, `profiles` and ranges such as `h[1-3]` save repetition in it."
)
_ANCHOR = "Keys that several nodes share are a profile: `profiles: {NAME: {…}}`."
_LABEL = "A link has no text. `label` is a key of nodes and networks: leave it out."
_MEMBER_VLAN = "Write `port: {pvid: <10>}` here, and `vlan_filtering: true` in the network."
_FOREIGN = "An interface that netorch did not make needs no key for that: leave it out."
_EXISTING = "A bridge that exists already is `existing: true, bridge: NAME`."
_FILTER = "Write `filter: {forward: [{from: lan, to: web, action: accept}]}`."
_POLICY = "A policy is below `filter`: write `filter: {policy: {forward: <drop>}}`."
_WAYS = "The rules are below `forward`, `input` and `output`: `filter: {forward: [{…}]}`."
_ROUTE = "Routes belong to nodes: write `nodes: {NODE: {routes: [{to: …, via: …}]}}`."


_NUMBERED = "A routing table is a number, without a name: write `table: 100` in a route or a rule."
_OFFLOAD = (
    "netorch has no word for offloads of an interface, and leaves them as they are: run "
    "`netorch exec NODE ethtool -K eth0 tx off` after `netorch apply`."
)
_MPLS = (
    "netorch has no routes of MPLS, which forward and take off labels: run `ip -n NODE -f mpls "
    "route add …` after `netorch apply`. Routes that add labels are `encap: {mpls: [100]}`."
)
_ONE_ADDRESS = "netorch translates to one address, so it stays the same anyway: leave it out."
_SEG6 = "Write `encap: {seg6: {segments: [<fd00::1>]}}`."
_SEG6_LOCAL = "Write `encap: {seg6local: {action: End.DX4, nh4: 10.0.0.1}}`."


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
        ("volumes configs secrets images", _NOT_CONTAINERS),
        ("mgmt kinds groups", "netorch has no management network and no node types: leave it out."),
        (
            "variables env parameters",
            "Write `vars: {NAME: VALUE}`, and `$(NAME)` where it is used.",
        ),
        ("templates groups_of", "Write `profiles: {NAME: {…}}`, and `profile: NAME` in a node."),
        ("edges connections cables", _LINKS),
        ("tables table rt_tables", _NUMBERED),
        ("tests", "Write `checks: [{from: a, to: b}]`."),
        ("pool pools address_pools default-address-pools default_address_pools", _POOL),
        ("include includes import imports extends x-common", _ONE_FILE),
        ("base common shared anchors", _ANCHOR),
        ("dns nameservers", "Write `defaults: {node: {dns: {servers: [10.0.0.53]}}}`."),
        ("forwarding", "Write `defaults: {node: {forwarding: true}}`, or `forwarding` in a node."),
        ("sysctls", "Write `defaults: {node: {sysctls: {…}}}`, or `sysctls` in a node."),
        ("mtu", "Write `defaults: {link: {mtu: <9000>}, network: {mtu: <9000>}}`."),
        ("subnet gateway mode driver", "It belongs to a network: `networks: {lan: {…}}`."),
        ("existing external", "Write it in a network. " + _EXISTING),
        ("label", "Nodes and networks have a `label`, and the file has a `name`."),
        ("description title", "Write it as a comment: `# TEXT`."),
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
        ("existing external", _ATTACH),
        ("description comment title", "Write `label: <TEXT>`."),
        ("network_mode", f"{_ATTACH} The node `host` is this machine."),
        ("kind type role driver", _KINDLESS),
        ("router ip_forward ip_forwarding", "Write `forwarding: true`."),
        ("exec command cmd commands entrypoint run startup start env environment", _NO_PROGRAMS),
        ("startup-config user script post_up up", _NO_PROGRAMS),
        ("hostname name", "The key of the entry is the name of the node."),
        ("hosts alias", _ALIASES),
        ("ospf bgp isis rip frr bird routing zebra", _NO_DAEMONS),
        ("ethernets devices ifaces nics ports_list", "Write `interfaces: {eth0: {…}}`."),
        ("nameservers dns_search dns_servers", _DNS),
        ("links link", _LINKS),
        ("mac hwaddr mac_address macaddress", _MAC),
        ("mtu", _MTU),
        ("vlan vlans", _VLAN),
        ("bridge bridges", "A bridge is an interface: `br0: {kind: bridge, ports: [eth0]}`."),
        ("dhcp dhcp4 dhcp6", _NO_DHCP),
        ("masquerade snat", "Write `nat: [{masquerade: {}}]`, or `mode: nat` in the network."),
        ("impair delay loss rate bandwidth latency", "Write it in the interface: `{impair: {…}}`."),
        ("firewall iptables nftables nft acl acls filters security", _FILTER),
        ("policy", _POLICY),
        ("mpls labels ldp", _MPLS),
        ("eth0 eth1 eth2 lo wg0 br0", "Write it under `interfaces`, or use it in `links`."),
    ),
    "NetworkModel": _table(
        ("cidr prefix ip ipv4 range ipam network address addresses", _SUBNET),
        ("ipv6 ipv4_subnet ipv6_subnet", "Write `subnet: [10.0.0.0/24, fd00::/64]`."),
        ("enable_ipv6", "Add a subnet of IPv6: `subnet: [10.0.0.0/24, fd00::/64]`."),
        ("internal", "Write `mode: host-only`, or `mode: segment` if not even the host is on it."),
        (
            "external",
            f"{_EXISTING} A way out is `mode: nat`, or `mode: bridged` with `uplink: eth0`.",
        ),
        ("nat masquerade ip_masq snat", "Write `mode: nat`."),
        ("type kind", "Write `mode: nat` (or another mode), or `driver: macvlan` (or another)."),
        ("dhcp dhcp4 dhcp_range", f"{_NO_DHCP} `ip_range` limits which."),
        ("name", _NAME_IS_KEY),
        ("icc private protected", "Write `isolated: true`, so that members do not reach others."),
        ("nodes members hosts containers interfaces attached", _MEMBERS),
        ("vlan_id vid tag", "Write `vlan: 10`, with `driver: macvlan` or `ipvlan` and a `parent`."),
        ("vxlan_id id", "Write `driver: vxlan` and `vni: 10`."),
        ("default_gateway gw router via", "Write `gateway: <10.0.0.1>`, or the name of a member."),
        ("driver_opts options ipam_driver attachable labels scope", "Leave it out: see `mode`."),
        ("delay loss rate impair bandwidth", "Write it at the member: `{lan: {impair: {…}}}`."),
        ("dns", "Names are known inside the nodes. Further servers are `dns` of the node."),
        ("ports publish", 'Write `publish: ["8080:80"]` in the node.'),
        ("pools address_pool base size", "Write `pool: {base: 10.0.0.0/8, size: 24}`."),
        ("description comment title", "Write `label: <TEXT>`."),
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
        ("alias comment label title", "Write `description: <TEXT>`."),
        ("existing external unmanaged", _FOREIGN),
        ("offload offloads ethtool features tso gso gro checksum", _OFFLOAD),
        ("dev device physdev underlay", "The interface below is `parent: <eth0>`."),
    ),
    "BridgeModel": _table(("interfaces slaves members bridge_ports", _PORTS)),
    "BondModel": _table(
        ("interfaces slaves members bond_slaves", _PORTS),
        ("bond_mode", "Write `mode: <active-backup>`."),
    ),
    "VrfModel": _table(
        ("interfaces slaves members", _PORTS),
        ("table_id vrf_table", "Write `table: <100>`."),
    ),
    "VlanModel": _table(
        ("link dev device physdev raw_device interface base lower", _PARENT),
        ("vid vlan vlan_id tag", "Write `id: <10>`."),
    ),
    "StackedModel": _table(("link dev device physdev lower interface", _PARENT)),
    "UdpTunnelModel": _table(("id vxlan_id", "Write `vni: <10>`.")),
    "WireguardModel": _table(
        ("privatekey PrivateKey", "Write `private_key_file: FILE`, a file with the key."),
        ("ListenPort listenport", "Write `listen_port: <51820>`."),
        ("peer Peer", "Write `peers: [{public_key: …}]`."),
    ),
    "PeerModel": _table(
        ("PublicKey key", "Write `public_key: KEY`."),
        ("AllowedIPs allowedips", "Write `allowed_ips: [<10.0.0.2/32>]`."),
        ("Endpoint", "Write `endpoint: <192.0.2.1:51820>`."),
        ("PersistentKeepalive persistent_keepalive", "Write `keepalive: <25>`."),
    ),
    "RuleModel": _table(
        ("lookup", "Write `table: <100>`."),
        ("prio pref preference", "Write `priority: <100>`."),
        ("source src", "Write `from: <10.0.0.0/24>`."),
        ("destination dst dest", "Write `to: <10.0.0.0/24>`."),
        ("mark fw_mark", "Write `fwmark: <1>`."),
        ("dev in", "Write `iif: <eth0>`."),
        ("type", "Write `action: <blackhole>`."),
    ),
    "Membership": _table(
        ("ip ipv4 ipv6 ipv4_address ipv6_address ip_address cidr", "Write `address: <10.0.0.5>`."),
        ("interface iface dev ifname", "Write `name: <eth0>`."),
        ("gateway gw priority", "Write `gateway` in the network, or `default_route: true` here."),
        ("mac_address hwaddr", "Write `mac: <02:00:00:00:00:01>`."),
        ("aliases alias", "Write `aliases` in the node, beside `networks`."),
        ("delay loss rate bandwidth latency", "Write `impair: {delay: 10ms, rate: 100mbit}`."),
        ("ports publish", 'Write `publish: ["8080:80"]` in the node, beside `networks`.'),
        ("vlan vlans vlan_id vid tag pvid access", _MEMBER_VLAN),
        ("routes", "Write `routes` in the node, beside `networks`."),
        ("kind type", "Leave it out: the network makes the interface, as its `driver` says."),
        ("dhcp dhcp4 dhcp6", _NO_DHCP),
    ),
    "EndpointModel": _table(
        ("iface ifname if port name dev", "Write `interface: <eth0>`."),
        ("host device router", "Write `node: <r1>`."),
        ("ip ipv4 ipv6 address", "Write `addresses: [<10.0.0.1/24>]`."),
    ),
    "DnsModel": _table(
        ("nameservers nameserver addresses server dns", "Write `servers: [<10.0.0.53>]`."),
        ("domain domains searchdomain search_domains", "Write `search: [<example.org>]`."),
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
        ("label description comment", _LABEL),
        ("vlan vlans vlan_id tag", _VLAN),
        ("state", "Write `state` at an end: `{node: a, interface: eth0, state: down}`."),
    ),
    "RouteModel": _table(
        ("gateway gw nexthop next_hop router", "Write `via: <10.0.0.1>`."),
        ("destination dst dest prefix network subnet target", "Write `to: <10.1.0.0/16>`."),
        ("interface device iface oif", "Write `dev: <eth0>`."),
        ("cost distance priority", "Write `metric: <100>`."),
        ("default", "Write `to: default`."),
        ("encapsulation lwtunnel", "Write `encap: {mpls: [100]}`."),
        ("mpls label labels", "Write `encap: {mpls: [<100>]}`."),
        ("seg6 segs segments segment sid", _SEG6),
        ("seg6local action", _SEG6_LOCAL),
        ("nhid nexthop_id nh_id", "Write the next hops: `nexthops: [{via: 10.0.0.1}]`."),
    ),
    "EncapModel": _table(
        ("seg6mode mode segs segments srv6 srh", _SEG6),
        ("action end seg6-local seg6_local", _SEG6_LOCAL),
        ("labels label stack push", "Write `mpls: [<100>]`."),
        ("vxlan gre ipip", "Write `ip: {id: 7, dst: 10.0.0.2}`, and the tunnel as the `dev`."),
    ),
    "Seg6Model": _table(("segs srh segment sids sid", "Write `segments: [<fd00::1>]`.")),
    "Seg6LocalModel": _table(
        ("vrf", "Write the table of the VRF: `vrftable: 100`."),
        ("nh via nexthop gateway", "Write `nh4` for an IPv4 router, and `nh6` for an IPv6 one."),
        ("segs srh segment sids", "Write `segments: [<fd00::1>]`."),
        ("dev", "Write `oif: <eth1>`."),
    ),
    "CheckModel": _table(
        ("source src a node", "Write `from: <NODE>`."),
        ("destination dst dest target b host ping", "Write `to: <NODE>`."),
        ("port", "Write `tcp: <80>`."),
        (
            "proto protocol udp icmp",
            "A check is a ping, or with `tcp: 80` a connection: leave it out.",
        ),
        ("nodes between network", "Write `all: <NETWORK>`, or `from` and `to`."),
        ("expect allowed denied fails expected", "Write `reachable: false` if it must not arrive."),
    ),
    "ImpairModel": _table(
        ("bandwidth bw speed", "Write `rate: 100mbit`."),
        ("packet_loss drop", "Write `loss: 1%`."),
    ),
    "FilterModel": _table(
        ("rules chain chains hook hooks filter", _WAYS),
        ("default defaults", "Write `policy: {forward: <drop>}`."),
        ("prerouting postrouting nat", "Translations are `nat: [{…}]` of the node."),
        ("FORWARD INPUT OUTPUT", "The names are in small letters: `forward`, `input`, `output`."),
    ),
    "FilterPolicyModel": _table(
        ("FORWARD INPUT OUTPUT", "The names are in small letters: `forward`, `input`, `output`."),
    ),
    "FilterRuleModel": _table(
        ("source src saddr s", "Write `from: <10.0.0.0/24>`."),
        ("destination dst daddr d", "Write `to: <10.0.0.0/24>`."),
        ("iif iifname in_interface i", "Write `in: <eth0>`."),
        ("oif oifname out_interface o", "Write `out: <eth0>`."),
        ("protocol p l4proto", "Write `proto: <tcp>`."),
        ("dport dports ports", "Write `port: <80>`."),
        ("sports source_port", "Write `sport: <53>`."),
        ("tcp", "Write `proto: tcp, port: <80>`."),
        ("udp", "Write `proto: udp, port: <53>`."),
        ("icmp icmp_type icmptype", "Write `proto: icmp, type: <echo-request>`."),
        ("ctstate conntrack states", "Write `state: [established, related]`."),
        ("target jump j verdict", "Write `action: accept`, with accept, drop or reject."),
        ("policy", _POLICY),
        ("accept drop reject", "Write it as the `action`: `action: drop`."),
        ("hook chain direction", _WAYS),
        ("family version", "A rule with `from: 0.0.0.0/0` is for IPv4, one with `::/0` for IPv6."),
        ("label description name", "Write `comment: <TEXT>`."),
    ),
    "NatModel": _table(
        (
            "redirect",
            "Write `dnat: {port: 80, to: 10.0.0.1:8080}` with an address of the node itself.",
        ),
        ("action type target jump", "Write `<masquerade>: {…}`."),
        ("output", "A `dnat` is for packets that come to the node, not for those that it makes."),
    ),
    "SourceModel": _table(
        ("port sport to_ports to-ports source_ports", "Write `ports: <1024-65535>`."),
        ("protocol p l4proto protocols", "Write `proto: <tcp>`."),
        ("random_fully random-fully fully_random fully-random", "Write `random: true`."),
        ("persistent", _ONE_ADDRESS),
        ("source src saddr s", "Write `from: <10.0.0.0/24>`."),
        ("oif oifname out_interface o", "Write `out: <eth0>`."),
        ("to_source to-source address", "Write `snat: {to: <192.0.2.1>}`."),
    ),
    "PublishModel": _table(
        ("target container_port containerPort target_port inside", "Write `to: <80>`."),
        ("published host_port hostPort host outside", "Write `port: <8080>`."),
        ("host_ip hostIP ip listen", "Write `address: <127.0.0.1>`."),
        ("protocol", "Write `proto: <tcp>`."),
        ("mode name app_protocol", "Leave it out."),
    ),
    "PoolModel": _table(
        ("cidr subnet range network pool", "Write `base: <10.0.0.0/8>`."),
        ("prefix length prefix_length", "Write `size: <24>`."),
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
    if word.isdecimal() and "PublishModel" in models:
        text = f'Write `to: {value}, port: {word}`, or `publish: ["{word}:{value}"]`.'
    if text is _GATEWAY and isinstance(value, str) and not re.fullmatch(r"[\da-fA-F.:]+", value):
        text = _GATEWAY_NODE
    if ":" in word and ":" in str(value) and "LinkModel" in models:
        text = f"Write `endpoints: [{word}, {value}]`."
    several = value if isinstance(value, list) else [value]
    simple = all(isinstance(one, (str, int)) and not isinstance(one, bool) for one in several)
    right = ", ".join(map(str, several)) if simple and several else ""
    if not right or len(right) > 40:
        return re.sub("<([^>]*)>", r"\1", text)
    text = re.sub(r"\[<[^>]*>\]", lambda _: f"[{right}]", text)
    return re.sub("<[^>]*>", lambda _: f"[{right}]" if several is value else right, text)


def meant(models: tuple[str, ...], word: str, value: object) -> str:
    """Return the key of the same mapping that an unknown key stands for, "" if it has none."""
    match = re.match(r"Write `(\w+): (?!…)", sentence(models, word, value))
    return match[1] if match is not None else ""


def similar(models: tuple[str, ...], word: str, value: object) -> str:
    """Return what to write in place of a key that is similar to one of the tables, or ""."""
    close = most_similar(word, [known for model in models for known in KEYS.get(model, ())])
    return sentence(models, close, value) if close else ""
