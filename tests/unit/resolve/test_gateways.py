"""All gateways of a file that Linux would refuse are reported at once.

tests/kernel/test_gateways.py compares this with Linux.
"""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.resolve.loader import load
from tests.refusals import codes_of

LINKS = """\
links:
  - {endpoints: [r1:e0, r2:e0], subnet: [10.0.0.0/30, "fd00::/64"]}
  - {endpoints: [r1:e1, r2:e1], subnet: [10.1.0.0/30, "fd01::/64"]}
"""
WRONG = {
    "{to: default, via: 10.99.0.1}": "gateway-unreachable",
    "{to: 10.9.0.0/16, via: 10.1.0.2, dev: e0}": "gateway-unreachable",
    "{to: 10.9.1.0/24, via: 10.0.0.3}": "not-a-host-address",
    "{to: 10.9.2.0/24, via: 224.0.0.1}": "not-a-host-address",
    "{to: 10.9.3.0/24, via: 10.0.0.1, dev: e0, onlink: true}": "gateway-is-self",
    "{to: 10.9.4.0/24, via: 10.0.0.2, scope: link}": "gateway-needs-scope",
    "{to: 10.9.5.0/24, via: 10.0.0.2, scope: host}": "gateway-needs-scope",
    "{to: 10.9.6.0/24, via: 'fd99::1'}": "gateway-unreachable",
    "{to: 'fd90::/64', via: 'fd00::1'}": "gateway-is-self",
    "{to: 'fd91::/64', via: 'fe80::9'}": "gateway-needs-dev",
    "{to: 'fd92::/64', via: 'fd99::1'}": "gateway-unreachable",
    "{to: 'fd93::/64', via: 'ff02::1', dev: e0}": "not-a-host-address",
    "{to: 'fd94::/64', via: 'fd00::2', dev: e1, onlink: true}": "gateway-unreachable",
    "{to: 'fd95::/64', nexthops: [{via: 'fd00::2'}, {via: 'fd00::2', weight: 2}]}": "hop-twice",
    "{to: 'fd96::/64', nexthops: [{via: 'fd00::2'}, {dev: e1}]}": "hop-needs-gateway",
    "{to: 'fd97::/64', nexthops: [{via: 'fd00::2'}, {via: 'fd99::2'}]}": "gateway-unreachable",
    "{to: 10.9.7.0/24, nexthops: [{via: 0.0.0.0, dev: e0, onlink: true}]}": "hop-needs-gateway",
    "{to: 10.9.8.0/24, nexthops: [{via: 10.99.0.1, onlink: true}]}": "gateway-needs-dev",
    "{to: 10.9.9.0/24, dev: e0, src: 224.0.0.1}": "not-a-host-address",
}
RIGHT = (
    "{to: 224.0.0.0/24, dev: e0}, {to: 10.9.0.0/16, via: 224.0.0.1}",
    "{to: 'fd00::9', via: 'fd01::2'}, {to: 'fd91::/64', via: 'fd00::9', dev: e0}",
    "{to: default, via: 10.0.0.1}",
    "{to: default, via: 10.0.0.2}",
    "{to: 10.9.0.0/16, via: 10.99.0.1, dev: e0, onlink: true}",
    "{to: 10.9.0.0/16, nexthops: [{dev: e0}, {dev: e1}]}",
    "{to: 10.9.0.0/16, nexthops: [{via: 10.0.0.2}, {via: 10.0.0.2}]}",
    "{to: 'fd90::/64', nexthops: [{dev: e0}]}",
    "{to: 'fd90::/64', via: 'fe80::9', dev: e0}",
    "{to: 'fd90::/64', nexthops: [{via: 'fe80::9', dev: e0}, {via: 'fe80::9', dev: e1}]}",
    "{to: 10.50.0.0/16, dev: e0}, {to: 10.51.0.0/16, via: 10.50.0.1}",
    "{to: 10.9.0.0/16, via: 0.0.0.0, dev: e0}",
    "{to: default, dev: e0}, {to: 10.51.0.0/16, via: 192.0.2.1}",
)


@pytest.mark.parametrize("route", WRONG)
def test_linux_would_refuse_it(route: str) -> None:
    assert codes_of(f"nodes: {{r1: {{routes: [{route}]}}, r2: {{}}}}\n{LINKS}") == [WRONG[route]]


def test_all_are_reported_at_once_each_with_its_place() -> None:
    text = f"nodes:\n  r2: {{}}\n  r1:\n    routes:\n{''.join(f'      - {route}' + chr(10) for route in WRONG)}{LINKS}"
    with pytest.raises(FileError) as raised:
        load(text.encode(), "lab.yaml")
    problems = raised.value.problems
    assert [problem.code for problem in problems] == list(WRONG.values())
    lines = [problem.where.line for problem in problems if problem.where is not None]
    assert lines == list(range(5, 5 + len(WRONG)))


BEHIND = ("{to: 'fd00::9', via: 'fd00::2'}", "{to: 'fd91::/64', via: 'fd00::9'}")


