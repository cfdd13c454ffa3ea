"""Packet filters as nft(8) reads them and iptables(8) takes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from shlex import quote

from netorch.nat import iptables, nftables
from netorch.render.script.context import Commands, Context, here
from netorch.values.requests import FilterDel, FilterSet, ForwardAcceptAdd, ForwardAcceptDel

IPTABLES = "iptables"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def filter_set(request: FilterSet, context: Context) -> Commands:
    if request.backend == IPTABLES:
        made = (
            iptables.commands(iptables.lines(request.topology, request.rules))
            if request.rules
            else map(_typed, request.text.splitlines())
        )
        return [
            context.inside(_legacy(line), request.netns)
            for line in (*_undone(request.before), *made)
        ]
    table = nftables.table_name(request.topology)
    script = (
        nftables.script(table, request.rules)
        if request.rules
        else nftables.delete(table) + request.text
    )
    if not request.before:
        # where there is none, none has to make room
        script = script.removeprefix(nftables.delete(table))
    return [here(context.inside("nft -f -", request.netns), script)]


def filter_del(request: FilterDel, context: Context) -> Commands:
    if request.backend == IPTABLES:
        return [context.inside(_legacy(line), request.netns) for line in _undone(request.before)]
    return [
        context.inside(
            f"nft delete table inet {nftables.table_name(request.topology)}", request.netns
        )
    ]


def forward_accept_add(request: ForwardAcceptAdd, context: Context) -> Commands:
    """At the head of FORWARD; netorch takes DOCKER-USER, which Docker leaves alone, where there is one."""
    comment = f"-m comment --comment {quote(f'netorch:{request.topology}')}"
    return [
        context.inside(
            f"{_program(rule.version)}-{rule.flavour} -I FORWARD {''.join(_interfaces(rule.iif, rule.oif))}{comment} -j ACCEPT",
            request.netns,
        )
        for rule in request.rules
    ]


def forward_accept_del(request: ForwardAcceptDel, context: Context) -> Commands:
    pattern = quote(f"-[io] {re.escape(request.bridge)} .*netorch:{request.topology}")
    script = "{0} -S | grep -e {1} | sed s/^-A/-D/ | xargs -rL1 {0}"
    return [
        context.inside(f"sh -c {quote(script.format(_program(version), pattern))}", request.netns)
        for version in (4, 6)
    ]


def _program(version: int) -> str:
    return "iptables" if version == 4 else "ip6tables"


def _legacy(line: str) -> str:
    """The backend's tables are the legacy ones, whatever `iptables` alone means on the machine."""
    return line.replace("tables ", "tables-legacy ", 1)


def _interfaces(iif: str, oif: str) -> Iterator[str]:
    return (f"-{letter} {quote(name)} " for letter, name in (("i", iif), ("o", oif)) if name)


def _typed(line: str) -> str:
    """A line of what was read, with its quotes as a shell takes them."""
    return _QUOTED.sub(lambda quoted: quote(re.sub(r"\\(.)", r"\1", quoted[1])), line)


def _undone(text: str) -> Iterable[str]:
    """What takes back `iptables -t nat -N …` and its like: the jumps first, then the chains."""
    lines = text.splitlines()
    jumps = [
        re.sub(r" -I (\S+)( \d+)?", r" -D \1", line, count=1) for line in lines if " -I " in line
    ]
    chains = [line for line in lines if " -N " in line]
    return [
        *map(_typed, jumps),
        *(line.replace(" -N ", " -F ") for line in chains),
        *(line.replace(" -N ", " -X ") for line in chains),
    ]
