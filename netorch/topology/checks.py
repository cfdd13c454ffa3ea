"""Checks: what must be reachable, and what must not."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from netorch.language.constraints import HasValue, constraints, forbid, require
from netorch.language.scalars import Flag, Model, Mtu, NodeName, integer

_OF_TWO = HasValue("from") & HasValue("to") & ~HasValue("all")
_OF_ALL = HasValue("all") & ~HasValue("from") & ~HasValue("to")


class CheckModel(Model):
    """What must, or must not, be reachable: `netorch check` tries it."""

    source: NodeName | None = Field(None, alias="from", description="Node that tries.")
    to: str | None = Field(None, description="Node, `NODE:IF` or address that is tried.")
    reachable: Flag = Field(True, description="`false`: there must be no answer (true).")
    tcp: Annotated[int, BeforeValidator(integer(1, 65535))] | None = Field(
        None, description="Port that takes a connection; a ping if left out."
    )
    mtu: Mtu | None = Field(None, description="Size of a packet that must pass in one piece.")
    all: str | None = Field(
        None,
        description="Network whose members must all reach one another, in place of `from` and `to`.",
    )

    _ends = constraints(
        require(
            "check-needs-ends",
            "a check has `from` and `to`, or `all`",
            _OF_TWO | _OF_ALL,
        ),
        forbid(
            "check-tcp-and-mtu",
            "`mtu` is the size of a ping, which has no `tcp`: make two checks of it",
            HasValue("tcp") & HasValue("mtu"),
        ),
    )
