"""Networks of mode bridged: their desired states, and errors in files."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.address import Address, Ifaddr, address_key
from netorch.kinds.base.link import link_key
from netorch.kinds.bridge import Bridge
from netorch.kinds.netns import netns_key
from netorch.kinds.port import Port
from netorch.kinds.up import up_key
from netorch.kinds.uplink import Uplink, uplink_key
from netorch.resolve.desired import Desired
from netorch.resolve.loader import load
from netorch.state.key import Key
from netorch.state.planner import plan
from netorch.state.resource import Disruption
from netorch.values.marks import Mark, read_alias


def desired_of(text: str) -> Desired:
    return load(text.encode(), "lab.yaml").desired


def refused(text: str) -> str:
    with pytest.raises(FileError) as raised:
        load(text.encode(), "lab.yaml")
    return str(raised.value)


HOST = """
networks:
  wan: {mode: bridged, uplink: eth0}
nodes:
  vm: {networks: [wan]}
"""

LAN = """
networks:
  wan: {mode: bridged, uplink: eth0, subnet: [10.0.0.0/24, "fd00::/64"],
    ip_range: [10.0.0.64/28, "fd00::60/124"], gateway: 10.0.0.1}
nodes:
  a: {networks: [wan]}
  b: {networks: {wan: 10.0.0.9}}
"""

INSIDE = """
networks:
  br: {mode: bridged, uplink: eth0, node: r1}
nodes:
  r1: {routes: [{to: 10.9.0.0/16, via: 10.0.0.2}, {to: 10.8.0.0/16, dev: eth0}]}
  r2: {}
  vm: {networks: [br]}
links:
  - {endpoints: ["r1:eth0", "r2:eth0"], subnet: 10.0.0.0/24}
