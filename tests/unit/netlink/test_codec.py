"""Tests of the netlink codec: against pyroute2, against itself, and with hostile bytes."""

from __future__ import annotations

import base64
import socket
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netorch.immutable import replace
from netorch.netlink import codec, decode
from netorch.netlink import constants as c
from netorch.netlink.attribute_types import choice
from netorch.netlink.codec import (
    DecodeError,
    Message,
    attr,
    attribute_list,
    attributes,
    headers,
    i32,
    nested,
    text,
    u16,
    u32,
    u64,
)
from netorch.netlink.encode import LinkRequest, encode
from netorch.netlink.merge import fold
from netorch.values.requests import (
    AddressAdd,
    AltnameAdd,
    Hop,
    LinkAdd,
    LinkDel,
    LinkSet,
    NeighbourAdd,
    NeighbourDel,
    PeerSettings,
    RouteAdd,
    RouteSpec,
    RuleAdd,
    RuleSpec,
)
from netorch.values.snapshot import NeighbourRecord

# Dumps of Linux 6.18. Links: a bridge, a veth pair with one end in it (with group, alias and
# alternative names), a macvlan. Addresses with and without peers. Routes: by gateway, multipath,
# RTA_VIA, onlink, with source, MTU and in other tables, rejecting ones. Rules.
LINKS = (
    "c-rll&u<e)6vyAJch`1eCmWL{kN`=Vq(2e@2GR(nlmY<>Xe*T)N7l)TAUQU*93zB;_Q)YZmbh}@)MNjKs;3?}^w3MC9("
    "w2@>Y)eJLscP}H#6Tg>$PKO93zY}QSu${&c2<U_nl9k_iK~LA%g@FZC~R*WX5Fwsyadxrx@jnL<vgMc8tj4(Xv@I1YJ="
    "h6U2eIm!MPXc!Ewt$Dv1|UqB~t-6vG5N&OVpFGIhCo`-%;|JLHHXEFXF;!LVI7EK}EG>)HuW|i7>33?gx{#a=ro>TXYd"
    "jA=X()-fZIE&qGDVpasHPE-IQ2cJw+w|y1F-BW_{9$OFNoBP0mqHqCqRqKh&EeEaueOSl6@Bap70n;!8A~sX&6)J)BYn"
    "+3c!u-1B0A3+x2J=8tnB;CN%F4?lDE5I5Ozo7H8=m-d9E@>blxH|XKJ%P{@+V&&#Ptz_tN)^jvH>_4~thxwiz0D?RuMZ"
    "&Nu0TzimZXBGhWe9D%(Uqg*N5z!GBzmi%s!V#y`2MDO{x&k_SH5nzdU4NLyZ_;<g5tXWd4>Fi3DL_K~Jy7Y#g7Vi*C>b"
    "~A#{$dYV@<e2)pCjf<x7TiYL|ek(^G;~&P^g~?^$*ltE%&?jlR-bjhrh(N&$63RE#%YY4JGp#$LAzs_48q!*%W6s=-Yf"
    "o$4|ot1JFVEVVH#f6Ji`!IuY_wf=*)m2z)mRJ&5CnpmVs-n0j)x4;-n7;m;%3NAu8QDo%>`$y$9qCaCHK{YiSV8uX{=*"
    "KE-Lu+GgCdw($%uwVu{3;n1ood3V=4LMI?&cFDone);c?KrPE+ac#gi+T4d=hw_;&dYUKabDGom0V-ZXh%3tyX3sFN1Q"
    "i0<otuh((`n>ne#>@M^$K{2Wv(H&r$8t{KK4gnB7UfTg5A{>l|6i&OO4IdM!E5jB$S0XH2JzaqMQsm{G>KoiXMcFh+ne"
    "q6>^k;9F(D8i!Y?;FXJ|)%E4Po9jxAX+)S)?LqbkJV&8R^AEEpFB;j?&z=eD&2NRp<Mf`idHf{mN1am>xv`)&G!8vn_r"
    "I>|lF)JJQD`5=r7*X2sNNh1)tiG{Ps({X@Wv26XAtKA;tWHNVB7>gPeP|7b=_2h$1L_fp`O(9`5?4zBlMdU^hZN`{1E&"
    "*s}h$$jVSkz_IFUjT52tOk?Y&{_qo1XuAiYre~><-VtL&wEfm}h-dofB*<C1kZa#l+Azv)qT5$7auT*f$w<{jT1pg1JE"
    "ox3_L&Kr^yM>KP`*#bwtvTP7_mr7ruKLGPGxzu3Q|^xYXPKKRUe^tGwUT!W{H@tg``!fWbzW>}T=^=&KUy`%l8R%+J91"
    "1fd<T{so4K;ju}<sLm&TWURs"
)
ADDRESSES = (
    "c-o!NKMsO06bA6G{855oF$_c)oSi)YqcIE~z{%Of#6cGm3s>+Co`d5!JGlV9LP@X`V{8K@uX#VdHUZ$npb0$IfZ_0x(Y"
    "FJJE5IDu5$hNx_6JdS!0Vn7Dmi8g3*t#sE8x`CSgy2OX`Oa@D<UV-S@Vv?D5kL3pH`4|bJ;SN-L=vIYok~$Z|=*7cz+D"
    "0yQ4OzjY-|H?Ri<9P1FjedQ7bux{Tr<8EvjqJ8o@qzGPLM-kIaPXq}Qbz-4)?%BSabosf)BI=MWvIpA4}_nPvmJl}7>c"
    "yHGTf>{"
)
ROUTES = (
    "c-qC3JyOFk5QU#4J8?41z%Usm1qH*Tq@+wiLB((Y`s4@{bk1=&2FJ-Eu*H*N<5*ec-xD`$S^nPBu2y;lFvcSc<MIvAH^"
    "8rfN;uANjiqr>VVJqt#}H5%Qv5(OCZ2l<H5khop-Q7<yy9ENnXlA+OP!9c`Dw_H$?KxU`!!&F4H5Ps!Yb$2ck!Qn7IH6"
    "*!1^_>m?x1zZ-e2NclqB<{XTGqTjo`u^$Z%{4@qk#XnCf`Oo0gn_?tFpYR)m%#zv~2)upa=ZBu)-PwgXYx*uB@fwf2bs"
    "%p(@3!BMoUiDgD`Kkka^Qu<6+0A@&Yi-DW2JDarZf^V*dv?w^;-5v<ZXeeNlt8UB;VInpq*Ox0lbN>q&3i)dR88NW<hh"
    "7=sur#;;HgjX{FZ7v6Fdj<eolF=@2hh>qH3@QnsX*HXS(Qta?xQA9O0Rq>Ivy?UDaNy_qqDcYP9Z>5mbn;dL3sv(-F^N"
    "i)UAPif8&<p8k&Kbl_>byt|I@JhX5B0M!DYbN"
)
RULES = (
    "c-p0rJr2S!4254?D3Aey1QH{M=-7c7F>nADp!5h`f!p>FB*6{>rNKy*@bdEaJv(**V2u<5(sm140S-t=Fvg76q*FMGA("
    "sAr7c+W=N5HgMmpS|M9F^AuYQmaA(f%Ohr^w%4i1KrckfAxT&e0rS-WUH)L3`D{?o#l!L7i6k8++NS%$k5TKUgQQw?Ei"
    ">&zhMnB3AX7<^GG=@SHwOCG?;3)uapJ47yPYHT3QI6YVrwp8"
)
NAMES = {1: "lo", 2: "br0", 3: "vb", 4: "va", 5: "mv0"}
INDICES = {name: index for index, name in NAMES.items()}


