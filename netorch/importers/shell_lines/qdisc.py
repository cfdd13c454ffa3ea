"""Commands of tc(8)."""

from __future__ import annotations

import re

from netorch.importers.shell_lines.arguments import (
    Arguments,
    NotCarriedError,
    full_word,
    names,
    without_words,
)
from netorch.importers.shell_lines.node import Node

_OBJECTS = names("qdisc class filter chain actions monitor exec")
_ACTS = names("add change replace link delete show list")
_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z%]*)")
_TIMES = {"": "us", "us": "us", "usec": "us", "usecs": "us", "ms": "ms", "msec": "ms"}
_TIMES |= {"msecs": "ms", "s": "s", "sec": "s", "secs": "s", "ns": "ns", "nsec": "ns"}
_SIZES = {"": "", "b": "", "k": "k", "kb": "k", "m": "m", "mb": "m", "g": "g", "gb": "g"}
_SIZES |= {"kbit": "kbit", "mbit": "mbit", "gbit": "gbit"}
_SHARES = frozenset(("loss", "drop", "duplicate", "corrupt", "reorder"))


def tc(node: Node, words: Arguments) -> None:
    while words.peek().startswith("-"):
        if words.take() in ("-n", "-netns", "-b", "-batch"):
            raise NotCarriedError("netorch reads the lines of one node")
    name = full_word(words.take("object"), _OBJECTS)
    act = full_word(words.take(), _ACTS) if words else "show"
    if act in ("show", "list") or name == "monitor":
        return
    if name != "qdisc":
        raise NotCarriedError(
            f"a topology has no word for a {name or 'command'} of tc", matters=name == "filter"
        )
    _qdisc(node, words, act)


def _qdisc(node: Node, words: Arguments, act: str) -> None:
    device, kind, is_root = "", "", False
    while words and not kind:
        word = words.take()
        if word == "dev":
            device = words.take("interface")
        elif word == "root":
            is_root = True
        elif word in ("handle", "parent"):
            words.take(word)
        else:
            kind = word
    interface = node.interface(device)
    if act == "delete":
        interface.settings.pop("impair", None)
    elif not is_root or kind not in ("netem", "tbf"):
        raise NotCarriedError("`impair` is netem or tbf at the root of an interface", matters=False)
    else:
        impair, lost = _netem(words) if kind == "netem" else _tbf(words)
        old = interface.settings.get("impair", {}) if act == "change" else {}
        interface.settings["impair"] = old | impair
        if lost:
            raise without_words("tc", lost)


def _netem(words: Arguments) -> tuple[dict[str, str | int], list[str]]:
    impair: dict[str, str | int] = {}
    lost: list[str] = []
    while words:
        word = words.take()
        if word in ("delay", "latency"):
            impair["delay"] = _time(words.take("time"))
            if _is_number(words.peek()):
                impair["jitter"] = _time(words.take("time"))
            if words.peek().endswith("%"):
                lost += ["correlation", words.take()]
        elif word in _SHARES:
            words.take_if("random")
            impair["loss" if word == "drop" else word] = _percent(words.take("percentage"))
            if words.peek().endswith("%"):
                lost += ["correlation", words.take()]
        elif word == "rate":
            impair["rate"] = _rate(words.take("rate"))
        elif word == "limit":
            impair["limit"] = words.number()
        else:
            lost += [word, *words.rest()]
    return impair, lost


def _tbf(words: Arguments) -> tuple[dict[str, str | int], list[str]]:
    impair: dict[str, str | int] = {}
    lost: list[str] = []
    while words:
        word = words.take()
        if word == "rate":
            impair["rate"] = _rate(words.take("rate"))
        elif word in ("burst", "buffer", "maxburst"):
            impair["burst"] = _size(words.take("size"))
        elif word == "latency":
            impair["latency"] = _time(words.take("time"))
        else:
            lost += [word, words.take(word)]
    if "limit" in lost:
        # A limit in bytes is a latency with the burst, so netorch chooses both.
        lost += ["burst", str(impair.pop("burst", ""))]
    return impair, lost


def _size(word: str) -> str:
    number, unit = _split(word.partition("/")[0])
    unit = unit.lower()
    if unit not in _SIZES:
        raise NotCarriedError(f"`{word}` is not a size", matters=False)
    return f"{number}{_SIZES[unit]}"


def _is_number(word: str) -> bool:
    match = _NUMBER.fullmatch(word)
    return match is not None and match[2] in _TIMES


def _split(word: str) -> tuple[str, str]:
    match = _NUMBER.fullmatch(word)
    if match is None:
        raise NotCarriedError(f"`{word}` is not a number with a unit", matters=False)
    return match[1].rstrip(".") if "." in match[1] else match[1], match[2]


def _time(word: str) -> str:
    number, unit = _split(word)
    if unit.lower() not in _TIMES:
        raise NotCarriedError(f"`{word}` is not a time", matters=False)
    return f"{number}{_TIMES[unit.lower()]}"


def _percent(word: str) -> str:
    number, unit = _split(word)
    if unit == "%":
        return f"{number}%"
    raise NotCarriedError(f"`{word}` is not a percentage", matters=False)


def _rate(word: str) -> str:
    number, unit = _split(word)
    return f"{number}{unit.lower() or 'bit'}"
