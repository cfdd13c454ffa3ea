"""Test random networks with random damage: `explain` agrees with ping, and `apply` repairs them.

    NETORCH_CAMPAIGN=2000 NETORCH_RANDOM_SEED=7 pytest tests/kernel/test_predictions.py

runs 2,000 rounds. Each seed gives other networks. NETORCH_CAMPAIGN_FIRST is the first round.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter

from tests.kernel import campaign
from tests.kernel.host import Host

SEED = os.environ.get("NETORCH_RANDOM_SEED", "fixed")
FIRST = int(os.environ.get("NETORCH_CAMPAIGN_FIRST", "0"))


def test_explain_says_what_a_ping_finds_and_apply_mends_what_is_broken(host: Host) -> None:
    rounds = campaign.rounds(5, 2000)
    done = host.run(
        *(sys.executable, "-m", "tests.kernel.predictions.agent", SEED, str(FIRST), str(rounds)),
        timeout=120 + 20 * rounds,
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    counts: Counter[str] = Counter()
    for one in reports:
        for key, value in one.items():
            if key.startswith(("clean ", "damaged ")):
                counts[key.partition(" ")[2]] += value
        counts["mended"] += one.get("mended", False)
        counts["unseen"] += one.get("unseen", False)
    pairs = sum(counts[word] for word in ("arrives", "fails", "differs", "uncertain"))
    campaign.add_figure(
        f"predictions, seed {SEED}: {len(reports)} rounds, {pairs} pairs, "
        f"{sum(len(one['wrong']) for one in reports)} contradictions, "
        f"{counts['uncertain'] / pairs:.2%} not certain, {counts['differs']} on some paths only, "
        f"{counts['mended']} rounds whose damage was repaired, "
        f"{counts['unseen']} broken only by what diff does not compare"
    )
    assert len(reports) == rounds
    bad = [one for one in reports if one["wrong"] or one["faults"]]
    assert not bad, json.dumps(bad, indent=1)
