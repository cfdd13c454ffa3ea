"""What a file with several machines cannot say, each with one error."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.bridge import Bridge
from netorch.kinds.mac import PortMac
from netorch.kinds.port import Port
from netorch.kinds.vxlan import Vxlan
from netorch.resolve.loader import load

HOSTS = "hosts: {rack1: {address: 198.51.100.1}, rack2: {address: 198.51.100.2}}\n"
NODES = "nodes: {a: {on: rack1, networks: [n]}, b: {on: rack2, networks: [n]}}\n"
NAT = "networks: {n: {mode: nat, on: rack1, subnet: 10.0.0.0/24}}\n"

REFUSED = {
    "mixed-families": "hosts: {rack1: {address: 198.51.100.1}, rack2: {address: '2001:db8::2'}}\n"
    + NODES
    + "networks: {n: {}}\nlinks: [[a:x, b:x]]\n",
    "too-many-tunnels": HOSTS
    + "tunnels: {vni: 16777214}\n"
    + NODES
    + "networks: {n: {}, m: {}}\nlinks: [[a:x, b:x]]\n",
    "port-of-tunnels": HOSTS
    + NODES.replace("networks: [n]}, b", "networks: [n], publish: '14789:80/udp'}, b")
    + NAT,
    "isolated-on-machines": HOSTS
    + NODES.replace("[n]", "{n: {port: {isolated: true}}}")
    + "networks: {n: {}}\n",
    "unknown-machine": HOSTS + NODES[:-2] + ", host.rack3: {}}\n" + NAT,
}


@pytest.mark.parametrize("code", REFUSED)
def test_each_is_one_error(code: str) -> None:
    with pytest.raises(FileError) as error:
        load(("name: x\n" + REFUSED[code]).encode(), "x.yaml")
    assert [problem.code for problem in error.value.problems] == [code]


def test_tunnels_need_hosts() -> None:
    with pytest.raises(FileError) as error:
        load(b"name: x\ntunnels: {vni: 7}\nnodes: {a: {}}\n", "x.yaml")
    assert [problem.code for problem in error.value.problems] == ["unknown-machine"]


def test_another_port_or_protocol_may_be_published() -> None:
    for port in ("14789:80", "14788:80/udp"):
        load(("name: x\n" + REFUSED["port-of-tunnels"].replace("14789:80/udp", port)).encode(), "x")


def test_bridges_learn_nothing_from_other_machines() -> None:
    """The MACs behind a tunnel are in the file, and in the bridge's table."""
    state = load(("name: x\n" + HOSTS + NODES + NAT).encode(), "x.yaml").desired.state
    ports = [each for each in state.values() if isinstance(each, Port)]
    tunnels = {(each.netns, each.name) for each in state.values() if isinstance(each, Vxlan)}
    assert len(tunnels) == 2
    for port in ports:
        assert port.learning != ((port.netns, port.link) in tunnels)
    macs = {each.mac for each in state.values() if isinstance(each, PortMac)}
    # those of the two nodes, and that of the gateway
    assert len(macs) == 3


def test_the_gateway_keeps_its_mac_on_another_machine() -> None:
    def gateway(text: str) -> set[str]:
        state = load(("name: x\n" + text).encode(), "x.yaml").desired.state
        return {
            each.mac
            for each in state.values()
            if isinstance(each, Bridge) and each.netns.startswith("host")
        }

    one = gateway(HOSTS + NODES + NAT)
    assert one == gateway(HOSTS + NODES + NAT.replace("rack1", "rack2"))
    alone = NODES.replace("on: rack1, ", "").replace("on: rack2, ", "")
    assert one == gateway(alone + NAT.replace("on: rack1, ", ""))


def test_bridges_of_two_hosts_have_their_own_macs() -> None:
    """They may be on one segment, although they have the same name."""
    nodes = "nodes: {host.rack1: {interfaces: {br0: {kind: bridge, ports: [x]}}}, "
    nodes += "host.rack2: {interfaces: {br0: {kind: bridge, ports: [x]}}}}\n"
    text = "name: x\n" + HOSTS + "defaults: {node: {on: rack1}}\n" + nodes
    text += "links: [['host.rack1:x', 'host.rack2:x']]\n"
    state = load(text.encode(), "x.yaml").desired.state
    assert len({each.mac for each in state.values() if isinstance(each, Bridge)}) == 2
