"""Sphinx: the pages are Markdown (MyST), the version is the package's."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from netorch import __version__  # this source tree's, installed or not

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
