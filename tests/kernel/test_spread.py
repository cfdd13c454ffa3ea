"""One topology over several machines: apply, compare and remove the part of each of them."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable

import pytest

from tests.kernel.host import sentences
from tests.kernel.machines import Machine, Machines, diff_machines
from tests.kernel.traffic import ask, serve

FILE = """\
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
  rack3: {address: 198.51.100.3}
defaults: {node: {on: rack1}}
nodes:
  r1: {networks: [lan, out]}
  leaf1: {on: rack2, networks: [lan, out]}
  leaf2: {on: rack2, networks: lan}
  web: {on: rack3, networks: [lan, out], publish: "8080:80"}
links:
  - {endpoints: [r1:wan, leaf1:wan], subnet: 10.0.0.0/30}
  - {endpoints: [host:tap, leaf2:tap], subnet: 10.0.1.0/30}
  - {endpoints: [host.rack3:far, r1:far], subnet: 10.0.2.0/30}
networks:
  lan: {subnet: [10.60.0.0/24, "fd00:60::/64"]}
  out: {mode: nat, subnet: 10.61.0.0/24, on: rack1}
"""

Make = Callable[[int], Machines]


def apply(machines: Machines, text: str, *words: str) -> None:
    for machine in machines:
        machine.write("lab.yaml", text)
        machine.netorch("apply", "lab.yaml", *words)


def assert_in_sync(machines: Machines) -> None:
    for machine in machines:
        assert "in sync" in machine.netorch("diff", "lab.yaml").stdout
        assert "in sync, nothing to do" in machine.netorch("apply", "lab.yaml").stdout


def full(machine: Machine, node: str, target: str, mtu: int, headers: int = 28) -> bool:
    """Whether a packet of `mtu` bytes arrives in one piece."""
    size = str(mtu - headers)
    words = ["ip", "netns", "exec", node, "ping", "-c1", "-W5", "-Mdo", "-s", size, target]
    return machine.run(*words, check=False).returncode == 0


def test_apply_use_and_destroy(machines: Make) -> None:
    three = machines(3)
    before = three.snapshot()
    apply(three, FILE)
    one, two, far = three
    assert_in_sync(three)
    assert one.reaches("r1", "10.0.0.2"), "a link"
    assert two.reaches("leaf2", "10.0.1.1"), "a link to the host of the same machine"
    assert one.reaches("r1", "10.0.2.1"), "a link to the host of another machine"
    for target in ("leaf1", "leaf2", "web", "10.60.0.4", "fd00:60::4"):
        assert one.reaches("r1", target), target
    assert far.reaches("web", "leaf1")
    assert far.reaches("web", "10.61.0.1"), "the owner's bridge"
    assert full(one, "r1", "10.60.0.4", 1450)
    assert not full(one, "r1", "10.60.0.4", 1451)
    assert full(one, "r1", "10.0.0.2", 1450)
    assert far.reaches("web", "198.51.100.2"), "the outside, by the owner's address"
    for machine in three:
        machine.netorch("destroy", "lab")
    assert diff_machines(before, three.snapshot()) == []


def test_a_published_port_is_on_the_owner(machines: Make) -> None:
    three = machines(3)
    apply(three, FILE)
    serve(three[2], "web", "tcp:80")
    assert ask(three[1], None, ("tcp", "198.51.100.1", 8080)) == ["198.51.100.2 80"]
    # a node behind another machine's tunnel reaches it too
    assert ask(three[1], "leaf2", ("tcp", "10.60.0.4", 80)) == ["10.60.0.3 80"]


def test_the_underlay_may_be_ipv6(machines: Make) -> None:
    two = machines(2)
    text = FILE.replace("198.51.100.", "2001:db8::")
    apply(two, text)
    assert_in_sync(two)
    assert two[0].reaches("r1", "leaf1")
    assert full(two[0], "r1", "10.60.0.2", 1430)
    assert not full(two[0], "r1", "10.60.0.2", 1431)


def test_drift_on_one_machine_is_repaired_there(machines: Make) -> None:
    two = machines(2)
    apply(two, FILE)
    one, other = two
    # a tunnel that was made in the node sends its packets from there, where nothing is
    one.run("ip", "-n", "r1", "link", "del", "dev", "wan")
    one.run(
        *("ip", "-n", "r1", "link", "add", "wan", "type", "vxlan", "id", "10001"),
        *("local", "198.51.100.1", "remote", "198.51.100.2", "dstport", "14789", "nolearning"),
    )
    alias = one.ip("-n", "r1", "link", "show", "dev", "far")[0]["ifalias"]
    one.run("ip", "-n", "r1", "link", "set", "dev", "wan", "alias", alias)
    changes = json.loads(one.netorch("diff", "lab.yaml", "-o", "json", check=False).stdout)
    assert "underlay" in json.dumps(changes)
    other.netorch("diff", "lab.yaml")
    one.netorch("apply", "lab.yaml")
    assert_in_sync(two)
    assert one.reaches("r1", "10.0.0.2")


def test_a_node_that_moves(machines: Make) -> None:
    three = machines(3)
    apply(three, FILE)
    moved = FILE.replace("leaf2: {on: rack2", "leaf2: {on: rack3").replace(
        "host:tap", "host.rack2:tap"
    )
    words = ("ping", "-n", "-q", "-i", "0.02", "10.60.0.2")
    ping = three[0].start("ip", "netns", "exec", "r1", *words)
    apply(three, moved)
    assert three[0].reaches("r1", "leaf2")
    ping.signal(signal.SIGINT)
    out = ping.communicate(timeout=30)[0]
    sent, received = map(int, re.findall(r"(\d+) (?:packets transmitted|received)", out)[:2])
    # the last one may be under way
    assert sent - received <= 1, "the others lose nothing"
    assert sent > 0
    assert_in_sync(three)


def test_which_machine_this_is(machines: Make) -> None:
    (one,) = machines(1)
    one.write("lab.yaml", FILE.replace("198.51.100.1}", "198.51.100.9}"))
    refused = one.netorch("apply", "lab.yaml", check=False)
    assert refused.returncode == 1
    assert "this machine has the address of none of rack1 (198.51.100.9)" in refused.stderr
    forced = one.netorch("apply", "lab.yaml", "--host", "rack2")
    assert "does not have the address 198.51.100.2, so nothing arrives" in forced.stderr
    assert "leaf1" in one.netorch("show").stdout
    # the record knows it, as long as the topology is live
    assert "in sync" in one.netorch("diff", "lab.yaml").stdout
    assert "in sync" in one.netorch("diff", "lab").stdout
    wrong = one.netorch("diff", "lab.yaml", "--host", "rakc1", check=False)
    assert "Did you mean" in wrong.stderr
    one.netorch("apply", "lab.yaml", "--host", "rack3")
    tree = one.netorch("show").stdout
    assert "web" in tree
    assert "leaf1" not in tree
    assert "in sync" in one.netorch("diff", "lab.yaml").stdout


def test_the_script_makes_the_same(machines: Make) -> None:
    two = machines(2)
    apply(two, FILE)
    for machine in two:
        script = machine.netorch("explain", "lab.yaml").stdout
        machine.netorch("destroy", "lab")
        machine.write("lab.sh", script)
        machine.run("bash", "-e", "lab.sh")
    assert two[0].reaches("r1", "10.60.0.2")


# What is refused before anything changes


def test_a_narrow_network_between_the_machines_is_refused(machines: Make) -> None:
    two = machines(2)
    one, other = two
    one.write("lab.yaml", FILE)
    two.set_mtu(one, 1400)
    before = two.snapshot()
    refused = one.netorch("apply", "lab.yaml", check=False)
    assert refused.returncode == 1
    assert sentences(refused.stderr) == [
        "lab.yaml:3:3: rack1: packets to rack2 and 1 more leave by eth0, which has MTU 1400, but"
        " the file says 1500. Write `mtu: 1400` for rack1 under `hosts`, or raise the MTU:"
        " `ip link set eth0 mtu 1500`."
    ]
    assert diff_machines(before, two.snapshot()) == []
    text = FILE.replace("198.51.100.1}", "198.51.100.1, mtu: 1400}")
    apply(two, text)
    assert full(other, "leaf1", "10.60.0.1", 1350)
    assert not full(other, "leaf1", "10.60.0.1", 1351)
    # it is repaired, although the machine is narrow by now, and a warning says so
    two.set_mtu(one, 1300)
    one.run("ip", "-n", "r1", "address", "del", "10.60.0.1/24", "dev", "eth0")
    assert "which has MTU 1300" in one.netorch("apply", "lab.yaml").stderr


@pytest.mark.parametrize("netns", ["host", "x"])
def test_a_number_that_somebody_has_is_refused(machines: Make, netns: str) -> None:
    (one,) = machines(1)
    one.write("lab.yaml", FILE)
    one.run("ip", "netns", "add", "x")
    where = [] if netns == "host" else ["netns", netns]
    one.run(
        *("ip", "link", "add", "name", "vx", *where, "type", "vxlan", "id", "10002"),
        *("dstport", "14789", "local", "198.51.100.1"),
    )
    before = one.snapshot()
    refused = one.netorch("apply", "lab.yaml", check=False)
    assert refused.returncode == 1
    assert (
        f"{netns}/vx has the VNI 10002 on port 14789 already, and netorch did not make it. Write"
        f" `tunnels: {{vni: 20000}}`, or remove {netns}/vx."
    ) in refused.stderr
    assert one.snapshot() == before
    # another port, or another namespace for its packets, is not in the way
    one.run("ip", *([] if netns == "host" else ["-n", "x"]), "link", "del", "vx")
    one.run(
        *("ip", "-n", "x", "link", "add", "name", "vx", "type", "vxlan", "id", "10002"),
        *("dstport", "14789"),
    )
    one.netorch("apply", "lab.yaml")


def test_two_topologies_on_the_same_machines(machines: Make) -> None:
    two = machines(2)
    apply(
        two, "\n".join(line for line in FILE.splitlines() if "host" not in line or line == "hosts:")
    )
    text = """\
