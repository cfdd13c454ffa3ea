"""Parse libnftables' JSON (libnftables-json(5)) to chains.

Versions of the library differ in the form of a few expressions, and its JSON leaves out the options
of matches and targets of iptables-nft. An unknown form becomes a field or a verdict "?".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

from netorch.firewall import iptables_save
from netorch.firewall.chains import UNKNOWN, ChosenPort, Clause, ListedChain, ListedRule

RulePlace = tuple[str, str, int]
"""The family, table and handle of a rule."""

_META = {
    "iifname": "iif",
    "iif": "iif",
    "oifname": "oif",
    "oif": "oif",
    "l4proto": "proto",
    "nfproto": "version",
    "protocol": "version",
    "mark": "mark",
}
_PAYLOAD = {
    "ip": {"saddr": "saddr", "daddr": "daddr", "protocol": "proto"},
    "ip6": {"saddr": "saddr", "daddr": "daddr", "nexthdr": "proto"},
    **{protocol: {"dport": "dport", "sport": "sport"} for protocol in ("tcp", "udp", "sctp", "th")},
    **{protocol: {"type": "icmp"} for protocol in ("icmp", "icmpv6")},
}
_VERSIONS = {"ip": 4, "ip6": 6}
_WORDS: Mapping[str, Mapping[object, object]] = {
    "version": {"ipv4": 4, "ipv6": 6, "ip": 4, "ip6": 6},
    "proto": {"ipv6-icmp": "icmpv6", 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"},
}
_EVERY_BIT = 0xFFFFFFFF
_NEGATED = {"==": False, "in": False, "!=": True}
_ENDS = frozenset(("accept", "drop", "return", "reject"))
_JUMPS = frozenset(("jump", "goto"))
_SOURCES = frozenset(("snat", "masquerade"))
_TRANSLATIONS = _SOURCES | {"dnat", "redirect"}
_RANDOM = frozenset(("random", "fully-random"))
_CONDITIONS = frozenset(("limit", "quota", "ct count", "set", "meter"))
"""Statements that end a rule for some packets, for example at a limit, or if a set is full."""

_GOES_ON = frozenset(
    (
        *("counter", "log", "notrack", "dup", "flow", "last", "reset", "secmark"),
        *("ct helper", "ct timeout", "ct expectation"),
    )
)


class _Rule(msgspec.Struct):
    family: str
    table: str
    chain: str
    handle: int = 0
    expr: list[Any] = []


class _Chain(msgspec.Struct):
    family: str
    table: str
    name: str
    hook: str = ""
    type: str = "filter"
    prio: int = 0
    policy: str = "accept"


class _Set(msgspec.Struct):
    family: str
    table: str
    name: str
    elem: list[Any] = []


class _Object(msgspec.Struct):
    """One entry of a listing. All fields are None for other objects, such as tables."""

    rule: _Rule | None = None
    chain: _Chain | None = None
    set: _Set | None = None
    map: _Set | None = None


class _Listing(msgspec.Struct):
    nftables: list[_Object]


Sets = Mapping[str, list[Any]]
"""The elements of a table's sets and maps, by their names."""


class _NotKnown(Exception):
    """Raised for an expression that this module does not know."""


def chains(
    json: str, texts: Mapping[RulePlace, str], extensions: Mapping[RulePlace, tuple[str, ...]]
) -> tuple[ListedChain, ...]:
    """Return all chains of a listing of the whole ruleset. Raises ValueError if it is not one.

    `texts` are the rules in the output of nft. `extensions` are the parts that a rule takes from
    iptables, in the notation of iptables-save and in the order of the rule.
    """
    try:
        listing = msgspec.json.decode(json, type=_Listing)
    except msgspec.DecodeError as error:
        raise ValueError(f"libnftables' JSON is not understood: {error}") from None
    sets: dict[tuple[str, str], dict[str, list[Any]]] = {}
    rules: dict[tuple[str, str, str], list[ListedRule]] = {}
    for entry in listing.nftables:
        if (one := entry.set or entry.map) is not None:
            sets.setdefault((one.family, one.table), {})[one.name] = one.elem
    for entry in listing.nftables:
        if (listed := entry.rule) is not None:
            place = listed.family, listed.table, listed.handle
            parsed = rule(
                listed.expr,
                sets.get(place[:2], {}),
                texts.get(place, f"handle {listed.handle}"),
                extensions.get(place, ()),
            )
            rules.setdefault((listed.family, listed.table, listed.chain), []).append(parsed)
    return tuple(
        _chain(
            entry.chain, rules.get((entry.chain.family, entry.chain.table, entry.chain.name), [])
        )
        for entry in listing.nftables
        if entry.chain is not None
    )


