"""Constraints between the keys of one mapping, such as "a `group` needs a `parent`".

Each constraint is described once. Both its JSON Schema and the check of a model are generated from
this description.

An editor reads a file before `$(…)` is replaced, and a text with `$(…)` may become any value. So
each condition has two schemas: one for the mappings that certainly meet the condition, and one for
those that may meet it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from netorch.immutable import Value
from netorch.language.model import Model, Refused, after
from netorch.language.schema_shapes import OPEN, Shape


class Condition(Value):
    """A condition on the keys of a mapping. `&`, `|` and `~` combine conditions."""

    def shape(self, model: type[Model], sure: bool) -> Shape:
        """Return the schema of the mappings that meet the condition.

        If `sure` is true, these are the mappings that certainly meet it, else those that may meet
        it.
        """
        raise NotImplementedError

    def holds(self, instance: Model) -> bool:
        """Return whether an instance of a model meets the condition."""
        raise NotImplementedError

    def needs(self, model: type[Model]) -> frozenset[str]:
        """Return fields without which no mapping meets the condition."""
        return frozenset()

    def narrow(self, key: str, values: Sequence[object]) -> Sequence[object]:
        """Return those `values` that the key may have in a mapping that meets the condition."""
        return values

    def __and__(self, other: Condition) -> Condition:
        return AllOf((*(self.conditions if isinstance(self, AllOf) else (self,)), other))

    def __or__(self, other: Condition) -> Condition:
        return AnyOf((*(self.conditions if isinstance(self, AnyOf) else (self,)), other))

    def __invert__(self) -> Condition:
        return NotCondition(self)


class HasKey(Condition):
    """The mapping has the key, whatever its value is."""

    key: str

    def shape(self, model: type[Model], sure: bool) -> Shape:
        return {"required": [self.key]}

    def holds(self, instance: Model) -> bool:
        return _name(instance, self.key) in instance.model_fields_set

    def needs(self, model: type[Model]) -> frozenset[str]:
        return frozenset((_name(model, self.key),))


class HasValue(Condition):
    """The key's value, or its default, is not null and not an empty list or mapping."""

    key: str

    def shape(self, model: type[Model], sure: bool) -> Shape:
        nothing: Shape = {"enum": [None, [], {}]}
        value: Shape = {"not": {"anyOf": [nothing, OPEN]} if sure else nothing}
        return _of_key(self.key, value, by_default=_has_value(_default(model, self.key)))

    def holds(self, instance: Model) -> bool:
        name = _name(instance, self.key)
        return name in instance.model_fields and _has_value(getattr(instance, name))

    def needs(self, model: type[Model]) -> frozenset[str]:
        return _unless(_has_value(_default(model, self.key)), model, self.key)


class Equals(Condition):
    """The key has a certain value. A default counts as a value."""

    key: str
    value: object
    """The value, or a tuple of alternatives."""

    @property
    def values(self) -> tuple[object, ...]:
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def shape(self, model: type[Model], sure: bool) -> Shape:
        values: Shape = {"enum": [*self.values]}
        value = values if sure else {"anyOf": [values, OPEN]}
        return _of_key(self.key, value, by_default=_default(model, self.key) in self.values)

    def holds(self, instance: Model) -> bool:
        return getattr(instance, _name(instance, self.key)) in self.values

    def needs(self, model: type[Model]) -> frozenset[str]:
        return _unless(_default(model, self.key) in self.values, model, self.key)

    def narrow(self, key: str, values: Sequence[object]) -> Sequence[object]:
        return [value for value in values if value in self.values] if key == self.key else values


class OneKey(Condition):
    """The mapping has exactly one key."""

    def shape(self, model: type[Model], sure: bool) -> Shape:
        return {"minProperties": 1, "maxProperties": 1}

    def holds(self, instance: Model) -> bool:
        return len(instance.model_fields_set) == 1


class AllOf(Condition):
    conditions: tuple[Condition, ...]

    def shape(self, model: type[Model], sure: bool) -> Shape:
        return {"allOf": [condition.shape(model, sure) for condition in self.conditions]}

    def holds(self, instance: Model) -> bool:
        return all(condition.holds(instance) for condition in self.conditions)

    def needs(self, model: type[Model]) -> frozenset[str]:
        return frozenset().union(*(condition.needs(model) for condition in self.conditions))

    def narrow(self, key: str, values: Sequence[object]) -> Sequence[object]:
        for condition in self.conditions:
            values = condition.narrow(key, values)
        return values


class AnyOf(Condition):
    conditions: tuple[Condition, ...]

    def shape(self, model: type[Model], sure: bool) -> Shape:
        return {"anyOf": [condition.shape(model, sure) for condition in self.conditions]}

    def holds(self, instance: Model) -> bool:
        return any(condition.holds(instance) for condition in self.conditions)

    def needs(self, model: type[Model]) -> frozenset[str]:
        return frozenset.intersection(*(condition.needs(model) for condition in self.conditions))


class NotCondition(Condition):
    condition: Condition

    def shape(self, model: type[Model], sure: bool) -> Shape:
        return {"not": self.condition.shape(model, not sure)}

    def holds(self, instance: Model) -> bool:
        return not self.condition.holds(instance)

    def narrow(self, key: str, values: Sequence[object]) -> Sequence[object]:
        excluded = self.condition.narrow(key, values)
        return [value for value in values if value not in excluded] or values

    def __invert__(self) -> Condition:
        return self.condition


