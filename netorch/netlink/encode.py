"""Encode requests to rtnetlink messages (rtnetlink(7)).

Sources: linux/rtnetlink.h, if_link.h, if_addr.h, fib_rules.h.
"""

from __future__ import annotations

import struct
from typing import Protocol

from netorch.netlink import constants as c
from netorch.netlink.codec import RTNEXTHOP, attr, cstring, message, nested, pack, u8, u16, u32
from netorch.values.requests import (
    AddressAdd,
    AddressDel,
    AltnameAdd,
    AltnameDel,
    Attrs,
    Hop,
    LinkAdd,
    LinkDel,
    LinkSet,
    NeighbourAdd,
    NeighbourDel,
    QdiscDel,
    QdiscSet,
    RouteAdd,
    RouteDel,
    RouteSpec,
    RuleAdd,
    RuleDel,
    RuleSpec,
    StaticMacAdd,
    StaticMacDel,
    VlanAdd,
    VlanDel,
)

_IFINFOMSG = struct.Struct("=BxHiII")
_IFADDRMSG = struct.Struct("=BBBBI")
_NDMSG = struct.Struct("=B3xiHBB")
_RTMSG = struct.Struct("=BBBBBBBBI")
_RULE = struct.Struct("=BBBBBBBBI")
_TCMSG = struct.Struct("=B3xiIII")
_QUEUES = frozenset((c.IFLA_NUM_TX_QUEUES, c.IFLA_NUM_RX_QUEUES))
_ONE_QUEUE = pack((number, u32(1)) for number in sorted(_QUEUES))

LinkRequest = (
    LinkAdd
    | LinkSet
    | LinkDel
    | AltnameAdd
    | AltnameDel
    | VlanAdd
    | VlanDel
    | StaticMacAdd
    | StaticMacDel
    | AddressAdd
    | AddressDel
    | NeighbourAdd
    | NeighbourDel
    | RouteAdd
    | RouteDel
    | RuleAdd
    | RuleDel
    | QdiscSet
    | QdiscDel
)
"""The requests that rtnetlink carries out. The others are carried out by system calls."""


class IndexLookup(Protocol):
    """Numbers that the encoder asks its caller for, because only netorch.kernel knows them."""

    def index_of(self, netns: str, name: str) -> int:
        """Return the index of an existing link."""

    def new_index(self, netns: str, name: str, used: bool = True) -> int:
        """Return the index for a new link, or 0 to let the kernel choose.

        `used` is False if the kernel would ignore an index in the request.
        """

    def fd_of(self, netns: str) -> int:
        """Return an open file descriptor of a namespace."""


def encode(
    request: LinkRequest, seq: int, flags: int, resolver: IndexLookup, also: LinkSet | None = None
) -> bytes:
    """Encode a request as one message.

    `flags` are added to the flags of the request. `also` is a LinkSet about the link that the
    request makes. The same message carries it out.
    """
    kind, own_flags, payload = _body(request, resolver, also)
    return message(kind, c.NLM_F_REQUEST | own_flags | flags, seq, payload)


def asked_in(request: LinkRequest) -> str:
    """Return the namespace in which the request is sent.

    The request for an upper link is sent in the namespace of the parent, and that for a tunnel in
    the namespace of its outer packets. The kernel then makes the link directly in the link's own
    namespace.
    """
    if isinstance(request, LinkAdd):
        if request.parent is not None:
            return request.parent[0]
        if request.birthplace:
            return request.birthplace
    return request.netns


