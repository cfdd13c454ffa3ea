"""Each way to get a network on an existing bridge wrong is an error of its own."""

import pytest

from tests.refusals import codes_of

NETWORK = "nodes: {{a: {{networks: [lan]}}}}\nnetworks: {{lan: {{existing: true, {}}}}}\n"
CASES = {
    "mtu: 1400": "existing-needs-bridge",
    "bridge: br0, mode: nat, subnet: 10.0.0.0/24": "existing-mode",
    "bridge: br0, driver: macvlan, parent: eth0": "existing-driver",
    "bridge: br0, stp: true": "existing-key",
    "bridge: br0, vlan_filtering: true": "existing-key",
    "bridge: br0, uplink: eth0": "existing-key",
    "bridge: br0, isolated: true": "bridged-filters-nothing",
    "bridge: br0, subnet: auto": "auto-subnet-of-existing-segment",
    "bridge: br0, node: a": "existing-in-new-node",
}


@pytest.mark.parametrize("words", CASES)
def test_what_an_existing_bridge_does_not_take(words: str) -> None:
    assert CASES[words] in codes_of(NETWORK.format(words))


def test_a_bridge_that_the_file_makes_does_not_exist_already() -> None:
    text = NETWORK.format("bridge: br0").replace(
        "nodes: {", "nodes: {host: {interfaces: {br0: {kind: bridge}}}, "
    )
    assert codes_of(text) == ["name-twice"]
