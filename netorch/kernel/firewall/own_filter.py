"""A topology's own packet filter in a namespace, as a backend reads it."""

from __future__ import annotations

from netorch.immutable import Value


class OwnFilter(Value):
    """A topology's own packet filter, and the foreign objects in its place."""

    text: str = ""
    """The filter as the backend lists it, "" for none."""
    foreign: tuple[str, ...] = ()
    """The foreign objects in the filter's place, each as the first line of its text."""
