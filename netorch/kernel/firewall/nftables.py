"""The filter backend for nftables (`filters.FilterBackend`). A topology has a table of its own."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from netorch.errors import NetorchError, Problem
from netorch.firewall import nftables
from netorch.firewall.chains import ListedChain
from netorch.kernel.firewall import libnftables, nf_tables_names, nf_tables_netlink
from netorch.kernel.firewall.own_filter import OwnFilter
from netorch.values.filter_rules import Ruleset
from netorch.values.snapshot import FilterListing

_VERSIONS = {"ip": 4, "ip6": 6}
"""The families in which iptables-nft has its tables."""

_WITH_COMMENTS = (5, 10)
"""The first version of Linux that stores the comment of a table."""

_ERRORS = (("not supported", errno.EOPNOTSUPP), ("File exists", errno.EEXIST))
"""A part of the library's error text, and the error number that it means."""


def refusal() -> str | None:
    return libnftables.available()


def is_loaded() -> bool:
    # The kernel cannot tell whether any namespace has such rules. To look into each namespace is
    # cheap, so the answer is always yes.
    return True


def read(topology: str, recorded: str | None) -> OwnFilter:
    table = nftables.table_name(topology)
    # This request takes less time than loading the library.
    comment = nf_tables_names.tables().get(("inet", table))
    if comment is None:
        return OwnFilter()
    marks = (nftables.mark(topology), nftables.released_mark(topology))
    if comment in marks or _is_unmarked(recorded):
        return OwnFilter(libnftables.list_text(table) or "")
    return OwnFilter(foreign=(f"table inet {table}",))


def _is_unmarked(recorded: str | None) -> bool:
    """Return whether the topology's own table has no comment.

    It has none if an older version of netorch made it, or if the kernel stores no comments.
    """
    return recorded == "" or (recorded == "nftables" and not _keeps_comments())


def _keeps_comments() -> bool:
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= _WITH_COMMENTS


def text_of(topology: str, rules: Ruleset, enter_new_namespace: Callable[[], None]) -> str:
    table = nftables.table_name(topology)
    return libnftables.normalise(nftables.script(topology, rules), table, enter_new_namespace)


def replace(topology: str, rules: Ruleset, text: str, before: str) -> None:
    table = nftables.table_name(topology)
    made = nftables.script(topology, rules) if rules else nftables.delete(table) + text
    _run(made if before else nftables.create(topology, made))


def delete(topology: str, before: str) -> None:
    _run(nftables.delete(nftables.table_name(topology)))


def chains_of(
    topology: str, text: str, enter_new_namespace: Callable[[], None]
) -> tuple[ListedChain, ...]:
    # because only libnftables can interpret its text
    enter_new_namespace()
    _run(text)
    listing = list_all()
    return nftables.chains_of(listing) if listing is not None else ()


def list_all() -> FilterListing | None:
    if not nf_tables_names.tables():
        return None
    error, text, json = libnftables.list_all()
    if error is not None:
        what = f"nftables has rules that netorch cannot read: {error}"
        raise NetorchError(Problem("nftables-refused", what))
    return FilterListing(text, json, _extensions(text) if '"xt"' in json else {})


def _extensions(text: str) -> dict[tuple[str, str, int], tuple[str, ...]]:
    """Return rule → the matches and targets of iptables in it, as iptables-save writes them."""
    options: dict[tuple[str, str, int], tuple[str, ...]] = {}
    for family, table in dict.fromkeys(
        place[:2] for place in nftables.rule_texts(text) if place[0] in _VERSIONS
    ):
        for handle, extensions in nf_tables_netlink.extensions(family, table).items():
            options[family, table, handle] = tuple(
                _option(_VERSIONS[family], one) for one in extensions
            )
    return options


def _option(version: int, one: nf_tables_netlink.Extension) -> str:
    from netorch.kernel.firewall.xt_extensions import match_text, target_text

    if one.kind == "match":
        return match_text(version, one.name, one.revision, one.data)
    return target_text(version, one.name, one.revision, one.data)


def _run(script: str) -> None:
    error = libnftables.run(script)
    if error is not None:
        raise OSError(
            next((number for words, number in _ERRORS if words in error), errno.EINVAL), error
        )
