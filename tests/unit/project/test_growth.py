"""Every phase without a kernel takes time in proportion to the size of the file.

Each case is a topology of `size` equal parts that once took quadratic time. The lines of Python
that run are counted for three sizes, each twice as large as the one before. The fixed part of the
work does not count, because only the differences between the sizes are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log2

import pytest
import yaml

from netorch import errors
from netorch.converge.observe import observe
from netorch.errors import FileError
from netorch.render import topology_file
from netorch.render.changes import changes
from netorch.render.graph.build import build
from netorch.render.graph.scene import of_file
from netorch.render.script import whole_topology
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load
from netorch.resolve.machines import parts
from netorch.resolve.per_machine import shares
from netorch.state.planner import batches, plan
from netorch.walk.from_state import world
from tests.benchmarks.counts import lines
from tests.benchmarks.simulated import SimulatedKernel

MOST = 1.03
"""The largest exponent of the growth at the last doubling. Linear work has 1.00 to 1.01 here."""


def many(size: int, line: str) -> str:
    """Return a line for each number, which replaces `{n}`; `{a}` and `{b}` are its two bytes."""
    return "".join(
        line.format(n=number, a=number >> 8, b=number & 255) for number in range(1, size + 1)
    )


def node(keys: str) -> str:
    return f"name: lab\nnames: false\nnodes:\n  r:\n{keys}"


def routes_without_dev(size: int) -> str:
    interfaces = many(size, "      e{n}: {{kind: dummy, addresses: 10.{a}.{b}.1/24}}\n")
    routes = many(size, "      - {{to: 20.{a}.{b}.0/24, via: 10.{a}.{b}.2}}\n")
    return node(f"    interfaces:\n{interfaces}    routes:\n{routes}")


def routes_with_source(size: int) -> str:
    addresses = many(size, "            - fd00:{n}::1/64\n")
    routes = many(size, "      - {{to: 'fd01:{n}::/64', via: 'fd00:{n}::2', src: 'fd00:{n}::1'}}\n")
    return (
        f"name: lab\nnames: false\nnodes:\n  s: {{}}\n  r:\n    routes:\n{routes}"
        f"links:\n  - endpoints:\n      - s:e\n      - node: r\n        interface: e\n"
        f"        addresses:\n{addresses}"
    )


def rules(size: int) -> str:
    selectors = many(size, "      - {{to: 20.{a}.{b}.0/24, table: {n}}}\n")
    routes = many(size, "      - {{to: default, via: 10.0.0.2, table: {n}}}\n")
    return node(
        "    interfaces: {e: {kind: dummy, addresses: 10.0.0.1/24}}\n"
        f"    rules:\n{selectors}    routes:\n{routes}"
    )


def vrfs(size: int) -> str:
    interfaces = many(
        size,
        "      v{n}: {{kind: vrf, table: {n}, ports: e{n}}}\n"
        "      e{n}: {{kind: dummy, addresses: 10.0.0.1/24}}\n",
    )
    routes = many(size, "      - {{to: default, via: 10.0.0.2, vrf: v{n}}}\n")
    return node(f"    interfaces:\n{interfaces}    routes:\n{routes}")


def tunnels(size: int) -> str:
    interfaces = many(size, "      g{n}: {{kind: gre, local: 192.0.2.1, remote: 10.1.{a}.{b}}}\n")
    return node(
        f"    interfaces:\n      e: {{kind: dummy, addresses: 192.0.2.1/24}}\n{interfaces}"
        + many(
            size,
            "  n{n}:\n    interfaces:\n      e: {{kind: dummy, addresses: 10.1.{a}.{b}/32}}\n"
            "      g: {{kind: gre, local: 10.1.{a}.{b}, remote: 192.0.2.1}}\n",
        )
    )


def tower(size: int) -> str:
    return node(
        "    interfaces:\n      e0: {kind: dummy}\n"
        f"      e[1-{size}]: {{kind: vlan, id: 1, parent: e$(i - 1)}}\n"
    )


def uppers(size: int) -> str:
    return node(
        "    interfaces:\n      e: {kind: dummy}\n"
        f"      m[1-{size}]: {{kind: macvlan, mode: bridge, parent: e}}\n"
    )


def settings(size: int, mtu: int = 1200) -> str:
    return node(
        f"    interfaces:\n      e[1-{size}]: {{kind: dummy, mtu: {mtu}, sysctls: {{accept_ra: 0}}}}\n"
    )


def bridges(size: int) -> str:
    interfaces = many(
        size, "      b{n}: {{kind: bridge, ports: e{n}}}\n      e{n}: {{kind: dummy}}\n"
    )
    return node(f"    interfaces:\n{interfaces}")


def published(size: int) -> str:
    return (
        "name: lab\nnames: false\nnetworks: {net: {mode: nat, node: r, subnet: 10.0.0.0/16}}\n"
        f"nodes:\n  r: {{}}\n  n[1-{size}]: {{networks: [net], publish: '$(10000 + i):80'}}\n"
    )


def members(size: int) -> str:
    return (
        "name: lab\nnetworks: {net: {subnet: 10.0.0.0/16, gateway: n1}}\n"
        f"nodes:\n  n[1-{size}]: {{networks: [net], aliases: [a$(i), b$(i)]}}\n"
        f"checks:\n  - {{from: 'n[1-{size}]', to: n1}}\n"
    )


def host_only(size: int) -> str:
    return (
        "name: lab\nnames: false\nnodes:\n"
        f"  n[1-{size}]: {{networks: ['net$(i)']}}\n"
        f"networks:\n  net[1-{size}]: {{mode: host-only, subnet: '10.$(i // 256).$(i % 256).0/24'}}\n"
    )


def links_to_unknown_nodes(size: int) -> str:
    links = many(size, "  - [n{n}:e, m{n}:e]\n")
    return f"name: lab\nnodes: {{'n[1-{size}]': {{}}}}\nlinks:\n{links}"


def unknown_names(size: int) -> str:
    interfaces = many(size, "      e{n}: {{kind: dummy, master: b{n}}}\n")
    return node(
        f"    interfaces:\n{interfaces}    routes:\n"
        + many(size, "      - {{to: 10.{a}.{b}.0/24, dev: f{n}}}\n")
        + "    rules:\n"
        + many(size, "      - {{iif: g{n}, table: 7}}\n")
    )


def overlapping(size: int) -> str:
    subnets = ", ".join(["10.0.0.0/8"] * size)
    return f"name: lab\nnodes: {{n: {{networks: [net]}}}}\nnetworks: {{net: {{subnet: [{subnets}]}}}}\n"


def wrong_values(size: int) -> str:
    return node(
        "    routes:\n"
        + many(size, "      - {{to: 10.{a}.{b}.0/24, via: here, dew: e}}\n")
        + "    interfaces:\n"
        + many(size, "      e{n}: {{kind: bridge, priority: high, foo: {{}}}}\n")
    )


def machines(size: int) -> str:
    return "name: lab\nnames: false\nhosts:\n" + many(
        size, "  m{n}: {{address: 192.168.{a}.{b}}}\n"
    )


def racks(size: int) -> str:
    """Return a leaf on each machine with a network of its own and a link to the spine."""
    nodes = many(
        size,
        "  leaf{n}: {{on: m{n}, networks: [rack{n}]}}\n  h{n}: {{on: m{n}, networks: [rack{n}]}}\n",
    )
    networks = many(size, "  rack{n}: {{subnet: 10.{a}.{b}.0/24}}\n")
    links = many(size, "  - {{endpoints: [spine:l{n}, leaf{n}:up], subnet: 11.{a}.{b}.0/31}}\n")
    return (
        f"{machines(size)}nodes:\n  spine: {{on: m1}}\n{nodes}networks:\n{networks}links:\n{links}"
    )


def one_network(size: int) -> str:
    """Return two members of one network on each machine."""
    nodes = many(size, "  'h{n}-[1-2]': {{on: m{n}, networks: [lan]}}\n")
    return f"{machines(size)}nodes:\n{nodes}networks: {{lan: {{subnet: 10.0.0.0/8}}}}\n"


def loaded(text: str) -> Loaded:
    return load(text.encode(), "lab.yaml")


def print_all(file: Loaded) -> None:
    """Plan a file, and make everything that netorch prints about it."""
    desired = file.desired
    made = plan({}, desired.state)
    batches(made.changes)
    batches(plan(desired.state, {}).deletes, deleting=True)
    changes(made)
    list(whole_topology.lines(desired, "lab.yaml"))
    topology_file.topology(desired.topology, desired.state)
    build(of_file(file))
    world(desired)


def exponent(work: Callable[[int], object], size: int) -> float:
    """Return the exponent by which the lines of a work grow, without their fixed part."""
    work(size)  # because the first call imports modules
    one, two, four = (lines(partial(work, many * size)) for many in (1, 2, 4))
    return log2((four - two) / (two - one))


GOOD: tuple[tuple[Callable[[int], str], int], ...] = (
    (routes_without_dev, 8),
    (routes_with_source, 8),
    (rules, 12),
    (vrfs, 8),
    (tunnels, 10),
    (tower, 8),
    (uppers, 12),
    (settings, 8),
    (bridges, 8),
    (published, 12),
    (members, 8),
    (host_only, 6),
    (racks, 12),
)
WRONG: tuple[tuple[Callable[[int], str], int], ...] = (
    (links_to_unknown_nodes, 10),
    (unknown_names, 10),
    (overlapping, 16),
    (wrong_values, 8),
)


@pytest.fixture(autouse=True)
def no_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write nothing as YAML, because that takes most lines and is not netorch's own work."""
    monkeypatch.setattr(yaml, "safe_dump", lambda *_, **__: "")


