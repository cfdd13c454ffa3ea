"""CONTRIBUTING.md: its make targets exist, and its example commits open the files that it lists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
NUMBERS = {"one": 1, "two": 2, "three": 3}


class Recipe(NamedTuple):
    name: str
    commit: str
    subject: str
    files: int
    product_files: int
    """The number of files in `netorch/`; 0 if the page does not give it."""
    listed: list[str]


def recipes() -> list[Recipe]:
    pattern = re.compile(
        r"<!-- recipe: (\w+) (\w+) -->\n\nCommit `(\w+)`, \*(.+?)\*,\s+opens (\d+) files"
        r"(?:, (\w+) of them in `netorch/`)?:\n\n```text\n(.*?)```",
        re.S,
    )
    result = []
    for name, commit, quoted, subject, files, product, listed in pattern.findall(PAGE):
        assert commit == quoted
        words = " ".join(subject.split())
        result.append(
            Recipe(name, commit, words, int(files), NUMBERS.get(product, 0), listed.split())
        )
    return result


def test_there_is_a_recipe_for_each_of_the_usual_changes() -> None:
    assert [recipe.name for recipe in recipes()] == ["key", "kind", "option", "error"]
    assert PAGE.count("<!-- recipe: ") == len(recipes())


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_the_example_commit_opens_the_files_that_the_page_lists(recipe: Recipe) -> None:
    assert len(recipe.listed) == recipe.files
    in_product = [file for file in recipe.listed if file.startswith("netorch/")]
    assert recipe.product_files in (0, len(in_product))
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "show", "--name-only"]
    done = subprocess.run(
        [*git, "--format=%s", recipe.commit], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"this source tree has no history with commit {recipe.commit}")
    subject, _, *files = done.stdout.splitlines()
    assert (subject, sorted(files)) == (recipe.subject, recipe.listed)


def test_the_page_uses_targets_of_make_that_exist() -> None:
    explained = set(re.findall(r"^(\w+):.*## ", MAKEFILE, re.M))
    assert {"unit", "lint", "kernel", "docs", "all"} <= explained
    assert set(re.findall(r"`make (\w+)", PAGE)) <= explained


def test_ci_runs_what_the_page_says() -> None:
    assert "exec bash tests/run" in (ROOT / ".ci/run").read_text()
    steps = (ROOT / "tests/run").read_text()
    assert "make -k lint" in steps and "make docs" in steps
    forge = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    commands = [step.get("run", "") for job in forge["jobs"].values() for step in job["steps"]]
    for command in ("make unit", "make lint", "make docs", "bash .ci/run"):
        assert command in commands


@pytest.mark.parametrize(
    "file", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda file: file.name
)
def test_files_of_the_forge_are_yaml(file: Path) -> None:
    assert isinstance(yaml.safe_load(file.read_text()), dict)


def test_the_hooks_run_tools_that_make_setup_installs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    tools = {hook["entry"].split()[0] for hook in hooks}
    project = (ROOT / "pyproject.toml").read_text()
    for tool in tools - {".venv/bin/python"}:
        package = {"lint-imports": "import-linter"}.get(Path(tool).name, Path(tool).name)
        assert f'"{package}>=' in project, tool
