"""Several interfaces of a node in one network."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.address import Address
from netorch.kinds.route import Route
from netorch.render.topology_file import topology
from netorch.resolve.desired import Desired
from netorch.resolve.loader import load
from tests.editor import complaints


def desired(node: str, network: str = "subnet: 10.1.0.0/24, gateway: r") -> Desired:
    text = f"""\
name: t
nodes:
  r: {{forwarding: true, networks: {{lan: 10.1.0.254}}}}
  a: {{networks: {{lan: {node}}}}}
networks:
  lan: {{{network}}}
checks:
  - {{all: lan}}
"""
    assert complaints(text) == []
    return load(text.encode(), "topo.yaml").desired


def addresses(of: Desired) -> list[str]:
    return [
        f"{one.link} {one.address}"
        for one in of.state.values()
        if isinstance(one, Address) and one.netns == "a"
    ]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("[{}, {}]", ["eth0 10.1.0.1/24", "eth1 10.1.0.2/24"]),
        ("[{address: 10.1.0.9}, {}]", ["eth0 10.1.0.9/24", "eth1 10.1.0.1/24"]),
        ("[{name: x}, {addresses: false}, {}]", ["x 10.1.0.1/24", "eth1 10.1.0.2/24"]),
        ("[{}]", ["eth0 10.1.0.1/24"]),
    ],
)
def test_each_has_an_interface_with_addresses(node: str, expected: list[str]) -> None:
    assert addresses(desired(node)) == expected


@pytest.mark.parametrize(
    ("node", "dev"),
    [
        ("[{}, {}]", "eth0"),
        ("[{default_route: false}, {}]", "eth1"),
        ("[{}, {default_route: true}]", "eth1"),
        ("[{state: down}, {}]", "eth1"),
        ("[{addresses: false}, {}]", "eth1"),
    ],
)
def test_one_of_them_has_the_default_route(node: str, dev: str) -> None:
    (route,) = [one for one in desired(node).state.values() if isinstance(one, Route)]
    assert route.spec.hops[0].dev == dev


def test_a_check_of_all_members_names_the_interfaces() -> None:
    (check,) = desired("[{}, {}]").checks
    assert [end.name for end in check.members] == ["r", "a:eth0", "a:eth1"]


def test_a_port_is_published_to_the_first_address() -> None:
    file = """\
name: t
nodes:
  a: {networks: {lan: [{addresses: false}, {}]}, publish: 80}
networks: {lan: {mode: nat, subnet: 10.1.0.0/24}}
"""
    state = load(file.encode(), "topo.yaml").desired.state
    assert "10.1.0.2" in str([one for key, one in state.items() if key.kind == "filter"])


def test_the_low_level_file_has_both() -> None:
    of = desired("[{}, {mtu: 1400}]")
    text = topology(of.topology, of.state, "", {})
    again = load(text.encode(), "again.yaml").desired
    left = {key for key in of.state if of.state[key] != again.state.get(key)}
    assert {key.kind for key in left} <= {"file"}, text


def test_wrong_lists() -> None:
    file = """\
name: t
nodes:
  a: {networks: {lan: [10.1.0.5, 10.1.0.6]}}
  b: {networks: {lan: []}}
  c: {networks: [lan, lan]}
  d: {networks: {lan: [{adress: 10.1.0.5}, {mtu: x}]}}
  e: {networks: {lan: [{name: eth0}, {name: eth0}]}}
networks: {lan: {subnet: 10.1.0.0/24}}
"""
    with pytest.raises(FileError) as refused:
        load(file.encode(), "topo.yaml")
    assert [problem.what for problem in refused.value.problems] == [
        "nodes.a.networks: a list of memberships holds mappings only, one for each interface: for"
        " several addresses of one interface write `{address: […]}`",
        "nodes.b.networks: a list of memberships is empty: write `{}` for one interface",
        "nodes.c.networks: a network is in the list twice: for two interfaces in it write a"
        " mapping, `NETWORK: [{…}, {…}]`",
        "unknown key 'adress' in nodes.d.networks.lan.0.",
        "nodes.d.networks.lan.1.mtu: 'x' is not a whole number.",
        "e:eth0 is already the interface in network lan: write another `name` in one of the two"
        " memberships",
    ]
