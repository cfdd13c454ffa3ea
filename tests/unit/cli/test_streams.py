"""What a terminal gets that cannot show all characters."""

from __future__ import annotations

import pytest

from netorch.cli import streams


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "de_DE.UTF-8"}, False),
        ({"LC_ALL": "", "LC_CTYPE": "C.utf8", "LANG": "C"}, False),
        ({}, False),
    ],
)
def test_which_terminals(environment: dict[str, str], expected: bool) -> None:
    assert streams.is_without_unicode(environment) is expected


def test_what_they_get(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(streams, "_ascii", {"out": True, "err": True})
    streams.put("mtu 1500 → 9000 … and 3 more")
    streams.tell("└─ h1 – 日本")
    assert capsys.readouterr() == ("mtu 1500 -> 9000 ... and 3 more\n", "`- h1 - 日本\n")
