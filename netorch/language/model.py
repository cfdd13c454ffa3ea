"""The models of a topology file: the keys of its mappings, and how their values are read.

A model reads right values by itself. It gives anything else to pydantic
(`netorch.language.validation`), which decides, and says all that is wrong. So a right file needs no
pydantic: importing it and building its validators takes longer than all the rest of a small file.
"""

# Modules with many models do not use `from __future__ import annotations`, because each annotation
# would have to be compiled at the start.

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NoReturn, Self, TypeVar, get_origin

from netorch.language import readers
from netorch.language.readers import Reader, Unread, read, reader

F = TypeVar("F", bound=Callable[..., Any])

REQUIRED: Any = object()
"""The default of a key that a mapping must have."""


class Refused(ValueError):
    """A value is wrong, and a check of netorch says why.

    `code` is a key of the table of error codes. `loc` is the place of the value within the checked
    one.
    """

    def __init__(
        self, text: str, code: str, loc: tuple[str | int, ...] = (), value: object = None
    ) -> None:
        super().__init__(text, code, loc, value)
        self.text, self.code, self.loc, self.value = text, code, loc, value

    def __str__(self) -> str:
        return self.text


class FieldInfo:
    """A key of a model."""

    __slots__ = (
        "alias",
        "annotation",
        "default",
        "default_factory",
        "description",
        "serialization_alias",
        "validate_default",
    )

    def __init__(
        self,
        default: Any,
        default_factory: Callable[[], Any] | None,
        validate_default: bool,
        alias: str | None,
        serialization_alias: str | None,
        description: str,
    ) -> None:
        self.annotation: Any = None
        """The type, with everything that `Annotated` adds to it."""
        self.default = default
        self.default_factory = default_factory
        self.validate_default = validate_default
        """Whether the default is read like a value of the file."""
        self.alias = alias
        """The key in the file, if the field has another name."""
        self.serialization_alias = serialization_alias or alias
        """The key in the file, if a check of the model renames it."""
        self.description = description

    def is_required(self) -> bool:
        """Whether a mapping must have the key."""
        return self.default is REQUIRED and self.default_factory is None

    def get_default(self) -> Any:
        """Return the default, None if there is none."""
        if self.default_factory is not None:
            return self.default_factory()
        return None if self.default is REQUIRED else self.default


def Field(
    default: Any = REQUIRED,
    *,
    default_factory: Callable[[], Any] | None = None,
    validate_default: bool = False,
    alias: str | None = None,
    serialization_alias: str | None = None,
    description: str = "",
) -> Any:
    """Declare a key of a model. Without a default, the key is required.

    All instances share the result of `default_factory`, so nothing may change it.
    """
    if isinstance(default, (list, dict)):
        raise TypeError("the default of a key is a list or a mapping: use `default_factory`")
    return FieldInfo(
        default, default_factory, validate_default, alias, serialization_alias, description
    )


class Extra:
    """What `Annotated` may add to the type of a key.

    pydantic calls the methods whose names begin with `__get_pydantic`.
    """

    def reader(self, annotation: Any, inner: Reader | None) -> Reader | None:
        """Return the reader with the extra. `inner` is that of the extras before, if they have one.

        None means that the reader of the annotation will do.
        """
        return inner


class _Function(Extra):
    def __init__(self, func: Reader) -> None:
        self.func = func


class Before(_Function):
    """A function that sees a value first. Its result must have the type of the annotation."""

    def reader(self, annotation: Any, inner: Reader | None) -> Reader:
        if inner is None:
            return readers.first(self.func, annotation)
        return readers.chain(self.func, inner)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from netorch.language import validation

        return validation.before(self.func, handler(source))


class Plain(_Function):
    """A function whose result is the value."""

    def reader(self, annotation: Any, inner: Reader | None) -> Reader:
        return self.func

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from netorch.language import validation

        return validation.plain(self.func)


class Instead(Plain):
    """A function whose result is the value. The annotation is only for the JSON Schema."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from netorch.language import validation

        return validation.instead(self.func, handler(source))


class Length(Extra):
    """The number of items that a list must have."""

    def __init__(self, number: int) -> None:
        self.number = number

    def reader(self, annotation: Any, inner: Reader | None) -> Reader:
        return readers.with_length(self.number, inner or reader(annotation))

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return {**handler(source), "min_length": self.number, "max_length": self.number}


class Shaped(Extra):
    """The JSON Schema of a type, which the type does not tell."""

    def __init__(self, shape: dict[str, Any]) -> None:
        self.shape = shape

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return self.shape


class Described(Extra):
    """What a type means, for the JSON Schema."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {**handler(schema), "description": self.text}


def before(check: F) -> F:
    """Declare a class method that sees the mapping of a model first, and returns it."""
    check.sees = "mapping"  # type: ignore[attr-defined]
    return check


def after(check: F) -> F:
    """Declare a method that sees the finished model, and returns it or raises an error."""
    check.sees = "model"  # type: ignore[attr-defined]
    return check