name: other
prefix: o-
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
nodes: {a: {on: rack1, networks: lan}, b: {on: rack2, networks: lan}}
networks: {lan: {subnet: 10.70.0.0/24}}
"""
    one, other = two
    one.write("other.yaml", text)
    refused = one.netorch("apply", "other.yaml", check=False)
    assert "topology 'lab' made it" in refused.stderr
    assert "Write `tunnels: {vni: 20000}` in one of the two files." in refused.stderr
    for machine in two:
        machine.write("other.yaml", text + "tunnels: {vni: 20000}\n")
        machine.netorch("apply", "other.yaml")
    assert one.reaches("o-a", "10.70.0.2")
    assert other.reaches("leaf1", "10.60.0.1")
    for machine in two:
        machine.netorch("destroy", "other")
    assert_in_sync(two)


# Commands


CHECKS = """\
checks:
  - {from: r1, to: web}
  - {from: web, to: 10.61.0.1}
  - {from: leaf1, to: leaf2}
  - {all: lan}
"""


def test_each_machine_tries_its_checks_and_its_tunnels(machines: Make) -> None:
    three = machines(3)
    apply(three, FILE + CHECKS)
    one, two, far = three
    document = json.loads(one.netorch("check", "lab.yaml", "-o", "json").stdout)
    assert document["elsewhere"] == {"rack3": 1, "rack2": 1}
    rows = [
        (pair["from"], pair["to"], check.get("tunnel"), check["mtu"])
        for check in document["checks"]
        for pair in check["pairs"]
    ]
    assert sorted(rows, key=str) == sorted(
        [
            ("r1", "web", None, None),
            ("r1", "leaf1", None, None),
            ("r1", "leaf2", None, None),
            ("r1", "web", None, None),
            ("r1", "leaf1:wan (rack2)", "rack2", 1450),
            ("r1", "host.rack3:far (rack3)", "rack3", 1450),
            ("r1", "leaf1:eth0 (rack2)", "rack2", 1450),
            ("r1", "web:eth0 (rack3)", "rack3", 1450),
            ("r1", "leaf1:eth1 (rack2)", "rack2", 1450),
            ("r1", "web:eth1 (rack3)", "rack3", 1450),
        ],
        key=str,
    )
    assert "not tried here: 1 on rack1, 1 on rack3" in two.netorch("check").stdout
    assert "checks ok" in far.netorch("check").stdout
    # packets of 1450 bytes no longer pass, small ones do
    three.set_mtu(far, 1400)
    failed = one.netorch("check", "--timeout", "2", check=False)
    assert failed.returncode == 2
    tunnels = [line for line in failed.stdout.splitlines() if "mtu 1450" in line]
    assert {line.split()[0] for line in tunnels if "rack3" in line} == {"FAILED"}
    assert {line.split()[0] for line in tunnels if "rack2" in line} == {"ok"}
    three.kill(far)
    failed = one.netorch("check", "--timeout", "1", check=False)
    assert "web is on rack3, behind the tunnel from 198.51.100.1 to 198.51.100.3" in failed.stdout
    # the others stay in sync
    assert "in sync" in one.netorch("diff").stdout


def test_commands_say_on_which_machine_a_node_is(machines: Make) -> None:
    two = machines(2)
    apply(two, FILE)
    one = two[0]
    assert one.netorch("exec", "r1", "true").returncode == 0
    refused = one.netorch("exec", "leaf1", "true", check=False)
    assert refused.stderr == (
        "netorch: node leaf1 is on rack2: run the command there."
        " `ssh 198.51.100.2 netorch exec --name lab leaf1 CMD`\n"
    )
    assert one.netorch("shell", "leaf1", check=False).stderr == refused.stderr
    assert one.netorch("list").stdout.splitlines()[1].split()[:2] == ["lab", "rack1"]
    assert one.netorch("show").stdout.startswith("lab: rack1, in sync, 1 node")
    assert json.loads(one.netorch("show", "-o", "json").stdout)["machine"] == "rack1"
    one.write("whole.yaml", one.netorch("show", "-o", "yaml").stdout)
    assert "in sync" in one.netorch("diff", "whole.yaml").stdout
    # another topology has nodes of the same names
    second = FILE[: FILE.index("nodes:")] + "nodes: {r1: {}, leaf1: {on: rack2}}\n"
    one.write("second.yaml", second)
    one.netorch("apply", "--name", "z", "second.yaml")
    for words in (["--name", "z", "leaf1"], ["z-leaf1"]):
        refused = one.netorch("exec", *words, "true", check=False)
        assert "`ssh 198.51.100.2 netorch exec --name z leaf1 CMD`" in refused.stderr
    refused = one.netorch("exec", "leaf1", "true", check=False)
    assert "node 'leaf1' is in several topologies (lab, z): choose one" in refused.stderr


def test_the_python_interface_takes_the_part_of_a_machine(machines: Make) -> None:
    two = machines(2)
    program = """