@pytest.mark.parametrize("order", [1, -1])
def test_an_ipv6_gateway_behind_another_one_is_refused(order: int) -> None:
    routes = ", ".join(BEHIND[::order])
    codes = codes_of(f"nodes: {{r1: {{routes: [{routes}]}}, r2: {{}}}}\n{LINKS}")
    assert codes == ["gateway-unreachable"]


PEERS = {"fd06::1": [], "fd05::9": [], "fd06::9": ["gateway-unreachable"]}


@pytest.mark.parametrize("gateway", PEERS)
def test_an_ipv6_address_with_a_peer_reaches_its_own_prefix_and_the_peer(gateway: str) -> None:
    text = f"""\
nodes:
  r1:
    interfaces: {{e0: {{addresses: {{address: 'fd05::1/64', peer: 'fd06::1'}}}}}}
    routes: [{{to: 'fd91::/64', via: '{gateway}'}}]
  r2: {{}}
links: [{{endpoints: ['r1:e0', 'r2:e0']}}]
"""
    assert codes_of(text) == PEERS[gateway]


@pytest.mark.parametrize("address", ["10.0.0.5/32", "10.0.0.5/30", "10.0.0.5/0"])
def test_the_gateway_of_a_network_is_out_of_reach_of_a_member(address: str) -> None:
    text = f"""\
nodes: {{a: {{networks: {{n: {{address: {address}}}}}}}}}
networks: {{n: {{mode: nat, subnet: 10.0.0.0/24}}}}
"""
    assert codes_of(text) == ["gateway-unreachable"]
    assert codes_of(text.replace(f"{address}}}", f"{address}, default_route: false}}")) == []


@pytest.mark.parametrize("mode", ["segment", "host-only", "nat"])
def test_a_network_of_groups_has_no_members(mode: str) -> None:
    text = f"nodes: {{a: {{networks: n}}}}\nnetworks: {{n: {{mode: {mode}, subnet: 224.0.0.0/24}}}}"
    assert set(codes_of(text)) == {"not-a-host-address"}


@pytest.mark.parametrize("routes", RIGHT)
def test_linux_takes_it(routes: str) -> None:
    assert codes_of(f"nodes: {{r1: {{routes: [{routes}]}}, r2: {{}}}}\n{LINKS}") == []


def test_the_address_of_another_vrf_may_be_a_gateway() -> None:
    vrfs = """\
nodes:
  r1:
    interfaces:
      red: {kind: vrf, table: 100, ports: [a]}
      blue: {kind: vrf, table: 200, ports: [b]}
    routes: [{to: "fd90::/64", via: "fd00::%s", vrf: red}]
links: [{endpoints: [r1:a, r1:b], subnet: "fd00::/64"}]
"""
    assert codes_of(vrfs % 2) == []
    assert codes_of(vrfs % 1) == ["gateway-is-self"]


def test_only_certain_errors_are_reported_of_an_existing_namespace() -> None:
    assert codes_of("nodes: {host: {routes: [{to: default, via: 10.99.0.1}]}}") == []
    # The host may have a route to the gateway, or the address itself.
    assert codes_of("nodes: {host: {routes: [{to: default, via: 224.0.0.1}]}}") == []
    assert codes_of("nodes: {host: {routes: [{to: default, via: 'ff02::1'}]}}") == [
        "not-a-host-address"
    ]


ADDRESSES = {
    "{address: 10.0.0.1/32, peer: 'fd00::1'}": ["mixed-families"],
    "{address: 'fd00::1/128', peer: 10.0.0.1}": ["mixed-families"],
    "{address: 10.0.0.1/32, peer: 0.0.0.0}": ["not-a-host-address"],
    "{address: 10.0.0.1/32, peer: 10.0.0.1}": [],
    "0.0.0.0/8": ["bad-address"],
    "'::/64'": ["bad-address"],
    "'::1/128'": ["not-a-host-address"],
    "'ff02::1/64'": ["bad-address"],
    "127.0.0.9/8": [],
    "224.0.0.1/24": ["bad-address"],
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_that_no_interface_can_have(address: str) -> None:
    text = f"nodes: {{a: {{interfaces: {{d: {{kind: dummy, addresses: [{address}]}}}}}}}}"
    assert codes_of(text) == ADDRESSES[address]


def test_a_hop_has_its_place_in_the_file_although_an_earlier_one_is_left_out() -> None:
    text = f"""\
nodes:
  r1:
    interfaces: {{e0: {{state: down}}}}
    routes:
      - to: 10.9.0.0/16
        nexthops:
          - {{via: 10.0.0.2}}
          - {{via: 10.1.0.2}}
          - {{via: 10.99.0.1}}
  r2: {{}}
{LINKS}"""
    with pytest.raises(FileError) as raised:
        load(text.encode(), "lab.yaml")
    (problem,) = raised.value.problems
    assert problem.where is not None
    assert (problem.code, problem.where.line) == ("gateway-unreachable", 9)
