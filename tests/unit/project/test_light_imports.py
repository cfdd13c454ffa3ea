"""What a command on an unchanged file needs is imported without pydantic and PyYAML."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def loaded_by(statements: str) -> set[str]:
    """Return the names of the modules that a new Python has after these statements."""
    code = f"import sys\n{statements}\nprint(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
    )


@pytest.mark.parametrize(
    "name",
    [
        "netorch.kinds",
        "netorch.kernel.linux",
        "netorch.state.planner",
        "netorch.render.changes",
        "netorch.render.text",
        "netorch.language.addresses",
        "netorch.language.impairment",
        "netorch.language.limits",
        "netorch.language.names",
    ],
)
def test_a_module_is_imported_without_the_models_of_the_file(name: str) -> None:
    loaded = loaded_by(f"import {name}")
    assert name in loaded
    assert loaded.isdisjoint({"pydantic", "pydantic_core", "yaml", "netorch.topology"})


def test_the_kinds_are_imported_without_searching_for_files() -> None:
    assert loaded_by("import netorch.kinds").isdisjoint({"pkgutil", "pathlib", "secrets"})


def test_a_file_loads_the_models_of_the_kinds_that_it_names() -> None:
    package = "netorch.topology.interfaces"
    loaded = loaded_by(
        "from netorch.topology import by_kind\nby_kind({'kind': 'geneve', 'vni': 1, 'remote': '::1'})"
    )
    assert f"{package}.geneve" in loaded
    assert loaded.isdisjoint({f"{package}.{kind}" for kind in ("bond", "gre", "tap", "wireguard")})
