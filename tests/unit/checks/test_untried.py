"""Links to other machines that no check goes through."""

from __future__ import annotations

from netorch.checks.untried import UntriedLink, untried_links
from netorch.resolve.loader import load
from netorch.resolve.machines import part_of

FILE = """
name: lab
hosts: {rack1: {address: 198.51.100.1}, rack2: {address: 198.51.100.2}}
nodes:
  sw: {on: rack1, interfaces: {br0: {kind: bridge, ports: [p1], addresses: 10.0.0.1/24}}}
  a: {on: rack1, networks: [lan]}
  b: {on: rack2, networks: [lan], interfaces: {p1: {addresses: 10.0.0.2/24}}}
links:
  - [sw:p1, b:p1]
  - {endpoints: [a:x, b:x], subnet: 10.1.0.0/30}
networks: {lan: {subnet: 10.60.0.0/24}}
"""


def test_a_link_to_the_port_of_a_bridge_is_not_tried() -> None:
    whole = load(FILE.encode(), "lab.yaml")
    assert untried_links(part_of(whole, "rack1").desired) == (UntriedLink("sw:p1", "rack2"),)
    assert untried_links(part_of(whole, "rack2").desired) == (UntriedLink("b:p1", "rack1"),)
    without = load(FILE[: FILE.index("hosts:")].encode() + b"nodes: {a: {}}", "lab.yaml")
    assert untried_links(without.desired) == ()


def test_the_sentence_says_what_to_do() -> None:
    assert UntriedLink("sw:p1", "rack2").sentence == (
        "sw:p1: nothing was tried over the link to rack2, because its ends do not both have an"
        " address. Write `checks` between nodes behind it."
    )
