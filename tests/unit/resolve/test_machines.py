"""Files with `hosts`: what crosses from machine to machine, and the part of each machine."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netorch.errors import FileError
from netorch.kinds.address import Address
from netorch.kinds.fdb import Fdb
from netorch.kinds.file import NodeFile
from netorch.kinds.peer import Peer
from netorch.kinds.route import Route
from netorch.kinds.up import Up
from netorch.kinds.vxlan import Vxlan
from netorch.kinds.wireguard import Wireguard
from netorch.resolve import machines, stored
from netorch.resolve.desired import Desired
from netorch.resolve.loader import load
from netorch.resolve.machines import partition
from netorch.state.key import HOST, Key
from netorch.state.planner import plan, replay
from netorch.state.resource import Resource
from netorch.values.tagged import to_plain
from tests.strategies import Sketch, topologies

EXAMPLES = int(os.environ.get("NETORCH_LAWS_EXAMPLES", "40"))
laws = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

HOSTS = """
name: lab
hosts:
  rack1: {address: 198.51.100.1}
  rack2: {address: 198.51.100.2}
  rack3: {address: 198.51.100.3, mtu: 9000}
defaults: {node: {on: rack1}}
"""


def whole(text: str) -> Desired:
    """Return the desired state of all machines."""
    return load((HOSTS + text).encode(), "lab.yaml").desired


def part(text: str, machine: str) -> Desired:
    """Return the desired state of a machine, as an apply on it has it."""
    return load((HOSTS + text).encode(), "lab.yaml", choose=lambda *_: machine).desired


def problems(text: str, before: str = HOSTS) -> list[str]:
    with pytest.raises(FileError) as raised:
        load((before + text).encode(), "lab.yaml")
    return [f"{one.code}: {one.what} {one.remedy}".rstrip() for one in raised.value.problems]


def tunnels(desired: Desired) -> dict[str, Vxlan]:
    """Return `NAMESPACE:LINK` → tunnel."""
    return {
        f"{link.netns}:{link.name}": link
        for link in desired.state.values()
        if isinstance(link, Vxlan)
    }


def entries(desired: Desired, netns: str, link: str) -> set[tuple[str, str]]:
    """Return the forwarding database of a tunnel, as pairs of a MAC and an end."""
    return {
        (entry.mac, entry.dst)
        for entry in desired.state.values()
        if isinstance(entry, Fdb) and (entry.netns, entry.link) == (netns, link)
    }


# Links


LINKS = """
nodes: {a: {}, b: {on: rack2}, c: {on: rack3}, d: {}}
links:
  - {endpoints: [a:eth1, b:eth1], subnet: 10.0.0.0/30}
  - {endpoints: [c:eth2, a:eth2], impair: {delay: 5ms}}
  - [a:eth3, d:eth1]
