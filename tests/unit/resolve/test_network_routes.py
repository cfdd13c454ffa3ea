"""The routes and the metric that a network gives to its members."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netorch.errors import FileError
from netorch.kinds.route import Route
from netorch.resolve.loader import load


def routes(text: str) -> set[str]:
    """Return `NODE DESTINATION via GATEWAY dev DEVICE metric METRIC` of each route."""
    result = set()
    for resource in load(text.encode(), "lab.yaml").desired.state.values():
        if isinstance(resource, Route) and resource.spec.hops:
            spec, (hop,) = resource.spec, resource.spec.hops
            to = "default" if spec.dst is None else f"{ip_address(spec.dst)}/{spec.prefixlen}"
            via = ip_address(hop.via) if hop.via else None
            result.add(f"{resource.netns} {to} via {via} dev {hop.dev} metric {spec.metric}")
    return result


LAB = """
nodes:
  r1: {networks: [lan], interfaces: {d: {kind: dummy, addresses: [10.9.0.1/16, "fd09::1/64"]}}}
  a: {networks: {lan: {name: up0}}}
  b: {networks: [lan], routes: [{to: 10.9.0.0/16, via: 10.0.0.2}]}
  c: {networks: [lan], interfaces: {d: {kind: dummy, addresses: 10.9.0.7/16}}}
  d: {networks: {lan: {state: down}}}
networks:
  lan:
    subnet: [10.0.0.0/24, "fd00::/64"]
    routes: [{to: 10.9.0.0/16, via: r1}, {to: "fd09::/64", via: r1, metric: 7}, {to: 10.8.0.1, via: 10.0.0.2}]
"""


def test_all_members_but_the_gateway_get_the_routes() -> None:
    assert routes(LAB) == {
        "a 10.9.0.0/16 via 10.0.0.1 dev up0 metric 0",
        "a fd09::/64 via fd00::1 dev up0 metric 7",
        "r1 10.8.0.1/32 via 10.0.0.2 dev eth0 metric 0",
        "b 10.9.0.0/16 via 10.0.0.2 dev eth0 metric 0",
        "b fd09::/64 via fd00::1 dev eth0 metric 7",
        "b 10.8.0.1/32 via 10.0.0.2 dev eth0 metric 0",
        "c fd09::/64 via fd00::1 dev eth0 metric 7",
        "c 10.8.0.1/32 via 10.0.0.2 dev eth0 metric 0",
    }


def test_a_metric_is_that_of_the_default_route() -> None:
    text = (
        "nodes: {a: {networks: [lan]}}\n"
        'networks: {lan: {mode: nat, subnet: [10.0.0.0/24, "fd00::/64"], metric: 100}}'
    )
    assert routes(text) == {
        "a default via 10.0.0.1 dev eth0 metric 100",
        "a default via fd00::1 dev eth0 metric 100",
    }


TWO = """
nodes: {a: {networks: {one: {WORDS}, two: {}, three: {}}}}
networks:
  one: {mode: nat, subnet: 10.1.0.0/24}
  two: {mode: nat, subnet: 10.2.0.0/24, metric: 100}
  three: {mode: nat, subnet: 10.3.0.0/24, metric: 100}
"""


def test_networks_with_different_metrics_each_give_a_default_route() -> None:
    assert routes(TWO.replace("WORDS", "")) == {
        "a default via 10.1.0.1 dev eth0 metric 0",
        "a default via 10.2.0.1 dev eth1 metric 100",
    }
    assert routes(TWO.replace("WORDS", "default_route: true")) == {
        "a default via 10.1.0.1 dev eth0 metric 0"
    }
    assert routes(TWO.replace("WORDS", "default_route: false")) == {
        "a default via 10.2.0.1 dev eth1 metric 100"
    }


@pytest.mark.parametrize(
    ("network", "what"),
    [
        ("routes: [{to: default, via: r1}]", "is `gateway`"),
        ("routes: [{to: 0.0.0.0/0, via: r1}]", "is `gateway`"),
        ("routes: [{to: 10.9.0.1/16, via: r1}]", "bits set to the right"),
        ("routes: [{to: 10.9.0.0/16}]", "'via'"),
        ("routes: [{via: r1}]", "'to'"),
        ("routes: [{to: 10.9.0.0/16, via: r1, dev: eth0}]", "unknown key 'dev'"),
        ("routes: [{to: 10.9.0.0/16, via: r2}]", "node 'r2' does not exist"),
        ("routes: [{to: 10.9.0.0/16, via: box}]", "is not a member of network lan"),
        ("routes: [{to: 'fd09::/64', via: r1}]", "has no IPv6 address in network lan"),
        ("routes: [{to: 'fd09::/64', via: 10.0.0.1}]", "mixes IPv4 and IPv6"),
        ("routes: [{to: 10.9.0.0/16, via: 10.1.0.1}]", "outside the subnet"),
        ("routes: [{to: 10.9.0.0/16, via: 10.0.0.77}]", "no member of network lan has"),
        (
            "routes: [{to: 10.9.0.0/16, via: r1}, {to: 10.9.0.0/16, via: 10.0.0.2}]",
            "two routes to 10.9.0.0/16",
        ),
        ("metric: -1", "-1"),
        (
            "driver: ipvlan, driver_mode: l3, routes: [{to: 10.9.0.0/16, via: r1}]",
            "does not support `routes`",
        ),
    ],
)
def test_errors(network: str, what: str) -> None:
    text = (
        "nodes: {r1: {networks: [lan]}, a: {networks: [lan]}, box: {}}\n"
        f"networks: {{lan: {{subnet: 10.0.0.0/24, {network}}}}}"
    )
    with pytest.raises(FileError) as error:
        load(text.encode(), "lab.yaml")
    assert what in str(error.value)
    assert len(error.value.problems) == 1


def test_a_router_on_the_segment_of_a_parent_need_not_be_in_the_file() -> None:
    text = (
        "nodes: {a: {networks: [lan]}}\n"
        "networks: {lan: {driver: macvlan, parent: eth0, subnet: 10.0.0.0/24,"
        " routes: [{to: 10.9.0.0/16, via: 10.0.0.254}]}}"
    )
    assert routes(text) == {"a 10.9.0.0/16 via 10.0.0.254 dev eth0 metric 0"}