def _body(
    request: LinkRequest, resolver: IndexLookup, also: LinkSet | None
) -> tuple[int, int, bytes]:
    match request:
        case LinkAdd():
            return c.RTM_NEWLINK, c.NLM_F_CREATE | c.NLM_F_EXCL, _link_add(request, resolver, also)
        case LinkSet():
            return _link_set(request, resolver)
        case LinkDel():
            return c.RTM_DELLINK, 0, _IFINFOMSG.pack(0, 0, 0, 0, 0) + link_name(request.name)
        case AltnameAdd() | AltnameDel():
            kind, flags = (
                (c.RTM_NEWLINKPROP, c.NLM_F_CREATE | c.NLM_F_EXCL)
                if isinstance(request, AltnameAdd)
                else (c.RTM_DELLINKPROP, 0)
            )
            names = nested(c.IFLA_PROP_LIST, attr(c.IFLA_ALT_IFNAME, cstring(request.altname)))
            return kind, flags, _IFINFOMSG.pack(0, 0, 0, 0, 0) + link_name(request.link) + names
        case VlanAdd() | VlanDel():
            return (
                c.RTM_SETLINK if isinstance(request, VlanAdd) else c.RTM_DELLINK,
                0,
                _vlans(request, resolver),
            )
        case StaticMacAdd():
            return c.RTM_NEWNEIGH, c.NLM_F_CREATE | c.NLM_F_REPLACE, _static_mac(request, resolver)
        case StaticMacDel():
            return c.RTM_DELNEIGH, 0, _static_mac(request, resolver)
        case AddressAdd() | AddressDel():
            return _address(request, resolver)
        case NeighbourAdd() | NeighbourDel():
            return _neighbour(request, resolver)
        case RouteAdd():
            mode = c.NLM_F_REPLACE if request.replace else c.NLM_F_EXCL
            flags = c.NLM_F_CREATE | (c.NLM_F_APPEND if request.append else mode)
            return c.RTM_NEWROUTE, flags, _route(request.netns, request.route, resolver)
        case RouteDel():
            return c.RTM_DELROUTE, 0, _route(request.netns, request.route, resolver)
        case RuleAdd():
            return c.RTM_NEWRULE, c.NLM_F_CREATE | c.NLM_F_EXCL, _rule(request.rule)
        case RuleDel():
            return c.RTM_DELRULE, 0, _rule(request.rule)
        case QdiscSet():
            options = attr(c.TCA_KIND, cstring(request.kind)) + attr(c.TCA_OPTIONS, request.options)
            return (
                c.RTM_NEWQDISC,
                c.NLM_F_CREATE | c.NLM_F_REPLACE,
                _root(request, resolver) + options,
            )
        case QdiscDel():
            return c.RTM_DELQDISC, 0, _root(request, resolver)


def link_name(name: str) -> bytes:
    """Encode the name of a link, which identifies it without its index.

    A name that is longer than IFNAMSIZ allows can only be an alternative name.
    """
    encoded = cstring(name)
    return attr(c.IFLA_IFNAME if len(encoded) <= 16 else c.IFLA_ALT_IFNAME, encoded)


def delete_group(group: int, seq: int) -> bytes:
    """Encode RTM_DELLINK for all links of a group (rtnl_group_dellink in net/core/rtnetlink.c)."""
    payload = _IFINFOMSG.pack(0, 0, 0, 0, 0) + attr(c.IFLA_GROUP, u32(group))
    return message(c.RTM_DELLINK, c.NLM_F_REQUEST | c.NLM_F_ACK, seq, payload)


def _up(up: bool | None) -> tuple[int, int]:
    return (0, 0) if up is None else (c.IFF_UP if up else 0, c.IFF_UP)


def _end(
    index: int, name: str, attrs: bytes, given: Attrs, queues: bool, up: bool | None = None
) -> bytes:
    # A link with one queue does not have to wait for an expedited RCU grace period.
    extra = _ONE_QUEUE if queues and _QUEUES.isdisjoint([number for number, _ in given]) else b""
    return (
        _IFINFOMSG.pack(0, 0, index, *_up(up)) + attr(c.IFLA_IFNAME, cstring(name)) + extra + attrs
    )


def _link_add(request: LinkAdd, resolver: IndexLookup, also: LinkSet | None) -> bytes:
    queues = request.kind == "veth"
    attrs = pack(request.attrs)
    if also is not None:
        attrs += pack(also.attrs)
        if also.master:
            attrs += attr(c.IFLA_MASTER, u32(resolver.index_of(also.netns, also.master)))
    data = pack(request.data)
    if request.parent is not None:
        parent_index = u32(resolver.index_of(*request.parent))
        if request.parent_in:
            data += attr(request.parent_in, parent_index)
        else:
            attrs += attr(c.IFLA_LINK, parent_index)
    is_here = asked_in(request) == request.netns
    if not is_here:
        attrs += attr(c.IFLA_NET_NS_FD, u32(resolver.fd_of(request.netns)))
    # Older kernels require an index that is free in both namespaces, so the kernel chooses the
    # index of a link that is made from another one.
    index = resolver.new_index(request.netns, request.name, is_here)
    if request.peer is not None:
        peer = request.peer
        peer_netns = (
            b""
            if peer.netns == request.netns
            else attr(c.IFLA_NET_NS_FD, u32(resolver.fd_of(peer.netns)))
        )
        # veth_newlink uses the index of the peer only if the near end has one too.
        peer_index = resolver.new_index(peer.netns, peer.name, index != 0)
        data += nested(
            c.VETH_INFO_PEER,
            _end(peer_index, peer.name, peer_netns + pack(peer.attrs), peer.attrs, queues),
        )
    info = attr(c.IFLA_INFO_KIND, cstring(request.kind)) + (
        nested(c.IFLA_INFO_DATA, data) if data else b""
    )
    end = _end(index, request.name, attrs, request.attrs, queues, None if also is None else also.up)
    return end + nested(c.IFLA_LINKINFO, info)


