"""Tests of the records of ownership, and of the choice of a free protocol number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.values.marks import PROTOCOLS, Mark
from netorch.values.ownership import Ownership, free_number
from netorch.values.typed_json import decode, encode

NAMES = st.text("abc0-", min_size=1, max_size=4)
OBJECTS = st.lists(st.tuples(st.sampled_from(["route", "rule"]), NAMES), max_size=4).map(
    lambda objects: tuple(sorted(set(objects)))
)
IDENTITIES = st.tuples(st.integers(1, 3), st.integers(0, 2))
RECORDS = st.builds(
    lambda number, names, objects: Ownership(
        number,
        tuple(sorted(set(names))),
        {f"{inode} {cookie}": names for (inode, cookie), names in objects.items()},
    ),
    st.sampled_from((0, *PROTOCOLS)),
    st.lists(NAMES, max_size=3),
    st.dictionaries(IDENTITIES, OBJECTS, max_size=3),
)


@given(RECORDS)
def test_a_record_comes_back_from_its_file(record: Ownership) -> None:
    assert decode(encode(record), Ownership) == record


@given(RECORDS, RECORDS, IDENTITIES)
def test_two_records_together_have_what_either_has(
    one: Ownership, other: Ownership, identity: tuple[int, int]
) -> None:
    both = one.also(other)
    assert both.of(identity) == one.of(identity) | other.of(identity)
    assert set(both.namespaces) == {*one.namespaces, *other.namespaces}
    assert both.number == one.number
    assert one.also(None) == one and one.also(one).of(identity) == one.of(identity)


def test_a_namespace_with_the_inode_of_one_that_is_gone_is_another() -> None:
    record = Ownership(objects={"7 1": (("route", "10.0.0.0/8"),)})
    assert record.of((7, 1)) == {("route", "10.0.0.0/8")}
    assert record.of((7, 2)) == record.of((8, 1)) == frozenset()


@pytest.mark.parametrize(
    ("taken", "number"),
    [
        ((), 148),
        ((147,), 148),
        ((148,), 149),
        ((148, 149, 151), 150),
        (range(148, 180), 100),
        (range(100, 180), 148),
    ],
)
def test_a_free_number(taken: tuple[int, ...], number: int) -> None:
    assert Mark("p0").protocol == 148
    assert free_number(148, PROTOCOLS, taken) == number
