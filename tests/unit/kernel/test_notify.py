"""Notifications to a service manager, and the environment that describes it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from netorch.kernel.services.notify import take_notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_notifications_arrive(tmp_path: Path, abstract: bool) -> None:
    name = f"@netorch-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name[1:]}" if abstract else name)
        manager.settimeout(30)
        environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000", "HOME": "/"}
        notifier = take_notifier(environment)
        assert notifier is not None and notifier.seconds_alive == 3
        assert environment == {"HOME": "/"}
        notifier.ready()
        notifier.alive()
        notifier.status("2 topologies,\nin sync")
        notifier.reloading()
        notifier.stopping()
        texts = [manager.recv(999).decode() for _ in range(5)]
    assert texts[:3] == ["READY=1", "WATCHDOG=1", "STATUS=2 topologies, in sync"]
    assert texts[3].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert texts[4] == "STOPPING=1"
    notifier.ready()  # the manager is gone, which is not an error


@pytest.mark.parametrize(
    "environment",
    [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "vsock:1:2"}],
)
def test_without_a_manager_there_is_no_notifier(environment: dict[str, str]) -> None:
    assert take_notifier(environment) is None


@pytest.mark.parametrize(
    ("period", "pid", "seconds"),
    [
        ("", "", 0.0),
        ("5000000", "", 5.0),
        ("5000000", "this process", 5.0),
        ("5000000", "1", 0.0),  # the watchdog of the parent process
        ("soon", "", 0.0),
    ],
)
def test_the_watchdog_is_for_one_process(period: str, pid: str, seconds: float) -> None:
    pid = str(os.getpid()) if pid == "this process" else pid
    given = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": period, "WATCHDOG_PID": pid}
    notifier = take_notifier(given)
    assert notifier is not None and notifier.seconds_alive == seconds
