"""The keys that tap and tun have in common."""

from typing import Annotated, Any

from netorch.kinds.tuntap import NOBODY
from netorch.language.model import Before, Field
from netorch.language.scalars import Flag, integer, wrong
from netorch.language.schema_shapes import accepts, whole_number
from netorch.topology.interfaces.standalone import StandaloneModel


@accepts(
    whole_number(
        0, NOBODY - 1, r"(?![0-9]+$)[^\s:/,\x00-\x1f\x7f]+", "user or group: a name or a number"
    )
)
def account(value: object) -> int | str:
    """Check a user or a group, given by name or by number."""
    if isinstance(value, str) and not value.isdigit():
        if not value or not value.isprintable() or set(value) & set(" :/,"):
            wrong(f"{value!r} is neither a name nor a number", "bad-name")
        return value
    return integer(0, NOBODY - 1)(value)


Account = Annotated[int | str, Before(account)]


class TunTapModel(StandaloneModel):
    """The keys of a tap and of a tun."""

    owner: Account | None = Field(
        None,
        description="User who may open it without being root. Removing this key replaces the"
        " interface (nobody).",
    )
    group: Account | None = Field(
        None,
        description="Group whose members may open it without being root. Removing this key replaces"
        " the interface (nobody).",
    )
    multi_queue: Flag = Field(
        False,
        description="Let programs open it several times, each with a queue of its own (false).",
    )

    def values(self) -> dict[str, Any]:
        return {"owner": self.owner, "users": self.group, "multi_queue": self.multi_queue}
