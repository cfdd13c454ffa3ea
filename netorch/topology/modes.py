"""Modes and drivers of a network, and the keys that each of them takes."""

from typing import Any, Literal, get_args

from netorch.kinds import ipvlan, macvlan
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
from netorch.language.model import Field, Model
from netorch.language.schema_shapes import OPEN, Shape, accepts
from netorch.topology.interfaces.bridge_settings import BridgeSettings
from netorch.topology.pools import ChoosesSubnet

NetworkMode = Literal["segment", "host-only", "nat", "routed", "bridged"]

MODES_OF: dict[str, tuple[str, ...]] = {
    "macvlan": get_args(macvlan.MacvlanMode),
    "ipvlan": get_args(ipvlan.IpvlanMode),
}
"""Driver → the values that its `driver_mode` takes."""

_OF_BOTH_FAMILIES = (
    (
        "segment",
        "segment-of-one-family",
        "a network cannot be a segment for one IP version only, because a segment's bridge has no"
        " address: write `mode: segment` for both",
    ),
    (
        "bridged",
        "bridged-of-one-family",
        "a network cannot be bridged for one IP version only, because a bridge with an uplink"
        " carries every frame: write `mode: bridged` for both",
    ),
)


class FamilyModes(Model):
    """The modes of a network for IPv4 and IPv6."""

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
    """Turn one mode into a mode for each family."""
    return value if isinstance(value, dict) else {"v4": value, "v6": value}


class ModeIs(Condition):
    """At least one family of the network has one of these modes. An existing bridge is bridged.

    The schema considers the short form of `mode` only.
    """

    modes: tuple[str, ...]

    def shape(self, model: type[Model], sure: bool) -> Shape:
        modes: Shape = {"enum": [*self.modes]}
        mode = modes if sure else {"anyOf": [modes, OPEN, {"type": "object"}]}
        shape: Shape = {"required": ["mode"], "properties": {"mode": mode}}
        if "bridged" in self.modes:
            shape = {"anyOf": [shape, Equals("existing", True).shape(model, sure)]}
        return shape

    def holds(self, instance: Any) -> bool:
        return not {instance.mode.v4, instance.mode.v6, *instance.modes}.isdisjoint(self.modes)


_SEVERAL_BRIDGES = "its bridges are in several nodes and have no addresses"
_PARENT_ROUTES = "the parent's node routes what the members send"
_WITHOUT_PARENT = "without a `parent` makes a closed network"
_UPLINK = "the interface whose segment the members join"
_ON_UPLINK = "its members are on the uplink's own segment"


def _add(line: str, key: str) -> str:
    return f"add `{line}`, or remove `{key}`"


_BRIDGED = ModeIs(("bridged",))
_ROUTING = ModeIs(("host-only", "nat", "routed", "bridged"))
_VXLAN = Equals("driver", "vxlan")
_STACKED = Equals("driver", ("macvlan", "ipvlan"))
_EXISTING = Equals("existing", True)
_ON_EXISTING = "netorch does not make the bridge"
_OF_BRIDGES = ("bridge", "uplink", "port_isolation", *BridgeSettings.model_fields)

OVERLAY = (
    *(
        forbid(
            "network-key-needs-vxlan",
            f"driver {{driver}} does not support `{key}`: {_add('driver: vxlan', key)}",
            ~_VXLAN & HasValue(key),
        )
        for key in ("vni", "port", "endpoints")
    ),
    require(
        "vxlan-needs-vni",
        "driver vxlan needs a `vni`, the number that distinguishes its packets from those of other"
        " networks",
        HasValue("vni"),
        when=_VXLAN,
    ),
    require(
        "vxlan-needs-endpoints",
        "driver vxlan needs `endpoints: {NODE: ADDRESS}`, the nodes whose bridges connect the"
        " members",
        HasValue("endpoints"),
        when=_VXLAN,
    ),
    forbid(
        "vxlan-is-segment",
        f"driver vxlan supports only the mode segment: {_SEVERAL_BRIDGES}. To route for the "
        "members, remove `mode` and write `gateway: NODE`",
        _VXLAN & _ROUTING,
    ),
    forbid(
        "vxlan-takes-no-node",
        "driver vxlan does not support `node`: its bridges are in the nodes of `endpoints`",
        _VXLAN & HasValue("node"),
    ),
    forbid(
        "vxlan-takes-no-port-isolation",
        "driver vxlan does not support `port_isolation`: a bridge cannot isolate its ports from"
        " those of another bridge",
        _VXLAN & Equals("port_isolation", True),
    ),
)
"""Constraints of `driver: vxlan`, and of the keys that only it takes."""

