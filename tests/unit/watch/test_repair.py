"""When an object is put right, and when netorch gives up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netorch.watch import repair
from netorch.watch.repair import ATTEMPTS, CALM, QUIET, Histories, attempt, decide


def adversary(seconds: float, answer: float) -> tuple[list[float], list[float]]:
    """Let somebody change an object again `answer` seconds after each attempt.

    Return the times of the attempts, and those at which netorch gave up.
    """
    histories: Histories = {}
    now, changed_at = 0.0, 0.0
    attempts: list[float] = []
    ends: list[float] = []
    while now < seconds:
        changed = {"x"} if changed_at == now else set()
        decision = decide({"x"}, changed, histories, now)
        histories = decision.histories
        ends += [now] * len(decision.given_up)
        if decision.now:
            attempts.append(now)
            histories = attempt(decision.now, histories, now)
            now = changed_at = now + answer
        else:
            assert decision.later is not None and decision.later > now
            now = decision.later
    return attempts, ends


@given(st.floats(0.01, CALM / 2))
def test_an_adversary_ends_in_one_sentence(answer: float) -> None:
    attempts, ends = adversary(86400.0, answer)
    assert len(ends) == 1
    assert sum(at < QUIET for at in attempts) <= ATTEMPTS
    assert len(attempts) < ATTEMPTS + 10


def test_an_object_that_rarely_drifts_is_always_put_right() -> None:
    histories: Histories = {}
    for number in range(100):
        now = number * (CALM + 1)
        decision = decide({"x"}, {"x"}, histories, now)
        assert decision.now == {"x"}
        histories = attempt(decision.now, decision.histories, now)
        histories = decide((), (), histories, now + 1).histories


def test_others_are_put_right_meanwhile() -> None:
    histories: Histories = {}
    for second in range(ATTEMPTS):
        histories = attempt({"x"}, histories, float(second))
    decision = decide({"x", "y"}, {"x", "y"}, histories, float(ATTEMPTS))
    assert decision.now == {"y"}
    assert decision.given_up == {"x"}


@given(st.lists(st.sampled_from("abcdef"), max_size=30))
def test_what_is_over_is_not_remembered(names: list[str]) -> None:
    histories: Histories = {}
    for second, name in enumerate(names):
        decision = decide({name}, {name}, histories, float(second))
        histories = attempt(decision.now, decision.histories, float(second))
    assert decide((), (), histories, len(names) + repair.LONGEST_QUIET).histories == {}


def test_an_object_that_was_given_up_and_stays_right_is_named_once_more() -> None:
    histories: Histories = {}
    for second in range(ATTEMPTS):
        decision = decide({"x"}, {"x"}, histories, float(second * 100))
        histories = attempt({"x"}, decision.histories, float(second * 100))
    decision = decide({"x"}, {"x"}, histories, 500.0)
    assert decision.given_up == {"x"} and not decision.calm
    decision = decide((), (), decision.histories, 501.0)
    assert decision.later == 500.0 + QUIET and not decision.calm
    decision = decide((), (), decision.histories, 500.0 + QUIET)
    assert decision.calm == {"x"} and decision.histories == {}
