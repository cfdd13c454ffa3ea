"""Tests that the schema and the check of a constraint agree on every mapping."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from netorch.language.constraints import (
    Condition,
    Constraint,
    EachItem,
    Equals,
    HasKey,
    HasValue,
    OneKey,
    constraints_of,
    forbid,
    require,
)
from netorch.language.model import Field, Model
from netorch.language.publish import NatModel
from netorch.topology import (
    CheckModel,
    FamilyModes,
    NetworkModel,
    RouteModel,
    RuleModel,
    model_of,
    models,
)
from netorch.topology.encaps import EncapModel, Seg6LocalModel
from netorch.topology.filters import FilterModel, FilterRuleModel

MODELS: dict[str, type[Model]] = {
    model.__name__: model
    for model in (
        NatModel,
        FilterRuleModel,
        FilterModel,
        CheckModel,
        FamilyModes,
        NetworkModel,
        RouteModel,
        RuleModel,
        EncapModel,
        Seg6LocalModel,
        *(model for _, model in models()),
    )
}
LATER = "$(later)"


class Sample(Model):
    a: Any = None
    b: Any = "x"
    list: Any = Field(default_factory=lambda: [])
    full: Any = Field(default_factory=lambda: ["x"])
    source: Any = Field(None, alias="from")


KEYS = st.sampled_from(["a", "b", "list", "full", "from"])
VALUES = st.sampled_from([None, "x", "y", True, 5, [], ["x"], {}, {"x": 1}])
LEAVES = st.one_of(
    st.builds(HasKey, KEYS),
    st.builds(HasValue, KEYS),
    st.builds(Equals, KEYS, st.sampled_from(["x", ("x", "y"), True, 5])),
    st.just(OneKey()),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        st.builds(lambda one: ~one, inner),
    ),
    max_leaves=6,
)


def holds_in_schema(condition: Condition, mapping: Any, sure: bool) -> bool:
    return Draft202012Validator(condition.shape(Sample, sure)).is_valid(mapping)


@given(CONDITIONS, st.dictionaries(KEYS, VALUES))
def test_schema_and_model_agree(condition: Condition, mapping: dict[str, Any]) -> None:
    sample = Sample.model_validate(mapping)
    holds = condition.holds(sample)
    assert holds_in_schema(condition, mapping, sure=True) == holds
    assert holds_in_schema(condition, mapping, sure=False) == holds
    # a mapping without a field that the condition needs is not looked at
    assert not holds or condition.needs(Sample) <= sample.model_fields_set


@given(
    CONDITIONS, st.dictionaries(KEYS, VALUES | st.just(LATER)), st.sampled_from(["x", "y", True, 5])
)
def test_what_a_substitution_may_become_is_left_open(
    condition: Condition, mapping: dict[str, Any], value: Any
) -> None:
    replaced = {key: value if item == LATER else item for key, item in mapping.items()}
    holds = condition.holds(Sample.model_validate(replaced))
    assert not holds_in_schema(condition, mapping, sure=True) or holds
    assert holds_in_schema(condition, mapping, sure=False) or not holds


@pytest.mark.parametrize("name", MODELS)
def test_codes_are_kebab_case(name: str) -> None:
    for entry in constraints_of(MODELS[name]):
        constraint = entry.constraint if isinstance(entry, EachItem) else entry
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", constraint.code)
        assert "errorMessage" in constraint.shape(MODELS[name])


@pytest.mark.parametrize(
    ("model", "mapping", "code", "place"),
    [
        (RuleModel, {"from": "10.0.0.0/8"}, "rule-needs-table", ()),
        (
            RouteModel,
            {"to": "default", "nexthops": [{"weight": 2}]},
            "hop-needs-gateway",
            ("nexthops", 0),
        ),
        (model_of("vrf"), {"kind": "vrf", "table": 254}, "vrf-table-of-all", ("table",)),
        (model_of("gre"), {"kind": "gre"}, "tunnel-needs-end", ()),
    ],
)
def test_an_error_has_its_code_and_place(
    model: type[Model], mapping: Any, code: str, place: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as raised:
        model.model_validate(mapping)
    (error,) = raised.value.errors()
    assert (error["type"], error["ctx"]["code"], error["loc"]) == ("wrong", code, place)


def test_the_schema_names_every_value_that_a_sentence_can_have() -> None:
    texts = {entry.shape(RouteModel).get("errorMessage") for entry in constraints_of(RouteModel)}
    assert (
        "A route of type blackhole, unreachable or prohibit cannot have `via`, `dev` or `nexthops`: it drops the packets."
        in texts
    )
    bond = {
        entry.shape(model_of("bond"))["errorMessage"] for entry in constraints_of(model_of("bond"))
    }
    assert (
        "Mode balance-rr, balance-xor, broadcast or 802.3ad has no primary port: `primary` is for "
        "active-backup, balance-tlb, balance-alb." in bond
    )
    gre = [
        entry.shape(model_of("gre"))["errorMessage"] for entry in constraints_of(model_of("gre"))
    ]
    assert gre == [
        "gre needs a `remote` or a `local`: without both, it would be the same as the kernel's own default tunnel."
    ]


def test_require_is_forbid_the_other_way_round() -> None:
    sample = Sample.model_validate({"a": "x"})
    broken: list[Constraint] = [
        forbid("code", "text", HasValue("a")),
        require("code", "text", HasValue("list")),
        require("code", "text", HasValue("list"), when=Equals("b", "x")),
    ]
    for constraint in broken:
        with pytest.raises(ValueError, match="text"):
            constraint.check(sample)
        assert not Draft202012Validator(constraint.shape(Sample)).is_valid({"a": "x"})
    require("code", "text", HasValue("list"), when=Equals("b", "y")).check(sample)
