"""Read chains and rules of nf_tables without libnftables (linux/netfilter/nf_tables.h).

A listing by the library takes longer, and it always covers the whole table. It also lacks what
iptables-nft itself writes: comments, and the options of its matches and targets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from netorch.immutable import Value
from netorch.kernel.firewall.nf_tables_names import (
    DONE,
    ERROR,
    FAMILIES,
    NETLINK_NETFILTER,
    REQUEST_DUMP,
    TABLE_NAME,
)
from netorch.kernel.system.sockets import opened, socket
from netorch.netlink.codec import (
    DecodeError,
    attribute_list,
    attributes,
    cstring,
    headers,
    message,
    text,
)

_NEWCHAIN, _GETCHAIN, _NEWRULE, _GETRULE = (10 << 8 | number for number in (3, 4, 6, 7))
_TORN = 0x10
_TRIES = 8
_NUMBERS = {name: number for number, name in FAMILIES.items()}
_FORWARD_HOOK = 2
_NAME = 3
_VERDICTS = {0: "drop", 1: "accept", -3: "jump", -4: "goto", -5: "return"}
_INTERFACES = {6: "iif", 7: "oif"}
"""The keys of meta expressions: NFT_META_IIFNAME and NFT_META_OIFNAME."""


class BaseChain(Value):
    """A chain that every forwarded packet goes through."""

    family: str
    table: str
    name: str
    drops: bool
    """Whether the policy of the chain drops packets."""


class KernelRule(Value):
    """A rule of nf_tables."""

    chain: str
    handle: int
    verdict: str
    """`accept`, `drop` (also for a reject), `return`, `jump`, `goto`, or ""."""
    target: str = ""
    """The chain of a `jump` or `goto`."""
    bare: bool = False
    """Whether the rule applies to every packet."""
    iif: str = ""
    """The interface by which a packet must arrive, or ""."""
    oif: str = ""
    """The interface by which a packet must leave, or ""."""
    data: bytes = b""
    """All bytes of the rule."""


class Extension(Value):
    """A match or a target of iptables in a rule of nf_tables."""

    kind: str
    """`match` or `target`."""
    name: str
    revision: int
    """The version of the structure in `data`."""
    data: bytes
    """The structure that iptables gave the kernel."""


def forward_chains() -> list[BaseChain]:
    """Return the filter chains at the forward hook, of all families that carry IP.

    The list is empty if the kernel has no nf_tables.
    """
    bases = []
    for family, payload in _dump(_GETCHAIN, _NEWCHAIN, 0, b""):
        chain = attributes(payload, 0, len(payload))
        hook = _inside(chain.get(4, b""))
        if (
            family in FAMILIES
            and _number(hook.get(1, b"")) == _FORWARD_HOOK
            and text(chain.get(7, b"")) == "filter"
        ):
            drops = 5 in chain and _number(chain[5]) == 0
            bases.append(
                BaseChain(FAMILIES[family], text(chain[TABLE_NAME]), text(chain[_NAME]), drops)
            )
    return bases


def chains(family: str, table: str) -> set[str]:
    """Return the names of a table's chains."""
    answers = (
        attributes(payload, 0, len(payload))
        for _, payload in _dump(_GETCHAIN, _NEWCHAIN, _NUMBERS[family], b"")
    )
    return {text(chain[_NAME]) for chain in answers if text(chain[TABLE_NAME]) == table}


def rules(family: str, table: str, chain: str) -> list[KernelRule]:
    """Return the rules of a chain in order. The list is empty if there is no such chain."""
    filter_attrs = b"".join(
        _attr(number, cstring(name)) for number, name in ((1, table), (2, chain))
    )
    result = []
    for _, payload in _dump(_GETRULE, _NEWRULE, _NUMBERS[family], filter_attrs):
        rule = attributes(payload, 0, len(payload))
        if text(rule.get(2, b"")) == chain:
            result.append(_rule(chain, _number(rule[3]), rule.get(4, b""), payload))
    return result


