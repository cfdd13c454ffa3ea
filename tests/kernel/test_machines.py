"""One topology over several machines, and what goes wrong on one of them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

from tests.kernel.machines import Machine, Machines, diff_machines

HOSTS = """
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
  rack3: {address: 198.51.100.3}
"""

LAB = """
nodes:
  a: {on: rack1, networks: [lan, out]}
  b: {on: rack2, networks: [lan]}
  c: {on: rack3, networks: [lan, out], aliases: [web]}
  d: {on: rack3, networks: [lan]}
links:
  - {endpoints: [a:eth9, b:eth9], subnet: [10.0.0.0/30, "fd00::/64"]}
networks:
  lan: {subnet: [10.60.0.0/24, "fd60::/64"]}
  out: {mode: nat, subnet: 10.61.0.0/24, on: rack1}
"""

SERVER = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(b"hello from c\\n")
    connection.close()
"""

CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as connection:
    print(connection.recv(100).decode(), end="")
"""


def apply(racks: Machines, text: str = HOSTS + LAB) -> None:
    for rack in racks:
        rack.write("topo.yaml", text)
        rack.netorch("apply")


def in_sync(rack: Machine) -> bool:
    return rack.netorch("diff", check=False).stdout == "lab: in sync\n"


def inside(rack: Machine, node: str, *words: str) -> str:
    return rack.run("ip", "netns", "exec", node, *words, check=False).stdout


def test_names_resolve_on_every_machine(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    apply(racks)
    for rack, node in zip(racks, "abc", strict=True):
        for name in ("a", "b", "c", "web", "d"):
            assert inside(rack, node, "getent", "ahostsv4", name), (rack.name, name)
    assert racks[0].reaches("a", "d")
    assert racks[1].reaches("b", "web")
    assert racks[2].reaches("d", "a")


def test_a_published_port_of_a_node_on_another_machine(
    machines: Callable[[int], Machines],
) -> None:
    racks = machines(3)
    text = LAB.replace("aliases: [web]", "aliases: [web], publish: ['8080:80']")
    apply(racks, HOSTS + text)
    one, two, three = racks
    with three.start("ip", "netns", "exec", "c", "python3", "-c", SERVER, "80") as server:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        # from another machine, from a node on another machine and from the owner itself
        answers = [
            two.run("python3", "-c", CLIENT, one.address, "8080").stdout,
            one.run(
                "ip", "netns", "exec", "a", "python3", "-c", CLIENT, "10.61.0.1", "8080"
            ).stdout,
            one.run("python3", "-c", CLIENT, one.address, "8080").stdout,
        ]
        server.signal(signal.SIGTERM)
    assert answers == ["hello from c\n"] * 3


def test_the_owner_leads_members_on_other_machines_out(
    machines: Callable[[int], Machines],
) -> None:
    racks = machines(3)
    apply(racks)
    # c is on rack3, and its packets leave by rack1, with the address of rack1
    assert racks[2].reaches("c", racks[1].address)
    trace = inside(racks[2], "c", "ip", "route", "get", racks[1].address)
    assert "via 10.61.0.1" in trace


def test_a_node_moves_and_the_others_lose_nothing(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    apply(racks)
    one, two, three = racks
    assert one.reaches("a", "c") and two.reaches("b", "c") and two.reaches("b", "10.0.0.1")
    moved = (HOSTS + LAB).replace("d: {on: rack3", "d: {on: rack2")
    stop = ("ip", "netns", "exec")
    pings = [
        one.start(*stop, "a", "ping", "-i0.05", "-W1", "c"),
        two.start(*stop, "b", "ping", "-i0.05", "-W1", "c"),
        two.start(*stop, "b", "ping", "-i0.05", "-W1", "10.0.0.1"),
    ]
    # made there before it is removed here
    for rack in (two, one, three):
        rack.write("topo.yaml", moved)
        changes = rack.netorch("apply").stdout
        assert ("netns d" in changes) == (rack is not one)
    assert one.reaches("a", "d")
    for ping in pings:
        ping.signal(signal.SIGINT)
        text = ping.communicate(timeout=60)[0]
        sent, received = (int(word) for word in _counts(text))
        assert sent - received <= 1, text  # the last one may be on its way
        assert sent > 0
    for rack in racks:
        assert in_sync(rack)
    assert inside(two, "d", "ip", "-br", "link", "show", "eth0")
    assert "d" not in three.run("ip", "netns", "list").stdout.split()
    three.netorch("destroy", "lab")


def _counts(text: str) -> tuple[str, str]:
    line = next(line for line in text.splitlines() if "packets transmitted" in line)
    words = line.split()
    return words[0], words[3]


def test_ipv6_underlay(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    before = racks.snapshot()
    hosts = HOSTS
    for rack in racks:
        hosts = hosts.replace(f"{{address: {rack.address}}}", f"{{address: '{rack.address6}'}}")
    apply(racks, hosts + LAB)
    one, two, three = racks
    assert one.reaches("a", "10.0.0.2") and one.reaches("a", "fd00::2")
    assert two.reaches("b", "c") and three.reaches("d", "a")
    assert one.ip("-n", "a", "link", "show", "eth9")[0]["mtu"] == 1430
    full = ("ping", "-c1", "-W5", "-Mdo", "-s", str(1430 - 28), "10.0.0.2")
    one.run("ip", "netns", "exec", "a", *full)
    for rack in racks:
        assert in_sync(rack)
        rack.netorch("destroy", "lab")
    assert diff_machines(before, racks.snapshot()) == []


def test_drift_on_one_machine_alone(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    apply(racks)
    one, two, three = racks
    three.run("ip", "-n", "c", "link", "set", "eth0", "down")
    three.run("sh", "-c", "ip netns exec netorch-lab ip link del lan-vtep")
    assert in_sync(one) and in_sync(two)
    assert "+ vxlan netorch-lab/lan-vtep" in three.netorch("diff", check=False).stdout
    three.netorch("apply")
    assert in_sync(three)
    assert one.reaches("a", "c")


CHECKS = """
checks:
  - {all: lan}
  - {from: b, to: a}
  - {from: c, to: a}
