"""The values of a node's `filter`, which accepts and drops packets."""

import re
from typing import Annotated, Literal, Self

from netorch.errors import did_you_mean
from netorch.immutable import Value
from netorch.language import schema_shapes
from netorch.language.addresses import Network
from netorch.language.constraints import (
    EachItem,
    HasKey,
    HasValue,
    constraints,
    forbid,
    require,
)
from netorch.language.model import Before, Field, Model, Plain, after
from netorch.language.publish import InterfaceMatch, PortRange
from netorch.language.scalars import empty_list, integer, network, node_name, one_or_many, wrong
from netorch.language.schema_shapes import accepts
from netorch.topology.rules import ip_protocol
from netorch.values.icmp import ICMP_TYPES

Action = Literal["accept", "drop", "reject"]
HOOKS = ("forward", "input", "output")
ICMP, ICMPV6 = 1, 58
WITH_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}
"""Number of a protocol with ports → its name."""
_PROTOCOLS = {**WITH_PORTS, ICMP: "icmp", ICMPV6: "icmpv6"}


def protocol_name(number: int) -> str:
    """Return a protocol as the rules of a packet filter have it."""
    return _PROTOCOLS.get(number, str(number))


class PacketEnd(Value):
    """Where a packet comes from, or where it goes to."""

    where: Network | str
    """A subnet, or the name of a node or network."""
    negated: bool = False
    """Whether it stands for everywhere else."""

    @property
    def text(self) -> str:
        return f"{'!' if self.negated else ''}{self.where}"


# digits and full stops alone are an address
_PLACE = r"(?![0-9]+(?:\.[0-9]+)+$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}"


@accepts(
    schema_shapes.text(
        f"!?(?:{schema_shapes.SUBNET}|{_PLACE})",
        "subnet, address, or name of a node or network; ! before it means all others",
        "10.0.0.0/24",
        "web",
        "!10.0.0.0/8",
        numbers=True,
    )
)
def packet_end(value: object) -> PacketEnd:
    """Parse a subnet, an address or a name, with `!` before it for everything else."""
    if isinstance(value, PacketEnd):
        return value
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    negated, rest = text.startswith("!"), text.removeprefix("!")
    if not rest:
        wrong("the value is empty: write a subnet, or the name of a node or network")
    if re.search("[:/]", rest) or re.fullmatch(r"[0-9]+(?:\.[0-9]+)+", rest):
        return PacketEnd(network(rest), negated)
    return PacketEnd(node_name(rest), negated)


_NAMES = {name: None for types in ICMP_TYPES.values() for name in types}


@accepts(
    schema_shapes.whole_number(0, 255, "|".join(_NAMES), "type of ICMP or ICMPv6, or its number")
    | {"examples": ["echo-request", 8]}
)
def icmp_type(value: object) -> int | str:
    """Check the name or the number of an ICMP type."""
    if isinstance(value, str) and not value.isdigit() and not value.startswith("0x"):
        if value not in _NAMES:
            guess = did_you_mean(value, _NAMES)
            usual = {"ping": "echo-request", "pong": "echo-reply"}.get(value.lower())
            other = f"write {usual or 'a name such as echo-request, or a number'}"
            wrong(f"{value!r} is not a type of ICMP{f'. {guess}' if guess else f': {other}'}")
        return value
    return integer(0, 255)(value)


@accepts(
    schema_shapes.text(
        "[ !#-~]{1,90}", "comment: at most 90 printable characters of ASCII, without quotes"
    )
)
def rule_comment(value: object) -> str:
    """Check the comment of a rule, which the kernel keeps."""
    if not isinstance(value, str) or not re.fullmatch("[ !#-~]{1,90}", value):
        wrong(
            f"{value!r} cannot be a comment: use at most 90 printable characters of ASCII, without"
            ' "'
        )
    return value


State = Literal["new", "established", "related", "invalid", "untracked"]


