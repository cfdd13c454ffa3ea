"""A dummy: a link that swallows what is sent, for addresses that should always be up (drivers/net/dummy.c)."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink, StandaloneWords
from netorch.state.registry import interface_words, observed


@observed
class Dummy(StandaloneLink):
    KIND: ClassVar[str] = "dummy"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_DUMMY", "dummy")


@interface_words("dummy")
class DummyWords(StandaloneWords):
    """A link that leads nowhere."""

    MAKES: ClassVar[type[StandaloneLink]] = Dummy
    kind: Literal["dummy"] = "dummy"