@pytest.mark.parametrize(
    ("text", "size"), GOOD, ids=[text.__name__.replace("_", " ") for text, _ in GOOD]
)
def test_a_good_file(text: Callable[[int], str], size: int) -> None:
    assert exponent(lambda size: print_all(loaded(text(size))), size) < MOST


@pytest.mark.parametrize("text", [racks, one_network])
def test_the_part_of_a_machine(text: Callable[[int], str]) -> None:
    """All forwarding databases of a network together grow as the square of its machines."""

    def part(size: int) -> None:
        print_all(load(text(size).encode(), "lab.yaml", choose=lambda *_: "m1"))

    assert exponent(part, 12) < MOST


def test_the_parts_of_all_machines() -> None:
    states = {size: loaded(racks(size)).desired for size in (12, 24, 48)}
    assert exponent(lambda size: [parts(states[size]), shares(states[size])], 12) < MOST


@pytest.mark.parametrize(
    ("text", "size"), WRONG, ids=[text.__name__.replace("_", " ") for text, _ in WRONG]
)
def test_a_file_with_many_errors(
    monkeypatch: pytest.MonkeyPatch, text: Callable[[int], str], size: int
) -> None:
    monkeypatch.setattr(errors, "COMPARISONS", size)

    def refuse(size: int) -> None:
        with pytest.raises(FileError) as caught:
            loaded(text(size))
        assert len(caught.value.problems) >= size - 1

    assert exponent(refuse, size) < MOST


