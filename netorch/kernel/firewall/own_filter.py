"""What a backend finds of a topology's own packet filter in a namespace."""

from __future__ import annotations

from netorch.immutable import Value


class OwnFilter(Value):
    """`text`: what the topology has, as the backend lists it; "" for nothing.

    `strangers`: what stands in its place without its mark, each as the line of a text that begins it.
    """

    text: str = ""
    strangers: tuple[str, ...] = ()
