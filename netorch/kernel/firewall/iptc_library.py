"""Loads python-iptables at the first use, because that takes 0.2 s and starts processes."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from netorch.errors import KernelRefused, Problem
from netorch.firewall.iptables import TableKey
from netorch.version import install_command


@cache
def library() -> Any:
    """Import python-iptables. Raise KernelRefused if it is missing or does not load."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # python-iptables does not support today's Python
            import iptc
            import iptc.ip6tc
            import iptc.xtables
    except ModuleNotFoundError as error:
        raise KernelRefused(
            Problem(
                "no-python-iptables",
                f"python-iptables is not installed ({error}).",
                remedy=install_command("iptables"),
                command=install_command("iptables"),
            )
        ) from error
    except Exception as error:  # its search for shared libraries can raise anything
        raise KernelRefused(
            Problem(
                "no-python-iptables",
                f"python-iptables does not start: {error}.",
                remedy="Is the package iptables installed?",
            )
        ) from error
    return iptc


@cache
def dnat_revision() -> int:
    """Return the newest revision of DNAT that the installed iptables supports: 0 or 2.

    iptables lists no rule of another revision.
    """
    xtables = library().xtables
    for family in (xtables.NFPROTO_IPV4, xtables.NFPROTO_IPV6):
        targets = xtables.xtables(family).find_target("DNAT")
        if targets:
            return 2 if targets[0].revision >= 2 else 0
    return 2


def title(key: TableKey) -> str:
    """Return the name of a table for messages: `ip6tables, table nat`."""
    return f"{'iptables' if key[0] == 4 else 'ip6tables'}, table {key[1]}"
