"""The words after `encap` in commands of ip-route(8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netorch.importers.shell_lines.arguments import Arguments, NotCarriedError
from netorch.netlink.encap import ACTIONS, FLAGS, MODES
from netorch.topology.encaps import EncapModel

_TUNNEL_WORDS = {
    "ip": ("id", "dst", "src", "ttl", "tos"),
    "ip6": ("id", "dst", "src", "hoplimit", "tc"),
}
_NUMBERS = frozenset(("id", "ttl", "tos", "hoplimit", "tc"))


def encap(words: Arguments, table_of: Callable[[str], int]) -> dict[str, Any]:
    """Read an encapsulation, and return it as the `encap` of a route.

    `table_of` returns the number of a routing table. Raise NotCarriedError for what a file cannot
    say, and for what Linux refuses.
    """
    kind = words.take("kind of encapsulation")
    if kind == "mpls":
        entry = {"mpls": _mpls(words)}
    elif kind == "seg6":
        entry = {"seg6": _seg6(words)}
    elif kind == "seg6local":
        entry = {"seg6local": _seg6local(words, table_of)}
    elif kind in _TUNNEL_WORDS:
        entry = {kind: _tunnel(words, kind)}
    else:
        raise NotCarriedError(f"a topology has no word for `encap {kind}` of a route")
    try:
        EncapModel.model_validate(entry)
    except ValueError as error:
        from netorch.language.validation import errors_of

        why = errors_of(error)[0]["msg"]
        raise NotCarriedError(f"Linux refuses its `encap {kind}`: {why}") from None
    return entry


def _mpls(words: Arguments) -> Any:
    labels = [_number(label) for label in words.take("label").split("/")]
    return {"labels": labels, "ttl": words.number()} if words.take_if("ttl") else labels


def _number(word: str) -> int:
    return Arguments([word]).number()


def _seg6(words: Arguments) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    while words.peek() in ("mode", "segs", "hmac", "cleanup"):
        word = words.take()
        if word == "mode":
            mode = words.take("mode")
            if mode not in MODES:
                raise NotCarriedError(f"a topology has no word for the mode `{mode}` of `seg6`")
            entry["mode"] = mode
        elif word == "segs":
            entry["segments"] = _segments(words)
        else:
            raise NotCarriedError(f"a topology has no word for `{word}` of `encap seg6`")
    if entry.get("mode") == "encap":
        del entry["mode"]
    return entry


def _segments(words: Arguments) -> list[str]:
    return words.take("segment").split(",")


def _seg6local(words: Arguments, table_of: Callable[[str], int]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    while words.peek() in ("action", *_LOCAL_WORDS):
        word = words.take()
        if word == "action":
            action = words.take("action")
            if action not in ACTIONS:
                raise NotCarriedError(f"a topology has no word for the action `{action}`")
            entry["action"] = action
        elif word in ("table", "vrftable"):
            entry[word] = table_of(words.take("table"))
        elif word == "srh":
            if not words.take_if("segs"):
                raise NotCarriedError("the command is not complete: `segs` is missing")
            entry["segments"] = _segments(words)
        elif word in ("nh4", "nh6", "oif"):
            entry[word] = words.take(word)
        elif word != "count":
            raise NotCarriedError(f"a topology has no word for `{word}` of `encap seg6local`")
    return entry


_LOCAL_WORDS = (
    *("nh4", "nh6", "table", "vrftable", "oif", "iif", "srh", "count", "flavors", "endpoint"),
)


def _tunnel(words: Arguments, kind: str) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    known = _TUNNEL_WORDS[kind]
    while words.peek() in (*known, *FLAGS, "geneve_opts", "vxlan_opts", "erspan_opts"):
        word = words.take()
        if word in FLAGS:
            entry[word] = True
        elif word not in known:
            raise NotCarriedError(f"a topology has no word for `{word}` of `encap {kind}`")
        elif word in _NUMBERS:
            entry[word] = words.number()
        else:
            entry[word] = words.take("address")
    return entry
