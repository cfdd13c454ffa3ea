"""What the benchmark of many machines measures."""

from __future__ import annotations

import pytest

from tests.benchmarks.many_machines import ALL, NODES, SPINES, main, measure


@pytest.mark.parametrize("machines", [5, 6])
def test_a_leaf_has_a_tunnel_to_each_spine(machines: int) -> None:
    part = measure("racks", machines, f"m{machines}")
    assert (part["tunnels"], part["entries"]) == (SPINES, 0)
    every = measure("racks", machines, ALL)
    # a spine has a link to each leaf, and its own machine has a leaf, too
    assert every["most"] == (machines - 1) + (SPINES - 1)
    assert every["objects"] == pytest.approx(part["objects"], rel=0.05)


@pytest.mark.parametrize("machines", [3, 4])
def test_a_network_has_an_entry_for_each_node_elsewhere(machines: int) -> None:
    others = machines - 1
    for machine in ("m1", ALL):
        figures = measure("network", machines, machine)
        assert figures["entries"] == others * NODES + others, "and one to flood to each machine"
        assert figures["tunnels"] == figures["most"] == 1


def test_the_table_has_a_row_for_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--shapes", "network"]) == 0
    table, _, exponent = capsys.readouterr().out.partition("\n\n")
    assert [line.split(" | ")[1] for line in table.splitlines()[2:]] == ["5", "10"]
    assert exponent.startswith("network: the time to load a part grows with the exponent ")
