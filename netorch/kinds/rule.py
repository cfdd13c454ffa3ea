"""Policy routing rules (ip-rule(8), linux/fib_rules.h)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import ClassVar, Literal, Self

from netorch.immutable import replace
from netorch.kinds.base.default_rules import is_default_rule
from netorch.kinds.netns import netns_key
from netorch.kinds.route import routes_key
from netorch.netlink.codec import u8, u16, u32
from netorch.netlink.constants import (
    AF_INET6,
    FR_ACT_BLACKHOLE,
    FR_ACT_GOTO,
    FR_ACT_NOP,
    FR_ACT_PROHIBIT,
    FR_ACT_TO_TBL,
    FR_ACT_UNREACHABLE,
    FRA_DPORT_RANGE,
    FRA_DSCP,
    FRA_FLOW,
    FRA_GOTO,
    FRA_IP_PROTO,
    FRA_SPORT_RANGE,
    FRA_SUPPRESS_IFGROUP,
    FRA_SUPPRESS_PREFIXLEN,
    FRA_TUN_ID,
    FRA_UID_RANGE,
    RTPROT_BOOT,
    RTPROT_STATIC,
)
from netorch.state.key import Key, label_text
from netorch.state.registry import View, observed, reports_unproven
from netorch.state.resource import Resource
from netorch.values.marks import NOT_OURS, PROTOCOLS
from netorch.values.ownership import Original
from netorch.values.requests import Attrs, Request, RuleAdd, RuleDel, RuleSpec
from netorch.values.snapshot import Adoption, NetnsSnapshot

ACTIONS = {
    "lookup": FR_ACT_TO_TBL,
    "blackhole": FR_ACT_BLACKHOLE,
    "unreachable": FR_ACT_UNREACHABLE,
    "prohibit": FR_ACT_PROHIBIT,
}
_ACTION_NAMES = {
    **{number: name for name, number in ACTIONS.items()},
    FR_ACT_GOTO: "goto",
    FR_ACT_NOP: "nop",
}
PROTOCOL_UNSPEC = 0
_MORE = {
    FRA_GOTO: ("goto", 4),
    FRA_FLOW: ("realms", 4),
    FRA_TUN_ID: ("tun_id", 8),
    FRA_SUPPRESS_IFGROUP: ("suppress_ifgroup", 4),
    FRA_SUPPRESS_PREFIXLEN: ("suppress_prefixlength", 4),
    FRA_UID_RANGE: ("uidrange", 4),
    FRA_IP_PROTO: ("ipproto", 1),
    FRA_SPORT_RANGE: ("sport", 2),
    FRA_DPORT_RANGE: ("dport", 2),
    FRA_DSCP: ("dscp", 1),
}
"""Attribute → its name in ip-rule(8) and the size of each of its numbers in bytes."""


def rule_key(netns: str, spec: RuleSpec) -> Key:
    return Key("rule", netns, *_parts(spec))


@observed
class Rule(Resource):
    """A policy rule. All its selectors are its key, and its action can change in place."""

    KIND: ClassVar[str] = "rule"
    FOREIGN_KIND: ClassVar[str] = "rule"
    HINTS: ClassVar[tuple[str, ...]] = ("after_routes",)
    NEEDS_GROUPS: ClassVar[bool] = True
    TAKEN: ClassVar[str] = "rule-taken"
    netns: str
    spec: RuleSpec
    after_routes: bool = False
    """Whether the routes must be added first, because the rule could hide their gateways."""

    @property
    def key(self) -> Key:
        return rule_key(self.netns, self.spec)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @property
    def needs(self) -> tuple[Key, ...]:
        return (routes_key(self.netns),) if self.after_routes else ()

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for spec in view.netns.rules:
            if _is_ours(view, spec):
                yield cls(view.label, spec)

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        for spec in view.netns.rules:
            if not _is_ours(view, spec):
                key = rule_key(view.label, spec)
                yield (
                    key,
                    f"{label_text(view.label)} has a rule {key.name} (protocol {spec.protocol})"
                    f" and {NOT_OURS}",
                )

    def differs(self, before: Resource) -> bool:
        return (
            not isinstance(before, Rule)
            or replace(before.spec, protocol=self.spec.protocol) != self.spec
        )

    def with_number(self, number: int) -> Self:
        return replace(self, spec=replace(self.spec, protocol=number))

    def create(self) -> Iterable[Request]:
        return (RuleAdd(self.netns, self.spec),)

    def update(self, before: Self) -> Sequence[Request] | None:
        # the new rule comes first, so that there is always one
        return [RuleAdd(self.netns, self.spec), RuleDel(self.netns, before.spec)]

    def adopt(self, netns: NetnsSnapshot) -> Adoption | str:
        from netorch.kinds.base.managers import reason_to_leave

        there = next(
            (spec for spec in netns.rules if rule_key(netns.label, spec) == self.key), None
        )
        if there is None:
            return "it is gone"
        own = self.spec.protocol
        if not is_default_rule(there) and (
            reason := reason_to_leave(self.netns, "", there.protocol, own)
        ):
            return reason
        marked = replace(there, protocol=self.spec.protocol)
        rules = tuple(marked if spec is there else spec for spec in netns.rules)
        # the new rule comes first, so that there is always one
        return Adoption(
            replace(netns, rules=rules),
            (RuleAdd(self.netns, marked), RuleDel(self.netns, there)),
            (RuleAdd(self.netns, there), RuleDel(self.netns, marked)),
            Original(protocol=there.protocol),
        )

    def release(self, original: Original | None = None) -> Iterable[Request]:
        if self.spec.protocol not in PROTOCOLS:
            return ()
        protocol = RTPROT_STATIC if original is None else original.protocol
        free = replace(self.spec, protocol=protocol)
        return RuleAdd(self.netns, free), RuleDel(self.netns, self.spec)

    def delete(self) -> Iterable[Request]:
        return (RuleDel(self.netns, self.spec),)

    def attributes(self) -> Mapping[str, str]:
        if self.spec.action == FR_ACT_TO_TBL:
            return {"table": str(self.spec.table)}
        return {"action": _ACTION_NAMES.get(self.spec.action, str(self.spec.action))}

    def title(self) -> str:
        return f"rule {label_text(self.netns)} {self.key.name}"


def _is_ours(view: View, spec: RuleSpec) -> bool:
    """Return whether a rule belongs to the topology.

    Its protocol number and the record decide. In a namespace that netorch made, rules that a user
    has added belong to it too, except those that the kernel itself makes.
    """
    if spec.protocol == view.mark.protocol:
        return view.is_ours("rule", *_parts(spec))
    by_hand = view.created and spec.protocol in {PROTOCOL_UNSPEC, RTPROT_BOOT, RTPROT_STATIC}
    return by_hand and not is_default_rule(spec)


def more_text(number: int, payload: bytes) -> str:
    """Return the text for one of the further attributes, as ip-rule(8) writes it.

    Examples are `uidrange 0-1000` and `suppress_prefixlength 0`.
    """
    word, size = _MORE.get(number, (f"attribute {number}", len(payload) or 1))
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    # the number of a tunnel is in the order of the network
    order: Literal["big", "little"] = "big" if number == FRA_TUN_ID else "little"
    return f"{word} {'-'.join(str(int.from_bytes(part, order)) for part in parts)}"


def conditions(spec: RuleSpec) -> Mapping[str, object]:
    """Return further conditions of a rule, with the keys and values of the file."""
    values: dict[str, object] = {"not": True} if spec.invert else {}
    if spec.tos:
        values["tos"] = spec.tos
    for number, payload in spec.more:
        key, _, text = more_text(number, payload).partition(" ")
        if key in {"suppress_prefixlength", "ipproto"}:
            values[key] = int(text)
        elif key in {"sport", "dport", "uidrange"}:
            first, _, last = text.partition("-")
            values[key] = int(first) if first == last else text
    return values


def further(
    *,
    ipproto: int | None,
    sport: tuple[int, int] | None,
    dport: tuple[int, int] | None,
    uids: tuple[int, int] | None,
    suppress_length: int | None,
) -> Attrs:
    """Return the further attributes of a rule, in the order of their numbers."""
    attrs: list[tuple[int, bytes]] = []
    if suppress_length is not None:
        attrs.append((FRA_SUPPRESS_PREFIXLEN, u32(suppress_length)))
    if uids is not None:
        attrs.append((FRA_UID_RANGE, u32(uids[0]) + u32(uids[1])))
    if ipproto is not None:
        attrs.append((FRA_IP_PROTO, u8(ipproto)))
    for number, ports in ((FRA_SPORT_RANGE, sport), (FRA_DPORT_RANGE, dport)):
        if ports is not None:
            attrs.append((number, u16(ports[0]) + u16(ports[1])))
    return tuple(attrs)


def _parts(spec: RuleSpec) -> tuple[str, ...]:
    words = [f"priority {spec.priority}"]
    for word, selector in (("from", spec.src), ("to", spec.dst)):
        if selector is not None:
            words.append(f"{word} {ip_address(selector[0])}/{selector[1]}")
    words += [f"{word} {name}" for word, name in (("iif", spec.iif), ("oif", spec.oif)) if name]
    if spec.mark is not None:
        value, mask = spec.mark
        words.append(f"fwmark {value:#x}" + (f"/{mask:#x}" if mask != 0xFFFFFFFF else ""))
    if spec.l3mdev:
        words.append("l3mdev")
    if spec.tos:
        words.append(f"tos {spec.tos:#x}")
    if spec.invert:
        words.append("not")
    words += (more_text(number, payload) for number, payload in spec.more)
    return (*words, "(v6)") if spec.family == AF_INET6 else tuple(words)


@reports_unproven
def _in_doubt(view: View) -> Iterator[tuple[Key, str]]:
    """Yield rules with the topology's protocol number that no record confirms."""
    for spec in view.netns.rules:
        if view.is_in_doubt(spec.protocol) and not _is_ours(view, spec):
            key = rule_key(view.label, spec)
            yield key, view.doubt(f"rule {label_text(view.label)} {key.name}")
