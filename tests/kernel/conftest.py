"""Tests on the running kernel. Each has a private host, so nothing on this machine changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.kernel import campaign, kindcase
from tests.kernel.host import Host
from tests.kernel.machines import Machines

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("kernel")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and kindcase.REQUIRED:
        report.user_properties.append(("kinds", " ".join(kindcase.REQUIRED)))
        kindcase.REQUIRED.clear()
    if report.when == "call" and campaign.FIGURES:
        report.user_properties.append(("figures", "\n".join(campaign.FIGURES)))
        campaign.FIGURES.clear()
    return report


@pytest.fixture
def root() -> None:
    """Skip the test without root. In CI it fails."""
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("needs root")


@pytest.fixture
def host(root: None, tmp_path: Path) -> Iterator[Host]:
    """A private host for the test. It is removed when the test ends, also after a failure."""
    private = Host(tmp_path)
    try:
        yield private
    finally:
        private.close()


@pytest.fixture
def machines(root: None, tmp_path: Path) -> Iterator[Callable[[int], Machines]]:
    """A function that makes machines. They are removed when the test ends, also after a failure."""
    made: list[Machines] = []

    def make(count: int) -> Machines:
        folder = tmp_path / f"machines{len(made)}"
        folder.mkdir()
        made.append(Machines(folder, count))
        return made[-1]

    try:
        yield make
    finally:
        for several in made:
            several.close()
