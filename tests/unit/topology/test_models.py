"""The models read a right file as pydantic does, and leave every other file to pydantic."""

import copy
import pickle
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from netorch.language import readers
from netorch.language.expand import expand
from netorch.language.model import Field, Model, Refused, Unread, after, before, read, reader
from netorch.language.validation import adapter
from netorch.language.yaml_tree import Findings, parse
from netorch.topology import TopologyFile, models
from netorch.topology.encaps import EncapModel
from netorch.topology.hosts import HostModel
from netorch.topology.tunnels import TunnelsModel
from tests import editor
from tests.unit.topology.test_schema import FILES, RIGHT

WHOLE = FILES | RIGHT


def tree_of(text: str) -> Any:
    findings = Findings()
    return expand(parse(text.encode(), findings), {}, findings)


def by_pydantic(value: Any, annotation: Any = TopologyFile) -> Any:
    """Read a value without the readers of netorch, also where a check reads a model."""

    def unread(_: Any) -> Any:
        raise Unread

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "reader", lambda _: unread)
        return adapter(annotation).validate_python(value)


TREES = {name: tree_of(text) for name, text in WHOLE.items()}


def plain(value: Any) -> Any:
    """Return a value that is equal only if all types and given keys in it are equal too."""
    if isinstance(value, Model):
        keys = {name: plain(item) for name, item in vars(value).items()}
        return type(value), keys, value.model_fields_set
    if isinstance(value, (list, tuple)):
        return type(value), [plain(item) for item in value]
    if isinstance(value, dict):
        return type(value), [(plain(key), plain(item)) for key, item in value.items()]
    return type(value), value


@pytest.mark.parametrize("name", WHOLE)
def test_a_right_file_is_read_as_pydantic_reads_it(name: str) -> None:
    assert not editor.problems(WHOLE[name])
    ours = reader(TopologyFile)(TREES[name])
    assert plain(ours) == plain(by_pydantic(TREES[name]))


