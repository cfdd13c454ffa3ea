"""Packet filters in the namespace of the calling thread: the backends, and operations on the filter
of one topology.

The texts of each backend are written in `netorch/firewall/syntax.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Protocol

from netorch.errors import NetorchError, Problem
from netorch.firewall.chains import ListedChain
from netorch.firewall.syntax import AUTO
from netorch.kernel.firewall.own_filter import OwnFilter
from netorch.values.filter_rules import Ruleset
from netorch.values.snapshot import FilterListing


class FilterBackend(Protocol):
    """The operations that netorch needs from a packet filter of the kernel. Modules implement it.

    `text` is always a topology's own filter as the backend lists it. Two filters are equal if their
    texts are equal.
    """

    def refusal(self) -> str | None:
        """Return why the backend cannot be used here, or None if it can."""

    def is_loaded(self) -> bool:
        """Return whether any namespace of this kernel can have rules of this backend."""

    def read(self, topology: str, recorded: str | None) -> OwnFilter:
        """Read the topology's filter, and the foreign objects in its place.

        `recorded` is the backend that the topology's record names for this namespace. It is "" if
        an older version of netorch made the filter, which did not mark it, and None if the record
        names no backend.
        """

    def text_of(
        self, topology: str, rules: Ruleset, enter_new_namespace: Callable[[], None]
    ) -> str:
        """Return the text that `read` would return if the rules were loaded here.

        Raise ValueError for rules that the backend cannot express.
        """

    def replace(self, topology: str, rules: Ruleset, text: str, before: str) -> None:
        """Replace the topology's filter with the rules or, if there are none, with `text`.

        `before` is the text that `read` returned, "" for none. Foreign objects that took the
        filter's place since then are an error. Raise OSError or KernelRefused if the kernel
        refuses; no table is then partly written.
        """

    def delete(self, topology: str, before: str) -> None:
        """Delete the topology's filter, if it exists. `before` is the text that `read` returned."""

    def chains_of(
        self, topology: str, text: str, enter_new_namespace: Callable[[], None]
    ) -> tuple[ListedChain, ...]:
        """Return the chains of a topology's own filter."""

    def list_all(self) -> FilterListing | None:
        """Return the rules of all programs, or None if there are none.

        Raise NetorchError with the reason if they cannot be read.
        """


def _nftables() -> FilterBackend:
    from netorch.kernel.firewall import nftables

    return nftables


def _iptables() -> FilterBackend:
    from netorch.kernel.firewall import iptables

    return iptables


BACKENDS: Mapping[str, Callable[[], FilterBackend]] = {"nftables": _nftables, "iptables": _iptables}
"""Name → function that loads the backend, in the order in which `auto` tries them."""


@cache
def backend(name: str) -> FilterBackend:
    """Return the backend of this name, which is loaded at the first call."""
    return BACKENDS[name]()


def choose(choice: str) -> str:
    """Return the name of the backend for `auto` or for a name.

    Raise NetorchError, which names what to install, if none can be used.
    """
    reasons: list[str] = []
    for name in BACKENDS if choice == AUTO else (choice,):
        reason = backend(name).refusal()
        if reason is None:
            return name
        reasons.append(f"{name}: {reason}")
    what = "no backend for NAT and filtering works here. " + "; ".join(reasons)
    raise NetorchError(Problem("no-filter-backend", what))


def loaded() -> tuple[str, ...]:
    """Return the backends of which any namespace of this kernel can have rules."""
    return tuple(name for name in BACKENDS if backend(name).is_loaded())


def read(topology: str, backends: Collection[str], recorded: str | None) -> dict[str, OwnFilter]:
    """Return backend → the topology's filter here, and the foreign objects in its place.

    `backends` are those that `loaded` returned; `recorded` is explained at `FilterBackend.read`.
    """
    return {name: backend(name).read(topology, recorded) for name in backends}


def list_all() -> tuple[dict[str, FilterListing], list[str]]:
    """Return backend → the rules of all programs, and sentences about rules that cannot be read."""
    listings: dict[str, FilterListing] = {}
    unreadable: list[str] = []
    for name in loaded():
        try:
            listing = backend(name).list_all()
        except NetorchError as error:
            unreadable += error.lines()
            continue
        if listing is not None:
            listings[name] = listing
    return listings, unreadable


def replace(name: str, topology: str, rules: Ruleset, text: str, before: str = "") -> None:
    """Replace the topology's filter with the rules or, if there are none, with `text`.

    `text` is what `read` once returned; `before` is the text of the present filter.
    """
    backend(name).replace(topology, rules, text, before)


def delete(name: str, topology: str, before: str = "") -> None:
    """Delete the topology's filter. `before` is its present text."""
    backend(name).delete(topology, before)
