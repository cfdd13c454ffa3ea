"""Configurations that Linux accepts but that are probably mistakes.

One that can never work is an error. One that may work is a warning.
"""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.resolve.loader import load


def codes_with_lines(text: str) -> tuple[list[str], list[str]]:
    """Return `LINE CODE` of the errors and of the warnings of a file."""
    try:
        loaded = load(text.encode(), "lab.yaml")
    except FileError as error:
        return [
            f"{problem.where.line} {problem.code}" for problem in error.problems if problem.where
        ], []
    return [], [f"{one.where.line} {one.code}" for one in loaded.warnings if one.where]


SWITCHES = """\
nodes:
  s1: {interfaces: {br: {kind: bridge, ports: [a, b]%s}}}
  s2: {interfaces: {br: {kind: bridge, ports: [a, b]%s}}}
links:
  - [s1:a, s2:a]
  - {endpoints: [s1:b, {node: s2, interface: b%s}]}
"""


@pytest.mark.parametrize(
    ("parts", "errors", "warnings"),
    [
        (("", "", ""), ["6 bridge-loop"], []),
        ((", stp: true", "", ""), [], []),
        (("", ", stp: true", ""), [], []),
        (("", "", ", state: down"), [], []),
        ((", state: down", "", ""), [], []),
        ((", vlan_filtering: true", "", ""), [], ["6 bridge-loop"]),
    ],
)
def test_a_circle_of_bridges(
    parts: tuple[str, str, str], errors: list[str], warnings: list[str]
) -> None:
    assert codes_with_lines(SWITCHES % parts) == (errors, warnings)


def test_a_circle_of_three_and_one_of_a_bridge_with_itself() -> None:
    ring = "".join(
        f"  s{number}: {{interfaces: {{br: {{kind: bridge, ports: [l, r]}}}}}}\n"
        for number in (1, 2, 3)
    )
    links = "links: [[s1:r, s2:l], [s2:r, s3:l], [s3:r, s1:l]]"
    assert codes_with_lines(f"nodes:\n{ring}{links}")[0] == ["5 bridge-loop"]
    assert codes_with_lines(
        f"nodes:\n{ring}links: [[s1:r, s2:l], [s2:r, s3:l]]\n".replace("[l, r]", "[r]", 1).replace(
            "s3: {interfaces: {br: {kind: bridge, ports: [l, r]",
            "s3: {interfaces: {br: {kind: bridge, ports: [l]",
        )
    ) == ([], [])
    own = "nodes: {s: {interfaces: {br: {kind: bridge, ports: [a, b]}}}}\nlinks: [[s:a, s:b]]"
    assert codes_with_lines(own)[0] == ["2 bridge-loop"]


def test_a_circle_through_networks() -> None:
    text = """\
nodes:
  s: {interfaces: {br: {kind: bridge, ports: [eth0, eth1]}}, networks: [one, two]}
  t: {interfaces: {br: {kind: bridge, ports: [eth0, eth1]}}, networks: [one, two]}
networks: {one: {}, two: {}}
"""
    assert [entry.split()[1] for entry in codes_with_lines(text)[0]] == ["bridge-loop"]
    assert codes_with_lines(text.replace("two: {}}", "two: {stp: true}}")) == ([], [])


ROUTER = "nodes: {r: {%s}, o: {}}\nlinks: [{endpoints: [r:eth0, o:eth0], subnet: [10.0.0.0/24, 'fd00::/64']}]\n"


@pytest.mark.parametrize(
    "words",
    [
        "rules: [{iif: ehth0, table: 7}]",
        "rules: [{oif: tun0, table: 7}]",
        "rules: [{iif: ehth0, table: 7, family: ipv6}]",
        "nat: [{masquerade: {out: eth1}}]",
        "nat: [{snat: {out: '!eth1', to: 10.0.0.1}}]",
        "nat: [{dnat: {in: eth1, port: 80, to: 10.0.0.2}}]",
    ],
)
def test_an_interface_that_the_node_does_not_have(words: str) -> None:
    assert codes_with_lines(ROUTER % words) == ([], ["1 unknown-interface"])
    right = words.replace("ehth0", "eth0").replace("tun0", "lo").replace("eth1", "eth0")
    assert codes_with_lines(ROUTER % right) == ([], [])


