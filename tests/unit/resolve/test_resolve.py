"""The desired state of files: the cases of the language page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from netorch.kinds.base.link import link_key
from netorch.kinds.netns import netns_key
from netorch.kinds.port import port_key
from netorch.kinds.up import up_key
from netorch.netlink.constants import AF_INET, AF_INET6
from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.resource import Resource


def state(text: str, name: str | None = None) -> Mapping[Key, Resource]:
    """Return the desired state of a file."""
    return load(text.encode(), "lab.yaml", name=name).desired.state


def get(resources: Mapping[Key, Resource], kind: str, netns: str, name: str = "") -> Any:
    return next(
        resource
        for key, resource in resources.items()
        if (key.kind, key.netns, key.name) == (kind, netns, name)
    )


def addresses(resources: Mapping[Key, Resource], netns: str) -> list[str]:
    """Return the addresses of a namespace in order, such as `eth0 10.0.0.1/24`."""
    return [key.name for key in resources if key.kind == "address" and key.netns == netns]


def links(resources: Mapping[Key, Resource], netns: str) -> list[str]:
    return [
        key.name
        for key in resources
        if key.kind == "link" and key.netns == netns and key.name != "lo"
    ]


def routes(resources: Mapping[Key, Resource], netns: str) -> dict[str, str]:
    """Return destination with metric and table → `via` and `dev`."""
    return {
        key.name: " ".join(resources[key].attributes().values())
        for key in resources
        if key.kind == "route" and key.netns == netns
    }


# Nodes


def test_an_empty_node_is_a_namespace_with_lo_up_and_nothing_else() -> None:
    resources = state("nodes: {a: {}}\nnames: false")
    assert [str(key) for key in resources] == ["netns a", "link a/lo", "up a/lo"]
    assert get(resources, "netns", "a").ipv4_forwarding is False
    assert get(resources, "link", "a", "lo").mtu == 65536


def test_a_node_without_a_value_is_an_empty_node() -> None:
    assert state("nodes: {a: , b: {}}").keys() == state("nodes: {a: {}, b: }").keys()


def test_forwarding_is_for_both_families() -> None:
    netns = get(state("nodes: {a: {forwarding: true}}"), "netns", "a")
    assert (netns.ipv4_forwarding, netns.ipv6_forwarding) == (True, True)
    netns = get(state("nodes: {a: {sysctls: {net.ipv4.ip_forward: 1}}}"), "netns", "a")
    assert (netns.ipv4_forwarding, netns.ipv6_forwarding) == (True, False)


def test_the_host_is_never_made() -> None:
    resources = state("nodes: {host: {forwarding: true, rules: [{table: 5}]}}")
    assert [str(key) for key in resources] == [
        "sysctl host/net/ipv4/ip_forward",
        "sysctl host/net/ipv6/conf/all/forwarding",
        "rule host/priority 10000",
    ]


def test_an_attached_namespace_and_its_interfaces_are_never_made() -> None:
    loaded = load(
        b"nodes: {a: {attach: 'netns:box', interfaces: {eth0: {addresses: 10.0.0.1/24}}}}",
        "lab.yaml",
    ).desired
    assert [str(key) for key in loaded.state] == ["address @a/eth0 10.0.0.1/24"]
    assert loaded.attached == {"@a": ("netns", "box")}


def test_a_prefix_is_before_the_names_of_namespaces_and_of_interfaces_on_the_host() -> None:
    text = "prefix: t-\nnodes: {a: {networks: [lan]}, host: {}}\nnetworks: {lan: {mode: host-only, subnet: 10.0.0.0/24}}\nlinks: [[host:x, a:y]]"
    resources = state(text)
    assert links(resources, "host") == ["t-lan", "t-x", "t-a-eth0"]
    assert links(resources, "t-a") == ["y", "eth0"] or links(resources, "t-a") == ["eth0", "y"]


def test_an_instance_has_its_name_as_prefix_and_marks_of_its_own() -> None:
    text = "name: lab\nnodes: {a: {}, b: {}}\nlinks: [[a:x, b:y]]"
    one, other = state(text), state(text, name="two")
    assert {key.netns for key in other} == {f"two-{key.netns}" for key in one}
    assert get(one, "link", "a", "x").group != get(other, "link", "two-a", "x").group
    assert get(other, "link", "two-a", "x").alias == "netorch:two peer=two-b:y"


# Ranges, defaults, profiles


def test_a_range_stands_for_several_names() -> None:
    text = """\