import netorch
made = netorch.apply("lab.yaml")
assert not netorch.diff("lab.yaml"), str(made)
assert netorch.diff("lab.yaml", host="rack3")
netorch.destroy("lab.yaml")
"""
    for machine in two:
        machine.write("lab.yaml", FILE)
        machine.run(sys.executable, "-c", program)


# Other kinds of owners and nodes


def test_a_bridged_network_reaches_other_machines(machines: Make) -> None:
    two = machines(2)
    one, other = two
    one.run("ip", "netns", "add", "outside")
    one.run("ip", "link", "add", "nic", "type", "veth", "peer", "name", "e", "netns", "outside")
    one.run("ip", "link", "set", "nic", "up")
    one.run("ip", "address", "add", "10.80.0.1/24", "dev", "nic")
    one.run("ip", "-n", "outside", "address", "add", "10.80.0.9/24", "dev", "e")
    one.run("ip", "-n", "outside", "link", "set", "e", "up")
    before = two.snapshot()
    apply(
        two,
        """\
name: lab
hosts: {rack1: {address: 198.51.100.1}, rack2: {address: 198.51.100.2}}
nodes:
  a: {on: rack1, networks: {wire: {address: 10.80.0.2}}}
  b: {on: rack2, networks: {wire: {address: 10.80.0.3}}}
