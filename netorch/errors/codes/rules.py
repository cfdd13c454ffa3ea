"""Codes for constraints between the keys of one mapping (`netorch.language.constraints`)."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
RULES = Area(
    "Keys that do not go together",
    (
        Code(
            "rule-needs-table",
            "A policy rule has no table",
            "A policy rule with the action `lookup`, which is the default, looks for a route in a "
            "table, so it needs the table's number.",
            "Add `table: NUMBER`, or use an `action` such as `blackhole`.",
        ),
        Code(
            "rule-takes-no-table",
            "A policy rule that drops packets has a table",
            "A policy rule with the action `blackhole`, `unreachable` or `prohibit` drops the "
            "packet, so it does not look at a table.",
            "Remove `table`, or use `action: lookup`.",
        ),
        Code(
            "filter-needs-protocol",
            "A rule of `filter` has a port or a type, but not the right protocol",
            "Only TCP, UDP and SCTP have ports, and only ICMP and ICMPv6 have types.",
            "Add `proto: tcp`, or the protocol that is meant, or remove the port or the type.",
        ),
        Code(
            "filter-other-way",
            "A rule of `filter` names an interface that its packets do not pass",
            "Packets to the node itself do not leave by an interface, and packets that the node "
            "sends do not arrive by one.",
            "Remove `in` or `out`, or move the rule to `forward`.",
        ),
        Code(
            "filter-negation",
            "`!` in a rule of `filter` stands before several addresses",
            "A rule for all packets except those of several addresses has no form that both "
            "nftables and iptables know.",
            "Write a rule that accepts or drops what is excluded, and after it a rule for all "
            "others.",
        ),
        Code(
            "route-hops-and-gateway",
            "A route has both a gateway and next hops",
            "A route has either a gateway and a device (`via`, `dev`), or a list of next hops.",
            "Move `via` and `dev` into an entry of `nexthops`, or remove `nexthops`.",
        ),
        Code(
            "route-leads-nowhere",
            "A route that drops packets has a gateway or a device",
            "A route of the type `blackhole`, `unreachable` or `prohibit` drops packets, so it "
            "has no gateway and no device.",
            "Remove `via`, `dev` and `nexthops`, or the `type`.",
        ),
        Code(
            "route-needs-gateway",
            "A route has no gateway and no device",
            "A unicast route needs a gateway, a device, or next hops.",
            "Add `via: ADDRESS` or `dev: INTERFACE`.",
        ),
        Code(
            "encap-is-one-of",
            "An encapsulation is not exactly one of its kinds",
            "`encap` of a route has none or several of the keys `mpls`, `seg6`, `seg6local`, `ip` "
            "and `ip6`.",
            "Write one of them: a route adds one encapsulation. Several labels or segments are a "
            "list.",
        ),
        Code(
            "encap-incomplete",
            "An encapsulation lacks something",
            "The labels, the segments, or what an action of `seg6local` needs are missing: its "
            "next router, its table, or the VRF that gets the packets.",
            "Add the key or the object that the message names.",
        ),
        Code(
            "encap-contradiction",
            "An encapsulation has a key that does not fit",
            "The action of `seg6local` has no such key, or the route is of a type or an IP version "
            "that cannot have this encapsulation.",
            "Remove the key, or choose another action or another destination.",
        ),
        Code(
            "hop-needs-gateway",
            "A next hop has no gateway and no device",
            "Each next hop needs a gateway or a device.",
            "Add `via` or `dev` to the entry of `nexthops`.",
        ),
        Code(
            "hop-twice",
            "A next hop appears twice",
            "An IPv6 route of Linux can have each pair of gateway and interface only once.",
            "Remove one of them. To give a next hop a larger share, set its `weight`.",
        ),
        Code(
            "gateway-needs-dev",
            "A gateway needs its interface",
            "A link-local address exists on every link, so it does not tell where the gateway is. "
            "The same is true of any address with `onlink`.",
            "Add `dev: INTERFACE` to the route or next hop.",
        ),
        Code(
            "gateway-needs-scope",
            "A route with this scope has no gateway",
            "A route with the scope `link` or `host` leads to the link or the host itself, "
            "without a gateway.",
            "Remove `scope` or the gateway.",
        ),
        Code(
            "route-vrf-and-table",
            "A route names a VRF and a table",
            "A VRF is a table of its own, so a route names only one of the two.",
            "Remove `vrf` or `table`.",
        ),
        Code(
            "route-onlink-needs-gateway",
            "`onlink` lacks a gateway or a device",
            "`onlink` states that the gateway is on the device's link even though no subnet "
            "contains it, so the route needs both.",
            "Add `via` and `dev`, or remove `onlink`.",
        ),
        Code(
            "check-needs-ends",
            "A check has no ends",
            "A check is either from `from` to `to`, or between all nodes that `all` names.",
            "Write `{from: NODE, to: NODE}` or `{all: NETWORK}`.",
        ),
        Code(
            "check-tcp-and-mtu",
            "A check has both a port and an MTU",
            "`mtu` is the size of a ping, and a TCP connection has no such size.",
            "Make two checks: one with `tcp`, one with `mtu`.",
        ),
        Code(
            "nat-is-one-of",
            "An entry of `nat` is not exactly one translation",
            "An entry of `nat` is either `masquerade`, or `snat`, or `dnat`.",
            "Write one entry for each translation.",
        ),
        Code(
            "nat-needs-protocol",
            "A translation of sources has ports, but no protocol",
            "Only TCP, UDP and SCTP have ports, so Linux has to know which of them is meant.",
            "Add `proto: tcp`, or `proto: [tcp, udp]`, or remove `ports`.",
        ),
        Code(
            "filter-too-large",
            "A rule of `filter` has too many combinations",
            "Each combination of the values in the lists of a rule becomes a rule of its own in "
            "the kernel.",
            "Write wider subnets and ranges of ports in place of the lists.",
        ),
        Code(
            "network-key-needs-vxlan",
            "A key needs the driver vxlan",
            "The key describes a VXLAN, and this network has another driver.",
            "Add `driver: vxlan`, or remove the key.",
        ),
        Code(
            "vxlan-needs-vni",
            "A VXLAN has no VNI",
            "The VNI distinguishes the packets of one VXLAN from those of another.",
            "Add `vni: NUMBER`.",
        ),
        Code(
            "vxlan-needs-endpoints",
            "A network with the driver vxlan has no endpoints",
            "Members are connected to bridges in the endpoint nodes, so the network needs at least "
            "one endpoint.",
            "Add `endpoints: {NODE: ADDRESS}`.",
        ),
        Code(
            "vxlan-is-segment",
            "The driver vxlan supports only the mode `segment`",
            "A network with a bridge in each endpoint has no single node that could translate "
            "or filter for it.",
            "Remove `mode`. To connect it with other networks, add `gateway: NODE`.",
        ),
        Code(
            "vxlan-takes-no-node",
            "The driver vxlan does not support `node`",
            "A network of this driver has a bridge in each of its endpoint nodes, not in one "
            "node that the file could choose.",
            "Remove `node`, and name the nodes under `endpoints`.",
        ),
        Code(
            "vxlan-takes-no-port-isolation",
            "The driver vxlan does not support `port_isolation`",
            "A bridge can isolate only its own ports, and a VXLAN has several bridges.",
            "Remove `port_isolation`.",
        ),
        Code(
            "network-key-needs-parent-driver",
            "A key needs the driver macvlan or ipvlan",
            "The key describes links on a parent interface, and this network has a bridge.",
            "Add `driver: macvlan` or `driver: ipvlan`, or remove the key.",
        ),
        Code(
            "parent-driver-is-segment",
            "The drivers macvlan and ipvlan support only the mode `segment`",
            "Members are on the segment of the parent interface, so netorch neither translates "
            "nor filters for them.",
            "Remove `mode`, or use the default driver, which makes a bridge.",
        ),
        Code(
            "driver-mode-of-other-driver",
            "The driver does not have this mode",
            "The modes of macvlan and those of ipvlan are different.",
            "Use one of the modes that the error lists.",
        ),
        Code(
            "parent-driver-has-no-bridge",
            "A key describes a bridge, and the driver does not make one",
            "With macvlan and ipvlan, the members' interfaces are links on the parent interface.",
            "Remove the key, or the `driver`.",
        ),
        Code(
            "network-key-needs-parent",
            "A key needs a `parent`",
            "The key describes the parent interface. A network without a parent is connected to "
            "nothing else.",
            "Add `parent: NODE:INTERFACE`, or remove the key.",
        ),
        Code(
            "ipvlan-l3-takes-no-gateway",
            "ipvlan in a layer 3 mode does not support `gateway`",
            "In the modes l3 and l3s, the node of the parent routes the members' packets.",
            "Remove `gateway`, or use `driver_mode: l2`.",
        ),
        Code(
            "uplink-needs-bridged",
            "`uplink` needs the mode `bridged`",
            "An uplink is a NIC that netorch makes a port of a bridged network's bridge.",
            "Add `mode: bridged`, or remove `uplink`.",
        ),
        Code(
            "bridged-needs-uplink",
            "A network with the mode `bridged` has no uplink",
            "A bridged network is a part of the segment behind a NIC, so it needs the name of "
            "that NIC.",
            "Add `uplink: INTERFACE`.",
        ),
        Code(
            "existing-needs-bridge",
            "An existing bridge has no name",
            "`existing` says that the bridge exists already, so its name must be in the file.",
            "Add `bridge: NAME`.",
        ),
        Code(
            "existing-mode",
            "A network on an existing bridge has a mode",
            "netorch does not make the bridge, and neither gives it addresses nor filters for it.",
            "Remove `mode`, or remove `existing` so that netorch makes a bridge of its own.",
        ),
        Code(
            "existing-driver",
            "A network on an existing bridge has a driver other than `bridge`",
            "The members of such a network are ports of the bridge.",
            "Remove `driver`, or remove `existing`.",
        ),
        Code(
            "existing-key",
            "A network on an existing bridge has a setting of the bridge",
            "netorch does not change a bridge that it did not make.",
            "Remove the key, or remove `existing`.",
        ),
        Code(
            "existing-in-new-node",
            "A network on an existing bridge is in a node that netorch makes",
            "In a new namespace no bridge exists already.",
            "Remove `existing`, so that netorch makes the bridge, too.",
        ),
        Code(
            "bridged-filters-nothing",
            "A bridged network has a key that filters packets",
            "Members of a bridged network are on the segment behind the uplink, where netorch "
            "does not filter packets.",
            "Remove the key, or use another mode.",
        ),
        Code(
            "bridged-gateway-needs-subnet",
            "A bridged network has a gateway and no subnet",
            "Only members with an address in the gateway's subnet can use the gateway.",
            "Add the `subnet` that contains the gateway's address.",
        ),
        Code(
            "auto-subnet-of-existing-segment",
            "netorch cannot choose the subnet of an existing segment",
            "The members join the segment of an `uplink` or `parent`, which has a subnet already.",
            "Write that subnet as `subnet`, or remove `auto`.",
        ),
        Code(
            "vrf-table-of-all",
            "A VRF uses a table that all packets use",
            "Linux looks up all packets in the tables `local`, `main` and `default`, so a VRF with "
            "one of them would not separate anything.",
            "Use another number as `table`.",
        ),
        Code(
            "vxlan-external",
            "An external VXLAN has a VNI or another end",
            "Routes or programs choose the VNI and the other end of each packet of an external "
            "VXLAN.",
            "Remove `vni`, `remote`, `group` and `fdb`, or `external`.",
        ),
        Code(
            "vxlan-remote-and-group",
            "A VXLAN has a remote address and a group",
            "A VXLAN sends either to one other end, or to a multicast group.",
            "Remove `remote` or `group`.",
        ),
        Code(
            "vxlan-group-needs-parent",
            "A VXLAN with a group has no parent",
            "Linux joins a multicast group on an interface.",
            "Add `parent: INTERFACE`.",
        ),
        Code(
            "bond-lacp-rate-needs-8023ad",
            "`lacp_rate` needs the mode 802.3ad",
            "Only a bond with the mode 802.3ad uses LACP.",
            "Use `mode: 802.3ad`, or remove `lacp_rate`.",
        ),
        Code(
            "bond-mode-has-no-primary",
            "The mode of a bond does not support `primary`",
            "Only some modes of a bond have a preferred port.",
            "Use one of the modes that the error lists, or remove `primary`.",
        ),
        Code(
            "tunnel-needs-end",
            "A tunnel has no addresses",
            "A tunnel without `remote` and `local` would be the same as the kernel's own default "
            "tunnel.",
            "Add `remote: ADDRESS` or `local: ADDRESS`.",
        ),
    ),
)