nodes:
  h[1-3]: {interfaces: {lo: {addresses: 10.255.$(i//256).$(i%256)/32}}}
  r[a-b]: {}
  s[08-10]: {}
links:
  - {endpoints: ["h[1-2]:right", "h[2-3]:left"], subnet: 10.1.$(i).0/30}
"""
    resources = state(text)
    assert [key.netns for key in resources if key.kind == "netns"] == [
        "h1",
        "h2",
        "h3",
        "ra",
        "rb",
        "s08",
        "s09",
        "s10",
    ]
    assert addresses(resources, "h2") == [
        "lo 10.255.0.2/32",
        "left 10.1.1.2/30",
        "right 10.1.2.1/30",
    ]


def test_defaults_are_under_everything_and_profiles_under_the_node() -> None:
    text = """\
defaults:
  node: {forwarding: true, sysctls: {net.ipv4.conf.all.rp_filter: 1}}
  interface: {mtu: 1400, txqueuelen: 50}
  network: {stp: true}
  link: {mtu: 9000}
profiles:
  quiet: {forwarding: false}
  loose: {sysctls: {net.ipv4.conf.all.rp_filter: 2}}
nodes:
  a: {networks: [lan]}
  b: {profile: [quiet, loose], networks: {lan: {mtu: 1300}}}
  c: {profile: loose, sysctls: {net.ipv4.conf.all.rp_filter: 0}}
networks: {lan: {}, dmz: {stp: false}}
links: [[a:x, c:y]]
"""
    resources = state(text)
    assert [get(resources, "netns", node).ipv4_forwarding for node in "abc"] == [True, False, True]
    path = "net/ipv4/conf/all/rp_filter"
    assert [get(resources, "sysctl", node, path).value for node in "abc"] == ["1", "2", "0"]
    assert [get(resources, "link", node, "eth0").mtu for node in "ab"] == [1400, 1300]
    assert get(resources, "link", "a", "x").mtu == get(resources, "link", "c", "y").mtu == 9000
    assert {
        link.txqueuelen
        for key, link in resources.items()
        if key.kind == "link" and key.netns in "abc" and key.name != "lo"
    } == {50}
    assert get(resources, "link", "netorch-lab", "lan").stp
    assert not get(resources, "link", "netorch-lab", "dmz").stp
    assert get(resources, "link", "a", "lo").mtu == 65536, "defaults do not apply to lo"


# Short and long forms

SAME = {
    "membership": (
        "nodes: {a: {networks: lan}}\nnetworks: {lan: {subnet: 10.0.0.0/24}}",
        "nodes: {a: {networks: [lan]}}\nnetworks: {lan: {subnet: [10.0.0.0/24]}}",
        "nodes: {a: {networks: {lan: }}}\nnetworks: {lan: {subnet: 10.0.0.0/24, mode: segment, driver: bridge}}",
        "nodes: {a: {networks: {lan: 10.0.0.1}}}\nnetworks: {lan: {subnet: 10.0.0.0/24}}",
        "nodes: {a: {networks: {lan: {address: [10.0.0.1/24], name: eth0}}}}\nnetworks: {lan: {subnet: 10.0.0.0/24, bridge: lan}}",
    ),
    "link": (
        "nodes: {a: {}, b: {}}\nlinks: [[a:x, b:y]]",
        "nodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:x, b:y]}]",
        "nodes: {a: {}, b: {}}\nlinks: [{endpoints: [{node: a, interface: x}, b:y]}]",
        "nodes: {a: {interfaces: {x: {kind: veth, peer: 'b:y'}}}, b: {}}",
        "nodes: {a: {interfaces: {x: {kind: veth, peer: 'b:y'}}}, b: {interfaces: {y: {kind: veth, peer: 'a:x'}}}}",
        "nodes: {a: {interfaces: {x: {state: up, mtu: 1500}}}, b: {interfaces: {y: }}}\nlinks: [[a:x, b:y]]",
    ),
    "link with addresses": (
        "nodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:x, b:y], subnet: 10.0.0.0/30}]",
        "nodes: {a: {}, b: {}}\nlinks: [{endpoints: [{node: a, interface: x, addresses: 10.0.0.1/30}, {node: b, interface: y, addresses: [10.0.0.2/30]}]}]",
        "nodes: {a: {interfaces: {x: {addresses: [{address: 10.0.0.1/30}]}}}, b: {}}\nlinks: [{endpoints: [a:x, b:y], subnet: [10.0.0.0/30]}]",
    ),
    "port": (
        "nodes: {a: {interfaces: {br0: {kind: bridge, ports: x}}}, b: {}}\nlinks: [[a:x, b:y]]",
        "nodes: {a: {interfaces: {br0: {kind: bridge, ports: [x]}}}, b: {}}\nlinks: [[a:x, b:y]]",
        "nodes: {a: {interfaces: {br0: {kind: bridge}, x: {master: br0}}}, b: {}}\nlinks: [[a:x, b:y]]",
        "nodes: {a: {interfaces: {x: {master: br0}, br0: {kind: bridge, ports: [x]}}}, b: {}}\nlinks: [[a:x, b:y]]",
    ),
    "times": (
        "nodes: {a: {interfaces: {br0: {kind: bridge, forward_delay: 4s, hello_time: 1500ms, ageing_time: 0}}}}",
        "nodes: {a: {interfaces: {br0: {kind: bridge, forward_delay: 400, hello_time: 1.5s, ageing_time: 0s}}}}",
    ),
    "numbers and texts": (
        "nodes: {a: {sysctls: {net.ipv4.tcp_syncookies: true, net.ipv4.tcp_rmem: 4096  131072 6291456}}}",
        "nodes: {a: {sysctls: {net/ipv4/tcp_syncookies: '01', net.ipv4.tcp_rmem: \"4096\\t131072\\t6291456\"}}}",
    ),
    "route": (
        "nodes: {a: {interfaces: {lo: {addresses: 10.0.0.1/24}}, routes: [{to: 10.1.0.1, via: 10.0.0.2}]}}",
        "nodes: {a: {interfaces: {lo: {addresses: 10.0.0.1/24}}, routes: [{to: 10.1.0.1/32, via: 10.0.0.2, dev: lo, table: 254, metric: 0, type: unicast}]}}",
        "nodes: {a: {interfaces: {lo: {addresses: 10.0.0.1/24}}, routes: [{to: 10.1.0.1, nexthops: [{via: 10.0.0.2, weight: 9}]}]}}",
    ),
    "default route": (
        "nodes: {a: {interfaces: {d: {kind: dummy, addresses: 'fd00::1/64'}}, routes: [{to: default, via: 'fd00::2'}]}}",
        "nodes: {a: {interfaces: {d: {kind: dummy, addresses: 'FD00:0::1/64'}}, routes: [{to: '::/0', via: 'fd00::0002', metric: 1024}]}}",
        "nodes: {a: {interfaces: {d: {kind: dummy, addresses: 'fd00::1/64'}}, routes: [{to: '::/0', via: 'fd00::2', metric: 0}]}}",
    ),
    "rule": (
        "nodes: {a: {rules: [{fwmark: 0x10, table: 5}]}}",
        "nodes: {a: {rules: [{fwmark: 16/0xffffffff, table: 5, priority: 10000, action: lookup, family: ipv4}]}}",
    ),
}


@pytest.mark.parametrize("what", SAME)
def test_short_and_long_forms_are_the_same(what: str) -> None:
    first, *others = (state(text) for text in SAME[what])
    for other in others:
        assert dict(other) == dict(first)


# Networks and addresses


def test_automatic_addresses_follow_the_order_of_the_file_and_skip_explicit_ones() -> None:
    text = """\
nodes:
  a: {networks: [lan]}
  b: {networks: {lan: 10.0.0.2}}
  c: {networks: [lan]}
  d: {networks: {lan: {addresses: false}}}
  e: {networks: {lan: {address: ['fd00::7', 10.0.0.9, 10.0.0.10/24]}}}
networks: {lan: {subnet: [10.0.0.0/24, 'fd00::/64']}}
"""
    resources = state(text)
    assert addresses(resources, "a") == ["eth0 10.0.0.1/24", "eth0 fd00::1/64"]
    assert addresses(resources, "b") == ["eth0 10.0.0.2/24", "eth0 fd00::2/64"]
    assert addresses(resources, "c") == ["eth0 10.0.0.3/24", "eth0 fd00::3/64"]
    assert addresses(resources, "d") == []
    assert addresses(resources, "e") == ["eth0 fd00::7/64", "eth0 10.0.0.9/24", "eth0 10.0.0.10/24"]
    assert str(get(resources, "address", "e", "eth0 10.0.0.10/24").primary) == "10.0.0.9/24"


def test_ip_range_is_where_automatic_addresses_come_from() -> None:
    text = "nodes: {'h[1-3]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/24, ip_range: 10.0.0.252/30}}"
    resources = state(text)
    assert [addresses(resources, f"h{i}") for i in (1, 2, 3)] == [
        ["eth0 10.0.0.252/24"],
        ["eth0 10.0.0.253/24"],
        ["eth0 10.0.0.254/24"],
    ]


def test_of_a_31_and_a_127_every_address_is_for_a_host() -> None:
    resources = state(
        "nodes: {a: {networks: [lan]}, b: {networks: [lan]}}\nnetworks: {lan: {subnet: [10.0.0.0/31, 'fd00::/127']}}"
    )
    assert addresses(resources, "a") == ["eth0 10.0.0.0/31", "eth0 fd00::/127"]
    assert addresses(resources, "b") == ["eth0 10.0.0.1/31", "eth0 fd00::1/127"]
    resources = state(
        "nodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:x, b:x], subnet: [10.0.0.0/31, 'fd00::/127', 10.1.0.0/24]}]"
    )
    assert addresses(resources, "a") == ["x 10.0.0.0/31", "x fd00::/127", "x 10.1.0.1/24"]
    assert addresses(resources, "b") == ["x 10.0.0.1/31", "x fd00::1/127", "x 10.1.0.2/24"]


def test_interfaces_of_networks_are_numbered_around_the_names_that_are_taken() -> None:
    text = """\
nodes: {a: {networks: {one: {}, two: {name: eth3}, three: {}, four: {}}, interfaces: {eth1: {mtu: 1400}}}, b: {}}
networks: {one: , two: , three: , four: }
links: [[a:eth1, b:eth0]]
"""
    resources = state(text)
    assert [
        get(resources, "link", "netorch-lab", f"a-{name}").peer[1]
        for name in ("eth0", "eth2", "eth3", "eth4")
    ] == [
        "eth0",
        "eth2",
        "eth3",
        "eth4",
    ]
    assert get(resources, "port", "netorch-lab", "a-eth3").master == "two"
    assert get(resources, "port", "netorch-lab", "a-eth4").master == "four"


def test_the_gateway_of_a_host_only_network_is_the_bridges_own_address() -> None:
    text = "nodes: {a: {networks: [lan]}}\nnetworks: {lan: {mode: host-only, subnet: [10.0.0.0/24, 'fd00::/64']GATEWAY}}"
    resources = state(text.replace("GATEWAY", ""))
    assert addresses(resources, "host") == ["lan 10.0.0.1/24", "lan fd00::1/64"]
    assert addresses(resources, "a") == ["eth0 10.0.0.2/24", "eth0 fd00::2/64"]
    assert routes(resources, "a") == {}, "members have no route to the outside"
    resources = state(text.replace("GATEWAY", ", gateway: [10.0.0.254, 'fd00::fe']"))
    assert addresses(resources, "host") == ["lan 10.0.0.254/24", "lan fd00::fe/64"]
    assert addresses(resources, "a") == ["eth0 10.0.0.1/24", "eth0 fd00::1/64"]


def test_a_network_may_live_in_a_node() -> None:
    resources = state(
        "nodes: {sw: {}, a: {networks: [lan]}}\nnetworks: {lan: {node: sw, bridge: br7, mode: host-only, subnet: 10.0.0.0/24}}"
    )
    assert links(resources, "sw") == ["br7", "a-eth0"]
    assert addresses(resources, "sw") == ["br7 10.0.0.1/24"]
    assert netns_key("netorch-lab") not in resources


def test_a_segments_gateway_is_the_others_default_route() -> None:
    text = """\
nodes:
  r: {networks: {lan: {}, dmz: 10.1.0.1}}
  a: {networks: [lan]}
  b: {networks: [lan, dmz]}
  c: {networks: {lan: {default_route: false}, dmz: {}}}
  d: {networks: {lan: {}, dmz: {default_route: true}}}
  e: {networks: [lan], routes: [{to: default, via: 10.0.0.77}]}
  f: {networks: {lan: {state: down}}}
networks:
  lan: {subnet: [10.0.0.0/24, 'fd00::/64'], gateway: r}
  dmz: {subnet: 10.1.0.0/24, gateway: 10.1.0.1}
"""
    resources = state(text)
    assert routes(resources, "r") == {}
    assert routes(resources, "a") == {"default": "10.0.0.1 eth0", "default (v6)": "fd00::1 eth0"}
    assert routes(resources, "b") == routes(resources, "a"), (
        "the first network with a gateway gives the default route"
    )
    assert routes(resources, "c") == {"default": "10.1.0.1 eth1"}
    assert routes(resources, "d") == {"default": "10.1.0.1 eth1", "default (v6)": "fd00::1 eth0"}
    assert routes(resources, "e") == {"default": "10.0.0.77 eth0", "default (v6)": "fd00::1 eth0"}
    assert routes(resources, "f") == {}


def test_a_network_of_more_members_than_a_bridge_has_ports_is_a_tree_of_bridges() -> None:
    resources = state(
        "nodes: {'h[1-2100]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/16, mtu: 1400}}"
    )
    ports: dict[str, int] = {}
    for key, port in resources.items():
        if key.kind == "port":
            ports[port.master] = ports.get(port.master, 0) + 1  # type: ignore[attr-defined]
    assert ports == {"lan": 960 + 2, "lan-1": 1022 + 1, "lan-2": 118 + 1}
    assert max(ports.values()) <= 1023
    assert {
        link.mtu for key, link in resources.items() if key.kind == "link" and key.name != "lo"
    } == {1400}
    assert get(resources, "link", "netorch-lab", "lan-1-down").peer == ("netorch-lab", "lan-1-up")
    assert addresses(resources, "h2100") == ["eth0 10.0.8.52/16"]


def test_a_growing_network_changes_no_existing_resource() -> None:
    few, many = (
        state(
            f"nodes: {{'h[1-{count}]': {{networks: [lan]}}}}\nnetworks: {{lan: {{}}}}\nnames: false"
        )
        for count in (960, 1200)
    )
    assert all(many[key] == resource for key, resource in few.items())


# Names and MACs


def test_macs_depend_on_names_only() -> None:
    """They are the same in every release and on every machine, so this test has the values."""
    text = "name: lab\nnodes: {a: {networks: [lan]}, b: {networks: [lan]}}\nnetworks: {lan: {}}"
    resources = state(text)
    macs = {
        f"{key.netns}/{key.name}": link.mac
        for key, link in resources.items()
        if key.kind == "link" and key.name != "lo"
    }  # type: ignore[attr-defined]
    assert len(set(macs.values())) == len(macs) == 5
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs.values()), "locally administered, unicast"
    assert macs["a/eth0"] == "02:72:f7:ed:5e:68"
    more = state(text.replace("b:", "c: {networks: [lan]}, b:"))
    assert get(more, "link", "b", "eth0").mac == macs["b/eth0"]
    assert get(more, "link", "netorch-lab", "lan").mac == macs["netorch-lab/lan"]
    prefixed = state(f"prefix: p-\n{text}")
    assert get(prefixed, "link", "p-a", "eth0").mac == macs["a/eth0"]
    assert get(state(text, name="other"), "link", "other-a", "eth0").mac != macs["a/eth0"]


def test_names_that_do_not_fit_are_shortened_and_keep_the_long_form_as_altname() -> None:
    text = "nodes: {a-node-with-a-name: {networks: [a-network-with-a-name, lan]}}\nnetworks: {a-network-with-a-name: , lan: }"
    resources = state(text)
    fabric = [resources[link_key("netorch-lab", name)] for name in links(resources, "netorch-lab")]
    assert all(len(link.name) <= 15 for link in fabric)  # type: ignore[attr-defined]
    assert {link.altname for link in fabric} == {  # type: ignore[attr-defined]
        *("", "a-network-with-a-name", "a-node-with-a-name-eth0", "a-node-with-a-name-eth1"),
    }
    assert links(resources, "netorch-lab") == links(state(text), "netorch-lab")
    assert all(
        name.startswith(("lan", "a-netwo-", "a-node--")) for name in links(resources, "netorch-lab")
    )


def test_hosts_files_name_every_address_that_others_can_reach() -> None:
    text = """\
nodes:
  a: {networks: [lan], interfaces: {lo: {addresses: [127.0.0.2/8, 10.255.0.1/32, 'fe80::1/64']}}, aliases: [www, gw]}
  b: {dns: {servers: 9.9.9.9, search: [lab, test], options: 'ndots:2'}}
networks: {lan: {subnet: 10.0.0.0/24}}
"""
    resources = state(text)
    lines = get(resources, "file", "a", "hosts").content.splitlines()
    assert lines[1:] == [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
        "10.255.0.1 a www gw",
        "10.0.0.1 a www gw",
    ]
    assert (
        get(resources, "file", "b", "hosts").content == get(resources, "file", "a", "hosts").content
    )
    assert get(resources, "file", "b", "resolv.conf").content.splitlines()[1:] == [
        "nameserver 9.9.9.9",
        "search lab test",
        "options ndots:2",
    ]
    assert not [
        key
        for key in state(text.replace("dns: {", "dns: {") + "names: true")
        if key.kind == "file" and key.netns == "netorch-lab"
    ]
    assert not [key for key in state("names: false\nnodes: {a: {}}") if key.kind == "file"]


# Interfaces


def test_an_mtu_comes_from_the_interface_then_the_link_then_the_defaults() -> None:
    text = """\
nodes:
  a: {interfaces: {x: {mtu: 9000}}}
  b: {}
  c: {networks: {lan: {mtu: 1300}}}
  d: {networks: [lan, plain]}
networks: {lan: {mtu: 1400}, plain: {}}
links:
  - [a:x, b:x]
  - {endpoints: [a:y, b:y], mtu: 2000}
  - {endpoints: [{node: a, interface: z, mtu: 3000}, b:z], mtu: 2000}
  - [a:plain, b:plain]
"""
    resources = state(text)
    mtu = {
        f"{key.netns}/{key.name}": link.mtu for key, link in resources.items() if key.kind == "link"
    }  # type: ignore[attr-defined]
    assert (mtu["a/x"], mtu["b/x"]) == (9000, 9000), "if only one end sets it, both get it"
    assert (mtu["a/y"], mtu["b/y"]) == (2000, 2000)
    assert (mtu["a/z"], mtu["b/z"]) == (3000, 2000)
    assert (mtu["a/plain"], mtu["b/plain"], mtu["d/eth1"]) == (1500, 1500, 1500)
    assert (mtu["netorch-lab/lan"], mtu["netorch-lab/d-eth0"], mtu["d/eth0"]) == (1400, 1400, 1400)
    assert (mtu["netorch-lab/c-eth0"], mtu["c/eth0"]) == (1400, 1300)


def test_what_a_node_sets_on_an_interface_overrides_what_the_link_sets() -> None:
    text = """\
nodes: {a: {interfaces: {x: {description: mine, txqueuelen: 5, sysctls: {rp_filter: 1}}}}, b: {}}
links: [{endpoints: [{node: a, interface: x, description: theirs, state: down, sysctls: {rp_filter: 2, arp_ignore: 1}}, b:y]}]
"""
    resources = state(text)
    link = get(resources, "link", "a", "x")
    assert (link.alias, link.txqueuelen) == ("netorch:lab peer=b:y mine", 5)
    assert up_key("a", "x") not in resources
    assert get(resources, "sysctl", "a", "net/ipv4/conf/x/rp_filter").value == "1"
    assert get(resources, "sysctl", "a", "net/ipv4/conf/x/arp_ignore").paths == (
        "net/ipv4/conf/x/arp_ignore",
        "net/ipv6/conf/x/arp_ignore",
    )


def test_the_first_of_a_subnet_is_the_primary_address() -> None:
    resources = state(
        "nodes: {a: {interfaces: {lo: {addresses: [10.0.0.2/24, 10.0.0.1/24, 10.0.0.3/25, 'fd00::1/64', 'fd00::2/64']}}}}"
    )
    primary = {
        key.name: str(address.primary or "")
        for key, address in resources.items()
        if key.kind == "address"
    }  # type: ignore[attr-defined]
    assert primary == {
        "lo 10.0.0.2/24": "",
        "lo 10.0.0.1/24": "10.0.0.2/24",
        "lo 10.0.0.3/25": "",
        "lo fd00::1/64": "",
        "lo fd00::2/64": "",
    }


def test_a_bridge_comes_up_after_its_ports_and_their_far_ends() -> None:
    resources = state(
        "nodes: {a: {interfaces: {br0: {kind: bridge, ports: [x]}}}, b: {}}\nlinks: [[a:x, b:y]]"
    )
    assert get(resources, "up", "a", "br0").after == (
        port_key("a", "x"),
        up_key("a", "x"),
        up_key("b", "y"),
    )


# Routes and rules


def test_the_gateway_of_a_route_selects_its_device() -> None:
    text = """\
nodes:
  a:
    interfaces: {x: {addresses: [10.0.0.1/8, 'fd00::1/32']}, y: {addresses: [10.1.0.1/16, {address: 192.0.2.1/32, peer: 192.0.2.2}]}}
    routes:
      - {to: 10.50.0.0/16, via: 10.9.0.1}
      - {to: 10.51.0.0/16, via: 10.1.0.9}
      - {to: 'fd01::/32', via: 'fd00:0:1::2'}
      - {to: 10.52.0.0/16, via: 192.0.2.2}
      - {to: 10.53.0.0/16, via: 198.51.100.1}
      - {to: 198.51.100.0/24, dev: x}
      - {to: 10.54.0.0/16, via: 'fd00::2'}
  b: {}
links: [[a:x, b:x], [a:y, b:y]]
"""
    by_destination = routes(state(text), "a")
    assert by_destination == {
        "198.51.100.0/24": "x",
        "10.50.0.0/16": "10.9.0.1 x",
        "10.51.0.0/16": "10.1.0.9 y",
        "fd01::/32": "fd00:0:1::2 x",
        "10.52.0.0/16": "192.0.2.2 y",
        "10.53.0.0/16": "198.51.100.1 x",
        "10.54.0.0/16": "fd00::2 x",
    }


def test_routes_over_a_link_that_is_down_are_left_out() -> None:
    text = "nodes: {a: {interfaces: {x: {state: down, addresses: 10.0.0.1/24}}, routes: [{to: default, via: 10.0.0.2}]}, b: {}}\nlinks: [[a:x, b:x]]"
    assert routes(state(text), "a") == {}
    assert routes(state(text.replace("down", "up")), "a") == {"default": "10.0.0.2 x"}


def test_rules_are_numbered_in_the_order_of_the_file() -> None:
    text = """\
nodes:
  a:
    interfaces: {lo: {addresses: 10.0.0.1/24}}
    routes: [{to: 10.1.0.0/16, via: 10.0.0.2}]
    rules:
      - {from: 10.9.0.0/24, table: 100}
      - {to: 'fd00::/8', table: 100}
      - {fwmark: 0x10/0xff, action: prohibit}
      - {table: 7, priority: 5}
      - {from: 0.0.0.0/0, table: 8, family: ipv4}
"""
    resources = state(text)
    rules = [(key.name, rule.spec.family) for key, rule in resources.items() if key.kind == "rule"]  # type: ignore[attr-defined]
    assert rules == [
        ("priority 10000 from 10.9.0.0/24", AF_INET),
        ("priority 10001 to fd00::/8 (v6)", AF_INET6),
        ("priority 10002 fwmark 0x10/0xff", AF_INET),
        ("priority 5", AF_INET),
        ("priority 10004", AF_INET),
    ]
    # A rule that also applies to the look-up of a gateway comes after the routes.
    after = {key.name: bool(rule.needs) for key, rule in resources.items() if key.kind == "rule"}
    assert [name for name, late in after.items() if late] == [
        "priority 10001 to fd00::/8 (v6)",
        "priority 5",
        "priority 10004",
    ]


def test_everything_has_its_place_in_the_file() -> None:
    text = "nodes:\n  a:\n    networks: [lan]\n  b:\n    networks:\n      lan: {address: 10.0.0.9}\nnetworks:\n  lan: {subnet: 10.0.0.0/24}\n"
    loaded = load(text.encode(), "lab.yaml")
    origins = loaded.desired.origins
    assert origins.keys() == loaded.desired.state.keys()
    line = {str(key): where.line for key, path in origins.items() if (where := loaded.where(path))}
    assert line["netns a"] == 2
    assert line["address b/eth0 10.0.0.9/24"] == 6
    assert line["link netorch-lab/lan"] == 8