class Constraint(Value):
    """A combination of keys that a mapping must not have."""

    code: str
    """The error code, which never changes."""
    text: str
    """The sentence of the error. `{key}` in it is replaced by the value of that key."""
    forbidden: Condition
    """The mapping is wrong if it meets this condition."""
    at: str = ""
    """The key whose position the error has; "" for the position of the mapping."""

    def shape(self, model: type[Model]) -> Shape:
        shape = (~self.forbidden).shape(model, sure=False)
        return shape | {"errorMessage": self._general_text(model)}

    def needs(self, model: type[Model]) -> frozenset[str]:
        """Return fields without which no mapping violates the constraint."""
        return self.forbidden.needs(model)

    def check(self, instance: Model) -> None:
        """Raise the constraint's error if the model violates it."""
        if not self.forbidden.holds(instance):
            return
        if not self.at:
            raise self.error_of(instance)
        raise self.error_of(instance, (self.at,), getattr(instance, self.at))

    def error_of(
        self, instance: Model, loc: tuple[str | int, ...] = (), value: object = None
    ) -> Refused:
        """Return the constraint's error about a model that violates it."""
        text = re.sub(_PLACEHOLDER, lambda match: str(getattr(instance, match[1])), self.text)
        return Refused(text, self.code, loc, value)

    def _general_text(self, model: type[Model]) -> str:
        """Return the sentence with all possible values in the place of each placeholder."""

        def values(match: re.Match[str]) -> str:
            return _alternatives(self.forbidden.narrow(match[1], _choices(model, match[1])))

        return re.sub(_PLACEHOLDER, values, f"{self.text[:1].upper()}{self.text[1:]}.")


class EachItem(Value):
    """A constraint on each item of a list. The error has the position of the item."""

    key: str
    """The key of the list."""
    item: type[Model]
    """The model of the list's items."""
    constraint: Constraint

    def shape(self, model: type[Model]) -> Shape:
        return {"properties": {self.key: {"items": self.constraint.shape(self.item)}}}

    def needs(self, model: type[Model]) -> frozenset[str]:
        return _unless(_has_value(_default(model, self.key)), model, self.key)

    def check(self, instance: Model) -> None:
        for index, item in enumerate(getattr(instance, self.key)):
            if self.constraint.forbidden.holds(item):
                raise self.constraint.error_of(item, (self.key, index), item)


_PLACEHOLDER = r"\{([a-z_]+)\}"


def forbid(code: str, text: str, condition: Condition, at: str = "") -> Constraint:
    """Return the constraint that a mapping must not meet the condition."""
    return Constraint(code, text, condition, at)


def require(
    code: str,
    text: str,
    condition: Condition,
    *,
    when: Condition | None = None,
) -> Constraint:
    """Return the constraint that a mapping must meet the condition; with `when`, only if it meets
    that too.
    """
    return Constraint(code, text, ~condition if when is None else when & ~condition)


def constraints(*each: Constraint | EachItem) -> Any:
    """Return a validator for the body of a model, which raises the error of the first violation.

    It runs in the order in which the model defines its validators.
    """

    pairs: dict[type[Model], list[tuple[frozenset[str], Constraint | EachItem]]] = {}

    def check(instance: Model) -> Model:
        model, fields = type(instance), instance.model_fields_set
        if model not in pairs:
            # because most constraints are about keys that a mapping does not have
            pairs[model] = [(constraint.needs(model), constraint) for constraint in each]
        for needs, constraint in pairs[model]:
            if needs <= fields:
                constraint.check(instance)
        return instance

    check.constraints = each  # type: ignore[attr-defined]
    return after(check)


def constraints_of(model: type[Model]) -> list[Constraint | EachItem]:
    """Return the constraints on a model, those of its bases first."""
    result: list[Constraint | EachItem] = []
    for check in model.after_checks.values():
        result += getattr(check, "constraints", ())
    return result


def _name(model: Model | type[Model], key: str) -> str:
    """Return the name of a key's field: they differ for `from`, which is reserved in Python."""
    return model.renamed.get(key, key)


def _default(model: type[Model], key: str) -> object:
    """Return the default value of a key, None if it has no default."""
    field = model.model_fields.get(_name(model, key))
    if field is None:
        return None
    return field.get_default()


def _unless(by_default: bool, model: type[Model], key: str) -> frozenset[str]:
    """Return the field of a key that has to be in a mapping, unless its default value will do."""
    return frozenset() if by_default else frozenset((_name(model, key),))


def _has_value(value: object) -> bool:
    return value is not None and value not in ([], {})


def _of_key(key: str, shape: Shape, *, by_default: bool) -> Shape:
    """Return the schema of a mapping whose key has a value of this shape.

    If `by_default` is true, the key may be missing, because its default value has the shape.
    """
    return {"properties": {key: shape}} | ({} if by_default else {"required": [key]})


def _choices(model: type[Model], key: str) -> list[object]:
    """Return the values of a key whose type is a Literal."""
    return _literals(model.model_fields[key].annotation)


def _literals(annotation: Any) -> list[object]:
    if get_origin(annotation) is Literal:
        return [*get_args(annotation)]
    return [value for part in get_args(annotation) for value in _literals(part)]


def _alternatives(values: Sequence[object]) -> str:
    *before, last = map(str, values)
    return f"{', '.join(before)} or {last}" if before else last
