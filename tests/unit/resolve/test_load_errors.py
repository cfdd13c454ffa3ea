"""Errors of wrong files: netorch reports all at once, each with its place and a remedy."""

from __future__ import annotations

import json

import pytest

from netorch.errors import FileError
from netorch.resolve.loader import load

CASES: dict[str, tuple[str, list[str]]] = {
    "misspelt keys and kinds, everywhere at once": (
        """\
nodes:
  a: {adresses: [10.0.0.1/24], forwardin: true}
  b: {networks: {lan: {adress: 10.0.0.5}}, interfaces: {eth0: {kind: brige}}}
netwroks: {}
""",
        [
            "2:7: unknown key 'adresses' in nodes.a. An address belongs to an interface: write `networks: {NETWORK: 10.0.0.5}`, or `interfaces: {eth0: {addresses: [10.0.0.1/24]}}`.",
            "2:32: unknown key 'forwardin' in nodes.a. Did you mean 'forwarding'?",
            "3:18: network 'lan' does not exist. Declare it under networks.",
            "3:24: unknown key 'adress' in nodes.b.networks.lan. Did you mean 'address'?",
            "3:70: nodes.b.interfaces.eth0: 'brige' is not a kind of interface. Did you mean 'bridge'?",
            "4:1: unknown key 'netwroks'. Did you mean 'networks'?",
        ],
    ),
    "keys, variables, profiles and values, whoever reads them": (
        """\
vras: {n: 3}
profile: {}
nodes:
  "h[1-$(m)]": {networks: [lan]}
  a:
    profile: routr
    forwardin: true
  b:
    forwardin: true
  b: {}
  c:
    routes:
      - {to: 10.0.0.0/8, via: $(gw)}
      - {to: 10.1.0.0/16, via: here}
profiles: {router: {forwarding: true}}
defaults: {nodes: {}}
links:
  - [h1:eth0, a:eth0]
  - [a:eth99999999999999, b]
""",
        [
            "1:1: unknown key 'vras'. Did you mean 'vars'?",
            "2:1: unknown key 'profile'. Did you mean 'profiles'?",
            "4:10: There is no variable 'm'. Declare it under vars, or write $(name:-default).",
            "6:14: There is no profile 'routr'. Did you mean 'router'?",
            "7:5: unknown key 'forwardin' in nodes.a. Did you mean 'forwarding'?",
            "9:5: unknown key 'forwardin' in nodes.b. Did you mean 'forwarding'?",
            "10:3: The key 'b' appears twice, first in line 8. Remove one of them.",
            "13:33: There is no variable 'gw'. Declare it under vars, or write $(name:-default).",
            "14:32: nodes.c.routes.1.via: 'here' is not an IP address. A gateway is an address. For the interface, write `dev: here`.",
            "16:12: unknown key 'nodes' in defaults. Did you mean 'node'?",
            "19:8: links.1.endpoints.0: 'eth99999999999999' is longer than the 15 bytes that an interface name can have",
            "19:27: links.1.endpoints.1: 'b' is not an end of a link: write NODE:INTERFACE, such as b:eth0",
        ],
    ),
    "values of an interface": (
        """\
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1], mtu: 20, mac: 01:00:00:00:00:01, state: upp}
      eth1: {addresses: [10.0.0.0/24, 10.0.0.255/24, 224.0.0.1/24, 0.0.0.0/0, 10.0.0.300/24]}
      eth2: {mac: 00:00:00:00:00:00, mtu: big, txqueuelen: -1, sysctls: [rp_filter]}
links: [[a:eth0, b:eth0]]
""",
        [
            "4:26: nodes.a.interfaces.eth0.addresses.0: '10.0.0.1' has no prefix length: write 10.0.0.1/24, or the length of its subnet",
            "4:42: nodes.a.interfaces.eth0.mtu: 20 is not between 68 and 2147483647",
            "4:51: nodes.a.interfaces.eth0.mac: '01:00:00:00:00:01' is a multicast address: the first byte of an interface's MAC must be even",
            "4:77: nodes.a.interfaces.eth0.state: 'upp' is not one of 'up' or 'down'. Did you mean 'up'?",
            "5:7: nothing makes the interface a:eth1: it is in no link and no network. Add it to `links`, or give it a `kind`.",
            "5:26: nodes.a.interfaces.eth1.addresses.0: '10.0.0.0/24' is the network address of 10.0.0.0/24: a host needs an address between it and the broadcast address",
            "5:39: nodes.a.interfaces.eth1.addresses.1: '10.0.0.255/24' is the broadcast address of 10.0.0.0/24",
            "5:54: nodes.a.interfaces.eth1.addresses.2: '224.0.0.1/24' is a multicast address: an interface cannot have it",
            "5:68: nodes.a.interfaces.eth1.addresses.3: '0.0.0.0/0' is the unspecified address: an interface cannot have it",
            "5:79: nodes.a.interfaces.eth1.addresses.4: '10.0.0.300/24' is not an IP address such as 10.0.0.1/24 or fd00::1/64",
            "6:7: nothing makes the interface a:eth2: it is in no link and no network. Add it to `links`, or give it a `kind`.",
            "6:19: nodes.a.interfaces.eth2.mac: an interface cannot have the MAC address 00:00:00:00:00:00",
            "6:43: nodes.a.interfaces.eth2.mtu: 'big' is not a whole number. Write a number of bytes, such as 9000.",
            "6:60: nodes.a.interfaces.eth2.txqueuelen: -1 is not between 0 and 4294967295",
            "6:73: nodes.a.interfaces.eth2.sysctls: this must be a mapping, not a list",
            "7:18: node 'b' does not exist. Declare it under nodes.",
        ],
    ),
    "names of networks": (
        """\
nodes: {a: {networks: [lna]}, b: {networks: {lan: 10.1.0.5}}}
networks: {lan: {subnet: 10.0.0.0/24, node: c}}
""",
        [
            "1:24: network 'lna' does not exist. Did you mean 'lan'?",
            "2:45: node 'c' does not exist. There are a, b.",
        ],
    ),
    "a subnet with host bits": (
        """\
networks: {lan: {subnet: 10.0.0.1/24}, dmz: {subnet: [fd00::/64, fd00::1/64]}}
""",
        [
            "1:26: networks.lan.subnet: '10.0.0.1/24' has bits set to the right of its prefix length: write 10.0.0.0/24",
            "1:66: networks.dmz.subnet.1: 'fd00::1/64' has bits set to the right of its prefix length: write fd00::/64",
        ],
    ),
    "a full subnet": (
        """\
nodes:
  a: {networks: [lan]}
  b: {networks: [lan]}
  c: {networks: [lan]}
networks:
  lan: {subnet: 10.0.0.0/30}
""",
        [
            "6:3: network lan: no address of 10.0.0.0/30 is left for c:eth0. Take a larger `subnet` or `ip_range`.",
        ],
    ),
    "a full ip_range": (
        """\
nodes: {'h[1-3]': {networks: [lan]}}
networks: {lan: {subnet: 10.0.0.0/24, ip_range: 10.0.0.8/31}}
""",
        [
            "2:12: network lan: no address of 10.0.0.0/24 is left for h3:eth0. Take a larger `subnet` or `ip_range`.",
        ],
    ),
    "one address twice": (
        """\
nodes:
  a: {networks: {lan: 10.0.0.5}}
  b: {networks: {lan: 10.0.0.5}}
  c: {interfaces: {eth0: {addresses: 10.1.0.1/24}}}
  d: {interfaces: {eth0: {addresses: 10.1.0.1/24}}}
networks: {lan: {subnet: 10.0.0.0/24}}
links: [[c:eth0, d:eth0]]
""",
        [
            "3:23: 10.0.0.5 is given to b:eth0, but it is the address of a:eth0 already",
            "5:38: d:eth0 and c:eth0 are on one segment, but both have 10.1.0.1",
        ],
    ),
    "addresses that no member can have": (
        """\
nodes: {a: {networks: {lan: 10.0.0.0, dmz: 10.1.0.255, out: 10.9.0.1, bare: 10.0.0.1}}}
networks: {lan: {subnet: 10.0.0.0/24}, dmz: {subnet: 10.1.0.0/24}, out: {subnet: 10.2.0.0/24}, bare: {}}
""",
        [
            "1:29: 10.0.0.0 is the network or broadcast address of 10.0.0.0/24. Take one between 10.0.0.1 and 10.0.0.254.",
            "1:44: 10.1.0.255 is the network or broadcast address of 10.1.0.0/24. Take one between 10.1.0.1 and 10.1.0.254.",
            "1:61: 10.9.0.1 is outside the subnet of network out (10.2.0.0/24)",
            "1:77: 10.0.0.1 needs a prefix length, because network bare has no subnet",
        ],
    ),
    "overlapping networks of one node": (
        """\
nodes: {a: {networks: [lan, dmz]}}
networks: {lan: {subnet: 10.0.0.0/16}, dmz: {subnet: 10.0.1.0/24}, two: {subnet: [10.7.0.0/16, 10.7.1.0/24]}}
""",
        [
            "2:54: the subnets of the networks lan (10.0.0.0/16) and dmz (10.0.1.0/24) overlap, and a is in both. Take another subnet for one of them.",
            "2:96: network two: the subnets 10.7.0.0/16 and 10.7.1.0/24 overlap",
        ],
    ),
    "what a newcomer writes": (
        """\
nodes: [a, b]
networks: [lan]
links:
  - a:eth0 -- b:eth0
  - {endpoints: [a:eth1, b:eth1], delay: 10ms}
checks: [a -> b]
""",
        [
            "1:8: nodes: this must be a mapping, not a list. Write `NAME: {}` for each node.",
            "2:11: networks: this must be a mapping, not a list. Write `NAME: {subnet: 10.0.0.0/24}` for each network.",
            "4:5: links.0: this must be a mapping, not 'a:eth0 -- b:eth0'. Write [a:eth0, b:eth0].",
            "5:35: unknown key 'delay' in links.1. Write impair: {delay: …}.",
            "6:10: checks.0: this must be a mapping, not 'a -> b'. Write {from: a, to: b}.",
        ],
    ),
    "gateways and ranges": (
        """\
nodes: {a: {networks: [lan]}, b: {}}
networks:
  lan: {subnet: 10.0.0.0/24, gateway: 10.1.0.1}
  one: {mode: host-only, gateway: 10.0.0.1}
  two: {subnet: 10.2.0.0/24, gateway: b}
  three: {subnet: 10.3.0.0/24, gateway: 10.3.0.9}
  four: {subnet: 10.4.0.0/24, ip_range: 10.5.0.0/25}
  five: {mode: host-only, subnet: 10.5.0.0/24, gateway: a}
  six: {mode: host-only, subnet: 10.6.0.0/24, gateway: 10.6.0.255}
  seven: {subnet: 10.7.0.0/24, gateway: gw}
""",
        [
            "3:39: gateway 10.1.0.1 is outside the subnet of network lan",
            "4:3: network one: mode host-only needs a `subnet` that contains its `gateway`",
            "5:39: node 'b' is not a member of network two. Add two to its networks.",
            "6:41: gateway 10.3.0.9: no member of network three has this address. A segment's bridge has no address: name the member that routes, or take mode host-only.",
            "7:41: ip_range 10.5.0.0/25 is in no subnet of network four",
            "8:57: network five: in mode host-only the gateway is the bridge's own address, not a node",
            "9:3: gateway 10.6.0.255 is the network or broadcast address of 10.6.0.0/24. Take another one, such as 10.6.0.1.",
            "10:41: node 'gw' does not exist. Declare it under nodes.",
        ],
    ),
    "two default routes": (
        """\
nodes:
  a: {networks: {lan: {default_route: true}, dmz: {default_route: true}}}
  r: {networks: [lan, dmz]}
networks: {lan: {subnet: 10.0.0.0/24, gateway: r}, dmz: {subnet: 10.1.0.0/24, gateway: r}}
""",
        [
            "2:52: node a can have its default route from one network only: set `default_route` on one membership",
        ],
    ),
    "forms of links": (
        """\
nodes: {a: {}, b: {}}
links:
  - [a:eth2]
  - [a, b:eth4]
  - {endpoint: [a:eth7, b:eth7]}
  - [a:eth5, c:eth5]
  - {endpoints: [a:eth6, b:eth6], subnet: [10.0.0.0/33]}
  - 7
""",
        [
            "3:5: links.0.endpoints: a link must have two ends, not 1",
            "4:6: links.1.endpoints.0: 'a' is not an end of a link: write NODE:INTERFACE, such as a:eth0",
            "5:6: unknown key 'endpoint' in links.2. Did you mean 'endpoints'?",
            "6:14: node 'c' does not exist. Declare it under nodes.",
            "7:44: links.4.subnet.0: '10.0.0.0/33' is not a subnet such as 10.0.0.0/24 or fd00::/64",
            "8:5: links.5: this must be a mapping, not 7. Write [NODE:INTERFACE, NODE:INTERFACE], or a mapping with `endpoints`.",
        ],
    ),
    "ends of links": (
        """\
nodes: {a: {interfaces: {d: {kind: dummy}}}, b: {}}
links:
  - [a:eth0, b:eth0]
  - [a:eth0, b:eth1]
  - [a:eth3, a:eth3]
  - [a:eth5, c:eth5]
  - {endpoints: [a:eth6, b:eth6], subnet: 10.0.0.0/32}
  - [a:lo, b:eth8]
  - [a:eth5, b:eth9]
  - [a:d, b:eth10]
""",
        [
            "4:5: a:eth0 is already connected to b:eth0: use another interface name",
            "5:5: a link cannot have a:eth3 at both its ends",
            "6:14: node 'c' does not exist. Declare it under nodes.",
            "7:43: 10.0.0.0/32 has no room for the two ends of a link: use a larger subnet",
            "8:5: a:lo is the loopback interface: no link can end there",
            "9:5: a:eth5 is already in another link: use another interface name",
            "10:5: a:d is of kind dummy: no link can end there",
        ],
    ),
    "bridges and their ports": (
        """\
nodes:
  a:
    interfaces:
      br0: {kind: bridge, ports: [p1, p2, br1, lo], addresses: [10.0.0.1/24]}
      br1: {kind: bridge, ports: [p1]}
      p1: {addresses: [10.0.0.2/24]}
      p3: {master: br2}
      p4: {}
      lo: {}
  b: {}
links: [[a:p1, b:p1], [a:p3, b:p3]]
""",
        [
            "4:39: node a has no interface 'p2'. A port must be an interface that this file declares.",
            "4:43: a:br1 is a bridge: it cannot be a port of the bridge br0",
            "4:48: a:lo is the loopback interface: it cannot be a port of the bridge br0",
            "5:35: a:p1 is a port of br0 already, so it cannot be a port of br1 too",
            "6:24: a:p1 is a port of br0, so it cannot have the address 10.0.0.2/24. Give it to a:br0.",
            "7:20: node a has no bridge, bond or VRF 'br2'. Declare it under nodes.a.interfaces.",
            "8:7: nothing makes the interface a:p4: it is in no link and no network. Add it to `links`, or give it a `kind`.",
        ],
    ),
    "a kind that is a list": (
        "nodes: {a: {interfaces: {x: {kind: [bridge]}}}}\n",
        [
            "1:26: nodes.a.interfaces.x: the `kind` is not a text: write the name of a kind of interface"
        ],
    ),
    "a loopback interface with ports": (
        "nodes: {a: {interfaces: {lo: {kind: bridge, ports: [x]}, x: {kind: dummy}}}}\n",
        [
            "1:26: a:lo is the loopback interface: it cannot have `members`",
            "1:31: lo is the loopback interface: it cannot have a `kind`",
        ],
    ),
    "a subnet of one address for a host-only network": (
        "nodes: {a: {networks: [l]}}\nnetworks: {l: {mode: host-only, subnet: 'fd00::1/128'}}\n",
        [
            "2:12: network l: no address of fd00::1/128 is left for a:eth0. Take a larger `subnet` or `ip_range`."
        ],
    ),
    "settings of a bridge": (
        """\
nodes: {a: {interfaces: {br0: {kind: bridge, forward_delay: 31s, hello_time: 1, priority: 70000, ageing_time: soon, stp: on}}}}
""",
        [
            "1:61: nodes.a.interfaces.br0.forward_delay: 3100 is not a time between 0 and 3000 centiseconds, the unit of `ip link`: write for example 1500 or 15s for 15 seconds",
            "1:78: nodes.a.interfaces.br0.hello_time: 1 is not a time between 100 and 1000 centiseconds, the unit of `ip link`: write for example 1500 or 15s for 15 seconds",
            "1:91: nodes.a.interfaces.br0.priority: 70000 is not between 0 and 65535",
            "1:111: nodes.a.interfaces.br0.ageing_time: 'soon' is not a time between 0 and 2147483647 centiseconds, the unit of `ip link`: write for example 1500 or 15s for 15 seconds",
            "1:122: nodes.a.interfaces.br0.stp: 'on' is neither true nor false: write true",
        ],
    ),
    "spanning tree with a short delay": (
        """\
nodes: {a: {interfaces: {br0: {kind: bridge, stp: true, forward_delay: 1s}}}}
""",
        [
            "1:57: a:br0 has `stp`, so its `forward_delay` must be at least 2s",
        ],
    ),
    "words of routes and rules": (
        """\
nodes:
  a:
    interfaces: {lo: {addresses: [10.0.0.1/24]}}
    routes:
      - {to: default}
      - {to: 'fd00:1::/64', via: 10.0.0.1}
      - {to: 10.2.0.0/16, via: 10.0.0.9, nexthops: [{via: 10.0.0.2}]}
      - {to: 10.3.0.0/16, type: blackhole, via: 10.0.0.9}
      - {to: 10.4.0.1/16, via: 10.0.0.9}
      - {to: 10.5.0.0/16, via: 10.0.0.9, dev: eht0}
      - {to: 10.6.0.0/16, via: 10.0.0.9, onlink: true}
      - {via: 10.0.0.1}
      - {to: 10.7.0.0/16, via: 10.0.0.9, metric: -1, table: 0}
      - {to: 10.8.0.0/16, via: 10.0.0.300}
      - {to: 10.9.0.0/16, nexthops: [{weight: 2}, {via: 10.0.0.1, weight: 0}]}
    rules:
      - {from: 10.0.0.0/8}
      - {from: 10.0.0.0/8, action: prohibit, table: 5}
      - {from: 10.0.0.0/8, to: 'fd00::/8', table: 5}
      - {fwmark: abc, table: 5}
      - {table: 5, action: masquerade}
""",
        [
            "5:9: nodes.a.routes.0: a route needs `via`, `dev` or `nexthops`",
            "6:9: nodes.a.routes.1: the route mixes IPv4 and IPv6: only its gateways can be of the other version, and only for an IPv4 route",
            "7:9: nodes.a.routes.2: a route with `nexthops` cannot have `via`, `dev` or `onlink`: write these in its next hops",
            "8:9: nodes.a.routes.3: a route of type blackhole cannot have `via`, `dev` or `nexthops`: it drops the packets",
            "9:14: nodes.a.routes.4.to: '10.4.0.1/16' has bits set to the right of its prefix length: write 10.4.0.0/16",
            "10:47: node a has no interface 'eht0'. It has lo.",
            "11:9: nodes.a.routes.6: `onlink` needs `via` and `dev`",
            "12:9: nodes.a.routes.7 lacks the key 'to'. Add it: destination; an address without prefix length is one host.",
            "13:50: nodes.a.routes.8.metric: -1 is not between 0 and 4294967295",
            "13:61: nodes.a.routes.8.table: 0 is not between 1 and 4294967295",
            "14:32: nodes.a.routes.9.via: '10.0.0.300' is not an IP address",
            "15:38: nodes.a.routes.10.nexthops.0: a next hop needs `via` or `dev`",
            "15:75: nodes.a.routes.10.nexthops.1.weight: 0 is not between 1 and 256",
            "17:9: nodes.a.rules.0: a rule with action lookup needs a `table`",
            "18:9: nodes.a.rules.1: a rule with action prohibit cannot have a `table`: it drops the packets",
            "19:9: nodes.a.rules.2: the rule mixes IPv4 and IPv6: use one of them, or write two rules",
            "20:18: nodes.a.rules.3.fwmark: 'abc' is not a whole number",
            "21:28: nodes.a.rules.4.action: 'masquerade' is not one of 'lookup', 'blackhole', 'unreachable' or 'prohibit'",
        ],
    ),
    "routes and rules that cannot be": (
        """\
nodes:
  a:
    interfaces: {lo: {addresses: [10.0.0.1/24, 'fd00::1/64']}}
    routes:
      - {to: 10.5.0.0/16, via: 10.0.0.9, dev: eht0}
      - {to: 10.6.0.0/16, via: 10.0.0.9}
      - {to: 10.6.0.0/16, via: 10.0.0.8}
      - {to: 10.7.0.0/16, via: 10.0.0.8, src: 10.0.0.77}
      - {to: 'fd00:1::/64', via: 'fd00::1'}
    rules:
      - {from: 10.0.0.0/8, table: 5, priority: 5}
      - {from: 10.0.0.0/8, table: 6, priority: 5}
""",
        [
            "5:47: node a has no interface 'eht0'. It has lo.",
            "7:9: route a 10.6.0.0/16 appears twice: give one of them another metric or table",
            "8:47: 10.0.0.77 is not an address of node a",
            "9:34: node a: the gateway fd00::1 is an address of the node's own interface lo. Name the address of the next router.",
            "12:9: rule a priority 5 from 10.0.0.0/8 appears twice: remove one of them",
        ],
    ),
    "sysctls": (
        """\
nodes:
  a:
    sysctls:
      kernel.hostname: x
      net.ipv4.conf.eth9.rp_filter: 1
      ../../etc/passwd: 1
      net: 1
      net.ipv4.tcp_rmem: [1, 2, 3]
""",
        [
            "4:7: nodes.a.sysctls.kernel.hostname: 'kernel.hostname' belongs to the whole machine, not to a network namespace: only net.* can be set",
            "5:21: node a has no interface 'eth9'.",
            "6:7: nodes.a.sysctls.../../etc/passwd: '../../etc/passwd' is not a sysctl such as net.ipv4.conf.all.rp_filter",
            "7:7: nodes.a.sysctls.net: 'net' is not a sysctl such as net.ipv4.conf.all.rp_filter",
            "8:26: nodes.a.sysctls.net.ipv4.tcp_rmem: [1, 2, 3] is not a sysctl's value: write a number or a text",
        ],
    ),
    "booleans": (
        """\
nodes: {a: {forwarding: yes}, b: {forwarding: 1}}
names: off
""",
        [
            "1:25: nodes.a.forwarding: 'yes' is neither true nor false: write true",
            "1:47: nodes.b.forwarding: 1 is neither true nor false: write true",
            "2:8: names: 'off' is neither true nor false: write false",
        ],
    ),
    "two ways to say forwarding": (
        """\
nodes: {c: {sysctls: {net.ipv4.ip_forward: 0}, forwarding: true}}
""",
        [
            "1:44: node c: `forwarding` and the sysctl net.ipv4.ip_forward contradict each other: leave out one of them",
        ],
    ),
    "aliases and dns": (
        """\
nodes: {a: {aliases: [b, 'x y']}, c: {dns: {servers: [dns.example], options: ['a b'], serch: lab}}}
""",
        [
            "1:27: nodes.a.aliases.1: 'x y' is not a valid DNS name",
            "1:55: nodes.c.dns.servers.0: 'dns.example' is not an IP address",
            "1:80: nodes.c.dns: 'a b' is not a resolv.conf option",
            "1:87: unknown key 'serch' in nodes.c.dns. Did you mean 'search'?",
        ],
    ),
    "an alias that is taken": (
        """\
nodes: {a: {aliases: [b, localhost]}, b: {aliases: [www]}, c: {aliases: www}}
""",
        [
            "1:23: the alias 'b' is already a name of b: use another one",
            "1:26: the alias 'localhost' is already a name of each node for itself (127.0.0.1 and ::1): remove it",
            "1:73: the alias 'www' is already a name of b: use another one",
        ],
    ),
    "attach to another node": (
        """\
nodes:
  a: {attach: node:wbe}
  b: {attach: node:c}
  c: {attach: node:b}
  d: {attach: node:host}
  e: {attach: node:docker}
  docker: {attach: docker:web}
  f: {attach: node:web, networks: lan, dns: {servers: 1.1.1.1}, forwarding: false}
  web: {networks: lan}
  g: {attach: 'node:we b'}
  host: {attach: node:web}
  h: {attach: node:h}
  i: {attach: node:web, aliases: [www, web], on: rack1}
  j: {attach: node:web, aliases: www}
links:
  - [j:eth0, web:eth1]
networks: {lan: {}}
""",
        [
            "2:20: node 'wbe' does not exist. Did you mean 'web'?",
            "3:7: node b: `attach` leads in a circle: b → c → b. Give one of these nodes a namespace of its own.",
            "6:15: node e: netorch does not make the namespace of docker, so it gives it no second name. Delete e, and write it under `aliases` of docker.",
            "8:25: nodes.f.networks: a node with `attach: node:…` has no `networks` of its own: write it under the other node",
            "8:40: nodes.f.dns: a node with `attach: node:…` has no `dns` of its own: write it under the other node",
            "8:65: nodes.f.forwarding: a node with `attach: node:…` has no `forwarding` of its own: write it under the other node",
            "10:21: nodes.g.attach: 'we b' cannot be a node name: use at most 63 letters, digits, '_', '.' and '-', with no '.' or '-' first",
            "11:10: `host` is the namespace in which netorch runs, so it cannot have `attach`",
            "12:7: node h: `attach` leads in a circle: h → h. Give one of these nodes a namespace of its own.",
            "13:40: the alias 'web' is already a name of web: use another one",
            "14:34: the alias 'www' is already a name of i: use another one",
            "16:6: j shares the namespace of web, so it has no interfaces of its own. Write web here.",
        ],
    ),
    "attach": (
        """\
nodes:
  a: {attach: nowhere}
  b: {attach: 'pid:x'}
  c: {attach: 'path:run'}
  d: {attach: 'netns:..'}
  e: {attach: 'docker:my box'}
  f: {attach: 'dokcer:box'}
  g: {attach: 'podman:../x'}
  h: {attach: 'docker:'}
""",
        [
            "2:15: nodes.a.attach: 'nowhere' is not a namespace. Write docker:nowhere or podman:nowhere for a container, netns:nowhere for a namespace with this name.",
            "3:20: nodes.b.attach: 'x' is not a whole number",
            "4:21: nodes.c.attach: 'run' is not an absolute path",
            "5:22: nodes.d.attach: '..' is not a network namespace name",
            "6:23: nodes.e.attach: 'my box' is not a container name: write letters, digits, `_`, `.` and `-`, and begin with a letter or a digit",
            "7:16: nodes.f.attach: 'dokcer:box' is not a namespace: write docker:NAME, podman:NAME, netns:NAME, pid:NUMBER, path:/run/… or node:NAME. Did you mean 'docker'?",
            "8:23: nodes.g.attach: '../x' is not a container name: write letters, digits, `_`, `.` and `-`, and begin with a letter or a digit",
            "9:16: nodes.h.attach: 'docker:' is not a namespace: write docker:NAME, podman:NAME, netns:NAME, pid:NUMBER, path:/run/… or node:NAME",
        ],
    ),
    "IPv6 addresses where the file turns IPv6 off": (
        """\
nodes:
  a: {sysctls: {net.ipv6.conf.all.disable_ipv6: 1}, interfaces: {lo: {addresses: ["fd00::1/128"]}, x: {addresses: ["fd00::2/64"]}}}
  b: {sysctls: {net.ipv6.conf.default.disable_ipv6: 1}, interfaces: {lo: {addresses: ["fd00::3/128"]}, y: {addresses: ["fd00::4/64"]}}}
  c: {interfaces: {x: {addresses: ["fd00::5/64"], sysctls: {disable_ipv6: 1}}, y: {addresses: ["fd00::6/64"]}}}
  d: {sysctls: {net.ipv6.conf.all.disable_ipv6: 1}, interfaces: {x: {addresses: ["fd00::7/64"], sysctls: {disable_ipv6: 0}}}}
  e: {sysctls: {net.ipv6.conf.all.disable_ipv6: 1, net.ipv6.conf.default.disable_ipv6: 0}, networks: {lan: {name: y}}}
  f: {sysctls: {net.ipv6.conf.y.disable_ipv6: 1}, networks: {lan: {name: y}}}
networks: {lan: {subnet: [10.0.0.0/24, "fd01::/64"]}}
links: [[a:x, b:y], [c:x, d:x], [c:y, d:y]]
""",
        [
            "2:83: the sysctl net.ipv6.conf.all.disable_ipv6 turns IPv6 off on a:lo, so it cannot have the address fd00::1/128",
            "2:116: the sysctl net.ipv6.conf.all.disable_ipv6 turns IPv6 off on a:x, so it cannot have the address fd00::2/64",
            "3:120: the sysctl net.ipv6.conf.default.disable_ipv6 turns IPv6 off on b:y, so it cannot have the address fd00::4/64",
            "4:36: the sysctl net.ipv6.conf.x.disable_ipv6 turns IPv6 off on c:x, so it cannot have the address fd00::5/64",
            "7:62: the sysctl net.ipv6.conf.y.disable_ipv6 turns IPv6 off on f:y, so it cannot have the address fd01::2/64",
        ],
    ),
    "host attaches to nothing": (
        """\
nodes: {host: {attach: 'pid:1', dns: {servers: 1.1.1.1}, interfaces: {eth0: {mtu: 1400}}}}
""",
        [
            "1:16: `host` is the namespace in which netorch runs, so it cannot have `attach`",
            "1:33: `dns` cannot be set for host, because netorch does not make this namespace",
            "1:78: host:eth0 is not made by this file: this release cannot set `mtu` of an existing interface, only `addresses`, `neighbours` and `sysctls`",
        ],
    ),
    "memberships": (
        """\
nodes:
  a: {networks: [lan, lan]}
  b: {networks: [{lan: {}}]}
  c: {networks: 7}
networks: {lan: {}}
""",
        [
            "2:17: nodes.a.networks: a network is in the list twice: for two interfaces in it write a mapping, `NETWORK: [{…}, {…}]`",
            "3:7: nodes.b.networks: a list of `networks` holds names only: for further keys write a mapping, `NETWORK: {…}`",
            "4:17: nodes.c.networks: this must be a mapping, not 7",
        ],
    ),
    "lists in place of mappings, and the other way round": (
        """\
nodes: {a: 7, b: [], c: text, d: {routes: {to: default}}}
networks: {lan: 7}
links: {a: b}
""",
        [
            "1:12: nodes.a: this must be a mapping, not 7",
            "1:18: nodes.b: this must be a mapping, not a list",
            "1:25: nodes.c: this must be a mapping, not 'text'",
            "1:35: nodes.d.routes: this must be a list, not a mapping. Write `routes: [{to: …, via: …}]`.",
            "2:17: networks.lan: this must be a mapping, not 7",
            "3:1: links: this must be a list, not a mapping. Write `- [NODE:INTERFACE, NODE:INTERFACE]` lines below it, or leave it out.",
        ],
    ),
    "names of the topology": (
        """\
name: My Lab
prefix: ../x
""",
        [
            "1:7: name: 'My Lab' cannot be a topology's name: use at most 32 lower-case letters, digits and '-', with no '-' first or last. Write `name: my-lab`.",
            "2:9: prefix: '../x' cannot be a prefix: use at most 32 letters, digits, '_', '.' and '-', with no '.' or '-' first",
        ],
    ),
    "checks": (
        """\
nodes: {a: {}}
checks:
  - {from: a, to: c}
  - {from: x, to: a}
  - {all: lan}
  - {from: a}
  - {from: a, to: a:eth0}
  - {from: a, to: 10.0.0.1, tcp: 99999}
""",
        [
            "3:19: node or address 'c' does not exist. There is only a.",
            "4:12: node 'x' does not exist. There is only a.",
            "5:11: network 'lan' does not exist.",
            "6:5: checks.3: a check needs `from` and `to`, or only `all`",
            "7:21: node a has no interface 'eth0'.",
            "8:34: checks.5.tcp: 99999 is not between 1 and 65535",
        ],
    ),
    "one MAC twice on a segment": (
        """\
nodes:
  a: {networks: {lan: {mac: 02:00:00:00:00:01}}}
  b: {networks: {lan: {mac: 02-00-00-00-00-01}}}
networks: {lan: {}}
""",
        [
            "3:29: b:eth0 and a:eth0 are on one segment, but both have MAC 02:00:00:00:00:01",
        ],
    ),
    "IPv6 with a small MTU": (
        """\
nodes: {a: {interfaces: {eth0: {mtu: 1000, addresses: ['fd00::1/64']}}}, b: {}}
links: [[a:eth0, b:eth0]]
""",
        [
            "1:56: a:eth0 has MTU 1000, but IPv6 needs 1280, so it cannot have the address fd00::1/64",
        ],
    ),
    "a reserved name": (
        """\
nodes: {netorch-lab: {}, a: {networks: [lan]}}
networks: {lan: {}}
""",
        [
            "1:9: node netorch-lab: the namespace name 'netorch-lab' is reserved: take another name",
        ],
    ),
    "a key twice": (
        """\
nodes:
  a: {}
  b: {}
  a: {}
""",
        [
            "4:3: The key 'a' appears twice, first in line 2. Remove one of them.",
        ],
    ),
    "profiles": (
        """\
nodes: {a: {profile: rooter}, b: {profile: one}}
profiles: {router: {forwarding: true}, one: {profile: two}, two: {profile: one}}
""",
        [
            "1:22: There is no profile 'rooter'. Did you mean 'router'?",
            "2:55: The profiles use each other in a circle: two -> one -> two.",
            "2:76: The profiles use each other in a circle: one -> two -> one.",
        ],
    ),
    "ranges and variables": (
        """\
nodes:
  h[3-1]: {}
  r[1-2]x[1-2]: {}
  x${i}: {}
  y$(j): {}
""",
        [
            "2:3: The range '[3-1]' ends before it starts. Write [1-3].",
            "3:3: 'r[1-2]x[1-2]' has more than one range. Use one range in a name.",
            "4:3: '${' does not begin a variable here. Write $(i), in parentheses. A dollar sign itself is $$.",
            "5:6: There is no variable 'j'. Declare it under vars, or write $(name:-default).",
        ],
    ),
    "the loopback interface": (
        """\
nodes:
  a: {networks: {lan: {name: lo}}, interfaces: {lo: {mac: 02:00:00:00:00:01, state: down}}}
  b: {interfaces: {lo: {kind: bridge}}}
networks: {lan: {}, lo: {}}
""",
        [
            "2:18: a:lo is the loopback interface: it cannot be in network lan",
            "2:54: a:lo is the loopback interface: it cannot have `mac`",
            "2:78: a:lo is the loopback interface: it cannot have `state`",
            "3:25: lo is the loopback interface: it cannot have a `kind`",
            "4:21: network lo: its bridge cannot be called lo, because that is the loopback interface. Write `bridge: NAME`.",
        ],
    ),
    "a port of a name that is taken": (
        """\
nodes: {a: {networks: [lan], interfaces: {lan: {kind: bridge}}}}
networks: {lan: {node: a}}
""",
        [
            "2:12: the bridge of network lan and the interface a:lan have the same name",
        ],
    ),
    "names: false leaves no place for dns": (
        """\
names: false
nodes: {a: {dns: {servers: 1.1.1.1}}}
""",
        [
            "2:13: `dns` needs resolv.conf, which `names: false` turns off: remove one of them",
        ],
    ),
    "tunnels that cannot be": (
        """\
nodes:
  a:
    interfaces:
      v1: {kind: vxlan, vni: 16777216}
      v2: {kind: vxlan, vni: 1, remote: 192.0.2.1, group: 239.0.0.1}
      v3: {kind: vxlan, vni: 2, group: 239.0.0.1}
      v4: {kind: vxlan, vni: 3, local: 192.0.2.1, remote: 'fd00::1'}
      v5: {kind: vxlan, vni: 4, remote: 239.0.0.1}
      v6: {kind: vxlan, vni: 5, fdb: [{mac: '00:00:00:00:00:00', dst: 'fd00::1'}]}
      v7: {kind: vxlan, vni: 6, fdb: [{mac: '02:00:00:00:00:01', dst: 10.0.0.1}, {mac: '02:00:00:00:00:01', dst: 10.0.0.2}]}
      v8: {kind: vxlan, vni: 7, remote: 10.0.0.1, fdb: {mac: '00:00:00:00:00:00', dst: 10.0.0.1}}
      g1: {kind: geneve, vni: 1, remote: 239.0.0.1}
      t1: {kind: gre}
      t2: {kind: gre, remote: 'fd00::1'}
      t3: {kind: ipip, remote: 192.0.2.1, key: 5}
      t4: {kind: ip6tnl, local: 192.0.2.1}
      t5: {kind: gre, local: 239.0.0.1, remote: 192.0.2.1, key: 1.2.3}
      t6: {kind: sit, remote: 192.0.2.1, ttl: 256}
""",
        [
            "4:30: nodes.a.interfaces.v1.vni: 16777216 is not between 0 and 16777215",
            "5:7: nodes.a.interfaces.v2: a vxlan has a `remote` or a `group`, not both",
            "5:7: nodes.a.interfaces.v2: a `group` is joined on an interface: name it with `parent`",
            "6:7: nodes.a.interfaces.v3: a `group` is joined on an interface: name it with `parent`",
            "7:7: nodes.a.interfaces.v4: 192.0.2.1 and fd00::1 are of different IP versions: a tunnel uses only one of them",
            "8:7: nodes.a.interfaces.v5: 239.0.0.1 is a multicast address: write it as `group`",
            "9:7: nodes.a.interfaces.v6: fdb: fd00::1 is not an IPv4 address, but this tunnel runs over IPv4 according to its `local`, `remote` or `group`",
            "10:7: nodes.a.interfaces.v7: fdb: 02:00:00:00:00:01 appears twice, but it can be behind only one end",
            "11:7: nodes.a.interfaces.v8: fdb: 10.0.0.1 gets all frames for unknown addresses already, because of `remote`",
            "12:7: nodes.a.interfaces.g1: 239.0.0.1 is not the address of a host, which the `remote` of geneve needs",
            "13:7: nodes.a.interfaces.t1: gre needs a `remote` or a `local`: without both, it would be the same as the kernel's own default tunnel",
            "14:7: nodes.a.interfaces.t2: gre runs over IPv4, but `remote` fd00::1 is an IPv6 address",
            "15:7: nodes.a.interfaces.t3: ipip does not support `key`: use gre, gretap, ip6gre or ip6gretap, whose packets have one",
            "16:7: nodes.a.interfaces.t4: ip6tnl runs over IPv6, but `local` 192.0.2.1 is an IPv4 address",
            "17:7: nodes.a.interfaces.t5: 239.0.0.1 is a multicast address, which gre does not support as `local`",
            "17:65: nodes.a.interfaces.t5.key: '1.2.3' is not a whole number",
            "18:47: nodes.a.interfaces.t6.ttl: 256 is not between 0 and 255",
        ],
    ),
    "tunnels that Linux would refuse": (
        """\
nodes:
  a:
    interfaces:
      gre0: {kind: gre, remote: 192.0.2.1}
      t1: {kind: gre, remote: 192.0.2.2, key: 0.0.0.5}
      t2: {kind: gre, remote: 192.0.2.2, key: 5}
      t3: {kind: gretap, remote: 192.0.2.2, key: 5}
      v1: {kind: vxlan, vni: 1, local: 'fd00::1'}
      v2: {kind: vxlan, vni: 1}
      v3: {kind: vxlan, vni: 1, ttl: 9}
      v4: {kind: vxlan, vni: 2, parent: eth0, mtu: 1451}
  b:
    interfaces:
      v: {kind: vxlan, vni: 1, parent: 'a:eth0'}
links: [["a:eth0", "b:eth0"]]
""",
        [
            "4:7: a:gre0: Linux itself makes a device gre0 in every namespace when it loads the module. Take another name.",
            "6:7: a:t2 and a:t1 have the same `local`, `remote`, `key`, so Linux could not tell their packets apart",
            "10:7: a:v3 and a:v2 have the same `vni`, `port`, so Linux could not tell their packets apart",
            "11:52: a:v4 cannot have MTU 1451: a:eth0 has 1500, which leaves 1450 after the headers",
            "14:7: b:v and a:v2 have the same `vni`, `port`, so Linux could not tell their packets apart",
        ],
    ),
    "external tunnels that Linux or netorch would refuse": (
        """\
nodes:
  a:
    interfaces:
      v1: {kind: vxlan, external: true, vni: 1}
      v2: {kind: vxlan, external: true, remote: 192.0.2.1}
      v3: {kind: vxlan, external: true, fdb: [{mac: '02:00:00:00:00:01', dst: 192.0.2.1}]}
      v4: {kind: vxlan}
""",
        [
            "4:7: nodes.a.interfaces.v1: an external vxlan has no `vni`, `remote`, `group` or `fdb`, because routes or programs choose the VNI and the other end of each packet",
            "5:7: nodes.a.interfaces.v2: an external vxlan has no `vni`, `remote`, `group` or `fdb`, because routes or programs choose the VNI and the other end of each packet",
            "6:7: nodes.a.interfaces.v3: an external vxlan has no `vni`, `remote`, `group` or `fdb`, because routes or programs choose the VNI and the other end of each packet",
            "7:7: nodes.a.interfaces.v4: a vxlan needs a `vni`, the number that distinguishes its packets from those of other tunnels",
        ],
    ),
    "external tunnels on one port": (
        """\
nodes:
  a:
    interfaces:
      v1: {kind: vxlan, external: true}
      v2: {kind: vxlan, vni: 1}
      v3: {kind: vxlan, vni: 2, port: 4790}
      v4: {kind: vxlan, external: true}
""",
        [
            "5:7: a:v2 and a:v1 both have the `port` 4789, and an external vxlan takes all packets to its port: give one of them another `port`",
            "7:7: a:v4 and a:v1 have the same `vni`, `port`, so Linux could not tell their packets apart",
            "7:7: a:v4 and a:v2 both have the `port` 4789, and an external vxlan takes all packets to its port: give one of them another `port`",
        ],
    ),
    "overlays that cannot be": (
        """\
networks:
  one: {driver: vxlan, endpoints: {a: 192.0.2.1}}
  two: {driver: vxlan, vni: 2}
  three: {driver: vxlan, vni: 3, mode: nat, endpoints: {a: 192.0.2.1}}
  four: {driver: vxlan, vni: 4, node: a, endpoints: {a: 192.0.2.1}}
  five: {driver: vxlan, vni: 5, endpoints: {a: 192.0.2.1, b: 'fd00::1'}}
  six: {driver: vxlan, vni: 6, endpoints: {a: 192.0.2.1, b: 192.0.2.1}}
  seven: {vni: 7}
nodes: {a: {}, b: {}}
""",
        [
            "2:3: networks.one: driver vxlan needs a `vni`, the number that distinguishes its packets from those of other networks",
            "3:3: networks.two: driver vxlan needs `endpoints: {NODE: ADDRESS}`, the nodes whose bridges connect the members",
            "4:3: networks.three: driver vxlan supports only the mode segment: its bridges are in several nodes and have no addresses. To route for the members, remove `mode` and write `gateway: NODE`",
            "5:3: networks.four: driver vxlan does not support `node`: its bridges are in the nodes of `endpoints`",
            "6:3: networks.five: the endpoints mix IPv4 and IPv6: a tunnel uses one IP version",
            "7:3: networks.six: two endpoints have the address 192.0.2.1",
            "8:3: networks.seven: driver bridge does not support `vni`: add `driver: vxlan`, or remove `vni`",
        ],
    ),
    "members of an overlay, and its endpoints": (
        """\
networks:
  lan: {driver: vxlan, vni: 5, mtu: 1451, subnet: 10.5.0.0/24, endpoints: {v1: 192.0.2.1, v2: 192.0.2.22, v3: 192.0.2.9}}
  plain: {}
  one: {driver: vxlan, vni: 6, subnet: 10.6.0.0/24, endpoints: {v1: 192.0.2.1}}
nodes:
  v1: {}
  v2: {}
  a: {networks: [lan]}
  b: {networks: {lan: {at: v4}}}
  c: {networks: {plain: {at: v1}}}
  d: {networks: {lan: {at: v1, mac: '02:00:00:00:00:07'}}}
  e: {networks: {one: {mtu: 1500, address: 10.6.0.9}}}
  f: {networks: {lan: {at: v2, mac: '02:00:00:00:00:07'}}}
links: [{endpoints: ["v1:eth0", "v2:eth0"], subnet: 192.0.2.0/30}]
""",
        [
            "2:37: network lan cannot have MTU 1451: endpoint v1 has 1500, which leaves 1450 after VXLAN's headers",
            "2:95: endpoint v2: 192.0.2.22 is not an address of v2. It has 192.0.2.2.",
            "2:107: node 'v3' does not exist. Declare it under nodes.",
            "8:17: network lan has several endpoints: add `at: NODE`, one of v1, v2, v3",
            "9:28: node 'v4' is not an endpoint of network lan. There are v1, v2.",
            "10:26: network plain has no endpoints: `at` is for networks of driver vxlan only",
            "12:29: e:eth0 cannot have MTU 1500: network one carries at most 1450 inside VXLAN",
            "13:37: f:eth0 and d:eth0 are on one segment, but both have MAC 02:00:00:00:00:07",
        ],
    ),
    "neighbours that cannot be": (
        """\
nodes:
  a:
    interfaces:
      lo: {neighbours: [{address: 10.0.0.1, mac: '02:00:00:00:00:01'}]}
      t: {kind: gre, remote: 192.0.2.1, neighbours: {address: 10.0.0.1, mac: '02:00:00:00:00:01'}}
      x: {neighbours: [{address: 224.0.0.1, mac: '02:00:00:00:00:01'}]}
      y: {neighbours: [{address: 10.0.0.1, mac: '02:00:00:00:00:01'}, {address: 10.0.0.1, mac: '02:00:00:00:00:02'}]}
links: [["a:x", "a:y"]]
""",
        [
            "4:12: a:lo is the loopback interface: it cannot have `neighbours`",
            "5:41: a:t is of kind gre, which has no MACs, so it cannot have `neighbours`",
            "6:24: a:x: 224.0.0.1 is not the address of a host, so it cannot be a neighbour",
            "7:71: a:y has the neighbour 10.0.0.1 twice, with different MACs",
        ],
    ),
}


