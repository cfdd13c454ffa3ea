"""Programs that a few tests need, and that a contributor's machine may lack."""

from __future__ import annotations

import os
import shutil

import pytest


def require_program(program: str, package: str = "") -> None:
    """Skip the test if the program is missing. In CI, which installs all of them, fail."""
    if shutil.which(program):
        return
    text = f"{program} is not installed: install the package {package or program}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
