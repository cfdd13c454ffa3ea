"""The syntax of each backend, as far as it needs no kernel. A new backend gets one entry here.

`netorch/kernel/firewall/filters.py` has the table of the parts that talk to the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from netorch.firewall.chains import ListedChain
    from netorch.firewall.shell import ShellCommand
    from netorch.values.filter_rules import Ruleset
    from netorch.values.snapshot import FilterListing


class FilterSyntax(Protocol):
    """The syntax of one backend, which is implemented by a module.

    `text` is always a topology's own filter in the form in which its backend lists it.
    """

    MODULE: str
    """The kernel module."""

    CONFIG: str
    """The option with which the kernel is built."""

    def text_of_rules(self, topology: str, rules: Ruleset) -> str:
        """Return the rules as text, before a kernel has listed them.

        Raises ValueError if the backend cannot express them.
        """

    def lines_of(self, text: str) -> Sequence[str]:
        """Return the filter's lines, one for each rule and element, without the marks."""

    def count_of(self, text: str) -> int:
        """Return the number of rules, of which each element of a set or map counts as one.

        It is the same before and after a kernel has listed them.
        """

    def is_marked(self, topology: str, text: str) -> bool:
        """Return whether all parts of the filter that can have the topology's mark have it."""

    def released(self, topology: str, text: str) -> str:
        """Return the text of a filter that the topology has given up.

        An apply takes it over only if its file asks for a filter there. "" means that the backend
        cannot tell such a filter apart.
        """

    def is_released(self, topology: str, text: str) -> bool:
        """Return whether the topology has given up the filter."""

    def translations_of(self, text: str) -> frozenset[str]:
        """Return the lines that translate addresses."""

    def commands_to_replace(
        self, topology: str, rules: Ruleset, text: str, before: str
    ) -> Sequence[ShellCommand]:
        """Return commands that replace the filter `before` by the rules.

        If there are no rules, `text` replaces it. `before` is "" if there is no filter.
        """

    def commands_to_delete(self, topology: str, before: str) -> Sequence[ShellCommand]:
        """Return commands that remove the filter."""

    def chains_of(self, listing: FilterListing) -> tuple[ListedChain, ...]:
        """Return all chains of a namespace, whoever made them.

        Raises ValueError if the listing is not understood.
        """


def _nftables() -> FilterSyntax:
    from netorch.firewall import nftables

    return nftables


def _iptables() -> FilterSyntax:
    from netorch.firewall import iptables

    return iptables


SYNTAXES: Mapping[str, Callable[[], FilterSyntax]] = {
    "nftables": _nftables,
    "iptables": _iptables,
}
"""Backend → a function that loads its syntax. The preferred backend is first."""

AUTO = "auto"
PREFERRED = next(iter(SYNTAXES))


@cache
def syntax_of(backend: str) -> FilterSyntax:
    """Return the syntax of a backend.

    For `auto`, it is that of the preferred backend, because only a kernel can tell which one works.
    """
    return SYNTAXES[PREFERRED if backend == AUTO else backend]()
