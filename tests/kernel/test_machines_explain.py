"""Follow packets from machine to machine, and compare the result with real pings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kernel.machines import Machine, Machines

LAB = """
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
  rack3: {address: 198.51.100.3}
nodes:
  r1: {on: rack1}
  leaf: {on: rack2, networks: [lan]}
  h1: {on: rack1, networks: [lan, out]}
  h3: {on: rack3, networks: [lan, out]}
links:
  - {endpoints: [r1:eth1, leaf:eth1], subnet: [10.0.0.0/30, "fd00::/64"]}
networks:
  lan: {subnet: 10.60.0.0/24}
  out: {mode: nat, subnet: 10.61.0.0/24, on: rack1}
"""


def applied(racks: Machines) -> Path:
    for rack in racks:
        file = rack.write("topo.yaml", LAB)
        rack.netorch("apply")
    return file


def explained(rack: Machine, source: str, target: str) -> dict[str, Any]:
    done = rack.netorch("explain", source, target, "-o", "json", check=False)
    assert done.returncode in {0, 2}, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def address(rack: Machine, node: str, network: str) -> str:
    links = rack.ip("-n", node, "-4", "address", "show")
    return next(
        entry["local"]
        for link in links
        for entry in link["addr_info"]
        if entry["local"].startswith(network)
    )


def test_as_far_as_this_machine_sees(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    one, two, three = racks
    applied(racks)
    far = address(three, "h3", "10.60.")
    for rack, source, target, outcome in (
        (one, "r1", "10.0.0.2", "arrives"),
        (one, "r1", "fd00::2", "arrives"),
        (one, "h1", far, "arrives"),
        (two, "leaf", "10.0.0.1", "arrives"),
        (two, "leaf", far, "arrives"),
        (three, "h3", "host.rack1", "arrives"),
    ):
        answer = explained(rack, source, target)
        assert (answer["outcome"], answer["cause"]) == (outcome, None), (source, target)
        assert answer["live"]
        if not target.startswith("host"):
            assert rack.reaches(source, target)
        for hop in (*answer["there"]["hops"], *answer["back"]["hops"]):
            assert hop["by_file"] == (hop["machine"] != rack.name)
    text = one.netorch("explain", "r1", "10.0.0.2").stdout
    assert "through VXLAN 10001 from rack1 (198.51.100.1) to rack2 (198.51.100.2)" in text
    assert "leaf (rack2, as in the file): arrives at eth1" in text
    # by name, and without the file
    assert "h1 → h3: arrives" in one.netorch("explain", "h1", "h3").stdout
    (one.directory / "topo.yaml").unlink()
    assert "h1 → h3: arrives" in one.netorch("explain", "h1", "h3").stdout


def test_what_is_broken_here_is_seen_and_what_is_broken_there_is_not(
    machines: Callable[[int], Machines],
) -> None:
    racks = machines(3)
    one, two, three = racks
    applied(racks)
    far = address(three, "h3", "10.60.")
    mac = three.ip("-n", "h3", "link", "show", "eth0")[0]["address"]
    fabric = "netorch-lab"
    breaks = [
        (
            f"ip netns exec {fabric} bridge fdb replace {mac} dev lan-vtep dst 198.51.100.2 self",
            "h1",
            far,
            f"sends frames for {mac} to 198.51.100.2 (its forwarding database), not to 198.51.100.3",
        ),
        (
            "ip route replace blackhole 198.51.100.2/32",
            "r1",
            "10.0.0.2",
            "r1:eth1, whose packets go to 198.51.100.2: host: packets for 198.51.100.2 match",
        ),
        (
            "nft 'add table ip x; add chain ip x in { type filter hook input priority 0; };"
            " add rule ip x in udp dport 14789 drop'",
            "r1",
            "10.0.0.2",
            "rack1 (198.51.100.1): host: nft rule `udp dport 14789 drop` in ip x in drops packets",
        ),
        (
            f"ip netns exec {fabric} bridge link set dev lan-vtep isolated on;"
            f" ip netns exec {fabric} bridge link set dev h1-eth0 isolated on",
            "h1",
            far,
            "are isolated ports of bridge netorch-lab:lan",
        ),
        (
            "ip rule add to 198.51.100.2 unreachable",
            "r1",
            "10.0.0.2",
            "r1:eth1, whose packets go to 198.51.100.2: host: packets for 198.51.100.2 match",
        ),
    ]
    mends = [
        f"ip netns exec {fabric} bridge fdb replace {mac} dev lan-vtep dst 198.51.100.3 self",
        "ip route del blackhole 198.51.100.2/32",
        "nft delete table ip x",
        f"ip netns exec {fabric} bridge link set dev lan-vtep isolated off;"
        f" ip netns exec {fabric} bridge link set dev h1-eth0 isolated off",
        "ip rule del to 198.51.100.2 unreachable",
    ]
    for (damage, source, target, cause), mend in zip(breaks, mends, strict=True):
        one.run("sh", "-c", damage)
        answer = explained(one, source, target)
        assert answer["outcome"] == "fails" and cause in answer["cause"], answer["cause"]
        assert not one.ping(source, target)
        one.run("sh", "-c", mend)
        assert one.reaches(source, target)
        assert explained(one, source, target)["outcome"] == "arrives"
    # the other machine sees its own part alone, and says so
    two.run("ip", "-n", "leaf", "link", "set", "eth1", "down")
    answer = explained(one, "r1", "10.0.0.2")
    assert answer["outcome"] == "arrives"
    assert not answer["certain"]
    assert (
        "netorch sees the kernel of rack1 alone: what is on rack2 is as in the file"
        in answer["doubts"]
    )
    assert explained(two, "r1", "10.0.0.2")["cause"] == "leaf:eth1 is down"


def test_the_mtu_on_the_way(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    applied(racks)
    one = racks[0]
    one.run("ip", "link", "set", "eth0", "mtu", "1400")
    answer = explained(one, "r1", "10.0.0.2")
    assert answer["outcome"] == "arrives"
    assert answer["remarks"] == [
        "mtu 1350 on the tunnel from rack1 to rack2 is smaller than 1450 on r1:eth1:"
        " larger packets are fragmented, or dropped if they must not be fragmented"
    ]
    assert answer["there"]["hops"][0]["tunnels"][0]["mtu"] == 1350
