"""The commands in the documentation print what the pages show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.kindcase import require
from tests.kernel.replay import replay, stage
from tests.pages import PAGES, ROOT, Command, machines, needs, programs, same, steps
from tests.programs import require_program

TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
PACKAGES = {"bird": "bird2", "birdc": "bird2"}
"""Program → the Debian package that has it, where the names differ."""
REPLAYED = [
    page for page, text in TEXTS.items() if any(isinstance(step, Command) for step in steps(text))
]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=str(page.relative_to(ROOT)),
            marks=[pytest.mark.uml] if needs(TEXTS[page]) else [],
        )
        for page in REPLAYED
    ],
)
def test_the_commands_of_a_page_print_what_it_shows(root: None, tmp_path: Path, page: Path) -> None:
    if machines(TEXTS[page]):
        pytest.importorskip("ansible")
        require_program("sshd", "openssh-server")
    for program in programs(TEXTS[page]):
        require_program(program, PACKAGES.get(program, ""))
    with stage(TEXTS[page], tmp_path) as host:
        require(host, *needs(TEXTS[page]))
        wrong = [
            f"{page.relative_to(ROOT)}:{command.start}: # {command.text}\n{printed}"
            for command, printed in replay(TEXTS[page], host)
            if not same(command.output, printed)
        ]
    assert wrong == [], "\n".join(
        ["the pages differ; `python -m tests.pages` writes these outputs into them:", *wrong]
    )
