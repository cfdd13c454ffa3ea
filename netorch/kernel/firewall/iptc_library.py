"""python-iptables as it is found on this machine, imported at the first use: that takes 0.2 s and starts processes."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from netorch.errors import KernelRefused, Problem
from netorch.firewall.iptables import TableKey


@cache
def library() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is not written for today's Python
            import iptc
            import iptc.ip6tc
            import iptc.xtables
    except ModuleNotFoundError as error:
        raise KernelRefused(
            Problem(
                "no-python-iptables",
                f"python-iptables is not installed ({error}).",
                remedy="pip install 'netorch[iptables]'",
                command="pip install 'netorch[iptables]'",
            )
        ) from error
    except Exception as error:  # whatever it stumbles over in its search for libraries
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
    """The newest DNAT of the installed iptables (0, 2): it lists no rule of another one."""
    xtables = library().xtables
    for family in (xtables.NFPROTO_IPV4, xtables.NFPROTO_IPV6):
        found = xtables.xtables(family).find_target("DNAT")
        if found:
            return 2 if found[0].revision >= 2 else 0
    return 2


def title(key: TableKey) -> str:
    return f"{'iptables' if key[0] == 4 else 'ip6tables'}, table {key[1]}"
