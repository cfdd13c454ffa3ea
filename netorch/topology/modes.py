"""Modes and drivers of a network, and which keys go with which."""

from typing import Any, Literal, get_args

from pydantic import BaseModel, Field

from netorch.kinds import ipvlan, macvlan
from netorch.kinds.bridge import BridgeSettings
from netorch.language import schema_shapes
from netorch.language.constraints import (
    Condition,
    Equals,
    HasKey,
    HasValue,
    constraints,
    forbid,
    require,
)
from netorch.language.scalars import Model
from netorch.language.schema_shapes import OPEN, Shape, accepts

NetworkMode = Literal["segment", "host-only", "nat", "routed", "bridged"]

MODES_OF: dict[str, tuple[str, ...]] = {
    "macvlan": get_args(macvlan.MacvlanMode),
    "ipvlan": get_args(ipvlan.IpvlanMode),
}
"""Driver → what `driver_mode` says of it."""

_OF_BOTH_FAMILIES = (
    (
        "segment",
        "segment-of-one-family",
        "a segment's bridge has no address: it cannot be one for a single family",
    ),
    (
        "bridged",
        "bridged-of-one-family",
        "a bridge with an uplink carries every frame: write `mode: bridged`, for both families",
    ),
)


class FamilyModes(Model):
    """A mode for each family, where they differ."""

    v4: NetworkMode = Field(description="For IPv4.")
    v6: NetworkMode = Field(description="For IPv6.")

    _both_families = constraints(
        *(
            forbid(code, text, Equals(one, mode) & ~Equals(other, mode))
            for mode, code, text in _OF_BOTH_FAMILIES
            for one, other in (("v4", "v6"), ("v6", "v4"))
        )
    )


@accepts(
    lambda inner: {"anyOf": [schema_shapes.substituted({"enum": [*get_args(NetworkMode)]}), inner]}
)
def modes_by_family(value: object) -> object:
    return value if isinstance(value, dict) else {"v4": value, "v6": value}


class ModeIs(Condition):
    """A family of the network has one of these modes. The schema goes by the short form only."""

    modes: tuple[str, ...]

    def shape(self, model: type[BaseModel], sure: bool) -> Shape:
        modes: Shape = {"enum": [*self.modes]}
        mode = modes if sure else {"anyOf": [modes, OPEN, {"type": "object"}]}
        return {"required": ["mode"], "properties": {"mode": mode}}

    def holds(self, words: Any) -> bool:
        return not words.modes.isdisjoint(self.modes)


_SEVERAL_BRIDGES = "its bridges are in several nodes, and none of them leads out"
_PARENT_ROUTES = "the parent's node routes what its members send"
_WITHOUT_PARENT = "without a parent is a closed network"
_UPLINK = "the interface whose segment its members join"
_ON_UPLINK = "its members are on the uplink's own segment"


def _add(words: str) -> str:
    return f"add `{words}`, or leave it out"


_BRIDGED = ModeIs(("bridged",))
_ROUTING = ModeIs(("host-only", "nat", "routed", "bridged"))
_VXLAN = Equals("driver", "vxlan")
_STACKED = Equals("driver", ("macvlan", "ipvlan"))
_OF_BRIDGES = ("bridge", "uplink", "port_isolation", *BridgeSettings.model_fields)

OVERLAY = (
    *(
        forbid(
            "network-key-needs-vxlan",
            f"driver {{driver}} takes no `{key}`: {_add('driver: vxlan')}",
            ~_VXLAN & HasValue(key),
        )
        for key in ("vni", "port", "endpoints")
    ),
    require(
        "vxlan-needs-vni",
        "driver vxlan needs a `vni`, the number that tells its packets from other networks'",
        HasValue("vni"),
        when=_VXLAN,
    ),
    require(
        "vxlan-needs-endpoints",
        "driver vxlan needs `endpoints: {NODE: ADDRESS}`, the nodes that its members plug into",
        HasValue("endpoints"),
        when=_VXLAN,
    ),
    forbid(
        "vxlan-is-segment",
        f"driver vxlan has the mode segment only: {_SEVERAL_BRIDGES}. Take `gateway: NODE`",
        _VXLAN & _ROUTING,
    ),
    forbid(
        "vxlan-takes-no-node",
        "driver vxlan takes no `node`: its bridges are in its endpoints",
        _VXLAN & HasValue("node"),
    ),
    forbid(
        "vxlan-takes-no-port-isolation",
        "driver vxlan takes no `port_isolation`: its bridges do not know one another's ports",
        _VXLAN & Equals("port_isolation", True),
    ),
)
"""What `driver: vxlan` takes, and nothing else does."""

STACKED = (
    *(
        forbid(
            "network-key-needs-parent-driver",
            f"`{key}` is for networks of the drivers macvlan and ipvlan: {_add('driver: macvlan')}",
            ~_STACKED & HasValue(key),
        )
        for key in ("parent", "vlan", "driver_mode")
    ),
    forbid(
        "parent-driver-is-segment",
        "driver {driver} has the mode segment only: its members are on the parent's own segment,"
        " where netorch neither routes nor filters. Leave out `mode`",
        _STACKED & _ROUTING,
    ),
    *(
        forbid(
            "driver-mode-of-other-driver",
            f"driver {driver} has no driver_mode {{driver_mode}}: write {', '.join(modes)}",
            Equals("driver", driver) & HasValue("driver_mode") & ~Equals("driver_mode", modes),
        )
        for driver, modes in MODES_OF.items()
    ),
    *(
        forbid(
            "parent-driver-has-no-bridge",
            f"driver {{driver}} takes no `{key}`: it has no bridge",
            _STACKED & HasKey(key),
        )
        for key in _OF_BRIDGES
    ),
    *(
        forbid(
            "network-key-needs-parent",
            f"`{key}` says more of a `parent`: driver {{driver}} {_WITHOUT_PARENT}",
            _STACKED & ~HasValue("parent") & HasValue(key),
        )
        for key in ("vlan", "node")
    ),
)
"""What the drivers macvlan and ipvlan take, and no others do."""

IPVLAN_GATEWAY = forbid(
    "ipvlan-l3-takes-no-gateway",
    f"driver ipvlan takes no `gateway` in {{driver_mode}}: {_PARENT_ROUTES}",
    Equals("driver", "ipvlan") & Equals("driver_mode", ("l3", "l3s")) & HasValue("gateway"),
)

BRIDGED = (
    forbid(
        "uplink-needs-bridged",
        f"`uplink` is what mode bridged puts into the bridge: {_add('mode: bridged')}",
        ~_BRIDGED & HasValue("uplink"),
    ),
    require(
        "bridged-needs-uplink",
        f"mode bridged needs an `uplink`, {_UPLINK}, such as `uplink: eth0`",
        HasValue("uplink"),
        when=_BRIDGED,
    ),
    *(
        forbid(
            "bridged-filters-nothing",
            f"mode bridged takes no `{key}`: {_ON_UPLINK}, where netorch filters nothing",
            _BRIDGED & HasValue(key),
        )
        for key in ("isolated", "allow", "egress")
    ),
)
"""What `mode: bridged` takes, and no other mode does."""

BRIDGED_SUBNET = require(
    "bridged-gateway-needs-subnet",
    "in mode bridged a `gateway` needs the `subnet` that it is in",
    HasValue("subnet"),
    when=_BRIDGED & HasValue("gateway"),
)
