"""What one kernel object is to the planner: what it needs, what it dies with, how it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from netorch.immutable import Value
from netorch.state.key import Key

if TYPE_CHECKING:
    from netorch.values.requests import Answer, Feature, Question, Request
    from netorch.values.snapshot import Snapshot


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
    REMEDY: ClassVar[str] = "Take another name (or a `prefix`), or remove it first."
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
        """Kinds of links without which a namespace cannot have this; empty if it needs none."""
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
        """Keys of the resources with which the kernel removes this one."""
        return ()

    @property
    def deleted_before(self) -> tuple[Key, ...]:
        """Keys that must still exist while this resource is deleted by a step of its own."""
        return ()

    @property
    def paired_key(self) -> Key | None:
        """The key that the kernel makes and removes together with this one: a veth's other end."""
        return None

    @property
    def keeps_alive(self) -> Key | None:
        """The key that this resource helps to keep alive, as `kept_alive_by` of others has it."""
        return None

    @property
    def depends_on_any(self) -> tuple[Key, ...]:
        """Keys that keep this resource alive: the kernel removes it with the last resource that has
        one of them as `keeps_alive`. A route goes with the last IPv4 address of its link.
        """
        return ()

    @property
    def claim(self) -> tuple[object, ...] | None:
        """What the kernel lets only one resource have at a time, besides the key."""
        return None

    @property
    def part_of(self) -> Key | None:
        """The object of which a person would call this an attribute, such as the link of an `up`.

        Only rendering uses it.
        """
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
        """Kernel features that it needs, beyond those of every kernel with namespaces."""
        return ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """What only this machine can tell of it, such as the number of a user."""
        return ()

    def with_answers(self, answers: Mapping[Question, Answer]) -> Resource:
        """Return the same resource with the answers in place of the questions."""
        return self

    def with_number(self, number: int) -> Resource:
        """Return the same resource with another protocol number, where it has one."""
        return self

    def adapt_to(self, before: Resource, last: Callable[[], Resource | None]) -> Resource:
        """Return what to ask for where `before` exists.

        Where Linux may change a value by itself, the existing one is as good. `last` returns what
        the file asked for when it was applied last.
        """
        return self

    @property
    def shares_key(self) -> bool:
        """Whether the kernel keeps it beside an object of others that has the same key."""
        return False

    def left_alone(self) -> str:
        """What of others' `adapt_to` has taken into it, as a sentence for people."""
        return ""

    def in_file_words(self, asked: Resource | None, folder: str) -> tuple[Resource, str]:
        """Return the resource in the file's words, and a warning where there are none.

        The kernel knows no file names, for example. `asked` is the resource of the file that was
        applied last; its paths are relative to `folder`.
        """
        return self, ""

    def differs(self, before: Resource) -> bool:
        """Whether `before`, as read from the kernel, is not what this one asks for."""
        return self != before

    def disruption(self, before: Self) -> Disruption:
        """What an update in place does to traffic."""
        return Disruption.UPDATE

    def resets_others(self, before: Self) -> bool:
        """Whether the kernel may set other resources anew when `before` becomes this one in place."""
        return False

    def is_reset_by(self, before: Resource, after: Resource) -> bool:
        """Whether the kernel sets this one anew when `before` becomes `after` in place."""
        return False

    @property
    def follows_link(self) -> bool:
        """Whether the kernel sets it anew by itself, some time after its link has changed."""
        return False

    def attributes(self) -> Mapping[str, str]:
        """Attribute name → value, in the words of the file."""
        raise NotImplementedError

    def default_text(self, name: str) -> str | None:
        """The default of an attribute that `attributes` leaves out, if a change of it has to name it."""
        return None

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterable[Obstacle]:
        """What is in the way of its making or its change."""
        return ()

    def cautions(self, snapshot: Snapshot, *, going: bool = False) -> Iterable[str]:
        """What a person should know before it is made, or before it goes."""
        return ()

    def lines(self) -> Sequence[str]:
        """Its content line by line, where that is too long for an attribute: rules, a file."""
        return ()

    def absent(self) -> Mapping[str, str]:
        """What a person reads of it while it does not exist, such as a link's `state: down`."""
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
