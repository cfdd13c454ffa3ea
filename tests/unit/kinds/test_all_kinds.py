"""The table of the modules of kinds: it has every module, and where it is needed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from netorch import kinds
from netorch.kinds.base.stacked import KINDS, StackedLink, stacked_kind
from netorch.state.registry import OBSERVED, UNPROVEN_REPORTERS

FILES = {file.stem for file in Path(kinds.__path__[0]).glob("[a-z]*.py")}


def test_the_table_has_each_module_with_an_observed_kind() -> None:
    for name in FILES:
        import_module(f"netorch.kinds.{name}")
    observed = {kind.__module__.rpartition(".")[2] for kind in OBSERVED}
    assert set(kinds.MODULES) == observed
    assert len(kinds.MODULES) == len(observed)
    assert set(kinds.observed_anywhere()) == set(OBSERVED)


def test_a_kind_is_looked_for_where_there_is_a_link_that_it_needs() -> None:
    for kind in kinds.observed_anywhere():
        name = kind.__module__.rpartition(".")[2]
        # a veth is also looked for where there is none, because it reports all foreign links
        if name in kinds.ANYWHERE:
            assert not kind.links() or name == "veth"
        else:
            assert kind.links() == {link for link, on in kinds.ON_LINKS.items() if name in on}
            assert not kind.FOREIGN_KIND


def test_the_order_of_kinds_does_not_depend_on_the_links() -> None:
    every = kinds.observed_anywhere()
    some = kinds.observed_on(frozenset({"bridge", "wireguard", "bond", "unknown"}))
    assert [kind for kind in every if kind in some] == list(some)


def test_what_reports_unproven_objects_is_always_imported() -> None:
    names = {report.__module__.removeprefix("netorch.kinds.") for report in UNPROVEN_REPORTERS}
    assert names <= {*kinds.ANYWHERE, "base.link"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stacked_kind_is_found_by_its_name(kind: str) -> None:
    cls = stacked_kind(kind)
    assert cls is not None
    assert issubclass(cls, StackedLink)
    assert kind == cls.KIND


def test_each_stacked_kind_has_its_name_in_the_table() -> None:
    stacked = {kind.KIND for kind in kinds.observed_anywhere() if issubclass(kind, StackedLink)}
    assert stacked == set(KINDS)
    assert stacked_kind("veth") is None
