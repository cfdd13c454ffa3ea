"""The JSON Schema of topology files, for editors.

It is made from the models, from the schemas that scalars declare with `accepts`, and from the keys
that expansion handles. An editor sees the file before expansion. So any scalar may be a text with
`$(…)`, a name may be a range, and a mapping that is merged with another one may be incomplete.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from netorch.language.constraints import constraints_of
from netorch.language.expand import NAME_LISTS
from netorch.language.model import Model
from netorch.language.schema_shapes import OPEN, RANGE, SUBSTITUTION, Shape, substituted
from netorch.language.validation import adapter
from netorch.language.yaml_tree import retype
from netorch.topology import TopologyFile, by_kind, models
from netorch.topology.interfaces import MadeElsewhere
from netorch.topology.late import LateModel
from netorch.version import LANGUAGE, __version__

DIALECT = "http://json-schema.org/draft-07/schema#"
"""Draft 7, because SchemaStore and many editors support no later draft completely."""

SITE = "https://netorch.github.io/netorch/"
"""The address of the documentation."""

PATH = f"schema/v{LANGUAGE}/topology.json"
"""The path of the schema below it. docs/conf.py writes the schema there."""

ID = f"{SITE}{PATH}"
"""The address of the newest schema of this version of the language."""

_NO_VALUES = {None, "none", "any", "nobody"}
"""Defaults in descriptions that are not values to write."""
_RANGED = {"CheckModel": ("from", "to", "all"), "EndpointModel": ("node", "interface")}
"""Model → the keys whose texts may contain ranges."""
_NULL: Shape = {"type": "null"}
_OF_MODELS = "#/$defs/"
"""The beginning of a reference in the schema that pydantic generates."""
_DEFINITIONS = "#/definitions/"
"""The beginning of a reference in the document."""
_COMMON = "interface-made-elsewhere"
"""The definition whose keys the definitions of all kinds of interfaces share."""


def schema() -> Shape:
    """Return the whole schema as JSON values."""
    return _Document(adapter(TopologyFile).json_schema(schema_generator=_Generator)).whole()


class _Generator(GenerateJsonSchema):
    """Generates the schema of what a file may contain, not of the values that validation returns.

    Keys such as `$word`, `$kinds`, `$model` and `$rules` are messages to `_Document`, which
    replaces them.
    """

    def generate_inner(self, schema: Any) -> Any:
        check = _check(schema)
        if check is by_kind:
            every: dict[str, type[Model]] = {**dict(models()), "": MadeElsewhere}
            return {"$kinds": {kind: self._model(model) for kind, model in every.items()}}
        if isinstance(check, LateModel):
            return self._model(check.model())
        shape = getattr(check, "written", None)
        if shape is None:
            return super().generate_inner(schema)
        if callable(shape):
            inner = schema["schema"]
            return shape(
                self.generate_inner(inner)
                if _check(inner) is by_kind
                else super().generate_inner(inner)
            )
        name = (
            ""
            if "<locals>" in check.__qualname__
            else check.__name__.strip("_").replace("_", "-") + "-text"
        )
        return {"$word": name, "is": substituted(shape)} if name else substituted(shape)

    def dict_schema(self, schema: Any) -> Any:
        result = {
            "type": "object",
            "additionalProperties": self.generate_inner(schema["values_schema"]),
        }
        if shape := getattr(_check(schema["keys_schema"]), "written", None):
            result["propertyNames"] = {
                "anyOf": [
                    {"pattern": shape["pattern"]},
                    {"$word": "range"},
                    {"$word": "substitution"},
                ]
            }
        return result

    def literal_schema(self, schema: Any) -> Any:
        return substituted({"enum": schema["expected"]})

    def _model(self, model: type[Model]) -> Any:
        return self.generate_inner(adapter(model).core_schema)

    def model_schema(self, schema: Any) -> Any:
        model: type[Model] = schema["cls"]
        result = self.generate_inner(schema["schema"])
        result["description"] = cleandoc(model.__doc__ or "")
        keys = result.get("properties", {})
        for name, field in model.model_fields.items():
            key = field.serialization_alias
            if key is not None and key != name and name in keys:
                forms = [*keys.pop(name)["anyOf"], *keys.get(key, {"anyOf": []})["anyOf"]]
                keys[key] = {
                    "description": field.description,
                    "anyOf": [part for at, part in enumerate(forms) if part not in forms[:at]],
                }
        shapes = [constraint.shape(model) for constraint in constraints_of(model)]
        return {**result, "$model": model.__name__, **({"$rules": shapes} if shapes else {})}


def _check(schema: Any) -> Any:
    """Return the validator that sees a value first, or None if there is none."""
    if schema["type"] not in {"function-before", "function-plain"}:
        return None
    return schema["function"]["function"].__wrapped__


class _Document:
    """Assembles the document from the schemas that `_Generator` made."""

    def __init__(self, models: Shape) -> None:
        self.models = models.pop("$defs")
        """Name of a model → its generated schema."""
        self.top = models
        """The generated schema of the whole file."""
        self.defs: dict[str, Shape] = {
            "substitution": OPEN
            | {"description": "A text with `$(…)`, which may become any value."},
            "range": {
                "type": "string",
                "pattern": RANGE,
                "description": "A name that stands for several names, such as `h[1-3]`.",
            },
        }
        """The `definitions` of the document."""

    def whole(self) -> Shape:
        """Return the finished document."""
        top = self.model(self.top)
        for rules in ("required", "allOf"):
            top.pop(rules, None)
        keys = top["properties"]
        keys["vars"] = {
            "description": "Values for `$(name)` in the file.",
            "type": ["object", "null"],
            "propertyNames": {"pattern": "^(?!i$)[A-Za-z_][0-9A-Za-z_]*$"},
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }
        keys["profiles"] = {
            "description": "Profiles: named parts of nodes, which nodes take with `profile`.",
            "type": ["object", "null"],
            "additionalProperties": _or_null(_ref("partial-node")),
        }
        self.nodes(keys["nodes"]["additionalProperties"]["anyOf"][0])
        self.split("network")
        self.split("link")
        self.defaults(keys["defaults"])
        layers = [
            self.layered(keys[name], name, part)
            for name, part in (("nodes", "node"), ("networks", "network"))
        ]
        top.pop("patternProperties", None)
        return {
            "$schema": DIALECT,
            "$id": ID,
            "$comment": f"netorch {__version__}",
            "title": "netorch topology",
            "description": "A network topology that `netorch apply` makes in the Linux kernel.",
            **{key: value for key, value in top.items() if key != "description"},
            "allOf": layers,
            "definitions": dict(sorted(self.defs.items())),
        }

    # The definitions of entries that may be incomplete in the file, because expansion merges them
    # with other entries

    def nodes(self, reference: Shape) -> None:
        """Define `node`, whose interfaces must be complete unless it has a profile.

        Also define `partial-node`, whose interfaces may be incomplete.
        """
        node = self.defs.pop("node")
        keys = node["properties"]
        keys["profile"] = {
            "description": "Profiles that the node takes; a later one overrides an earlier one.",
            "anyOf": [
                {"type": ["string", "integer", "null"]},
                {"type": "array", "items": {"type": ["string", "integer"]}},
            ],
        }
        kinds = keys["interfaces"].pop("additionalProperties")["anyOf"][0]["$kinds"]
        self.interfaces({kind: _named(entry["$ref"]) for kind, entry in kinds.items()})
        either = [
            {"properties": {"interfaces": {"additionalProperties": _or_null(_ref(name))}}}
            for name in ("interface", "partial-interface")
        ]
        self.defs["node-keys"] = node
        self.defs["node"] = {
            "allOf": [
                _ref("node-keys"),
                {"if": {"required": ["profile"]}, "then": either[1], "else": either[0]},
            ]
        }
        self.defs["partial-node"] = {"allOf": [_ref("node-keys"), either[1]]}

    def interfaces(self, kinds: dict[str, str]) -> None:
        """Define `interface`, whose `kind` selects its keys.

        Also define `partial-interface`, which may get its kind and other keys from a profile or
        from defaults.
        """
        about = {
            kind: self.defs[name].get("description", "") for kind, name in kinds.items() if kind
        }
        self.defs["kind"] = {
            "description": "Kind of interface that netorch makes; leave it out if a link or a"
            " network makes the interface.",
            "anyOf": [
                {"enum": [*about], "markdownEnumDescriptions": [*about.values()]},
                _ref("substitution"),
                _NULL,
            ],
        }
        whole, partial, every = [], [], dict[str, list[Shape]]()
        common = self.defs[kinds[""]]["properties"].copy()
        for kind, name in kinds.items():
            rest = self.split(name, f"interface-{kind}" if kind else _COMMON)
            shape = self.defs[rest[0]["$ref"].rpartition("/")[2]]
            keys = shape["properties"]
            shared = {
                key: {"$ref": f"{_DEFINITIONS}{_COMMON}/properties/{key}"}
                for key, value in keys.items()
                if value == common.get(key)
            }
            shared["kind"] = _ref("kind")
            for key, value in (keys | shared).items():
                if value not in (forms := every.setdefault(key, [])):
                    forms.append(value)
            shape["properties"] = keys | (shared if kind else {"kind": _ref("kind")})
            condition = {
                "properties": {"kind": {"const": kind} if kind else _NULL},
                **({"required": ["kind"]} if kind else {}),
            }
            whole.append({"if": condition, "then": {"allOf": rest} if len(rest) > 1 else rest[0]})
            if kind:
                partial.append({"if": condition, "then": rest[0]})
            else:
                partial.append({"if": condition, "then": _ref("interface-of-any-kind")})
        self.defs["interface-of-any-kind"] = {
            "type": "object",
            "properties": {
                key: shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
                for key, shapes in every.items()
            },
            **_CLOSED,
        }
        for name, branches in (("interface", whole), ("partial-interface", partial)):
            self.defs[name] = {
                "type": "object",
                "properties": {"kind": _ref("kind")},
                "allOf": branches,
            }

    def split(self, name: str, new: str = "") -> list[Shape]:
        """Move the keys of a model to a definition without its requirements.

        The definition is called `new`, or `NAME-keys`; in that case `NAME` stays defined as the
        keys together with the requirements. Return the schemas that make up the whole: a reference
        to the keys, then the requirements.
        """
        model = self.defs.pop(name)
        rest = [{"required": model.pop("required")}] if "required" in model else []
        rest += model.pop("allOf", [])
        self.defs[new or f"{name}-keys"] = model
        parts = [_ref(new or f"{name}-keys"), *rest]
        if not new:
            self.defs[name] = {"allOf": parts}
        return parts

    def layered(self, section: Shape, name: str, part: str) -> Shape:
        """Return a schema by which entries of a section are complete unless defaults apply."""
        partial = "partial-node" if part == "node" else f"{part}-keys"
        del section["additionalProperties"]
        either = [
            {"properties": {name: {"additionalProperties": _or_null(_ref(entry))}}}
            for entry in (part, partial)
        ]
        given = {
            "required": ["defaults"],
            "properties": {"defaults": {"type": "object", "required": [part]}},
        }
        return {"if": given, "then": either[1], "else": either[0]}

    def defaults(self, key: Shape) -> None:
        """Add the defaults that expansion merges: for nodes, networks and links."""
        properties = self.defs["defaults"]["properties"]
        for name, partial in (
            ("node", "partial-node"),
            ("network", "network-keys"),
            ("link", "link-keys"),
        ):
            properties[name] = {
                "description": f"Values for every {name}.",
                **_or_null(_ref(partial)),
            }
        reference = key.pop("$ref")
        key["anyOf"] = [{"$ref": reference}, _NULL]

    # From the models to the document

    def model(self, model: Shape) -> Shape:
        """Return a model's schema for the document, and define the models to which it refers."""
        result = {"type": "object", "properties": {}} | {
            key: model[key] for key in ("description", "required") if key in model
        }
        if "description" in result:
            result["description"] = " ".join(result["description"].split())
        for key, value in model["properties"].items():
            cleaned = self.clean(value)
            if key in NAME_LISTS:
                _spread(cleaned)
            if key in _RANGED.get(model["$model"], ()):
                cleaned = {
                    "anyOf": [*cleaned.pop("anyOf", [cleaned]), _ref("range")]
                } | _description(cleaned)
            result["properties"][key] = cleaned | self.default(value)
        return result | _CLOSED | ({"allOf": model["$rules"]} if "$rules" in model else {})

    def default(self, value: Shape) -> Shape:
        """Return the default of a key as a schema.

        It is the text in brackets at the end of the description, or else the field's default if
        that is a scalar.
        """
        match = re.fullmatch(r".*?\(([^() ]+)\)\.", value.get("description", ""), re.S)
        if match and (default := retype(match[1])) not in _NO_VALUES:
            return {"default": default}
        plain = value.get("default")
        return {"default": plain} if isinstance(plain, (bool, int, str)) and not match else {}

    def clean(self, value: Any) -> Any:
        """Replace the messages of `_Generator` in a generated schema, at all depths."""
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if not isinstance(value, dict):
            return value
        if (word := value.get("$word")) is not None:
            if "is" in value:
                self.defs[word] = value["is"]
            return _ref(word) | _description(value)
        if "$key" in value:
            model = self.models[value["of"]["$ref"].rpartition("/")[2]]
            return self.clean(model["properties"][value["$key"]])
        if (reference := value.get("$ref", "")).startswith(_OF_MODELS):
            name = _named(reference)
            if name not in self.defs:
                self.defs[name] = {}
                self.defs[name] = self.model(self.models[reference.rpartition("/")[2]])
            return _ref(name) | _description(value)
        if "$kinds" in value:
            for entry in value["$kinds"].values():
                self.clean(entry)
            return value
        return {
            key: self.clean(item) for key, item in value.items() if key not in {"title", "default"}
        }


_CLOSED: Shape = {"patternProperties": {SUBSTITUTION: True}, "additionalProperties": False}
"""Allows no further keys, except keys with a `$(…)`."""


def _ref(name: str) -> Shape:
    return {"$ref": f"{_DEFINITIONS}{name}"}


def _named(reference: str) -> str:
    """Return the name of a model's definition in the document: `RouteModel` is `route`."""
    name = reference.rpartition("/")[2].removesuffix("Model")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _or_null(shape: Shape) -> Shape:
    return {"anyOf": [shape, _NULL]}


def _description(shape: Shape) -> Shape:
    return {"description": shape["description"]} if "description" in shape else {}


def _spread(shape: Any) -> None:
    """Allow ranges as items of a list of names."""
    parts: Iterable[Any] = [shape, *shape.get("anyOf", ())]
    for part in parts:
        if part.get("type") == "array":
            part["items"] = {"anyOf": [part["items"], _ref("range")]}
