"""Importing the kinds imports every module of them, and so registers all kinds."""

from __future__ import annotations

from pathlib import Path

from netorch import kinds


def test_the_package_imports_each_of_its_modules() -> None:
    files = sorted(file.stem for file in Path(kinds.__path__[0]).glob("[a-z]*.py"))
    assert kinds.__all__ == files
    assert all(hasattr(kinds, name) for name in files)
