"""What `@frozen` makes of a class: the same as `@dataclass(frozen=True, slots=True)`, but for who keeps fields from being set."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.frozen import frozen


@frozen
class Plain:
    """One field is no part of what it is, another is not shown."""

    KIND: ClassVar[str] = "plain"
    name: str
    sizes: tuple[int, ...] = ()
    note: str = field(default="", compare=False)
    key: bytes = field(default=b"", repr=False)


@frozen
class More(Plain):
    extra: int = 0


@frozen
class Nothing:
    pass


@dataclass(frozen=True, slots=True)
class Standard:
    name: str
    sizes: tuple[int, ...] = ()
    note: str = field(default="", compare=False)
    key: bytes = field(default=b"", repr=False)


WORDS = st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 2), max_size=2).map(tuple), st.sampled_from("xy"), st.binary(max_size=1))


@given(WORDS, WORDS)
def test_equality_and_hash_are_those_of_the_standard_library(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    mine, theirs = (Plain(*one), Plain(*other)), (Standard(*one), Standard(*other))  # type: ignore[arg-type]
    assert (mine[0] == mine[1]) is (theirs[0] == theirs[1])
    assert (hash(mine[0]) == hash(mine[1])) is (hash(theirs[0]) == hash(theirs[1]))
    assert repr(mine[0]) == repr(theirs[0]).replace("Standard", "Plain")
    assert [entry.name for entry in fields(mine[0])] == [entry.name for entry in fields(theirs[0])]


def test_a_subclass_is_something_else() -> None:
    assert Plain("a") != More("a")
    assert More("a", extra=1) != More("a")
    assert replace(More("a", (1,)), extra=2) == More("a", (1,), extra=2)
    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing()}) == 1


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_equal(again: object) -> None:
    value = More("a", (1, 2), "note", b"key", 3)
    assert again(value) == value  # type: ignore[operator]
    assert again(value).note == "note"  # type: ignore[operator]


def test_there_is_room_for_the_fields_alone() -> None:
    with pytest.raises(AttributeError):
        Plain("a").other = 1  # type: ignore[attr-defined]
    match More("a", (1,)):
        case Plain(name, sizes):
            assert (name, sizes) == ("a", (1,))
