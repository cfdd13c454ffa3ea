"""The table of all error codes, from which docs/errors.md is generated.

netorch does not import it when it runs, because an error holds only the name of its code.
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
"""All areas, in the order in which netorch processes a file."""


def table() -> dict[str, Code]:
    """Return the codes of all areas by their names."""
    return {code.name: code for area in AREAS for code in area.codes}


__all__ = ["AREAS", "Area", "Code", "table"]
