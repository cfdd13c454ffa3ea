"""A packet filter that is read as a `filter` does the same as before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from netorch.errors import FileError
from netorch.firewall import iptables
from netorch.firewall.chains import ListedChain
from netorch.firewall.evaluation import Filters, Packet, run
from netorch.firewall.ruleset_chains import chains_of
from netorch.importers.live.filter_rules import FilterWords
from netorch.importers.live.released import given_up
from tests.unit.resolve.test_node_filters import filters, packets, ruleset


def assert_same(
    there: Sequence[ListedChain], words: dict[str, Any], tried: list[tuple[str, Packet]]
) -> None:
    """Assert that chains and the words that are read from them drop the same packets."""
    again = chains_of("lab", ruleset(words)) if words else ()
    for way, packet in tried:
        before = run(Filters(there), way, packet, first=True)
        after = run(Filters(again), way, packet, first=True)
        assert bool(before.dropped) == bool(after.dropped), (way, packet, words)


@settings(max_examples=60, deadline=None)
@given(filters(), st.lists(packets(), min_size=1, max_size=12), st.booleans())
def test_what_is_read_does_the_same(
    words: dict[str, Any], tried: list[tuple[str, Packet]], legacy: bool
) -> None:
    try:
        rules = ruleset(words)
    except FileError:
        return
    there = (
        iptables.own_chains(iptables.text_of_rules("lab", rules).replace("-j RETURN", "-j ACCEPT"))
        if legacy
        else chains_of("lab", rules)
    )
    assert_same(there, FilterWords(there).words, tried)


@settings(max_examples=60, deadline=None)
@given(filters(), st.lists(packets(), min_size=1, max_size=12), st.booleans())
def test_a_filter_that_is_given_up_is_read_as_what_it_was_made_from(
    words: dict[str, Any], tried: list[tuple[str, Packet]], legacy: bool
) -> None:
    try:
        rules = ruleset(words)
    except FileError:
        return
    there = (
        iptables.own_chains(iptables.text_of_rules("lab", rules))
        if legacy
        else chains_of("lab", rules)
    )
    released = given_up(there, "iptables" if legacy else "nftables", {"lab"})
    read = FilterWords(released.chains, released.policies).words
    assert_same(there, read, tried)
    policies = {way: one for way, one in words.get("policy", {}).items() if one != "accept"}
    assert read.get("policy", {}) == policies


def test_a_protocol_without_a_name_keeps_its_number() -> None:
    words = {"input": [{"proto": 89, "action": "accept"}, {"action": "drop"}]}
    entries = FilterWords(chains_of("lab", ruleset(words))).words["input"]
    assert entries[0] == {"proto": 89, "action": "accept"}
    assert entries[-1]["action"] == "drop"