def _link_set(request: LinkSet, resolver: IndexLookup) -> tuple[int, int, bytes]:
    attrs = pack(request.attrs)
    if request.master is not None:
        attrs += attr(
            c.IFLA_MASTER,
            u32(resolver.index_of(request.netns, request.master) if request.master else 0),
        )
    renames = any(number == c.IFLA_IFNAME for number, _ in request.attrs)
    if request.kind is None and not renames:
        # The message names the link, because netorch would have to read the index first.
        # RTM_SETLINK cannot change a whole group by mistake.
        return (
            c.RTM_SETLINK,
            0,
            _IFINFOMSG.pack(0, 0, 0, *_flags(request)) + link_name(request.name) + attrs,
        )
    if request.kind is not None:
        indices = (
            (number, resolver.index_of(request.netns, name) if name else 0)
            for number, name in request.links
        )
        attrs += _linkinfo(
            request.kind,
            pack(request.data) + b"".join(attr(number, u32(index)) for number, index in indices),
        )
    index = resolver.index_of(request.netns, request.name)
    return c.RTM_NEWLINK, 0, _IFINFOMSG.pack(0, 0, index, *_flags(request)) + attrs


def _flags(request: LinkSet) -> tuple[int, int]:
    """Return the IFF_… flags, and which of them change."""
    flags, change = _up(request.up)
    if request.arp is not None:
        flags, change = flags | (0 if request.arp else c.IFF_NOARP), change | c.IFF_NOARP
    if request.multicast is not None:
        flags, change = flags | c.IFF_MULTICAST * request.multicast, change | c.IFF_MULTICAST
    if request.promisc is not None:
        flags, change = flags | c.IFF_PROMISC * request.promisc, change | c.IFF_PROMISC
    if request.allmulti is not None:
        flags, change = flags | c.IFF_ALLMULTI * request.allmulti, change | c.IFF_ALLMULTI
    return flags, change


def _linkinfo(kind: str, data: bytes) -> bytes:
    """Encode IFLA_LINKINFO.

    A kind such as `bridge_slave`, as in `ip link set type bridge_slave`, sets the options that the
    master's kind has for its ports.
    """
    if kind.endswith("_slave"):
        return nested(
            c.IFLA_LINKINFO,
            attr(c.IFLA_INFO_SLAVE_KIND, cstring(kind[:-6])),
            nested(c.IFLA_INFO_SLAVE_DATA, data),
        )
    return nested(
        c.IFLA_LINKINFO,
        attr(c.IFLA_INFO_KIND, cstring(kind)),
        nested(c.IFLA_INFO_DATA, data) if data else b"",
    )


def _vlans(request: VlanAdd | VlanDel, resolver: IndexLookup) -> bytes:
    """Encode IFLA_BRIDGE_VLAN_INFO of each VLAN, and the two ends of each range of VLANs.

    The kernel reads it in br_afspec in net/bridge/br_netlink.c.
    """
    parts = [attr(c.IFLA_BRIDGE_FLAGS, u16(c.BRIDGE_FLAGS_SELF))] if request.own else []
    for first, last, flags in request.vlans:
        ends = (
            ((first, c.BRIDGE_VLAN_INFO_RANGE_BEGIN), (last, c.BRIDGE_VLAN_INFO_RANGE_END))
            if first != last
            else ((first, 0),)
        )
        parts += [attr(c.IFLA_BRIDGE_VLAN_INFO, u16(flags | end) + u16(vlan)) for vlan, end in ends]
    header = _IFINFOMSG.pack(c.AF_BRIDGE, 0, resolver.index_of(request.netns, request.link), 0, 0)
    return header + nested(c.IFLA_AF_SPEC, *parts)