"""


def check(rack: Machine) -> list[str]:
    return rack.netorch("check", "--timeout", "1", check=False).stdout.splitlines()


def test_one_machine_is_away(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    apply(racks, HOSTS + LAB + CHECKS)
    one, two, three = racks
    for rack in racks:
        done = rack.netorch("check", check=False)
        assert done.returncode == 0, done.stdout
    # the machine is there, and the topology is not
    three.netorch("destroy", "lab")
    answers = "rack3: 198.51.100.3 answers, but nothing comes through the tunnels to it."
    assert f"{answers} Behind the tunnels to it: c, d." in check(two)
    racks.kill(three)
    for rack in (one, two):
        assert in_sync(rack)
        lines = check(rack)
        assert "rack3: 198.51.100.3 does not answer. Behind the tunnels to it: c, d." in lines
        assert "FAILED" in lines[-1]
        # what does not need the machine works
        assert not any(line.startswith(("rack1:", "rack2:")) for line in lines)
        tunnels = [line for line in lines if line.startswith("ok") and "mtu 1450" in line]
        assert len(tunnels) == 2, "the link and the network between rack1 and rack2"
    assert any(line.split()[:3] == ["ok", "b", "a"] for line in lines)
    document = json.loads(two.netorch("check", "--timeout", "1", "-o", "json", check=False).stdout)
    assert document["unreachable"] == [
        {"machine": "rack3", "address": "198.51.100.3", "answers": False, "nodes": ["c", "d"]}
    ]
    assert document["elsewhere"] == {"rack3": 1}
    assert two.reaches("b", "10.0.0.1")


def test_check_says_what_is_wrong_on_this_side_of_a_tunnel(
    machines: Callable[[int], Machines],
) -> None:
    racks = machines(3)
    apply(racks, HOSTS + LAB + CHECKS)
    two = racks[1]
    two.run("ip", "route", "add", "blackhole", "198.51.100.1/32")
    words = "host: packets for 198.51.100.1 match the route 198.51.100.1/32, which is blackhole"
    lines = [line.strip() for line in check(two)]
    assert f"b:eth9, whose packets go to 198.51.100.1: {words}" in lines
    assert f"netorch-lab:lan-vtep, whose packets go to 198.51.100.1: {words}" in lines
    assert "a is on rack1, behind the tunnel from 198.51.100.2 to 198.51.100.1" in lines
    two.run("ip", "route", "del", "blackhole", "198.51.100.1/32")
    assert two.reaches("b", "10.0.0.1")
    racks.set_mtu(two, 1300)
    lines = [line.strip() for line in check(two)]
    smaller = "mtu 1250 on the tunnel from rack2 to rack1 is smaller than 1450 on b:eth9"
    assert any(line.startswith(smaller) for line in lines)
    assert [line for line in lines if line.startswith("rack")] == [], "small packets pass"


def test_a_machine_with_another_mtu(machines: Callable[[int], Machines]) -> None:
    racks = machines(2)
    text = (
        (HOSTS + LAB)
        .replace("on: rack3", "on: rack2")
        .replace("  rack3: {address: 198.51.100.3}\n", "")
    )
    before = racks.snapshot()
    racks.set_mtu(racks[1], 1400)
    racks[1].write("topo.yaml", text)
    done = racks[1].netorch("apply", check=False)
    assert done.returncode == 1
    assert "1400" in done.stderr and "1500" in done.stderr and "eth0" in done.stderr
    text = text.replace("198.51.100.2}", "198.51.100.2, mtu: 1400}")
    apply(racks, text)
    one = racks[0]
    assert one.ip("-n", "a", "link", "show", "eth9")[0]["mtu"] == 1350
    assert one.reaches("a", "b")
    for node in ("10.0.0.2", "10.60.0.2"):
        full = ("ping", "-c1", "-W5", "-Mdo", "-s", str(1350 - 28), node)
        one.run("ip", "netns", "exec", "a", *full)
    for rack in racks:
        rack.netorch("destroy", "lab")
    racks.set_mtu(racks[1], 1500)
    assert diff_machines(before, racks.snapshot()) == []


def test_a_vni_that_somebody_has(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    one = racks[0]
    taken = "ip link add other type vxlan id 10001 dstport 14789 local 198.51.100.1"
    one.run("sh", "-c", taken)
    before = racks.snapshot()
    one.write("topo.yaml", HOSTS + LAB)
    done = one.netorch("apply", check=False)
    assert done.returncode == 1
    assert "other" in done.stderr and "10001" in done.stderr
    assert diff_machines(before, racks.snapshot()) == []


def test_destroy_leaves_nothing_anywhere(machines: Callable[[int], Machines]) -> None:
    racks = machines(3)
    before = racks.snapshot()
    apply(racks)
    after = racks.snapshot()
    assert {line.partition(":")[0] for line in diff_machines(before, after)} == {
        "rack1",
        "rack2",
        "rack3",
    }
    for rack in racks:
        rack.netorch("destroy", "lab")
    assert diff_machines(before, racks.snapshot()) == []
