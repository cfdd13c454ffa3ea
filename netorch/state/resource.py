"""Resources: the kernel objects that netorch manages, with their dependencies and requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from netorch.immutable import Value
from netorch.state.key import Key

if TYPE_CHECKING:
    from netorch.values.ownership import Original
    from netorch.values.requests import Answer, Feature, Question, Request
    from netorch.values.snapshot import Adoption, NetnsSnapshot, Snapshot


class Obstacle(NamedTuple):
    """A reason why a step cannot be taken, other than a foreign object in its place."""

    code: str
    """A key of the table in `netorch.errors.codes`."""
    what: str
    """The reason, as a clause."""
    remedy: str = ""
    """A sentence that says what the user can do."""


class Disruption(Enum):
    """What a step does to traffic."""

    CREATE = "create"
    UPDATE = "update"
    FLAP = "flap"
    REPLACE = "replace"
    DELETE = "delete"


class Resource(Value):
    """One kernel object. The subclasses are in `netorch.kinds`, one file per kind.

    Two resources of one class are equal if all their fields are, except those named in `HINTS`.
    """

    KIND: ClassVar[str]
    HINTS: ClassVar[tuple[str, ...]] = ()
    """Fields that say how to make the object and not what it is. A subclass adds to them."""
    CREATION: ClassVar[Disruption] = Disruption.CREATE
    """What making the object does to traffic."""
    REMOVAL: ClassVar[Disruption] = Disruption.FLAP
    """What deleting the object does to the traffic of the link that it is a part of."""
    REMEDY: ClassVar[str] = "Take another name (or a `prefix`), or remove it first."
    """What users can do if a foreign object has the place of this one."""
    TAKEN: ClassVar[str] = "name-taken"
    KEEPS_MARK: ClassVar[str] = "another program has changed its mark again"
    """Why it may not have the mark of a topology that has just put it there, as a clause."""
    """The code of the error that reports such a foreign object."""
    NEEDS_GROUPS: ClassVar[bool] = False
    """Whether `needs` has keys that stand for several resources."""

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        if super().__eq__(other):
            return True  # first, because msgspec is faster, and most equal pairs have equal hints
        compared = _compared_fields(self.__class__)
        return compared(self) == compared(other)

    def has_equal_fields(self, other: Resource) -> bool:
        """Whether all fields of both are equal, which msgspec compares fast.

        A resource never differs from another one with the same fields.
        """
        return super().__eq__(other) is True

    def __hash__(self) -> int:
        return hash(_compared_fields(self.__class__)(self))

    @classmethod
    def links(cls) -> frozenset[str]:
        """Kinds of links without which a namespace cannot have such an object.

        Empty if the object needs no link.
        """
        return frozenset()

    @property
    def key(self) -> Key:
        raise NotImplementedError

    @property
    def needs(self) -> tuple[Key, ...]:
        """Keys of resources that, where the state has them, must exist before this one is made.

        A `group_key` stands for all resources that have it. Only a class with `NEEDS_GROUPS` needs
        such a key.
        """
        return ()

    @property
    def group_key(self) -> Key | None:
        """A key by which other resources need this one together with others: all routes."""
        return None

    @property
    def dies_with(self) -> tuple[Key, ...]:
        """Keys of resources. When one of them is deleted, the kernel removes this one too."""
        return ()

    @property
    def deleted_before(self) -> tuple[Key, ...]:
        """Keys that must still exist when a step of its own deletes this resource."""
        return ()

    @property
    def paired_key(self) -> Key | None:
        """The key that the kernel makes and removes with this one: the other end of a veth."""
        return None

    @property
    def keeps_alive(self) -> Key | None:
        """The key that this resource keeps alive, for the `depends_on_any` of other resources."""
        return None

    @property
    def depends_on_any(self) -> tuple[Key, ...]:
        """Keys of which at least one must be kept alive.

        The kernel removes this resource with the last resource whose `keeps_alive` is one of
        them: a route, for example, with the last IPv4 address of its link.
        """
        return ()

    @property
    def claim(self) -> tuple[object, ...] | None:
        """A value, besides the key, that the kernel lets only one resource have at a time."""
        return None

    @property
    def part_of(self) -> Key | None:
        """The object as whose attribute this one is shown, such as the link of an `up`.

        Only rendering uses it.
        """
        return None

    def create(self) -> Iterable[Request]:
        raise NotImplementedError

    def delete(self) -> Iterable[Request]:
        return ()

    def update(self, before: Self) -> Sequence[Request] | None:
        """Return the requests that turn `before` into this resource in place.

        None means that it has to be replaced.
        """
        return None

    @property
    def features(self) -> tuple[Feature, ...]:
        """Kernel features that it needs, beyond those that every kernel with namespaces has."""
        return ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """Questions about it that only this machine can answer, such as the number of a user."""
        return ()

    def with_answers(self, answers: Mapping[Question, Answer]) -> Resource:
        """Return a copy of the resource with the answers in place of the questions."""
        return self

    def refuse_answers(self, answers: Mapping[Question, Answer]) -> Iterable[Obstacle]:
        """Return what is wrong with answers that this machine has given."""
        return ()

    def with_number(self, number: int) -> Resource:
        """Return a copy of the resource with another protocol number, if it has one."""
        return self

    def adopt(self, netns: NetnsSnapshot) -> Adoption | str:
        """Return how the foreign object in the place of this one gets its marks.

        A text says why it cannot get them, as a clause.
        """
        return "netorch cannot put its mark on it"

    def release(self, original: Original | None = None) -> Iterable[Request]:
        """Return the requests that take the marks from this object, which stays as it is.

        `original` are the marks from before the topology took it over, None if it has made it.
        """
        return ()

    def adapt_to(self, before: Resource, last: Callable[[], Resource | None]) -> Resource:
        """Return the resource that netorch asks for if `before` exists already.

        It takes over values of `before` that Linux may change by itself. `last` returns the
        resource that the file asked for when it was applied last.
        """
        return self

    @property
    def shares_key(self) -> bool:
        """Whether the kernel can have a foreign object with the same key at the same time."""
        return False

    def left_alone(self) -> str:
        """Return a sentence about foreign parts that `adapt_to` has taken over, or ""."""
        return ""

    def in_file_words(self, asked: Resource | None, folder: str) -> tuple[Resource, str]:
        """Return the resource as a topology file can describe it, and a warning or "".

        The kernel does not know the names of key files, for example. `asked` is the resource of
        the file that was applied last, and its paths are relative to `folder`.
        """
        return self, ""

    def differs(self, before: Resource) -> bool:
        """Return whether `before`, as read from the kernel, is not what this resource asks for."""
        return self != before

    def disruption(self, before: Self) -> Disruption:
        """Return what an update in place does to traffic."""
        return Disruption.UPDATE

    def resets_others(self, before: Self) -> bool:
        """Return whether the update from `before` may make the kernel reset other resources."""
        return False

    @property
    def reset_with(self) -> tuple[Key, ...]:
        """Keys of the resources whose update may make the kernel reset this resource."""
        return ()

    def is_reset_by(self, before: Resource, after: Resource) -> bool:
        """Return whether updating `before` to `after` makes the kernel reset this resource.

        The key of the two is in `reset_with`.
        """
        return False

    @property
    def follows_link(self) -> bool:
        """Whether the kernel resets it some time after its link has changed."""
        return False

    def attributes(self) -> Mapping[str, str]:
        """Return its attributes, with the names and values of the topology file."""
        raise NotImplementedError

    def default_text(self, name: str) -> str | None:
        """Return the default of an attribute that `attributes` leaves out.

        None if a change from or to it is shown without the default.
        """
        return None

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterable[Obstacle]:
        """Yield the reasons why it cannot be made or changed."""
        return ()

    def cautions(self, snapshot: Snapshot, *, going: bool = False) -> Iterable[str]:
        """Yield warnings to show before it is made or, with `going`, before it is deleted."""
        return ()

    def lines(self) -> Sequence[str]:
        """Return content that is too long for an attribute, line by line: rules, a file."""
        return ()

    def absent(self) -> Mapping[str, str]:
        """Return the attributes to show while it does not exist, such as a link's `state: down`."""
        return {}

    def title(self) -> str:
        """Return the name of the object in messages, such as `veth r1/eth0`."""
        return str(self.key)


@cache
def _compared_fields(cls: type[Resource]) -> Callable[[Resource], object]:
    """Return a function that gets the values of all fields of a resource except its hints."""
    hints = {name for base in cls.__mro__ for name in base.__dict__.get("HINTS", ())}
    return attrgetter(*(name for name in cls.__struct_fields__ if name not in hints))


State = Mapping[Key, Resource]
