"""What the kernel has in a namespace beyond the objects of a snapshot, in words."""

from __future__ import annotations

from netorch.immutable import Value


class Extra(Value):
    """A setting or an object for which netorch has no resource."""

    text: str
    """The words of `ip`, `bridge` or `tc`: `realm 3`."""
    matters: bool = False
    """Whether other packets arrive without it."""
    link: str = ""
    """The interface that has it, "" if none has."""
    key: str = ""
    """The key of a node below which it belongs, such as `routes`."""
