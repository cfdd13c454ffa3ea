"""What a run says at its end. It stands here, since of a run in several processes the one that reports loads no deeper conftest."""

from __future__ import annotations

import os

import pytest

from tests.kinds import line


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which kinds of links were put to the test on this kernel, and the figures of campaigns."""
    ran: dict[str, bool] = {}
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, value in report.user_properties:
                for kind in value.split() if name == "kinds" else ():
                    ran[kind] = ran.get(kind, False) or outcome == "passed"
    figures = [
        value
        for report in terminalreporter.stats.get("passed", ())
        for name, value in report.user_properties
        if name == "figures"
    ]
    for figure in figures:
        terminalreporter.write_line(f"campaign: {figure}")
    if ran:
        terminalreporter.write_line(line(os.uname().release, ran))
