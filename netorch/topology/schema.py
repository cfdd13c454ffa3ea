"""The JSON Schema of the language, for editors: made of the models, of what their words say of themselves, and of what expansion adds.

An editor sees the file before anything is resolved in it. So a scalar may be a text with `$(…)` wherever it stands, a name may be a
range, and what is merged with something else need not be whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from netorch.language.constraints import constraints_of
from netorch.language.expand import NAME_LISTS
from netorch.language.schema_shapes import OPEN, RANGE, SUBSTITUTION, Shape, substituted
from netorch.language.yaml_tree import retype
from netorch.topology import KINDS, TopologyFile, by_kind
from netorch.version import __version__

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NO_VALUES = {None, "none", "any", "nobody"}
"""What descriptions say of defaults that cannot be written."""
_RANGED = {"CheckModel": ("from", "to", "all"), "EndpointModel": ("node", "interface")}
"""Keys of links and checks whose texts may hold ranges."""
_NULL: Shape = {"type": "null"}
_COMMON = "interface-made-elsewhere"
"""What the others are built on."""


def schema() -> Shape:
    """The whole document, as JSON has it."""
    return _Document(TopologyFile.model_json_schema(schema_generator=_Generator)).whole()


class _Generator(GenerateJsonSchema):
    """What may be written, where pydantic would say what comes out. Keys with a `$` of their own are for `_Document`."""

    def generate_inner(self, schema: Any) -> Any:
        check = _check(schema)
        if check is by_kind:
            return {"$kinds": {kind: self._model(model) for kind, model in KINDS.items()}}
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
        found = {
            "type": "object",
            "additionalProperties": self.generate_inner(schema["values_schema"]),
        }
        if shape := getattr(_check(schema["keys_schema"]), "written", None):
            found["propertyNames"] = {
                "anyOf": [
                    {"pattern": shape["pattern"]},
                    {"$word": "range"},
                    {"$word": "substitution"},
                ]
            }
        return found

    def literal_schema(self, schema: Any) -> Any:
        return substituted({"enum": schema["expected"]})

    def _model(self, model: type[BaseModel]) -> Any:
        model.model_rebuild()
        return self.generate_inner(model.__pydantic_core_schema__)

    def model_schema(self, schema: Any) -> Any:
        found = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        keys = found.get("properties", {})
        for name, field in model.model_fields.items():
            key = field.serialization_alias
            if key is not None and key != name and name in keys:
                forms = [*keys.pop(name)["anyOf"], *keys.get(key, {"anyOf": []})["anyOf"]]
                keys[key] = {
                    "description": field.description,
                    "anyOf": [part for at, part in enumerate(forms) if part not in forms[:at]],
                }
        shapes = [constraint.shape(model) for constraint in constraints_of(model)]
        return {**found, "$model": model.__name__, **({"$rules": shapes} if shapes else {})}


def _check(schema: Any) -> Any:
    """The function of the language that a value goes through first."""
    return (
        schema["function"]["function"]
        if schema["type"] in {"function-before", "function-plain"}
        else None
    )


class _Document:
    """Puts together what the generator found. `defs`: what the document has under `$defs`."""

    def __init__(self, models: Shape) -> None:
        self.models = models.pop("$defs")
        self.top = models
        self.defs: dict[str, Shape] = {
            "substitution": OPEN
            | {"description": "A text with `$(…)` in it, which may become anything."},
            "range": {
                "type": "string",
                "pattern": RANGE,
                "description": "A name that stands for many, such as `h[1-3]`.",
            },
        }

    def whole(self) -> Shape:
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
            "description": "Named partial nodes, which nodes take with `profile`.",
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
            "$id": f"urn:netorch:{__version__}:topology",
            "title": "netorch topology",
            "description": "A network topology that `netorch apply` gives to the Linux kernel.",
            **{key: value for key, value in top.items() if key != "description"},
            "allOf": layers,
            "$defs": dict(sorted(self.defs.items())),
        }

    # What is merged before it has to be whole

    def nodes(self, reference: Shape) -> None:
        """A node whose interfaces must be whole, unless it has a profile; one whose interfaces need not be."""
        node = self.defs.pop("node")
        keys = node["properties"]
        keys["profile"] = {
            "description": "Profiles that it takes, later over earlier.",
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
        """`interface` goes by its `kind`. `partial-interface` may get that and more from elsewhere."""
        about = {
            kind: self.defs[name].get("description", "") for kind, name in kinds.items() if kind
        }
        self.defs["kind"] = {
            "description": "What netorch is to make; left out where a link or a network makes it.",
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
                key: {"$ref": f"#/$defs/{_COMMON}/properties/{key}"}
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
        """Leave only the keys of a model under a name of their own; a reference to them, and what it asks for beside."""
        model = self.defs.pop(name)
        rest = [{"required": model.pop("required")}] if "required" in model else []
        rest += model.pop("allOf", [])
        self.defs[new or f"{name}-keys"] = model
        parts = [_ref(new or f"{name}-keys"), *rest]
        if not new:
            self.defs[name] = {"allOf": parts}
        return parts

    def layered(self, section: Shape, name: str, part: str) -> Shape:
        """Entries of a section are whole, unless there are defaults under them."""
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
        words = self.defs["defaults"]["properties"]
        for name, partial in (
            ("node", "partial-node"),
            ("network", "network-keys"),
            ("link", "link-keys"),
        ):
            words[name] = {"description": f"Under every {name}.", **_or_null(_ref(partial))}
        reference = key.pop("$ref")
        key["anyOf"] = [{"$ref": reference}, _NULL]

    # From the models to the document

    def model(self, model: Shape) -> Shape:
        """A model in the document's own terms; what it refers to goes under `$defs`."""
        found = {"type": "object", "properties": {}} | {
            key: model[key] for key in ("description", "required") if key in model
        }
        if "description" in found:
            found["description"] = " ".join(found["description"].split())
        for key, value in model["properties"].items():
            cleaned = self.clean(value)
            if key in NAME_LISTS:
                _spread(cleaned)
            if key in _RANGED.get(model["$model"], ()):
                cleaned = {"anyOf": [*cleaned.pop("anyOf", [cleaned]), _ref("range")]} | _said(
                    cleaned
                )
            found["properties"][key] = cleaned | self.default(value)
        return found | _CLOSED | ({"allOf": model["$rules"]} if "$rules" in model else {})

    def default(self, value: Shape) -> Shape:
        """What a key is if left out: the last brackets of its description, or a plain value of the model."""
        match = re.fullmatch(r".*?\(([^() ]+)\)\.", value.get("description", ""), re.S)
        if match and (said := retype(match[1])) not in _NO_VALUES:
            return {"default": said}
        plain = value.get("default")
        return {"default": plain} if isinstance(plain, (bool, int, str)) and not match else {}

    def clean(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if not isinstance(value, dict):
            return value
        if (word := value.get("$word")) is not None:
            if "is" in value:
                self.defs[word] = value["is"]
            return _ref(word) | _said(value)
        if "$key" in value:
            model = self.models[value["of"]["$ref"].rpartition("/")[2]]
            return self.clean(model["properties"][value["$key"]])
        if (reference := value.get("$ref", "")).startswith("#/$defs/"):
            name = _named(reference)
            if name not in self.defs:
                self.defs[name] = {}
                self.defs[name] = self.model(self.models[reference.rpartition("/")[2]])
            return _ref(name) | _said(value)
        if "$kinds" in value:
            for entry in value["$kinds"].values():
                self.clean(entry)
            return value
        return {
            key: self.clean(item) for key, item in value.items() if key not in {"title", "default"}
        }


_CLOSED: Shape = {"patternProperties": {SUBSTITUTION: True}, "additionalProperties": False}
"""No further keys, but those that are yet to be substituted."""


def _ref(name: str) -> Shape:
    return {"$ref": f"#/$defs/{name}"}


def _named(reference: str) -> str:
    """What the document calls a model: `RouteModel` is `route`."""
    name = reference.rpartition("/")[2].removesuffix("Model")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _or_null(shape: Shape) -> Shape:
    return {"anyOf": [shape, _NULL]}


def _said(shape: Shape) -> Shape:
    return {"description": shape["description"]} if "description" in shape else {}


def _spread(shape: Any) -> None:
    """Items of these lists of names may be ranges."""
    parts: Iterable[Any] = [shape, *shape.get("anyOf", ())]
    for part in parts:
        if part.get("type") == "array":
            part["items"] = {"anyOf": [part["items"], _ref("range")]}