class Numbers:
    """A resolver that knows NAMES in every namespace."""

    def index_of(self, netns: str, name: str) -> int:
        return INDICES[name]

    def new_index(self, netns: str, name: str, used: bool = True) -> int:
        return 0 if netns == "host" or not used else 16

    def fd_of(self, netns: str) -> int:
        return 9


def messages(packed: str) -> list[Message]:
    return received(zlib.decompress(base64.b85decode(packed)))


def received(datagram: bytes) -> list[Message]:
    return [(kind, datagram, start, end) for kind, _, _, start, end in headers(datagram)]


def encoded(request: LinkRequest, also: LinkSet | None = None) -> bytes:
    return encode(request, 1, 0, Numbers(), also)


def oracle(form: Any, message: Message) -> Any:
    _, buffer, start, end = message
    parsed = form(buffer[start - 16 : end])
    parsed.decode()
    return parsed


def packed(address: str | None) -> bytes | None:
    return (
        None
        if address is None
        else socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    )


# Comparisons with pyroute2


def test_links_read_as_pyroute2_reads_them() -> None:
    ours = decode.links(messages(LINKS))
    assert [link.name for link in ours] == list(NAMES.values())
    for link, message in zip(ours, messages(LINKS), strict=True):
        theirs = oracle(ifinfmsg, message)
        assert link.index == theirs["index"]
        assert link.flags == theirs["flags"]
        assert link.name == theirs.get_attr("IFLA_IFNAME")
        assert link.mtu == theirs.get_attr("IFLA_MTU")
        assert link.mac.hex(":") == theirs.get_attr("IFLA_ADDRESS")
        assert link.master == (theirs.get_attr("IFLA_MASTER") or 0)
        assert link.link == (theirs.get_attr("IFLA_LINK") or 0)
        assert link.link_netnsid == theirs.get_attr("IFLA_LINK_NETNSID")
        assert link.group == theirs.get_attr("IFLA_GROUP")
        assert link.alias == (theirs.get_attr("IFLA_IFALIAS") or "")
        assert link.txqueuelen == theirs.get_attr("IFLA_TXQLEN")
        names = theirs.get_attr("IFLA_PROP_LIST")
        assert link.altnames == (tuple(names.get_attrs("IFLA_ALT_IFNAME")) if names else ())
        info = theirs.get_attr("IFLA_LINKINFO")
        assert link.kind == (info.get_attr("IFLA_INFO_KIND") if info else "")


