"""The table of all codes of errors: docs/errors.md is written from it.

Nothing imports it when netorch runs: an error holds the name of its code.
"""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code
from netorch.errors.codes.findings import FINDINGS
from netorch.errors.codes.kernel import KERNEL
from netorch.errors.codes.language import LANGUAGE
from netorch.errors.codes.machine import MACHINE
from netorch.errors.codes.nodes import NODES
from netorch.errors.codes.rules import RULES
from netorch.errors.codes.running import RUNNING
from netorch.errors.codes.text import TEXT
from netorch.errors.codes.topology import TOPOLOGY

AREAS: tuple[Area, ...] = (
    TEXT,
    LANGUAGE,
    RULES,
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
