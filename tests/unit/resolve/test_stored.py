"""The stored form of a loaded file: it comes back equal, and a damaged one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from netorch.resolve import stored
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load
from tests.strategies import Sketch, topologies

ROOT = Path(__file__).resolve().parents[3]


def stored_and_back(loaded: Loaded) -> Loaded:
    places, content = stored.encode(loaded)
    return stored.decode(places, content, loaded.file, lambda: loaded.source)


def assert_equal(back: Loaded, loaded: Loaded) -> None:
    for name in loaded.desired.__struct_fields__:
        if name != "origins":
            assert getattr(back.desired, name) == getattr(loaded.desired, name), name
    assert dict(back.desired.origins) == dict(loaded.desired.origins)
    assert list(back.desired.state) == list(loaded.desired.state)
    # `==` of resources ignores the hints
    assert list(map(repr, back.desired.state.values())) == list(
        map(repr, loaded.desired.state.values())
    )
    assert (back.warnings, back.given) == (loaded.warnings, loaded.given)


@pytest.mark.parametrize("file", sorted((ROOT / "topologies").glob("*.yaml")), ids=lambda f: f.stem)
def test_a_topology_comes_back_equal(file: Path) -> None:
    loaded = load(file.read_bytes(), str(file))
    assert_equal(stored_and_back(loaded), loaded)


@given(topologies())
def test_any_topology_comes_back_equal(sketch: Sketch) -> None:
    loaded = load(sketch.text.encode(), "lab.yaml")
    assert_equal(stored_and_back(loaded), loaded)


def test_labels_and_chosen_subnets_come_back() -> None:
    text = (
        b"nodes: {a: {label: Border router, networks: [lan]}}\n"
        b"networks: {lan: {mode: nat, label: Office, subnet: [auto, auto6]}}"
    )
    loaded = load(text, "lab.yaml")
    assert [*loaded.desired.captions.values()] == ["Border router", "Office"]
    assert [len(subnets) for subnets in loaded.desired.chosen.values()] == [2]
    assert_equal(stored_and_back(loaded), loaded)


def test_positions_come_from_the_source() -> None:
    text = b"name: lab\nnodes:\n  a: {sysctls: {net.ipv4.tcp_ecn: 1}}\n"
    loaded = load(text, "lab.yaml")
    back = stored_and_back(loaded)
    (path,) = [path for path in back.desired.origins.values() if "sysctls" in path]
    assert back.where(path) == loaded.where(path)
    assert loaded.where(path) is not None


def test_a_hosts_file_is_stored_once() -> None:
    text = (
        "name: lab\nnodes: {'n[1-%d]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/16}}"
    )
    sizes = [len(stored.encode(load((text % n).encode(), "lab.yaml"))[1]) for n in (100, 200)]
    assert sizes[1] < 2.2 * sizes[0]


def _places() -> tuple[Mapping[str, Any], bytes]:
    return stored.encode(load(b"name: lab\nnodes: {a: {}, b: {}}\n", "lab.yaml"))


def test_half_of_the_content_is_refused() -> None:
    places, content = _places()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        with pytest.raises(ValueError):
            stored.decode(places, content[:length], "lab.yaml", _no_source)


def test_a_class_that_is_not_a_value_is_refused() -> None:
    places, content = _places()
    for name in (b"kinds.netns:Netns", b"netns:Netns"):
        if name in content:
            changed = content.replace(b"kinds.netns:Netns", b"version:__doc__..")
            with pytest.raises(ValueError):
                stored.decode(places, changed, "lab.yaml", _no_source)
            return
    raise AssertionError("the content has no netns")


def _no_source() -> Any:
    raise AssertionError("the source is not needed")
