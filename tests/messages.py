"""Random netlink messages as a kernel might send them.

The attributes of each message are in any order, some occur twice, and some are unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from hypothesis import strategies as st

from netorch.netlink import constants as c
from netorch.netlink.codec import attr, message

Bytes = st.SearchStrategy[bytes]

U8, U16, U32, I32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 31))
WORD = st.text("abcdefgh0123456789-._ü", min_size=1, max_size=14)
MAC = st.binary(min_size=6, max_size=6)
V4, V6 = st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)
UNKNOWN = st.tuples(st.integers(300, 1000), st.binary(max_size=12))
"""Attributes that only a newer kernel knows."""


def number(form: str, values: st.SearchStrategy[int]) -> Bytes:
    return values.map(lambda value: struct.pack(form, value))


u8, u16, u32, be16 = number("=B", U8), number("=H", U16), number("=I", U32), number(">H", U16)
i32 = number("=i", st.integers(-(2**31), 2**31 - 1))
words = WORD.map(lambda word: word.encode() + b"\0")


@st.composite
def nest(draw: st.DrawFn, known: Mapping[int, Bytes], *, twice: bool = True) -> bytes:
    """Return some of the `known` attributes, in any order.

    The two flag bits of an attribute's type are set at random, because readers must ignore them.
    """
    chosen = draw(
        st.lists(
            st.sampled_from(sorted(known)),
            max_size=len(known) + 2 if twice else len(known),
            unique=not twice,
        )
    )
    pairs = [(number, draw(known[number])) for number in chosen]
    pairs += draw(st.lists(UNKNOWN, max_size=2))
    marks = st.sampled_from((0, 0, 0, c.NLA_F_NESTED, 0x4000))
    return b"".join(
        attr(number | draw(marks), payload) for number, payload in draw(st.permutations(pairs))
    )


def whole(kind: int, header: Bytes, known: Mapping[int, Bytes]) -> Bytes:
    """Return messages with their netlink headers."""
    return st.builds(lambda first, parts: message(kind, 2, 1, first + parts), header, nest(known))


def family(address4: Bytes, address6: Bytes) -> st.SearchStrategy[tuple[int, Bytes]]:
    return st.sampled_from(((c.AF_INET, address4), (c.AF_INET6, address6)))


link_parts: dict[int, Bytes] = {
    c.IFLA_IFNAME: words,
    c.IFLA_MTU: u32,
    c.IFLA_ADDRESS: MAC | V4 | V6,
    c.IFLA_MASTER: u32,
    c.IFLA_LINK: u32,
    c.IFLA_LINK_NETNSID: i32,
    c.IFLA_GROUP: u32,
    c.IFLA_IFALIAS: words,
    c.IFLA_TXQLEN: u32,
    c.IFLA_QDISC: words,
    c.IFLA_PROP_LIST: st.lists(words, max_size=3).map(
        lambda names: b"".join(attr(c.IFLA_ALT_IFNAME, name) for name in names)
    ),
    c.IFLA_LINKINFO: nest(
        {
            # pyroute2 does not know this kind, so the data may be anything
            c.IFLA_INFO_KIND: st.just(b"nonesuch\0"),
            c.IFLA_INFO_DATA: nest({number: st.binary(max_size=9) for number in (1, 2, 30)}),
            c.IFLA_INFO_SLAVE_KIND: st.just(b"nonesuch\0"),
            c.IFLA_INFO_SLAVE_DATA: nest({number: st.binary(max_size=9) for number in (1, 2, 30)}),
        },
        twice=False,
    ),
}
links = whole(
    c.RTM_NEWLINK,
    st.builds(struct.pack, st.just("=BxHiII"), st.just(0), U16, I32, U32, U32),
    link_parts,
)

vlan_info = st.builds(struct.pack, st.just("=HH"), st.integers(0, 31), st.integers(0, 4095))
vlans = whole(
    c.RTM_NEWLINK,
    st.builds(struct.pack, st.just("=BxHiII"), st.just(c.AF_BRIDGE), U16, I32, U32, U32),
    {
        c.IFLA_AF_SPEC: st.lists(vlan_info, max_size=8).map(
            lambda all_: b"".join(attr(c.IFLA_BRIDGE_VLAN_INFO, one) for one in all_)
        )
    },
)


@st.composite
def addresses(draw: st.DrawFn) -> bytes:
    number_, address = draw(family(V4, V6))
    header = st.builds(struct.pack, st.just("=BBBBI"), st.just(number_), U8, U8, U8, U32)
    known = {
        **{
            c.IFA_ADDRESS: address,
            c.IFA_LOCAL: address,
            c.IFA_LABEL: words,
            c.IFA_FLAGS: u32,
            c.IFA_PROTO: u8,
        },
        **{c.IFA_RT_PRIORITY: u32, c.IFA_CACHEINFO: st.binary(min_size=16, max_size=16)},
    }
    return draw(whole(c.RTM_NEWADDR, header, known))


@st.composite
def routes(draw: st.DrawFn) -> bytes:
    number_, address = draw(family(V4, V6))
    header = st.builds(
        struct.pack,
        st.just("=BBBBBBBBI"),
        st.just(number_),
        U8,
        U8,
        U8,
        U8,
        U8,
        U8,
        st.integers(0, 12),
        U32,
    )
    via = (V4.map(lambda one: b"\x02\0" + one)) | (V6.map(lambda one: b"\x0a\0" + one))
    gateways = {
        **{c.RTA_GATEWAY: address, c.RTA_VIA: via},
        # encapsulations whose attributes pyroute2 does not decode
        c.RTA_ENCAP_TYPE: number("=H", st.sampled_from((2, 4, 9))),
        c.RTA_ENCAP: nest({number: st.binary(max_size=9) for number in (1, 4, 7)}, twice=False),
    }
    hops = st.lists(hop(gateways), min_size=1, max_size=4).map(b"".join)
    metrics = nest({c.RTAX_MTU: u32, 8: u32, 5: u32})
    known = {
        **{
            c.RTA_DST: address,
            c.RTA_PREFSRC: address,
            c.RTA_SRC: address,
            c.RTA_OIF: u32,
            c.RTA_IIF: u32,
            c.RTA_PRIORITY: u32,
        },
        **{
            c.RTA_TABLE: u32,
            c.RTA_METRICS: metrics,
            c.RTA_MULTIPATH: hops,
            c.RTA_PREF: u8,
            **gateways,
        },
    }
    return draw(whole(c.RTM_NEWROUTE, header, known))


@st.composite
def hop(draw: st.DrawFn, gateways: Mapping[int, Bytes]) -> bytes:
    parts = draw(nest({**gateways, c.RTA_FLOW: u32}, twice=False))
    return struct.pack("=HBBi", 8 + len(parts), draw(U8), draw(U8), draw(I32)) + parts


@st.composite
def rules(draw: st.DrawFn) -> bytes:
    number_, address = draw(family(V4, V6))
    header = st.builds(
        struct.pack,
        st.just("=BBBBBBBBI"),
        st.just(number_),
        U8,
        U8,
        st.sampled_from((0, 16)),
        U8,
        U8,
        U8,
        U8,
        U32,
    )
    known = {
        **{
            c.FRA_DST: address,
            c.FRA_SRC: address,
            c.FRA_IIFNAME: words,
            c.FRA_OIFNAME: words,
            c.FRA_PRIORITY: u32,
            c.FRA_GOTO: u32,
        },
        **{
            c.FRA_FWMARK: u32,
            c.FRA_FWMASK: u32,
            c.FRA_FLOW: u32,
            c.FRA_TUN_ID: st.binary(min_size=8, max_size=8),
            c.FRA_TABLE: u32,
        },
        **{
            c.FRA_SUPPRESS_IFGROUP: u32 | st.just(b"\xff" * 4),
            c.FRA_SUPPRESS_PREFIXLEN: u32 | st.just(b"\xff" * 4),
        },
        **{
            c.FRA_UID_RANGE: st.binary(min_size=8, max_size=8),
            c.FRA_PROTOCOL: u8,
            c.FRA_IP_PROTO: u8,
        },
        **{c.FRA_SPORT_RANGE: u32, c.FRA_DPORT_RANGE: u32},
    }
    return draw(whole(c.RTM_NEWRULE, header, known))


neighbours = whole(
    c.RTM_NEWNEIGH,
    st.builds(
        struct.pack,
        st.just("=B3xiHBB"),
        st.sampled_from((c.AF_INET, c.AF_INET6, c.AF_BRIDGE)),
        I32,
        U16,
        U8 | st.just(c.NTF_SELF),
        U8,
    ),
    {
        **{
            c.NDA_DST: V4 | V6,
            c.NDA_LLADDR: MAC,
            c.NDA_VLAN: u16,
            c.NDA_PORT: be16,
            c.NDA_VNI: u32,
            c.NDA_IFINDEX: u32,
        },
        **{c.NDA_MASTER: u32, c.NDA_PROTOCOL: u8, 3: st.binary(min_size=16, max_size=16)},
    },
)

qdiscs = whole(
    c.RTM_NEWQDISC,
    st.builds(
        struct.pack,
        st.just("=B3xiIII"),
        st.just(0),
        I32,
        st.sampled_from((0, 0x10000)),
        st.just(c.TC_H_ROOT) | U32,
        U32,
    ),
    {
        c.TCA_KIND: st.just(b"tbf\0") | st.just(b"fq\0"),
        c.TCA_OPTIONS: nest({number: st.binary(min_size=8, max_size=8) for number in (4, 5, 77)}),
    },
)

netconf = whole(
    c.RTM_NEWNETCONF,
    st.builds(struct.pack, st.just("=B3x"), st.sampled_from((c.AF_INET, c.AF_INET6))),
    dict.fromkeys(
        (c.NETCONFA_IFINDEX, c.NETCONFA_FORWARDING, c.NETCONFA_RP_FILTER, c.NETCONFA_PROXY_NEIGH),
        i32,
    ),
)


@st.composite
def wireguard(draw: st.DrawFn) -> bytes:
    key = st.binary(min_size=32, max_size=32)
    return draw(
        whole(
            0x20,
            st.just(b"\0\1\0\0"),
            {
                **{1: u32, 2: words, 3: key | st.just(bytes(32)), 4: key, 6: u16, 7: u32},
                8: st.lists(peer(), max_size=3).map(
                    lambda peers: b"".join(attr(c.NLA_F_NESTED, one) for one in peers)
                ),
            },
        )
    )


@st.composite
def peer(draw: st.DrawFn) -> bytes:
    key = st.binary(min_size=32, max_size=32)
    endpoint = st.builds(lambda port, address: b"\x02\0" + port + address + bytes(8), be16, V4)
    endpoint |= st.builds(
        lambda port, address: b"\x0a\0" + port + bytes(4) + address + bytes(4), be16, V6
    )
    subnets = st.lists(subnet(), max_size=3).map(
        lambda parts: b"".join(attr(c.NLA_F_NESTED, one) for one in parts)
    )
    handshake = st.builds(struct.pack, st.just("=qq"), st.integers(0, 2**33), st.integers(0, 10**9))
    rest = draw(nest({2: key | st.just(bytes(32)), 4: endpoint, 5: u16, 6: handshake, 9: subnets}))
    return attr(1, draw(key)) + rest


@st.composite
def subnet(draw: st.DrawFn) -> bytes:
    number_, address = draw(family(V4, V6))
    parts = [attr(1, struct.pack("=H", number_)), attr(2, draw(address)), attr(3, draw(u8))]
    return b"".join(draw(st.permutations(parts)))
