"""What is wrong with a value that a model cannot read: pydantic says it.

pydantic gets its validators from the models, and makes instances of the same classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from netorch.language.model import Refused
from netorch.language.readers import Reader

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    from netorch.language.model import FieldInfo, Model


def validate(annotation: Any, value: object) -> Any:
    """Read a value. Raise ValidationError, with all that is wrong with it."""
    return adapter(annotation).validate_python(value)


def adapter(annotation: Any) -> TypeAdapter[Any]:
    """Return pydantic's validator of a type."""
    return _adapter(annotation)


@cache  # apart, because mypy does not take the class of a model for hashable
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def errors_of(error: ValueError) -> list[dict[str, Any]]:
    """Return the errors of a ValidationError, in pydantic's form."""
    assert isinstance(error, ValidationError)
    return [dict(entry) for entry in error.errors(include_url=False)]


# The schemas of what `Annotated` adds to a type


def before(check: Reader, inner: CoreSchema) -> CoreSchema:
    return core_schema.no_info_before_validator_function(in_words(check), inner)


def plain(check: Reader) -> CoreSchema:
    return core_schema.no_info_plain_validator_function(in_words(check))


def instead(check: Reader, inner: CoreSchema) -> CoreSchema:
    raising = in_words(check)
    return core_schema.no_info_wrap_validator_function(lambda value, _: raising(value), inner)


def model_schema(model: type[Model], handler: GetCoreSchemaHandler) -> CoreSchema:
    """Return the schema by which pydantic makes instances of a model."""
    fields = {name: _field(field, handler) for name, field in model.model_fields.items()}
    schema: Any = core_schema.model_fields_schema(fields, model_name=model.__name__)
    for check in model.before_checks.values():
        schema = core_schema.no_info_before_validator_function(in_words(check), schema)
    config = core_schema.CoreConfig(title=model.__name__, extra_fields_behavior="forbid")
    schema = core_schema.model_schema(model, schema, config=config, frozen=True)
    for check in model.after_checks.values():
        schema = core_schema.no_info_after_validator_function(in_words(check), schema)
    schema["ref"] = f"{model.__module__}.{model.__qualname__}:{id(model)}"
    result: CoreSchema = schema
    return result


def _field(field: FieldInfo, handler: GetCoreSchemaHandler) -> core_schema.ModelField:
    schema = handler.generate_schema(field.annotation)
    if field.default_factory is not None:
        schema = core_schema.with_default_schema(
            schema, default_factory=field.default_factory, validate_default=field.validate_default
        )
    elif not field.is_required():
        # apart, because the JSON Schema has these defaults
        schema = core_schema.with_default_schema(
            schema, default=field.default, validate_default=field.validate_default
        )
    updates = {"description": field.description} if field.description else {}
    return core_schema.model_field(
        schema, validation_alias=field.alias, metadata={"pydantic_js_updates": updates}
    )


def in_words(check: Reader) -> Callable[[Any], Any]:
    """Return a check whose errors pydantic reports with their place and their code."""

    @wraps(check)
    def raising(value: Any) -> Any:
        try:
            return check(value)
        except Refused as refusal:
            context = {"text": refusal.text, "code": refusal.code}
            error = PydanticCustomError("wrong", "{text}", context)
            if not refusal.loc:
                raise error from None
            place = InitErrorDetails(type=error, loc=refusal.loc, input=refusal.value)
            name = type(value).__name__
            raise ValidationError.from_exception_data(name, [place]) from None

    return raising