def test_a_links_kind_and_port_data_read_as_pyroute2_reads_them() -> None:
    by_name = {link.name: link for link in decode.links(messages(LINKS))}
    bridge, port = by_name["br0"].data, by_name["va"].port
    theirs = {
        message["attrs"][0][1]: message
        for message in (oracle(ifinfmsg, one) for one in messages(LINKS))
    }
    data = theirs["br0"].get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    for name in ("FORWARD_DELAY", "HELLO_TIME", "MAX_AGE", "AGEING_TIME", "STP_STATE"):
        assert int.from_bytes(bridge[getattr(c, f"IFLA_BR_{name}")], "little") == data.get_attr(
            f"IFLA_BR_{name}"
        )
    slave = theirs["va"].get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_SLAVE_DATA")
    for name in ("STATE", "PRIORITY", "COST", "MODE", "LEARNING", "ISOLATED"):
        assert int.from_bytes(port[getattr(c, f"IFLA_BRPORT_{name}")], "little") == slave.get_attr(
            f"IFLA_BRPORT_{name}"
        )
    assert by_name["mv0"].kind == "macvlan" and by_name["mv0"].link == by_name["vb"].index
    assert by_name["va"].altnames == ("other-name", "a-really-long-alternative-name")


def test_addresses_read_as_pyroute2_reads_them() -> None:
    ours = decode.addresses(messages(ADDRESSES))
    assert len(ours) >= 8
    for address, message in zip(ours, messages(ADDRESSES), strict=True):
        theirs = oracle(ifaddrmsg, message)
        assert (address.family, address.index, address.prefixlen) == (
            theirs["family"],
            theirs["index"],
            theirs["prefixlen"],
        )
        assert address.scope == theirs["scope"]
        assert address.flags == theirs.get_attr("IFA_FLAGS")
        assert address.address == packed(theirs.get_attr("IFA_ADDRESS"))
        assert address.local == packed(
            theirs.get_attr("IFA_LOCAL") or theirs.get_attr("IFA_ADDRESS")
        )
        assert address.protocol == (theirs.get_attr("IFA_PROTO") or 0)


