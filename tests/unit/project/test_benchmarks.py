"""The parts of the benchmarks that need no kernel: the shapes, the arithmetic, the verdicts."""

from __future__ import annotations

import pytest

from netorch.kinds.veth import Veth
from netorch.resolve.desired import Desired
from netorch.resolve.loader import load
from tests.benchmarks import figures, report, targets
from tests.benchmarks.figures import Round
from tests.benchmarks.shapes import KINDS, Shape, shape


def desired(text: str) -> Desired:
    return load(text.encode(), "shape.yaml").desired


def counts(text: str) -> tuple[int, int]:
    """Return the number of namespaces, and of cables between two of them."""
    resources = desired(text).state.values()
    return sum(one.key.kind == "netns" for one in resources), sum(
        isinstance(one, Veth) for one in resources
    ) // 2


@pytest.mark.parametrize(
    ("name", "nodes", "links"),
    [
        ("star-10", 11, 10),  # the bridge of a segment is in a namespace of its own
        ("star-2", 3, 2),
        ("star-1000", 1001, 1001),  # on two bridges
        ("ring-3", 3, 3),
        ("ring-300", 300, 300),
        ("fat-tree-2", 7, 6),
        ("fat-tree-8", 208, 384),
        ("ports-10", 2, 1),
    ],
)
def test_each_shape_loads_as_it_is_and_changed(name: str, nodes: int, links: int) -> None:
    made = shape(name)
    assert counts(made.text) == counts(made.changed) == (nodes, links)
    assert desired(made.text).topology == made.topology
    assert set(made.nodes) <= {key.netns for key in desired(made.text).state}


@pytest.mark.parametrize("name", ["star-300", "ring-300", "fat-tree-4"])
def test_the_floor_makes_the_addresses_of_the_file(name: str) -> None:
    from tests.benchmarks import floor

    def addresses(text: str) -> set[tuple[str, str]]:
        return {(key.netns, key.name) for key in desired(text).state if key.kind == "address"}

    def of_floor(made: Shape) -> set[tuple[str, str]]:
        if made.members:
            return {
                (name, f"eth0 {_dotted(floor.on_segment(number))}/16")
                for number, name in enumerate(made.members, 1)
            }
        ends = [((c.near, c.near_interface), (c.far, c.far_interface)) for c in made.cables]
        return {
            (node, f"{interface} {_dotted(address)}/31")
            for number, both in enumerate(ends)
            for (node, interface), address in zip(both, floor.on_cable(number), strict=True)
        }

    made = shape(name)
    assert addresses(made.text) == of_floor(made)
    gone, come = (
        addresses(made.text) - addresses(made.changed),
        addresses(made.changed) - addresses(made.text),
    )
    moves = floor.moves(made)
    assert {(node, _dotted(old)) for node, _, _, old, _ in moves} == {
        (node, _bare(text)) for node, text in gone
    }
    assert {(node, _dotted(new)) for node, _, _, _, new in moves} == {
        (node, _bare(text)) for node, text in come
    }


def _dotted(address: bytes) -> str:
    return ".".join(map(str, address))


def _bare(text: str) -> str:
    return text.partition(" ")[2].partition("/")[0]


@pytest.mark.parametrize(
    "name", ["star", "star-", "star-1", "star-x", "moon-3", "fat-tree-5", "ring-2", "-3"]
)
def test_a_name_that_is_not_a_shape_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a shape: write star-N"):
        shape(name)
    assert set(KINDS) == {"star", "ring", "fat-tree", "ports"}


def test_ratios_are_computed_within_each_round() -> None:
    rounds = [
        Round({"a": 10.0, "b": 5.0, "c": 5.0}, peaks={"a": 2048}),
        # a slow moment of the machine, which affects both
        Round({"a": 900.0, "b": 300.0, "c": 0.0}, {"a": 8.0}, {"a": 1024}),
        Round({"a": 40.0, "b": 10.0, "c": 10.0}, {"a": 6.0, "b": 3.0}),
        Round({"b": 1.0}),
    ]
    assert figures.ratio(rounds, "a", "b") == 3.0
    assert figures.ratio(rounds, "a", "b", "c") == 2.0
    assert figures.ratio(rounds, "a", "b", clock="processor") == 2.0
    assert figures.median(rounds, "a") == 40.0
    assert figures.excess(rounds, "a", "b") == 30.0
    assert figures.peak(rounds, "a") == 2.0
    assert figures.median(rounds, "a", "processor") == 7.0
    assert (
        figures.ratio(rounds, "a", "d")
        is figures.ratio(rounds, "a")
        is figures.median([], "a")
        is figures.peak(rounds, "b")
        is None
    )


def test_exponents_are_fitted() -> None:
    assert figures.exponent({10: 3.0, 100: 30.0, 1000: 300.0}) == pytest.approx(1.0)
    assert figures.exponent({10: 100.0, 100: 10000.0}) == pytest.approx(2.0)
    assert figures.exponent({10: 7.0, 1000: 7.0}) == pytest.approx(0.0)
    assert figures.exponent({10: 3.0}) is None


def test_growth_is_fitted_where_the_network_is_large_enough_to_show_it() -> None:
    costs = {10: 500.0, 100: 100.0, 1000: 1000.0}
    results = report.Results(
        {f"star-{size}": [Round({"floor create": cost})] for size, cost in costs.items()},
        {f"star-{size}": size for size in costs},
    )
    floor = report.growth(results)["floor"]
    assert floor.fitted == [100, 1000]
    assert floor.exponent == pytest.approx(1.0)
    assert floor.milliseconds_per_node == {10: 50.0, 100: 1.0, 1000: 1.0}


def test_a_target_is_met_missed_or_not_measured() -> None:
    hundred = Round(
        {
            "whole apply": 600.0,
            "floor create": 100.0,
            "engine apply": 131.0,
            "Mininet, LinuxBridge": 3000.0,
        }
    )
    verdicts = {verdict.what: verdict for verdict in targets.judge({"star-100": [hundred]})}
    assert verdicts["engine alone, apply, star-100 ÷ floor"].met is False
    either = verdicts["apply, star-100 − floor or apply, star-100 ÷ floor"]
    assert (either.met, either.measured, either.target) == (
        False,
        "0.50 s and 6.00×",
        "≤ 0.35 s or ≤ 5×",
    )
    assert verdicts["Mininet ÷ apply, star-100"].met is True
    assert verdicts["ifstate ÷ apply, star-100"].met is None
    hundred.milliseconds["floor create"] = 300.0
    assert targets.judge({"star-100": [hundred]})[2].met is True, "one of the two is enough"


def test_the_cost_of_a_node_is_compared_with_that_of_the_floor() -> None:
    def verdict(large: float) -> bool | None:
        small = Round({"whole apply": 1000.0, "floor create": 500.0})
        return targets.judge(
            {
                "star-1000": [small],
                "star-4000": [Round({"whole apply": large, "floor create": 4000.0})],
            }
        )[-1].met

    # 12 times the cost for 4 times as many nodes, while the floor needs 8 times as much
    assert verdict(12000.0) is True
    assert verdict(12100.0) is False


def test_the_table_lists_peers_that_were_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.peers.program", lambda _: None)
    text = report.table(report.Results({"star-10": [Round({"whole apply": 5.0})]}, {"star-10": 10}))
    assert "not installed: apt-get install mininet bridge-utils" in text
    assert "not measured" in text
    assert "not installed" not in report.table(
        report.Results({"star-10": [Round()]}, {"star-10": 10}, peers=False)
    )
