"""What a person wrote, as typed values: the models behind every key of the file."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

import netorch.kinds  # noqa: F401  registers the interface words
from netorch.errors import did_you_mean
from netorch.kinds import ipvlan, macvlan
from netorch.kinds.base.link import CommonWords, InterfaceWords
from netorch.kinds.base.port_words import PortWords
from netorch.kinds.base.standalone import PlaceName
from netorch.kinds.base.udp_tunnel import Port, Vni
from netorch.kinds.bridge import BridgeSettings
from netorch.language import schema_shapes
from netorch.language.impairment import ImpairWords
from netorch.language.publish import NatWords, PublishWords, publish_words
from netorch.language.scalars import (
    END,
    U32,
    Address,
    Destination,
    Flag,
    HostName,
    InterfaceName,
    IPAddress,
    MemberAddress,
    Mtu,
    NodeName,
    Prefix,
    Subnet,
    SysctlName,
    SysctlValue,
    Table,
    TopologyName,
    Words,
    empty_dict,
    empty_list,
    integer,
    interface_name,
    member_address,
    node_name,
    one_or_many,
    wrong,
)
from netorch.language.schema_shapes import ONE_ARGUMENT, Shape, written
from netorch.state.registry import INTERFACE_WORDS


class MadeElsewhere(InterfaceWords):
    """An interface that a link, a network or the kernel makes: here stand only further keys of it."""

    kind: None = None


KINDS: Mapping[str, type[Words]] = {**INTERFACE_WORDS, "": MadeElsewhere}
"""`kind:` in the file → the model of its words; "" without one."""


def words_of(kind: object) -> type[Words]:
    """The model of a kind's words; that of an interface which is made elsewhere, where it is none."""
    return KINDS[kind] if isinstance(kind, str) and kind in KINDS else MadeElsewhere


def by_kind(value: Any) -> Words:
    """The words of whichever kind it is. pydantic builds a model at its first use: most files have few of the kinds, and the start is
    quicker by a tenth.
    """
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return words_of(kind).model_validate(value)


by_kind.__signature__ = ONE_ARGUMENT  # type: ignore[attr-defined]


def _or_nothing(inner: Shape) -> Shape:
    return {"anyOf": [inner, {"type": "null"}]}


@written(_or_nothing)
def _entry(value: object) -> object:
    return {} if value is None else value


@written(_or_nothing)
def _interface(value: object) -> object:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind is None or (isinstance(kind, str) and kind in INTERFACE_WORDS):
        return _entry(value)
    if not isinstance(kind, str):
        wrong("kind: write the name of one kind of interface", "unknown-kind")
    wrong(
        f"{kind!r} is no kind of interface. {did_you_mean(str(kind), INTERFACE_WORDS)}".rstrip(),
        "unknown-kind",
    )


AnyInterface: Any = Annotated[Any, PlainValidator(by_kind), BeforeValidator(_interface)]


class HopWords(Words):
    via: IPAddress | None = Field(None, description="Gateway.")
    dev: InterfaceName | None = Field(
        None, description="Interface; found by the gateway if left out."
    )
    RULES: ClassVar[schema_shapes.Rules] = (
        schema_shapes.some(schema_shapes.there("via"), schema_shapes.there("dev"))
        | {"errorMessage": "It needs `via` or `dev`."},
    )
    weight: Annotated[int, BeforeValidator(integer(1, 256))] = Field(
        1, description="Share of the traffic (1)."
    )
    onlink: Flag = Field(
        False, description="Take the gateway to be on the link, whatever the addresses say (false)."
    )


