"""Names from networks and the prefix that Linux refuses for a link."""

from __future__ import annotations

import pytest

from tests.refusals import codes_of

REFUSED = {
    "default in the fabric": "nodes: {a: {networks: default}}\nnetworks: {default: {}}",
    "all on the host": "nodes: {a: {networks: all}}\nnetworks: {all: {mode: nat, subnet: 10.0.0.0/24}}",
    "all in a node": "nodes: {a: {networks: all}, r: {}}\nnetworks: {all: {mode: nat, node: r, subnet: 10.0.0.0/24}}",
    "a closed network": "nodes: {a: {networks: default}}\nnetworks: {default: {driver: macvlan}}",
    "with a prefix": "prefix: al\nnodes: {a: {}}\nlinks: [[host:l, a:e]]",
    "a network with a prefix": "prefix: de\nnodes: {a: {networks: fault}}\nnetworks: {fault: {mode: nat, subnet: 10.0.0.0/24}}",
}
TAKEN = (
    "nodes: {a: {networks: default}}\nnetworks: {default: {bridge: br0}}",
    "prefix: lab-\nnodes: {a: {networks: default}}\nnetworks: {default: {mode: nat, subnet: 10.0.0.0/24}}",
    "nodes: {default: {}, all: {}}\nlinks: [[default:e, all:e]]",
)


@pytest.mark.parametrize("what", REFUSED)
def test_a_link_cannot_have_the_name(what: str) -> None:
    assert codes_of(REFUSED[what]) == ["reserved-name"]


@pytest.mark.parametrize("text", TAKEN)
def test_another_object_can_have_the_name(text: str) -> None:
    assert codes_of(text) == []