"""


def test_a_link_between_machines_is_a_tunnel_at_each_end() -> None:
    ends = tunnels(whole(LINKS))
    near, far = ends["a:eth1"], ends["b:eth1"]
    assert [near.local, near.remote, near.underlay] == [
        "198.51.100.1",
        "198.51.100.2",
        "host.rack1",
    ]
    assert [far.local, far.remote, far.underlay] == ["198.51.100.2", "198.51.100.1", "host.rack2"]
    assert near.vni == far.vni == 10001
    assert near.port == far.port == 14789
    assert not near.learning
    assert ends["c:eth2"].vni == ends["a:eth2"].vni == 10003
    assert "d:eth1" not in ends, "a link on one machine is a cable"


def test_on_its_machine_the_underlay_is_the_host() -> None:
    here = part(LINKS, "rack2")
    assert tunnels(here)["b:eth1"].underlay == HOST
    assert {key.netns for key in here.state} == {"b"}
    assert list(here.labels) == ["b"]
    assert here.machines is not None
    assert here.machines.of_node == {"a": "rack1", "b": "rack2", "c": "rack3", "d": "rack1"}


def test_the_ends_keep_their_addresses_and_impairments() -> None:
    state = whole(LINKS).state
    assert Key("address", "a", "eth1", "10.0.0.1/30") in state
    assert Key("address", "b", "eth1", "10.0.0.2/30") in state
    assert {key.netns for key in state if key.kind == "impair"} == {"a", "c"}


def test_the_mtu_is_that_of_the_narrower_machine_less_the_headers() -> None:
    assert {name: link.mtu for name, link in tunnels(whole(LINKS)).items()} == {
        "a:eth1": 1450,
        "b:eth1": 1450,
        "a:eth2": 1450,
        "c:eth2": 1450,
    }
    v6 = HOSTS.replace("198.51.100.", "2001:db8::")
    desired = load((v6 + LINKS).encode(), "lab.yaml").desired
    assert {link.mtu for link in tunnels(desired).values()} == {1430}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("{endpoints: [a:e, b:e], mtu: 1400}", 1400),
        ("{endpoints: [{node: a, interface: e, mtu: 1300}, b:e]}", 1300),
        ("{endpoints: [a:e, {node: b, interface: e, mtu: 1300}]}", 1300),
        ("{endpoints: [a:e, {node: b, interface: e, mtu: 1300}], mtu: 1400}", 1300),
    ],
)
def test_a_smaller_mtu_is_that_of_both_ends(words: str, expected: int) -> None:
    ends = tunnels(whole(f"nodes: {{a: {{}}, b: {{on: rack2}}}}\nlinks:\n  - {words}\n"))
    assert {link.mtu for link in ends.values()} == {expected}


def test_a_larger_mtu_is_an_error_but_not_as_a_default() -> None:
    text = "nodes: {a: {}, b: {on: rack2}}\nlinks:\n  - {endpoints: [a:e, b:e], mtu: 1500}\n"
    assert problems(text) == [
        "mtu-too-large: a:e cannot have MTU 1500: its link leads from rack1 to rack2, whose `mtu`"
        " leaves 1450 after the headers of VXLAN",
        "mtu-too-large: b:e cannot have MTU 1500: its link leads from rack1 to rack2, whose `mtu`"
        " leaves 1450 after the headers of VXLAN",
    ]
    usual = HOSTS.replace("{node: {on: rack1}}", "{node: {on: rack1}, interface: {mtu: 9000}}")
    desired = load((usual + text.replace(", mtu: 1500", "")).encode(), "lab.yaml").desired
    assert {link.mtu for link in tunnels(desired).values()} == {1450}


def test_the_host_in_a_link_is_that_of_the_other_end() -> None:
    state = whole(
        "nodes: {b: {on: rack2}}\nlinks:\n  - [host:x, b:eth0]\n  - [b:eth1, host.rack3:y]\n"
    ).state
    assert Key("link", "host.rack2", "x") in state
    far = state[Key("link", "host.rack3", "y")]
    assert isinstance(far, Vxlan)
    assert far.underlay == "", "the tunnel is on the host itself"


# Networks


NETWORKS = """
nodes: {a: {networks: [lan, out]}, b: {on: rack2, networks: [lan, out]}, c: {on: rack3, networks: lan}}
networks:
  alone: {subnet: 10.1.0.0/24}
  lan: {subnet: 10.60.0.0/24}
  out: {mode: nat, subnet: 10.61.0.0/24, on: rack1}
