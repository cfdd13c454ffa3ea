"""Find the model of a part of a topology file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netorch.language.model import Model
from netorch.resolve.pruned_tree import within
from netorch.topology import TopologyFile, by_kind, words_of
from netorch.topology.late import LateModel
from netorch.topology.memberships import Membership, OneOrSeveral


def model_at(location: Sequence[str | int], tree: Any) -> type[Model] | None:
    """Return the model of the mapping that contains an unknown key, or None if it has none."""
    model: type[Model] = TopologyFile
    chooser, skip, value = None, 0, tree
    for part in location[:-1]:
        value = within(value, part)
        if skip:
            skip -= 1
        elif isinstance(part, int) and model is Membership:
            continue  # it is one of several memberships in a network
        else:
            field = next(
                (
                    field
                    for name, field in model.model_fields.items()
                    if part in {name, field.alias}
                ),
                None,
            )
            chooser, skip = inside(field.annotation) if field is not None else (None, 0)
            if chooser is None:
                return None
        if chooser is not None and not skip:
            model = chooser(value)
    return model


def keys_of_model(model: type[Model] | None) -> list[str]:
    """Return the keys that a mapping of a model may have."""
    return (
        [field.serialization_alias or name for name, field in model.model_fields.items()]
        if model
        else []
    )


def inside(annotation: Any) -> tuple[Callable[[Any], type[Model]] | None, int]:
    """Return how to choose the model inside an annotation, and at which depth it is.

    The first is a function from a value to its model, or None if there is no model. The second is
    the number of keys or positions that lead to it.
    """
    if any(
        getattr(extra, "func", None) is by_kind for extra in getattr(annotation, "__metadata__", ())
    ):
        return lambda value: words_of(within(value, "kind")), 0
    if annotation is OneOrSeveral:
        return lambda _: Membership, 0
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(late := getattr(extra, "func", None), LateModel):
            return lambda _, late=late: late.model(), 0
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return lambda _: annotation, 0
    inner = [inside(part) for part in getattr(annotation, "__args__", ())]
    chooser = next((choose for choose, _ in reversed(inner) if choose is not None), None)
    depth = max((depth for _, depth in inner), default=0)
    return chooser, depth + (getattr(annotation, "__origin__", None) in {dict, list})
