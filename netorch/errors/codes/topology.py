"""Codes of a topology as a whole: how its nodes, links and networks go together."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
TOPOLOGY = Area(
    "Nodes, links and networks together",
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
            "The name of an interface is used that the node does not have in this file.",
            "Correct the name, or declare the interface under `nodes.NODE.interfaces` or in a "
            "link.",
        ),
        Code(
            "unknown-network",
            "There is no such network",
            "The name of a network is used that the file does not have, or that the node is not a "
            "member of.",
            "Correct the name, or declare the network under `networks`.",
        ),
        Code(
            "unknown-address",
            "Nobody has this address",
            "An address is named as an end, and no node has it, or it is not the address of one "
            "interface.",
            "Take an address of the node. `netorch show` lists them.",
        ),
        Code(
            "unknown-gateway",
            "The gateway of a network does not exist",
            "The bridge of a network of mode `segment` has no address of its own, so one of the "
            "members has to have the gateway's address.",
            "Name a member as `gateway`, or take `mode: host-only`.",
        ),
        Code(
            "name-twice",
            "A name is there twice",
            "Two things that share a namespace of names would have the same one: an alias and a "
            "node, or the bridge or port of a network and an interface.",
            "Rename one of them. `bridge: NAME` says the name of a network's bridge.",
        ),
        Code(
            "name-too-long",
            "A name becomes too long",
            "With the `prefix`, the name of the node is longer than a name of a namespace can be.",
            "Shorten the name or the prefix.",
        ),
        Code(
            "reserved-name",
            "A name is reserved",
            "netorch uses this name for a namespace of its own, or Linux makes a device of this "
            "name in every namespace (as `tunl0` with the module `ipip`).",
            "Take another name.",
        ),
        Code(
            "unmade-interface",
            "Nothing makes an interface",
            "The node declares an interface that is in no link and no network and has no `kind`.",
            "Add it to `links`, make the node a member of a network, or say its `kind`.",
        ),
        Code(
            "existing-interface",
            "An interface of the host cannot be used in this way",
            "The interface is not made by this file. netorch can add addresses, neighbours and "
            "sysctls to it, and does not change anything else of it.",
            "Use it as `uplink` of a network, or move it into a node with `kind: physical`.",
        ),
        Code(
            "already-wired",
            "An interface cannot be the end of this link",
            "An interface is the end of one link, or is made by one network or by its `kind`. A "
            "link has two different ends.",
            "Take another name for one of the two.",
        ),
        Code(
            "loopback",
            "`lo` cannot be used here",
            "`lo` is the loopback interface of every node: it is not an Ethernet interface, "
            "cannot be moved and takes no settings of other kinds.",
            "Take another interface, or a `kind: dummy`.",
        ),
        Code(
            "port-of-two",
            "An interface is a port of two",
            "An interface can be a port of one bridge, bond or VRF.",
            "Delete it from one of them.",
        ),
        Code(
            "cannot-be-port",
            "An interface cannot be a port",
            "Bridges and bonds take Ethernet interfaces. They do not take loopback, bridges, "
            "tunnels without Ethernet, wireless interfaces, or an interface that is on top of "
            "them.",
            "Take another interface, or `gretap` and the like in place of `gre`.",
        ),
        Code(
            "bridge-loop",
            "Bridges are in a circle",
            "Cables lead round a circle of bridges, and none of them has a spanning tree that would "
            "block one. Each broadcast goes round for ever, and takes all of the processor.",
            "Say `stp: true` of one of the bridges, or take a cable out.",
        ),
        Code(
            "bridge-full",
            "A bridge has too many ports",
            "A bridge of Linux takes 1,023 ports.",
            "Use several bridges, and connect them with links.",
        ),
        Code(
            "address-on-port",
            "A port has an address",
            "What arrives on a port goes to its bridge or bond, so an address of the port would "
            "not work.",
            "Give the address to the bridge or bond.",
        ),
        Code(
            "not-a-port",
            "`port` stands at an interface that is not a port",
            "`port` says how a bridge treats one of its ports. The bridge's own port takes only "
            "`pvid` and `vlans`.",
            "Move the key to a port of a bridge.",
        ),
        Code(
            "bond-port-differs",
            "A port of a bond has its own MTU or MAC",
            "The ports of a bond take the MTU and the MAC address of the bond.",
            "Say it of the bond.",
        ),
        Code(
            "needs-vlan-filtering",
            "The bridge does not know VLANs",
            "VLANs of a port mean nothing to a bridge without `vlan_filtering`, and an entry can "
            "only be in a VLAN that the port has.",
            "Say `vlan_filtering: true` of the bridge, or add the VLAN to the port.",
        ),
        Code(
            "uplink-vlans",
            "A bridge with an uplink filters VLANs",
            "netorch has no words for the VLANs of an uplink, which would lose all frames that "
            "have a tag.",
            "Leave out `vlan_filtering`, or give the VLANs networks of their own.",
        ),
        Code(
            "mac-twice",
            "A MAC address is there twice",
            "Two interfaces of one segment have the same MAC address, or one MAC address is "
            "behind two ports. A bridge could not tell where to send its frames.",
            "Change one of them, or leave out `mac`.",
        ),
        Code(
            "no-mac",
            "An interface has no MAC address of its own",
            "Interfaces such as `gre`, `tun` or `ipvlan` have no MAC address, or that of their "
            "parent. They take neither `mac` nor `neighbours`.",
            "Delete the key, or say `mac` of the parent.",
        ),
        Code(
            "address-twice",
            "An address is there twice",
            "Two interfaces of one segment, or one interface twice, have the same IP address.",
            "Change one of them.",
        ),
        Code(
            "not-a-host-address",
            "Not an address of a host",
            "The first and the last address of an IPv4 subnet are the network and the broadcast "
            "address. A host cannot have them.",
            "Take an address between the two.",
        ),
        Code(
            "outside-subnet",
            "An address is outside of the subnet",
            "The address, gateway or `ip_range` is not within the subnets of the network.",
            "Correct it, or add the subnet to the network.",
        ),
        Code(
            "needs-prefix-length",
            "An address has no prefix length",
            "The network has no subnet from which the prefix length could be taken.",
            "Write it, as `10.0.0.1/24`, or give the network a `subnet`.",
        ),
        Code(
            "needs-subnet",
            "A network has no subnet",
            "In this mode the bridge gets an address, so the network needs a subnet.",
            "Add for example `subnet: 10.0.0.0/24`.",
        ),
        Code(
            "subnet-full",
            "A subnet has no address left",
            "The members of a network, or the two ends of a link, are more than the subnet or "
            "`ip_range` has addresses.",
            "Take a larger subnet or range.",
        ),
        Code(
            "subnets-overlap",
            "Two subnets overlap",
            "Subnets of one network, or of two networks that one node is in, overlap, so that the "
            "routes would not be clear.",
            "Change one of them.",
        ),
        Code(
            "two-gateways",
            "A network has two gateways",
            "A network has one gateway for IPv4 and one for IPv6.",
            "Delete one of them.",
        ),
        Code(
            "gateway-is-bridge",
            "The gateway is the bridge",
            "In this mode the bridge itself is the gateway of the network, so a node cannot be.",
            "Write an address as `gateway`, or take `mode: segment`.",
        ),
        Code(
            "gateway-is-self",
            "A node is its own gateway",
            "The gateway of the route is an address of the node that has the route.",
            "Name the address of the next router.",
        ),
        Code(
            "foreign-source",
            "The source address of a route belongs to nobody",
            "`src` of a route has to be an address of the same node.",
            "Add the address to the node, or correct `src`.",
        ),
        Code(
            "route-twice",
            "A route is there twice",
            "Two routes of a node have the same destination, table and metric.",
            "Delete one of them, or give it another `metric` or `table`.",
        ),
        Code(
            "rule-twice",
            "A rule is there twice",
            "Two policy rules of a node are the same.",
            "Delete one of them.",
        ),
        Code(
            "two-default-routes",
            "A node has two default routes",
            "Two memberships of the node insist on its default route by `default_route: true`.",
            "Delete one of them.",
        ),
        Code(
            "which-vrf",
            "It is not clear which VRF is meant",
            "The gateways of the route are in different VRFs, or the gateway is in several.",
            "Say the `vrf` of the route, or the `dev` of its next hop.",
        ),
        Code(
            "table-taken",
            "Two VRFs have one table",
            "Each VRF needs a routing table of its own.",
            "Change the `table` of one of them.",
        ),
        Code(
            "mixed-families",
            "IPv4 and IPv6 are mixed",
            "The two addresses have to be of the same IP version.",
            "Take two addresses of one version.",
        ),
        Code(
            "mtu-too-large",
            "An MTU is too large",
            "An interface cannot carry more than the interface that it is on, less the headers "
            "that are added.",
            "Make it smaller, or the MTU of the interface below larger.",
        ),
        Code(
            "mtu-too-small",
            "An MTU is too small for IPv6",
            "IPv6 needs an MTU of 1280. Linux turns it off below, and the addresses vanish.",
            "Make the MTU 1280 or more, or delete the IPv6 address.",
        ),
        Code(
            "ipv6-off",
            "IPv6 is off where an IPv6 address is wanted",
            "The sysctl `disable_ipv6` is 1 on the interface, by the file or on this machine, as "
            "in most containers. Linux refuses IPv6 addresses then.",
            "Say `sysctls: {disable_ipv6: 0}` of the interface, or run `sysctl -w "
            "net.ipv6.conf.all.disable_ipv6=0`.",
        ),
        Code(
            "neighbour-twice",
            "A neighbour is there twice",
            "An interface has two entries of one address with different MAC addresses.",
            "Delete one of them.",
        ),
        Code(
            "needs-forwarding",
            "A node has to forward",
            "The node has the bridge of a network that leads out, so it is a router, and the file "
            "says `forwarding: false`.",
            "Delete `forwarding: false`, or take `mode: segment`.",
        ),
        Code(
            "contradiction",
            "Two keys say different things",
            "`forwarding` and a sysctl of the node set the same value of the kernel differently.",
            "Delete one of them.",
        ),
        Code(
            "bad-forward-delay",
            "The forward delay of a bridge is too short",
            "With STP a bridge waits for 2 seconds at least.",
            "Write `forward_delay: 2s` or more, or leave out `stp`.",
        ),
        Code(
            "bad-impairment",
            "An impairment makes no sense",
            "A key of `impair` has no effect without another one, or the interface has no queue "
            "(`txqueuelen: 0`) in which packets could wait.",
            "Do what the error says about the key.",
        ),
        Code(
            "no-resolv-conf",
            "`dns` cannot be set",
            "`dns` writes the `resolv.conf` of a node, which `names: false` turns off, and which "
            "netorch does not write for namespaces of others.",
            "Delete `dns`, or `names: false`.",
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
            "An interface of this kind lives in the namespace of its parent.",
            "Move one of the two, or take a kind that can have its parent elsewhere, as `macvlan`.",
        ),
        Code(
            "bad-parent",
            "An interface cannot be a parent",
            "The parent has no Ethernet, is of the same kind, or is a port of a bridge or bond "
            "that gets all its frames.",
            "Take the interface that the error names.",
        ),
        Code(
            "parent-conflict",
            "Two interfaces cannot share a parent",
            "An interface carries either macvlans, or ipvlans of one mode, or is a port. In mode "
            "`passthru` a macvlan is alone on its parent.",
            "Take another parent, or the same kind and mode for both. `ip -d link` shows what is "
            "there.",
        ),
        Code(
            "same-tunnel",
            "Two tunnels have the same ends",
            "Linux takes one tunnel of a kind with the same `local`, `remote` and number.",
            "Give one of them another `key`, `id` or `remote`.",
        ),
        Code(
            "vlan-twice",
            "A VLAN has two interfaces",
            "A network makes the interface of a VLAN itself, and the file declares another one "
            "with the same parent and number.",
            "Delete the interface, or the `vlan` of the network.",
        ),
        Code(
            "not-an-overlay",
            "A network has no endpoints",
            "`at` of a membership says at which endpoint of a VXLAN network the node is.",
            "Delete `at`, or make the network `driver: vxlan`.",
        ),
        Code(
            "needs-endpoint",
            "A member does not say its endpoint",
            "The VXLAN network has several endpoints, and the node is none of them.",
            "Add `at: NODE` to the membership.",
        ),
        Code(
            "bad-uplink",
            "An interface cannot be an uplink",
            "The interface is a bridge, is a port already, or is there to plug a node into a "
            "network. An uplink leads elsewhere.",
            "Take another interface.",
        ),
        Code(
            "nic-twice",
            "A NIC has two uses",
            "A NIC of the host can be in one node, or the uplink of one network, and the file "
            "uses it elsewhere as well.",
            "Delete one of the uses.",
        ),
        Code(
            "nothing-to-isolate",
            "Isolation of a segment",
            "A network of mode `segment` leads nowhere, so there is nothing to isolate it from.",
            "Delete the key, or take another mode.",
        ),
        Code(
            "no-way-between",
            "`allow` leads nowhere",
            "The two networks have no common router, so that `allow` could not have an effect.",
            "Put both on one node in a mode that leads out, or add routes.",
        ),
        Code(
            "cannot-publish",
            "A port cannot be published",
            "A node publishes ports through a network of mode nat, in which it has an address.",
            "Make the node a member of such a network, or name it as `network` of the entry.",
        ),
        Code(
            "port-published-twice",
            "A port is published twice",
            "Two nodes publish the same port on the same address and protocol.",
            "Change one of the ports, or publish on another address.",
        ),
        Code(
            "bad-check-target",
            "A check has a target that cannot be tried",
            "A check sends packets to one host. A link-local address needs the interface that it "
            "is on.",
            "Name a node or an address of one host, as `fe80::1%eth0` if it is link-local.",
        ),
        Code(
            "contradicting-checks",
            "Two checks contradict each other",
            "Both try the same packet from the same node. One expects an answer and the other, "
            "with `reachable: false`, expects none.",
            "Remove one of the two checks.",
        ),
    ),
)
