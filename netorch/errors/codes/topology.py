"""Codes for a topology as a whole: how its nodes, links and networks fit together."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
TOPOLOGY = Area(
    "How nodes, links and networks fit together",
    (
        Code(
            "unknown-node",
            "There is no such node",
            "The file, the command or the program names a node that the topology does not have.",
            "Correct the name, or declare the node under `nodes`.",
        ),
        Code(
            "unknown-interface",
            "There is no such interface",
            "The file or the command names an interface that the node does not have in this file.",
            "Correct the name, or declare the interface under `nodes.NODE.interfaces` or in a "
            "link.",
        ),
        Code(
            "unknown-network",
            "There is no such network",
            "The file names a network that it does not declare, or of which the node is not a "
            "member.",
            "Correct the name, or declare the network under `networks`.",
        ),
        Code(
            "unknown-address",
            "No node has this address",
            "An end is given as an address that no node has, or that cannot belong to a single "
            "interface.",
            "Use an address of a node. `netorch show` lists them.",
        ),
        Code(
            "unknown-gateway",
            "The gateway of a network does not exist",
            "The bridge of a network with the mode `segment` has no address, so one of the members "
            "has to have the gateway's address.",
            "Name a member as `gateway`, or use `mode: host-only`.",
        ),
        Code(
            "name-twice",
            "A name is used twice",
            "Two objects have the same name, although their names have to differ: for example an "
            "alias and a node, or an interface and the bridge or a bridge port of a network.",
            "Rename one of them. `bridge: NAME` sets the name of a network's bridge.",
        ),
        Code(
            "name-too-long",
            "A name with its prefix is too long",
            "The name of a namespace is the `prefix` and the node's name, and these together are "
            "longer than 200 bytes.",
            "Shorten the name or the prefix.",
        ),
        Code(
            "reserved-name",
            "A name is reserved",
            "netorch uses this name for its own namespace, or Linux makes a device with this name "
            "in every namespace (for example `tunl0`, if the module `ipip` is loaded).",
            "Use another name.",
        ),
        Code(
            "unmade-interface",
            "The file does not tell how to make an interface",
            "The node declares an interface that has no `kind`, and is in no link and no network.",
            "Add it to `links`, make the node a member of a network, or set its `kind`.",
        ),
        Code(
            "existing-interface",
            "An existing interface of the host cannot be used in this way",
            "This file does not make the interface. netorch can add addresses, neighbours and "
            "sysctls to it, but does not change anything else about it.",
            "Use it as `uplink` of a network, or move it into a node with `kind: physical`.",
        ),
        Code(
            "already-wired",
            "An interface is used twice",
            "An interface is an endpoint of a single link, or a single network makes it, or it has "
            "a `kind`. The two endpoints of a link have to be different interfaces.",
            "Use another interface name for one of the two.",
        ),
        Code(
            "loopback",
            "`lo` cannot be used here",
            "`lo` is the loopback interface of every node: it is not an Ethernet interface, it "
            "cannot be moved, and it does not have the settings of other kinds.",
            "Use another interface, or one with `kind: dummy`.",
        ),
        Code(
            "port-of-two",
            "An interface has two masters",
            "An interface can be a port of only one bridge, bond or VRF.",
            "Delete it from one of them.",
        ),
        Code(
            "cannot-be-port",
            "An interface cannot be a port",
            "The ports of bridges and bonds are Ethernet interfaces. Loopback, a bridge, a tunnel "
            "without Ethernet, a wireless interface, or an upper link of the bridge or bond itself "
            "cannot be a port.",
            "Use another interface, or a kind with Ethernet, such as `gretap` instead of `gre`.",
        ),
        Code(
            "bridge-loop",
            "Bridges form a loop",
            "The links between several bridges form a loop, and none of the bridges has STP, which "
            "would block one of the links. Each broadcast circulates forever and uses up the "
            "processor.",
            "Set `stp: true` on one of the bridges, or remove one of the links.",
        ),
        Code(
            "bridge-full",
            "A bridge has too many ports",
            "A Linux bridge can have at most 1,023 ports.",
            "Use several bridges, and connect them with links.",
        ),
        Code(
            "address-on-port",
            "A port has an address",
            "Frames that arrive on a port go to its bridge or bond, so an address of the port "
            "would not work.",
            "Move the address to the bridge or bond.",
        ),
        Code(
            "not-a-port",
            "An interface with `port` is not a port",
            "`port` configures a port of a bridge. On a bridge itself, it configures the bridge's "
            "own port, and can contain only `pvid` and `vlans`.",
            "Move the key to a port of a bridge.",
        ),
        Code(
            "bond-port-differs",
            "A port of a bond has its own MTU or MAC",
            "The ports of a bond have the MTU and the MAC address of the bond.",
            "Set the value on the bond.",
        ),
        Code(
            "needs-vlan-filtering",
            "A bridge does not filter VLANs",
            "A bridge without `vlan_filtering` ignores the VLANs of its ports. A static entry can "
            "be only in a VLAN that its port has.",
            "Set `vlan_filtering: true` on the bridge, or add the VLAN to the port.",
        ),
        Code(
            "uplink-vlans",
            "A bridge with an uplink filters VLANs",
            "The file cannot set the VLANs of an uplink, so the uplink would drop all frames with "
            "a tag.",
            "Remove `vlan_filtering`, or make a separate network for each VLAN.",
        ),
        Code(
            "mac-twice",
            "A MAC address is used twice",
            "Two interfaces of one segment have the same MAC address, or one MAC address is "
            "declared behind two ports. A bridge would not know to which port it sends the frames "
            "for this address.",
            "Change one of them, or remove `mac`.",
        ),
        Code(
            "no-mac",
            "An interface has no MAC address of its own",
            "Interfaces of kinds such as `gre`, `tun` or `ipvlan` have no MAC address, or use "
            "their parent's. They support neither `mac` nor `neighbours`.",
            "Delete the key, or set `mac` on the parent.",
        ),
        Code(
            "address-twice",
            "An address is used twice",
            "Two interfaces of one segment have the same IP address, or one interface has an "
            "address twice.",
            "Change one of them.",
        ),
        Code(
            "not-a-host-address",
            "An address cannot be used by a host",
            "The first and the last address of an IPv4 subnet are the network address and the "
            "broadcast address. A host cannot have them.",
            "Use an address between the two.",
        ),
        Code(
            "outside-subnet",
            "An address is outside the subnet",
            "The address, gateway or `ip_range` is not within a subnet of the network.",
            "Correct it, or add the subnet to the network.",
        ),
        Code(
            "needs-prefix-length",
            "An address has no prefix length",
            "The network has no subnet from which netorch could take the prefix length.",
            "Write the prefix length, as in `10.0.0.1/24`, or add a `subnet` to the network.",
        ),
        Code(
            "needs-subnet",
            "A network has no subnet",
            "The network has a `gateway` or an `ip_range`, but no subnet that contains it. netorch "
            "chooses a subnet only for a network that has neither.",
            "Add for example `subnet: 10.0.0.0/24`, or remove the address.",
        ),
        Code(
            "pool-full",
            "A pool has no subnet left",
            "netorch chooses a subnet for the network, and all those of its `pool` overlap with "
            "others of the file.",
            "Use a larger `pool`, or a smaller part of it for each network: a larger `size`. Or "
            "write the `subnet`.",
        ),
        Code(
            "no-such-flag",
            "An interface cannot have this flag",
            "`arp` and `multicast` are for links like Ethernet cables: for other kinds Linux "
            "chooses them. netorch leaves all flags of a NIC as they are.",
            "Remove the key.",
        ),
        Code(
            "no-free-port",
            "No port is free for a published port",
            "netorch chooses the owner's port, and others publish all those that it could take.",
            "Write a larger range, or a port that nobody publishes.",
        ),
        Code(
            "subnet-full",
            "A subnet has no address left",
            "The subnet or `ip_range` has fewer addresses than the members of the network, or the "
            "two ends of the link, need.",
            "Use a larger subnet or range.",
        ),
        Code(
            "subnets-overlap",
            "Two subnets overlap",
            "Two subnets of one network, or of two networks with a common member, overlap, so "
            "routes would be ambiguous.",
            "Change one of them.",
        ),
        Code(
            "two-gateways",
            "A network has two gateways",
            "A network can have one gateway for IPv4 and one for IPv6.",
            "Delete one of them.",
        ),
        Code(
            "gateway-is-bridge",
            "The bridge is already the gateway",
            "In this mode the network's bridge is the gateway, so a node cannot be the gateway.",
            "Write an address as `gateway`, or use `mode: segment`.",
        ),
        Code(
            "gateway-is-self",
            "A node is its own gateway",
            "The gateway of the route is an address of the node to which the route belongs.",
            "Write the address of the next router.",
        ),
        Code(
            "foreign-source",
            "The source address of a route is not an address of the node",
            "`src` of a route has to be an address of the same node.",
            "Add the address to the node, or correct `src`.",
        ),
        Code(
            "route-twice",
            "A route appears twice",
            "Two routes of a node have the same destination, table and metric.",
            "Delete one of them, or give it another `metric` or `table`.",
        ),
        Code(
            "rule-twice",
            "A policy rule appears twice",
            "Two policy rules of a node are the same.",
            "Delete one of them.",
        ),
        Code(
            "two-default-routes",
            "A node has two default routes",
            "Several memberships of the node have `default_route: true`, but a routing table has "
            "only one default route for each IP version.",
            "Delete one of them.",
        ),
        Code(
            "which-vrf",
            "The VRF of a route is ambiguous",
            "The gateways of the route are in different VRFs, or its gateway is in several VRFs.",
            "Set the `vrf` of the route, or the `dev` of its next hop.",
        ),
        Code(
            "table-taken",
            "Two VRFs have the same table",
            "Each VRF needs its own routing table.",
            "Change the `table` of one of them.",
        ),
        Code(
            "mixed-families",
            "IPv4 and IPv6 are mixed",
            "The two addresses have to be of the same IP version.",
            "Use two addresses of the same version.",
        ),
        Code(
            "mtu-too-large",
            "An MTU is too large",
            "The MTU of an upper link or a tunnel is at most the MTU of the interface below it, "
            "less the headers that are added. Some kinds of interfaces have a limit of their own. "
            "It is a warning for a tunnel without a `parent`, which Linux does not compare with "
            "the interface of its `local` address, and for one whose `parent` is a VRF.",
            "Lower this MTU, or raise the MTU of the interface below.",
        ),
        Code(
            "mtu-too-small",
            "An MTU is too small",
            "IPv6 needs an MTU of at least 1280. With a smaller one Linux turns IPv6 off on the "
            "interface, and removes its addresses. Some kinds of interfaces have a lower limit of "
            "their own.",
            "Raise the MTU to the number in the error, or delete the IPv6 address.",
        ),
        Code(
            "ipv6-off",
            "An interface with an IPv6 address has IPv6 turned off",
            "The sysctl `disable_ipv6` of the interface is 1, because the file sets it or because "
            "it is the default of the machine, as in most containers. Linux refuses IPv6 addresses "
            "on such an interface.",
            "Set `sysctls: {disable_ipv6: 0}` on the interface, or run `sysctl -w "
            "net.ipv6.conf.all.disable_ipv6=0`.",
        ),
        Code(
            "neighbour-twice",
            "A neighbour appears twice",
            "An interface has two entries for one address with different MAC addresses.",
            "Delete one of them.",
        ),
        Code(
            "rate-in-bytes",
            "A rate is in bytes, and may be meant in bits",
            "As in `tc`, `mbps` is megabytes per second, in capital letters too: `10 Mbps` is 80 "
            "megabits. In most other places `Mbps` is megabits.",
            "Write `10mbit` for megabits, or `10mbps` in small letters for megabytes.",
        ),
        Code(
            "gateway-does-not-forward",
            "The gateway of several networks does not forward",
            "A node is the `gateway` of several networks, so their members send packets for other "
            "networks to it. Without `forwarding: true`, Linux drops these packets.",
            "Write `forwarding: true` in the node.",
        ),
        Code(
            "needs-forwarding",
            "A node that has to forward has `forwarding: false`",
            "The node owns a network whose mode connects it with other networks, so the node is a "
            "router and has to forward packets.",
            "Delete `forwarding: false`, or use `mode: segment`.",
        ),
        Code(
            "contradiction",
            "Two keys contradict each other",
            "`forwarding` and a sysctl of the node set the same setting of the kernel to different "
            "values.",
            "Delete one of them.",
        ),
        Code(
            "bad-forward-delay",
            "The forward delay of a bridge is too short",
            "A bridge with STP needs a forward delay of at least 2 seconds.",
            "Write `forward_delay: 2s` or more, or remove `stp`.",
        ),
        Code(
            "bad-impairment",
            "An impairment has no effect",
            "A key of `impair` has no effect without another key, or the interface has no queue "
            "(`txqueuelen: 0`) in which packets could wait.",
            "Follow the advice in the error.",
        ),
        Code(
            "no-resolv-conf",
            "`dns` cannot be set",
            "`dns` writes the `resolv.conf` of a node. `names: false` turns that file off, and "
            "netorch does not write it for attached namespaces.",
            "Delete `dns`, or `names: false`.",
        ),
        Code(
            "no-hosts-file",
            "`extra_hosts` cannot be set",
            "`extra_hosts` adds names to the `hosts` file of a node. `names: false` turns that "
            "file off, and netorch does not write it for the host and for attached namespaces.",
            "Delete `extra_hosts`, or `names: false`.",
        ),
        Code(
            "no-host-gateway",
            "`host-gateway` has no address",
            "`host-gateway` is the address of the host in a network of the node: that of a bridge "
            "on the host, in mode nat, routed or host-only. The node is in no such network.",
            "Make the node a member of one, or write an address.",
        ),
        Code(
            "parent-circle",
            "An interface is its own parent",
            "The chain of parents leads back to the interface.",
            "Correct `parent`.",
        ),
        Code(
            "parent-elsewhere",
            "The parent is in another node",
            "An interface of this kind has to be in the namespace of its parent.",
            "Move one of the two, or use a kind that can have a parent in another namespace, such "
            "as `macvlan`.",
        ),
        Code(
            "bad-parent",
            "An interface cannot be a parent",
            "The parent is not an Ethernet interface, is of the same kind, or is a port of a "
            "bridge or bond, which receives all its frames.",
            "Use the interface that the error names.",
        ),
        Code(
            "parent-conflict",
            "Two interfaces cannot share a parent",
            "An interface has macvlans as upper links, or ipvlans that all have the same mode, or "
            "is a port. A macvlan with the mode `passthru` is the only one of its parent.",
            "Use another parent, or the same kind and mode for both. `ip -d link` shows the "
            "existing upper links.",
        ),
        Code(
            "same-tunnel",
            "Two tunnels have the same ends",
            "Linux allows only one tunnel of a kind with the same `local`, `remote` and number.",
            "Give one of them another `key`, `id` or `remote`.",
        ),
        Code(
            "vlan-twice",
            "A VLAN has two interfaces",
            "A network makes the interface of its VLAN itself, and the file declares another one "
            "with the same parent and number.",
            "Delete the interface, or the `vlan` of the network.",
        ),
        Code(
            "not-an-overlay",
            "A network with `at` has no endpoints",
            "`at` of a membership names the endpoint of a VXLAN network to which the node is "
            "connected, and this network has no endpoints.",
            "Delete `at`, or add `driver: vxlan` to the network.",
        ),
        Code(
            "needs-endpoint",
            "The endpoint of a member is missing",
            "The VXLAN network has several endpoints, and the node itself is not one of them.",
            "Add `at: NODE` to the membership.",
        ),
        Code(
            "bad-uplink",
            "An interface cannot be an uplink",
            "The interface is a bridge, is already a port, or connects a node to a network. An "
            "uplink has to lead out of the topology.",
            "Use another interface.",
        ),
        Code(
            "nic-twice",
            "A NIC is used twice",
            "A NIC of the host can be in one node or be the uplink of one network, and the file "
            "uses it a second time.",
            "Delete one of the uses.",
        ),
        Code(
            "nothing-to-isolate",
            "A segment cannot be isolated",
            "A network with the mode `segment` is not connected to other networks, so there is "
            "nothing from which it could be isolated.",
            "Delete the key, or use another mode.",
        ),
        Code(
            "no-way-between",
            "`allow` has no effect",
            "The two networks have no common router, so no packets can go from one to the other.",
            "Give both networks the same owner and a mode that routes, or add routes.",
        ),
        Code(
            "cannot-publish",
            "A port cannot be published",
            "netorch publishes a node's port through a network with the mode `nat` in which the "
            "node has an address.",
            "Make the node a member of such a network, or name the network in the entry's "
            "`network`.",
        ),
        Code(
            "cannot-filter",
            "A node's packet filter is not netorch's to fill",
            "A node with `filter` has to be one that netorch makes. The packet filter of this "
            "machine, and that of a namespace which existed before, may have rules of other "
            "programs, and a rule there may lock its administrator out.",
            "Remove `filter` from the node, and write the rules with the tools in use there.",
        ),
        Code(
            "ambiguous-name",
            "A name may mean a node or a network",
            "`from` and `to` in a rule of `filter` take the names of nodes and of networks, and "
            "the file has both of this name.",
            "Write the address or the subnet, or rename one of the two.",
        ),
        Code(
            "port-published-twice",
            "A port is published twice",
            "Two entries publish the same port with the same address and protocol.",
            "Change one of the ports, or publish it on another address.",
        ),
        Code(
            "port-of-tunnels",
            "A published port is that of the tunnels between machines",
            "The tunnels from the other machines in `hosts` arrive at this UDP port. If it led to "
            "a node, this machine would be cut off from the others.",
            "Publish another port, or write another `port` under `tunnels`.",
        ),
        Code(
            "isolated-on-machines",
            "Isolated ports are on several machines",
            "A bridge forwards nothing from one isolated port to another. A frame that comes "
            "through a tunnel does not say by what port it came into the bridge of the other "
            "machine.",
            "Write `port_isolation: true` in the network, which holds over several machines, or "
            "put the nodes on one machine.",
        ),
        Code(
            "no-groups",
            "A network cannot have groups of members",
            "Groups are VLANs of a bridge that netorch makes for the network alone, and netorch "
            "sets the VLANs of all its ports.",
            "Remove `group`, or what the error names.",
        ),
        Code(
            "bad-check-target",
            "A check cannot send packets to its target",
            "A check sends packets to a single host. A link-local address needs the interface to "
            "which it belongs.",
            "Write a node or the address of a single host. Write a link-local address as in "
            "`fe80::1%eth0`.",
        ),
        Code(
            "contradicting-checks",
            "Two checks contradict each other",
            "Both checks send the same packet from the same node. One expects an answer, and the "
            "other, with `reachable: false`, expects none.",
            "Remove one of the two checks.",
        ),
        Code(
            "unknown-machine",
            "There is no such machine",
            "An `on`, or the option `--host`, names a machine that the file does not have in "
            "`hosts`.",
            "Correct the name, or declare the machine under `hosts`.",
        ),
        Code(
            "needs-machine",
            "The machine of a node, a network or a link is open",
            "In a file with `hosts`, each node is on a machine. So is the owner of each network, "
            "and `host` in a link.",
            "Write `on: MACHINE`, or `host.MACHINE` in place of `host`.",
        ),
        Code(
            "crosses-machines",
            "Something cannot cross from one machine to another",
            "Links of `links` and networks of driver bridge may lead to other machines. A "
            "`kind: veth`, a macvlan and an ipvlan cannot, because both ends share a kernel. A "
            "node with `attach: node:NAME` is on the machine of the other node.",
            "Write the link in `links`, use driver bridge, or put the nodes on one machine.",
        ),
        Code(
            "which-machine",
            "netorch does not know which machine this is",
            "A file with `hosts` is for several machines. This machine has the address of none of "
            "them, or of several.",
            "Correct the address under `hosts`, or use `--host NAME`.",
        ),
        Code(
            "node-elsewhere",
            "A node is on another machine",
            "The command needs the node's namespace, which is on another machine of the topology.",
            "Run the command on that machine.",
        ),
        Code(
            "needs-public-key",
            "The public key of a machine is missing",
            "With `wireguard: true` in `tunnels`, the other machines need the public key of each "
            "machine.",
            "On this machine, make a key with `umask 077; wg genkey > FILE`, and write what "
            "`wg pubkey < FILE` prints as `public_key` of the machine.",
        ),
        Code(
            "public-key-twice",
            "Two machines have the same public key",
            "WireGuard knows a peer by its key, so it could not tell the two machines apart.",
            "Make a key of its own for each machine.",
        ),
        Code(
            "too-many-tunnels",
            "The network identifiers of the tunnels are too large",
            "Networks and links are numbered from `vni` in `tunnels`, and a VXLAN has a number of "
            "24 bits.",
            "Choose a smaller `vni`.",
        ),
        Code(
            "too-many-entries",
            "All machines together are too large to be looked at",
            "Each machine of a network has an entry for each member on another machine. A machine "
            "needs only its own entries, but `validate`, `graph` and `diff OLD NEW` make those of "
            "all machines unless they have `--host`.",
            "Use `--host MACHINE`, or route between smaller networks.",
        ),
    ),
)
