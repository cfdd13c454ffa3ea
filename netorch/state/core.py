"""The words every other module speaks: Key, Resource, State, Step, Plan.

All of them are plain immutable values. A `Resource` is one thing that the kernel makes in one act, with every attribute
that netorch manages filled in; what is not managed is not a field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from netorch.value import Value

if TYPE_CHECKING:
    from netorch.values.requests import Answer, Feature, Question, Request
    from netorch.values.snapshot import Snapshot

HOST = "host"
"""The label of the namespace that netorch runs in. Other labels are names in /run/netns, or `@NODE` for an attached one."""
_ATTACHED = "@"
"""Before the label of a namespace that others made. No name in /run/netns that netorch makes begins so."""


def attached_label(name: object) -> str:
    """The label of a namespace that others made: by its node's name, or by what it is."""
    return f"{_ATTACHED}{name}"


def is_attached(label: str) -> bool:
    return label.startswith(_ATTACHED)


def label_text(label: str) -> str:
    """A namespace's label as a person reads it: an attached one by its node's name."""
    return label.removeprefix(_ATTACHED)


class Key(NamedTuple):
    """Identity of a resource: what two states are compared by.

    `parts` tell resources of one kind in one namespace apart, such as a link and an address. Each kind has a function that makes
    its keys; nothing else does. What is made of parts is for people: whoever needs one of them asks the resource.
    """

    kind: str
    netns: str
    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The parts as a person reads them, such as `eth0 10.0.0.1/24`; "" of a key without parts."""
        return " ".join(self.parts)

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.netns}/{self.name}" if self.parts else f"{self.kind} {self.netns}"
        )


cached_key = lru_cache(maxsize=1 << 16)
"""Decorator of functions that make keys: the same few are asked for again at each step of the way, and making one takes three times as long
as finding it.
"""


class Obstacle(NamedTuple):
    """What is in the way of a step, beside somebody else's object in its place.

    `code` is a key of the table in `netorch.errors.codes`, `what` and `remedy` are sentences.
    """

    code: str
    what: str
    remedy: str = ""


class Disruption(Enum):
    """What a step does to the traffic that is there."""

    CREATE = "create"
    UPDATE = "update"
    FLAP = "flap"
    REPLACE = "replace"
    DELETE = "delete"


class Resource(Value):
    """One kernel object; subclasses live in `netorch.kinds`, one file a kind.

    Resources of one class are equal if all their fields are, except those named in `HINTS`.
    """

    KIND: ClassVar[str]
    HINTS: ClassVar[tuple[str, ...]] = ()
    """Fields that say how to make the object and not what it is. A subclass adds to them."""
    CREATION: ClassVar[Disruption] = Disruption.CREATE
    """What its creation does to traffic."""
    REMOVAL: ClassVar[Disruption] = Disruption.FLAP
    """What its end does to the traffic of the link that it is a part of."""
    WAY_OUT: ClassVar[str] = "Take another name (or a `prefix`), or remove it first."
    """What a person can do where something of others is in the way."""
    TAKEN: ClassVar[str] = "name-taken"
    """The code of the error that says so."""

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        if super().__eq__(other):
            return True  # because most pairs agree in their hints too, and msgspec compares faster
        counting = _counting(self.__class__)
        return counting(self) == counting(other)

    def __hash__(self) -> int:
        return hash(_counting(self.__class__)(self))

    @classmethod
    def links(cls) -> frozenset[str]:
        """Kinds of links without which a namespace has none of it; empty if it takes none."""
        return frozenset()

    @property
    def key(self) -> Key:
        raise NotImplementedError

    @property
    def needs(self) -> tuple[Key, ...]:
        """Keys that must exist before this one is made (if the state has them)."""
        return ()

    @property
    def dies_with(self) -> tuple[Key, ...]:
        """Keys with which this one dies, so that it needs no delete of its own then."""
        return ()

    @property
    def holds(self) -> tuple[Key, ...]:
        """Keys that must still be there while this one is deleted: they do not go ahead of it in one stroke."""
        return ()

    @property
    def paired_key(self) -> Key | None:
        """The key that lives and dies with this one in both directions (a veth's other end)."""
        return None

    @property
    def keeps_alive(self) -> Key | None:
        """What it is one of the pillars of: a name that `kept_alive_by` of others has."""
        return None

    @property
    def kept_alive_by(self) -> tuple[Key, ...]:
        """What has pillars, with the last of which this one dies."""
        return ()

    @property
    def claim(self) -> tuple[object, ...] | None:
        """What the kernel lets one resource have at a time, beside its key."""
        return None

    @property
    def part_of(self) -> Key | None:
        """The object of which a person would call this an attribute (a link's state, its master); for rendering only."""
        return None

    def create(self) -> Iterable[Request]:
        raise NotImplementedError

    def delete(self) -> Iterable[Request]:
        return ()

    def update(self, before: Self) -> Sequence[Request] | None:
        """Requests that turn `before` into this one in place; None where only a replacement can."""
        return None

    @property
    def features(self) -> tuple[Feature, ...]:
        """What the kernel must be built with to have it, beyond what every kernel with namespaces has."""
        return ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """What only this machine can tell of it, such as the number of a user."""
        return ()

    def with_answers(self, answers: Mapping[Question, Answer]) -> Resource:
        """With the answers in the place of the questions."""
        return self

    def adapt_to(self, before: Resource, last: Callable[[], Resource | None]) -> Resource:
        """What to ask for where `before` is there: as it is, in what Linux may change by itself. `last`: what the file asked for when it
        was applied last.
        """
        return self

    def named(self, asked: Resource | None, folder: str) -> tuple[Resource, str]:
        """In the file's words where the kernel has none, those of `asked` if it is the same (its paths count from `folder`); and a
        warning where no words are known.
        """
        return self, ""

    def differs(self, before: Resource) -> bool:
        """Whether `before`, as read from the kernel, is not what this one asks for."""
        return self != before

    def disruption(self, before: Self) -> Disruption:
        """What an update in place does to traffic."""
        return Disruption.UPDATE

    def attributes(self) -> Mapping[str, str]:
        """What a person would read of it: attribute name → value, in the words of the file."""
        raise NotImplementedError

    def default_text(self, name: str) -> str | None:
        """The value of an attribute that `attributes` leaves out since it goes without saying, if it is worth a word where it changes."""
        return None

    def obstacles(self, snapshot: Snapshot, wanted: State) -> Iterable[Obstacle]:
        """What is in the way of its making or its change."""
        return ()

    def cautions(self, snapshot: Snapshot, *, going: bool = False) -> Iterable[str]:
        """What a person should know before it is made, or before it goes."""
        return ()

    def lines(self) -> Sequence[str]:
        """What it is made of line by line, for what is too long to be an attribute (rules, a file)."""
        return ()

    def absent(self) -> Mapping[str, str]:
        """What a person would read of it while it is not there, such as a link's `state: down`."""
        return {}

    def title(self) -> str:
        """The object in a person's words, such as `veth r1/eth0`."""
        return str(self.key)


@cache
def _counting(cls: type[Resource]) -> Callable[[Resource], object]:
    """Return the function that gets the values of all fields of a resource but its hints."""
    hints = {name for base in cls.__mro__ for name in base.__dict__.get("HINTS", ())}
    return attrgetter(*(name for name in cls.__struct_fields__ if name not in hints))


State = Mapping[Key, Resource]


class Step(Value):
    """One act of a plan: `before` alone is a delete, `after` alone a create, both an update in place.

    `cause` names why a step is there that the two states alone do not show: the key whose death took this one along.
    """

    before: Resource | None
    after: Resource | None
    disruption: Disruption
    cause: Key | None = None

    @property
    def resource(self) -> Resource:
        found = self.after if self.after is not None else self.before
        assert found is not None
        return found

    @property
    def key(self) -> Key:
        return self.resource.key

    def requests(self) -> Iterable[Request]:
        if self.after is None:
            assert self.before is not None
            return self.before.delete()
        if self.before is None:
            return self.after.create()
        update = self.after.update(self.before)
        assert update is not None, f"{self.key}: planned as an update"
        return update


class Plan(Value):
    """Steps in an order that the kernel accepts: deletes first, then creates and updates, dependencies before dependents.

    `implied` are the resources that die with a deleted container and need no step of their own.
    """

    deletes: tuple[Step, ...] = ()
    changes: tuple[Step, ...] = ()
    implied: tuple[Resource, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.deletes + self.changes

    def __bool__(self) -> bool:
        return bool(self.deletes or self.changes)

    def __len__(self) -> int:
        return len(self.deletes) + len(self.changes)