def their_hop(hop: Any, flags: int, hops: int) -> Hop:
    via = hop.get_attr("RTA_VIA")
    return Hop(
        packed(via["addr"] if via else hop.get_attr("RTA_GATEWAY")),
        NAMES[hop.get_attr("RTA_OIF") or hop["oif"]],
        hops + 1,
        bool(flags & c.RTNH_F_ONLINK),
    )


def their_route(theirs: Any) -> RouteSpec:
    several = theirs.get_attr("RTA_MULTIPATH")
    hops: tuple[Hop, ...] = ()
    if theirs["type"] == c.RTN_UNICAST:
        hops = (
            tuple(their_hop(hop, hop["flags"], hop["hops"]) for hop in several)
            if several
            else (their_hop(theirs, theirs["flags"], 0),)
        )
    metrics = theirs.get_attr("RTA_METRICS")
    return RouteSpec(
        theirs["family"],
        packed(theirs.get_attr("RTA_DST")),
        theirs["dst_len"],
        theirs.get_attr("RTA_TABLE"),
        theirs.get_attr("RTA_PRIORITY") or 0,
        theirs["type"],
        theirs["scope"],
        theirs["proto"],
        hops,
        packed(theirs.get_attr("RTA_PREFSRC")),
        metrics.get_attr("RTAX_MTU") if metrics else None,
        tos=theirs["tos"],
        sources=(packed(theirs.get_attr("RTA_SRC")), theirs["src_len"])
        if theirs["src_len"]
        else None,
    )


def test_routes_read_as_pyroute2_reads_them() -> None:
    theirs = [oracle(rtmsg, message) for message in messages(ROUTES)]
    expected = [
        their_route(one) for one in theirs if one.get_attr("RTA_TABLE") != 255 and one["proto"] != 2
    ]
    assert len(expected) == 9
    assert decode.routes(messages(ROUTES), NAMES) == expected


def test_a_device_that_is_not_known_is_named_by_its_index() -> None:
    assert {hop.dev for route in decode.routes(messages(ROUTES), {}) for hop in route.hops} == {
        "if3"
    }


def test_rules_read_as_pyroute2_reads_them() -> None:
    def prefix(address: str | None, length: int) -> tuple[bytes, int] | None:
        address_bytes = packed(address)
        return None if address_bytes is None else (address_bytes, length)

    ours = decode.rules(messages(RULES))
    assert len(ours) == 8
    # because a dump of AF_UNSPEC has the multicast families too
    of_ip = [
        message for message in messages(RULES) if message[1][message[2]] in (c.AF_INET, c.AF_INET6)
    ]
    for rule, message in zip(ours, of_ip, strict=True):
        theirs = oracle(fibmsg, message)
        mark = theirs.get_attr("FRA_FWMARK")
        assert rule == RuleSpec(
            theirs["family"],
            theirs.get_attr("FRA_PRIORITY") or 0,
            theirs["action"],
            theirs.get_attr("FRA_TABLE"),
            theirs.get_attr("FRA_PROTOCOL"),
            prefix(theirs.get_attr("FRA_SRC"), theirs["src_len"]),
            prefix(theirs.get_attr("FRA_DST"), theirs["dst_len"]),
            theirs.get_attr("FRA_IIFNAME"),
            theirs.get_attr("FRA_OIFNAME"),
            None if mark is None else (mark, theirs.get_attr("FRA_FWMASK")),
        )


