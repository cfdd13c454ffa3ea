"""Signals that the program which starts the tests ignores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ENDING

IGNORING = "trap '' INT HUP QUIT TERM; exec \"$@\""


def ignored() -> list[str]:
    """Return the signals that a child of this process ignores."""
    command = ["grep", "SigIgn", "/proc/self/status"]
    mask = int(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1], 16
    )
    return [number.name for number in ENDING if mask >> number - 1 & 1]


def test_a_process_that_tests_start_ignores_no_signal() -> None:
    assert ignored() == []


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.slow
def test_nor_if_the_tests_themselves_ignore_signals(workers: str) -> None:
    test = f"{Path(__file__)}::{test_a_process_that_tests_start_ignores_no_signal.__name__}"
    options = ["-q", "-p", "no:cacheprovider", "-n", workers]
    command = ["sh", "-c", IGNORING, "sh", sys.executable, "-m", "pytest", *options, test]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
