"""Each kind of interface has a module and a model, and the table of kinds has them all."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from netorch.topology import KINDS, interfaces, model_of, models, words_of
from netorch.topology.interfaces.common import InterfaceModel

FILES = sorted(file.stem for file in Path(interfaces.__path__[0]).glob("[a-z]*.py"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_module_of_a_kind_has_its_name(kind: str) -> None:
    model = model_of(kind)
    assert model.__module__ == f"{interfaces.__name__}.{kind}"
    assert model.model_fields["kind"].default == kind
    assert words_of(kind) is model


@pytest.mark.parametrize("name", FILES)
def test_the_table_has_every_kind(name: str) -> None:
    own = [
        value.model_fields["kind"].default
        for value in vars(import_module(f"{interfaces.__name__}.{name}")).values()
        if isinstance(value, type)
        and issubclass(value, InterfaceModel)
        and value.__module__.endswith(f".{name}")
    ]
    assert [kind for kind in own if kind] == ([name] if name in KINDS else [])


def test_kinds_are_sorted() -> None:
    assert [*KINDS] == sorted(KINDS) == [kind for kind, _ in models()]


@pytest.mark.parametrize("value", ["", "no", 5, None, "common"])
def test_anything_else_is_made_elsewhere(value: object) -> None:
    assert words_of(value) is interfaces.MadeElsewhere