def _static_mac(request: StaticMacAdd | StaticMacDel, resolver: IndexLookup) -> bytes:
    header = _NDMSG.pack(
        c.AF_BRIDGE, resolver.index_of(request.netns, request.link), c.NUD_NOARP, c.NTF_MASTER, 0
    )
    return (
        header
        + attr(c.NDA_LLADDR, request.mac)
        + (attr(c.NDA_VLAN, u16(request.vlan)) if request.vlan else b"")
    )


def _address(request: AddressAdd | AddressDel, resolver: IndexLookup) -> tuple[int, int, bytes]:
    index = resolver.index_of(request.netns, request.link)
    pair = attr(c.IFA_LOCAL, request.local) + attr(c.IFA_ADDRESS, request.address)
    if isinstance(request, AddressDel):
        return (
            c.RTM_DELADDR,
            0,
            _IFADDRMSG.pack(request.family, request.prefixlen, 0, 0, index) + pair,
        )
    extra = attr(c.IFA_PROTO, u8(request.protocol)) if request.protocol else b""
    # An IPv6 address cannot be used for 1.8 s while DAD (RFC 4862) runs, so netorch turns DAD off.
    no_dad = request.family == c.AF_INET6 and not request.detection
    flags = request.flags | (c.IFA_F_NODAD if no_dad else 0)
    if flags:
        extra += attr(c.IFA_FLAGS, u32(flags))
    if request.lifetimes is not None:
        valid, preferred = request.lifetimes
        extra += attr(c.IFA_CACHEINFO, u32(preferred) + u32(valid) + bytes(8))
    if request.metric:
        extra += attr(c.IFA_RT_PRIORITY, u32(request.metric))
    if request.label:
        extra += attr(c.IFA_LABEL, cstring(request.label))
    header = _IFADDRMSG.pack(request.family, request.prefixlen, 0, request.scope, index)
    return c.RTM_NEWADDR, c.NLM_F_CREATE | c.NLM_F_REPLACE, header + pair + extra


def _neighbour(
    request: NeighbourAdd | NeighbourDel, resolver: IndexLookup
) -> tuple[int, int, bytes]:
    index = resolver.index_of(request.netns, request.link)
    flags = c.NTF_SELF if request.family == c.AF_BRIDGE else 0
    pair = attr(c.NDA_DST, request.address) + attr(c.NDA_LLADDR, request.mac) + pack(request.extra)
    header = _NDMSG.pack(request.family, index, c.NUD_PERMANENT, flags, 0)
    if isinstance(request, NeighbourDel):
        return c.RTM_DELNEIGH, 0, header + pair
    exists_flag = c.NLM_F_APPEND if request.append else c.NLM_F_REPLACE
    protocol = attr(c.NDA_PROTOCOL, u8(request.protocol)) if request.protocol else b""
    return c.RTM_NEWNEIGH, c.NLM_F_CREATE | exists_flag, header + pair + protocol


def _root(request: QdiscSet | QdiscDel, resolver: IndexLookup) -> bytes:
    """Encode struct tcmsg without a handle: the kernel chooses one, and a change finds any
    qdisc.
    """
    return _TCMSG.pack(0, resolver.index_of(request.netns, request.link), 0, c.TC_H_ROOT, 0)


def _gateway(family: int, via: bytes | None) -> bytes:
    """Encode RTA_GATEWAY, or RTA_VIA (struct rtvia) for a gateway of the other family (RFC
    5549).
    """
    if via is None:
        return b""
    gateway_family = c.AF_INET if len(via) == 4 else c.AF_INET6
    return (
        attr(c.RTA_GATEWAY, via)
        if gateway_family == family
        else attr(c.RTA_VIA, u16(gateway_family) + via)
    )


def _nexthop(netns: str, family: int, hop: Hop, resolver: IndexLookup) -> bytes:
    more = _gateway(family, hop.via) + _encap(netns, hop, resolver)
    index = resolver.index_of(netns, hop.dev) if hop.dev is not None else 0
    flags = c.RTNH_F_ONLINK if hop.onlink else 0
    return RTNEXTHOP.pack(8 + len(more), flags, hop.weight - 1, index) + more


def _encap(netns: str, hop: Hop, resolver: IndexLookup) -> bytes:
    if hop.encap is None:
        return b""
    from netorch.netlink import encap

    index = resolver.index_of(netns, hop.encap.dev) if hop.encap.dev else 0
    return attr(c.RTA_ENCAP_TYPE, u16(hop.encap.type)) + nested(
        c.RTA_ENCAP, pack(encap.attributes_of(hop.encap, index))
    )


