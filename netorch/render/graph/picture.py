"""The contents of a picture without positions: things, and edges between them.

A thing is a node or a network. Every text has a status, which shows drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from netorch.immutable import Value


class Status(Enum):
    """How an object in the kernel compares with the file."""

    OK = "ok"
    MISSING = "missing"
    """The file has it, the kernel does not."""
    EXTRA = "extra"
    """The kernel has it, the file does not."""
    CHANGED = "changed"


class Text(Value):
    """A few words on one line."""

    text: str
    status: Status = Status.OK
    more: tuple[str, ...] = ()
    """How the object differs from the file, in lines."""

    def with_status(self, within: Status = Status.OK) -> str:
        """Return the text after the word `missing` or `extra`, if that is its status.

        The word is left out if `within`, the status of the whole object, is the same.
        """
        return (
            self.text
            if self.status in {Status.OK, Status.CHANGED, within}
            else f"{self.status.value} {self.text}"
        )


class DetailSection(Value):
    """A section of the details of a thing."""

    title: str
    rows: tuple[Text, ...]


class ThingId(NamedTuple):
    """The identity of a thing."""

    kind: str
    """`node`, `network` or `machine`."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Thing(Value):
    """A node or a network, or a machine whose nodes are not in the picture."""

    id: ThingId
    kind: str
    """`node`, `router`, `host`, `network` or `machine`."""
    name: str
    tag: str = ""
    """A word after the name: a network's mode, or what a node is attached to."""
    lines: tuple[Text, ...] = ()
    """The lines below the name."""
    status: Status = Status.OK
    sections: tuple[DetailSection, ...] = ()
    """The details that the page shows."""
    yaml: str = ""
    """The part of the file that defines the thing."""
    machine: str = ""
    """The machine in whose frame it is, "" if it is in none."""


class EdgeEnd(Value):
    """One end of an edge, at a thing."""

    thing: ThingId
    interface: str = ""
    """The name of the interface, "" if the picture does not show it."""
    addresses: tuple[Text, ...] = ()
    status: Status = Status.OK

    def texts(self) -> tuple[Text, ...]:
        """Return the interface and its addresses."""
        return (*((Text(self.interface, self.status),) if self.interface else ()), *self.addresses)


class Edge(Value):
    """A connection between two things."""

    ends: tuple[EdgeEnd, EdgeEnd]
    kind: str = "cable"
    """What the edge stands for.

    `cable`: a veth pair. `owner`: the bridge of a network in its node. `tunnel`: a tunnel.
    `parent`: an upper link, such as a macvlan, whose parent is in the other thing.
    """
    labels: tuple[Text, ...] = ()
    """The texts in the middle."""
    status: Status = Status.OK


class Frame(Value):
    """A machine whose nodes are in the picture."""

    name: str
    address: str


class Picture(Value):
    """The things and edges of a topology."""

    name: str
    things: tuple[Thing, ...]
    edges: tuple[Edge, ...]
    live: str = ""
    """How the kernel compares with the file: `live, in sync`. "" for a picture of a file."""
    compared: bool = False
    """Whether the kernel was compared with the file, so that drift is visible."""
    frames: tuple[Frame, ...] = ()
    """The machines of a topology that is spread over several, each with a frame around its nodes.
    """
    overview: tuple[DetailSection, ...] = ()
    """What is about the whole topology: its checks, and its published ports."""
    file: Picture | None = None
    """For a live topology, the picture of its file, whose arrangement it has."""

    def framed(self) -> Iterator[tuple[Frame, list[Thing]]]:
        """Yield each frame with the things in it."""
        inside: dict[str, list[Thing]] = {}
        for thing in self.things:
            inside.setdefault(thing.machine, []).append(thing)
        for frame in self.frames:
            yield frame, inside[frame.name]

    @property
    def title(self) -> str:
        return f"{self.name}, {self.live}" if self.live else self.name