class RouteWords(Words):
    """A route, as `ip route add` takes it."""

    to: Destination = Field(description="Destination; an address alone is that host.")
    via: IPAddress | None = Field(None, description="Gateway.")
    dev: InterfaceName | None = Field(
        None, description="Interface; found by the gateway if left out."
    )
    metric: U32 | None = Field(
        None, description="Preference, the lowest wins (0 for IPv4, 1024 for IPv6)."
    )
    table: Table = Field(
        254,
        description="Routing table; 254 is main (that of the VRF that it leads into, else 254).",
    )
    vrf: InterfaceName | None = Field(
        None,
        description="VRF of this node whose table it is in; where its gateway is looked for, too.",
    )
    src: IPAddress | None = Field(None, description="Source address that programs get by default.")
    onlink: Flag = Field(
        False, description="Take the gateway to be on the link, whatever the addresses say (false)."
    )
    mtu: Mtu | None = Field(None, description="Path MTU of this route; the link's if left out.")
    scope: Literal["global", "link", "host"] | None = Field(
        None, description="Scope; what `ip` would choose if left out."
    )
    type: Literal["unicast", "blackhole", "unreachable", "prohibit"] = Field(
        "unicast",
        description="All but `unicast` refuse what they match: silently, as unreachable, as prohibited (unicast).",
    )
    nexthops: list[HopWords] = Field(
        default_factory=empty_list, description="Several gateways, shared by weight."
    )

    RULES: ClassVar[schema_shapes.Rules] = (
        schema_shapes.never(
            "A route has either `nexthops`, or `via` and `dev`.",
            schema_shapes.filled("nexthops"),
            schema_shapes.some(
                schema_shapes.said("via"), schema_shapes.said("dev"), schema_shapes.true("onlink")
            ),
        ),
        schema_shapes.never(
            "Such a route leads nowhere: no `via`, `dev` or `nexthops`.",
            schema_shapes.one_of("type", ["blackhole", "unreachable", "prohibit"]),
            schema_shapes.some(
                schema_shapes.said("via"),
                schema_shapes.said("dev"),
                schema_shapes.filled("nexthops"),
            ),
        ),
        schema_shapes.needs(
            "A route needs `via`, `dev` or `nexthops`.",
            schema_shapes.some(
                schema_shapes.left_out("type"), schema_shapes.one_of("type", ["unicast"])
            ),
            schema_shapes.some(
                schema_shapes.there("via"),
                schema_shapes.there("dev"),
                schema_shapes.there("nexthops"),
            ),
        ),
        schema_shapes.never(
            "A route has either a `vrf` or a `table`.",
            schema_shapes.said("vrf"),
            {"required": ["table"]},
        ),
        schema_shapes.needs(
            "`onlink` needs `via` and `dev`.",
            schema_shapes.true("onlink"),
            schema_shapes.there("via"),
            schema_shapes.there("dev"),
        ),
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.nexthops and (self.via or self.dev or self.onlink):
            wrong("a route has either `nexthops`, or `via` and `dev`")
        if self.type != "unicast" and (self.nexthops or self.via or self.dev):
            wrong(f"a {self.type} route leads nowhere: no `via`, `dev` or `nexthops`")
        if self.type == "unicast" and not (self.nexthops or self.via or self.dev):
            wrong("a route needs `via`, `dev` or `nexthops`")
        if any(not (hop.via or hop.dev) for hop in self.nexthops):
            wrong("a next hop needs `via` or `dev`")
        if self.vrf is not None and "table" in self.model_fields_set:
            wrong("a route has either a `vrf` or a `table`")
        if self.onlink and not (self.via and self.dev):
            wrong("`onlink` needs `via` and `dev`")
        versions = {item.version for item in (self.to, self.src) if item is not None}
        versions |= {hop.via.version for hop in self.nexthops if hop.via is not None}
        if len(versions) > 1 or (
            self.via and self.to and self.to.version == 6 and self.via.version == 4
        ):
            wrong("IPv4 and IPv6 are mixed in one route")
        return self

    @property
    def version(self) -> int:
        """4 or 6: the destination's, for a default route the gateway's."""
        for item in (self.to, self.via, self.src, *(hop.via for hop in self.nexthops)):
            if item is not None:
                return item.version
        return 4


_NUMBER = schema_shapes.numeral(0, 2**32 - 1)


@written(
    schema_shapes.whole(0, 2**32 - 1, f"(?:{_NUMBER})/(?:{_NUMBER})?", "mark, or MARK/MASK")
    | {"examples": [7, "0x10/0xff"]}
)
def firewall_mark(value: object) -> object:
    """A mark, or `MARK/MASK`."""
    _value_and_mask(value)
    return value


def _value_and_mask(said: object) -> tuple[int, int]:
    number = integer(0, 2**32 - 1)
    value, _, mask = str(said).partition("/")
    return number(value), number(mask or "0xffffffff")


class RuleWords(Words):
    """A policy rule, as `ip rule add` takes it."""

    source: Subnet | None = Field(None, alias="from", description="Source subnet.")
    to: Subnet | None = Field(None, description="Destination subnet.")
    iif: InterfaceName | None = Field(None, description="Incoming interface.")
    oif: InterfaceName | None = Field(
        None, description="Outgoing interface, for what the node itself sends."
    )
    fwmark: Annotated[str | int, BeforeValidator(firewall_mark)] | None = Field(
        None, description="Mark, or `MARK/MASK`; numbers may be hexadecimal."
    )
    table: Table | None = Field(
        None, description="Routing table to look in; wanted for `lookup`, and for nothing else."
    )
    priority: U32 | None = Field(
        None, description="Order, the lowest first (10000, 10001 … in the order of the list)."
    )
    action: Literal["lookup", "blackhole", "unreachable", "prohibit"] = Field(
        "lookup", description="What happens to what matches (lookup)."
    )
    family: Literal["ipv4", "ipv6"] | None = Field(
        None, description="Address family, where no subnet tells it (ipv4)."
    )

    RULES: ClassVar[schema_shapes.Rules] = (
        schema_shapes.needs(
            "A rule needs a `table`.",
            schema_shapes.some(
                schema_shapes.left_out("action"), schema_shapes.one_of("action", ["lookup"])
            ),
            schema_shapes.there("table"),
        ),
        schema_shapes.never(
            "Such a rule takes no `table`.",
            schema_shapes.one_of("action", ["blackhole", "unreachable", "prohibit"]),
            schema_shapes.said("table"),
        ),
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.action == "lookup") != (self.table is not None):
            wrong(
                "a rule needs a `table`"
                if self.table is None
                else f"a rule that says {self.action} takes no `table`"
            )
        versions: set[int] = {item.version for item in (self.source, self.to) if item is not None}
        if self.family:
            versions.add(int(self.family[-1]))
        if len(versions) > 1:
            wrong("IPv4 and IPv6 are mixed in one rule")
        return self

    @property
    def version(self) -> int:
        for item in (self.source, self.to):
            if item is not None:
                return item.version
        return 6 if self.family == "ipv6" else 4

    def mark(self) -> tuple[int, int] | None:
        """(value, mask) of `fwmark`."""
        return None if self.fwmark is None else _value_and_mask(self.fwmark)


_Option = Annotated[
    str,
    WithJsonSchema(
        schema_shapes.substituted(schema_shapes.text("[!-~]+", "resolv.conf option", "ndots:2"))
    ),
]


class DnsWords(Words):
    servers: Annotated[list[IPAddress], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Name servers."
    )
    search: Annotated[list[HostName], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Search domains."
    )
    options: Annotated[list[_Option], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Further resolv.conf options."
    )

    @model_validator(mode="after")
    def _plain(self) -> Self:
        for option in self.options:
            if not option.isprintable() or " " in option or not option.isascii():
                wrong(f"{option!r} is no resolv.conf option")
        return self


class Attach(Words):
    """An existing namespace: how to find it."""

    how: Literal["docker", "podman", "netns", "pid", "path"]
    what: str


_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


_PLACE = (
    rf"(?:docker|podman):{_CONTAINER.pattern}|pid:(?:{schema_shapes.numeral(1, 2**22)})"
    r"|netns:(?!\.\.?$)[^/\x00]+|path:/(?:[^$\x00]|\$\$)*"
)


@written(
    schema_shapes.text(
        _PLACE,
        "namespace: docker:NAME, podman:NAME, netns:NAME, pid:NUMBER or path:/…",
        "docker:web",
        "netns:blue",
    )
)
def _attach(value: object) -> object:
    if isinstance(value, Attach):
        return value
    how, _, what = str(value).partition(":")
    ways = {"docker", "podman", "netns", "pid", "path"}
    if how not in ways or not what:
        close = did_you_mean(how, sorted(ways)) if what and how not in ways else ""
        known = "docker:NAME, podman:NAME, netns:NAME, pid:NUMBER or path:/run/…"
        wrong(
            f"{value!r} names no namespace: write {known}{f'. {close}' if close else ''}",
            "bad-attach",
        )
    if how in {"docker", "podman"} and not _CONTAINER.fullmatch(what):
        wrong(
            f"{what!r} is no name of a container: letters, digits, `_`, `.` and `-`, the first a letter or digit",
            "bad-attach",
        )
    if how == "pid":
        integer(1, 2**22)(what)
    if how == "netns" and ("/" in what or what in {".", ".."} or "\0" in what):
        wrong(f"{what!r} is no name of a network namespace", "bad-attach")
    if how == "path" and (not what.startswith("/") or "\0" in what):
        wrong(f"{what!r} is no absolute path", "bad-attach")
    return {"how": how, "what": what}


class Membership(CommonWords):
    """A node's place in a network."""

    name: InterfaceName | None = Field(
        None, description="The interface's name (eth0, eth1 … in order)."
    )
    address: Annotated[list[MemberAddress] | None, BeforeValidator(one_or_many)] = Field(
        None, description="With or without prefix length (the subnet's); automatic if left out."
    )
    addresses: Literal[False] | None = Field(None, description="`false`: no automatic address.")  # type: ignore[assignment]
    default_route: Flag | None = Field(
        None,
        description="`true`: the default route comes from this network; `false`: never (the first network that has a gateway gives it).",
    )
    impair: ImpairWords | None = Field(
        None, description="What happens to what it sends, and to what the network sends to it."
    )
    port: PortWords | None = Field(
        None, description="How the network's bridge treats its port there."
    )
    at: NodeName | None = Field(
        None, description="Of a network with several endpoints, the node where it plugs in."
    )


def _networks_shape(inner: Shape) -> Shape:
    name = schema_shapes.substituted(schema_shapes.of(node_name))
    addressed = schema_shapes.substituted(schema_shapes.of(member_address))
    entry = {"anyOf": [inner["additionalProperties"], addressed, {"type": "null"}]}
    many = {"type": "array", "items": name, "uniqueItems": True}
    return {"anyOf": [inner | {"additionalProperties": entry}, many, name | {"type": "string"}]}


@written(_networks_shape)
def _memberships(value: object) -> object:
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, list):
        names = [item for item in value if not isinstance(item, dict)]
        maps = [item for item in value if isinstance(item, dict)]
        if maps:
            wrong(
                "`networks` is a list of names, or a mapping from names to what the membership says"
            )
        if len(set(map(str, names))) != len(names):
            wrong("a node can be in a network only once in the short form")
        return {str(name): {} for name in names}
    if isinstance(value, dict):
        return {
            name: {} if entry is None else {"address": entry} if isinstance(entry, str) else entry
            for name, entry in value.items()
        }
    return value


