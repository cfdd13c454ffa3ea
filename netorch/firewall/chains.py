"""The chains and rules of a kernel, whoever made them, in terms of both nftables and iptables.

If a condition or a verdict is not understood, it is "?", so that it is never taken for a fact.
"""

from __future__ import annotations

import re

from netorch.immutable import Value

UNKNOWN = "?"
_COMMENT = re.compile(r'(?<=comment )(?!--comment |"?netorch:)(?:"[^"]*"|\S+)')


class Clause(Value):
    """One condition of a rule: a field of the packet has one of the values."""

    field: str
    """The name of the field. "?" is a condition that is not understood."""
    values: tuple[object, ...] = ()
    """Names, networks, numbers or ranges (first, last)."""
    negated: bool = False
    """Whether the field must have none of the values."""


Case = tuple[Clause, str, object]
"""One entry of a verdict map: the condition, the verdict and its target."""


class ListedRule(Value):
    """One rule of a chain."""

    clauses: tuple[Clause, ...]
    """The conditions, all of which a packet has to meet."""
    verdict: str
    """accept, drop, reject, return, jump, goto, masquerade, snat, dnat, redirect, "" (the packet
    continues with the next rule), or "?".
    """
    target: object = None
    """The name of a chain, or an address and a port. The address None and the port 0 mean that it
    stays unchanged. Instead of a port there may be pairs of ports: each one and its translation.
    """
    text: str = ""
    """The rule in the syntax of its own tool."""
    cases: tuple[Case, ...] = ()
    """The entries of a verdict map, which replaces `verdict`."""
    mark: tuple[int, int] | str | None = None
    """The change of the packet's mark, independent of the verdict.

    (value, mask) clears the bits of the mask and then inverts those of the value. "?" stands for an
    unknown change, None for no change.
    """

    @property
    def title(self) -> str:
        """The rule's comment, or its text if it has none."""
        comment = _COMMENT.search(self.text)
        return f"{comment[0]}" if comment is not None else f"`{self.text}`"


class ListedChain(Value):
    """A chain of nftables, or of iptables in terms of nftables."""

    family: str
    """The family: `ip`, `ip6`, `inet`, or another one, whose chains are ignored."""
    table: str
    name: str
    hook: str = ""
    """The hook of a base chain, "" for a chain that is reached only by jumps."""
    kind: str = "filter"
    """The type: `filter`, `nat` or `route`."""
    priority: int = 0
    policy: str = "accept"
    """The policy: `accept` or `drop`."""
    rules: tuple[ListedRule, ...] = ()
    tool: str = "nft"
    """The tool that manages the chain: `nft`, `iptables` or `ip6tables`."""

    @property
    def title(self) -> str:
        """The name of the chain for output."""
        return (
            f"{self.family} {self.table} {self.name}"
            if self.tool == "nft"
            else f"{self.table} {self.name}"
        )

    @property
    def group(self) -> tuple[str, str, str]:
        """A value that is equal for all chains to which the chain can jump."""
        return self.tool, self.family, self.table

    def sees(self, version: int) -> bool:
        """Return whether packets of an IP version pass the chain."""
        return self.family == "inet" or self.family == {4: "ip", 6: "ip6"}[version]