networks: {wire: {mode: bridged, on: rack1, uplink: nic, subnet: 10.80.0.0/24}}
""",
    )
    assert_in_sync(two)
    assert other.reaches("b", "10.80.0.9"), "beyond the NIC of the other machine"
    assert other.reaches("b", "10.80.0.1"), "the other machine itself"
    assert other.reaches("b", "10.80.0.2")
    assert one.ip("link", "show", "dev", "wire")[0]["mtu"] == 1500, "the MTU of the NIC"
    for machine in two:
        machine.netorch("destroy", "lab")
    assert diff_machines(before, two.snapshot()) == []


@pytest.mark.parametrize("mode", ["routed", "host-only"])
def test_an_owner_on_another_machine(machines: Make, mode: str) -> None:
    two = machines(2)
    apply(
        two,
        f"""\
name: lab
hosts: {{rack1: {{address: 198.51.100.1}}, rack2: {{address: 198.51.100.2}}}}
nodes:
  a: {{on: rack1, networks: [net, back]}}
  b: {{on: rack2, networks: [net]}}
networks:
  net: {{mode: {mode}, on: rack1, subnet: 10.81.0.0/24, allow: back}}
  back: {{mode: {mode}, on: rack1, subnet: 10.82.0.0/24}}
""",
    )
    assert_in_sync(two)
    assert two[1].reaches("b", "10.81.0.1")
    assert two[1].reaches("b", "10.81.0.2")
    # the member on another machine is known to the owner's rules as one on its own
    two[0].netorch("check", check=False)


def test_a_node_owns_a_network_with_members_on_other_machines(machines: Make) -> None:
    two = machines(2)
    apply(
        two,
        """\