"""


def test_each_machine_has_a_bridge_and_a_tunnel_of_a_network() -> None:
    desired = whole(NETWORKS)
    ends = tunnels(desired)
    assert {name: link.vni for name, link in ends.items()} == {
        "netorch-lab.rack1:lan-vtep": 10002,
        "netorch-lab.rack2:lan-vtep": 10002,
        "netorch-lab.rack3:lan-vtep": 10002,
        "host.rack1:out-vtep": 10004,
        "netorch-lab.rack2:out-vtep": 10004,
    }
    assert {link.mtu for link in ends.values()} == {1450}
    assert {desired.state[Key("link", "a", name)].mtu for name in ("eth0", "eth1")} == {1450}  # type: ignore[attr-defined]
    assert ends["host.rack1:out-vtep"].underlay == ""
    addresses = [key.name for key in desired.state if key.kind == "address"]
    assert addresses.count("out 10.61.0.1/24") == 1, "only the owner's bridge has the gateway"


def test_the_forwarding_databases_hold_what_is_on_the_other_machines() -> None:
    desired = whole(NETWORKS)
    mac = {
        (link.netns, link.name): link.mac  # type: ignore[attr-defined]
        for key, link in desired.state.items()
        if key.kind == "link" and key.name != "lo"
    }
    flood = "00:00:00:00:00:00"
    assert entries(desired, "netorch-lab.rack1", "lan-vtep") == {
        (flood, "198.51.100.2"),
        (flood, "198.51.100.3"),
        (mac["b", "eth0"], "198.51.100.2"),
        (mac["c", "eth0"], "198.51.100.3"),
    }
    assert entries(desired, "netorch-lab.rack2", "out-vtep") == {
        (flood, "198.51.100.1"),
        (mac["a", "eth1"], "198.51.100.1"),
        (mac["host.rack1", "out"], "198.51.100.1"),
    }


def test_a_network_of_one_machine_has_no_tunnel() -> None:
    desired = whole("nodes: {a: {networks: lan}, b: {networks: lan}}\nnetworks: {lan: {}}\n")
    assert not tunnels(desired)
    assert desired.state[Key("link", "a", "eth0")].mtu == 1500  # type: ignore[attr-defined]


def test_isolated_members_reach_only_the_owner_on_other_machines() -> None:
    text = NETWORKS.replace("on: rack1}", "on: rack1, port_isolation: true}").replace(
        "networks: lan}", "networks: [lan, out]}"
    )
    desired = whole(text)
    isolated = {
        f"{port.netns}:{port.link}"  # type: ignore[attr-defined]
        for port in desired.state.values()
        if getattr(port, "isolated", False)
    }
    assert isolated == {
        "host.rack1:a-eth1",
        "host.rack1:out-vtep",
        "netorch-lab.rack2:b-eth1",
        "netorch-lab.rack3:c-eth1",
    }
    ends = {end for _, end in entries(desired, "netorch-lab.rack3", "out-vtep")}
    assert ends == {"198.51.100.1"}, "not that of rack2, whose members it must not reach"


def test_the_hosts_files_have_all_nodes() -> None:
    files = {
        machine: [
            one.content for one in part(NETWORKS, machine).state.values() if type(one) is NodeFile
        ]
        for machine in ("rack1", "rack2", "rack3")
    }
    texts = {text for each in files.values() for text in each}
    assert len(texts) == 1
    assert "10.60.0.3 c" in texts.pop()


# Errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "nodes: {a: {on: rack9}}",
            "unknown-machine: machine 'rack9' does not exist. Declare it under hosts.",
        ),
        (
            "nodes: {a: {networks: n}, b: {on: rack2, networks: n}}\n"
            "networks: {n: {mode: nat, subnet: 10.0.0.0/24}}",
            "needs-machine: network n: its members are on rack1, rack2, so it is open which"
            " machine's host is its owner. Write `on: MACHINE`.",
        ),
        (
            "nodes: {a: {networks: n}, b: {on: rack2, networks: n}}\n"
            "networks: {n: {driver: macvlan, subnet: 10.0.0.0/24}}",
            "crosses-machines: network n of driver macvlan is on rack1, but it has members on"
            " rack2, which cannot share a parent with it. Use driver bridge, or move the members.",
        ),
        (
            "nodes:\n  a: {interfaces: {e: {kind: veth, peer: b:e}}}\n  b: {on: rack2}",
            "crosses-machines: a:e is on rack1, but b:e is on rack2, and a `kind: veth` cannot lead"
            " there. Write the two ends in `links`.",
        ),
        (
            "nodes: {a: {}}\nlinks:\n  - [host:x, host:y]",
            "needs-machine: both ends of the link are on `host`, so it is open which machine that"
            " is. Write host.rack1.",
        ),
        (
            "nodes:\n  a: {}\n  b: {on: rack2, interfaces: {v: {kind: vxlan, vni: 1, parent: a:e}}}",
            "parent-elsewhere: a vxlan and its parent must be on one machine, but a:e is on rack1",
        ),
        (
            "nodes: {netorch-lab.rack2: {}}",
            "reserved-name: node netorch-lab.rack2: the namespace name 'netorch-lab.rack2' is"
            " reserved: take another name",
        ),
        (
            "nodes: {host.rack1: {}, host: {}}",
            "name-twice: `host` and host.rack1 are the same: write one of them",
        ),
        (
            "tunnels: {vni: 16777215}\nnodes: {}\nnetworks: {a: {}, b: {}}",
            "too-many-tunnels: the last network or link would have the VNI 16777217, but the"
            " largest is 16777215: begin at a smaller `vni`",
        ),
    ],
)
def test_errors(text: str, expected: str) -> None:
    assert expected in problems(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "hosts: {m: {address: 192.0.2.1}}\nnodes: {a: {}}",
            "needs-machine: node a is on none of the machines m. Write `on: MACHINE`, or"
            " `defaults: {node: {on: MACHINE}}` for all nodes.",
        ),
        (
            "nodes: {a: {on: m}}",
            "unknown-machine: node a is on m, but the file has no `hosts`. Declare the machines"
            " under `hosts`, or remove `on`.",
        ),
        (
            "hosts: {m: {address: 192.0.2.1}, n: {address: 192.0.2.1}}",
            "address-twice: the machines m and n both have 192.0.2.1. Write for each of them an"
            " address that only this machine has.",
        ),
        (
            "hosts: {host: {address: 192.0.2.1}}",
            "bad-name: hosts.host: 'host' cannot be a machine name: it means the machine itself",
        ),
        (
            "hosts: {all: {address: 192.0.2.1}}",
            "bad-name: hosts.all: 'all' cannot be a machine name: it means all machines to Ansible",
        ),
        (
            "hosts: {m: {address: 192.0.2.1}}\nnodes: {a: {on: -m}}",
            "bad-name: nodes.a.on: '-m' cannot be a machine name: use at most 63 letters, digits, '_',"
            " '.' and '-', with no '.' or '-' first",
        ),
        (
            "hosts: {m: {address: 192.0.2.1}, n: {address: '2001:db8::1'}}",
            "mixed-families: n has the IPv6 address 2001:db8::1, but the machines before it have"
            " IPv4 addresses: a tunnel uses only one of them",
        ),
        (
            "hosts: {m: {address: 127.0.0.1}}",
            "not-a-host-address: 127.0.0.1 is not an address at which other machines reach m",
        ),
        (
            "hosts: {m: {mtu: 9000}}",
            "missing-key: hosts.m lacks the key 'address'. Add it: the machine's own address, IPv4"
            " or IPv6, at which the tunnels from the other machines arrive.",
        ),
    ],
)
def test_errors_about_the_machines(text: str, expected: str) -> None:
    assert problems(text, "name: lab\n") == [expected]


def test_too_many_entries_of_all_machines_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "nodes: {a: {networks: lan}, b: {on: rack2, networks: lan}}\nnetworks: {lan: {}}\n"
    monkeypatch.setattr(machines, "MOST_ENTRIES", 4)
    assert len(tunnels(whole(text))) == 2
    monkeypatch.setattr(machines, "MOST_ENTRIES", 3)
    (problem,) = problems(text)
    assert problem.startswith(
        "too-many-entries: network lan has 2 members on 2 machines, so the forwarding databases of"
        " all machines together have 4 entries"
    )
    assert len(tunnels(part(text, "rack1"))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "nodes:\n"
        "  a: {networks: {lan: {mac: '02:00:00:00:00:01'}}}\n"
        "  b: {on: rack2, networks: {lan: {mac: '02:00:00:00:00:01'}}}\n"
        "  c: {on: rack3, networks: [lan]}\n"
        "networks: {lan: {}}",
        "nodes:\n"
        "  a: {networks: {lan: {at: x, mac: '02:00:00:00:00:01'}}}\n"
        "  b: {networks: {lan: {at: y, mac: '02:00:00:00:00:01'}}}\n"
        "  c: {networks: {lan: {at: z}}}\n"
        "  x: {interfaces: {d: {kind: dummy, addresses: 192.0.2.1/24}}}\n"
        "  y: {interfaces: {d: {kind: dummy, addresses: 192.0.2.2/24}}}\n"
        "  z: {interfaces: {d: {kind: dummy, addresses: 192.0.2.3/24}}}\n"
        "networks:\n"
        "  lan: {driver: vxlan, vni: 3, endpoints: {x: 192.0.2.1, y: 192.0.2.2, z: 192.0.2.3}}",
    ],
    ids=["machines", "endpoints"],
)
def test_one_mac_behind_two_ends_is_an_error_of_the_file(text: str) -> None:
    assert problems(text) == [
        "mac-twice: b:eth0 and a:eth0 are on one segment, but both have MAC 02:00:00:00:00:01"
    ]


# Laws


MACHINES = ("rack1", "rack2", "rack3")
PUBLIC_KEYS = [b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3)]
_CANNOT_CROSS = {"crosses-machines", "parent-elsewhere", "no-way-between", "needs-machine"}


def _with_one_host(value: Any, key: str = "") -> Any:
    """Return a part of a file in which `host` is always the host of the first machine."""
    if isinstance(value, dict):
        return {
            "host.rack1" if name == HOST else name: _with_one_host(item, name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_with_one_host(item, key) for item in value]
    is_name = isinstance(value, str) and (
        value.startswith("host:") or (key, value) == ("node", HOST)
    )
    return f"host.rack1{value.removeprefix(HOST)}" if is_name else value


@st.composite
def spread(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a topology file whose nodes are on three machines."""
    sketch: Sketch = draw(topologies())
    file: dict[str, Any] = _with_one_host(sketch.file)
    file["hosts"] = {
        name: {"address": f"198.51.100.{number}", "mtu": 20000}
        for number, name in enumerate(MACHINES, 1)
    }
    for entry in (*file.get("nodes", {}).values(), *file.get("networks", {}).values()):
        entry["on"] = draw(st.sampled_from(MACHINES))
    if draw(st.booleans()):
        file["tunnels"] = {"wireguard": True}
        for machine, key in zip(file["hosts"].values(), PUBLIC_KEYS, strict=True):
            machine["public_key"] = key
    return file


