"""Which commands to libnftables are repeated, and which are not. Without the library."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from netorch.kernel.firewall import libnftables

REFUSED = "Could not process rule: {}, in: table inet t"


def answers(monkeypatch: pytest.MonkeyPatch, *errors: str | None) -> list[str]:
    """Make the library return these errors one after the other, and then always the last one.

    Returns the list of texts that it receives.
    """
    asked: list[str] = []
    given: Iterator[str | None] = iter(errors)
    last = errors[-1]

    def attempt(text: str, dry: bool, flags: int) -> tuple[str | None, str]:
        asked.append(text)
        return next(given, last), "listed"

    monkeypatch.setattr(libnftables, "_try", attempt)
    monkeypatch.setattr(libnftables, "_PAUSE", 0)
    monkeypatch.setattr(libnftables, "installed", lambda: True)
    return asked


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN, errno.EINTR])
def test_a_kernel_that_was_busy_once_has_nftables(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    busy = REFUSED.format(os.strerror(number))
    asked = answers(monkeypatch, busy, busy, None)
    assert libnftables.available() is None
    assert len(asked) == 3
    answers(monkeypatch, busy, None)
    assert libnftables.run("add table inet t") is None
    answers(monkeypatch, busy, None)
    assert libnftables.list_text("t") == "listed"


def test_a_refusal_and_a_kernel_that_stays_busy_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = REFUSED.format(os.strerror(errno.EOPNOTSUPP))
    asked = answers(monkeypatch, refused)
    assert refused in str(libnftables.available())
    assert len(asked) == 1
    busy = REFUSED.format(os.strerror(errno.EBUSY))
    asked = answers(monkeypatch, busy)
    assert libnftables.run("add table inet t") == busy
    assert len(asked) == 20