def _chain(chain: _Chain, rules: Iterable[ListedRule]) -> ListedChain:
    return ListedChain(
        chain.family,
        chain.table,
        chain.name,
        chain.hook,
        chain.type,
        chain.prio,
        chain.policy,
        tuple(rules),
    )


def rule(
    statements: Iterable[object], sets: Sets, text: str, extensions: Iterable[str] = ()
) -> ListedRule:
    """Parse one rule from its `expr`. `text` is the rule for output."""
    clauses: list[Clause] = []
    options = iter(extensions)
    unknown_extension = False
    mark: tuple[int, int] | str | None = None
    for statement in statements:
        name, body = _only(statement)
        if name == "match":
            clauses += _conditions(body, sets)
        elif name in _ENDS:
            clauses += _implied_by_reject(body) if name == "reject" else ()
            return ListedRule(tuple(clauses), name, text=text, mark=mark)
        elif name == "continue":
            break
        elif name in _JUMPS and isinstance(body, Mapping):
            return ListedRule(tuple(clauses), name, body.get("target"), text, mark=mark)
        elif name in _TRANSLATIONS:
            if (targets := _targets(name, body, sets, text)) is not None:
                implied, cases = targets
                clauses += implied
                return ListedRule(tuple(clauses), "", text=text, cases=cases, mark=mark)
            target = _target(body or {})
            if name in _SOURCES:
                target = _source(body or {})
            return ListedRule(tuple(clauses), name, target, text, mark=mark)
        elif name == "vmap" and isinstance(body, Mapping):
            clauses += _implied(body.get("key"))
            try:
                cases = _cases(body, sets, text)
                return ListedRule(tuple(clauses), "", text=text, cases=cases, mark=mark)
            except _NotKnown:
                return ListedRule(tuple(clauses), UNKNOWN, text=text, mark=mark)
        elif name == "xt":
            words = next(options, "")
            extension = _extension(body, words)
            clauses += extension.clauses
            mark = mark if extension.mark is None else extension.mark
            if extension.verdict:
                verdict, target = extension.verdict, extension.target
                return ListedRule(tuple(clauses), verdict, target, text, mark=mark)
            unknown_extension = unknown_extension or not (body or words)
        elif name in _CONDITIONS:
            clauses.append(Clause(UNKNOWN))
        elif name == "mangle":
            mark = _mark(body, mark)
        elif name not in _GOES_ON:
            return ListedRule(tuple(clauses), UNKNOWN, text=text, mark=mark)
    # an extension without a name may be a target, so the verdict is unknown
    verdict = UNKNOWN if unknown_extension else ""
    return ListedRule(tuple(clauses), verdict, text=text, mark=mark)


def _mark(body: object, before: tuple[int, int] | str | None) -> tuple[int, int] | str | None:
    """Return the change of the packet's mark by a `mangle` statement.

    If the statement changes something else, return `before`, the change by earlier statements.
    """
    match body:
        case {"key": {"meta": {"key": "mark"}}, "value": int(value)}:
            return (value, _EVERY_BIT)
        case {"key": {"meta": {"key": "mark"}}}:
            return UNKNOWN
    return before


def _only(statement: object) -> tuple[str, Any]:
    """Return the name and the body of a statement or expression.

    The name is "?" for a text, which the library uses for statements without a form in JSON.
    """
    match statement:
        case dict() if len(statement) == 1:
            return next(iter(statement.items()))
    return UNKNOWN, None


def _extension(body: object, options: str) -> ListedRule:
    """Return a rule with the condition of a match of iptables-nft, or the verdict of a target."""
    match body:
        case {"type": "match", "name": "comment"}:
            return ListedRule((), "")
        case {"type": "target", "name": str(name)}:
            return iptables_save.rule(options or f"-j {name}")
    return iptables_save.rule(options) if options else ListedRule((Clause(UNKNOWN),), "")


def _conditions(body: object, sets: Sets) -> Iterator[Clause]:
    """Yield the conditions of a match: first those that it implies, then its own."""
    match body:
        case {"left": left, "right": right, **more}:
            yield from _implied(left)
            try:
                yield _condition(left, str(more.get("op", "==")), right, sets)
            except _NotKnown:
                yield Clause(UNKNOWN)
        case _:
            yield Clause(UNKNOWN)


