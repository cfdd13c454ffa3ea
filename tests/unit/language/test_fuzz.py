"""A short run of the fuzzer `python -m tests.fuzz`."""

from __future__ import annotations

import resource

from tests.fuzz import run

MEGABYTES = 500


def test_any_file_is_loaded_or_refused() -> None:
    # earlier tests of this process may have needed more than this one
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tally = run(1500, seed=20)
    assert tally.tried == 1500
    assert 50 < tally.right < 1450, "a useful mixture has both valid and invalid files"
    assert not tally.failures, "\n".join(f"{data!r}\n{why}" for data, why in tally.failures[:3])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert after < MEGABYTES or after - before < MEGABYTES / 2
