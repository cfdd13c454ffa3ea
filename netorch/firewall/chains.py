"""The rules that a kernel has, whoever made them, in terms that nftables and iptables share: chains
as plain data.

What a reader does not understand becomes the field or the verdict "?", so that nobody takes it for
a fact.
"""

from __future__ import annotations

import re

from netorch.immutable import Value

UNKNOWN = "?"
_COMMENT = re.compile(r'(?<=comment )(?!--comment |"?netorch:)(?:"[^"]*"|\S+)')


class Clause(Value):
    """One condition of a rule: a field of the packet is (or, `negated`, is not) one of the values.

    Values are names, networks, numbers or ranges (first, last). Nobody knows whether the field "?"
    holds.
    """

    field: str
    values: tuple[object, ...] = ()
    negated: bool = False


Case = tuple[Clause, str, object]
"""Of a verdict map: the condition, the verdict, its target."""


class ListedRule(Value):
    """`verdict`: accept, drop, reject, return, jump, goto, masquerade, snat, dnat, redirect, ""
    (the packet goes on), or "?".

    `target`: a chain, or (address, port), where None and 0 mean that it stays, and pairs of ports
    mean that each goes to another one. `cases` replace the verdict: what each value of a field
    leads to. `text`: the rule in the words of its own tool.
    """

    clauses: tuple[Clause, ...]
    verdict: str
    target: object = None
    text: str = ""
    cases: tuple[Case, ...] = ()
    mark: tuple[int, int] | str | None = None
    """How it changes the packet's mark, whatever the verdict: (value, mask), by which the bits of
    the mask are cleared and those of the value inverted; "?" if that is not known, None if it
    leaves it alone.
    """

    @property
    def title(self) -> str:
        """The rule's comment, else its text."""
        comment = _COMMENT.search(self.text)
        return f"{comment[0]}" if comment is not None else f"`{self.text}`"


class ListedChain(Value):
    """A chain of nftables, or of iptables in the terms of nftables.

    `family`: ip, ip6, inet, or another, which nobody looks into. `hook`: "" for a chain that rules
    jump to. `kind`: filter, nat or route. `policy`: accept or drop. `tool`: nft, iptables or
    ip6tables.
    """

    family: str
    table: str
    name: str
    hook: str = ""
    kind: str = "filter"
    priority: int = 0
    policy: str = "accept"
    rules: tuple[ListedRule, ...] = ()
    tool: str = "nft"

    @property
    def title(self) -> str:
        return (
            f"{self.family} {self.table} {self.name}"
            if self.tool == "nft"
            else f"{self.table} {self.name}"
        )

    @property
    def group(self) -> tuple[str, str, str]:
        """What a chain shares with the chains that it can jump to."""
        return self.tool, self.family, self.table

    def sees(self, version: int) -> bool:
        return self.family == "inet" or self.family == {4: "ip", 6: "ip6"}[version]
