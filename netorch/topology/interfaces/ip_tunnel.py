"""The keys that IP tunnels have in common: two addresses of one IP version, and a TTL."""

from typing import Any, ClassVar, Self

from netorch.language.constraints import HasValue, constraints, require
from netorch.language.model import Field, after, before
from netorch.language.scalars import IPAddress, Ttl, wrong
from netorch.topology.interfaces.standalone import PlaceName, StandaloneModel


class IpTunnelModel(StandaloneModel):
    """The keys of an IP tunnel."""

    VERSION: ClassVar[int] = 4
    """The IP version of the outer packets."""
    TAKES_GROUPS: ClassVar[bool] = False
    """Whether `remote` may be a multicast group."""
    local: IPAddress | None = Field(None, description="Address of this end (any).")
    remote: IPAddress | None = Field(None, description="Address of the other end (any).")
    parent: PlaceName | None = Field(
        None,
        description="Parent: the interface or VRF of the same node that sends the outer packets"
        " (by the route).",
    )
    ttl: Ttl = Field(
        0,
        description="Time to live of the outer packets. `inherit` or 0 copies it from the inner"
        " packet (inherit).",
    )

    @classmethod
    @before
    def _no_key(cls, value: Any) -> Any:
        if isinstance(value, dict) and "key" in value and "key" not in cls.model_fields:
            wrong(
                f"{value.get('kind')} does not support `key`: use gre, gretap, ip6gre or ip6gretap,"
                " whose packets have one"
            )
        return value

    @after
    def _possible(self) -> Self:
        name = self.kind
        for key, end in (("local", self.local), ("remote", self.remote)):
            if end is None:
                continue
            if end.version != self.VERSION:
                wrong(
                    f"{name} runs over IPv{self.VERSION},"
                    f" but `{key}` {end} is an IPv{end.version} address"
                )
            if end.is_unspecified:
                wrong(f"{end} is not the address of a host: to accept any address, remove `{key}`")
            if end.is_multicast and not (key == "remote" and self.TAKES_GROUPS):
                wrong(f"{end} is a multicast address, which {name} does not support as `{key}`")
        return self

    _ends = constraints(
        require(
            "tunnel-needs-end",
            "{kind} needs a `remote` or a `local`: without both, it would be the same as the "
            "kernel's own default tunnel",
            HasValue("remote") | HasValue("local") | HasValue("key"),
        )
    )

    def default_mtu(self, parent: int | None) -> int:
        return 0

    def addresses_of(self) -> dict[str, Any]:
        """Return the fields that all IP tunnels have."""
        ends = {"local": self.local, "remote": self.remote}
        return {key: None if end is None else str(end) for key, end in ends.items()} | {
            "ttl": 0 if self.ttl == "inherit" else self.ttl
        }

    def values(self) -> dict[str, Any]:
        return self.addresses_of()
