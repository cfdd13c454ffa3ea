"""The rules of CONTRIBUTING.md, "How we write", as far as a program can check them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FORBIDDEN = frozenset(("said", "told", "shown", "found", "kept", "wanted", "beside", "unsaid"))
WIDTH = 100

SOURCES = sorted(
    file
    for folder in ("netorch", "ansible_collections", "tests", "docs")
    for file in (ROOT / folder).rglob("*.py")
    if "_build" not in file.parts
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

IS_NO = re.compile(r"(?<!there )\b(?:is|was) no (?!longer\b|more\b)[a-z]", re.I)
""" "X is no Y", but not "there is no Y" and "it is no longer Y"."""


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each name that a module defines or assigns, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def words(name: str) -> set[str]:
    """Split `snake_case` and `CamelCase` into words."""
    return {*re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().split("_")}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_name_is_a_past_participle(file: Path) -> None:
    bad = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for line, name in names(ast.parse(file.read_text()))
        if words(name) & FORBIDDEN and not name.startswith("test_")
    ]
    assert not bad


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the docstrings, texts and comments of a module, a line each, with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            for offset, text in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, text


@pytest.mark.parametrize(
    "file",
    [file for file in SOURCES if not file.is_relative_to(ROOT / "tests")] + PAGES,
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_nothing_is_no_thing(file: Path) -> None:
    lines = enumerate(file.read_text().splitlines(), 1) if file.suffix == ".md" else texts(file)
    bad = [f"{file.relative_to(ROOT)}:{line}: {text}" for line, text in lines if IS_NO.search(text)]
    assert not bad


def prose(file: Path) -> Iterator[int]:
    """Yield the lines of a module that hold comments or docstrings."""
    source = file.read_text()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        alone = not token.line[: token.start[1]].strip()
        if token.type == tokenize.COMMENT and alone:
            yield token.start[0]
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


@pytest.mark.parametrize(
    "file",
    [file for file in SOURCES if file.is_relative_to(ROOT / "tests")],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_prose_of_tests_is_as_wide_as_code(file: Path) -> None:
    """ruff leaves the tests' lines alone, because they have files and commands as texts."""
    lines = file.read_text().splitlines()
    assert not [
        f"{file.relative_to(ROOT)}:{line}"
        for line in sorted({*prose(file)})
        if len(lines[line - 1]) > WIDTH
    ]