STACKED = (
    *(
        forbid(
            "network-key-needs-parent-driver",
            f"`{key}` needs the driver macvlan or ipvlan: {_add('driver: macvlan', key)}",
            ~_STACKED & HasValue(key),
        )
        for key in ("parent", "vlan", "driver_mode")
    ),
    forbid(
        "parent-driver-is-segment",
        "driver {driver} supports only the mode segment: its members are on the parent's own"
        " segment, where netorch neither routes nor filters. Remove `mode`",
        _STACKED & _ROUTING,
    ),
    *(
        forbid(
            "driver-mode-of-other-driver",
            f"driver {driver} has no driver_mode {{driver_mode}}: use one of {', '.join(modes)}",
            Equals("driver", driver) & HasValue("driver_mode") & ~Equals("driver_mode", modes),
        )
        for driver, modes in MODES_OF.items()
    ),
    *(
        forbid(
            "parent-driver-has-no-bridge",
            f"driver {{driver}} does not support `{key}`: it makes no bridge",
            _STACKED & HasKey(key),
        )
        for key in _OF_BRIDGES
    ),
    *(
        forbid(
            "network-key-needs-parent",
            f"`{key}` needs a `parent`, because driver {{driver}} {_WITHOUT_PARENT}",
            _STACKED & ~HasValue("parent") & HasValue(key),
        )
        for key in ("vlan", "node")
    ),
)
"""Constraints of the drivers macvlan and ipvlan, and of the keys that only they take."""

IPVLAN_GATEWAY = tuple(
    forbid(
        "ipvlan-l3-takes-no-gateway",
        f"driver ipvlan does not support `{key}` with `driver_mode: {{driver_mode}}`:"
        f" {_PARENT_ROUTES}",
        Equals("driver", "ipvlan") & Equals("driver_mode", ("l3", "l3s")) & HasValue(key),
    )
    for key in ("gateway", "routes")
)

BRIDGED = (
    forbid(
        "uplink-needs-bridged",
        f"`uplink` needs the mode bridged: {_add('mode: bridged', 'uplink')}",
        ~_BRIDGED & HasValue("uplink"),
    ),
    require(
        "bridged-needs-uplink",
        f"mode bridged needs an `uplink`, {_UPLINK}, such as `uplink: eth0`",
        HasValue("uplink"),
        when=_BRIDGED & ~_EXISTING,
    ),
    *(
        forbid(
            "bridged-filters-nothing",
            f"mode bridged does not support `{key}`: {_ON_UPLINK}, where netorch does not filter",
            _BRIDGED & HasValue(key),
        )
        for key in ("isolated", "allow", "egress")
    ),
)
"""Constraints of `mode: bridged`, and of the keys that only it takes."""

EXISTING_BRIDGE = (
    require(
        "existing-needs-bridge",
        "`existing` needs the name of the bridge: add `bridge: NAME`",
        HasValue("bridge"),
        when=_EXISTING,
    ),
    forbid(
        "existing-mode",
        f"`existing` does not support mode {{mode.v4}}: {_ON_EXISTING}, and neither routes nor"
        " filters for it. Remove `mode`",
        _EXISTING & HasKey("mode") & ModeIs(("nat", "routed", "host-only")),
    ),
    forbid(
        "existing-driver",
        f"`existing` does not support driver {{driver}}: {_ON_EXISTING}",
        _EXISTING & (_VXLAN | _STACKED),
    ),
    *(
        forbid(
            "existing-key",
            f"`existing` does not support `{key}`: {_ON_EXISTING}. Remove `{key}`",
            _EXISTING & HasKey(key),
        )
        for key in ("uplink", *BridgeSettings.model_fields)
    ),
)
"""Constraints of `existing`."""

BRIDGED_SUBNET = require(
    "bridged-gateway-needs-subnet",
    "in mode bridged a `gateway` needs a `subnet` that contains it",
    HasValue("subnet"),
    when=_BRIDGED & HasValue("gateway"),
)

AUTO_SUBNET = (
    forbid(
        "auto-subnet-of-existing-segment",
        "mode bridged does not support `subnet: auto`: its members are on the uplink's own segment,"
        " so write the subnet of that segment",
        _BRIDGED & ChoosesSubnet(),
    ),
    forbid(
        "auto-subnet-of-existing-segment",
        "driver {driver} with a `parent` does not support `subnet: auto`: its members are on the"
        " parent's own segment, so write the subnet of that segment",
        _STACKED & HasValue("parent") & ~Equals("driver_mode", ("l3", "l3s")) & ChoosesSubnet(),
    ),
)
"""Constraints of subnets that netorch chooses."""