def _condition(left: object, operator: str, right: object, sets: Sets) -> Clause:
    match left:
        case {"concat": [{"meta": {"key": "iifname"}}, {"meta": {"key": "oifname"}}]} if (
            operator in _NEGATED
        ):
            return Clause("pair", tuple(_pairs(right, sets)), _NEGATED[operator])
        case {"ct": {"key": "status"}} if right == "dnat" and operator in {"in", "!"}:
            return Clause("translated", (True,), operator == "!")
        case {"&": [{"ct": {"key": "status"}}, "dnat"]} if right in {"dnat", 0} and operator in {
            "==",
            "!=",
        }:
            return Clause("translated", (True,), (operator == "==") == (right == 0))
        case {"fib": {"result": "type", "flags": ["daddr"] | "daddr"}} if (
            right == "local" and operator in _NEGATED
        ):
            return Clause("local", (True,), _NEGATED[operator])
    field = _field(left)
    if operator in _NEGATED:
        return Clause(field, _values(right, field, sets), _NEGATED[operator])
    if (field, operator) == ("state", "!"):
        # `!` matches if none of these bits is set
        return Clause(field, _values(right, field, sets), negated=True)
    raise _NotKnown


def _pairs(right: object, sets: Sets) -> Iterator[tuple[str, str]]:
    """Yield the pairs of interfaces of a match."""
    for element in _elements(right, sets):
        match _bare(element):
            case {"concat": [str(iif), str(oif)]} if not {iif[-1:], oif[-1:]} & {"*"}:
                yield iif, oif
            case _:
                raise _NotKnown


def _field(left: object) -> str:
    """Return the field of a packet to which an expression refers."""
    match left:
        case {"meta": {"key": str(key)}} if key in _META:
            return _META[key]
        case {"ct": {"key": "state", **direction}} if not direction:
            return "state"
        case {"payload": {"protocol": str(protocol), "field": str(name)}} if name in _PAYLOAD.get(
            protocol, {}
        ):
            return _PAYLOAD[protocol][name]
    raise _NotKnown


def _implied(left: object) -> Iterator[Clause]:
    """Yield the condition that a packet has the header, which depends on its protocol."""
    match left:
        case {"payload": {"protocol": "ip" | "ip6" as protocol}}:
            yield Clause("version", (_VERSIONS[protocol],))
        case {"payload": {"protocol": "tcp" | "udp" | "sctp" | "icmp" | "icmpv6" as protocol}}:
            yield Clause("proto", (protocol,))
        case {"&": [inner, _]}:
            yield from _implied(inner)


def _implied_by_reject(body: object) -> Iterator[Clause]:
    """Yield the condition that a `reject` has a packet of its own kind, which nft leaves out."""
    match body:
        case {"type": "icmp" | "icmpv6" as kind}:
            yield Clause("version", (4 if kind == "icmp" else 6,))
        case {"type": "tcp reset"}:
            yield Clause("proto", ("tcp",))


def _values(right: object, field: str, sets: Sets) -> tuple[object, ...]:
    """Return the values of a match: a single one, those of a list, or those of a set."""
    return tuple(_value(_bare(element), field) for element in _elements(right, sets))


def _elements(right: object, sets: Sets) -> list[Any]:
    """Return the elements of a match: a single one, those of a list, or those of a set."""
    match right:
        case {"set": list(elements)} | {"|": list(elements)}:
            return elements
        case {"set": element}:
            # newer versions write a set with one element as that element
            return [element]
        case str() if right.startswith("@"):
            if right[1:] not in sets:
                raise _NotKnown
            return sets[right[1:]]
        case list():
            return right
    return [right]


def _bare(element: object) -> object:
    """Return an element of a set without its timeout, counter and comment."""
    match element:
        case {"elem": {"val": value}}:
            return value
    return element


def _value(value: object, field: str) -> object:
    """Return a value in the form in which it is compared with a packet's field."""
    known = _WORDS.get(field, {})
    match value:
        case bool() | None:
            raise _NotKnown
        case str() | int() if value in known:
            return known[value]
        case {"prefix": {"addr": str(address), "len": int(length)}} if field in {"saddr", "daddr"}:
            return _parsed(ip_network, f"{address}/{length}")
        case {"range": [str(first), str(last)]} if field in {"saddr", "daddr"}:
            return (_parsed(ip_address, first), _parsed(ip_address, last))
        case {"range": [int(first), int(last)]} if field in {"sport", "dport", "mark"}:
            return (first, last)
        case str() if field in {"saddr", "daddr"}:
            return _parsed(ip_network, value)
        case str() if field in {"iif", "oif", "proto", "state", "icmp"}:
            return value
        case int() if field in {"sport", "dport", "mark", "proto"}:
            return value
    raise _NotKnown


def _parsed(parse: Callable[[str], object], text: str) -> object:
    try:
        return parse(text)
    except ValueError:
        raise _NotKnown from None


