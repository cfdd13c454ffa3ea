"""Summaries at the end of a test run, and signal handling for processes that tests start.

The summary hook is defined here because the process that reports a run in several processes
(pytest-xdist) loads no conftest.py of a subfolder.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.kinds import line

ENDING = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)


@pytest.fixture(scope="session", autouse=True)
def _ignored_signals_are_not_inherited() -> Iterator[None]:
    """Give the processes that tests start the default action of signals that this one ignores.

    A script starts its background jobs with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP.
    A new program inherits an ignored signal, but not a handler. So this fixture installs a handler
    that does nothing: the tests themselves still ignore the signal. It is a fixture because the
    process that only distributes tests to workers must leave the signals ignored for them.
    """
    ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda number, frame: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which kinds of links this run tested on this kernel, and the figures of campaigns."""
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
