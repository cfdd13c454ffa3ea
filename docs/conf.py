"""Sphinx configuration: the pages are Markdown (MyST), and the version is the package's."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from netorch import __version__  # of this source tree, whether or not netorch is installed

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "netorch"
author = "the netorch authors"
release = version = __version__
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
man_pages = [("man", "netorch", "network topologies: one YAML file in, kernel state out", [], 1)]
man_show_urls = False
html_theme = "furo"
html_title = f"netorch {release}"
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 4
nitpicky = True

CONTENTS = {
    "index": {
        "Tutorial": "tutorial/index",
        "How-to": "howto/docker howto/migrate ci pytest howto/watch howto/dashboards "
        "howto/break-it-on-purpose howto/keep-it-so howto/remote "
        "howto/thousand-machines howto/instances editors why-not howto/troubleshooting",
        "Reference": "language kinds cli traffic graph explain json errors python man glossary",
        "Background": "reliability performance security architecture",
    },
    "tutorial/index": {
        "": "01-by-hand 02-one-file 03-routers 04-bridge 05-nat 06-published-ports 07-isolation "
        "08-macvlan 09-ipvlan 10-overlay"
    },
}
"""The pages in the order of the sidebar: page → caption → the pages below it."""


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the table of contents to a page.

    It is not in the page itself, because a forge would show it there as a code block.
    """
    for caption, names in CONTENTS.get(page, {}).items():
        pages = "\n".join(names.split())
        title = f":caption: {caption}\n" if caption else ""
        source[0] += f"\n```{{toctree}}\n:hidden:\n{title}\n{pages}\n```\n"


ITEM = re.compile(r"^- ((?:`[^`\n]+`(?:, )?)+): (.+\n(?:  .+\n)*)", re.MULTILINE)
"""An item of a bullet list that explains a term: "- `TERM`, `TERM`: text"."""


def define_terms(app: Sphinx, page: str, source: list[str]) -> None:
    """Turn lists of options and files into definition lists, which manual pages have for them.

    The page itself has bullet lists, because a forge shows definition lists as paragraphs.
    """
    if page == "man":
        source[0] = ITEM.sub(r"\1\n: \2\n", source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_contents)
    app.connect("source-read", define_terms)