def _cases(body: object, sets: Sets, text: str) -> tuple[ListedRule, ...]:
    """Return the entries of a verdict map."""
    match body:
        case {"key": key, "data": data}:
            elements = _map_elements(data, sets)
        case _:
            raise _NotKnown
    field = _field(key)
    cases = [_case(element, field, text) for element in elements]
    # the default matches any value, so it comes last
    return tuple(sorted(cases, key=lambda case: case.clauses[-1].negated))


def _map_elements(data: object, sets: Sets) -> list[Any]:
    match data:
        case {"set": list(elements)}:
            return elements
        case str(name) if name.removeprefix("@") in sets:
            return sets[name.removeprefix("@")]
    raise _NotKnown


def _case(element: object, field: str, text: str) -> ListedRule:
    match element:
        case [key, verdict]:
            name, body = _only(verdict)
            if name not in {"accept", "drop", "return", "continue", *_JUMPS}:
                raise _NotKnown
            value = _bare(key)
            clause = (
                Clause(field, negated=True)
                if value == "*"
                else Clause(field, (_value(value, field),))
            )
            target = body.get("target") if isinstance(body, Mapping) else None
            verdict = "" if name == "continue" else name
            return ListedRule((clause,), verdict, target, _element_text(key, text))
    raise _NotKnown


def _element_text(key: object, text: str) -> str:
    """Return the comment of an element as nft writes it, or the text of the rule if it has none."""
    match key:
        case {"elem": {"comment": str(comment)}}:
            return f'comment "{comment}"'
    return text


def _targets(
    name: str, body: object, sets: Sets, text: str
) -> tuple[list[Clause], tuple[ListedRule, ...]] | None:
    """Return the conditions that a translation by a map of targets implies, and the entries of the
    map. Return None for a translation of another form.
    """
    match body:
        case {"addr": {"map": {"key": key, "data": str(data)}}, **more} if "port" not in more:
            pass
        case _:
            return None
    keys = key["concat"] if isinstance(key, Mapping) and "concat" in key else [key]
    try:
        fields = [_field(part) for part in keys]
        elements = _map_elements(data, sets)
        cases = tuple(_target_case(name, element, fields, text) for element in elements)
    except _NotKnown:
        return None
    return [clause for part in keys for clause in _implied(part)], cases


def _target_case(name: str, element: object, fields: list[str], text: str) -> ListedRule:
    match element:
        case [key, {"concat": [str(address), int(port)]}]:
            target = _target({"addr": address, "port": port})
        case [key, str(address)]:
            target = _target({"addr": address})
        case _:
            raise _NotKnown
    bare = _bare(key)
    values = bare["concat"] if isinstance(bare, Mapping) and "concat" in bare else [bare]
    if target == UNKNOWN or len(values) != len(fields):
        raise _NotKnown
    clauses = (
        Clause(field, (_value(value, field),)) for field, value in zip(fields, values, strict=True)
    )
    return ListedRule(tuple(clauses), name, target, _element_text(key, text))


def _target(body: Mapping[str, object]) -> object:
    """Return address and port of a translation's target, "?" if it is not a single address.

    (None, 0) is the namespace itself.
    """
    try:
        address = _address(body)
    except _NotKnown:
        return UNKNOWN
    match body.get("port"):
        case None:
            return (address, 0)
        case int(port):
            return (address, port)
        case {"map": {"key": {"payload": {"field": "dport"}}, "data": {"set": list(pairs)}}}:
            known = tuple(
                tuple(pair)
                for pair in pairs
                if isinstance(pair, list) and [type(port) for port in pair] == [int, int]
            )
            return (address, known) if len(known) == len(pairs) else UNKNOWN
    return UNKNOWN


def _source(body: Mapping[str, object]) -> object:
    """Return the new address of a source and its port, "?" if there are several addresses."""
    ports: tuple[int, int] | None = None
    match body.get("port"):
        case None:
            pass
        case int(port):
            ports = port, port
        case {"range": [int(first), int(last)]}:
            ports = first, last
        case _:
            return UNKNOWN
    flags = body.get("flags", ())
    random = not _RANDOM.isdisjoint(flags if isinstance(flags, list | tuple) else [flags])
    try:
        return _address(body), ChosenPort(ports, random) if ports is not None or random else 0
    except _NotKnown:
        return UNKNOWN


def _address(body: Mapping[str, object]) -> object:
    """Return the address of a translation's target, None if it has none."""
    match body.get("addr"):
        case None:
            return None
        case str(text):
            return _parsed(ip_address, text)
    raise _NotKnown