class Node(Words):
    """A host, router or container: one network namespace."""

    attach: Annotated[Attach | None, BeforeValidator(_attach)] = Field(
        None,
        description="An existing namespace: `docker:NAME`, `podman:NAME`, `netns:NAME`, `pid:NUMBER` or `path:/…`.",
    )
    forwarding: Flag | None = Field(None, description="Be a router, for IPv4 and IPv6 (false).")
    sysctls: dict[SysctlName, SysctlValue] = Field(
        default_factory=empty_dict,
        description="Settings of the namespace, all of them below `net.`",
    )
    networks: Annotated[dict[str, Membership], BeforeValidator(_memberships)] = Field(
        default_factory=empty_dict, description="Networks that it joins, each with an interface."
    )
    interfaces: dict[InterfaceName, AnyInterface] = Field(
        default_factory=empty_dict,
        description="Interfaces, and further keys of those that links make.",
    )
    routes: list[RouteWords] = Field(
        default_factory=empty_list,
        description="Routes, beside those that addresses and networks bring.",
    )
    rules: list[RuleWords] = Field(default_factory=empty_list, description="Policy routing rules.")
    aliases: Annotated[list[HostName], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Further names for name resolution."
    )
    dns: DnsWords | None = Field(None, description="What goes into its `resolv.conf`.")
    nat: list[NatWords] = Field(
        default_factory=empty_list, description="Address translations of this node."
    )
    publish: Annotated[
        list[Annotated[PublishWords, BeforeValidator(publish_words)]], BeforeValidator(one_or_many)
    ] = Field(
        default_factory=empty_list,
        description="Ports that its network's owner leads here, as Docker writes them: `8080:80`.",
    )


