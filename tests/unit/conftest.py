"""Compare the JSON Schema with netorch on every file that a unit test loads.

The schema accepts what is right, and refuses what has the wrong shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

import netorch.resolve.loaded
import netorch.resolve.loader
from netorch.errors import FileError, Problem
from tests import editor

ENOUGH = 50
"""The files of one test. Tests with thousands of random files are left to test_schema."""

# because a test must not fail for the time that it takes
settings.register_profile("netorch", deadline=None)
settings.load_profile("netorch")

_load = netorch.resolve.loader.load
_loaded: list[tuple[str, list[Problem]]] = []


def _witnessed(data: bytes, *words: Any, **named: Any) -> netorch.resolve.loaded.Loaded:
    problems: list[Problem] = []
    try:
        return _load(data, *words, **named)
    except FileError as error:
        problems = list(error.problems)
        raise
    finally:
        if len(_loaded) < ENOUGH and len(data) < 20_000:
            _loaded.append((data.decode("utf-8", "replace"), problems))


netorch.resolve.loader.load = _witnessed


@pytest.fixture(autouse=True)
def _schema_agrees(request: pytest.FixtureRequest) -> Iterator[None]:
    _loaded.clear()
    yield
    made_up = hasattr(
        getattr(request, "function", None), "hypothesis"
    ) or request.module.__name__ in {
        "tests.unit.language.test_fuzz",
        "tests.unit.resolve.test_wrong_values",
        "tests.unit.project.test_growth",
    }
    for text, problems in [] if made_up else _loaded.copy():
        if problems:
            assert editor.let_pass(text, problems) == [], (
                f"netorch refuses this file, and the JSON Schema does not. If the schema cannot "
                f"express the rule, add some words of the message to MEANING in "
                f"tests/editor.py:\n{text}"
            )
        else:
            assert editor.complaints(text) == [], f"right, and the schema refuses it:\n{text}"
