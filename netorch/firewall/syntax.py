"""The words of each packet filter: what can be said of it without asking a kernel. A new backend
has one entry here.

`netorch/kernel/firewall/filters.py` has the table of those who speak to the kernel.
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
    """The words of one backend. `text` is always a topology's own filter, as its backend lists it.
    Modules implement it.
    """

    MODULE: str
    """The kernel module."""

    CONFIG: str
    """The option that a kernel is built with."""

    def lines_of(self, text: str) -> Sequence[str]:
        """The filter line by line, one for each rule; without its marks."""

    def count_of(self, text: str) -> int:
        """The number of rules, which is the same before and after a kernel has listed them."""

    def is_marked(self, topology: str, text: str) -> bool:
        """Whether the filter carries the topology's mark wherever it has room for it."""

    def translations_of(self, text: str) -> frozenset[str]:
        """The lines that translate addresses."""

    def commands_to_replace(
        self, topology: str, rules: Ruleset, text: str, before: str
    ) -> Sequence[ShellCommand]:
        """Commands that put the rules, or without them `text`, in the place of `before`, which is
        "" where nothing is.
        """

    def commands_to_delete(self, topology: str, before: str) -> Sequence[ShellCommand]:
        """Commands that remove the filter."""

    def chains_of(self, listing: FilterListing) -> tuple[ListedChain, ...]:
        """All chains of a namespace, whoever made them. ValueError for a listing that is not
        understood.
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
"""Backend → what loads its words; the preferred one first."""

AUTO = "auto"
PREFERRED = next(iter(SYNTAXES))


@cache
def syntax_of(backend: str) -> FilterSyntax:
    """The words of a backend; those of the preferred one for `auto`, since only a kernel can tell
    which it is.
    """
    return SYNTAXES[PREFERRED if backend == AUTO else backend]()