def _route(netns: str, route: RouteSpec, resolver: IndexLookup) -> bytes:
    flags, parts = 0, []
    if route.dst is not None:
        parts.append(attr(c.RTA_DST, route.dst))
    parts.append(attr(c.RTA_TABLE, u32(route.table)))
    if route.metric:
        parts.append(attr(c.RTA_PRIORITY, u32(route.metric)))
    if route.sources is not None:
        parts.append(attr(c.RTA_SRC, route.sources[0]))
    if route.nexthop:
        # The nexthop object has the hops, and the kernel accepts no others in addition.
        parts.append(attr(c.RTA_NH_ID, u32(route.nexthop)))
    elif len(route.hops) == 1:
        hop = route.hops[0]
        flags = c.RTNH_F_ONLINK if hop.onlink else 0
        parts.append(_gateway(route.family, hop.via) + _encap(netns, hop, resolver))
        if hop.dev is not None:
            parts.append(attr(c.RTA_OIF, u32(resolver.index_of(netns, hop.dev))))
    elif route.hops:
        parts.append(
            attr(
                c.RTA_MULTIPATH,
                b"".join(_nexthop(netns, route.family, hop, resolver) for hop in route.hops),
            )
        )
    if route.src is not None:
        parts.append(attr(c.RTA_PREFSRC, route.src))
    further = dict(route.further)
    metrics = [further.pop(c.RTA_METRICS)] if c.RTA_METRICS in further else []
    if route.mtu is not None:
        metrics.append(attr(c.RTAX_MTU, u32(route.mtu)))
    if metrics:
        parts.append(nested(c.RTA_METRICS, *metrics))
    parts += (attr(number, payload) for number, payload in further.items())
    short = route.table if route.table < 256 else c.RT_TABLE_COMPAT
    header = _RTMSG.pack(
        route.family,
        route.prefixlen,
        route.sources[1] if route.sources is not None else 0,
        route.tos,
        short,
        route.protocol,
        route.scope,
        route.type,
        flags,
    )
    return header + b"".join(parts)


def route_lookup(
    family: int, destination: bytes, source: bytes, *, mark: int = 0, device: int = 0
) -> bytes:
    """Encode RTM_GETROUTE, which asks for the route of a packet and its next hop.

    With RTM_F_FIB_MATCH, the kernel returns the route itself.
    """
    bits = len(destination) * 8
    header = _RTMSG.pack(family, bits, bits, 0, 0, 0, 0, 0, c.RTM_F_FIB_MATCH)
    parts = [attr(c.RTA_DST, destination), attr(c.RTA_SRC, source)]
    if mark:
        parts.append(attr(c.RTA_MARK, u32(mark)))
    if device:
        parts.append(attr(c.RTA_OIF, u32(device)))
    return header + b"".join(parts)


def _rule(rule: RuleSpec) -> bytes:
    parts = [attr(c.FRA_PRIORITY, u32(rule.priority))]
    if rule.protocol:
        parts.append(attr(c.FRA_PROTOCOL, u8(rule.protocol)))
    if rule.table:
        parts.append(attr(c.FRA_TABLE, u32(rule.table)))
    for number, prefix in ((c.FRA_SRC, rule.src), (c.FRA_DST, rule.dst)):
        if prefix is not None:
            parts.append(attr(number, prefix[0]))
    for number, name in ((c.FRA_IIFNAME, rule.iif), (c.FRA_OIFNAME, rule.oif)):
        if name is not None:
            parts.append(attr(number, cstring(name)))
    if rule.mark is not None:
        parts += (attr(c.FRA_FWMARK, u32(rule.mark[0])), attr(c.FRA_FWMASK, u32(rule.mark[1])))
    if rule.l3mdev:
        parts.append(attr(c.FRA_L3MDEV, u8(1)))
    parts += (attr(number, payload) for number, payload in rule.more)
    lengths = (rule.dst[1] if rule.dst else 0, rule.src[1] if rule.src else 0)
    table = rule.table if rule.table < 256 else 0
    flags = c.FIB_RULE_INVERT if rule.invert else 0
    header = _RULE.pack(rule.family, *lengths, rule.tos, table, 0, 0, rule.action, flags)
    return header + b"".join(parts)