# Generated requests, which netorch and pyroute2 decode to what was encoded

V4, V6 = st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)
DEVICES = st.sampled_from(list(NAMES.values()))
U32 = st.integers(0, 2**32 - 1)


def hops(several: bool) -> st.SearchStrategy[Hop]:
    weight = st.integers(1, 256) if several else st.just(1)
    return st.builds(Hop, st.none() | V4 | V6, DEVICES, weight, st.booleans())


@st.composite
def routes(draw: st.DrawFn) -> RouteSpec:
    family, address, bits = draw(st.sampled_from([(c.AF_INET, V4, 32), (c.AF_INET6, V6, 128)]))
    prefixlen = draw(st.integers(0, bits))
    paths = draw(st.tuples(hops(False)) | st.lists(hops(True), min_size=2, max_size=5).map(tuple))
    return RouteSpec(
        family,
        draw(address) if prefixlen else None,
        prefixlen,
        draw(U32.filter(lambda table: table != 255)),
        draw(U32),
        c.RTN_UNICAST,
        draw(st.sampled_from([0, 253])),
        draw(st.integers(0, 255).filter(lambda protocol: protocol != c.RTPROT_KERNEL)),
        paths,
        draw(st.none() | address),
        draw(st.none() | U32),
        tos=draw(st.integers(0, 255)),
        sources=draw(st.none() | st.tuples(address, st.integers(1, bits))),
    )


@given(routes(), U32.filter(bool))
def test_a_route_of_a_nexthop_object_names_that_and_no_hops(route: RouteSpec, number: int) -> None:
    [message] = received(encoded(RouteAdd("r1", replace(route, nexthop=number))))
    _, buffer, start, end = message
    [decoded] = decode.routes([(c.RTM_NEWROUTE, buffer, start, end)], NAMES)
    assert decoded == replace(route, nexthop=number, hops=())


@given(routes())
def test_a_route_comes_back_as_it_was(route: RouteSpec) -> None:
    [message] = received(encoded(RouteAdd("r1", route)))
    _, buffer, start, end = message
    assert decode.routes([(c.RTM_NEWROUTE, buffer, start, end)], NAMES) == [route]


@given(
    routes().filter(
        lambda route: all(
            hop.via is None or len(hop.via) == (4 if route.family == 2 else 16)
            for hop in route.hops
        )
    )
)
def test_pyroute2_understands_our_routes(route: RouteSpec) -> None:
    [message] = received(encoded(RouteAdd("r1", route)))
    assert their_route(oracle(rtmsg, message)) == route


@st.composite
def rules(draw: st.DrawFn) -> RuleSpec:
    family, address, bits = draw(st.sampled_from([(c.AF_INET, V4, 32), (c.AF_INET6, V6, 128)]))
    prefix = st.none() | st.tuples(address, st.integers(1, bits))
    name = st.none() | st.text("abc0", min_size=1, max_size=15)
    numbers = st.integers(1, 255)
    action = draw(st.sampled_from([c.FR_ACT_TO_TBL, c.FR_ACT_BLACKHOLE]))
    return RuleSpec(
        family,
        draw(U32),
        action,
        draw(U32),
        draw(numbers),
        draw(prefix),
        draw(prefix),
        draw(name),
        draw(name),
        draw(st.none() | st.tuples(U32, U32)),
        draw(st.booleans()),
        draw(st.sampled_from((0, 16))),
        draw(st.booleans()),
        draw(st.sampled_from(((), ((c.FRA_GOTO, b"\1\0\0\0"), (c.FRA_IP_PROTO, b"\6"))))),
    )


@given(rules())
def test_a_rule_comes_back_as_it_was(rule: RuleSpec) -> None:
    assert decode.rules(received(encoded(RuleAdd("r1", rule)))) == [rule]