def loaded(file: Mapping[str, Any], machine: str | None = None) -> Desired:
    """Load the whole, or the part of a machine. Discard the example if something cannot cross."""
    choose = None if machine is None else lambda *_: machine
    try:
        return load(yaml.safe_dump(file, sort_keys=False).encode(), "r.yaml", choose=choose).desired
    except FileError as error:
        assume(not {one.code for one in error.problems} & _CANNOT_CROSS)
        raise


def renamed(state: Mapping[Key, Resource], topology: str, machine: str) -> list[str]:
    """Return the resources of a machine as text, with the labels that they have in the whole."""
    fabric = f"netorch-{topology}"
    names = {HOST: f"host.{machine}", fabric: f"{fabric}.{machine}"}

    def rename(value: Any) -> Any:
        if isinstance(value, str):
            for old, new in names.items():
                value = value.replace(f"peer={old}:", f"peer={new}:")
            return names.get(value, value)
        if isinstance(value, dict):
            return {key: rename(item) for key, item in value.items()}
        return [rename(item) for item in value] if isinstance(value, list | tuple) else value

    return sorted(repr(rename(to_plain(resource))) for resource in state.values())


@laws
@given(spread())
def test_the_parts_are_disjoint_and_together_they_are_the_whole(file: dict[str, Any]) -> None:
    every = loaded(file)
    parts = {machine: partition(every, machine) for machine in MACHINES}
    assert sum(len(one.state) for one in parts.values()) == len(every.state)
    together = {key: one for each in parts.values() for key, one in each.state.items()}
    assert together == dict(every.state)
    for machine in MACHINES:
        here = loaded(file, machine)
        there = renamed(parts[machine].state, here.topology, machine)
        differs = set(renamed(here.state, here.topology, machine)) ^ set(there)
        assert not differs