Mode = Literal["segment", "host-only", "nat", "routed", "bridged"]

MODES_OF: dict[str, tuple[str, ...]] = {
    "macvlan": get_args(macvlan.Mode),
    "ipvlan": get_args(ipvlan.Mode),
}
"""Driver → what `driver_mode` says of it."""


class FamilyModes(Words):
    """A mode for each family, where they differ."""

    v4: Mode = Field(description="For IPv4.")
    v6: Mode = Field(description="For IPv6.")
    RULES: ClassVar[schema_shapes.Rules] = tuple(
        schema_shapes.never(
            f"`{mode}` is for both families.",
            schema_shapes.one_of(one, [mode]),
            schema_shapes.unless(other, [mode]),
        )
        for mode in ("segment", "bridged")
        for one, other in (("v4", "v6"), ("v6", "v4"))
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "segment" in {self.v4, self.v6} and self.v4 != self.v6:
            wrong("a segment's bridge has no address: it cannot be one for a single family")
        if "bridged" in {self.v4, self.v6} and self.v4 != self.v6:
            wrong(
                "a bridge with an uplink carries every frame: write `mode: bridged`, for both families"
            )
        return self


@written(lambda inner: {"anyOf": [schema_shapes.substituted({"enum": [*get_args(Mode)]}), inner]})
def _modes(value: object) -> object:
    return value if isinstance(value, dict) else {"v4": value, "v6": value}


@written(
    schema_shapes.text(
        rf"{schema_shapes.IP}|(?![0-9.]+$)[A-Za-z0-9_][A-Za-z0-9_.-]{{0,62}}",
        "IP address or node",
        "10.0.0.1",
        "r1",
    )
)
def _gateway(value: object) -> object:
    from netorch.language.scalars import address

    if isinstance(value, str) and not value.replace(".", "").isdigit() and ":" not in value:
        return node_name(value)
    return address(value)


def _overlay_rules() -> Iterator[Shape]:
    overlay = schema_shapes.one_of("driver", ["vxlan"])
    other = schema_shapes.some(
        schema_shapes.left_out("driver"), schema_shapes.unless("driver", ["vxlan"])
    )
    yield schema_shapes.never(
        "`vni`, `port` and `endpoints` are for `driver: vxlan`.",
        other,
        schema_shapes.some(*map(schema_shapes.said, ("vni", "port"))),
    )
    yield schema_shapes.never(
        "`vni`, `port` and `endpoints` are for `driver: vxlan`.",
        other,
        schema_shapes.filled("endpoints"),
    )
    yield schema_shapes.needs(
        "Driver vxlan needs a `vni` and `endpoints: {NODE: ADDRESS}`.",
        overlay,
        schema_shapes.there("vni"),
        schema_shapes.there("endpoints"),
    )
    yield schema_shapes.never(
        "Driver vxlan has the mode segment only.",
        overlay,
        schema_shapes.one_of("mode", _BEYOND_SEGMENT),
    )
    yield schema_shapes.never(
        "Driver vxlan takes no `node` and no `port_isolation`.",
        overlay,
        schema_shapes.some(schema_shapes.said("node"), schema_shapes.true("port_isolation")),
    )


def _stacked_rules() -> Iterator[Shape]:
    stacked = schema_shapes.one_of("driver", MODES_OF)
    other = schema_shapes.some(
        schema_shapes.left_out("driver"), schema_shapes.unless("driver", MODES_OF)
    )
    own = schema_shapes.some(*map(schema_shapes.said, ("parent", "vlan", "driver_mode")))
    yield schema_shapes.never(
        "`parent`, `vlan` and `driver_mode` are for the drivers macvlan and ipvlan.", other, own
    )
    yield schema_shapes.never(
        "This driver has the mode segment only.",
        stacked,
        schema_shapes.one_of("mode", _BEYOND_SEGMENT),
    )
    for driver, modes in MODES_OF.items():
        wanted = f"Driver {driver} has the modes {', '.join(modes)}."
        yield schema_shapes.never(
            wanted,
            schema_shapes.one_of("driver", [driver]),
            schema_shapes.unless("driver_mode", modes),
        )
    routing = schema_shapes.one_of("driver_mode", ["l3", "l3s"])
    yield schema_shapes.never(
        "In these modes the parent's node routes: no `gateway`.",
        schema_shapes.one_of("driver", ["ipvlan"]),
        routing,
        schema_shapes.filled("gateway"),
    )
    for key in _OF_BRIDGES:
        yield schema_shapes.never(
            f"This driver takes no `{key}`: it has no bridge.", stacked, {"required": [key]}
        )
    further = schema_shapes.some(schema_shapes.said("vlan"), schema_shapes.said("node"))
    yield schema_shapes.never(
        "`vlan` and `node` say more of a `parent`.",
        stacked,
        schema_shapes.left_out("parent"),
        further,
    )


def _bridged_rules() -> Iterator[Shape]:
    bridged = schema_shapes.one_of("mode", ["bridged"])
    other = schema_shapes.some(
        schema_shapes.left_out("mode"),
        schema_shapes.one_of("mode", [mode for mode in get_args(Mode) if mode != "bridged"]),
    )
    yield schema_shapes.never(
        "`uplink` is for `mode: bridged`.", other, schema_shapes.said("uplink")
    )
    yield schema_shapes.needs(
        "Mode bridged needs an `uplink`, such as `uplink: eth0`.",
        bridged,
        schema_shapes.there("uplink"),
    )
    filtering = schema_shapes.some(
        schema_shapes.said("isolated"),
        schema_shapes.filled("allow"),
        schema_shapes.filled("egress"),
    )
    yield schema_shapes.never(
        "Mode bridged takes no `isolated`, `allow` or `egress`.", bridged, filtering
    )
    led = schema_shapes.both(bridged, schema_shapes.filled("gateway"))
    yield schema_shapes.needs(
        "In mode bridged a `gateway` needs the `subnet` that it is in.",
        led,
        schema_shapes.there("subnet"),
    )


_OF_BRIDGES = ("bridge", "uplink", "port_isolation", *BridgeSettings.model_fields)
_BEYOND_SEGMENT = [mode for mode in get_args(Mode) if mode != "segment"]


class NetworkWords(BridgeSettings):
    """A shared segment that nodes join."""

    mode: Annotated[FamilyModes, BeforeValidator(_modes)] = Field(
        default_factory=lambda: "segment",
        validate_default=True,
        description="What the network is, beside a bridge, or `{v4: …, v6: …}` where the families differ (segment).",
    )
    driver: Literal["bridge", "macvlan", "ipvlan", "vxlan"] = Field(
        "bridge", description="What it is made of (bridge)."
    )
    subnet: Annotated[list[Subnet], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Subnets of the network, IPv4 and IPv6."
    )
    ip_range: Annotated[list[Subnet], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list,
        description="Where automatic addresses come from (the whole subnet).",
    )
    gateway: Annotated[
        list[Annotated[Any, BeforeValidator(_gateway)]], BeforeValidator(one_or_many)
    ] = Field(
        [],
        description="segment: the member, or its address, that leads out for the others; host-only: the bridge's address"
        " (segment: none; host-only: the subnet's first host).",
    )
    node: NodeName | None = Field(
        None,
        description="Node with the bridge, or with the `parent` (segment: the fabric; host-only, or with a `parent`: `host`).",
    )
    bridge: InterfaceName | None = Field(
        None, description="Name of the bridge (the network's name)."
    )
    mtu: Mtu | None = Field(
        None, description="MTU of the bridge and of what is plugged into it (1500)."
    )
    isolated: Flag | None = Field(
        None,
        description="Keep its members and those of the owner's other networks apart (true for nat and host-only, else false).",
    )
    allow: Annotated[list[NodeName], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Networks that it is open to all the same."
    )
    port_isolation: Flag = Field(
        False, description="Members reach the gateway only, not one another (false)."
    )
    egress: Annotated[list[IPAddress], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list,
        description="Source address that members leave with, one a family (the outgoing interface's).",
    )
    uplink: InterfaceName | None = Field(
        None,
        description="bridged: the interface of `node` that becomes a port; its addresses and routes are on the bridge meanwhile.",
    )
    parent: PlaceName | None = Field(
        None,
        description="macvlan, ipvlan: the interface on whose segment the members are, `IF` of `node` or `NODE:IF` (a closed network).",
    )
    vlan: Annotated[int, BeforeValidator(integer(0, 4094))] | None = Field(
        None,
        description="macvlan, ipvlan: the parent's VLAN to be in, 0 to 4094, by a device PARENT.VLAN that is made if the file has none.",
    )
    driver_mode: Literal[macvlan.Mode, ipvlan.Mode] | None = Field(
        None,
        description="macvlan: `bridge`, `private`, `vepa` or `passthru`; ipvlan: `l2`, `l3` or `l3s` (macvlan: bridge; ipvlan: l2).",
    )
    vni: Vni | None = Field(
        None, description="vxlan: the network identifier, 0 to 16777215; required there."
    )
    port: Port | None = Field(None, description="vxlan: UDP port (4789).")
    endpoints: dict[NodeName, IPAddress] = Field(
        default_factory=empty_dict,
        description="vxlan: the nodes that members plug into, each with its address on the network below: `{NODE: ADDRESS}`.",
    )

    RULES: ClassVar[schema_shapes.Rules] = (*_overlay_rules(), *_stacked_rules(), *_bridged_rules())

    @model_validator(mode="after")
    def _one_egress(self) -> Self:
        if len({address.version for address in self.egress}) < len(self.egress):
            wrong("`egress` takes one address a family")
        if any(self.mode_of(address.version) != "nat" for address in self.egress):
            wrong("`egress` is what mode nat translates to: the family has another mode")
        return self

    @model_validator(mode="after")
    def _overlay(self) -> Self:
        said = [key for key in ("vni", "port", "endpoints") if getattr(self, key) not in (None, {})]
        if self.driver != "vxlan":
            if said:
                wrong(
                    f"driver {self.driver} takes no `{said[0]}`: add `driver: vxlan`, or leave it out"
                )
            return self
        if self.vni is None:
            wrong(
                "driver vxlan needs a `vni`, the number that tells its packets from other networks'"
            )
        if not self.endpoints:
            wrong(
                "driver vxlan needs `endpoints: {NODE: ADDRESS}`, the nodes that its members plug into"
            )
        if self.modes != {"segment"}:
            wrong(
                "driver vxlan has the mode segment only: its bridges are in several nodes, and none of them leads out. Take `gateway: NODE`"
            )
        for key in ("node", "port_isolation"):
            if getattr(self, key):
                why = (
                    "its bridges are in its endpoints"
                    if key == "node"
                    else "its bridges do not know one another's ports"
                )
                wrong(f"driver vxlan takes no `{key}`: {why}")
        addresses = list(self.endpoints.values())
        if len({address.version for address in addresses}) > 1:
            wrong("the endpoints are of different IP versions: a tunnel goes over one")
        for node, address in self.endpoints.items():
            if address.is_multicast or address.is_unspecified:
                wrong(f"endpoint {node}: {address} is no host's address")
            if addresses.count(address) > 1:
                wrong(f"two endpoints have the address {address}")
        return self

    @model_validator(mode="after")
    def _stacked(self) -> Self:
        if self.driver not in MODES_OF:
            for key in ("parent", "vlan", "driver_mode"):
                if getattr(self, key) is not None:
                    wrong(
                        f"`{key}` is for networks of the drivers macvlan and ipvlan: add `driver: macvlan`, or leave it out"
                    )
            return self
        if self.modes != {"segment"}:
            wrong(
                f"driver {self.driver} has the mode segment only: its members are on the parent's own segment, where netorch neither"
                " routes nor filters. Leave out `mode`"
            )
        if self.driver_mode is not None and self.driver_mode not in MODES_OF[self.driver]:
            wrong(
                f"driver {self.driver} has no driver_mode {self.driver_mode}: write {', '.join(MODES_OF[self.driver])}"
            )
        for key in _OF_BRIDGES:
            if key in self.model_fields_set:
                wrong(f"driver {self.driver} takes no `{key}`: it has no bridge")
        node, colon, interface = (self.parent or "").rpartition(":")
        if self.parent is None:
            for key in ("vlan", "node"):
                if getattr(self, key) is not None:
                    wrong(
                        f"`{key}` says more of a `parent`: driver {self.driver} without a parent is a closed network"
                    )
        else:
            interface_name(interface)
            if colon and self.node not in {None, node_name(node)}:
                wrong(f"the parent {self.parent} is not in `node: {self.node}`")
        if self.gateway and self.driver == "ipvlan" and self.driver_mode in {"l3", "l3s"}:
            wrong(
                f"driver ipvlan takes no `gateway` in {self.driver_mode}: the parent's node routes what its members send"
            )
        return self

    @model_validator(mode="after")
    def _bridged(self) -> Self:
        if not self.is_bridged:
            if self.uplink is not None:
                wrong(
                    "`uplink` is what mode bridged puts into the bridge: add `mode: bridged`, or leave it out"
                )
            return self
        if self.uplink is None:
            wrong(
                "mode bridged needs an `uplink`, the interface whose segment its members join, such as `uplink: eth0`"
            )
        for key in ("isolated", "allow", "egress"):
            if getattr(self, key) not in (None, []):
                wrong(
                    f"mode bridged takes no `{key}`: its members are on the uplink's own segment, where netorch filters nothing"
                )
        if any(isinstance(gateway, str) for gateway in self.gateway):
            wrong(
                "in mode bridged `gateway` is the address of a router on the uplink's segment, not a node"
            )
        if self.gateway and not self.subnet:
            wrong("in mode bridged a `gateway` needs the `subnet` that it is in")
        return self

    def mode_of(self, version: int) -> str:
        """The mode of one IP version."""
        return self.mode.v4 if version == 4 else self.mode.v6

    @property
    def modes(self) -> set[str]:
        return {self.mode.v4, self.mode.v6}

    @property
    def is_segment(self) -> bool:
        """Whether the bridge has no address of its own."""
        return self.modes == {"segment"}

    @property
    def is_bridged(self) -> bool:
        """Whether the bridge joins a segment that is there already."""
        return "bridged" in self.modes

    @property
    def is_isolated(self) -> bool:
        return (
            self.isolated if self.isolated is not None else bool(self.modes & {"nat", "host-only"})
        )

    def egress_of(self, version: int) -> Address | None:
        return next((address for address in self.egress if address.version == version), None)


class EndpointWords(CommonWords):
    """One end of a link; the short form is `NODE:IF`."""

    node: NodeName = Field(description="Node at this end, or `host`.")
    interface: InterfaceName = Field(description="Name of the interface that the link makes there.")


@written(
    schema_shapes.either(
        schema_shapes.text(
            f"{END}|{schema_shapes.END_RANGES}", "end of a link: NODE:INTERFACE", "r1:eth0"
        )
    )
)
def endpoint(value: object) -> object:
    if not isinstance(value, str):
        return value
    node, colon, interface = value.partition(":")
    if not colon:
        wrong(
            f"{value!r} is no end of a link: write NODE:INTERFACE"
            + (f", such as {value}:eth0" if re.fullmatch(r"[\w-]{1,30}", value) else "")
        )
    return {"node": node_name(node), "interface": interface_name(interface)}


@written(lambda inner: {"anyOf": [{"$key": "endpoints", "of": inner}, inner]})
def _link(value: object) -> object:
    return {"endpoints": value} if isinstance(value, list) else value


class LinkWords(Words):
    """A cable between two nodes."""

    endpoints: Annotated[
        list[Annotated[EndpointWords, BeforeValidator(endpoint)]],
        Field(min_length=2, max_length=2, description="Its two ends."),
    ]
    subnet: Annotated[list[Subnet], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list,
        description="Gives its ends addresses, in order: the first two hosts (of a /31 or /127 both addresses).",
    )
    mtu: Mtu | None = Field(None, description="MTU of both ends (1500).")
    impair: ImpairWords | None = Field(
        None,
        description="What happens to what either end sends; what an end says itself goes over it.",
    )


class CheckWords(Words):
    """What must, or must not, be reachable: `netorch check` tries it."""

    source: NodeName | None = Field(None, alias="from", description="Node that tries.")
    to: str | None = Field(None, description="Node, `NODE:IF` or address that is tried.")
    reachable: Flag = Field(True, description="`false`: there must be no answer (true).")
    tcp: Annotated[int, BeforeValidator(integer(1, 65535))] | None = Field(
        None, description="Port that takes a connection; a ping if left out."
    )
    mtu: Mtu | None = Field(None, description="Size of a packet that must pass in one piece.")
    RULES: ClassVar[schema_shapes.Rules] = (
        {
            "anyOf": [
                schema_shapes.both(
                    schema_shapes.there("all"),
                    {
                        "not": schema_shapes.some(
                            schema_shapes.said("from"), schema_shapes.said("to")
                        )
                    },
                ),
                schema_shapes.both(
                    schema_shapes.there("from"),
                    schema_shapes.there("to"),
                    {"not": schema_shapes.said("all")},
                ),
            ],
            "errorMessage": "A check has `from` and `to`, or `all`.",
        },
        schema_shapes.never(
            "A ping has no `tcp`: make two checks of it.",
            schema_shapes.said("tcp"),
            schema_shapes.said("mtu"),
        ),
    )
    all: str | None = Field(
        None,
        description="Network whose members must all reach one another, in place of `from` and `to`.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.source is None, self.to is None) != ((self.all is not None),) * 2:
            wrong("a check has `from` and `to`, or `all`")
        if self.tcp is not None and self.mtu is not None:
            wrong("`mtu` is the size of a ping, which has no `tcp`: make two checks of it")
        return self


# a model as the default of a key is said as a file says it: an instance would have the model built now, apart from the whole


class Defaults(Words):
    """What expansion leaves for the models: the other defaults are merged in the text."""

    interface: CommonWords = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="Under every interface that netorch makes, but `lo`.",
    )


class Backend(Words):
    nat: Literal["auto", "nftables", "iptables"] = Field(
        "auto",
        description="What filters and translates; auto is nftables where the kernel and the library have it, else iptables.",
    )


class Topology(Words):
    """A whole file, expanded."""

    name: TopologyName | None = Field(
        None,
        description="What `destroy NAME` takes, and what objects are marked with (the file's name without `.yaml`).",
    )
    prefix: Prefix | None = Field(
        None,
        description="Stands before the name of every namespace, and of every interface on the host, that netorch makes.",
    )
    defaults: Defaults = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="Values under every node, interface, link and network.",
    )
    nodes: dict[NodeName, Annotated[Node, BeforeValidator(_entry)]] = Field(
        default_factory=empty_dict, description="Hosts and routers: a network namespace each."
    )
    networks: dict[NodeName, Annotated[NetworkWords, BeforeValidator(_entry)]] = Field(
        default_factory=empty_dict, description="Shared segments that nodes join."
    )
    links: list[Annotated[LinkWords, BeforeValidator(_link)]] = Field(
        default_factory=empty_list, description="Cables between two nodes."
    )
    checks: list[CheckWords] = Field(
        default_factory=empty_list,
        description="What must be reachable, and what must not; `netorch check` tries it.",
    )
    names: Flag = Field(
        True,
        description="Give the nodes a `hosts` file, and a `resolv.conf` where they have `dns` (true).",
    )
    backend: Backend = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="What this machine does things with.",
    )