class Model:  # noqa: PLW1641  # because instances have lists, and so no hash
    """The base of all models of the file. Unknown keys are errors, and instances never change.

    The names of its attributes are those of pydantic's models.
    """

    __slots__ = (
        "__dict__",
        "__pydantic_extra__",
        "__pydantic_fields_set__",
        "__pydantic_private__",
    )

    model_fields: ClassVar[Mapping[str, FieldInfo]] = {}
    """Name → key, those of the bases first."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Key → the name of its field, if that is another one, as for `from`."""
    before_checks: ClassVar[Mapping[str, Reader]] = {}
    """Name → method that sees the mapping first. They run in reverse order."""
    after_checks: ClassVar[Mapping[str, Reader]] = {}
    """Name → method that sees the finished model, in their order."""

    own_fields: ClassVar[Mapping[str, FieldInfo]] = {}
    """The keys that the class itself declares."""
    own_checks: ClassVar[Mapping[str, str]] = {}
    """Name of a check that the class itself defines → what it sees."""

    def __init_subclass__(cls) -> None:
        own = vars(cls)
        fields: dict[str, FieldInfo] = {}
        for name, annotation in _annotations(cls):
            if annotation is not ClassVar and get_origin(annotation) is not ClassVar:
                fields[name] = _field(annotation, own.get(name, REQUIRED))
                if name in own:
                    delattr(cls, name)
        cls.own_fields = fields
        cls.own_checks = {
            name: sees
            for name, value in own.items()
            if (sees := getattr(getattr(value, "__func__", value), "sees", ""))
        }
        every: dict[str, FieldInfo] = {}
        checks: dict[str, str] = {}
        for base in cls.__mro__[-2::-1]:
            if issubclass(base, Model):
                every.update(base.own_fields)
                checks.update(base.own_checks)
        cls.model_fields = every
        cls.renamed = {field.alias: name for name, field in every.items() if field.alias}
        # by their names, because a class may override a check of its base
        cls.before_checks, cls.after_checks = (
            {
                name: check
                for name, what in checks.items()
                if what == sees and callable(check := getattr(cls, name))
            }
            for sees in ("mapping", "model")
        )

    def __init__(self, **values: Any) -> None:
        instance = type(self).model_validate(values)
        _fill(self, instance.__dict__, instance.model_fields_set)

    @classmethod
    def model_validate(cls, value: object) -> Self:
        """Read a value. Raise a `ValidationError` of pydantic if it is wrong."""
        instance: Self = read(cls, value)
        return instance

    @classmethod
    def new_reader(cls) -> Reader:
        """Return a function that reads a mapping as the model."""
        by_key = {
            field.alias or name: (name, reader(field.annotation))
            for name, field in cls.model_fields.items()
        }
        defaults = {name: field.get_default() for name, field in cls.model_fields.items()}
        for name, field in cls.model_fields.items():
            if field.validate_default:
                defaults[name] = reader(field.annotation)(defaults[name])
        required = frozenset(
            name for name, field in cls.model_fields.items() if field.is_required()
        )
        before, after = [*cls.before_checks.values()][::-1], [*cls.after_checks.values()]
        new = cls.__new__

        def read_model(value: Any) -> Any:
            instance = value if isinstance(value, cls) else read_mapping(value)
            for check in after:
                instance = check(instance)
            return instance

        def read_mapping(value: Any) -> Any:
            if not isinstance(value, dict):
                raise Unread
            for check in before:
                value = check(value)
            if not isinstance(value, dict):
                raise Unread
            values, keys = defaults.copy(), set()
            for key, item in value.items():
                field = by_key.get(key)
                if field is None:
                    raise Unread
                name, inner = field
                values[name] = inner(item)
                keys.add(name)
            if not required <= keys:
                raise Unread
            instance = new(cls)
            _set(instance, "__dict__", values)
            _set(instance, "__pydantic_fields_set__", keys)
            return instance

        return read_model

    @classmethod
    def model_construct(cls, keys: set[str] | None = None, **values: Any) -> Self:
        """Return a model with values that need no check.

        Other keys have their defaults, which are not read, and a required one has None.
        """
        instance = cls.__new__(cls)
        rest = {name: field.get_default() for name, field in cls.model_fields.items()}
        _fill(instance, rest | values, set(values) if keys is None else keys)
        return instance

    def model_copy(self, update: Mapping[str, Any]) -> Self:
        """Return a copy with other values, which are not checked."""
        instance = type(self).__new__(type(self))
        _fill(instance, {**self.__dict__, **update}, self.model_fields_set | update.keys())
        return instance

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the keys that the file has."""
        keys: set[str] = self.__pydantic_fields_set__  # type: ignore[attr-defined]
        return keys

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} never changes")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} never changes")

    def __getstate__(self) -> tuple[dict[str, Any], set[str]]:
        return self.__dict__, self.model_fields_set

    def __setstate__(self, state: tuple[dict[str, Any], set[str]]) -> None:
        values, keys = state
        _fill(self, {**values}, {*keys})

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        values = (f"{name}={self.__dict__.get(name)!r}" for name in sorted(self.model_fields_set))
        return f"{type(self).__name__}({', '.join(values)})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from netorch.language import validation

        return validation.model_schema(cls, handler)


_set = object.__setattr__


def _fill(model: Model, values: dict[str, Any], keys: set[str]) -> None:
    _set(model, "__dict__", values)
    _set(model, "__pydantic_fields_set__", keys)


def _annotations(model: type[Model]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the type of each attribute that a class declares."""
    for name, annotation in model.__annotations__.items():
        if isinstance(annotation, str):  # the module has `from __future__ import annotations`
            yield name, eval(annotation, vars(sys.modules[model.__module__]))
        else:
            yield name, annotation


def _field(annotation: Any, default: Any) -> FieldInfo:
    field = default if isinstance(default, FieldInfo) else Field(default)
    field.annotation = annotation
    return field