name: lab
hosts: {rack1: {address: 198.51.100.1}, rack2: {address: 198.51.100.2}}
nodes:
  gw: {on: rack1, networks: front}
  web: {on: rack2, networks: back, publish: "8080:80"}
  peer: {on: rack2, networks: front}
networks:
  back: {mode: nat, node: gw, subnet: 10.85.0.0/24, port_isolation: true}
  front: {subnet: 10.86.0.0/24}
""",
    )
    assert_in_sync(two)
    assert two[1].reaches("web", "10.85.0.1")
    assert two[1].reaches("web", "10.86.0.2"), "through gw on the other machine, and back"
    serve(two[1], "web", "tcp:80")
    assert ask(two[1], "peer", ("tcp", "10.86.0.1", 8080)) == ["10.86.0.2 80"]


def test_isolated_members_do_not_reach_each_other(machines: Make) -> None:
    three = machines(3)
    apply(
        three,
        """\
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
  rack3: {address: 198.51.100.3}
nodes:
  a[1-2]: {on: rack1, networks: net}
  b[1-2]: {on: rack2, networks: net}
  c: {on: rack3, networks: net}
networks: {net: {mode: nat, on: rack1, subnet: 10.87.0.0/24, port_isolation: true}}
checks:
  - {all: net, reachable: false}
  - {from: a1, to: 10.87.0.1}
  - {from: b1, to: 10.87.0.1}
  - {from: c, to: 10.87.0.1}
""",
    )
    for machine in three:
        assert "checks ok" in machine.netorch("check").stdout


def test_a_saved_plan_is_that_of_the_machine(machines: Make) -> None:
    (one,) = machines(1)
    one.write("lab.yaml", FILE)
    one.netorch("diff", "lab.yaml", "--host", "rack2", "--out", "plan.json", check=False)
    # by its address it is rack1
    refused = one.netorch("apply", "--plan", "plan.json", check=False)
    assert refused.stderr == (
        "plan.json: this plan is for rack2, and this machine is rack1."
        " Apply it on rack2, or save one here with `netorch diff FILE --out PLAN`.\n"
    )
    one.netorch("apply", "--plan", "plan.json", "--host", "rack2")
    assert one.netorch("show").stdout.startswith("lab: rack2, in sync")


def test_an_attached_node_at_the_end_of_a_tunnel(machines: Make) -> None:
    two = machines(2)
    one, other = two
    one.run("ip", "netns", "add", "box")
    before = two.snapshot()
    apply(
        two,
        """\