class FilterRuleModel(Model):
    """A rule for packets, which holds for the packets that meet all its conditions."""

    action: Action = Field(
        description="Let the packets pass, drop them, or refuse them with an ICMP error."
    )
    source: Annotated[list[Annotated[PacketEnd, Plain(packet_end)]], Before(one_or_many)] = Field(
        default_factory=empty_list,
        alias="from",
        description="Source: a subnet or address, or the name of a node or network, or a list;"
        " `!` before a single one means all others (any).",
    )
    to: Annotated[list[Annotated[PacketEnd, Plain(packet_end)]], Before(one_or_many)] = Field(
        default_factory=empty_list, description="Destination, written as `from` (any)."
    )
    in_: InterfaceMatch | None = Field(
        None, alias="in", description="Incoming interface, `!NAME` for any other (any)."
    )
    out: InterfaceMatch | None = Field(
        None, description="Outgoing interface, `!NAME` for any other (any)."
    )
    proto: Annotated[list[Annotated[int, Plain(ip_protocol)]], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="Protocol: a name such as `tcp`, `icmp` (of IPv4) or `icmpv6`, its number, or"
        " a list (any).",
    )
    port: Annotated[list[PortRange], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="Destination port, a range, or a list of both (any).",
    )
    sport: Annotated[list[PortRange], Before(one_or_many)] = Field(
        default_factory=empty_list, description="Source port, a range, or a list of both (any)."
    )
    type: Annotated[int | str, Plain(icmp_type)] | None = Field(
        None, description="Type of ICMP or ICMPv6: a name such as `echo-request`, or its number."
    )
    state: Annotated[list[State], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="State of the packet's connection in conntrack, or a list (any).",
    )
    comment: Annotated[str, Before(rule_comment)] | None = Field(
        None, description="Text about the rule, which the kernel shows with it."
    )

    _ports = constraints(
        require(
            "filter-needs-protocol",
            "a rule with a `port` needs a `proto`: write `proto: tcp`, or `proto: [tcp, udp]`",
            HasValue("proto"),
            when=HasValue("port") | HasValue("sport"),
        ),
        require(
            "filter-needs-protocol",
            "a rule with a `type` needs `proto: icmp` or `proto: icmpv6`",
            HasValue("proto"),
            when=HasKey("type"),
        ),
    )

    @after
    def _consistent(self) -> Self:
        for name in ("source", "to", "proto", "port", "sport", "state"):
            if name in self.model_fields_set and not getattr(self, name):
                key = "from" if name == "source" else name
                wrong(f"the list of `{key}` is empty: leave it out, if any will do")
        if (self.port or self.sport) and (without := [*{*self.proto} - WITH_PORTS.keys()]):
            wrong(
                f"only tcp, udp and sctp have ports, and protocol {protocol_name(without[0])} has"
                " none: remove the port, or write another `proto`",
                "filter-needs-protocol",
            )
        if self.type is not None:
            for protocol in self.proto:
                self.number_of(protocol)
        for key, ends in (("from", self.source), ("to", self.to)):
            if len(ends) > 1 and (end := next((end for end in ends if end.negated), None)):
                wrong(
                    f"`{key}` has several values, so {end.text} cannot be one of them: all of them"
                    " would meet it. Write a rule for what it excludes before this one",
                    "filter-negation",
                )
        return self

    def number_of(self, protocol: int) -> int | None:
        """Return the number of the rule's ICMP type in a protocol, None if the rule has none."""
        if self.type is None:
            return None
        if protocol not in (ICMP, ICMPV6):
            wrong(
                f"only icmp and icmpv6 have a `type`, and protocol {protocol_name(protocol)} has"
                " none: remove the `type`, or write another `proto`",
                "filter-needs-protocol",
            )
        if isinstance(self.type, int):
            return self.type
        name = protocol_name(protocol)
        types = ICMP_TYPES[4 if protocol == ICMP else 6]
        if self.type not in types:
            wrong(
                f"{name} has no type {self.type}: write another one, or another `proto`",
                "filter-needs-protocol",
            )
        return types[self.type]


@accepts(lambda inner: inner)
def ways(value: object) -> object:
    """Refuse a list of rules, which does not say which packets they are for."""
    if isinstance(value, list):
        wrong(
            "the rules of `filter` are below the packets that they are for: write"
            " `filter: {forward: […]}`, with `input` and `output` for the node's own packets"
        )
    return value


class FilterPolicyModel(Model):
    """What happens to the packets that no rule decides."""

    forward: Action = Field("accept", description="Packets that the node forwards (accept).")
    input: Action = Field("accept", description="Packets for the node itself (accept).")
    output: Action = Field("accept", description="Packets that the node sends (accept).")


class FilterModel(Model):
    """The packet filter of a node: the rules of each way through it, and its policies."""

    policy: FilterPolicyModel | None = Field(
        None,
        description="What happens to packets that no rule decides, except for answers, packets of"
        " lo and neighbour discovery.",
    )
    forward: list[FilterRuleModel] = Field(
        default_factory=empty_list,
        description="Rules for packets that the node forwards. The first one that matches counts.",
    )
    input: list[FilterRuleModel] = Field(
        default_factory=empty_list, description="Rules for packets to the node itself."
    )
    output: list[FilterRuleModel] = Field(
        default_factory=empty_list, description="Rules for packets that the node itself sends."
    )

    _ways = constraints(
        EachItem(
            "input",
            FilterRuleModel,
            forbid(
                "filter-other-way",
                "a rule of `input` cannot have `out`, because its packets end at the node",
                HasKey("out"),
            ),
        ),
        EachItem(
            "output",
            FilterRuleModel,
            forbid(
                "filter-other-way",
                "a rule of `output` cannot have `in`, because the node itself sends its packets",
                HasKey("in"),
            ),
        ),
    )

    @property
    def decides(self) -> bool:
        """Whether it can stop a packet, or let one pass before the rules of networks."""
        policy = self.policy or FilterPolicyModel()
        return bool(self.forward or self.input or self.output) or any(
            action != "accept" for action in (policy.forward, policy.input, policy.output)
        )
