"""A dummy: a link that swallows what is sent, for addresses that should always be up (drivers/net/dummy.c)."""

from typing import ClassVar, Literal

from netorch.frozen import frozen
from netorch.kind import interface_words, observed
from netorch.kinds.solo import SoloLink, SoloWords


@observed
@frozen
class Dummy(SoloLink):
    KIND: ClassVar[str] = "dummy"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_DUMMY", "dummy")


@interface_words("dummy")
class DummyWords(SoloWords):
    """A link that leads nowhere."""

    MAKES: ClassVar[type[SoloLink]] = Dummy
    kind: Literal["dummy"] = "dummy"
