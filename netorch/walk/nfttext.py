"""A listing of nftables, as nft(8) prints it, to chains. A word that is not understood makes its rule one of which nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from netorch.walk.filters import Chain, Clause, Rule

_TOKEN = re.compile(r'"[^"]*"|[{},]|[^\s{},]+')
_COMMENT = re.compile(r"\s*#(?: handle| Warning).*$")
_HOOK = re.compile(r"type (\S+) hook (\S+)(?: devices? .*?)? priority ([^;]+);(?: policy (\S+);)?")
_NAMED = {
    "raw": -300,
    "mangle": -150,
    "dstnat": -100,
    "filter": 0,
    "security": 50,
    "srcnat": 100,
    "out": 100,
}
_BLOCKS = (
    "chain ",
    "set ",
    "map ",
    "flowtable ",
    "counter ",
    "quota ",
    "limit ",
    "ct ",
    "secmark ",
    "synproxy ",
)
_ENDS = frozenset(("accept", "drop", "return", "continue", "reject", "masquerade", "queue"))
_FIELDS = {
    ("meta", "iifname"): "iif",
    ("meta", "iif"): "iif",
    ("meta", "oifname"): "oif",
    ("meta", "oif"): "oif",
    ("meta", "l4proto"): "proto",
    ("meta", "nfproto"): "version",
    ("meta", "mark"): "mark",
    ("ip", "saddr"): "saddr",
    ("ip6", "saddr"): "saddr",
    ("ip", "daddr"): "daddr",
    ("ip6", "daddr"): "daddr",
    ("ip", "protocol"): "proto",
    ("ip6", "nexthdr"): "proto",
    ("tcp", "dport"): "dport",
    ("tcp", "sport"): "sport",
    ("udp", "dport"): "dport",
    ("udp", "sport"): "sport",
    ("sctp", "dport"): "dport",
    ("sctp", "sport"): "sport",
    ("th", "dport"): "dport",
    ("th", "sport"): "sport",
    ("icmp", "type"): "icmp",
    ("icmpv6", "type"): "icmp",
    ("ct", "state"): "state",
}
_PORTS = frozenset(("tcp", "udp", "sctp"))
_FAMILY_OF = {"ip": 4, "ip6": 6}
_VALUES = {"ipv4": 4, "ipv6": 6, "ipv6-icmp": "icmpv6", "nd-neighbor-solicit": "nd"}
_BEYOND = frozenset(("set", "&", "|", "^", ".", "map", "<", ">", "<=", ">="))
_SERVICES = {"ssh": 22, "domain": 53, "http": 80, "https": 443}

Sets = Mapping[str, tuple[object, ...]]


def chains(text: str) -> tuple[Chain, ...]:
    """All chains of a listing of one or more tables."""
    found: list[Chain] = []
    for family, table, lines in _tables(text):
        blocks = list(_blocks(lines))
        sets = {
            head.split()[1]: _elements(body) for head, body in blocks if head.startswith("set ")
        }
        found += [
            _chain(family, table, head.split()[1], body, sets)
            for head, body in blocks
            if head.startswith("chain ")
        ]
    return tuple(found)


def _tables(text: str) -> Iterator[tuple[str, str, list[str]]]:
    family = table = ""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("table ") and line.rstrip().partition(" #")[0].endswith("{"):
            _, family, table = line.split()[:3]
            lines = []
        elif line.startswith("}"):
            yield family, table, lines
        elif table:
            lines.append(_COMMENT.sub("", line).strip())


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """What a block is, and its statements; one that goes over several lines is one."""
    head, depth, statement = "", 0, ""
    body: list[str] = []
    for line in lines:
        if depth == 0:
            if line.endswith("{") and line.startswith(_BLOCKS):
                head, body, depth = line.removesuffix("{").strip(), [], 1
            continue
        bare = re.sub(r'"[^"]*"', "", line)
        if depth == 1 and line == "}":
            yield head, body
            depth = 0
            continue
        depth += bare.count("{") - bare.count("}")
        statement = f"{statement} {line}".strip()
        if depth <= 1:
            body.append(statement)
            statement, depth = "", 1


def _elements(body: list[str]) -> tuple[object, ...]:
    for statement in body:
        if statement.startswith("elements"):
            return _Words(statement.partition("=")[2], {}).values("")
    return ()


def _chain(family: str, table: str, name: str, body: list[str], sets: Sets) -> Chain:
    hook = kind = ""
    priority, policy = 0, "accept"
    rules: list[Rule] = []
    for statement in body:
        if (base := _HOOK.match(statement)) is not None:
            kind, hook, priority, policy = base[1], base[2], _priority(base[3]), base[4] or "accept"
        elif statement and not statement.startswith("comment "):
            rules.append(rule(statement, sets))
    return Chain(
        family=family,
        table=table,
        name=name,
        hook=hook,
        kind=kind or "filter",
        priority=priority,
        policy=policy,
        rules=tuple(rules),
    )


def _priority(text: str) -> int:
    name, sign, number = text.partition(" + ") if " + " in text else text.partition(" - ")
    base = _NAMED.get(name.strip())
    if base is None:
        return int(name) if re.fullmatch(r"-?\d+", name.strip()) else 0
    return base + (int(number) if sign == " + " else -int(number) if sign else 0)


def rule(text: str, sets: Sets | None = None) -> Rule:
    """One rule as nft prints it, without its handle."""
    return _Words(text, sets or {}).rule()


@dataclass(slots=True)
class _Words:
    """The words of a rule, read from left to right."""

    text: str
    sets: Sets
    words: list[str] = field(init=False)
    place: int = 0

    def __post_init__(self) -> None:
        self.words = _TOKEN.findall(self.text)

    def peek(self, ahead: int = 0) -> str:
        return self.words[self.place + ahead] if self.place + ahead < len(self.words) else ""

    def take(self) -> str:
        word = self.peek()
        self.place += 1
        return word

    def rule(self) -> Rule:
        # of fields that are compared together nothing is known
        clauses: list[Clause] = [Clause("?")] if "." in self.words else []
        while word := self.peek():
            if word in _ENDS:
                self.take()
                if word == "queue":
                    return Rule(tuple(clauses), "?", text=self.text)
                return Rule(tuple(clauses), "" if word == "continue" else word, text=self.text)
            if word in {"jump", "goto"}:
                self.take()
                return Rule(tuple(clauses), word, self.take(), self.text)
            if word in {"dnat", "snat", "redirect"}:
                return Rule(tuple(clauses), self.take(), self._target(), self.text)
            if word == "counter":
                self._counter()
            elif word == "comment":
                self.place += 2
            elif word == "log":
                self._log()
            elif (cases := self._clauses(clauses)) is not None:
                return Rule(tuple(clauses), "", text=self.text, cases=cases)
        return Rule(tuple(clauses), "", text=self.text)

    def _counter(self) -> None:
        self.take()
        if self.peek() == "packets":
            self.place += 4
        elif self.peek() == "name":
            self.place += 2

    def _log(self) -> None:
        self.take()
        while self.peek() in {"prefix", "level", "group", "flags", "snaplen", "queue-threshold"}:
            self.place += 2

    def _clauses(self, clauses: list[Clause]) -> tuple[tuple[Clause, str, object], ...] | None:
        """One match, put to the others; of a verdict map its cases."""
        word = self.take()
        if word in {"iifname", "oifname", "iif", "oif"}:
            head = ("meta", word)
        elif word == "mark":
            head = ("meta", "mark")
        else:
            head = (word, self.peek())
        if head == ("ct", "status"):
            self.take()
            clauses.append(self._status())
        elif head == ("fib", "daddr"):
            self.place += 1
            if self.take() == "type":
                negated = self._operator()
                known = self.peek() == "local"
                self.take()
                clauses.append(Clause("local", (True,), negated) if known else Clause("?"))
            else:
                clauses.append(Clause("?"))
        elif head in _FIELDS and "." not in self.words:
            if head[0] == word:
                self.take()
            if word in _PORTS:
                clauses.append(Clause("proto", (word,)))
            if word in {"icmp", "icmpv6"}:
                clauses.append(Clause("proto", (word,)))
            if word in _FAMILY_OF:
                clauses.append(Clause("version", (_FAMILY_OF[word],)))
            if self.peek() == "vmap":
                self.take()
                return self._cases(_FIELDS[head])
            if self.peek() in _BEYOND or (self._set_ahead() not in {"", *self.sets}):
                self._skip(clauses)
            else:
                negated = self._operator()
                clauses.append(Clause(_FIELDS[head], self.values(_FIELDS[head]), negated))
        else:
            self._skip(clauses)
        return None

    def _skip(self, clauses: list[Clause]) -> None:
        """What nobody here understands, up to a word that is known again."""
        if not clauses or clauses[-1].field != "?":
            clauses.append(Clause("?"))
        if self.peek() == "{":
            self._braced()

    def _set_ahead(self) -> str:
        word = self.peek(1) if self.peek() in {"!=", "=="} else self.peek()
        return word.removeprefix("@") if word.startswith("@") else ""

    def _status(self) -> Clause:
        if self.peek() == "&":
            found = " ".join(self.words[self.place : self.place + 4])
            if found in {"& dnat == 0", "& dnat != 0", "& dnat == dnat"}:
                self.place += 4
                return Clause("translated", (True,), negated=found == "& dnat == 0")
            return Clause("?")
        negated = self._operator()
        return (
            Clause("translated", (True,), negated)
            if self.take() == "dnat" and self.peek() != ","
            else Clause("?")
        )

    def _operator(self) -> bool:
        if self.peek() in {"!=", "=="}:
            return self.take() == "!="
        return False

    def values(self, name: str) -> tuple[object, ...]:
        """One value, a list of them, those in braces, or those of a set."""
        if self.peek() == "{":
            words = [word for word in self._braced() if word not in {",", ""}]
        elif self.peek().startswith("@"):
            return self.sets.get(self.take()[1:], ())
        else:
            words = [self.take()]
            while self.peek() == ",":
                self.take()
                words.append(self.take())
        return tuple(_value(word, name) for word in words)

    def _braced(self) -> list[str]:
        self.take()
        found: list[str] = []
        depth = 1
        while depth and self.peek():
            word = self.take()
            depth += (word == "{") - (word == "}")
            found.append(word)
        return found[:-1]

    def _cases(self, name: str) -> tuple[tuple[Clause, str, object], ...] | None:
        if self.peek() != "{":
            return ((Clause(name, negated=True), "?", None),)
        found: list[tuple[Clause, str, object]] = []
        for entry in " ".join(self._braced()).split(","):
            key, _, act = entry.partition(" : ")
            verdict, _, target = act.strip().partition(" ")
            if key.strip() and verdict:
                values = () if key.strip() == "*" else (_value(key.strip(), name),)
                found.append((Clause(name, values, negated=not values), verdict, target or None))
        return tuple(found)

    def _target(self) -> object:
        """Address and port of a translation: (None, 0) is this namespace itself; "?" for what is not one address."""
        if self.peek() in {"ip", "ip6"}:
            self.take()
        if self.peek() != "to":
            return (None, 0)
        self.take()
        word = self.take()
        if self.peek() == ":":
            # `192.0.2.1 : tcp dport map { 1 : 2 }`
            self.place += 4
            pairs = " ".join(self._braced()).split(",") if self.peek() == "{" else []
            ports = [tuple(map(str.strip, pair.split(":"))) for pair in pairs]
            known = (
                _is_address(word)
                and ports
                and all(len(pair) == 2 and "".join(pair).isdigit() for pair in ports)
            )
            return (
                (ip_address(word), tuple((int(old), int(new)) for old, new in ports))
                if known
                else "?"
            )
        return _place(word)


def _place(word: str) -> object:
    if word.startswith(":") and word[1:].isdigit():
        return (None, int(word[1:]))
    if word.startswith("["):
        address, _, port = word[1:].partition("]")
    elif word.count(":") == 1:
        address, _, port = word.partition(":")
    else:
        address, port = word, ""
    port = port.removeprefix(":")
    if not _is_address(address) or (port and not port.isdigit()):
        return "?"
    return (ip_address(address), int(port or 0))


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def _value(word: str, name: str) -> object:
    """A value as packets are compared with it."""
    if word.startswith('"'):
        return word.strip('"')
    if name == "proto" and word.isdigit():
        return {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}.get(int(word), word)
    if word in _VALUES:
        return _VALUES[word]
    if name in {"", "saddr", "daddr"}:
        first, dash, last = word.partition("-")
        try:
            return (ip_address(first), ip_address(last)) if dash else ip_network(word, strict=False)
        except ValueError:
            pass
    if name in {"", "sport", "dport", "mark"}:
        first, dash, last = word.partition("-")
        if dash and first.isdigit() and last.isdigit():
            return (int(first), int(last))
        try:
            return int(word, 0) if name == "mark" else _SERVICES.get(word) or int(word)
        except ValueError:
            pass
    return word