def problems(text: str) -> list[str]:
    """Return `LINE:COLUMN: MESSAGE` of all errors of a file."""
    with pytest.raises(FileError) as caught:
        load(text.encode(), "lab.yaml")
    assert caught.value.file == "lab.yaml"
    return [line.removeprefix("lab.yaml:") for line in caught.value.lines()]


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_and_where(name: str) -> None:
    text, expected = CASES[name]
    assert problems(text) == expected


def test_places_stay_right_when_there_is_much_before_them() -> None:
    """Leaving out a wrong part moves no positions and leaves out nothing else."""
    wrong = "".join(f"  - {{endpoint: [a:x{number}, b:x{number}]}}\n" for number in range(9))
    lines = problems(f"nodes: {{a: {{}}, b: {{}}}}\nlinks:\n{wrong}  - [a:eth0, nobody:eth0]\n")
    assert len(lines) == 10
    assert lines[-1] == "12:14: node 'nobody' does not exist. Declare it under nodes."


def test_a_file_that_is_not_a_topology() -> None:
    for text, expected in (
        (
            "",
            "1:1: The file is empty: a topology is a mapping with keys such as `nodes`, `networks` and `links`.",
        ),
        (
            "[]",
            "1:1: The file is not a mapping: a topology is a mapping with keys such as `nodes`, `networks` and `links`.",
        ),
        ("nodes: [", "2:1: The file is not YAML"),
        ("nodes: {a: {}\nlinks: []", "1:8: The file is not YAML"),
    ):
        assert problems(text)[0].startswith(expected), text