name: lab
hosts: {rack1: {address: 198.51.100.1}, rack2: {address: 198.51.100.2}}
nodes:
  a: {on: rack1, attach: "netns:box", networks: lan}
  b: {on: rack2, networks: lan}
links:
  - {endpoints: [a:wan, b:wan], subnet: 10.83.0.0/30}
networks: {lan: {subnet: 10.84.0.0/24}}
""",
    )
    assert_in_sync(two)
    assert other.reaches("b", "10.83.0.1")
    assert other.reaches("b", "10.84.0.1")
    for machine in two:
        machine.netorch("destroy", "lab")
    assert diff_machines(before, two.snapshot()) == []


def test_numbers_that_move_on(machines: Make) -> None:
    """An entry that goes gives its number, and that of each later one, to the next."""
    two = machines(2)
    apply(two, FILE)
    lines = [line for line in FILE.splitlines(keepends=True) if ":wan" not in line]
    apply(two, "".join(lines).replace("lan: {subnet", "new: {}\n  lan: {subnet"))
    assert_in_sync(two)
    assert two[0].reaches("r1", "leaf1")
    assert two[1].reaches("leaf2", "10.0.1.1")
    apply(two, FILE)
    assert_in_sync(two)
    assert two[0].reaches("r1", "10.0.0.2")


def test_a_machine_without_a_part_shows_the_topology(machines: Make) -> None:
    three = machines(3)
    apply(three, FILE[: FILE.index("nodes:")] + "nodes: {a: {}, b: {on: rack2}}\n")
    last = three[2]
    assert last.netorch("list").stdout.splitlines()[1].split()[:2] == ["lab", "rack3"]
    summary = last.netorch("show").stdout
    assert summary.startswith("lab: rack3, in sync, 0 nodes, 0 links, from ")
    assert json.loads(last.netorch("show", "-o", "json").stdout)["resources"] == []
    assert "hosts:" in last.netorch("show", "-o", "yaml").stdout
    last.netorch("destroy", "lab")
    refused = last.netorch("show", "lab", check=False)
    assert refused.stderr.startswith("netorch: topology 'lab' is not live here.")


@pytest.mark.parametrize("nodes", ["a: {}", "a: {}, host.rack1: {}"])
def test_the_host_of_a_machine_has_two_names(machines: Make, nodes: str) -> None:
    two = machines(2)
    one = two[0]
    # a namespace that somebody made has the name of the host
    one.run("ip", "netns", "add", "host")
    text = f"{FILE[: FILE.index('nodes:')]}nodes: {{{nodes}, b: {{on: rack2}}}}\n"
    apply(two, text)
    own = one.run("readlink", "/proc/self/ns/net").stdout
    for name in ("host", "host.rack1"):
        assert one.netorch("exec", name, "readlink", "/proc/self/ns/net").stdout == own
    refused = one.netorch("exec", "host.rack2", "true", check=False)
    assert refused.stderr == (
        "netorch: node host.rack2 is on rack2: run the command there."
        " `ssh 198.51.100.2 netorch exec --name lab host.rack2 CMD`\n"
    )
    assert two[1].netorch("exec", "--name", "lab", "host.rack2", "true").returncode == 0


def test_check_names_a_link_to_the_port_of_a_bridge(machines: Make) -> None:
    two = machines(2)
    apply(
        two,
        f"""{FILE[: FILE.index("nodes:")]}
nodes:
  sw: {{interfaces: {{br0: {{kind: bridge, ports: [p1], addresses: 10.0.0.1/24}}}}}}
  b: {{on: rack2, interfaces: {{p1: {{addresses: 10.0.0.2/24}}}}}}
links: [[sw:p1, b:p1]]
""",
    )
    assert two[0].netorch("check").stdout.splitlines()[:1] == [
        "sw:p1: nothing was tried over the link to rack2, because its ends do not both have an"
        " address. Write `checks` between nodes behind it."
    ]
    document = json.loads(two[1].netorch("check", "-o", "json").stdout)
    assert document["untried"] == [{"link": "b:p1", "machine": "rack1"}]
