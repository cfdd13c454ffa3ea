"""The values that the table of codes is made of."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One kind of fault, with the texts under which a user looks it up."""

    name: str
    """The `code` of an error in JSON, and the heading in docs/errors.md."""
    title: str
    """The fault in a few words."""
    cause: str
    """What happened, and why that is a fault."""
    cure: str
    """What to do about it."""


class Area(NamedTuple):
    """A group of related codes: one section of docs/errors.md."""

    title: str
    codes: tuple[Code, ...]