def test_the_own_address_as_an_ipv4_gateway() -> None:
    own = "routes: [{to: 10.9.0.0/16, via: 10.0.0.1}]"
    assert codes_with_lines(ROUTER % own) == ([], ["1 gateway-is-self"])


def test_one_subnet_on_two_links() -> None:
    two = """\
nodes: {r: {%s}, a: {}, b: {}}
links:
  - {endpoints: [r:eth0, a:eth0], subnet: %s}
  - {endpoints: [r:eth1, b:eth0], subnet: %s}
"""
    assert codes_with_lines(two % ("", "10.0.0.0/24", "10.0.0.0/24")) == ([], ["4 subnets-overlap"])
    assert codes_with_lines(two % ("", "'fd00::/64'", "'fd00::/64'")) == ([], ["4 subnets-overlap"])
    assert codes_with_lines(two % ("", "10.0.0.0/24", "10.0.0.0/16")) == ([], [])
    assert codes_with_lines(two % ("", "10.0.0.0/24", "10.0.1.0/24")) == ([], [])
    vrf = "interfaces: {red: {kind: vrf, table: 9, ports: [eth1]}}"
    assert codes_with_lines(two % (vrf, "10.0.0.0/24", "10.0.0.0/24")) == ([], [])


def test_two_interfaces_of_one_segment_may_share_a_subnet() -> None:
    text = """\
nodes: {r: {interfaces: {eth0: {addresses: 10.0.0.1/24}, m: {kind: macvlan, parent: eth0, addresses: 10.0.0.2/24}}}, o: {}}
links: [[r:eth0, o:eth0]]
"""
    assert codes_with_lines(text) == ([], [])


def test_egress() -> None:
    text = """\
nodes: {r: {interfaces: {eth0: {addresses: 192.0.2.1/24}}}, o: {}, m: {networks: [lan]}}
links: [[r:eth0, o:eth0]]
networks: {lan: {mode: nat, node: r, subnet: 10.0.0.0/24, egress: %s}}
"""
    assert codes_with_lines(text % "192.0.2.1") == ([], [])
    assert codes_with_lines(text % "192.0.2.2") == ([], ["3 unknown-address"])
    assert codes_with_lines(text % "'fd00::1'") == ([], ["3 mixed-families"])
    assert codes_with_lines(text % "127.0.0.1") == (["3 not-a-host-address"], [])


def test_a_member_that_has_the_address_of_its_gateway_elsewhere() -> None:
    text = """\
nodes: {m: {networks: [lan], interfaces: {x: {addresses: '%s'}}}, o: {}}
links: [[m:x, o:x]]
networks: {lan: {mode: nat, subnet: [10.0.0.0/24, 'fd00::/64']}}
"""
    assert codes_with_lines(text % "fd00::1/128")[0] == ["1 gateway-is-self"]
    assert codes_with_lines(text % "fd01::1/64") == ([], [])


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("", "packets between them"),
        ("forwarding: true", ""),
        ("sysctls: {net.ipv4.ip_forward: 1, net.ipv6.conf.all.forwarding: 1}", ""),
        ("sysctls: {net.ipv4.ip_forward: 1}", "no IPv6 packets between them"),
    ],
)
def test_a_gateway_of_two_networks_that_does_not_forward(node: str, words: str) -> None:
    text = f"""\
name: t
nodes:
  r: {{networks: [lan, dmz]{", " if node else ""}{node}}}
  a: {{networks: lan}}
  b: {{networks: dmz}}
networks:
  lan: {{subnet: [10.1.0.0/24, "fd01::/64"], gateway: r}}
  dmz: {{subnet: [10.2.0.0/24, "fd02::/64"], gateway: r}}
"""
    warnings = [one.what for one in load(text.encode(), "topo.yaml").desired.warnings]
    assert len(warnings) == bool(words)
    assert words in "".join(warnings)
    one = text.replace(", gateway: r}\n  dmz", "}\n  dmz")
    assert load(one.encode(), "topo.yaml").desired.warnings == ()
