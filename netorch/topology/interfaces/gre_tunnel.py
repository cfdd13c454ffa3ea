"""The keys that the GRE kinds have in common."""

from ipaddress import IPv4Address
from typing import Annotated, Any, ClassVar

from netorch.language.model import Before, Field
from netorch.language.scalars import integer
from netorch.language.schema_shapes import IPV4, accepts, whole_number
from netorch.topology.interfaces.ip_tunnel import IpTunnelModel


@accepts(
    whole_number(0, 2**32 - 1, IPV4, "key: a number, or one written like 10.0.0.1")
    | {"examples": [5, "10.0.0.1"]}
)
def key_number(value: object) -> int:
    """Parse a key as `ip tunnel` does: a number, or a number written like an IPv4 address."""
    if isinstance(value, str) and value.count(".") == 3:
        try:
            return int(IPv4Address(value))
        except ValueError:
            pass
    return integer(0, 2**32 - 1)(value)


class GreModel(IpTunnelModel):
    """The keys of a GRE tunnel."""

    TAKES_GROUPS: ClassVar[bool] = True
    key: Annotated[int, Before(key_number)] | None = Field(
        None,
        description="Key that distinguishes tunnels between the same ends: a number, which may be"
        " written like `10.0.0.1` (none).",
    )

    def values(self) -> dict[str, Any]:
        return self.addresses_of() | {"number": self.key}
