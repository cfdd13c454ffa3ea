"""A short run of what `python -m tests.fuzz` does at length."""

from __future__ import annotations

import resource

from tests.fuzz import run

MEGABYTES = 500


def test_whatever_a_file_says_it_is_loaded_or_refused() -> None:
    tally = run(1500, seed=20)
    assert tally.tried == 1500
    assert 50 < tally.right < 1450, (
        "neither all right nor all wrong: the inputs are near the language"
    )
    assert not tally.failures, "\n".join(f"{data!r}\n{why}" for data, why in tally.failures[:3])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 < MEGABYTES
