"""Objects that netorch reads but that no topology file can say."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from netorch.immutable import Value, defaults, replace
from netorch.kinds.address import SCOPES, Address
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.route import TYPES, Route
from netorch.kinds.rule import ACTIONS, Rule, conditions, more_text
from netorch.netlink import encap
from netorch.netlink.constants import (
    FR_ACT_GOTO,
    FR_ACT_NOP,
    RTN_ANYCAST,
    RTN_BROADCAST,
    RTN_MULTICAST,
    RTN_THROW,
)
from netorch.state.key import Key
from netorch.state.resource import Resource

_TYPES = {
    RTN_BROADCAST: "broadcast",
    RTN_ANYCAST: "anycast",
    RTN_MULTICAST: "multicast",
    RTN_THROW: "throw",
}
_ACTIONS = {FR_ACT_GOTO: "goto", FR_ACT_NOP: "nop"}
_MODES = {("macvlan", "mode", "10000000"): "source", ("macvtap", "mode", "10000000"): "source"}
"""Kind, key and bytes of a value without a word → its name in `ip link`."""


class Unwritable(Value):
    """An object, or an option of one, that a file cannot say."""

    key: Key
    text: str
    why: str


def split(
    state: Mapping[Key, Resource],
) -> tuple[dict[Key, Resource], list[Unwritable]]:
    """Return the objects of a state that a file can say, and what it cannot say.

    A link with an option that has no word is among both. It then has the default of the option.
    """
    writable: dict[Key, Resource] = {}
    others: list[Unwritable] = []
    for key, resource in state.items():
        if isinstance(resource, StandaloneLink):
            writable[key], lost = _with_words(resource)
            others += lost
        elif why := _reason(resource):
            others.append(Unwritable(key, resource.title(), why))
        else:
            writable[key] = resource
    return writable, others


def _reason(resource: Resource) -> str:
    match resource:
        case Route(spec=spec):
            if spec.type not in TYPES.values():
                return f"a route cannot have the type {_TYPES.get(spec.type, spec.type)}"
            if spec.tos or spec.sources is not None:
                return "a route has no such selector"
            if any(encap.words(one) is None for one in spec.encaps):
                return "a route cannot have such an `encap`"
        case Rule(spec=spec):
            if spec.action not in ACTIONS.values():
                return f"a rule cannot have the action {_ACTIONS.get(spec.action, spec.action)}"
            known = conditions(spec)
            for number, payload in spec.more:
                word = more_text(number, payload).partition(" ")[0]
                if word not in known:
                    return "a rule has no such selector"
        case Address(address=address) if ip_address(address.local).is_multicast:
            return "an interface cannot have a multicast address"
        case Address(scope=scope):
            if scope not in SCOPES.values():
                return f"an address cannot have the scope {scope}"
    return ""


def _with_words(link: StandaloneLink) -> tuple[StandaloneLink, list[Unwritable]]:
    """Return a link with a default in place of each value that has no word."""
    lost: list[Unwritable] = []
    for one in link.ATTRIBUTES:
        value = getattr(link, one.key)
        if not one.form.has_word(value):
            name = _MODES.get((link.KIND, one.key, str(value)), str(value))
            word = one.word or one.key
            why = f"`{word}` of a {link.KIND} has no such word"
            lost.append(Unwritable(link.key, f"{word} {name}", why))
            link = replace(link, **{one.key: defaults(link)[one.key]})
    return link, lost