def extensions(family: str, table: str) -> dict[int, tuple[Extension, ...]]:
    """Return the handle of a rule → the matches and targets of iptables in it, for a table."""
    by_handle: dict[int, tuple[Extension, ...]] = {}
    for _, payload in _dump(_GETRULE, _NEWRULE, _NUMBERS[family], _attr(1, cstring(table))):
        rule = attributes(payload, 0, len(payload))
        if extensions_of_rule := tuple(_extensions(rule.get(4, b""))):
            by_handle[_number(rule[3])] = extensions_of_rule
    return by_handle


def _extensions(expressions: bytes) -> Iterator[Extension]:
    for _, element in attribute_list(expressions):
        expression = _inside(element)
        kind, inner = text(expression.get(1, b"")), _inside(expression.get(2, b""))
        if kind in {"match", "target"}:
            yield Extension(
                kind, text(inner.get(1, b"")), _number(inner.get(2, b"")), inner.get(3, b"")
            )


def _rule(chain: str, handle: int, expressions: bytes, data: bytes) -> KernelRule:
    verdict = target = key = ""
    bare = True
    names = {"iif": "", "oif": ""}
    for _, element in attribute_list(expressions):
        expression = _inside(element)
        kind, inner = text(expression.get(1, b"")), _inside(expression.get(2, b""))
        if kind == "immediate":
            data_attrs = _inside(_inside(inner.get(2, b"")).get(2, b""))
            verdict, target = (
                _VERDICTS.get(_number(data_attrs.get(1, b""), signed=True), ""),
                text(data_attrs.get(2, b"")),
            )
        elif kind == "reject" or (kind == "target" and text(inner.get(1, b"")) == "REJECT"):
            verdict = "drop"
        elif kind == "meta":
            key = _INTERFACES.get(_number(inner.get(2, b"")), "")
        elif kind == "cmp" and key and _number(inner.get(2, b"")) == 0:
            names[key], key, bare = text(_inside(inner.get(3, b"")).get(1, b"")), "", False
        elif kind not in {"counter", "log", "target"} and (kind, text(inner.get(1, b""))) != (
            "match",
            "comment",
        ):
            bare = False
    return KernelRule(chain, handle, verdict, target, bare, names["iif"], names["oif"], data)


def _inside(payload: bytes) -> dict[int, bytes]:
    return attributes(payload, 0, len(payload))


def _number(payload: bytes, signed: bool = False) -> int:
    # because nf_tables uses network byte order
    return int.from_bytes(payload, "big", signed=signed) if payload else -1


def _attr(number: int, payload: bytes) -> bytes:
    return struct.pack("=HH", len(payload) + 4, number) + payload + bytes(-len(payload) % 4)


def _dump(kind: int, answer: int, family: int, payload: bytes) -> list[tuple[int, bytes]]:
    """Return family and attributes of each object."""
    try:
        with opened(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
        ) as sock:
            sock.settimeout(10)
            for _ in range(_TRIES):
                sock.send(
                    message(kind, REQUEST_DUMP, 1, struct.pack("=BBH", family, 0, 0) + payload)
                )
                objects: list[tuple[int, bytes]] = []
                if _receive(sock, answer, objects):
                    return objects
            return objects
    except (OSError, DecodeError):
        return []


def _receive(sock: socket.socket, answer: int, objects: list[tuple[int, bytes]]) -> bool:
    """Receive a dump. Return whether it is consistent: nothing changed during the dump."""
    torn = False
    while True:
        for kind, flags, start, end, datagram in _messages(sock.recv(1 << 18)):
            torn = torn or bool(flags & _TORN)
            if kind in {DONE, ERROR}:
                return not torn
            if kind == answer:
                objects.append((datagram[start], datagram[start + 4 : end]))


def _messages(datagram: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    for kind, flags, _, start, end in headers(datagram):
        yield kind, flags, start, end, datagram
