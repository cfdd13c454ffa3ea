"""The resources of a state by their class, found once for all who ask for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from netorch.state.resource import Resource, State

One = TypeVar("One", bound=Resource)
_Groups = dict[type[Resource], list[Resource]]

_RECENT: deque[tuple[State, _Groups]] = deque(maxlen=4)
"""The states that were asked about last. A comparison asks some twenty times about two or three."""


def of_class(state: State, cls: type[One]) -> Sequence[One]:
    """Return the resources of a class and its subclasses, each class in the order of the state.

    The state must not change afterwards, because netorch remembers the result.
    """
    fitting = [group for one, group in groups_of(state).items() if issubclass(one, cls)]
    if len(fitting) == 1:
        return fitting[0]  # type: ignore[return-value]
    return [resource for group in fitting for resource in group]  # type: ignore[misc]


def groups_of(state: State) -> _Groups:
    """Return class → its resources in the order of the state, with the limits of `of_class`."""
    for known, groups in _RECENT:
        if known is state:
            return groups
    groups = {}
    for resource in state.values():
        cls = type(resource)
        if cls in groups:
            groups[cls].append(resource)
        else:
            groups[cls] = [resource]
    _RECENT.append((state, groups))
    return groups
