"""The problems of a file, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from netorch.errors import Position, Problem

if TYPE_CHECKING:
    from netorch.language.yaml_tree import Map
    from netorch.resolve.desired import Complaint

TreePath = tuple[str | int, ...]
"""The keys and positions that lead to a part of a file."""


def problems_of(
    tree: Map, complaints: Iterable[tuple[Complaint, TreePath]], *, only_sure: bool = False
) -> list[Problem]:
    """Return complaints with their places as problems.

    With `only_sure`, these are the ones that are true whatever the rest of the file contains.
    """
    complaints = [*complaints]
    if not complaints:
        return []
    from netorch.resolve.partial import is_sure
    from netorch.resolve.wrong_parts import problem_of_complaint

    return [
        problem_of_complaint(tree, entry, path)
        for entry, path in complaints
        if not only_sure or is_sure(entry)
    ]


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Sort problems by place. Drop repetitions, which ranges and profiles cause."""
    first: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        first.setdefault((problem.what, problem.where, problem.remedy), problem)
    return sorted(first.values(), key=lambda problem: problem.where or Position(0, 0))
