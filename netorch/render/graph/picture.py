"""What a picture shows, before anybody knows where: things, edges between them, and each one's words with their drift."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from netorch.immutable import Value


class Status(Enum):
    """How what is drawn stands to the file: `missing` is wanted and not there, `extra` is there and not wanted."""

    OK = "ok"
    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


class Text(Value):
    """A few words on one line. `more`: what of it differs, each a line."""

    text: str
    status: Status = Status.OK
    more: tuple[str, ...] = ()

    def with_status(self, within: Status = Status.OK) -> str:
        """With a word for its state, unless that goes without saying, since all of what it is a part of is in that state."""
        return (
            self.text
            if self.status in {Status.OK, Status.CHANGED, within}
            else f"{self.status.value} {self.text}"
        )


class DetailSection(Value):
    """A part of what the details of a thing say."""

    title: str
    rows: tuple[Text, ...]


class ThingId(NamedTuple):
    """`kind` is node or network."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Thing(Value):
    """A node or a network. `kind` is node, router, host or network; `tag` says more of the kind in a word (a network's mode, what a node
    is attached to); `lines` stand below the name; `yaml` is its part of the file.
    """

    id: ThingId
    kind: str
    name: str
    tag: str = ""
    lines: tuple[Text, ...] = ()
    status: Status = Status.OK
    sections: tuple[DetailSection, ...] = ()
    yaml: str = ""


class EdgeEnd(Value):
    """Where an edge meets a thing: `interface` is "" where that is of no interest."""

    thing: ThingId
    interface: str = ""
    addresses: tuple[Text, ...] = ()
    status: Status = Status.OK

    def texts(self) -> tuple[Text, ...]:
        """The interface and its addresses."""
        return (*((Text(self.interface, self.status),) if self.interface else ()), *self.addresses)


class Edge(Value):
    """`kind`: cable; owner, the bridge of a network in its node; tunnel; or parent, what a macvlan and the like is on."""

    ends: tuple[EdgeEnd, EdgeEnd]
    kind: str = "cable"
    labels: tuple[Text, ...] = ()
    status: Status = Status.OK


class Picture(Value):
    """`live` says how the kernel stands to the file: "" for a picture of a file. `compared`: drift would be seen."""

    name: str
    things: tuple[Thing, ...]
    edges: tuple[Edge, ...]
    live: str = ""
    compared: bool = False

    @property
    def title(self) -> str:
        return f"{self.name}, {self.live}" if self.live else self.name
