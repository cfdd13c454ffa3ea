"""IFLA_INFO_DATA as `ip link … type KIND` says it: by the tables that the kinds have, and what iproute2 calls otherwise than they."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from netorch import kinds as _registered  # noqa: F401  so that all of them are there
from netorch.immutable import defaults
from netorch.kinds import geneve, gre, vxlan
from netorch.kinds.base import ip_tunnel
from netorch.kinds.base.standalone import StandaloneLink
from netorch.netlink import constants as c
from netorch.state.registry import OBSERVED
from netorch.values.requests import Attrs

Say = Callable[[bytes], str]


def _number(word: str) -> Say:
    return lambda payload: f"{word} {int.from_bytes(payload, 'little')}"


def _switch(word: str) -> Say:
    return lambda payload: f"{word} {'on' if any(payload) else 'off'}"


def _silent(payload: bytes) -> str:
    """What iproute2 says by itself, or says with another attribute."""
    return ""


_TABLES: Mapping[str, Mapping[int, Say]] = {
    "bridge": {
        c.IFLA_BR_FORWARD_DELAY: _number("forward_delay"),
        c.IFLA_BR_HELLO_TIME: _number("hello_time"),
        c.IFLA_BR_MAX_AGE: _number("max_age"),
        c.IFLA_BR_AGEING_TIME: _number("ageing_time"),
        c.IFLA_BR_STP_STATE: _number("stp_state"),
        c.IFLA_BR_PRIORITY: _number("priority"),
        c.IFLA_BR_MCAST_SNOOPING: _number("mcast_snooping"),
        c.IFLA_BR_MCAST_QUERIER: _number("mcast_querier"),
        c.IFLA_BR_VLAN_FILTERING: _number("vlan_filtering"),
        c.IFLA_BR_VLAN_DEFAULT_PVID: _number("vlan_default_pvid"),
    },
    "bridge_slave": {
        c.IFLA_BRPORT_MODE: _switch("hairpin"),
        c.IFLA_BRPORT_ISOLATED: _switch("isolated"),
        c.IFLA_BRPORT_LEARNING: _switch("learning"),
        c.IFLA_BRPORT_COST: _number("cost"),
        c.IFLA_BRPORT_PRIORITY: _number("priority"),
    },
    "vxlan": {vxlan.IFLA_VXLAN_TTL_INHERIT: lambda payload: "ttl inherit"},
    "geneve": {geneve.IFLA_GENEVE_TTL_INHERIT: lambda payload: "ttl inherit"},
    **dict.fromkeys(
        ("gre", "gretap", "ip6gre", "ip6gretap"),
        dict.fromkeys((2, 3, gre.IFLA_GRE_IKEY, gre.IFLA_GRE_ENCAP_LIMIT), _silent),
    ),
    "ip6tnl": {ip_tunnel.IFLA_IPTUN_ENCAP_LIMIT: _silent},
}
"""What is not an attribute of a kind's own table."""

_WORDS: Mapping[tuple[str, str], str] = {
    ("vxlan", "vni"): "id",
    ("vxlan", "port"): "dstport",
    ("vxlan", "multicast"): "group",
    ("geneve", "vni"): "id",
    ("geneve", "port"): "dstport",
}
"""Kind and key → iproute2's word for it, where that is another one."""

_FLAGS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("vxlan", "learning"): ("nolearning", "learning")
}
"""What is a word of its own for no and for yes."""

_BARE = frozenset({("ipvlan", "flags")})
"""What is said by its value alone."""

_SAID = frozenset(
    {
        ("vxlan", "port"),
        ("ipvlan", "mode"),
        ("macvlan", "mode"),
        ("macvtap", "mode"),
        ("bond", "mode"),
    }
)
"""What is said even where it is the default: the kernel's is another one, or it is what a person looks for."""

_BESIDE: Mapping[str, str] = {"ipip": "mode ipip", "sit": "mode ip6ip"}
"""What Linux takes for granted of a new link, and iproute2 would say otherwise."""


@cache
def solo(kind: str) -> type[StandaloneLink] | None:
    """The kind's resource, if it is one with a table."""
    return next(
        (found for found in OBSERVED if issubclass(found, StandaloneLink) and kind == found.KIND),
        None,
    )


def data_words(kind: str, data: Attrs, *, fresh: bool) -> str:
    """`id 5 protocol 802.1ad`. LookupError for an attribute that nobody has words for. `fresh`: defaults go without saying."""
    beside = _BESIDE.get(kind, "") if fresh else ""
    return " ".join(
        found
        for found in (
            beside,
            *(_word(kind, number, payload, fresh=fresh) for number, payload in data),
        )
        if found
    )


def primary_word(kind: str, number: int) -> str:
    """The word for an attribute that names a link."""
    return {("bond", 11): "primary"}[kind, number]


def _word(kind: str, number: int, payload: bytes, *, fresh: bool) -> str:
    if number in _TABLES.get(kind, {}):
        return _TABLES[kind][number](payload)
    made = solo(kind)
    for attribute in made.ATTRIBUTES if made is not None else ():
        if number in {attribute.number, attribute.number6} - {0} and made is not None:
            value = attribute.form.decode(payload)
            default_attributes = defaults(made)[attribute.key]
            if fresh and value == default_attributes and (kind, attribute.key) not in _SAID:
                return ""
            return _said(kind, attribute.key, attribute.word or attribute.key, value)
    raise LookupError(f"ip link … type {kind} has no word for attribute {number}")


def _said(kind: str, key: str, word: str, value: object) -> str:
    place = (kind, key)
    if place in _FLAGS:
        return _FLAGS[place][bool(value)]
    if place in _BARE:
        return str(value)
    if key == "multicast" or word in {"local", "remote"}:
        # of a value that is taken back
        value = "any" if value is None else value
    if word == "ttl" and value == 0:
        value = "auto" if kind in {"vxlan", "geneve"} else "inherit"
    return f"{_WORDS.get(place, word)} {value}"


def default_attributes(kind: str) -> Iterator[tuple[int, int]]:
    """IFLA_… numbers and values that a new link of the kind has if nothing is said."""
    made = solo(kind)
    if made is not None or kind in {"veth", "bridge"}:
        yield c.IFLA_TXQLEN, made.QUEUE if made is not None else 1000
    if kind in {"veth", "dummy"}:
        yield c.IFLA_MTU, 1500