ODD = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 7, 1.5, 10**30, "", "x", "yes", "0", "1", "a:x", "auto"),
        *("10.0.0.1/24", "10.0.0.0/24", "10.0.0.1", "fd00::1", "02:00:00:00:00:01", "10ms", "$(x)"),
        *([], ["x"], [None], ["x", "x"], {}, {"x": 1}, {1: "x"}, {"kind": "veth"}, [[]], (1, 2)),
    ]
).map(copy.deepcopy)


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each mapping or list with each of its keys, at all depths."""
    for key, item in [*(tree.items() if isinstance(tree, dict) else enumerate(tree))]:
        yield tree, key
        if isinstance(item, (dict, list)):
            yield from places(item)


@settings(max_examples=400)
@given(st.sampled_from([*TREES]), st.data())
def test_a_changed_file_is_read_as_pydantic_reads_it_or_not_at_all(
    name: str, data: st.DataObject
) -> None:
    tree = copy.deepcopy({**TREES[name]})
    for _ in range(data.draw(st.integers(1, 3))):
        inner, key = data.draw(st.sampled_from([*places(tree)]))
        what = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if what == "remove":
            del inner[key]
        elif what == "replace":
            inner[key] = data.draw(ODD)
        elif isinstance(inner, list):
            inner.append(data.draw(ODD))
        else:
            inner[data.draw(st.sampled_from(["x", 1, "kind", "mtu", "peer"]))] = data.draw(ODD)
        if not tree:
            return
    try:
        ours = reader(TopologyFile)(tree)
    except ValueError:
        return
    assert plain(ours) == plain(by_pydantic(tree))


EVERY = [TopologyFile, EncapModel, HostModel, TunnelsModel, *(model for _, model in models())]


@pytest.mark.parametrize("model", EVERY, ids=lambda model: model.__name__)
def test_every_model_reads_every_key(model: type[Model]) -> None:
    """A type that no reader knows raises TypeError."""
    for field in model.model_fields.values():
        assert reader(field.annotation)


def names_in(annotation: Any) -> set[str]:
    """Return the names of the classes and functions in an annotation."""
    parts = (*get_args(annotation), *getattr(annotation, "__metadata__", ()))
    names = {name for name in (getattr(annotation, "__name__", None),) if name}
    names |= {getattr(getattr(part, "func", None), "__name__", "") for part in parts} - {""}
    return names.union(*map(names_in, parts))


@pytest.mark.parametrize("model", EVERY, ids=lambda model: model.__name__)
def test_no_attribute_of_a_model_hides_what_its_annotations_name(model: type[Model]) -> None:
    """From Python 3.14 on, annotations are evaluated after the body of the class."""
    for base in model.__mro__[:-2]:
        for field in base.own_fields.values():  # type: ignore[attr-defined]
            assert names_in(field.annotation).isdisjoint(vars(base))


def test_defaults_stay_what_they_are() -> None:
    """Instances share the lists and mappings of their defaults, so nothing may change these."""
    for text in WHOLE.values():
        assert not editor.problems(text)
    for one in every_model(Model):
        if not any(field.is_required() for field in one.model_fields.values()):
            with suppress(ValidationError):  # one of several keys is required
                assert plain(read(one, {})) == plain(by_pydantic({}, one))


def every_model(base: type[Model]) -> Iterator[type[Model]]:
    for derived in base.__subclasses__():
        if derived.__module__.startswith("netorch."):
            yield from (derived, *every_model(derived))


# The base of the models


class Sample(Model):
    """A model of the tests."""

    number: int
    flag: bool = False
    source: str | None = Field(None, alias="from")


def test_a_model_never_changes() -> None:
    sample = Sample(number=1)
    with pytest.raises(AttributeError, match="Sample never changes"):
        sample.number = 2
    with pytest.raises(AttributeError, match="Sample never changes"):
        del sample.number


def test_models_are_equal_if_all_their_values_are() -> None:
    one = Sample.model_validate({"number": 1})
    assert one == Sample.model_validate({"number": 1, "flag": False})
    assert one != Sample.model_validate({"number": 2})
    assert one != (1, False, None)
    assert repr(one) == "Sample(number=1)"


def test_a_copy_has_other_values_and_further_keys() -> None:
    one = Sample.model_validate({"number": 1})
    other = one.model_copy({"flag": True})
    assert (other.number, other.flag, other.model_fields_set) == (1, True, {"number", "flag"})
    assert (one.flag, one.model_fields_set) == (False, {"number"})


def test_a_model_can_be_pickled() -> None:
    one = Sample.model_validate({"number": 1})
    again = pickle.loads(pickle.dumps(one))
    assert plain(again) == plain(one) == plain(copy.deepcopy(one)) == plain(copy.copy(one))
    assert vars(copy.copy(one)) is not vars(one)


def test_a_key_has_the_name_that_the_file_gives_it() -> None:
    assert Sample.model_validate({"number": 1, "from": "x"}).source == "x"
    for wrong in ({"number": 1, "source": "x"}, {"flag": True}, {"number": "x"}, [], None):
        with pytest.raises(ValidationError):
            Sample.model_validate(wrong)


def test_pydantic_decides_about_values_of_other_types() -> None:
    # pydantic reads the text as a number, and a reader of netorch does not
    assert Sample.model_validate({"number": "7"}).number == 7
    assert read(list[int], (1, 2)) == [1, 2]


def test_annotations_may_be_texts() -> None:
    made = type(
        "Made", (Model,), {"__annotations__": {"one": "int"}, "__module__": __name__, "one": 5}
    )
    assert made.model_validate({}).one == 5  # type: ignore[attr-defined]


class Twice(Sample):
    twice: Sample | None = None

    @after
    def _small(self) -> Self:
        if self.number > 5:
            raise Refused("the number is too large", "bad-number")
        return self


class Lax(Twice):
    _small = None  # type: ignore[assignment]


class Odd(Model):
    @classmethod
    @before
    def _number(cls, value: object) -> object:
        return 7


def test_a_model_as_a_value_is_checked_again() -> None:
    large = Twice.model_construct(number=9)
    for reading in (read, lambda form, value: by_pydantic(value, form)):
        with pytest.raises(ValidationError, match="the number is too large"):
            reading(Twice, large)
        assert reading(Twice, Twice(number=1)).number == 1
        assert reading(Lax, {"number": 9}).number == 9
        with pytest.raises(ValidationError):
            reading(Odd, {})


def test_the_error_of_a_check_can_be_pickled() -> None:
    error = Refused("the number is too large", "bad-number", ("number",), 9)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code, again.loc, again.value) == (
        *("the number is too large", "bad-number"),
        *(("number",), 9),
    )


def test_a_list_is_no_default() -> None:
    with pytest.raises(TypeError, match="default_factory"):
        Field([])


def test_a_type_that_no_reader_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        reader(set[int])
    with pytest.raises(TypeError, match="list"):
        reader(list[int] | dict[str, int])
