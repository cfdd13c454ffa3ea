"""Notifications of a service to its manager, as sd_notify(3) describes them."""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping

from netorch.kernel.system.sockets import socket

_SOCKET, _PERIOD, _PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Notifier:
    """Sends notifications to a service manager. An error in doing so is ignored."""

    def __init__(self, path: str, seconds_alive: float = 0.0) -> None:
        """Open the socket. `path` is that of the manager; `@` begins an abstract one (unix(7))."""
        self.seconds_alive = seconds_alive
        """`alive` has to be called more often than once in so many seconds; 0 if it need not be."""
        self._path = f"\0{path[1:]}" if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def ready(self) -> None:
        """The service has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """The service still works."""
        if self.seconds_alive:
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Describe the service in one line, which `systemctl status` prints."""
        self._send(f"STATUS={' '.join(text.split())}")

    def reloading(self) -> None:
        """The service reads its configuration again. Call `ready` when that is done."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        try:
            self._socket.sendto(text.encode("utf-8", "replace"), self._path)
        except OSError:
            # a manager that is gone must not end the service
            return


def take_notifier(environment: MutableMapping[str, str]) -> Notifier | None:
    """Return the notifier that the environment describes, or None if there is no manager.

    The variables are removed, so that a program that the service starts does not speak for it.
    """
    path = environment.pop(_SOCKET, "")
    period, pid = environment.pop(_PERIOD, ""), environment.pop(_PID, "")
    if not path.startswith(("/", "@")):
        return None
    watched = period.isdecimal() and pid in ("", str(os.getpid()))
    return Notifier(path, int(period) / 1_000_000 if watched else 0.0)