@given(st.sampled_from([(2, 4), (10, 16)]), st.data())
def test_an_address_comes_back_as_it_was(family: tuple[int, int], data: st.DataObject) -> None:
    number, size = family
    address = st.binary(min_size=size, max_size=size)
    request = AddressAdd(
        "r1",
        "vb",
        number,
        data.draw(address),
        data.draw(address),
        data.draw(st.integers(0, size * 8)),
        0,
        99,
    )
    [decoded] = decode.addresses(received(encoded(request)))
    assert (decoded.local, decoded.address, decoded.prefixlen, decoded.index, decoded.protocol) == (
        request.local,
        request.address,
        request.prefixlen,
        3,
        99,
    )
    assert decoded.flags == (c.IFA_F_NODAD if number == c.AF_INET6 else 0)


# Requests about links


def veth(*attrs: tuple[int, bytes]) -> LinkAdd:
    return LinkAdd(
        "host", "va", "veth", attrs, peer=PeerSettings("r1", "eth0", ((c.IFLA_GROUP, u32(7)),))
    )


def parts(
    request: LinkRequest, also: LinkSet | None = None
) -> tuple[tuple[int, int, int], dict[int, bytes]]:
    [(_, buffer, start, end)] = received(encoded(request, also))
    index, flags, change = (
        int.from_bytes(buffer[start + at : start + at + 4], "little") for at in (4, 8, 12)
    )
    return (index, flags, change), attributes(buffer, start + 16, end)


def neighbour_back(request: NeighbourAdd) -> list[NeighbourRecord]:
    return decode.neighbours(received(encoded(request)))


def test_a_neighbour_comes_back_as_it_was_and_pyroute2_understands_it() -> None:
    mac = bytes.fromhex("020000000009")
    known = NeighbourAdd("host", "va", c.AF_INET, bytes((10, 0, 0, 9)), mac, 110)
    assert neighbour_back(known) == [
        NeighbourRecord(c.AF_INET, INDICES["va"], bytes((10, 0, 0, 9)), mac, 110)
    ]
    read = ndmsg(encoded(known))
    read.decode()
    assert (read["ifindex"], read["state"], read["flags"]) == (INDICES["va"], 0x80, 0)
    assert (read.get_attr("NDA_DST"), read.get_attr("NDA_LLADDR")) == (
        "10.0.0.9",
        "02:00:00:00:00:09",
    )
    assert read["header"]["flags"] & (c.NLM_F_REPLACE | c.NLM_F_APPEND) == c.NLM_F_REPLACE


def test_a_forwarding_database_entry_belongs_to_its_link_and_keeps_extra_attributes() -> None:
    extra = ((c.NDA_PORT, b"\x12\xb6"), (c.NDA_VNI, u32(9)))
    entry = NeighbourAdd(
        "host", "va", c.AF_BRIDGE, bytes((10, 0, 0, 9)), bytes(6), append=True, extra=extra
    )
    assert neighbour_back(entry) == [
        NeighbourRecord(c.AF_BRIDGE, INDICES["va"], bytes((10, 0, 0, 9)), bytes(6), 0, extra)
    ]
    read = ndmsg(encoded(entry))
    read.decode()
    assert read["flags"] == c.NTF_SELF
    assert read["header"]["flags"] & (c.NLM_F_REPLACE | c.NLM_F_APPEND) == c.NLM_F_APPEND
    gone = ndmsg(
        encoded(NeighbourDel("host", "va", c.AF_BRIDGE, bytes((10, 0, 0, 9)), bytes(6), extra))
    )
    gone.decode()
    assert (gone["header"]["type"], gone.get_attr("NDA_VNI")) == (c.RTM_DELNEIGH, 9)