@laws
@given(spread())
def test_nothing_in_a_part_refers_to_another_machine(file: dict[str, Any]) -> None:
    every = loaded(file)
    assert every.machines is not None
    for key, resource in every.state.items():
        machine = every.machines.of_label[key.netns]
        for other in (*resource.needs, *resource.dies_with):
            if other in every.state:
                assert every.machines.of_label[other.netns] == machine, (key, other)


@laws
@given(topologies())
def test_a_file_without_hosts_is_one_part(sketch: Sketch) -> None:
    desired = load(sketch.text.encode(), "random.yaml").desired
    assert desired.machines is None
    assert partition(desired, "rack1") is desired


@laws
@given(spread(), st.data())
def test_a_node_that_moves_changes_only_two_machines_and_the_tunnels_to_it(
    file: dict[str, Any], data: st.DataObject
) -> None:
    nodes = [name for name in file["nodes"] if name != "host.rack1"]
    assume(nodes)
    node = data.draw(st.sampled_from(nodes))
    before = loaded(file)
    old = file["nodes"][node]["on"]
    new = data.draw(st.sampled_from([name for name in MACHINES if name != old]))
    file["nodes"][node]["on"] = new
    after = loaded(file)
    for machine in set(MACHINES) - {old, new}:
        was, now = partition(before, machine).state, partition(after, machine).state
        differs = {key for key in was.keys() | now.keys() if was.get(key) != now.get(key)}
        # the far ends of its links, and what its networks need to reach it
        kinds = {type(was.get(key) or now[key]) for key in differs}
        # a pair of machines that had no tunnel before, or has none any more
        pairs = {Address, Peer, Route, Up, Wireguard} if "tunnels" in file else set()
        assert kinds <= {Fdb, Vxlan, *pairs}, differs
        assert all(key.netns == f"host.{machine}" for key in differs if key.kind == "peer")


@laws
@given(spread(), st.data())
def test_each_machine_gets_to_its_new_part(file: dict[str, Any], data: st.DataObject) -> None:
    nodes = [name for name in file["nodes"] if name != "host.rack1"]
    assume(nodes)
    before = {machine: loaded(file, machine).state for machine in MACHINES}
    file["nodes"][data.draw(st.sampled_from(nodes))]["on"] = data.draw(st.sampled_from(MACHINES))
    for machine in MACHINES:
        was, now = before[machine], loaded(file, machine).state
        assert replay(was, plan(was, now).steps) == now


@laws
@given(spread())
def test_a_part_is_stored_and_read_back(file: dict[str, Any]) -> None:
    text = yaml.safe_dump(file, sort_keys=False).encode()
    loaded(file)
    one = load(text, "r.yaml", choose=lambda *_: "rack2")
    places, content = stored.encode(one)
    assert places["machine"] == "rack2"
    assert stored.decode(places, content, "r.yaml", lambda: one.source).desired == one.desired
