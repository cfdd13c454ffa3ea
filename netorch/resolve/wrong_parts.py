"""Say what is wrong with a part of a topology file, where, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netorch.errors import Problem, did_you_mean, most_similar
from netorch.language.model import Model
from netorch.language.yaml_traps import without_space
from netorch.language.yaml_tree import Map, locate, quote
from netorch.resolve.desired import Complaint
from netorch.resolve.model_at import inside, keys_of_model, model_at
from netorch.resolve.problems import TreePath
from netorch.resolve.pruned_tree import has, value_at
from netorch.topology.links import EndpointModel
from netorch.topology.networks import NetworkModel
from netorch.topology.nodes import NodeModel

NAME = 60
"""The length in characters from which errors shorten a key."""


def problem_of_complaint(tree: Map, complaint: Complaint, path: Sequence[str | int]) -> Problem:
    """Return the problem of a complaint about the place `path` of a file."""
    where = locate(tree, path)
    return Problem(complaint.code, complaint.what, where, complaint.remedy, _dotted(tree, path))


def problem_of_entry(tree: Map, entry: Any, path: tuple[str | int, ...]) -> Problem:
    """Return the problem of an error of pydantic about the place `path` of a file."""
    last = path[-1] if path else ""
    parent, here = _dotted(tree, path[:-1]), _dotted(tree, path)
    kind, context = entry["type"], entry.get("ctx", {})
    where = locate(tree, path)
    named = where.before_name(here) if where is not None else None
    model = model_at(entry["loc"], tree) if kind in {"extra_forbidden", "missing"} else None
    if model is EndpointModel and _is_end_with_space(model, end := value_at(tree, path[:-1])):
        [(node, iface)] = end.items()
        where, what = locate(tree, path[:-1]), f"{parent}: '{node}: {iface}' is a mapping."
        remedy = f"Write {node}:{iface}, without a space after the colon."
        return Problem("bad-end", what, where, remedy, parent)
    if kind == "extra_forbidden":
        from netorch.topology.other_words import sentence, similar

        known = [*keys_of_model(model), *_expanded_keys(path[:-1])]
        remedy = (
            _indented_wrong(tree, path)
            or _of_other_tools(sentence, model, str(last), entry["input"])
            or without_space(str(last))
            or did_you_mean(str(last), known)
            or _further_in(model, str(last), value_at(tree, path[:-1]))
            or _of_other_tools(similar, model, str(last), entry["input"])
            or _listing(model, known, path, tree)
        )
        what = f"unknown key {last!r}{f' in {parent}' if parent else ''}."
        return Problem("unknown-key", what, where, remedy, here)
    if kind == "missing":
        what = f"{parent or 'the file'} lacks the key {last!r}."
        before = where.before_name(parent) if where is not None and parent else where
        remedy = (
            "Write `endpoints: [NODE:INTERFACE, NODE:INTERFACE]`."
            if last == "endpoints"
            else _PEER
            if last == "peer" and model is not None and model.__name__ == "VethModel"
            else _meaning(model, str(last))
        )
        return Problem("missing-key", what, before, remedy, here)
    if kind in {"wrong", "value_error"}:
        code, text = _code_and_text(kind, context)
        if not path:
            return Problem(code, text, where, object=here)
        remedy = _of_names(tree, path, entry.get("input")) or _of_value(path, entry.get("input"))
        if remedy:
            text = f"{text.partition(': write ')[0]}."
        return Problem(code, f"{here}: {text}", named, remedy, here)
    code, text, remedy = "bad-value", "", ""
    if kind == "literal_error":
        choices = re.findall(r"'([^']+)'", context["expected"])
        code, text = "not-one-of", f"{entry['input']!r} is not one of {context['expected']}"
        if entry["input"] is None:
            text = f"this is empty: write one of {context['expected']}"
        elif not choices:
            text = f"this must be {context['expected'].lower()}"
        remedy = _of_value(path, entry["input"]) or did_you_mean(str(entry["input"]), choices)
        text += "." if remedy else ""
    elif kind in {"model_type", "dict_type", "model_attributes_type"}:
        remedy = _as_mapping(tree, entry["input"], path)
        text = _instead("a mapping", entry["input"], remedy)
        code = "not-a-mapping"
    elif kind == "list_type":
        remedy = _EMPTY.get(str(last), _EMPTY["*"]) if entry["input"] is None else ""
        remedy = _AS_WRITTEN.get((str(path[0]), len(path)), remedy)
        if isinstance(entry["input"], str):
            remedy = without_space(entry["input"])
        remedy = remedy or _of_value(path, entry["input"])
        code, text = "not-a-list", _instead("a list", entry["input"], remedy)
    elif kind == "string_type":
        remedy = _of_value(path, entry["input"])
        code, text = "bad-value", _instead("text", entry["input"], remedy)
    elif kind in {"too_short", "too_long"} and last == "endpoints":
        count = context.get("actual_length", "that many")
        code, text = "not-two-ends", f"a link must have two ends, not {count}"
        if count != 1:
            text += "."
            remedy = "More ends are a network: write `networks: [NETWORK]` in each of the nodes."
    else:
        message = str(entry["msg"])
        text = f"{message[:1].lower()}{message[1:]}"
    return Problem(code, f"{here}: {text}", named, remedy, here)


_PEER = (
    "Add the other end of the cable, `peer: NODE:IF`. If an entry of `links` makes the interface,"
    " leave out `kind`."
)


def meant_by(model: type[Model] | None, word: str, value: object) -> str:
    """Return the key of a model that an unknown key stands for, "" if that is not clear."""
    from netorch.topology.other_words import meant

    known = keys_of_model(model)
    if model is None or word in known:
        return ""
    other = meant(tuple(base.__name__ for base in model.__mro__), word, value)
    close = most_similar(word, known) or ""
    return other if other in known else close


def _meaning(model: type[Model] | None, key: str) -> str:
    """Return a sentence with the meaning of a key of a model, "" if it has no description."""
    fields = model.model_fields.items() if model is not None else ()
    field = next((field for name, field in fields if key in (name, field.alias)), None)
    text = (field.description or "") if field is not None else ""
    text = text.removeprefix(f"{key.title()}: ")
    return f"Add it: {text[:1].lower()}{text[1:].rstrip('.')}." if text else ""


def _of_value(path: TreePath, value: object) -> str:
    """Return what to write in place of a wrong value, "" if that is not known."""
    from netorch.topology.other_values import remedy

    return "" if value is None else remedy(path, value)


def _of_names(tree: Map, path: TreePath, value: object) -> str:
    """Return what to write in place of the name of a node or a network, "" if it is none."""
    if not isinstance(value, str):
        return ""
    if "endpoints" in path and has(tree.get("networks"), value):
        return f"{value} is a network: write `networks: [{value}]` in the node at the other end."
    if path[-1:] in (("via",), ("to",)) and has(tree.get("nodes"), value):
        return f"{value} is a node: write an address of it."
    return ""


def _instead(shape: str, value: object, remedy: str) -> str:
    """Return the sentence about a value of the wrong shape."""
    what = "this is empty" if value is None else f"this must be {shape}, not {_shape(value)}"
    return f"{what}{'.' if remedy else ''}"


def _as_mapping(tree: Map, value: object, path: TreePath) -> str:
    """Return what to write in place of a value that is not a mapping."""
    section, depth = str(path[0]) if path else "", len(path)
    is_row = section in ("links", "checks")
    if isinstance(value, str) and not is_row and (remedy := without_space(value)):
        return remedy
    if section in ("nodes", "networks") and depth == 2 and not isinstance(tree[section], list):
        model = NodeModel if section == "nodes" else NetworkModel
        if path[1] in keys_of_model(model):
            one = section.removesuffix("s")
            return f"`{path[1]}` is a key of a {one}: indent it further than the {one}'s name."
    if remedy := _of_value(path, value) or _AS_WRITTEN.get((section, depth), ""):
        return remedy
    return "Write `KEY: VALUE` lines below it, or leave out the key." if value is None else ""


def _is_end_with_space(model: type[Model] | None, value: object) -> bool:
    """Whether an end of a link is `a: eth0`, which is a mapping because of the space."""
    return (
        model is EndpointModel
        and isinstance(value, dict)
        and len(value) == 1
        and not any(key in keys_of_model(model) for key in value)
        and all(isinstance(name, (str, int)) for name in value.values())
    )


def _code_and_text(kind: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """Return the code and the sentence of an error from one of netorch's own validators.

    The validators of scalars raise it with `netorch.language.scalars.wrong`, which sets both. Other
    validators raise a ValueError, which may have a `code`.
    """
    if kind == "wrong":
        return str(context["code"]), str(context["text"])
    error = context["error"]
    return getattr(error, "code", None) or "bad-value", str(error)


_EMPTY = {
    "subnet": "Write `subnet: 10.0.0.0/24`, or leave out the key.",
    "gateway": "Write the name or an address of a member, or leave out the key.",
    "endpoints": "Write `endpoints: [NODE:INTERFACE, NODE:INTERFACE]`.",
    "addresses": "Write `addresses: [10.0.0.1/24]`, or leave out the key.",
    "*": "Write [a, b], or leave out the key.",
}
"""Key of a list → the remedy if the list is empty, with "*" for all others."""

_AS_WRITTEN = {
    ("nodes", 1): "Write `NAME: {}` for each node.",
    ("networks", 1): "Write `NAME: {subnet: 10.0.0.0/24}` for each network.",
    ("links", 1): "Write `- [NODE:INTERFACE, NODE:INTERFACE]` lines below it, or leave it out.",
    ("checks", 1): "Write `- {from: NODE, to: NODE}` lines below it, or leave it out.",
    ("links", 2): "Write [NODE:INTERFACE, NODE:INTERFACE], or a mapping with `endpoints`.",
    ("checks", 2): "Write {from: NODE, to: NODE}.",
}
"""Top key and depth of a mapping → the remedy if the file has something else there."""


def _indented_wrong(tree: Map, path: TreePath) -> str:
    """Return the remedy for a key at the top of a file whose `nodes` or `networks` is empty."""
    if len(path) != 1 or not isinstance(tree.get(str(path[0])), (dict, type(None))):
        return ""
    section = next((name for name in ("nodes", "networks") if tree.get(name, ...) is None), "")
    return f"Indent it, to make it an entry of `{section}`, which is empty." if section else ""


def _of_other_tools(
    find: Callable[[tuple[str, ...], str, object], str],
    model: type[Model] | None,
    word: str,
    value: object,
) -> str:
    """Return what a key of another tool is here, or ""."""
    if model is None:
        return ""
    return find(tuple(base.__name__ for base in model.__mro__), word, value)


def _further_in(model: type[Model] | None, word: str, mapping: object) -> str:
    """Return a remedy for a key that belongs one level deeper, such as `delay` into `impair`.

    Of several such places, one that is in the `mapping` of the key comes first.
    """
    places: list[str] = []
    for key, field in zip(
        keys_of_model(model), model.model_fields.values() if model else (), strict=True
    ):
        chooser, depth = inside(field.annotation)
        if chooser is not None and depth == 0 and word in keys_of_model(chooser(None)):
            places.append(key)
    places.sort(key=lambda key: not has(mapping, key))
    return f"Write {places[0]}: {{{word}: …}}." if places else ""


def _expanded_keys(path: Sequence[str | int]) -> Sequence[str]:
    """Return the keys of a mapping that expansion removes before validation."""
    if not path:
        return ("vars", "profiles")
    if path[0] == "defaults" and len(path) == 1:
        return ("node", "link", "network")
    return ("profile",) if path[0] == "nodes" and len(path) == 2 else ()


def _dotted(tree: Any, path: Sequence[str | int]) -> str:
    """Return a path as text, without the steps that only a long form has."""
    parts: list[str] = []
    for part in path:
        if has(tree, part):
            parts.append(
                text if len(text := str(part)) <= NAME and text.isprintable() else quote(text)
            )
            tree = tree[part]
    return ".".join(parts)


def _listing(model: type[Model] | None, known: Sequence[str], path: TreePath, tree: Any) -> str:
    """Return the keys of a mapping with an unknown key."""
    from netorch.topology.key_lists import keys_of

    if model is None:
        return ""
    kind = ""
    if len(path) > 4 and path[0] == "nodes" and path[2] == "interfaces":
        value = value_at(tree, path[:-1]).get("kind") if len(path) == 5 else None
        kind = value if isinstance(value, str) else ""
    return keys_of(tuple(base.__name__ for base in model.__mro__), known, kind)


def _shape(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return "an empty value" if value is None else repr(value)