def test_the_file_name_must_be_a_valid_name_if_the_file_has_none() -> None:
    for file in ("My Lab.yaml", "-"):
        with pytest.raises(FileError, match="Give it a `name:`, or use --name"):
            load(b"nodes: {}", file)
    assert load(b"nodes: {}", "-", name="x").desired.topology == "x"
    assert load(b"nodes: {}", "some/where/lab-1.yaml").desired.topology == "lab-1"


# Names that have a meaning elsewhere: to a file system, a shell, a terminal or the kernel

EVIL = {
    **{
        "up and out": "../../x",
        "a path": "a/b",
        "here": ".",
        "up": "..",
        "nothing": "",
        "nul": "a\0b",
        "two lines": "a\nb",
    },
    **{
        "4096 bytes": "x" * 4096,
        "right to left": "\u202eabc",
        "an option": "-h",
        "white space": "a b",
        "no width": "a\u200bb",
    },
    **{"a format": "a%d", "a colon": "a:b", "escape": "\x1b[31m"},
}
SHELL = {
    "a shell's words": "$$(id)",
    "backquotes": "`id`",
    "a quote": 'a"b',
    "an end": "a;b",
    "all": "*",
    "NFC": "\u00e9",
    "NFD": "e\u0301",
}
RESERVED = {"all": "all", "default": "default", "the loopback interface": "lo"}

