"""The filter backend for iptables' legacy tables (`filters.FilterBackend`). A topology has its own
chains in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from netorch.errors import NetorchError, Problem
from netorch.firewall.chains import ListedChain
from netorch.kernel.firewall import legacy_tables
from netorch.kernel.firewall.own_filter import OwnFilter
from netorch.values.filter_rules import Ruleset
from netorch.values.snapshot import FilterListing

if TYPE_CHECKING:
    from netorch.firewall.iptables import Lines, TableKey


def refusal() -> str | None:
    from netorch.kernel.firewall import xtables

    return xtables.available()


def is_loaded() -> bool:
    # A kernel that supports the tables has these files in each namespace, even if it has no tables
    # yet.
    return any(os.path.exists(path) for path in legacy_tables.NAMES)


def read(topology: str, recorded: str | None) -> OwnFilter:
    if not legacy_tables.exist():
        return OwnFilter()
    from netorch.firewall import iptables
    from netorch.kernel.firewall import xtables

    if xtables.available() is not None:
        return OwnFilter()

    def is_claimed(key: TableKey, chain: str, empty: bool) -> bool:
        # An empty chain counts as well, because flushing a table removes netorch's marks and leaves
        # its chains.
        return recorded == "" or (empty and recorded == "iptables")

    names = iptables.ChainNames(topology)
    tables = xtables.read(names.mark, names.chains, is_claimed)
    foreign = iptables.text_of({key: foreign_lines for key, (_, foreign_lines) in tables.items()})
    return OwnFilter(
        iptables.text_of({key: lines for key, (lines, _) in tables.items()}),
        tuple(foreign.splitlines()),
    )


def text_of(topology: str, rules: Ruleset, enter_new_namespace: Callable[[], None]) -> str:
    from netorch.firewall import iptables

    return iptables.text_of(iptables.lines(topology, rules))


def replace(topology: str, rules: Ruleset, text: str, before: str) -> None:
    from netorch.firewall import iptables

    desired = iptables.lines(topology, rules) if rules else iptables.tables_of(text)
    _replace(topology, desired, before)


def delete(topology: str, before: str) -> None:
    _replace(topology, {}, before)


def _replace(topology: str, desired: Mapping[TableKey, Lines], before: str) -> None:
    from netorch.firewall import iptables
    from netorch.kernel.firewall import xtables

    names, known = iptables.ChainNames(topology), iptables.tables_of(before)

    def is_claimed(key: TableKey, chain: str, empty: bool) -> bool:
        return f"-N {chain}" in known.get(key, ())

    xtables.replace(names.mark, names.chains, desired, is_claimed)


def chains_of(
    topology: str, text: str, enter_new_namespace: Callable[[], None]
) -> tuple[ListedChain, ...]:
    from netorch.firewall import iptables

    return iptables.own_chains(text)


def list_all() -> FilterListing | None:
    if not legacy_tables.exist():
        return None
    from netorch.firewall import iptables
    from netorch.kernel.firewall import xtables

    try:
        return FilterListing(iptables.text_of(xtables.read_all()))
    except NetorchError as error:
        what = f"iptables-legacy has rules that netorch cannot read and that may drop it: {error}"
        raise NetorchError(Problem("iptables-refused", what)) from error
