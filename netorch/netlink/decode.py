"""Decode the kernel's dumps to the records of a snapshot.

The code is written for speed, because every snapshot goes through it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping

from netorch.immutable import Value
from netorch.netlink import constants as c
from netorch.netlink.answers import is_mac_of_kernel
from netorch.netlink.codec import (
    DecodeError,
    Message,
    as_i32,
    as_u32,
    attribute_list,
    attributes,
    next_hops,
    pack,
    text,
)
from netorch.values.requests import Encap, Hop, RouteSpec, RuleSpec
from netorch.values.snapshot import SHAPERS, AddressRecord, LinkRecord, NeighbourRecord, QdiscRecord

_IFINFOMSG = struct.Struct("=BxHiII")
_IFADDRMSG = struct.Struct("=BBBBI")
_NDMSG = struct.Struct("=B3xiHBB")
_RTMSG = struct.Struct("=BBBBBBBBI")
_TCMSG = struct.Struct("=B3xiIII")
_RULE = struct.Struct("=BBBBBBBBI")
_CONTROLLED = c.NTF_EXT_LEARNED | c.NTF_STICKY | c.NTF_PROXY
"""Flags of neighbours that a program or a user controls."""
_U16 = struct.Struct("=H")
_VLAN_INFO = struct.Struct("=HH")
_U32 = struct.Struct("=I")
_LAST_VLAN = 0xFFF
_NO_ATTRS: Mapping[int, bytes] = {}
_ZERO4 = bytes(4)
_FOREVER = b"\xff" * 8
_FAMILIES = (c.AF_INET, c.AF_INET6)
_RULE_SPEC_ATTRS = frozenset(
    (
        *(c.FRA_DST, c.FRA_SRC, c.FRA_IIFNAME, c.FRA_OIFNAME, c.FRA_PRIORITY, c.FRA_TABLE),
        *(c.FRA_FWMARK, c.FRA_FWMASK, c.FRA_PROTOCOL, c.FRA_L3MDEV, c.FRA_PAD),
    )
)
"""Attributes that a RuleSpec has a field for, and padding."""
_NO_CONDITION = frozenset(
    (
        *((number, b"\xff" * 4) for number in (c.FRA_SUPPRESS_PREFIXLEN, c.FRA_SUPPRESS_IFGROUP)),
        # a rule for one port has a mask with all bits, which new kernels report
        *((number, b"\xff" * 2) for number in (c.FRA_SPORT_MASK, c.FRA_DPORT_MASK)),
    )
)
"""Attributes that mean the same as none."""


def links(messages: Iterable[Message]) -> list[LinkRecord]:
    """Decode RTM_NEWLINK messages (struct ifinfomsg and IFLA_…)."""
    return [
        _link(buffer, start, end) for kind, buffer, start, end in messages if kind == c.RTM_NEWLINK
    ]


def hardware(messages: Iterable[Message]) -> dict[int, tuple[bytes, str]]:
    """Return link index → permanent address and hardware device, as bus and name.

    Nobody can set either. Both are empty for a link that is made of software.
    """
    hardware_of: dict[int, tuple[bytes, str]] = {}
    for kind, buffer, start, end in messages:
        if kind == c.RTM_NEWLINK and end - start >= 16:
            get = attributes(buffer, start + 16, end).get
            bus, name = (
                text(get(c.IFLA_PARENT_DEV_BUS_NAME, b"")),
                text(get(c.IFLA_PARENT_DEV_NAME, b"")),
            )
            index = _IFINFOMSG.unpack_from(buffer, start)[2]
            hardware_of[index] = bytes(get(c.IFLA_PERM_ADDRESS, b"")), f"{bus} {name}".strip()
    return hardware_of


def _link(buffer: bytes, start: int, end: int) -> LinkRecord:
    if end - start < 16:
        raise DecodeError("link message without its header")
    index, flags = _IFINFOMSG.unpack_from(buffer, start)[2:4]
    attrs = attributes(buffer, start + 16, end)
    get = attrs.get
    kind, data, port = "", _NO_ATTRS, _NO_ATTRS
    info = get(c.IFLA_LINKINFO)
    if info is not None:
        parts = attributes(info, 0, len(info))
        if c.IFLA_INFO_KIND in parts:
            kind = text(parts[c.IFLA_INFO_KIND])
        if c.IFLA_INFO_DATA in parts:
            data = attributes(parts[c.IFLA_INFO_DATA], 0, len(parts[c.IFLA_INFO_DATA]))
        if c.IFLA_INFO_SLAVE_DATA in parts:
            port = attributes(parts[c.IFLA_INFO_SLAVE_DATA], 0, len(parts[c.IFLA_INFO_SLAVE_DATA]))
    names = get(c.IFLA_PROP_LIST)
    netnsid = get(c.IFLA_LINK_NETNSID)
    return LinkRecord(
        index=index,
        name=text(get(c.IFLA_IFNAME, b"")),
        flags=flags,
        mtu=as_u32(get(c.IFLA_MTU, _ZERO4)),
        mac=get(c.IFLA_ADDRESS, b""),
        kind=kind,
        master=as_u32(get(c.IFLA_MASTER, _ZERO4)),
        link=as_u32(get(c.IFLA_LINK, _ZERO4)),
        link_netnsid=None if netnsid is None else as_i32(netnsid),
        group=as_u32(get(c.IFLA_GROUP, _ZERO4)),
        alias=text(get(c.IFLA_IFALIAS, b"")),
        txqueuelen=as_u32(get(c.IFLA_TXQLEN, _ZERO4)),
        altnames=()
        if names is None
        else tuple(
            text(name) for number, name in attribute_list(names) if number == c.IFLA_ALT_IFNAME
        ),
        data=data,
        port=port,
        qdisc=text(get(c.IFLA_QDISC, b"")),
    )


def port_vlans(messages: Iterable[Message]) -> dict[int, dict[int, int]]:
    """Decode RTM_NEWLINK messages of the family AF_BRIDGE.

    Return index of a bridge or of its port → VLAN → BRIDGE_VLAN_INFO_* flags.
    """
    vlans: dict[int, dict[int, int]] = {}
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWLINK:
            continue
        if end - start < 16:
            raise DecodeError("link message without its header")
        index = _IFINFOMSG.unpack_from(buffer, start)[2]
        vlans_of_port, first = vlans.setdefault(index, {}), 0
        for number, payload in attribute_list(
            attributes(buffer, start + 16, end).get(c.IFLA_AF_SPEC, b"")
        ):
            if number != c.IFLA_BRIDGE_VLAN_INFO or len(payload) != 4:
                continue
            flags, vlan = _VLAN_INFO.unpack(payload)
            if flags & c.BRIDGE_VLAN_INFO_RANGE_BEGIN:
                first = vlan
                continue
            if vlan > _LAST_VLAN:
                raise DecodeError(f"VLAN {vlan}")
            begin = first if flags & c.BRIDGE_VLAN_INFO_RANGE_END else vlan
            vlans_of_port |= dict.fromkeys(
                range(begin, vlan + 1),
                flags & (c.BRIDGE_VLAN_INFO_PVID | c.BRIDGE_VLAN_INFO_UNTAGGED),
            )
    return vlans


def addresses(messages: Iterable[Message]) -> list[AddressRecord]:
    """Decode RTM_NEWADDR messages of IPv4 and IPv6 (struct ifaddrmsg and IFA_…)."""
    return [
        _address(buffer, start, end)
        for kind, buffer, start, end in messages
        if kind == c.RTM_NEWADDR and buffer[start : start + 1] in b"\x02\x0a"
    ]


def _address(buffer: bytes, start: int, end: int) -> AddressRecord:
    if end - start < 8:
        raise DecodeError("address message without its header")
    family, prefixlen, flags, scope, index = _IFADDRMSG.unpack_from(buffer, start)
    attrs = attributes(buffer, start + 8, end)
    address = attrs.get(c.IFA_ADDRESS, b"")
    if c.IFA_FLAGS in attrs:
        flags = as_u32(attrs[c.IFA_FLAGS])
    # IPv6 addresses without a peer have IFA_ADDRESS only, IPv4 addresses have both
    local = attrs.get(c.IFA_LOCAL, address)
    protocol = attrs.get(c.IFA_PROTO, b"\0")[:1]
    lifetimes = None
    if c.IFA_CACHEINFO in attrs and (times := attrs[c.IFA_CACHEINFO][:8]) != _FOREVER:
        preferred, valid = as_u32(times[:4]), as_u32(times[4:])
        lifetimes = valid, preferred
    return AddressRecord(
        family=family,
        index=index,
        local=local,
        address=address or local,
        prefixlen=prefixlen,
        scope=scope,
        flags=flags,
        protocol=protocol[0] if protocol else 0,
        lifetimes=lifetimes,
        metric=as_u32(attrs[c.IFA_RT_PRIORITY]) if c.IFA_RT_PRIORITY in attrs else 0,
        label=text(attrs[c.IFA_LABEL]) if c.IFA_LABEL in attrs else "",
    )


def neighbours(messages: Iterable[Message]) -> list[NeighbourRecord]:
    """Decode RTM_NEWNEIGH messages (struct ndmsg and NDA_…) to the permanent entries.

    These are the entries with NUD_PERMANENT or NUD_NOARP that no control plane manages. In the
    family AF_BRIDGE, these are the entries of tunnels, because only those have an address of the
    other end. The MACs that the kernel knows itself are left out (`is_mac_of_kernel`).
    """
    records = []
    for family, index, state, flags, buffer, start, end in ndmsgs(messages):
        if (
            not state & (c.NUD_PERMANENT | c.NUD_NOARP)
            or flags & c.NTF_EXT_LEARNED
            or (family == c.AF_BRIDGE and not flags & c.NTF_SELF)
        ):
            continue
        get = (parts := attributes(buffer, start, end)).get
        address, mac, protocol = get(c.NDA_DST), get(c.NDA_LLADDR), get(c.NDA_PROTOCOL, b"\0")[:1]
        noarp = not state & c.NUD_PERMANENT
        if address is not None and mac is not None and not is_mac_of_kernel(family, state, mac):
            extra = tuple(
                (number, parts[number])
                for number in (c.NDA_PORT, c.NDA_VNI, c.NDA_IFINDEX)
                if number in parts
            )
            records.append(
                NeighbourRecord(
                    family=family,
                    index=index,
                    address=address,
                    mac=mac,
                    protocol=protocol[0] if protocol else 0,
                    extra=extra,
                    noarp=noarp,
                )
            )
    return records


class LearnedRecord(Value):
    """An entry of a neighbour table or, in the family AF_BRIDGE, of a forwarding database."""

    family: int
    index: int
    flags: int
    attributes: Mapping[int, bytes]
    """NDA_… number → payload."""


def learned(messages: Iterable[Message]) -> Iterator[LearnedRecord]:
    """Decode RTM_NEWNEIGH messages to the entries that the kernel has learned and may forget."""
    for family, index, state, flags, buffer, start, end in ndmsgs(messages):
        if state & (c.NUD_PERMANENT | c.NUD_NOARP) or flags & _CONTROLLED:
            continue
        parts = attributes(buffer, start, end)
        if not any(parts.get(c.NDA_PROTOCOL, b"")):
            yield LearnedRecord(family, index, flags, parts)


def static_macs(messages: Iterable[Message]) -> dict[int, list[tuple[bytes, int]]]:
    """Decode RTM_NEWNEIGH messages of the family AF_BRIDGE to static entries.

    Return index of a bridge's port → (MAC, VLAN or 0) of each entry.
    """
    macs: dict[int, list[tuple[bytes, int]]] = {}
    for _, index, state, flags, buffer, start, end in ndmsgs(messages):
        if not state & c.NUD_NOARP or flags & (c.NTF_EXT_LEARNED | c.NTF_SELF):
            continue
        parts = attributes(buffer, start, end)
        if c.NDA_MASTER in parts and (mac := parts.get(c.NDA_LLADDR)) is not None:
            macs.setdefault(index, []).append(
                (mac, int.from_bytes(parts.get(c.NDA_VLAN, b"")[:2], "little"))
            )
    return macs


def ndmsgs(messages: Iterable[Message]) -> Iterator[tuple[int, int, int, int, bytes, int, int]]:
    """Return family, index, NUD_… state and NTF_… flags of each RTM_NEWNEIGH, and the buffer, start
    and end of its attributes.
    """
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWNEIGH:
            continue
        if end - start < 12:
            raise DecodeError("neighbour message without its header")
        family, index, state, flags, _ = _NDMSG.unpack_from(buffer, start)
        yield family, index, state, flags, buffer, start + 12, end


def routes(
    messages: Iterable[Message],
    names: Mapping[int, str],
    *,
    whole: bool = False,
    counts: dict[tuple[int, int], int] | None = None,
) -> list[RouteSpec]:
    """Decode RTM_NEWROUTE messages (struct rtmsg and RTA_…), except for cached routes.

    Unless `whole` is true, the result lacks the routes that the kernel made itself (RTPROT_KERNEL),
    because the table local is full of them. If `counts` is given, they are counted in it: (AF_…,
    RTN_…) → number. Rejecting routes have no hops, because the kernel dumps a rejecting IPv6 route
    with the device lo, which no user asked for.
    """
    specs = []
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWROUTE:
            continue
        if end - start < 12:
            raise DecodeError("route message without its header")
        header = _RTMSG.unpack_from(buffer, start)
        if header[0] not in _FAMILIES:
            continue
        if header[5] == c.RTPROT_KERNEL and not whole:
            if counts is not None:
                family_and_type = header[0], header[7]
                counts[family_and_type] = counts.get(family_and_type, 0) + 1
            continue
        if header[8] & c.RTM_F_CLONED:
            continue
        specs.append(_route(header, buffer, start, end, names))
    return specs


def _route(
    header: tuple[int, ...], buffer: bytes, start: int, end: int, names: Mapping[int, str]
) -> RouteSpec:
    family, prefixlen, source_length, tos, table, protocol, scope, kind, flags = header
    attrs = attributes(buffer, start + 12, end)
    get = attrs.get
    multipath = get(c.RTA_MULTIPATH)
    hops: tuple[Hop, ...]
    if kind in c.REJECTING:
        hops = ()
    elif multipath is not None:
        hops = tuple(_hops(multipath, names))
    else:
        device = get(c.RTA_OIF)
        via, dev = _via(attrs), None if device is None else _name(as_u32(device), names)
        hops = (
            (Hop(via, dev, 1, bool(flags & c.RTNH_F_ONLINK), _encap(attrs, names)),)
            if via is not None or dev is not None
            else ()
        )
    payload = get(c.RTA_METRICS)
    metrics = _NO_METRICS if payload is None else attributes(payload, 0, len(payload))
    mtu = metrics.get(c.RTAX_MTU)
    further = _further(attrs, metrics) if metrics or not _FURTHER.isdisjoint(attrs) else ()
    return RouteSpec(
        family=family,
        dst=get(c.RTA_DST) if prefixlen else None,
        prefixlen=prefixlen,
        table=as_u32(attrs[c.RTA_TABLE]) if c.RTA_TABLE in attrs else table,
        metric=as_u32(get(c.RTA_PRIORITY, _ZERO4)),
        type=kind,
        scope=scope,
        protocol=protocol,
        hops=hops,
        src=get(c.RTA_PREFSRC),
        mtu=None if mtu is None else as_u32(mtu),
        tos=tos,
        sources=(attrs[c.RTA_SRC], source_length) if source_length and c.RTA_SRC in attrs else None,
        nexthop=as_u32(get(c.RTA_NH_ID, _ZERO4)),
        further=further,
    )


_NO_METRICS: Mapping[int, bytes] = {}
_FURTHER = frozenset((c.RTA_FLOW, c.RTA_PREF))


def _further(
    attrs: Mapping[int, bytes], metrics: Mapping[int, bytes]
) -> tuple[tuple[int, bytes], ...]:
    """Return the attributes for `RouteSpec.further`."""
    others = {number: value for number, value in metrics.items() if number != c.RTAX_MTU}
    result = [(number, attrs[number]) for number in sorted(_FURTHER & attrs.keys())]
    # IPv6 routes have the medium preference, 0, where nobody has set one
    result = [(number, value) for number, value in result if any(value)]
    if others:
        result.append((c.RTA_METRICS, pack(sorted(others.items()))))
    return tuple(result)


def _name(index: int, names: Mapping[int, str]) -> str:
    return names.get(index) or f"if{index}"


def _via(attrs: Mapping[int, bytes]) -> bytes | None:
    via = attrs.get(c.RTA_VIA)
    return attrs.get(c.RTA_GATEWAY) if via is None else via[2:]


def _encap(attrs: Mapping[int, bytes], names: Mapping[int, str]) -> Encap | None:
    if c.RTA_ENCAP_TYPE not in attrs:
        return None
    from netorch.netlink import encap

    return encap.decode(attrs, names)


def _hops(payload: bytes, names: Mapping[int, str]) -> Iterable[Hop]:
    for index, flags, weight, more in next_hops(payload):
        attrs = attributes(more, 0, len(more)) if more else {}
        device = _name(index, names) if index else None
        onlink = bool(flags & c.RTNH_F_ONLINK)
        yield Hop(_via(attrs), device, weight + 1, onlink, _encap(attrs, names))


def rules(
    messages: Iterable[Message], known: dict[bytes, RuleSpec] | None = None
) -> list[RuleSpec]:
    """Decode RTM_NEWRULE messages of IPv4 and IPv6 (struct fib_rule_hdr and FRA_…).

    `known` is a cache of decoded rules, because each namespace has the same rules of the kernel.
    """
    decoded = {} if known is None else known
    specs = []
    for kind, buffer, start, end in messages:
        if kind == c.RTM_NEWRULE and buffer[start : start + 1] in b"\x02\x0a":
            body = buffer[start:end]
            rule = decoded.get(body)
            if rule is None:
                rule = decoded[body] = _rule(body)
            specs.append(rule)
    return specs


def _rule(body: bytes) -> RuleSpec:
    if len(body) < 12:
        raise DecodeError("rule message without its header")
    family, dst_len, src_len, tos, table, _, _, action, flags = _RULE.unpack_from(body)
    attrs = attributes(body, 12, len(body))
    get = attrs.get
    mark = None
    if c.FRA_FWMARK in attrs or c.FRA_FWMASK in attrs:
        mark = (as_u32(get(c.FRA_FWMARK, _ZERO4)), as_u32(get(c.FRA_FWMASK, b"\xff\xff\xff\xff")))
    protocol = get(c.FRA_PROTOCOL, b"\0")[:1]
    return RuleSpec(
        family=family,
        priority=as_u32(get(c.FRA_PRIORITY, _ZERO4)),
        action=action,
        table=as_u32(attrs[c.FRA_TABLE]) if c.FRA_TABLE in attrs else table,
        protocol=protocol[0] if protocol else 0,
        src=(attrs[c.FRA_SRC], src_len) if c.FRA_SRC in attrs else None,
        dst=(attrs[c.FRA_DST], dst_len) if c.FRA_DST in attrs else None,
        iif=text(attrs[c.FRA_IIFNAME]) if c.FRA_IIFNAME in attrs else None,
        oif=text(attrs[c.FRA_OIFNAME]) if c.FRA_OIFNAME in attrs else None,
        mark=mark,
        l3mdev=any(attrs.get(c.FRA_L3MDEV, b"")),
        tos=tos,
        invert=bool(flags & c.FIB_RULE_INVERT),
        more=tuple(
            (number, payload)
            for number, payload in sorted(attrs.items())
            if number not in _RULE_SPEC_ATTRS and (number, payload) not in _NO_CONDITION
        ),
    )


def qdiscs(messages: Iterable[Message]) -> dict[int, QdiscRecord]:
    """Decode RTM_NEWQDISC messages (struct tcmsg and TCA_…): link index → root qdisc.

    Only the kinds in SHAPERS count. A qdisc without a handle is the kernel's default for the link,
    which no user has set.
    """
    records = {}
    for kind, buffer, start, end in messages:
        if kind != c.RTM_NEWQDISC:
            continue
        if end - start < 20:
            raise DecodeError("qdisc message without its header")
        _, index, handle, parent, _ = _TCMSG.unpack_from(buffer, start)
        if parent != c.TC_H_ROOT or not handle:
            continue
        parts = attributes(buffer, start + 20, end)
        name = text(parts.get(c.TCA_KIND, b""))
        if name in SHAPERS:
            records[index] = QdiscRecord(name, parts.get(c.TCA_OPTIONS, b""))
    return records


def forwarding(messages: Iterable[Message]) -> bool | None:
    """Return NETCONFA_FORWARDING of an RTM_NEWNETCONF message (linux/netconf.h), or None."""
    for kind, buffer, start, end in messages:
        if kind == c.RTM_NEWNETCONF:
            value = attributes(buffer, start + 4, end).get(c.NETCONFA_FORWARDING)
            if value is not None:
                return as_i32(value) != 0
    return None