FIELDS = {
    "topology": '{"name": NAME, "nodes": {}}',
    "prefix": '{"prefix": NAME, "nodes": {"a": {}}}',
    "node": '{"nodes": {NAME: {}}}',
    "network": '{"networks": {NAME: {}}}',
    "alias": '{"nodes": {"a": {"aliases": [NAME]}}}',
    "search domain": '{"nodes": {"a": {"dns": {"search": [NAME]}}}}',
    "setting of an interface": '{"nodes": {"a": {"interfaces": {"lo": {"sysctls": {NAME: 1}}}}}}',
    "interface": '{"nodes": {"a": {"interfaces": {NAME: {"kind": "bridge"}}}}}',
    "bridge": '{"networks": {"lan": {"bridge": NAME}}}',
    "membership": '{"nodes": {"a": {"networks": {"lan": {"name": NAME}}}}, "networks": {"lan": {}}}',
    "end of a link": '{"nodes": {"a": {}, "b": {}}, "links": [[{"node": "a", "interface": NAME}, "b:x"]]}',
    "rule": '{"nodes": {"a": {"rules": [{"iif": NAME, "table": 5}]}}}',
}
INTERFACES = ("interface", "bridge", "membership", "end of a link", "rule")


def refuses(field: str, name: str) -> bool:
    """Whether netorch refuses the name in a field, with a proper error."""
    text = FIELDS[field].replace("NAME", json.dumps(name))
    try:
        load(text.encode(), "lab.yaml")
    except FileError as error:
        # Each error is one line without characters that control a terminal.
        assert all(
            "\n" not in line and "\x1b" not in line and "\u202e" not in line
            for line in error.lines()
        )
        assert all(problem.where is not None for problem in error.problems)
        return True
    return False


