"""A wrong value causes no other errors: consequences of it are not reported."""

from __future__ import annotations

import os
import random

from netorch.errors import FileError, Problem
from netorch.resolve.loader import load
from tests import mutants

COUNT = int(os.environ.get("NETORCH_MUTANTS", "300"))
SEED = int(os.environ.get("NETORCH_MUTANTS_SEED", "0"))


def problems_of(text: str) -> list[Problem]:
    """Return the errors of a file."""
    try:
        load(text.encode(), "lab.yaml")
    except FileError as error:
        return list(error.problems)
    return []


def test_a_good_file_with_a_wrong_value_has_nothing_else_wrong_with_it() -> None:
    # An error in a profile is reported at the nodes that take it, so its line differs.
    seeds = [seed for seed in mutants.seeds() if "profiles" not in seed]
    dice, failures = random.Random(SEED), []
    for _ in range(COUNT):
        text, lines = mutants.with_a_wrong_value(dice.choice(seeds), dice)
        problems = problems_of(text)
        assert problems, f"the wrong value is not reported:\n{text}"
        failures += [
            f"{problem.code}: {problem.text()}\n{text}"
            for problem in problems
            if problem.where is None or problem.where.line not in lines
        ]
    assert not failures, "\n".join([f"{len(failures)} consequences are reported", *failures[:5]])
