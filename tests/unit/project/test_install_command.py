"""The command that installs an extra works where the user is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import netorch.version
from netorch.version import install_command

BUILD = Path(__file__).resolve().parents[3] / "packaging/deb/build"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks as a clone of netorch, with the running module in it."""
    (tmp_path / "netorch").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(netorch.version, "__file__", str(tmp_path / "netorch" / "version.py"))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    return tmp_path


def test_in_a_clone_and_elsewhere(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    assert install_command("graph") == "pip install '.[graph]'"
    monkeypatch.chdir("/")
    assert install_command("graph") == f"pip install '{clone}[graph]'"
    (clone / "pyproject.toml").unlink()
    assert install_command("graph") == "pip install 'netorch[graph]'"


def test_in_a_virtual_environment(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(clone / ".venv"))
    monkeypatch.chdir(clone)
    assert install_command("graph") == ".venv/bin/pip install '.[graph]'"
    monkeypatch.chdir("/usr")
    assert install_command("graph") == f"{clone}/.venv/bin/pip install '{clone}[graph]'"


def test_in_the_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", netorch.version.DEBIAN_PREFIX)
    assert install_command("graph") == "apt install netorch-graph"
    assert f"lib={netorch.version.DEBIAN_PREFIX[1:]}\n" in BUILD.read_text()
