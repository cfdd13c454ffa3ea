"""Encode a loaded file for the cache beside its record, and decode it without YAML and pydantic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import starmap
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec
from msgspec.structs import astuple

from netorch.errors import Position, Problem
from netorch.immutable import Value, replace
from netorch.resolve.desired import Desired, Path
from netorch.resolve.loaded import Loaded
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.requests import Attachment
from netorch.values.tagged import class_name, class_of, from_plain, to_plain

if TYPE_CHECKING:
    from netorch.resolve.loaded import Source

_encode = msgspec.msgpack.Encoder().encode


class _Group(Value):
    """The resources of one class."""

    name: str
    """The name of the class."""
    typed: bool
    """Whether a resource is the tuple of its fields. Otherwise it is in its plain form."""
    resources: msgspec.Raw
    shared: tuple[int, ...] = ()
    """The positions of the fields that hold a number of `texts` in place of a text."""
    texts: tuple[str, ...] = ()


class _Stored(Value):
    """All of a loaded file, but for the places of its nodes."""

    groups: tuple[_Group, ...]
    order: bytes
    """For each resource of the state, the position of its group."""
    origins: msgspec.Raw
    """The origins, as pairs of a key and a path."""
    rest: msgspec.Raw
    """The plain form of the other fields of the desired state, and of the warnings."""


LONG = 64
"""The length in characters from which a text is stored only once."""

_STORED = msgspec.msgpack.Decoder(_Stored)
_REST = (
    *("topology", "prefix", "warnings", "egress", "captions", "chosen", "own_bridges", "folder"),
    *("checks", "chosen_ports", "number", "second_names"),
)


Places = Mapping[str, Any]
"""The labels of the nodes, and the attached namespaces, in a form that can be written as JSON."""


def encode(loaded: Loaded) -> tuple[Places, bytes]:
    """Return the places of the nodes and all the rest."""
    desired = loaded.desired
    numbers: dict[type[Resource], int] = {}
    groups: list[list[Resource]] = []
    order = bytearray()
    for resource in desired.state.values():
        number = numbers.setdefault(type(resource), len(numbers))
        if number == len(groups):
            groups.append([])
        groups[number].append(resource)
        order.append(number)
    names = _REST if desired.machines is None else (*_REST, "machines")
    rest = {name: to_plain(getattr(desired, name)) for name in names}
    problems = [replace(one, where=_plain_position(one.where)) for one in loaded.warnings]
    rest["problems"] = to_plain(tuple(problems))
    rest["given"] = sorted(loaded.given)
    stored = _Stored(
        tuple(map(_group, numbers, groups)),
        bytes(order),
        msgspec.Raw(_encode([(tuple(key), path) for key, path in desired.origins.items()])),
        msgspec.Raw(_encode(rest)),
    )
    places: dict[str, Any] = {"labels": desired.labels, "attached": desired.attached}
    if desired.machines is not None:
        places["machine"] = desired.machines.here
    return places, _encode(stored)


def decode(
    places: Places, content: bytes | memoryview, file: str, source: Callable[[], Source]
) -> Loaded:
    """Return the loaded file that was encoded.

    `file` is the name of the file in errors. `source` loads the file, for what is not stored. Raise
    ValueError if the content is damaged.
    """
    stored = _STORED.decode(content)
    groups = [_resources(group) for group in stored.groups]
    try:
        resources = [next(groups[number]) for number in stored.order]
        rest: dict[str, Any] = msgspec.msgpack.decode(stored.rest)
        problems: tuple[Problem, ...] = from_plain(rest.pop("problems"))
        given = frozenset(rest.pop("given"))
        desired = Desired(
            state={resource.key: resource for resource in resources},
            origins=_Origins(stored.origins),
            labels=msgspec.convert(places["labels"], dict[str, str]),
            attached=msgspec.convert(places["attached"], dict[str, Attachment]),
            **{name: from_plain(value) for name, value in rest.items()},
        )
    except (StopIteration, LookupError, TypeError) as error:
        raise ValueError(f"the stored state is incomplete: {error}") from None
    return Loaded(file, desired, problems, source, given)


def _group(cls: type[Resource], resources: list[Resource]) -> _Group:
    name = class_name(cls)
    if _form(cls) is None:
        return _Group(name, False, msgspec.Raw(_encode(list(map(to_plain, resources)))))
    rows = [list(astuple(resource)) for resource in resources]
    # all nodes have the same long hosts file, so it is stored once
    shared = tuple(
        number
        for number in range(len(cls.__struct_fields__))
        if any(isinstance(row[number], str) and len(row[number]) > LONG for row in rows)
    )
    texts: dict[str, int] = {}
    for row in rows:
        for number in shared:
            row[number] = texts.setdefault(row[number], len(texts))
    return _Group(name, True, msgspec.Raw(_encode(rows)), shared, tuple(texts))


def _resources(group: _Group) -> Iterator[Resource]:
    cls = class_of(group.name)
    if not issubclass(cls, Resource):
        raise ValueError(f"{group.name} is not a resource")
    if not group.typed:
        return map(from_plain, msgspec.msgpack.decode(group.resources))
    form = _form(cls, group.shared)
    if form is None:
        raise ValueError(f"{group.name} has no form")
    return starmap(cls, form.decode(group.resources, group.texts))


class _Form:
    """The fields of a class of resources, with types that msgspec can decode."""

    def __init__(self, cls: type[Resource], shared: tuple[int, ...]) -> None:
        """Raise TypeError if a field has a type that msgspec cannot decode."""
        hints = get_type_hints(cls)
        types = [hints[name] for name in cls.__struct_fields__]
        self._shared = shared
        self._keys = [number for number, form in enumerate(types) if form == tuple[Key, ...]]
        for number in self._keys:
            # because msgspec expects two items in a Key, which is a subclass of a named tuple
            types[number] = tuple[tuple[str, ...], ...]
        for number in shared:
            types[number] = int
        self._decode = msgspec.msgpack.Decoder(list[tuple[*types]]).decode  # type: ignore[valid-type]

    def decode(self, content: msgspec.Raw, texts: Sequence[str]) -> Iterator[Sequence[Any]]:
        """Yield the values of the fields of each resource."""
        rows: Sequence[Sequence[Any]] = self._decode(content)
        for row in rows:
            if self._shared or any(row[number] for number in self._keys):
                values = list(row)
                for number in self._keys:
                    values[number] = tuple(Key(*key) for key in row[number])
                for number in self._shared:
                    values[number] = texts[row[number]]
                yield values
            else:
                yield row


@cache
def _form(cls: type[Resource], shared: tuple[int, ...] = ()) -> _Form | None:
    try:
        return _Form(cls, shared)
    except TypeError:
        return None


def _plain_position(where: Position | None) -> Position | None:
    return None if where is None else Position(where.line, where.column)


class _Origins(Mapping[Key, Path]):
    """The origins, decoded when one is first looked up, because most commands need none."""

    def __init__(self, content: msgspec.Raw) -> None:
        self._content = content

    @cached_property
    def _origins(self) -> dict[Key, Path]:
        pairs = msgspec.msgpack.decode(
            self._content, type=list[tuple[tuple[str, ...], tuple[str | int, ...]]]
        )
        return {Key(*key): path for key, path in pairs}

    def __getitem__(self, key: Key) -> Path:
        return self._origins[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._origins)

    def __len__(self) -> int:
        return len(self._origins)
