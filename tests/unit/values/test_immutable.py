"""Tests that values cannot change, and that resources compare by all fields but their hints."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from functools import cached_property

import pytest

import netorch.kinds
from netorch.immutable import NODEFAULT, Value, defaults, replace
from netorch.kinds.bridge import Bridge
from netorch.kinds.dummy import Dummy
from netorch.kinds.filter import PacketFilter
from netorch.kinds.up import Up
from netorch.kinds.veth import Veth
from netorch.state.resource import Resource
from netorch.values.filter_rules import Not
from netorch.values.requests import Hop, NetnsDel

netorch.kinds.observed_anywhere()


def subclasses(cls: type) -> Iterator[type]:
    """Yield all direct and indirect subclasses."""
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def name_of(cls: type) -> str:
    """Return the name of a class as the ID of a test."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("netorch.")


RESOURCES = [cls for cls in subclasses(Resource) if cls.__module__.startswith("netorch.")]
VALUES = [cls for cls in subclasses(Value) if cls.__module__.startswith("netorch.")]


class Pair(Value):
    name: str
    size: int = 0


class Heavy(Value, dict=True):
    name: str

    @cached_property
    def letters(self) -> list[str]:
        return list(self.name)


def filled(cls: type[Value]) -> Value:
    """Return an instance in which each field has its own name as value."""
    return cls(**{name: name for name in cls.__struct_fields__})


@pytest.mark.parametrize("cls", VALUES, ids=name_of)
def test_no_field_can_be_set(cls: type[Value]) -> None:
    value = filled(cls)
    for name in cls.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(value, name, "other")
        with pytest.raises(AttributeError):
            delattr(value, name)
    with pytest.raises(AttributeError):
        value.further = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("cls", RESOURCES, ids=name_of)
def test_a_resource_compares_by_all_fields_but_its_hints(cls: type[Resource]) -> None:
    hints = {name for base in cls.__mro__ for name in vars(base).get("HINTS", ())}
    assert hints <= {*cls.__struct_fields__}
    one = filled(cls)
    assert one == filled(cls)
    assert (one != filled(cls)) is False
    assert hash(one) == hash(filled(cls))
    for name in cls.__struct_fields__:
        other, same = replace(one, **{name: "another value"}), name in hints
        assert (one == other) is same, name
        assert (one != other) is not same, name
        assert (hash(one) == hash(other)) is same, name


def test_the_hints_of_a_class_are_its_own_and_those_of_its_bases() -> None:
    veth, bridge = filled(Veth), filled(Bridge)
    assert veth == replace(veth, own_mac="a", far=True)  # type: ignore[call-arg]
    assert bridge == replace(bridge, own_mac="a", in_change=True)  # type: ignore[call-arg]


def test_resources_of_two_kinds_are_never_equal() -> None:
    assert Dummy("a", "b", 1, "", 1, "") != Veth("a", "b", 1, "", 1, "")
    assert Up("a", "b") != NetnsDel("a")
    assert Up("a", "b") not in (None, ("a", "b", ""))


def test_values_of_two_classes_are_never_equal() -> None:
    assert Not("a") != NetnsDel("a")
    assert Pair("a", 1) == Pair("a", 1) != Pair("a", 2)
    assert len({Pair("a"), Pair("a", 0), Pair("b")}) == 2


def pickled(value: object) -> object:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_copies_are_equal(again: Callable[[object], object]) -> None:
    for value in (Pair("a", 1), Hop(None, "eth0"), Veth("a", "b", 1, "", 1, "", far=True)):
        assert again(value) == value
        assert repr(again(value)) == repr(value)


def test_cached_properties_are_not_a_part_of_the_value() -> None:
    value = Heavy("ab")
    assert value.letters is value.letters
    assert value == Heavy("ab")
    assert hash(value) == hash(Heavy("ab"))
    assert replace(value, name="c").letters == ["c"]


def test_defaults() -> None:
    assert defaults(Pair("a", 5)) == defaults(Pair) == {"name": NODEFAULT, "size": 0}


def test_the_repr_of_a_filter_has_no_rules() -> None:
    text = "PacketFilter(netns='a', backend='nft', topology='lab', text='table')"
    assert repr(PacketFilter("a", "nft", "lab", "table", ())) == text
