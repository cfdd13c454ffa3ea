"""The words of `ip link … type KIND`, as keys of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from netorch.importers.shell_lines.arguments import Arguments, NotCarriedError, address_of

Options = dict[str, Any]
Reader = Callable[[Arguments], Any]


def _number(words: Arguments) -> int:
    return words.number()


def _text(words: Arguments) -> str:
    return words.take("value")


def _lower(words: Arguments) -> str:
    return words.take("value").lower()


def _address(words: Arguments) -> str | None:
    word = words.take("address")
    return None if word in ("any", "0.0.0.0", "::") else str(address_of(word).ip)


def switch(words: Arguments) -> bool:
    """Return the next word as a boolean: `on`, `off`, `1` or `0`."""
    word = words.take("value")
    if word not in ("on", "off", "1", "0", "yes", "no"):
        raise NotCarriedError(f"`{word}` is neither on nor off")
    return word in ("on", "1", "yes")


def _choice(*names: str) -> Reader:
    """Return a reader of a name, or of its number in the list."""

    def read(words: Arguments) -> str:
        word = words.take("value")
        return names[int(word)] if word.isdecimal() and int(word) < len(names) else word

    return read


def _ttl(words: Arguments) -> int | str | None:
    word = words.take("value")
    if word == "auto":
        return None
    return word if word == "inherit" else int(word) if word.isdecimal() else None


_BOND_MODE = _choice(
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
)
_HASH = _choice("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
_PARENT = {"dev": ("parent", _text)}
_VXLAN: Mapping[str, tuple[str, Reader]] = {
    "id": ("vni", _number),
    "vni": ("vni", _number),
    "dstport": ("port", _number),
    "local": ("local", _address),
    "remote": ("remote", _address),
    "group": ("group", _address),
    "ttl": ("ttl", _ttl),
    "hoplimit": ("ttl", _ttl),
    "ageing": ("ageing", _number),
    **_PARENT,
}
_TUNNEL: Mapping[str, tuple[str, Reader]] = {
    "local": ("local", _address),
    "remote": ("remote", _address),
    "ttl": ("ttl", _ttl),
    "hoplimit": ("ttl", _ttl),
    **_PARENT,
}
_GRE = {**_TUNNEL, "key": ("key", _text)}
_MACVLAN: Mapping[str, tuple[str, Reader]] = {"mode": ("mode", _text), **_PARENT}
KINDS: Mapping[str, Mapping[str, tuple[str, Reader]]] = {
    "bridge": {
        "stp_state": ("stp", switch),
        "priority": ("priority", _number),
        "prio": ("priority", _number),
        "forward_delay": ("forward_delay", _number),
        "hello_time": ("hello_time", _number),
        "max_age": ("max_age", _number),
        "ageing_time": ("ageing_time", _number),
        "mcast_snooping": ("mcast_snooping", switch),
        "mcast_querier": ("mcast_querier", switch),
        "vlan_filtering": ("vlan_filtering", switch),
        "vlan_default_pvid": ("vlan_default_pvid", _number),
    },
    "bond": {
        "mode": ("mode", _BOND_MODE),
        "miimon": ("miimon", _number),
        "lacp_rate": ("lacp_rate", _choice("slow", "fast")),
        "xmit_hash_policy": ("xmit_hash_policy", _HASH),
        "primary": ("primary", _text),
    },
    "vlan": {"id": ("id", _number), "protocol": ("protocol", _lower), **_PARENT},
    "vxlan": _VXLAN,
    "geneve": {
        "id": ("vni", _number),
        "vni": ("vni", _number),
        "remote": ("remote", _address),
        "dstport": ("port", _number),
        "ttl": ("ttl", _ttl),
    },
    "vrf": {"table": ("table", _number)},
    "macvlan": _MACVLAN,
    "macvtap": _MACVLAN,
    "ipvlan": {"mode": ("mode", _text), **_PARENT},
    "dummy": {},
    "ifb": {},
    "gre": _GRE,
    "gretap": _GRE,
    "ip6gre": _GRE,
    "ip6gretap": _GRE,
    "erspan": {**_GRE, "erspan": ("erspan", _number)},
    "ipip": _TUNNEL,
    "sit": _TUNNEL,
    "ip6tnl": _TUNNEL,
}
"""Kind → word → the key and the reader of its value."""

PORT_WORDS: Mapping[str, tuple[str, Reader]] = {
    "hairpin": ("hairpin", switch),
    "isolated": ("isolated", switch),
    "learning": ("learning", switch),
    "neigh_suppress": ("neigh_suppress", switch),
    "cost": ("cost", _number),
    "priority": ("priority", _number),
}
"""Words for a port of a bridge."""

_FLAGS: Mapping[tuple[str, str], tuple[str, Any]] = {
    ("vxlan", "nolearning"): ("learning", False),
    ("vxlan", "learning"): ("learning", True),
    ("vxlan", "external"): ("external", True),
    ("vxlan", "noexternal"): ("external", False),
    ("ipvlan", "bridge"): ("flags", "bridge"),
    ("ipvlan", "private"): ("flags", "private"),
    ("ipvlan", "vepa"): ("flags", "vepa"),
}
"""Kind and word without a value → key and value."""

_SKIP: Mapping[str, int] = {
    "srcport": 2,
    "tos": 1,
    "dsfield": 1,
    "df": 1,
    "flowlabel": 1,
    "pmtudisc": 0,
    "nopmtudisc": 0,
    "udpcsum": 0,
    "noudpcsum": 0,
    "seq": 0,
    "encaplimit": 1,
    "all_slaves_active": 1,
    "updelay": 1,
    "downdelay": 1,
    "resend_igmp": 1,
    "num_grat_arp": 1,
    "min_links": 1,
    "use_carrier": 1,
    "ad_select": 1,
    "erspan_ver": 1,
    "reorder_hdr": 1,
    "mcast_flood": 1,
    "guard": 1,
    "root_block": 1,
    "fastleave": 1,
}
"""Words that a topology has none for and that do not decide who reaches whom → their values."""

_VXLAN_PORT = 8472
"""The port of a VXLAN that is made without `dstport`."""


def read_options(kind: str, words: Arguments, *, new: bool = False) -> tuple[Options, list[str]]:
    """Return the keys for the words of a kind, and the words that have none.

    `new` says that the link is made. Raises NotCarriedError for a word that may change who reaches
    whom.
    """
    if kind not in KINDS and kind != "bridge_slave":
        raise NotCarriedError(f"a topology has no interfaces of kind {kind}")
    table = PORT_WORDS if kind == "bridge_slave" else KINDS[kind]
    options: Options = {}
    lost: list[str] = []
    while words:
        word = words.take()
        if (kind, word) in _FLAGS:
            key, value = _FLAGS[kind, word]
            options[key] = value
        elif word in table:
            key, reader = table[word]
            options[key] = reader(words)
        elif word == "mode" and kind in ("ipip", "sit", "ip6tnl"):
            _check_mode(kind, words.take("mode"))
        elif word in _SKIP:
            lost.append(" ".join((word, *(words.take(word) for _ in range(_SKIP[word])))))
        else:
            raise NotCarriedError(f"a topology has no word for `{word}` of a {kind}")
    if new and kind == "vxlan":
        options.setdefault("port", _VXLAN_PORT)
        if options.get("external"):
            # ip(8) turns it off, unless the line says `learning`
            options.setdefault("learning", False)
    if kind == "vxlan" and options.get("remote") and ip_address(options["remote"]).is_multicast:
        options["group"] = options.pop("remote")
    return {key: value for key, value in options.items() if value is not None}, lost


def _check_mode(kind: str, mode: str) -> None:
    usual = {"ipip": ("ipip", "ipv4/ipv4"), "sit": ("ip6ip", "ipv6/ipv4", "any")}
    if mode not in usual.get(kind, ("any",)):
        raise NotCarriedError(f"a topology has no word for the mode {mode} of a {kind}")
