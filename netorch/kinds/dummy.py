"""A dummy: a link that swallows what is sent, for addresses that should always be up (drivers/net/dummy.c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from netorch.kind import interface_words, observed
from netorch.kinds.solo import Place, SoloLink, SoloWords


@interface_words("dummy")
class DummyWords(SoloWords):
    """A link that leads nowhere."""

    kind: Literal["dummy"] = "dummy"

    def link(self, fields: dict[str, Any], parent: Place | None) -> SoloLink:
        return Dummy(**fields)


@observed
@dataclass(frozen=True, slots=True)
class Dummy(SoloLink):
    KIND: ClassVar[str] = "dummy"
