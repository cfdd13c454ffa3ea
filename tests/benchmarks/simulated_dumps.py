"""The dumps from which a snapshot is read, made from the snapshot.

They are recorded messages with the values of the snapshot's records, and with everything that a
kernel adds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import (
    Message,
    attr,
    attribute_list,
    cstring,
    headers,
    message,
    nested,
    u32,
)
from netorch.netlink.encode import encode
from netorch.values.requests import RouteAdd, RuleAdd
from netorch.values.snapshot import AddressRecord, LinkRecord, NetnsSnapshot, Snapshot
from tests.benchmarks.simulated import NEWEST, SimulatedKernel, template
from tests.recordings import dumped

LIKE = "c"
"""The recorded namespace of a simple node. Every namespace gets the objects of the kernel in it."""
_DATAGRAM = 32768


@dataclass(frozen=True, slots=True)
class Dumps:
    """The answers of one namespace."""

    links: list[Message]
    addresses: list[Message]
    routes: list[Message]
    rules: list[Message]
    netconf: tuple[list[Message], list[Message]]


def dumps(kernel: SimulatedKernel) -> dict[str, Dumps]:
    """Return label → the answers of the namespace, in datagrams as large as the kernel's."""
    routes = [
        _body(one)
        for one in dumped(NEWEST, LIKE, "routes")
        if one[1][one[2] + 5] == c.RTPROT_KERNEL
    ]
    own = [
        _body(one)
        for one in dumped(NEWEST, LIKE, "addresses")
        if decode.addresses([one])[0].index == 1
    ]
    return {
        label: _netns(kernel, netns, own, routes)
        for label, netns in kernel.snapshot().namespaces.items()
    }


def read(answers_by_label: dict[str, Dumps], like: Snapshot) -> Snapshot:
    """Return the snapshot that netorch's reader makes of the answers.

    Everything that does not come by netlink messages is copied from the snapshot `like`.
    """
    known: dict[bytes, object] = {}
    namespaces = {}
    for label, answers in answers_by_label.items():
        links = decode.links(answers.links)
        names = {link.index: link.name for link in links}
        original = like.namespaces[label]
        namespaces[label] = NetnsSnapshot(
            label,
            original.inode,
            tuple(links),
            tuple(decode.addresses(answers.addresses)),
            tuple(decode.routes(answers.routes, names)),
            tuple(decode.rules(answers.rules, known)),  # type: ignore[arg-type]
            (decode.forwarding(answers.netconf[0]), decode.forwarding(answers.netconf[1])),
            original.sysctls,
            original.files,
            original.filters,
            cookie=original.cookie,
        )
    return Snapshot(namespaces)


def _netns(
    kernel: SimulatedKernel, netns: NetnsSnapshot, own: list[bytes], routes: list[bytes]
) -> Dumps:
    netconf = [
        [
            struct.pack("=B3x", family)
            + attr(c.NETCONFA_IFINDEX, struct.pack("=i", -1))
            + attr(c.NETCONFA_FORWARDING, u32(bool(on)))
        ]
        for family, on in zip((c.AF_INET, c.AF_INET6), netns.forwarding, strict=True)
    ]
    return Dumps(
        _messages(c.RTM_NEWLINK, map(_link, netns.links)),
        _messages(c.RTM_NEWADDR, [*own, *map(_address, netns.addresses)]),
        _messages(
            c.RTM_NEWROUTE,
            [
                *(
                    encode(RouteAdd(netns.label, route), 1, 0, kernel)[16:]
                    for route in netns.routes
                ),
                *routes,
            ],
        ),
        _messages(
            c.RTM_NEWRULE,
            [
                *(encode(RuleAdd(netns.label, rule), 1, 0, kernel)[16:] for rule in netns.rules),
                *(_body(one) for one in dumped(NEWEST, LIKE, "rules")),
            ],
        ),
        (_messages(c.RTM_NEWNETCONF, netconf[0]), _messages(c.RTM_NEWNETCONF, netconf[1])),
    )


def _messages(kind: int, bodies: Iterator[bytes] | list[bytes] | map[bytes]) -> list[Message]:
    datagrams: list[bytearray] = [bytearray()]
    for body in bodies:
        whole = message(kind, c.NLM_F_MULTI, 1, body)
        if len(datagrams[-1]) + len(whole) > _DATAGRAM:
            datagrams.append(bytearray())
        datagrams[-1] += whole
    return [
        (kind_, datagram, start, end)
        for datagram in map(bytes, datagrams)
        for kind_, _, _, start, end in headers(datagram)
    ]


def _body(one: Message) -> bytes:
    _, buffer, start, end = one
    return buffer[start:end]


def _link(link: LinkRecord) -> bytes:
    body = _body(template(link.kind, bool(link.port)).message)
    info = attr(c.IFLA_INFO_KIND, cstring(link.kind)) + nested(
        c.IFLA_INFO_DATA, *(attr(*pair) for pair in link.data.items())
    )
    if link.port:
        info += attr(c.IFLA_INFO_SLAVE_KIND, cstring("bridge"))
        info += nested(c.IFLA_INFO_SLAVE_DATA, *(attr(*pair) for pair in link.port.items()))
    values: dict[int, bytes | None] = {
        c.IFLA_IFNAME: cstring(link.name),
        c.IFLA_MTU: u32(link.mtu),
        c.IFLA_ADDRESS: link.mac,
        c.IFLA_TXQLEN: u32(link.txqueuelen),
        c.IFLA_GROUP: u32(link.group),
        c.IFLA_QDISC: cstring(link.qdisc) if link.qdisc else None,
        c.IFLA_LINKINFO: info if link.kind else None,
        c.IFLA_MASTER: u32(link.master) if link.master else None,
        c.IFLA_LINK: u32(link.link) if link.link else None,
        c.IFLA_LINK_NETNSID: struct.pack("=i", link.link_netnsid)
        if link.link_netnsid is not None
        else None,
        c.IFLA_IFALIAS: cstring(link.alias) if link.alias else None,
        c.IFLA_PROP_LIST: None,
    }
    attributes = dict(attribute_list(body[16:])) | values
    header = body[:4] + struct.pack("=iII", link.index, link.flags, 0)
    return header + b"".join(
        attr(number, payload) for number, payload in attributes.items() if payload is not None
    )


def _address(record: AddressRecord) -> bytes:
    header = struct.pack(
        "=BBBBI", record.family, record.prefixlen, record.flags & 0xFF, record.scope, record.index
    )
    parts = {
        c.IFA_ADDRESS: record.address,
        c.IFA_LOCAL: record.local,
        c.IFA_FLAGS: u32(record.flags),
        c.IFA_PROTO: bytes((record.protocol,)),
        c.IFA_CACHEINFO: b"\xff" * 8 + bytes(8),
    }
    return header + b"".join(attr(*pair) for pair in parts.items())
