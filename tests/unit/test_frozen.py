"""What `@frozen` makes of a class: the same as `@dataclass(frozen=True, slots=True)`, but for who keeps fields from being set."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from inspect import signature
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.values.frozen import Remembering, frozen, mutable


@frozen
class Plain:
    """One field is no part of what it is, another is not shown."""

    KIND: ClassVar[str] = "plain"
    name: str
    sizes: tuple[int, ...] = ()
    note: str = field(default="", compare=False)
    key: bytes = field(default=b"", repr=False)
    rest: dict[str, int] = field(default_factory=dict, compare=False, repr=False)


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
    rest: dict[str, int] = field(default_factory=dict, compare=False, repr=False)


WORDS = st.tuples(
    st.sampled_from("ab"),
    st.lists(st.integers(0, 2), max_size=2).map(tuple),
    st.sampled_from("xy"),
    st.binary(max_size=1),
)


@given(WORDS, WORDS)
def test_equality_and_hash_are_those_of_the_standard_library(
    one: tuple[object, ...], other: tuple[object, ...]
) -> None:
    mine, theirs = (Plain(*one), Plain(*other)), (Standard(*one), Standard(*other))  # type: ignore[arg-type]
    assert (mine[0] == mine[1]) is (theirs[0] == theirs[1])
    assert (hash(mine[0]) == hash(mine[1])) is (hash(theirs[0]) == hash(theirs[1]))
    assert repr(mine[0]) == repr(theirs[0]).replace("Standard", "Plain")
    assert [entry.name for entry in fields(mine[0])] == [entry.name for entry in fields(theirs[0])]


MAKINGS: list[Callable[[type[Plain] | type[Standard]], Plain | Standard]] = [
    lambda kind: kind("a"),
    lambda kind: kind("a", (1,), "note", b"key", {"a": 1}),
    lambda kind: kind(name="a", rest={}, sizes=(2,)),
    lambda kind: kind(),  # type: ignore[call-arg]
    lambda kind: kind("a", name="b"),  # type: ignore[misc]
    lambda kind: kind("a", other=1),  # type: ignore[call-arg]
    lambda kind: kind("a", (), "", b"", {}, 6),  # type: ignore[call-arg]
]


@pytest.mark.parametrize("make", MAKINGS)
def test_they_are_made_as_those_of_the_standard_library(
    make: Callable[[type[Plain] | type[Standard]], Plain | Standard],
) -> None:
    assert _made(make, Plain) == _made(make, Standard)


def _made(
    make: Callable[[type[Plain] | type[Standard]], Plain | Standard],
    kind: type[Plain] | type[Standard],
) -> object:
    try:
        value = make(kind)
    except TypeError as error:
        return str(error).replace("Standard", "Plain")
    return [getattr(value, entry.name) for entry in fields(value)]


def test_a_default_that_is_made_is_nobody_elses() -> None:
    assert Plain("a").rest is not Plain("a").rest


def test_the_parameters_are_the_fields() -> None:
    class Fresh:
        name: str
        sizes: tuple[int, ...] = ()

    assert str(signature(frozen(Fresh))) == str(
        signature(dataclass(frozen=True, slots=True)(Fresh))
    )
    assert [*signature(More).parameters] == [*signature(Plain).parameters, "extra"]


def test_a_subclass_that_is_made_first_leaves_its_base_alone() -> None:
    @frozen
    class Base:
        name: str

    @frozen
    class Derived(Base):
        size: int = 0

    class Own(Base):
        pass

    assert (Derived("a", 1).size, Own("b").name, Base("c").name) == (1, "b", "c")
    with pytest.raises(
        TypeError, match=r"Base.__init__\(\) takes 2 positional arguments but 3 were given"
    ):
        Base("c", 1)  # type: ignore[call-arg]


def test_a_subclass_is_something_else() -> None:
    assert Plain("a") != More("a")
    assert More("a", extra=1) != More("a")
    assert replace(More("a", (1,)), extra=2) == More("a", (1,), extra=2)
    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing()}) == 1


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_copies_are_equal(again: object) -> None:
    value = More("a", (1, 2), "note", b"key", {}, 3)
    assert again(value) == value  # type: ignore[operator]
    assert again(value).note == "note"  # type: ignore[operator]


def test_there_is_room_for_the_fields_alone() -> None:
    with pytest.raises(AttributeError):
        Plain("a").other = 1  # type: ignore[attr-defined]
    match More("a", (1,)):
        case Plain(name, sizes):
            assert (name, sizes) == ("a", (1,))


def test_what_changes_is_equal_by_what_it_holds_now_and_has_no_hash() -> None:
    @mutable
    class Growing:
        name: str
        parts: list[str] = field(default_factory=list)

    one, other = Growing("a"), Growing("a")
    assert one == other
    one.parts.append("b")
    assert one != other
    assert repr(one).endswith("Growing(name='a', parts=['b'])")
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]


def test_what_was_worked_out_is_remembered_and_no_part_of_the_value() -> None:
    worked: list[str] = []

    @frozen
    class Heavy(Remembering):
        name: str

        @cached_property
        def doubled(self) -> str:
            worked.append(self.name)
            return self.name * 2

    value = Heavy("a")
    assert (value.doubled, value.doubled, worked) == ("aa", "aa", ["a"])
    assert value == Heavy("a")
    assert hash(value) == hash(Heavy("a"))
    assert replace(value, name="b").doubled == "bb"
