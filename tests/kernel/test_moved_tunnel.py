"""Test a tunnel whose outer packets are on the host, and whose node goes away."""

from __future__ import annotations

from tests.kernel.host import Host

FILE = """
name: lab
hosts: {{rack1: {{address: 192.0.2.1}}, rack2: {{address: 192.0.2.2}}}}
nodes: {{{node}: {{on: rack1}}, other: {{on: rack2}}}}
links: [[{node}:eth9, other:eth9]]
"""


def test_the_next_tunnel_with_the_same_vni(host: Host) -> None:
    """The kernel deletes a namespace in the background, and the VNI on the host with it."""
    host.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
    for round_ in range(5):
        for node in ("a", "b"):
            host.write("topo.yaml", FILE.format(node=node))
            host.netorch("apply", "-q")
            [tunnel] = host.ip("-n", node, "-d", "link", "show", "type", "vxlan")
            assert tunnel["linkinfo"]["info_data"]["id"] >= 10000
        if round_ % 2:
            host.netorch("destroy", "lab")
    host.netorch("destroy", "lab", check=False)
    assert host.run("ip", "netns").stdout == ""
