"""Tables, chains and rules of nf_tables, read without libnftables (linux/netfilter/nf_tables.h).

A listing by the library takes longer, grows with the whole table, and leaves out what iptables-nft itself wrote: its comments, and
what its matches and targets ask for.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

from netorch.immutable import Value
from netorch.netlink.codec import (
    DecodeError,
    attribute_list,
    attributes,
    cstring,
    headers,
    message,
    text,
)

_NETLINK_NETFILTER = 12
_GETTABLE = 10 << 8 | 1
_NEWCHAIN, _GETCHAIN, _NEWRULE, _GETRULE = (10 << 8 | number for number in (3, 4, 6, 7))
_ERROR, _DONE = 2, 3
_TORN = 0x10
_REQUEST_DUMP = 0x301
_TRIES = 8
_FAMILIES = {1: "inet", 2: "ip", 7: "bridge", 10: "ip6"}
_NUMBERS = {name: number for number, name in _FAMILIES.items()}
_FORWARD_HOOK = 2
_TABLE, _NAME = 1, 3
_TABLE_USERDATA, _COMMENT = 6, 0
_VERDICTS = {0: "drop", 1: "accept", -3: "jump", -4: "goto", -5: "return"}
_INTERFACES = {6: "iif", 7: "oif"}
"""NFT_META_IIFNAME, NFT_META_OIFNAME."""


class BaseChain(Value):
    """A chain that every forwarded packet goes through; `drops` is its policy."""

    family: str
    table: str
    name: str
    drops: bool


class KernelRule(Value):
    """`verdict` is accept, drop (also for a reject), return, jump, goto or ""; `bare`: of every packet. `data`: all bytes of the rule."""

    chain: str
    handle: int
    verdict: str
    target: str = ""
    bare: bool = False
    iif: str = ""
    oif: str = ""
    data: bytes = b""


class Extension(Value):
    """A match or a target of iptables in a rule of nf_tables. `data`: the structure that iptables gave the kernel."""

    kind: str
    name: str
    revision: int
    data: bytes


def tables() -> dict[tuple[str, str], str]:
    """All tables: family and name → comment, "" without one."""
    found: dict[tuple[str, str], str] = {}
    with (
        suppress(OSError, DecodeError),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as sock,
    ):
        sock.send(struct.pack("=IHHII", 20, _GETTABLE, _REQUEST_DUMP, 1, 0) + bytes(4))
        while True:
            for kind, _, start, end, datagram in _messages(sock.recv(1 << 16)):
                if kind in {_ERROR, _DONE}:
                    return found
                table = attributes(datagram, start + 4, end)
                family = _FAMILIES.get(datagram[start], "")
                found[family, text(table.get(_TABLE, b""))] = _comment(
                    table.get(_TABLE_USERDATA, b"")
                )
    return found


def _comment(userdata: bytes) -> str:
    """The comment in what a program has left with a table: one byte for its type, one for its length, and its bytes, each
    time.
    """
    while len(userdata) > 2:
        kind, size = userdata[:2]
        if kind == _COMMENT:
            return text(userdata[2 : 2 + size])
        userdata = userdata[2 + size :]
    return ""


def forward_chains() -> list[BaseChain]:
    """The filtering ones at the forward hook, of all families with IP in them; none where the kernel has no nf_tables."""
    found = []
    for family, payload in _dump(_GETCHAIN, _NEWCHAIN, 0, b""):
        chain = attributes(payload, 0, len(payload))
        hook = _inside(chain.get(4, b""))
        if (
            family in _FAMILIES
            and _number(hook.get(1, b"")) == _FORWARD_HOOK
            and text(chain.get(7, b"")) == "filter"
        ):
            drops = 5 in chain and _number(chain[5]) == 0
            found.append(
                BaseChain(_FAMILIES[family], text(chain[_TABLE]), text(chain[_NAME]), drops)
            )
    return found


def chains(family: str, table: str) -> set[str]:
    """The names of a table's chains."""
    found = (
        attributes(payload, 0, len(payload))
        for _, payload in _dump(_GETCHAIN, _NEWCHAIN, _NUMBERS[family], b"")
    )
    return {text(chain[_NAME]) for chain in found if text(chain[_TABLE]) == table}


def rules(family: str, table: str, chain: str) -> list[KernelRule]:
    """The rules of one chain in order; none where there is no such chain."""
    asked = b"".join(_attr(number, cstring(name)) for number, name in ((1, table), (2, chain)))
    found = []
    for _, payload in _dump(_GETRULE, _NEWRULE, _NUMBERS[family], asked):
        rule = attributes(payload, 0, len(payload))
        if text(rule.get(2, b"")) == chain:
            found.append(_rule(chain, _number(rule[3]), rule.get(4, b""), payload))
    return found


def extensions(family: str, table: str) -> dict[int, tuple[Extension, ...]]:
    """What rules of a table take from iptables, by the handles of the rules."""
    found: dict[int, tuple[Extension, ...]] = {}
    for _, payload in _dump(_GETRULE, _NEWRULE, _NUMBERS[family], _attr(1, cstring(table))):
        rule = attributes(payload, 0, len(payload))
        if of_rule := tuple(_extensions(rule.get(4, b""))):
            found[_number(rule[3])] = of_rule
    return found


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
            said = _inside(_inside(inner.get(2, b"")).get(2, b""))
            verdict, target = (
                _VERDICTS.get(_number(said.get(1, b""), signed=True), ""),
                text(said.get(2, b"")),
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
    # nf_tables speaks in network order
    return int.from_bytes(payload, "big", signed=signed) if payload else -1


def _attr(number: int, payload: bytes) -> bytes:
    return struct.pack("=HH", len(payload) + 4, number) + payload + bytes(-len(payload) % 4)


def _dump(kind: int, answer: int, family: int, payload: bytes) -> list[tuple[int, bytes]]:
    """Family and attributes of each object."""
    try:
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
        ) as sock:
            sock.settimeout(10)
            for _ in range(_TRIES):
                sock.send(
                    message(kind, _REQUEST_DUMP, 1, struct.pack("=BBH", family, 0, 0) + payload)
                )
                found: list[tuple[int, bytes]] = []
                if _receive(sock, answer, found):
                    return found
            return found
    except (OSError, DecodeError):
        return []


def _receive(sock: socket.socket, answer: int, found: list[tuple[int, bytes]]) -> bool:
    """Whether the dump is whole: nothing changed meanwhile."""
    torn = False
    while True:
        for kind, flags, start, end, datagram in _messages(sock.recv(1 << 18)):
            torn = torn or bool(flags & _TORN)
            if kind in {_DONE, _ERROR}:
                return not torn
            if kind == answer:
                found.append((datagram[start], datagram[start + 4 : end]))


def _messages(datagram: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    for kind, flags, _, start, end in headers(datagram):
        yield kind, flags, start, end, datagram
