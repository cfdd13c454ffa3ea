"""Test mutants: good files with mistakes in them.

netorch applies a mutant, or refuses it before anything changes. To try more mutants than CI does,
and others for each seed, run:

    NETORCH_MUTANTS=5000 NETORCH_MUTANTS_SEED=7 pytest tests/kernel/test_mutants.py
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from netorch.errors import FileError
from netorch.resolve.loader import load
from tests import mutants
from tests.kernel.host import Host, diff_snapshots
from tests.kernel.test_random import FILTERED, Agent, look

COUNT = int(os.environ.get("NETORCH_MUTANTS", "150"))
SEED = int(os.environ.get("NETORCH_MUTANTS_SEED", "0"))
REPORTED = 40
"""The most kinds of failures that a run reports, each with its first file."""
VARIES = re.compile(r"[\w.]*\d[\w.:/]*|'[^']*'|[\w.-]+[:/][\w.-]+")
"""Parts that differ between failures of one kind: numbers, addresses, names."""

HALF_WAY = {"rolled-back", "not-rolled-back", "does-not-stay", "internal-error"}
"""Codes of errors with which an apply ends after it has begun to change the kernel."""


def test_a_wrong_file_works_or_is_refused_before_anything_changes(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice, seeds = random.Random(SEED), mutants.seeds()
    counts: Counter[str] = Counter()
    failures: dict[str, list[str]] = {}
    started = time.monotonic()
    host.run("sh", "-ec", "ip link add eth0 type veth peer name far0; ip link set eth0 up")
    with Agent(host) as agent:
        # the kernel loads modules now, and keeps them
        host.write("mutant.yaml", FILTERED)
        assert agent.netorch("apply", "mutant.yaml")["status"] == 0
        assert agent.netorch("destroy", "random")["status"] == 0
        pristine = look(host)
        for number in range(COUNT):
            text = mutants.mutate(dice.choice(seeds), dice)
            outcome, why = _outcome(host, agent, text)
            if outcome != "refused as a file":
                left = diff_snapshots(pristine, look(host), ())
                why += "".join(f"\n  left: {line}" for line in left)
                pristine = look(host) if left else pristine
            counts[outcome] += 1
            if why:
                kind = f"{outcome}: {VARIES.sub('…', why)}"
                failures.setdefault(kind, []).append(f"{number}: {why}\n{text}")
    taken = time.monotonic() - started
    with capsys.disabled():
        figures = ", ".join(f"{times} {outcome}" for outcome, times in sorted(counts.items()))
        print(f"\nmutants: {counts.total()} of {len(seeds)} files in {taken:.1f} s: {figures}")
    reported = sorted(failures.items(), key=lambda entry: -len(entry[1]))[:REPORTED]
    assert not failures, "\n\n".join(f"{len(texts)} x {texts[0]}" for _, texts in reported)


def _outcome(host: Host, agent: Agent, text: str) -> tuple[str, str]:
    """Return what became of a mutant, and what is wrong with that, or an empty text."""
    try:
        load(text.encode(), "mutant.yaml")
    except FileError:
        return "refused as a file", ""
    except Exception as error:
        return "a traceback", repr(error)
    host.write("mutant.yaml", text)
    applied = agent.netorch("apply", "mutant.yaml")
    problems = [f"{one['code']}: {one['what']}" for one in applied.get("problems", ())]
    if applied["status"] != 0:
        if not problems or any(one.partition(":")[0] in HALF_WAY for one in problems):
            return "failed half-way", "; ".join(problems) or str(applied)
        return "refused by a look at the kernel", ""
    compared = agent.netorch("diff", "mutant.yaml")
    again = "" if compared["status"] == 0 else f"diff after apply: {compared.get('changes')}"
    destroyed = agent.netorch("destroy", mutants.NAME)
    if destroyed["status"] != 0:
        again += f" destroy: {destroyed}"
    return "not in sync" if again else "applied", again