def test_a_veth_carries_its_peer_and_one_queue_on_both_ends() -> None:
    header, near = parts(veth())
    info = attributes(near[c.IFLA_LINKINFO], 0, len(near[c.IFLA_LINKINFO]))
    inner = attributes(info[c.IFLA_INFO_DATA], 0, len(info[c.IFLA_INFO_DATA]))[c.VETH_INFO_PEER]
    peer = attributes(inner, 16, len(inner))
    assert header == (0, 0, 0) and inner[4:8] == u32(0)
    assert (
        text(near[c.IFLA_IFNAME]),
        text(peer[c.IFLA_IFNAME]),
        text(info[c.IFLA_INFO_KIND]),
    ) == ("va", "eth0", "veth")
    assert peer[c.IFLA_NET_NS_FD] == u32(9) and peer[c.IFLA_GROUP] == u32(7)
    assert [
        end[number]
        for end in (near, peer)
        for number in (c.IFLA_NUM_TX_QUEUES, c.IFLA_NUM_RX_QUEUES)
    ] == [u32(1)] * 4
    assert parts(veth((c.IFLA_NUM_TX_QUEUES, u32(4))))[1][c.IFLA_NUM_TX_QUEUES] == u32(4)


def test_master_and_up_go_with_the_creation_and_an_alias_after_it() -> None:
    up = LinkSet(
        "host", "va", ((c.IFLA_IFALIAS, b"x"), (c.IFLA_MTU, u32(1400))), up=True, master="br0"
    )
    first, second = fold([veth(), up])
    assert first.also is not None and first.origin == (veth(), up)
    header, attrs = parts(veth(), first.also)
    assert (
        header == (0, c.IFF_UP, c.IFF_UP)
        and attrs[c.IFLA_MASTER] == u32(2)
        and attrs[c.IFLA_MTU] == u32(1400)
    )
    assert second.request == LinkSet("host", "va", ((c.IFLA_IFALIAS, b"x"),))


def test_neighbouring_link_sets_are_one_message_unless_order_matters() -> None:
    up, mtu, down = (
        LinkSet("r1", "vb", up=True),
        LinkSet("r1", "vb", ((c.IFLA_MTU, u32(1400)),)),
        LinkSet("r1", "vb", up=False),
    )
    slave = LinkSet("r1", "vb", kind="bridge_slave", data=((c.IFLA_BRPORT_ISOLATED, b"\1"),))
    assert [unit.origin for unit in fold([up, mtu])] == [(up, mtu)]
    for apart in (
        [down, up],
        [up, up],
        [down, mtu],
        [mtu, mtu],
        [up, slave],
        [up, LinkSet("r1", "va", up=True)],
        [up, LinkSet("host", "vb", up=True)],
    ):
        assert [unit.origin for unit in fold(apart)] == [(request,) for request in apart]


def test_links_are_named_where_no_index_is_needed() -> None:
    assert text(parts(LinkDel("host", "va"))[1][c.IFLA_IFNAME]) == "va"
    assert (
        text(parts(LinkDel("host", "a-name-of-many-words"))[1][c.IFLA_ALT_IFNAME])
        == "a-name-of-many-words"
    )
    assert parts(LinkSet("host", "va", master=""))[1][c.IFLA_MASTER] == u32(0)
    assert list(attribute_list(parts(AltnameAdd("host", "va", "other"))[1][c.IFLA_PROP_LIST])) == [
        (c.IFLA_ALT_IFNAME, b"other\0")
    ]


def test_a_parent_may_stand_among_the_kinds_own_attributes() -> None:
    near = parts(LinkAdd("host", "vx", "vxlan", parent=("host", "va"), parent_in=3))[1]
    assert c.IFLA_LINK not in near and c.IFLA_LINK_NETNSID not in near
    info = attributes(near[c.IFLA_LINKINFO], 0, len(near[c.IFLA_LINKINFO]))
    assert attributes(info[c.IFLA_INFO_DATA], 0, len(info[c.IFLA_INFO_DATA]))[3] == u32(
        INDICES["va"]
    )


