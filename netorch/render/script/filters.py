"""Writes packet filters as commands of nft(8) and iptables(8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote

from netorch.firewall.shell import ShellCommand
from netorch.firewall.syntax import syntax_of
from netorch.render.script.context import Commands, Context, with_stdin
from netorch.values.requests import FilterDel, FilterSet, ForwardAcceptAdd, ForwardAcceptDel


def filter_set(request: FilterSet, context: Context) -> Commands:
    made = syntax_of(request.backend).commands_to_replace(
        request.topology, request.rules, request.text, request.before
    )
    return [_inside(command, request.netns, context) for command in made]


def filter_del(request: FilterDel, context: Context) -> Commands:
    made = syntax_of(request.backend).commands_to_delete(request.topology, request.before)
    return [_inside(command, request.netns, context) for command in made]


def _inside(command: ShellCommand, netns: str, context: Context) -> str:
    line = context.inside(command.line, netns)
    return with_stdin(line, command.stdin) if command.stdin else line


def forward_accept_add(request: ForwardAcceptAdd, context: Context) -> Commands:
    """Append accepts to the chain FORWARD.

    netorch itself puts them before a rule at the end of the chain that drops.
    """
    comment = f"-m comment --comment {quote(f'netorch:{request.topology}')}"
    return [
        context.inside(
            f"{_program(rule.version)}-{rule.flavour} -A FORWARD "
            f"{''.join(_interfaces(rule.iif, rule.oif))}{comment} -j ACCEPT",
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


def _interfaces(iif: str, oif: str) -> Iterator[str]:
    return (f"-{letter} {quote(name)} " for letter, name in (("i", iif), ("o", oif)) if name)
