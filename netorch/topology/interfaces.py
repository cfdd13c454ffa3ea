"""Interfaces of a node. The `kind` of an entry selects its model."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

import netorch.kinds  # noqa: F401  registers the interface models
from netorch.errors import did_you_mean
from netorch.kinds.base.link import InterfaceModel
from netorch.language.scalars import AnyMtu, Model, wrong
from netorch.language.schema_shapes import ONE_ARGUMENT, Shape, accepts
from netorch.state.registry import INTERFACE_WORDS


class MadeElsewhere(InterfaceModel):
    """Further keys of an interface that a link, a network or the kernel makes."""

    kind: None = None
    mtu: AnyMtu | None = Field(
        None,
        description="MTU in bytes; if only one end of a cable has it, both ends get it"
        " (1500; `lo`: 65536).",
    )


KINDS: Mapping[str, type[Model]] = {**INTERFACE_WORDS, "": MadeElsewhere}
"""`kind` in the file → the model of such an interface. "" is the model of one without a kind."""


def words_of(kind: object) -> type[Model]:
    """Return the model of a kind of interface, or `MadeElsewhere` for any other value."""
    return KINDS[kind] if isinstance(kind, str) and kind in KINDS else MadeElsewhere


def by_kind(value: Any) -> Model:
    """Validate an interface by the model of its kind.

    This is a function and not a union of the models because pydantic then builds each model at its
    first use. Most files use few kinds, so netorch starts faster by a tenth.
    """
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return words_of(kind).model_validate(value)


by_kind.__signature__ = ONE_ARGUMENT  # type: ignore[attr-defined]


def _or_null(inner: Shape) -> Shape:
    return {"anyOf": [inner, {"type": "null"}]}


@accepts(_or_null)
def or_empty(value: object) -> object:
    """Replace null by an empty mapping."""
    return {} if value is None else value


@accepts(_or_null)
def _interface(value: object) -> object:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind is None or (isinstance(kind, str) and kind in INTERFACE_WORDS):
        return or_empty(value)
    if not isinstance(kind, str):
        wrong("the `kind` is not a text: write the name of a kind of interface", "unknown-kind")
    remedy = did_you_mean(kind, INTERFACE_WORDS) or f"The kinds are: {', '.join(INTERFACE_WORDS)}."
    wrong(f"{kind!r} is not a kind of interface. {remedy}", "unknown-kind")


AnyInterface: Any = Annotated[Any, PlainValidator(by_kind), BeforeValidator(_interface)]
