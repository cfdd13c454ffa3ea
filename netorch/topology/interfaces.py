"""Interfaces of a node: which model reads an entry goes by its `kind`."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

import netorch.kinds  # noqa: F401  registers the interface words
from netorch.errors import did_you_mean
from netorch.kinds.base.link import InterfaceModel
from netorch.language.scalars import AnyMtu, Model, wrong
from netorch.language.schema_shapes import ONE_ARGUMENT, Shape, accepts
from netorch.state.registry import INTERFACE_WORDS


class MadeElsewhere(InterfaceModel):
    """An interface that a link, a network or the kernel makes: here stand only further keys of it."""

    kind: None = None
    mtu: AnyMtu | None = Field(
        None,
        description="Bytes; where only one end of a cable says it, both get it (1500; `lo`: 65536).",
    )


KINDS: Mapping[str, type[Model]] = {**INTERFACE_WORDS, "": MadeElsewhere}
"""`kind:` in the file → the model of its words; "" without one."""


def words_of(kind: object) -> type[Model]:
    """The model of a kind's words; that of an interface which is made elsewhere, where it is none."""
    return KINDS[kind] if isinstance(kind, str) and kind in KINDS else MadeElsewhere


def by_kind(value: Any) -> Model:
    """The words of whichever kind it is. pydantic builds a model at its first use: most files have few of the kinds, and the start is
    quicker by a tenth.
    """
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return words_of(kind).model_validate(value)


by_kind.__signature__ = ONE_ARGUMENT  # type: ignore[attr-defined]


def _or_null(inner: Shape) -> Shape:
    return {"anyOf": [inner, {"type": "null"}]}


@accepts(_or_null)
def or_empty(value: object) -> object:
    return {} if value is None else value


@accepts(_or_null)
def _interface(value: object) -> object:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind is None or (isinstance(kind, str) and kind in INTERFACE_WORDS):
        return or_empty(value)
    if not isinstance(kind, str):
        wrong("kind: write the name of one kind of interface", "unknown-kind")
    guess = did_you_mean(str(kind), INTERFACE_WORDS)
    wrong(f"{kind!r} is not a kind of interface. {guess}".rstrip(), "unknown-kind")


AnyInterface: Any = Annotated[Any, PlainValidator(by_kind), BeforeValidator(_interface)]