"""


def test_the_bridge_is_on_the_host_without_an_address_and_takes_the_mac_and_mtu_of_its_nic() -> (
    None
):
    desired = desired_of(HOST)
    bridge = desired.state[link_key("host", "wan")]
    assert isinstance(bridge, Bridge)
    assert (bridge.mac, bridge.mtu) == ("", 0)
    assert read_alias(bridge.alias).uplink == "eth0"
    uplink = desired.state[uplink_key("host", "eth0")]
    assert isinstance(uplink, Uplink)
    assert (uplink.bridge, uplink.mtu, uplink.protocol) == ("wan", True, Mark("lab").protocol)
    assert not any(isinstance(resource, Address) for resource in desired.state.values())
    assert desired.origins[uplink.key] == ("networks", "wan", "uplink")


def test_an_mtu_of_the_network_is_the_bridges() -> None:
    desired = desired_of(HOST.replace("eth0}", "eth0, mtu: 1400}"))
    bridge, uplink = (
        desired.state[link_key("host", "wan")],
        desired.state[uplink_key("host", "eth0")],
    )
    assert isinstance(bridge, Bridge) and isinstance(uplink, Uplink)
    assert (bridge.mtu, uplink.mtu) == (1400, False)


def test_addresses_come_from_the_range_alone_and_the_router_is_the_default_route() -> None:
    desired = desired_of(LAN)
    addresses = {
        key.name for key in desired.state if key.kind == "address" and key.netns in {"a", "b"}
    }
    assert addresses == {
        "eth0 10.0.0.64/24",
        "eth0 fd00::60/64",
        "eth0 10.0.0.9/24",
        "eth0 fd00::61/64",
    }
    assert {key for key in desired.state if key.kind == "route"} == {
        Key("route", "a", "default"),
        Key("route", "b", "default"),
    }
    without = desired_of(
        LAN.replace(',\n    ip_range: [10.0.0.64/28, "fd00::60/124"], gateway: 10.0.0.1', "")
    )
    assert [
        key.name for key in without.state if key.kind == "address" and key.netns in {"a", "b"}
    ] == ["eth0 10.0.0.9/24"]
    assert not any(key.kind == "route" for key in without.state)


def test_it_has_no_packet_filter_and_no_sysctls() -> None:
    assert not any(key.kind in {"filter", "sysctl"} for key in desired_of(LAN).state)


def test_in_a_node_the_addresses_and_routes_that_the_file_gives_the_nic_are_the_bridges() -> None:
    state = desired_of(INSIDE).state
    assert address_key("r1", "br", Ifaddr("10.0.0.1", 24)) in state
    assert not any(
        key.kind == "address" and key.name.startswith("eth0") and key.netns == "r1" for key in state
    )
    devices = {
        key.name: state[key].spec.hops[0].dev
        for key in state
        if key.kind == "route" and key.netns == "r1"
    }  # type: ignore[attr-defined]
    assert devices == {"10.9.0.0/16": "br", "10.8.0.0/16": "br"}
    assert state[uplink_key("r1", "eth0")].dies_with == (netns_key("r1"), link_key("r1", "eth0"))
    assert [key.name for key, port in state.items() if isinstance(port, Port)] == ["vm-eth0"]


def test_it_joins_last_leaves_first_and_flaps() -> None:
    state = desired_of(HOST).state
    steps = plan({}, state).changes
    order = [step.key for step in steps]
    assert order.index(up_key("host", "wan")) < order.index(uplink_key("host", "eth0"))
    assert next(step for step in steps if step.key.kind == "uplink").disruption is Disruption.FLAP
    deletes = [step.key for step in plan(state, {}).deletes]
    assert deletes.index(uplink_key("host", "eth0")) < deletes.index(link_key("host", "wan"))


def test_another_bridge_is_left_before_the_next_is_joined() -> None:
    after = desired_of(HOST.replace("eth0}", "eth0, bridge: br0}"))
    made = plan(desired_of(HOST).state, after.state)
    deletes = [step.key for step in made.deletes]
    assert deletes.index(uplink_key("host", "eth0")) < deletes.index(link_key("host", "wan"))
    assert any(step.key.kind == "uplink" for step in made.changes)


def test_half_of_it_is_completed_and_never_restored() -> None:
    half = Uplink("host", "eth0", "wan", 100, whole=False)
    whole = Uplink("host", "eth0", "wan", 100)
    assert whole.differs(half) and not half.differs(whole)
    assert list(whole.create()) == whole.update(half)


def test_the_alias_names_the_uplink() -> None:
    alias = Mark("lab").link_alias(None, "a remark", "eth0")
    assert alias == "netorch:lab uplink=eth0 a remark"
    assert read_alias(alias) == ("lab", None, "a remark", "eth0", "")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("{mode: bridged}", "needs an `uplink`"),
        ("{uplink: eth0}", "add `mode: bridged`"),
        ("{mode: nat, subnet: 10.0.0.0/24, uplink: eth0}", "add `mode: bridged`"),
        ("{mode: {v4: bridged, v6: nat}, uplink: eth0}", "`mode: bridged` for both"),
        ("{mode: bridged, uplink: eth0, isolated: true}", "does not support `isolated`"),
        ("{mode: bridged, uplink: eth0, allow: other}", "does not support `allow`"),
        ("{mode: bridged, uplink: eth0, egress: 10.0.0.1}", "egress"),
        ("{mode: bridged, uplink: eth0, gateway: vm}", "address of a router"),
        ("{mode: bridged, uplink: eth0, gateway: 10.0.0.1}", "needs a `subnet`"),
        (
            "{mode: bridged, uplink: eth0, subnet: 10.0.0.0/24, gateway: 10.1.0.1}",
            "outside the subnet",
        ),
        ("{mode: bridged, uplink: lo}", "cannot be an uplink"),
        ("{mode: bridged, uplink: eth7, node: vm}", "node vm has no interface 'eth7'"),
        ("{mode: bridged, uplink: eth0, node: vm}", "leads elsewhere"),
    ],
)
def test_wrong_words(network: str, words: str) -> None:
    text = f"networks:\n  wan: {network}\nnodes:\n  vm: {{networks: [wan]}}\n"
    assert words in refused(text)
    assert "lab.yaml:2:" in refused(text)


def test_one_nic_one_network() -> None:
    message = refused(
        "networks:\n  a: {mode: bridged, uplink: eth0}\n  b: {mode: bridged, uplink: eth0}\n"
    )
    assert "lab.yaml:3:" in message and "uplink of network a already" in message


def test_a_port_of_another_bridge_cannot_be_an_uplink() -> None:
    message = refused(
        INSIDE.replace("r1: {", "r1: {interfaces: {lan0: {kind: bridge, ports: [eth0]}}, ")
    )
    assert "eth0" in message and "lan0" in message
