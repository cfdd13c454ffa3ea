"""Sphinx configuration: the pages are Markdown (MyST), and the version is the package's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from netorch import __version__  # of this source tree, whether or not netorch is installed
from netorch.topology import schema as topology_schema

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "netorch"
author = "the netorch authors"
release = version = __version__
extensions = ["myst_parser", "docs.key_search"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_baseurl = topology_schema.SITE
html_title = f"netorch {release}"
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 4
nitpicky = True

CONTENTS = {
    "index": {
        "Start": "is-it-for-me install tutorial/index faq comparison",
        "How-to": "howto/docker howto/virtual-machines howto/keep-it-so howto/migrate "
        "howto/migrate-compose howto/migrate-containerlab howto/migrate-kathara "
        "howto/migrate-live howto/adopt ci pytest "
        "howto/watch howto/dashboards howto/break-it-on-purpose howto/firewall howto/remote "
        "howto/thousand-machines howto/instances editors why-not howto/troubleshooting",
        "Reference": "language kinds cli traffic graph explain json errors "
        "compatibility python man glossary",
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


def publish_schema(app: Sphinx, error: Exception | None) -> None:
    """Write the JSON Schema of the language beside the pages, at the address of its `$id`."""
    if error is None and app.builder.name == "html":
        file = Path(app.outdir, topology_schema.PATH)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(topology_schema.schema(), indent=1, ensure_ascii=False))


def setup(app: Sphinx) -> None:
    app.connect("build-finished", publish_schema)
    app.connect("source-read", add_contents)
