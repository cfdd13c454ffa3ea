"""Commands of ip-nexthop(8), whose objects become next hops of routes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from netorch.importers.draft import SourceLine
from netorch.importers.shell_lines.arguments import Arguments, NotCarriedError, full_word, names
from netorch.importers.shell_lines.ip_route import HOP_WORDS, hop_word, object_keys
from netorch.importers.shell_lines.node import Node

_ACTS = names("add change replace delete flush list show get")
_SKIP = frozenset(("proto", "protocol", "type"))


def nexthop(node: Node, words: Arguments, version: int) -> None:
    act = full_word(words.take(), (*_ACTS, "help", "bucket")) if words else "list"
    if act in ("add", "change", "replace"):
        number, entry = _object(node, words)
        if act == "add" and number in node.nexthops:
            raise NotCarriedError("Linux refuses it, because the object exists", matters=False)
        node.nexthops[number] = entry
    elif act == "delete":
        number, _ = _object(node, words)
        node.nexthops.pop(number, None)
        # Linux removes the routes that use the object
        gone = {id(route) for used, route in node.nexthop_users if used == number}
        node.routes = [route for route in node.routes if id(route) not in gone]
    elif act == "flush":
        raise NotCarriedError("netorch does not read `ip nexthop flush`")


def _object(node: Node, words: Arguments) -> tuple[int, dict[str, Any]]:
    """Return the number of an object, and the keys that a route gets from it."""
    number = 0
    used: list[int] = []
    entry: dict[str, Any] = {}
    while words:
        word = words.take()
        if word == "id":
            number = words.number()
        elif word in HOP_WORDS:
            hop_word(node, entry, word, words)
        elif word == "blackhole":
            entry["type"] = word
        elif word == "group":
            members = words.take("group").split("/")
            entry["nexthops"] = [_member(node, one) for one in members]
            used = [int(one.partition(",")[0]) for one in members]
        elif word in _SKIP:
            words.take(word)
        else:
            raise NotCarriedError(f"a topology has no word for `{word}` of a next hop object")
    if not number:
        raise NotCarriedError("netorch reads next hop objects with an `id` only")
    node.nexthop_members[number] = used
    return number, entry


def lose_unused(node: Node) -> None:
    """Record the next hop objects that no route uses."""
    used = {number for number, _ in node.nexthop_users}
    used |= {member for number in used for member in node.nexthop_members.get(number, ())}
    for number in node.nexthops.keys() - used:
        source = next(
            (one for one in reversed(node.lines) if ("id", str(number)) in pairwise(one.words)),
            SourceLine((), f"ip nexthop add id {number}", ""),
        )
        node.lose(source.text, "no route uses the next hop object", source.where, matters=False)


def _member(node: Node, text: str) -> dict[str, Any]:
    number, _, weight = text.partition(",")
    member = dict(object_keys(node, Arguments([number]).number()))
    if "type" in member or "nexthops" in member:
        raise NotCarriedError("a route has no next hops of this kind")
    if weight and Arguments([weight]).number() != 1:
        member["weight"] = int(weight)
    return member
