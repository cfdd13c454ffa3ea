"""What a command on an unchanged file needs is imported without pydantic and PyYAML."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from netorch.topology import KINDS

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


@pytest.mark.parametrize(
    ("interfaces", "kinds"),
    [
        ("{}", set()),
        ("{wg0: {kind: wireguard}}", {"wireguard"}),
        ("{br0: {kind: bridge, ports: d}, d: {kind: dummy}}", {"bridge", "dummy"}),
        ("{v: {kind: macvlan, parent: d}, d: {kind: dummy}}", {"macvlan", "dummy"}),
    ],
)
def test_a_file_loads_the_models_of_the_kinds_that_it_names(
    interfaces: str, kinds: set[str]
) -> None:
    file = f"{{name: t, nodes: {{a: {{interfaces: {interfaces}}}}}}}"
    loaded = loaded_by(
        f"from netorch.resolve.loader import load\nassert load({file.encode()!r}, 't.yaml').desired"
    )
    assert {kind for kind in KINDS if f"netorch.topology.interfaces.{kind}" in loaded} == kinds


def loaded_by_validate(file: Path, text: str) -> set[str]:
    file.write_text(text)
    times = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "netorch", "validate", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    return {line.rpartition("|")[2].strip() for line in times.splitlines()}


def test_a_right_file_is_read_without_pydantic(tmp_path: Path) -> None:
    text = "nodes: {a: {interfaces: {x: {kind: dummy}}}, b: }\nlinks: [[a:y, b:y]]\n"
    loaded = loaded_by_validate(tmp_path / "lab.yaml", text)
    assert "netorch.kinds.dummy" in loaded
    assert loaded.isdisjoint({"pydantic", "pydantic_core", "annotated_types", "dataclasses"})


def test_a_command_on_a_wrong_file_reads_no_metadata_of_packages(tmp_path: Path) -> None:
    loaded = loaded_by_validate(tmp_path / "lab.yaml", "nodes: {a: {x: 1}}\n")
    assert "pydantic.plugin" in loaded
    assert "importlib.metadata" not in loaded
    # the name of what takes its place is right
    assert find_spec("pydantic.plugin._loader") is not None
