"""Codes of the rules between the keys of one mapping (`netorch.language.constraints`)."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
RULES = Area(
    "Keys that do not go together",
    (
        Code(
            "rule-needs-table",
            "A policy rule has no table",
            "A policy rule with the action `lookup`, which is the default, says in which table "
            "to look for a route.",
            "Add `table: NUMBER`, or take an `action` such as `blackhole`.",
        ),
        Code(
            "rule-takes-no-table",
            "A policy rule that refuses has a table",
            "A policy rule with the action `blackhole`, `unreachable` or `prohibit` drops the "
            "packet, so no table is looked at.",
            "Remove `table`, or take `action: lookup`.",
        ),
        Code(
            "route-hops-and-gateway",
            "A route has two descriptions of its way",
            "A route has either one gateway or device, or a list of next hops.",
            "Move `via` and `dev` into an entry of `nexthops`, or remove `nexthops`.",
        ),
        Code(
            "route-leads-nowhere",
            "A route that refuses has a way",
            "A route of the type `blackhole`, `unreachable` or `prohibit` drops packets, so it "
            "has no gateway and no device.",
            "Remove `via`, `dev` and `nexthops`, or the `type`.",
        ),
        Code(
            "route-needs-gateway",
            "A route has no way",
            "A unicast route needs a gateway, a device, or next hops.",
            "Add `via: ADDRESS` or `dev: INTERFACE`.",
        ),
        Code(
            "hop-needs-gateway",
            "A next hop has no way",
            "Each next hop needs a gateway or a device.",
            "Add `via` or `dev` to the entry of `nexthops`.",
        ),
        Code(
            "hop-twice",
            "A next hop is there twice",
            "Linux takes a gateway by an interface once in an IPv6 route.",
            "Remove one of them, and say `weight` where it is to have a larger share.",
        ),
        Code(
            "gateway-needs-dev",
            "A gateway needs its interface",
            "A link-local address is one of each link, so it does not say where the gateway is, and "
            "with `onlink` no address does.",
            "Add `dev: INTERFACE` to the route or next hop.",
        ),
        Code(
            "gateway-needs-scope",
            "The scope of a route leaves no room for a gateway",
            "A route with the scope `link` or `host` leads to the link or the host itself, so "
            "that it has no gateway.",
            "Leave out `scope`, or the gateway.",
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
            "`onlink` says that the gateway is on the link of the device even though no subnet "
            "contains it, so both have to be there.",
            "Add `via` and `dev`, or remove `onlink`.",
        ),
        Code(
            "check-needs-ends",
            "A check does not say between whom",
            "A check is either between `from` and `to`, or between all members of a list.",
            "Write `{from: NODE, to: NODE}` or `{all: NETWORK}`.",
        ),
        Code(
            "check-tcp-and-mtu",
            "A check asks for a port and for a size of packets",
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
            "network-key-needs-vxlan",
            "A key is for the driver vxlan only",
            "The key describes a VXLAN, and this network has another driver.",
            "Add `driver: vxlan`, or remove the key.",
        ),
        Code(
            "vxlan-needs-vni",
            "A network of the driver vxlan has no number",
            "The VNI tells the packets of one VXLAN from those of another.",
            "Add `vni: NUMBER`.",
        ),
        Code(
            "vxlan-needs-endpoints",
            "A network of the driver vxlan has no endpoints",
            "Members plug into bridges in the endpoint nodes, so there has to be one at least.",
            "Add `endpoints: {NODE: ADDRESS}`.",
        ),
        Code(
            "vxlan-is-segment",
            "The driver vxlan has the mode `segment` only",
            "A network with a bridge in each endpoint has no single node that could translate "
            "or filter for it.",
            "Remove `mode`. To lead out, take `gateway: NODE`.",
        ),
        Code(
            "vxlan-takes-no-node",
            "The driver vxlan takes no `node`",
            "The bridges of a VXLAN are in its endpoint nodes.",
            "Remove `node`, and name the nodes under `endpoints`.",
        ),
        Code(
            "vxlan-takes-no-port-isolation",
            "The driver vxlan takes no `port_isolation`",
            "A bridge can isolate its own ports only, and a VXLAN has several bridges.",
            "Remove `port_isolation`.",
        ),
        Code(
            "network-key-needs-parent-driver",
            "A key is for the drivers macvlan and ipvlan only",
            "The key describes links on a parent interface, and this network has a bridge.",
            "Add `driver: macvlan` or `driver: ipvlan`, or remove the key.",
        ),
        Code(
            "parent-driver-is-segment",
            "The drivers macvlan and ipvlan have the mode `segment` only",
            "Members are on the segment of the parent interface, so that netorch neither "
            "translates nor filters for them.",
            "Remove `mode`, or take the default driver, a bridge.",
        ),
        Code(
            "driver-mode-of-other-driver",
            "The driver has no such mode",
            "macvlan and ipvlan have different modes of their own.",
            "Take one of the modes that the message lists.",
        ),
        Code(
            "parent-driver-has-no-bridge",
            "A key describes a bridge, and the driver has none",
            "With macvlan and ipvlan members are links on the parent interface.",
            "Remove the key, or the `driver`.",
        ),
        Code(
            "network-key-needs-parent",
            "A key needs a `parent`",
            "The key says more of the parent interface. Without a parent the network is closed.",
            "Add `parent: NODE:INTERFACE`, or remove the key.",
        ),
        Code(
            "ipvlan-l3-takes-no-gateway",
            "ipvlan in a layer 3 mode takes no `gateway`",
            "In the modes l3 and l3s the parent's node routes what the members send.",
            "Remove `gateway`, or take `driver_mode: l2`.",
        ),
        Code(
            "uplink-needs-bridged",
            "`uplink` is for the mode `bridged` only",
            "An uplink is a NIC that netorch puts into the bridge of a bridged network.",
            "Add `mode: bridged`, or remove `uplink`.",
        ),
        Code(
            "bridged-needs-uplink",
            "The mode `bridged` has no uplink",
            "A bridged network is a part of the segment behind a NIC, so the file has to name "
            "the NIC.",
            "Add `uplink: INTERFACE`.",
        ),
        Code(
            "bridged-filters-nothing",
            "A key of filters stands in a bridged network",
            "Members of a bridged network are on the segment behind the uplink, where netorch "
            "filters nothing.",
            "Remove the key, or take another mode.",
        ),
        Code(
            "bridged-gateway-needs-subnet",
            "A bridged network has a gateway and no subnet",
            "The gateway's address can be used only by members that have addresses of its subnet.",
            "Add the `subnet` that the gateway is in.",
        ),
        Code(
            "vrf-table-of-all",
            "A VRF uses a table that everything uses",
            "The tables `local`, `main` and `default` are read for all packets, so a VRF on one "
            "of them would separate nothing.",
            "Take another number as `table`.",
        ),
        Code(
            "vxlan-remote-and-group",
            "A VXLAN has one other end and a group",
            "A VXLAN sends to one other end, or to a multicast group.",
            "Remove `remote` or `group`.",
        ),
        Code(
            "vxlan-group-needs-parent",
            "The group of a VXLAN has no interface",
            "A multicast group is joined on an interface.",
            "Add `parent: INTERFACE`.",
        ),
        Code(
            "bond-lacp-rate-needs-8023ad",
            "`lacp_rate` without the mode 802.3ad",
            "Only a bond of the mode 802.3ad speaks LACP.",
            "Take `mode: 802.3ad`, or remove `lacp_rate`.",
        ),
        Code(
            "bond-mode-has-no-primary",
            "`primary` in a mode that prefers no port",
            "Only some modes of a bond have a preferred port.",
            "Take one of the modes that the message lists, or remove `primary`.",
        ),
        Code(
            "tunnel-needs-end",
            "A tunnel has no end",
            "Without `remote` and `local` the kernel would mean its own default tunnel.",
            "Add `remote: ADDRESS` or `local: ADDRESS`.",
        ),
    ),
)
