"""The chains and rules of a kernel, whoever made them, in terms of both nftables and iptables.

If a condition or a verdict is not understood, it is "?", so that it is never taken for a fact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from netorch.immutable import Value

UNKNOWN = "?"
MANY = 16
"""From so many values on, an index of them is worth its cost."""
_COMMENT = re.compile(r'(?<=comment )(?!--comment |"?netorch:)(?:"[^"]*"|\S+)')


class ValueIndex:
    """Finds those of many expected values that a packet's value may meet."""

    def __init__(self, values: Iterable[object]) -> None:
        self._exact: dict[object, list[int]] = {}
        self._networks: dict[tuple[int, int], dict[int, list[int]]] = {}
        self._others: list[int] = []
        for place, value in enumerate(values):
            match value:
                case IPv4Network() | IPv6Network():
                    shift = value.max_prefixlen - value.prefixlen
                    here = self._networks.setdefault((value.version, shift), {})
                    number = int(value.network_address) >> shift
                    here.setdefault(number, []).append(place)
                case (str(), str()) | int():
                    self._exact.setdefault(value, []).append(place)
                case str() if not value.endswith("*"):
                    self._exact.setdefault(value, []).append(place)
                case _:
                    self._others.append(place)

    def candidates(self, value: object) -> Iterator[int]:
        """Yield the places of the values that may match, in no certain order."""
        match value:
            case IPv4Address() | IPv6Address():
                number = int(value)
                for (version, shift), places in self._networks.items():
                    if version == value.version:
                        yield from places.get(number >> shift, ())
            case str() | int() | (str(), str()):
                yield from self._exact.get(value, ())
        yield from self._others


class Clause(Value, dict=True):
    """One condition of a rule: a field of the packet has one of the values."""

    field: str
    """The name of the field. "?" is a condition that is not understood."""
    values: tuple[object, ...] = ()
    """Names, networks, numbers or ranges (first, last)."""
    negated: bool = False
    """Whether the field must have none of the values."""

    def candidates(self, value: object) -> Iterable[object]:
        """Return those of the values that a packet's value may match."""
        if len(self.values) < MANY:
            return self.values
        return (self.values[place] for place in self._index.candidates(value))

    @cached_property
    def _index(self) -> ValueIndex:
        return ValueIndex(self.values)


class ChosenPort(Value):
    """A port that the kernel chooses for a translated source."""

    ports: tuple[int, int] | None = None
    """The first and the last port of which it chooses one; None for any."""
    random: bool = False
    """Whether it chooses at random, even where the packet's own port is free."""


class ListedRule(Value, dict=True):
    """One rule of a chain."""

    clauses: tuple[Clause, ...]
    """The conditions, all of which a packet has to meet."""
    verdict: str
    """accept, drop, reject, return, jump, goto, masquerade, snat, dnat, redirect, "" (the packet
    continues with the next rule), or "?".
    """
    target: object = None
    """The name of a chain, or an address and a port. The address None and the port 0 mean that it
    stays unchanged. Instead of a port there may be pairs of ports: each one and its translation; or
    a ChosenPort for a source.
    """
    text: str = ""
    """The rule in the syntax of its own tool."""
    cases: tuple[ListedRule, ...] = ()
    """The entries of a verdict map or of a map of targets, which replace `verdict`. Each of them
    has one condition for each field of the map's key; the first entry that a packet meets counts.
    """
    mark: tuple[int, int] | str | None = None
    """The change of the packet's mark, independent of the verdict.

    (value, mask) clears the bits of the mask and then inverts those of the value. "?" stands for an
    unknown change, None for no change.
    """

    def cases_for(self, value: Callable[[str], object]) -> Iterable[ListedRule]:
        """Return the cases that a packet may meet, in order.

        `value` returns the packet's value of a field.
        """
        if len(self.cases) < MANY or self._case_index is None:
            return self.cases
        field, index = self._case_index
        return (self.cases[place] for place in sorted(index.candidates(value(field))))

    @cached_property
    def _case_index(self) -> tuple[str, ValueIndex] | None:
        """The last field of the cases' key, and an index of its values."""
        keys = [case.clauses[-1] for case in self.cases]
        fields = {key.field for key in keys if not key.negated}
        if len(fields) != 1 or UNKNOWN in fields:
            return None
        # the default has no value, so it is always a candidate
        values = (key.values[0] if len(key.values) == 1 else None for key in keys)
        return fields.pop(), ValueIndex(values)

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
    active: bool = True
    """Whether packets pass it: not if its table is dormant."""

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