# Hostile bytes

SHAPES = {
    "links": (c.RTM_NEWLINK, decode.links, LINKS),
    "addresses": (c.RTM_NEWADDR, decode.addresses, ADDRESSES),
    "routes": (c.RTM_NEWROUTE, lambda dump: decode.routes(dump, NAMES), ROUTES),
    "rules": (c.RTM_NEWRULE, decode.rules, RULES),
    "neighbours": (c.RTM_NEWNEIGH, decode.neighbours, None),
    "netconf": (c.RTM_NEWNETCONF, decode.forwarding, None),
    "error": (
        c.NLMSG_ERROR,
        lambda dump: [codec.failure(buffer, start, end, 0x300) for _, buffer, start, end in dump],
        None,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
def test_any_bytes_are_decoded_or_refused(shape: str, data: st.DataObject) -> None:
    kind, decoder, recorded = SHAPES[shape]
    if recorded is None or data.draw(st.booleans()):
        body = data.draw(st.binary(max_size=200))
    else:
        _, buffer, start, end = data.draw(st.sampled_from(messages(recorded)))
        body = buffer[start : data.draw(st.integers(start, end))]
        for _ in range(data.draw(st.integers(0, 4))):
            at = data.draw(st.integers(0, max(0, len(body) - 1)))
            body = body[:at] + data.draw(st.binary(min_size=1, max_size=4)) + body[at + 1 :]
    with suppress(DecodeError):
        decoder([(kind, body, 0, len(body))])


@given(st.binary(max_size=300))
def test_any_datagram_is_framed_or_refused(datagram: bytes) -> None:
    with suppress(DecodeError):
        assert sum(1 for _ in headers(datagram)) <= len(datagram) // 16


@given(st.lists(st.tuples(st.integers(1, 0x3FFF), st.binary(max_size=50))))
def test_attributes_come_back_in_order(given_attributes: list[tuple[int, bytes]]) -> None:
    payload = b"".join(attr(number, value) for number, value in given_attributes)
    assert list(attribute_list(payload)) == given_attributes
    assert attributes(payload, 0, len(payload)) == dict(given_attributes)


def test_payloads_of_the_wrong_size_are_refused() -> None:
    assert nested(1, attr(2, u64(3)))[2:4] == u16(1 | c.NLA_F_NESTED)
    with pytest.raises(DecodeError):
        decode.forwarding(
            [(c.RTM_NEWNETCONF, bytes(4) + attr(c.NETCONFA_FORWARDING, b"\1"), 0, 12)]
        )
    assert (
        decode.forwarding(
            [(c.RTM_NEWNETCONF, bytes(4) + attr(c.NETCONFA_FORWARDING, i32(1)), 0, 12)]
        )
        is True
    )


def test_the_kernels_sentence_is_decoded() -> None:
    capped = i32(-22) + bytes(16) + attr(c.NLMSGERR_ATTR_MSG, b"Invalid prefix\0")
    assert codec.failure(capped, 0, len(capped), c.NLM_F_CAPPED | c.NLM_F_ACK_TLVS) == (
        22,
        "Invalid prefix",
    )
    echoed = i32(-22) + u32(20) + bytes(16) + attr(c.NLMSGERR_ATTR_MSG, b"Invalid prefix\0")
    assert codec.failure(echoed, 0, len(echoed), c.NLM_F_ACK_TLVS) == (22, "Invalid prefix")
    assert codec.failure(capped, 0, 20, c.NLM_F_CAPPED) == (22, "")


def test_a_number_without_a_word_is_written_as_it_was_read() -> None:
    """A rollback restores the modes of links that a file cannot set."""
    kind = choice({"vepa": 2, "bridge": 4}, 4)
    for number in (2, 4, 16):
        payload = number.to_bytes(4, "little")
        assert kind.encode(kind.decode(payload)) == payload
