"""The options of links that a topology file cannot say, with their names in `ip -d link`.

Linux reports each option in IFLA_INFO_DATA of a link, or in IFLA_INFO_SLAVE_DATA of a port
(linux/if_link.h). The tables here have those that no kind of netorch sets, with their defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from netorch.immutable import Value
from netorch.kinds.base.standalone import StandaloneLink
from netorch.netlink.codec import attribute_list
from netorch.state.resource import Resource
from netorch.values.snapshot import LinkRecord

_CLOSE = 1
"""The difference by which the kernel may round a time to its ticks."""


class Option(Value):
    """An option that no key of a topology file sets."""

    name: str
    default: int = 0
    matters: bool = False
    """Whether other packets arrive with another value."""
    order: str = "little"
    """The order of its bytes: `little` or `big`; `pair` for two numbers of two bytes, `addresses`
    for a list of addresses.
    """
    is_time: bool = False

    def is_default(self, payload: bytes) -> bool:
        if self.order == "addresses":
            return not payload
        # a flag has no payload, and is set by being there
        value = self._number(payload or b"\1")
        return value == self.default or (self.is_time and abs(value - self.default) <= _CLOSE)

    def text(self, payload: bytes) -> str:
        """Return the option with its value: `mcast_router 2`."""
        if self.order == "addresses":
            targets = (str(ip_address(target)) for _, target in attribute_list(payload))
            return f"{self.name} {','.join(targets)}"
        if not payload or len(payload) > 8:
            return self.name
        if self.order == "pair":
            first, last = int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:], "big")
            return f"{self.name} {first} {last}"
        return f"{self.name} {self._number(payload)}"

    def _number(self, payload: bytes) -> int:
        return int.from_bytes(payload, "big" if self.order == "big" else "little")


def _time(name: str, default: int) -> Option:
    return Option(name, default, is_time=True)


def _big(name: str, default: int = 0, *, matters: bool = False) -> Option:
    return Option(name, default, matters, "big")


Options = Mapping[int, Option]

_BRIDGE: Options = {
    8: _big("vlan_protocol", 0x8100, matters=True),
    9: Option("group_fwd_mask", matters=True),
    20: _big("group_address", 0x0180C2000000),
    22: Option("mcast_router", 1),
    24: Option("mcast_query_use_ifaddr"),
    27: Option("mcast_hash_max", 4096),
    28: Option("mcast_last_member_count", 2),
    29: Option("mcast_startup_query_count", 2),
    30: _time("mcast_last_member_interval", 100),
    31: _time("mcast_membership_interval", 26000),
    32: _time("mcast_querier_interval", 25500),
    33: _time("mcast_query_interval", 12500),
    34: _time("mcast_query_response_interval", 1000),
    35: _time("mcast_startup_query_interval", 3125),
    36: Option("nf_call_iptables", matters=True),
    37: Option("nf_call_ip6tables", matters=True),
    38: Option("nf_call_arptables", matters=True),
    41: Option("vlan_stats_enabled"),
    42: Option("mcast_stats_enabled"),
    43: Option("mcast_igmp_version", 2),
    44: Option("mcast_mld_version", 1),
    45: Option("vlan_stats_per_port"),
    49: Option("fdb_max_learned", matters=True),
}
_BRIDGE_FLAGS = ("no_linklocal_learn", "mcast_vlan_snooping", "mst_enabled", "mdb_offload_fail")
"""The bits of IFLA_BR_MULTI_BOOLOPT, of which 32 bits are values and 32 bits say which exist."""
_MULTI_BOOLOPT = 46
_BOND: Options = {
    4: Option("updelay"),
    5: Option("downdelay"),
    6: Option("use_carrier", 1),
    7: Option("arp_interval", matters=True),
    8: Option("arp_ip_target", matters=True, order="addresses"),
    9: Option("arp_validate", matters=True),
    10: Option("arp_all_targets"),
    12: Option("primary_reselect"),
    13: Option("fail_over_mac"),
    15: Option("resend_igmp", 1),
    16: Option("num_grat_arp", 1),
    17: Option("all_slaves_active", matters=True),
    18: Option("min_links", matters=True),
    19: Option("lp_interval", 1),
    20: Option("packets_per_slave", 1),
    22: Option("ad_select"),
    24: Option("ad_actor_sys_prio", 65535),
    25: Option("ad_user_port_key"),
    26: _big("ad_actor_system"),
    27: Option("tlb_dynamic_lb", 1),
    28: Option("peer_notify_delay"),
    29: Option("ad_lacp_active", 1),
    30: Option("arp_missed_max", 2),
    31: Option("ns_ip6_target", matters=True, order="addresses"),
    32: Option("coupled_control", 1),
    33: Option("broadcast_neighbor"),
}
_VXLAN: Options = {
    6: Option("tos"),
    9: Option("maxaddress", matters=True),
    10: Option("srcport", order="pair"),
    11: Option("proxy", matters=True),
    12: Option("rsc", matters=True),
    13: Option("l2miss"),
    14: Option("l3miss"),
    18: Option("udpcsum", 1),
    19: Option("udp6zerocsumtx", matters=True),
    20: Option("udp6zerocsumrx", matters=True),
    21: Option("remcsumtx"),
    22: Option("remcsumrx"),
    23: Option("gbp", matters=True),
    24: Option("remcsum_nopartial"),
    26: _big("flowlabel"),
    27: Option("gpe", matters=True),
    30: Option("vnifilter", matters=True),
    31: Option("localbypass", 1),
    32: Option("flowlabel inherit"),
    34: Option("mcroute"),
}
_GENEVE: Options = {
    4: Option("tos"),
    6: Option("external", matters=True),
    11: _big("flowlabel"),
    13: Option("df"),
    14: Option("innerprotoinherit", matters=True),
}
_MACVLAN: Options = {
    2: Option("flags"),
    6: Option("macaddr_count", matters=True),
    7: Option("bcqueuelen", 1000),
    9: Option("bclim", 1),
}
_GRE: Options = {
    9: Option("tos"),
    10: Option("pmtudisc", 1),
    12: _big("flowlabel"),
    14: Option("encap", matters=True),
    18: Option("external", matters=True),
    19: Option("ignore-df"),
    20: Option("fwmark", matters=True),
    23: Option("erspan_dir"),
    24: Option("erspan_hwid"),
}
_IPTUN: Options = {
    5: Option("tos"),
    7: _big("flowlabel"),
    10: Option("pmtudisc", 1),
    11: _big("6rd-prefix", 0x2002 << 112, matters=True),
    12: _big("6rd-relay_prefix", matters=True),
    15: Option("encap", matters=True),
    19: Option("external", matters=True),
    20: Option("fwmark", matters=True),
}
_TUN: Options = {4: Option("pi"), 5: Option("vnet_hdr")}
_VLAN_FLAGS = ("reorder_hdr", "gvrp", "loose_binding", "mvrp", "bridge_binding")
_VLAN: Options = {3: Option("egress-qos-map"), 4: Option("ingress-qos-map")}

_OF_KIND: Mapping[str, Options] = {
    "bridge": _BRIDGE,
    "bond": _BOND,
    "vxlan": _VXLAN,
    "geneve": _GENEVE,
    "macvlan": _MACVLAN,
    "macvtap": _MACVLAN,
    **dict.fromkeys(("gre", "gretap", "ip6gre", "ip6gretap", "erspan"), _GRE),
    **dict.fromkeys(("ipip", "sit", "ip6tnl"), _IPTUN),
    "tun": _TUN,
    "vlan": _VLAN,
}
_BRIDGE_PORT: Options = {
    5: Option("guard"),
    6: Option("root_block"),
    7: Option("fastleave"),
    9: Option("flood", 1, matters=True),
    10: Option("proxy_arp", matters=True),
    11: Option("learning_sync"),
    12: Option("proxy_arp_wifi", matters=True),
    25: Option("mcast_router", 1),
    27: Option("mcast_flood", 1, matters=True),
    28: Option("mcast_to_unicast"),
    29: Option("vlan_tunnel", matters=True),
    30: Option("bcast_flood", 1, matters=True),
    31: Option("group_fwd_mask", matters=True),
    34: Option("backup_port", matters=True),
    37: Option("mcast_eht_hosts_limit", 512),
    39: Option("locked", matters=True),
    40: Option("mab", matters=True),
    42: Option("mcast_max_groups"),
    43: Option("neigh_vlan_suppress"),
    44: Option("backup_nhid", matters=True),
}
_BOND_PORT: Options = {5: Option("queue_id"), 9: Option("prio"), 10: Option("actor_port_prio", 255)}
_OF_PORT: Mapping[str, Options] = {"bridge": _BRIDGE_PORT, "bond": _BOND_PORT}


def other_options(
    link: LinkRecord, resource: Resource | None, master_kind: str = ""
) -> Iterator[tuple[str, bool]]:
    """Yield each option that differs from its default and has no word, and whether it matters.

    `resource` is the link as netorch reads it, None if it does not. `master_kind` is the kind of
    the link's master.
    """
    known = _known(resource)
    for number, option in _OF_KIND.get(link.kind, {}).items():
        payload = link.data.get(number)
        if number not in known and payload is not None and not option.is_default(payload):
            yield option.text(payload), option.matters
    if link.kind == "bridge":
        flags = int.from_bytes(link.data.get(_MULTI_BOOLOPT, b"")[:4], "little")
        for bit, name in enumerate(_BRIDGE_FLAGS):
            if flags & 1 << bit:
                yield name, name == "mst_enabled"
    elif link.kind == "vlan":
        flags = int.from_bytes(link.data.get(2, b"\1")[:4], "little")
        for bit, name in enumerate(_VLAN_FLAGS):
            if bool(flags & 1 << bit) != (bit == 0):
                yield f"{name} {'on' if flags & 1 << bit else 'off'}", bit > 1
    for number, option in _OF_PORT.get(master_kind, {}).items():
        payload = link.port.get(number)
        if payload is not None and not option.is_default(payload):
            yield f"port: {option.text(payload)}", option.matters


def _known(resource: Resource | None) -> frozenset[int]:
    """Return the numbers of the options that netorch reads."""
    if not isinstance(resource, StandaloneLink):
        return frozenset()
    return frozenset(
        number for one in resource.ATTRIBUTES for number in (one.number, one.number6) if number
    )
