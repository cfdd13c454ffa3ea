"""All errors of a file are reported at once. A wrong value hides no others and causes no others."""

from __future__ import annotations

import pytest

from netorch.errors.codes import table
from netorch.resolve.partial import CAUSES, NAMING, OWN
from tests.refusals import codes_of

TOGETHER = {
    "values of one entry": (
        "nodes: {a: {interfaces: {x: {kind: bridge, mtu: big, mac: nothing, ports: [nobody]}}}}",
        ["bad-number", "bad-mac", "unknown-interface"],
    ),
    "a value, and a constraint of the same entry": (
        "networks: {n: {subnet: 10.0.0.300, isolated: maybe, uplink: eth0}}",
        ["uplink-needs-bridged", "bad-subnet", "bad-value"],
    ),
    "two constraints of one entry": (
        "networks: {n: {vni: 5, parent: eth0}}",
        ["network-key-needs-vxlan", "network-key-needs-parent-driver"],
    ),
    "three constraints of one network": (
        "networks: {n: {mode: bridged, isolated: true, allow: [n], vni: 7}}",
        [
            *("network-key-needs-vxlan", "bridged-needs-uplink"),
            *("bridged-filters-nothing", "bridged-filters-nothing"),
        ],
    ),
    "a value, and gateways of the same node": (
        "nodes: {a: {forwarding: maybe, interfaces: {d: {kind: dummy, addresses: 10.0.0.1/24}},"
        " routes: [{to: default, via: 10.99.0.1}, {to: 10.1.0.0/16, via: here}, {to: 10.2.0.0/16, via: 10.0.0.255}]}}",
        ["bad-value", "gateway-unreachable", "bad-address", "not-a-host-address"],
    ),
    "a value of one node, and a route of another": (
        "nodes: {a: {interfaces: {d: {kind: dummy, addresses: 10.0.0.300/24}}},"
        " b: {routes: [{to: default, via: 10.99.0.1}]}}",
        ["bad-address", "gateway-unreachable"],
    ),
    "a value, and an address that is there twice": (
        "nodes: {a: {}, b: {}}\n"
        "links: [{endpoints: [{node: a, interface: e, addresses: 10.0.0.1/24},"
        " {node: b, interface: e, addresses: 10.0.0.1/24}], mtu: big}]",
        ["address-twice", "bad-number"],
    ),
    "a constraint, and a name that nothing has": (
        "nodes: {a: {networks: [n, m]}}\nnetworks: {n: {vni: 5}}",
        ["unknown-network", "network-key-needs-vxlan"],
    ),
    "a name of the file, and what is in it": (
        "name: Not Good\nnodes: {a: {routes: [{to: default, via: 10.0.0.1}]}}",
        ["bad-topology-name", "gateway-unreachable"],
    ),
    "a key that is there twice, and two bridges with one port": (
        "nodes:\n  a: {interfaces: {x: {kind: bridge, ports: [e]}, y: {kind: bridge, ports: [e]}}}\n"
        "  b: {}\n  b: {}\nlinks: [[a:e, b:e]]",
        ["port-of-two", "duplicate-key"],
    ),
}


@pytest.mark.parametrize("what", TOGETHER)
def test_all_errors_are_reported(what: str) -> None:
    text, expected = TOGETHER[what]
    assert codes_of(text) == expected


ALONE = {
    "a subnet that gives addresses": (
        "nodes: {a: {routes: [{to: default, via: 10.0.0.2}]}, b: {}}\n"
        "links: [{endpoints: [a:e, b:e], subnet: 10.0.0.0/240}]",
        "bad-subnet",
    ),
    "a network that is wrong as a whole": (
        "nodes: {a: {networks: n}}\nnetworks: {n: {mode: bridged}}",
        "bridged-needs-uplink",
    ),
    "the kind of a port's bridge": (
        "nodes: {a: {interfaces: {br: {kind: bidge}, e: {master: br}}}, b: {}}\nlinks: [[a:e, b:e]]",
        "unknown-kind",
    ),
    "a kind that lacks a key": (
        "nodes: {a: {interfaces: {v: {kind: vlan, parent: e}}}, b: {}}\nlinks: [[a:e, b:e]]",
        "missing-key",
    ),
    "an end of a link, whose interface others name": (
        "nodes: {a: {routes: [{to: default, dev: e}]}, b: {}}\nlinks: [['a:e', 'b']]",
        "bad-value",
    ),
    "a member's address": (
        "nodes: {a: {networks: {n: {address: 10.0.0.300}}}, b: {networks: n}}\n"
        "networks: {n: {subnet: 10.0.0.0/24, gateway: b}}",
        "bad-address",
    ),
    "the metric by which two routes differ": (
        "nodes: {a: {routes: [{to: 10.1.0.0/16, type: blackhole}, {to: 10.1.0.0/16, type: blackhole, metric: much}]}}",
        "bad-number",
    ),
    "a misspelt key whose value others need": (
        "nodes: {a: {interfaces: {d: {kind: dummy, adresses: 10.0.0.1/24}}, routes: [{to: default, via: 10.0.0.2}]}}",
        "unknown-key",
    ),
}


@pytest.mark.parametrize("what", ALONE)
def test_a_wrong_value_causes_no_other_errors(what: str) -> None:
    """An error that is only a consequence of the wrong value is not reported."""
    text, expected = ALONE[what]
    assert codes_of(text) == [expected]


def test_the_codes_of_consequences_are_in_the_table() -> None:
    assert {*CAUSES, *NAMING, *OWN} <= table().keys()
    assert CAUSES.keys() >= OWN
