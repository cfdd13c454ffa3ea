"""The pages of `netorch help WORD`."""

from __future__ import annotations

from pathlib import Path

import pytest

from netorch.cli import main, topics
from netorch.cli.commands import NAMES
from netorch.topology.interfaces import KINDS

DOCS = Path(__file__).parents[3]


def anchors(page: str) -> set[str]:
    """Return the sections of a page, as addresses."""
    lines = (DOCS / page).read_text().splitlines()
    titles = [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    return {title.lower().replace(" ", "-") for title in titles}


def test_each_page_has_the_section() -> None:
    words = [*KINDS, *topics._SECTIONS, *topics._PAGES]
    for word in words:
        page, _, section = topics.page_of(word).partition("#")
        assert (DOCS / page).is_file(), word
        assert not section or section in anchors(page), word


def test_a_command_is_not_a_topic() -> None:
    assert not {*topics._SECTIONS, *topics._PAGES} & {*NAMES}
    assert topics.page_of("nodez") == ""


def test_help_names_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "vxlan"]) == 0
    assert capsys.readouterr().out == "docs/kinds.md#vxlan describes `vxlan`.\n"
