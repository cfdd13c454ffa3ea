"""Readers of values: functions that turn parts of a file into the values of a type.

A reader takes only what it surely reads as pydantic does. All else is left to pydantic
(`netorch.language.validation`).
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

Reader = Callable[[Any], Any]
"""Returns the value of a part of a file. Raises ValueError if it does not take that part."""


class Unread(ValueError):
    """A reader does not take a value. Whether the value is wrong is up to pydantic."""


def read(annotation: Any, value: object) -> Any:
    """Read a value. Raise a `ValidationError` of pydantic if it is wrong."""
    try:
        return reader(annotation)(value)
    except (ValueError, AssertionError):
        from netorch.language import validation

        return validation.validate(annotation, value)


_readers: dict[Any, Reader] = {}


def reader(annotation: Any) -> Reader:
    """Return the reader of a type. Raise TypeError for a type that no model has so far.

    A type is a model, one that Python has, or one with extras of `Annotated`, of which the last one
    sees the value first. The reader raises ValueError if it may read a value in another way than
    pydantic.
    """
    inner = _readers.get(annotation)
    if inner is None:
        inner = _readers[annotation] = _new_reader(annotation)
    return inner


def _new_reader(annotation: Any) -> Reader:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner: Reader | None = None
        for extra in annotation.__metadata__:
            inner = extra.reader(parts[0], inner)
        return inner or reader(parts[0])
    if isinstance(annotation, type) and hasattr(annotation, "new_reader"):
        own: Reader = annotation.new_reader()
        return own
    if annotation in _EXACT:
        return _EXACT[annotation]
    if annotation in (Any, object):
        return _anything
    if annotation in (None, types.NoneType):
        return _exactly(types.NoneType)
    if origin is list:
        return _list_of(reader(parts[0]))
    if origin is dict:
        return _dict_of(*map(reader, parts))
    if origin is tuple:
        return _tuple_of(tuple(map(reader, parts)))
    if origin is Literal:
        return _one_of(parts)
    if origin in (Union, types.UnionType):
        return _union(tuple(part for part in parts if part is not types.NoneType), parts)
    raise TypeError(f"a model cannot have a key of type {annotation}")


def _union(some: tuple[Any, ...], every: tuple[Any, ...]) -> Reader:
    if len(some) == 1:
        return _or_none(reader(some[0]))
    exact = tuple(part for part in every if part in _EXACT)
    if len(exact) != len(every):
        raise TypeError(f"a model cannot have a key of any type of {every}")

    def read_any(value: Any) -> Any:
        if type(value) not in exact:
            raise Unread
        return value

    return read_any


# The readers of Python's own types


def _exactly(kind: type) -> Reader:
    def read_exactly(value: Any) -> Any:
        if type(value) is not kind:
            raise Unread
        return value

    return read_exactly


_EXACT = {kind: _exactly(kind) for kind in (str, int, bool)}


def _anything(value: Any) -> Any:
    return value


def _list_of(item: Reader) -> Reader:
    def read_list(value: Any) -> Any:
        if not isinstance(value, list):
            raise Unread
        return [item(one) for one in value]

    return read_list


def _dict_of(key: Reader, item: Reader) -> Reader:
    def read_dict(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Unread
        return {key(name): item(one) for name, one in value.items()}

    return read_dict


def _tuple_of(items: tuple[Reader, ...]) -> Reader:
    def read_tuple(value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != len(items):
            raise Unread
        return tuple(item(one) for item, one in zip(items, value, strict=True))

    return read_tuple


def _one_of(words: tuple[Any, ...]) -> Reader:
    allowed = {(type(word), word) for word in words}

    def read_word(value: Any) -> Any:
        if not isinstance(value, str | bool) or (type(value), value) not in allowed:
            raise Unread
        return value

    return read_word


def _or_none(inner: Reader) -> Reader:
    return lambda value: None if value is None else inner(value)


# What extras of `Annotated` make of a reader


def first(check: Reader, annotation: Any) -> Reader:
    """Return a reader that calls a check, and then reads its result as the annotation says."""
    if annotation in (Any, object):
        return check
    if annotation in _EXACT:

        def read_result(value: Any) -> Any:
            result = check(value)
            if type(result) is not annotation:
                raise Unread
            return result

        return read_result
    return chain(check, reader(annotation))


def chain(check: Reader, then: Reader) -> Reader:
    """Return a reader that calls a check, and then reads its result."""
    return lambda value: then(check(value))


def with_length(number: int, inner: Reader) -> Reader:
    """Return a reader of a list with so many items."""

    def read_some(value: Any) -> Any:
        result = inner(value)
        if len(result) != number:
            raise Unread
        return result

    return read_some
