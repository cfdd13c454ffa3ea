"""Packet filters in the namespace that the calling thread is in: the backends, and which of them
filters a topology's networks.

`netorch/firewall/syntax.py` has the words of each backend.
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
    """What netorch asks of a packet filter of the kernel. Modules implement it.

    `text` is a topology's own filter as the backend lists it: two filters are equal if their texts
    are.
    """

    def refusal(self) -> str | None:
        """Why the backend cannot be used here; None if it can."""

    def is_loaded(self) -> bool:
        """Whether any namespace of this kernel can have rules of this backend."""

    def read(self, topology: str, recorded: str | None) -> OwnFilter:
        """What the topology has here, and what is in its place without its mark.

        `recorded`: the backend that the topology's record names for this namespace, "" where an older
        version made the filter and put no marks on it, None where the record tells of none.
        """

    def text_of(
        self, topology: str, rules: Ruleset, enter_new_namespace: Callable[[], None]
    ) -> str:
        """The text that `read` would give if the rules were here. ValueError for rules that the
        backend cannot express.
        """

    def replace(self, topology: str, rules: Ruleset, text: str, before: str) -> None:
        """Make the topology's filter the rules, or without them `text`.

        `before`: what `read` gave, "" for none; what has come into its place meanwhile is refused.
        OSError or KernelRefused if the kernel refuses: then no table is half written.
        """

    def delete(self, topology: str, before: str) -> None:
        """Remove the topology's filter, if there is one. `before`: what `read` gave."""

    def chains_of(
        self, topology: str, text: str, enter_new_namespace: Callable[[], None]
    ) -> tuple[ListedChain, ...]:
        """The chains of a topology's own filter."""

    def list_all(self) -> FilterListing | None:
        """Everybody's rules; None if there are none. NetorchError, a sentence of why, if they
        cannot be read.
        """


def _nftables() -> FilterBackend:
    from netorch.kernel.firewall import nftables

    return nftables


def _iptables() -> FilterBackend:
    from netorch.kernel.firewall import iptables

    return iptables


BACKENDS: Mapping[str, Callable[[], FilterBackend]] = {"nftables": _nftables, "iptables": _iptables}
"""Name → what loads the backend, in the order in which `auto` tries them."""


@cache
def backend(name: str) -> FilterBackend:
    return BACKENDS[name]()


def choose(choice: str) -> str:
    """The backend for `auto` or a name; NetorchError that says what to install if there is none."""
    reasons: list[str] = []
    for name in BACKENDS if choice == AUTO else (choice,):
        reason = backend(name).refusal()
        if reason is None:
            return name
        reasons.append(f"{name}: {reason}")
    what = "no backend for NAT and filtering works here. " + "; ".join(reasons)
    raise NetorchError(Problem("no-filter-backend", what))


def loaded() -> tuple[str, ...]:
    """The backends of which any namespace of this kernel can have rules."""
    return tuple(name for name in BACKENDS if backend(name).is_loaded())


def read(topology: str, backends: Collection[str], recorded: str | None) -> dict[str, OwnFilter]:
    """Backend → what the topology has here, and what is in its place. `backends`: what `loaded`
    returns; `recorded`: see `FilterBackend.read`.
    """
    return {name: backend(name).read(topology, recorded) for name in backends}


def list_all() -> tuple[dict[str, FilterListing], list[str]]:
    """Backend → everybody's rules; and sentences about rules that cannot be read."""
    found: dict[str, FilterListing] = {}
    unseen: list[str] = []
    for name in loaded():
        try:
            listing = backend(name).list_all()
        except NetorchError as error:
            unseen += error.lines()
            continue
        if listing is not None:
            found[name] = listing
    return found, unseen


def replace(name: str, topology: str, rules: Ruleset, text: str, before: str = "") -> None:
    """Make the filter the rules, or without them what `read` once gave as `text`. `before`: the
    text of the present one.
    """
    backend(name).replace(topology, rules, text, before)


def delete(name: str, topology: str, before: str = "") -> None:
    backend(name).delete(topology, before)
