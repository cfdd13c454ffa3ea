"""Topologies from Python values: the state that they describe, and the errors in them."""

from __future__ import annotations

import json
import pickle
from enum import Enum, IntEnum
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest

import netorch
from netorch.errors import FileError, InCode, Problem
from netorch.language.yaml_tree import parse
from tests.kernel.host import SOURCE


def problems(**words: Any) -> list[str]:
    with pytest.raises(FileError) as caught:
        netorch.Topology("lab", **words)
    here = f"{Path(__file__).relative_to(Path.cwd())}:"
    lines = caught.value.lines()
    assert all(line.startswith(here) for line in lines), lines
    return [line.removeprefix(here).partition(": ")[2] for line in lines]


def test_values_say_what_a_file_says() -> None:
    built = netorch.Topology(
        "lab",
        prefix="x-",
        variables={"mtu": 1400, "deep": True},
        nodes={
            "h[1-2]": {"networks": ("lan",)},
            "r": {
                "forwarding": True,
                "networks": {"lan": {"address": ip_interface("10.0.0.9/24")}},
                "routes": [],
            },
            "big": {
                "interfaces": {
                    "d0": {
                        "kind": "dummy",
                        "mtu": "$(mtu)",
                        "addresses": ["fd00::1/128"],
                        "description": "on: 012, 'é'",
                    }
                }
            },
        },
        networks={"lan": {"subnet": ip_network("10.0.0.0/24")}},
        links=[
            ["h1:c0", "h2:c0"],
            {
                "endpoints": ["r:c0", {"node": "big", "interface": "c0"}],
                "impair": {"loss": "0.5%", "delay": "10ms"},
                "mtu": 1300,
            },
        ],
        checks=[{"from": "h1", "to": "r"}],
        names=False,
    )
    assert built.nodes == ("h1", "h2", "r", "big") and built.name == "lab"
    assert netorch.load(built.yaml).loaded.desired.state == built.loaded.desired.state
    again = pickle.loads(pickle.dumps(built))
    assert again == built and again.yaml == built.yaml and again is not built


class Names(str, Enum):  # noqa: UP042  because str() of a StrEnum differs
    LAB = "lab"
    NODE = "r1"


class Numbers(IntEnum):
    MTU = 1400


def test_members_of_enums_stand_for_their_values() -> None:
    built = netorch.Topology(
        Names.LAB,
        nodes={Names.NODE: {"interfaces": {"br0": {"kind": "bridge", "mtu": Numbers.MTU}}}},
    )
    assert (
        built
        == netorch.load("name: lab\nnodes: {r1: {interfaces: {br0: {kind: bridge, mtu: 1400}}}}\n")
        == netorch.load(built.yaml)
    )


@pytest.mark.parametrize(
    "file", sorted((SOURCE / "topologies").glob("*.yaml")), ids=lambda file: file.stem
)
def test_every_topology_as_values(file: Path) -> None:
    values = json.loads(json.dumps(parse(file.read_bytes())))
    values["variables"] = values.pop("vars", None)
    loaded = netorch.load(file)
    built = netorch.Topology(values.pop("name", file.stem), folder=file.parent, **values)
    assert built.loaded.desired.state == loaded.loaded.desired.state
    assert pickle.loads(pickle.dumps(loaded)).loaded.desired.state == loaded.loaded.desired.state


def test_what_is_wrong_has_its_line_and_its_path() -> None:
    assert problems(
        nodes={
            "a": {"forwardin": 1},
            "b": {"networks": ["lan"], "interfaces": {"d": {"kind": "dummy", "mtu": "big"}}},
        }
    ) == [
        "nodes.a.forwardin: unknown key 'forwardin' in nodes.a. Did you mean 'forwarding'?",
        "nodes.b.networks: network 'lan' does not exist. Declare it under networks.",
        "nodes.b.interfaces.d.mtu: 'big' is not a whole number. Write a number of bytes, such as 9000.",
    ]
    assert problems(nodes={"a": {"x": {1}, 1.5: 2, "y": "\x1b"}}, links=[object()]) == [
        "nodes.a.x: a topology cannot contain a value of type set: "
        "use mappings, lists, texts, numbers, booleans or None.",
        "nodes.a: the key 1.5 is not a text.",
        "nodes.a.y: '\\x1b' contains a control character.",
        "links.0: a topology cannot contain a value of type object: "
        "use mappings, lists, texts, numbers, booleans or None.",
    ]
    assert problems(nodes={"a": {1: {}, "1": {}}}) == [
        "nodes.a: the key '1' appears twice, as a number and as a text."
    ]
    endless: dict[str, Any] = {}
    endless["a"] = endless
    (deep,) = problems(nodes=endless)
    assert deep.endswith("mappings and lists are nested more than 64 levels deep.")
    assert problems(nodes={"$(no)": {}}) == [
        "nodes.$(no): There is no variable 'no'. Declare it under vars, or write $(name:-default)."
    ]
    with pytest.raises(FileError, match="'Big Lab' cannot be a topology's name"):
        netorch.Topology("Big Lab")


def test_sources(tmp_path: Path) -> None:
    file = tmp_path / "topo.yaml"
    file.write_bytes(b"name: lab\nvars: {n: 1}\nnodes: {h$(n): {}}\n")
    for source in (
        file,
        str(file),
        file.read_bytes(),
        "name: lab\nvars: {n: 1}\nnodes: {h$(n): {}}\n",
    ):
        loaded = netorch.load(source, variables={"n": 3}, name="two")
        assert (loaded.name, loaded.nodes, netorch.load(loaded) is loaded) == ("two", ("h3",), True)
        assert {key.netns for key in loaded.loaded.desired.state} == {"two-h3"}
    for wrong, message in (
        (tmp_path / "none.yaml", "none.yaml: No such file or directory."),
        (tmp_path, "also takes the folder of a lab of Kathara."),
        ("a\0b", "is not a file name."),
        (7, "int is not a topology: pass a path, a text or a Topology."),
        (
            "nodes: {a: {}}\n",
            "<text>: the topology comes from a text, so it has no file name that could be its name. Give it a `name:`.",
        ),
        ("name: x\nnods: {}\n", "<text>:2:1: unknown key 'nods'. Did you mean 'nodes'?"),
    ):
        with pytest.raises(FileError) as caught:
            netorch.load(wrong)
        assert str(caught.value).endswith(message)
    with pytest.raises(FileError, match="already has a name and variables"):
        netorch.load(loaded, name="three")


def test_errors_go_from_process_to_process() -> None:
    for error in (
        FileError([Problem("bad-value", "bad", InCode(3, 9, "nodes.a"))], "lab.py"),
        netorch.CommandError(Problem("no-command", "no"), 127),
        netorch.CommandFailed(Problem("command-failed", "no"), 3, "out", b"err"),
        netorch.CommandTimeout(Problem("command-timeout", "late"), -9),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.__dict__) == (
            type(error),
            str(error),
            error.__dict__,
        )