def test_a_change_of_everything() -> None:
    states = {
        (size, mtu): loaded(settings(size, mtu)).desired.state
        for size in (8, 16, 32)
        for mtu in (1200, 1300)
    }

    def change(size: int) -> None:
        changes(plan(states[size, 1200], states[size, 1300]))

    assert exponent(change, 8) < MOST


def test_what_is_observed() -> None:
    inputs = {}
    for size in (8, 16, 32):
        desired = loaded(routes_with_source(size)).desired
        kernel = SimulatedKernel()
        for step in plan({}, desired.state).changes:
            kernel.take(step.requests())
        inputs[size] = kernel.snapshot(), desired

    def look(size: int) -> None:
        snapshot, desired = inputs[size]
        state = observe(snapshot, desired.mark, desired.state).state
        assert state.keys() == desired.state.keys()

    assert exponent(look, 8) < MOST


def test_an_unknown_name_is_compared_with_so_many_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "COMPARISONS", 10)
    suggestions = errors.Suggestions()
    names = {f"node{number}": None for number in range(8)}
    assert suggestions.did_you_mean("nod1", names) == "Did you mean 'node1'?"
    assert suggestions.did_you_mean("nod2", names) == "Did you mean 'node2'?"
    assert suggestions.did_you_mean("nod3", names) == ""
    assert suggestions.did_you_mean("nod1", names) == "Did you mean 'node1'?"
