"""What a run says at its end, and the signals of what it starts. The end stands here because the process that reports a run in
several processes loads no deeper conftest.
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

    A script starts its background jobs with SIGINT and SIGQUIT ignored, nohup with SIGHUP. A new
    program inherits that, but not a handler. So a handler that does nothing stands here instead,
    and the tests themselves still ignore the signal. It is a fixture because the process that only
    hands out tests to others has to leave the signals ignored for them.
    """
    ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda number, frame: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


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
