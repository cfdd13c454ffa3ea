"""iptables' legacy tables as a filter backend (`filters.FilterBackend`): a topology has chains of
its own in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from netorch.errors import NetorchError, Problem
from netorch.values.filter_rules import Ruleset
from netorch.values.snapshot import FilterListing

_TABLE_NAMES = ("/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names")


def refusal() -> str | None:
    from netorch.kernel.firewall import xtables

    return xtables.available()


def is_loaded() -> bool:
    # a kernel that has the tables at all lists them in each namespace, be the list empty
    return any(os.path.exists(path) for path in _TABLE_NAMES)


def read(topology: str) -> str:
    if not _has_tables():
        return ""
    from netorch.firewall import iptables
    from netorch.kernel.firewall import xtables

    names = iptables.ChainNames(topology)
    return (
        iptables.text_of(xtables.read(names.mark, names.chains))
        if xtables.available() is None
        else ""
    )


def text_of(topology: str, rules: Ruleset, enter_new_namespace: Callable[[], None]) -> str:
    from netorch.firewall import iptables

    return iptables.text_of(iptables.lines(topology, rules))


def replace(topology: str, rules: Ruleset, text: str) -> None:
    from netorch.firewall import iptables
    from netorch.kernel.firewall import xtables

    names = iptables.ChainNames(topology)
    xtables.replace(
        names.mark,
        names.chains,
        iptables.lines(topology, rules) if rules else iptables.tables_of(text),
    )


def delete(topology: str) -> None:
    from netorch.firewall import iptables
    from netorch.kernel.firewall import xtables

    names = iptables.ChainNames(topology)
    xtables.delete(names.mark, names.chains)


def list_all() -> FilterListing | None:
    if not _has_tables():
        return None
    from netorch.firewall import iptables
    from netorch.kernel.firewall import xtables

    try:
        return FilterListing(iptables.text_of(xtables.read_all()))
    except NetorchError as error:
        what = f"iptables-legacy has rules, which were not looked into and may drop it: {error}"
        raise NetorchError(Problem("iptables-refused", what)) from error


def _has_tables() -> bool:
    """Whether the namespace has any table; looking into one that is not there would make it."""
    for path in _TABLE_NAMES:
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if os.read(fd, 16).strip():
                    return True
            finally:
                os.close(fd)
    return False
