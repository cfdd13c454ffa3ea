"""Entries of `checks`: who must reach whom, and who must not."""

from typing import Annotated

from netorch.language.constraints import HasValue, constraints, forbid, require
from netorch.language.model import Before, Field, Model
from netorch.language.scalars import Flag, Mtu, NodeName, integer

_OF_TWO = HasValue("from") & HasValue("to") & ~HasValue("all")
_OF_ALL = HasValue("all") & ~HasValue("from") & ~HasValue("to")


class CheckModel(Model):
    """Who must reach whom, or must not. `netorch check` tries it with packets."""

    source: NodeName | None = Field(None, alias="from", description="Node that sends the packets.")
    to: str | None = Field(None, description="Node, `NODE:IF` or address to reach.")
    reachable: Flag = Field(True, description="`false`: nothing may answer (true).")
    tcp: Annotated[int, Before(integer(1, 65535))] | None = Field(
        None, description="TCP port that must accept a connection; without it the check is a ping."
    )
    mtu: Mtu | None = Field(
        None, description="Size in bytes of a packet that must pass unfragmented."
    )
    all: str | None = Field(
        None,
        description="Network whose members must all reach one another; replaces `from` and `to`.",
    )

    _ends = constraints(
        require(
            "check-needs-ends",
            "a check needs `from` and `to`, or only `all`",
            _OF_TWO | _OF_ALL,
        ),
        forbid(
            "check-tcp-and-mtu",
            "a check with `mtu` is a ping, so it cannot have `tcp`: write two checks",
            HasValue("tcp") & HasValue("mtu"),
        ),
    )