@pytest.mark.parametrize("field", FIELDS)
def test_evil_names_are_refused(field: str) -> None:
    assert [what for what, name in EVIL.items() if not refuses(field, name)] == []


@pytest.mark.parametrize("field", sorted(FIELDS.keys() - INTERFACES))
def test_no_name_has_characters_that_a_shell_or_a_reader_misreads(field: str) -> None:
    assert [what for what, name in SHELL.items() if not refuses(field, name)] == []


@pytest.mark.parametrize("field", INTERFACES)
def test_no_interface_has_characters_that_a_shell_or_a_reader_misreads(field: str) -> None:
    # Linux accepts an accented letter. The decomposed form of it would be another interface with a
    # name that looks the same.
    assert [
        what for what, name in SHELL.items() if what != "NFC" and not refuses(field, name)
    ] == []


@pytest.mark.parametrize("field", [field for field in INTERFACES if field != "rule"])
def test_reserved_interface_names_are_refused(field: str) -> None:
    taken = [what for what, name in RESERVED.items() if not refuses(field, name)]
    assert taken == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", ".", "", "a\0b", "a/b"])
def test_a_namespace_to_attach_to_is_a_plain_name(name: str) -> None:
    assert problems(json.dumps({"nodes": {"a": {"attach": f"netns:{name}"}}}))


@pytest.mark.parametrize(
    "name",
    [
        "net.../etc",
        "net..ipv4",
        "net/../kernel/hostname",
        "kernel.hostname",
        "/net/ipv4/ip_forward",
        "net.a\nb",
        "net",
    ],
)
def test_a_sysctl_is_one_of_a_network_namespace(name: str) -> None:
    assert problems(json.dumps({"nodes": {"a": {"sysctls": {name: 1}}}}))


def test_an_address_with_a_zone_is_refused() -> None:
    assert (
        "has a zone"
        in problems("nodes: {a: {interfaces: {lo: {addresses: ['fe80::1%eth0/64']}}}}")[0]
    )


def test_one_mistake_of_many_instances_is_reported_once() -> None:
    assert problems('name: t\nnodes: {"h[1-30]": {networks: [lan]}}\n') == [
        "2:32: network 'lan' does not exist. Declare it under networks."
    ]
