"""Reads topology files of containerlab.

`source.py` reads the file, `settings.py` has what a node inherits, `nodes.py`, `links.py` and
`management.py` turn its parts into those of a draft.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netorch.importers.containerlab.lab import Lab
from netorch.importers.containerlab.links import add_links
from netorch.importers.containerlab.management import add_management
from netorch.importers.containerlab.nodes import add_nodes, read_exec
from netorch.importers.containerlab.source import read_source
from netorch.importers.draft import Draft

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles


def read(files: SourceFiles, name: str | None) -> Draft:
    """Return the topology of a lab. Raise NetorchError if the file cannot be read."""
    lab = Lab(read_source(files), name)
    for line in lab.source.more:
        lab.lose((), "a further document", "containerlab reads only the first one", line)
    lab.lose_other_keys()
    add_nodes(lab)
    add_management(lab)
    add_links(lab)
    read_exec(lab, files)
    lab.finish()
    return lab.draft
