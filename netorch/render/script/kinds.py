"""Writes IFLA_INFO_DATA as the words of `ip link … type KIND`.

The kinds' tables have most words. The tables here have those that differ in iproute2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from netorch.immutable import defaults
from netorch.kinds import geneve, gre, observed_anywhere, vxlan
from netorch.kinds.base import ip_tunnel
from netorch.kinds.base.link import IFLA_VXLAN_COLLECT_METADATA
from netorch.kinds.base.standalone import StandaloneLink
from netorch.netlink import constants as c
from netorch.values.requests import Attrs

Formatter = Callable[[bytes], str]


def _number(word: str) -> Formatter:
    return lambda payload: f"{word} {int.from_bytes(payload, 'little')}"


def _switch(word: str) -> Formatter:
    return lambda payload: f"{word} {'on' if any(payload) else 'off'}"


def _omit(payload: bytes) -> str:
    """Return no word, because iproute2 sets the attribute by itself or with another one."""
    return ""


_TABLES: Mapping[str, Mapping[int, Formatter]] = {
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
        c.IFLA_BRPORT_NEIGH_SUPPRESS: _switch("neigh_suppress"),
        c.IFLA_BRPORT_COST: _number("cost"),
        c.IFLA_BRPORT_PRIORITY: _number("priority"),
    },
    "vxlan": {vxlan.IFLA_VXLAN_TTL_INHERIT: lambda payload: "ttl inherit"},
    "geneve": {geneve.IFLA_GENEVE_TTL_INHERIT: lambda payload: "ttl inherit"},
    **dict.fromkeys(
        ("gre", "gretap", "ip6gre", "ip6gretap"),
        dict.fromkeys((2, 3, gre.IFLA_GRE_IKEY, gre.IFLA_GRE_ENCAP_LIMIT), _omit),
    ),
    "erspan": {
        **dict.fromkeys((gre.IFLA_GRE_IFLAGS, gre.IFLA_GRE_IKEY), _omit),
        gre.IFLA_GRE_OFLAGS: lambda payload: "seq",
    },
    "ip6tnl": {ip_tunnel.IFLA_IPTUN_ENCAP_LIMIT: _omit},
}
"""Kind → formatters of the attributes that the kind's own table lacks."""

_KEYWORDS: Mapping[tuple[str, str], str] = {
    ("vxlan", "vni"): "id",
    ("vxlan", "port"): "dstport",
    ("vxlan", "multicast"): "group",
    ("geneve", "vni"): "id",
    ("geneve", "port"): "dstport",
}
"""Kind and key → iproute2's word, if it differs from the key."""

_FLAGS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("vxlan", "learning"): ("nolearning", "learning"),
    ("vxlan", "external"): ("noexternal", "external"),
}
"""Kind and key → the word for false and the word for true."""

_BARE = frozenset({("ipvlan", "flags")})
"""Kind and key of attributes whose value is written without a word before it."""

_ALWAYS_WRITTEN = frozenset(
    {
        ("vxlan", "port"),
        ("ipvlan", "mode"),
        ("macvlan", "mode"),
        ("macvtap", "mode"),
        ("bond", "mode"),
    }
)
"""Kind and key of attributes that are written even if they have the default value.

The kernel has another default, or users expect to see the value.
"""

_NEW_LINK: Mapping[str, str] = {"ipip": "mode ipip", "sit": "mode ip6ip"}
"""Kind → words for the kernel's default of a new link, because iproute2 has another default."""


@cache
def standalone_link(kind: str) -> type[StandaloneLink] | None:
    """Return the resource class of a kind that has a table of attributes, else None."""
    return next(
        (
            each
            for each in observed_anywhere()
            if issubclass(each, StandaloneLink) and kind == each.KIND
        ),
        None,
    )


def data_words(kind: str, data: Attrs, *, new: bool) -> str:
    """Return the words for the attributes of a link, such as `id 5 protocol 802.1ad`.

    The defaults of a `new` link are left out. Raise LookupError for an attribute without a word.
    """
    first = _NEW_LINK.get(kind, "") if new else ""
    flags = {number for number, payload in data if any(payload)} if kind == "vxlan" else set()
    # because `external` turns learning off in ip(8), unless the word comes after it
    learns = {IFLA_VXLAN_COLLECT_METADATA, vxlan.IFLA_VXLAN_LEARNING} <= flags and new
    return " ".join(
        text
        for text in (
            first,
            *(_word(kind, number, payload, new=new) for number, payload in data),
            "learning" if learns else "",
        )
        if text
    )


def primary_word(kind: str, number: int) -> str:
    """Return the word for an attribute that names a link."""
    return {("bond", 11): "primary"}[kind, number]


def _word(kind: str, number: int, payload: bytes, *, new: bool) -> str:
    if number in _TABLES.get(kind, {}):
        return _TABLES[kind][number](payload)
    resource = standalone_link(kind)
    for attribute in resource.ATTRIBUTES if resource is not None else ():
        if number in {attribute.number, attribute.number6} - {0} and resource is not None:
            value = attribute.form.decode(payload)
            default = defaults(resource)[attribute.key]
            if new and value == default and (kind, attribute.key) not in _ALWAYS_WRITTEN:
                return ""
            return _text(kind, attribute.key, attribute.word or attribute.key, value)
    raise LookupError(f"ip link … type {kind} has no word for attribute {number}")


def _text(kind: str, key: str, word: str, value: object) -> str:
    place = (kind, key)
    if place in _FLAGS:
        return _FLAGS[place][bool(value)]
    if place in _BARE:
        return str(value)
    if key == "multicast" or word in {"local", "remote"}:
        # iproute2 removes the value if it is `any`
        value = "any" if value is None else value
    if word == "ttl" and value == 0:
        value = "auto" if kind in {"vxlan", "geneve"} else "inherit"
    return f"{_KEYWORDS.get(place, word)} {value}"


def default_attributes(kind: str) -> Iterator[tuple[int, int]]:
    """Yield the IFLA_… numbers and default values of a new link of the kind."""
    resource = standalone_link(kind)
    if resource is not None or kind in {"veth", "bridge"}:
        yield c.IFLA_TXQLEN, resource.QUEUE if resource is not None else 1000
    if kind in {"veth", "dummy"}:
        yield c.IFLA_MTU, 1500
