"""A wrong value makes nothing up: what follows from it and goes with it is not told."""

from __future__ import annotations

import os
import random

from netorch.errors import FileError, Problem
from netorch.resolve.loader import load
from tests import mutants

COUNT = int(os.environ.get("NETORCH_MUTANTS", "300"))
SEED = int(os.environ.get("NETORCH_MUTANTS_SEED", "0"))


def found(text: str) -> list[Problem]:
    try:
        load(text.encode(), "lab.yaml")
    except FileError as error:
        return list(error.problems)
    return []


def test_a_good_file_with_a_wrong_value_has_nothing_else_wrong_with_it() -> None:
    # what a profile says wrongly is told of the nodes that take it
    seeds = [seed for seed in mutants.seeds() if "profiles" not in seed]
    dice, failures = random.Random(SEED), []
    for _ in range(COUNT):
        text, lines = mutants.with_a_wrong_value(dice.choice(seeds), dice)
        told = found(text)
        assert told, f"the wrong value is not told:\n{text}"
        failures += [
            f"{problem.code}: {problem.text()}\n{text}"
            for problem in told
            if problem.where is None or problem.where.line not in lines
        ]
    assert not failures, "\n".join([f"{len(failures)} made up", *failures[:5]])
