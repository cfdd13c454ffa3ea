"""A resource never differs from one with the same fields, which the planner relies on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from netorch.immutable import replace
from netorch.resolve.loader import load
from tests.strategies import Sketch, topologies

ROOT = Path(__file__).resolve().parents[3]


def assert_none_differs(text: bytes, file: str) -> None:
    state = load(text, file).desired.state
    for resource in state.values():
        again = replace(resource)
        assert again is not resource
        assert resource.has_equal_fields(again)
        assert not resource.differs(again), resource


@pytest.mark.parametrize("file", sorted((ROOT / "topologies").glob("*.yaml")), ids=lambda f: f.stem)
def test_no_resource_differs_from_its_copy(file: Path) -> None:
    assert_none_differs(file.read_bytes(), str(file))


@given(topologies())
def test_no_resource_of_any_topology_differs_from_its_copy(sketch: Sketch) -> None:
    assert_none_differs(sketch.text.encode(), "lab.yaml")


def test_resources_of_two_classes_have_no_equal_fields() -> None:
    first, *others = load(b"nodes: {a: {}}", "lab.yaml").desired.state.values()
    assert others
    assert not any(first.has_equal_fields(other) for other in others)
