"""Tells the service manager that started netorch about a watch."""

from __future__ import annotations

import os

from netorch.kernel.services.notify import Notifier, take_notifier
from netorch.watch.observer import Hooks


class ServiceHooks(Hooks):
    """Hooks of a watch that is a service of systemd."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._status = ""
        self.seconds_alive = notifier.seconds_alive

    def ready(self) -> None:
        self._notifier.ready()

    def alive(self) -> None:
        self._notifier.alive()

    def status(self, text: str) -> None:
        """Send the status if it has changed."""
        if text != self._status:
            self._status = text
            self._notifier.status(text)

    def stopping(self) -> None:
        self._notifier.stopping()


def hooks() -> Hooks | None:
    """Return the hooks if a service manager waits for notifications, else None."""
    notifier = take_notifier(os.environ)
    return ServiceHooks(notifier) if notifier is not None else None
