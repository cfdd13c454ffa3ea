"""The table of all codes of errors: docs/errors.md is written from it.

Nothing imports it when netorch runs: an error holds the name of its code. A module of rules that
has codes of its own adds its area to `AREAS`.
"""

from __future__ import annotations

from netorch.codes.code import Area, Code
from netorch.codes.findings import FINDINGS
from netorch.codes.kernel import KERNEL
from netorch.codes.language import LANGUAGE
from netorch.codes.machine import MACHINE
from netorch.codes.nodes import NODES
from netorch.codes.running import RUNNING
from netorch.codes.text import TEXT
from netorch.codes.topology import TOPOLOGY

AREAS: tuple[Area, ...] = (
    TEXT,
    LANGUAGE,
    TOPOLOGY,
    MACHINE,
    KERNEL,
    RUNNING,
    NODES,
    FINDINGS,
)
"""In the order in which a file meets them."""


def table() -> dict[str, Code]:
    """Name → code, of all areas."""
    return {code.name: code for area in AREAS for code in area.codes}


__all__ = ["AREAS", "Area", "Code", "table"]
