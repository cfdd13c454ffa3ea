"""Read and change the chain FORWARD of iptables' legacy tables."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

from netorch.errors import NetorchError
from netorch.kernel.firewall import xtables
from netorch.kernel.firewall.iptc_library import library, title
from netorch.kernel.firewall.nf_tables_netlink import KernelRule
from netorch.kernel.firewall.xt_entry import comment_of, entry_of, extensions_of, unpacked_header
from netorch.kernel.system.error_text import sentence

_TRIES = 10
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}

Chains = Callable[[str], Sequence[KernelRule]]
"""Returns the rules of a chain by its name, numbered from 0, or none if there is no such chain."""

T = TypeVar("T")


class Edit(NamedTuple):
    """Rules to delete, and rules to insert into a chain."""

    delete: Sequence[KernelRule]
    """Rules to delete, from any chain."""
    chain: str
    """The chain to insert into."""
    place: int
    """The position of the first inserted rule, counted from 0 without the deleted rules."""
    insert: Sequence[str]
    """The rules to insert, in the syntax of iptables."""


def missing() -> str:
    """Return why the tables cannot be read, and what to install, or "" if they can."""
    try:
        library()
    except NetorchError as error:
        return str(error)
    return ""


def read(version: int, look: Callable[[bool, Chains], T]) -> T:
    """Call `look` and return its result.

    Its arguments are whether the policy of FORWARD drops packets, and the chains.
    """
    with xtables._busy, xtables._table((version, "filter")) as table:
        return look(*_read(version, table))


def change(version: int, edit: Callable[[bool, Chains], Edit | None]) -> None:
    """Carry out what `edit` returns for FORWARD's policy and the chains, in one commit.

    Raise OSError if the kernel refuses.
    """
    key = (version, "filter")
    with xtables._busy, xtables._locked():
        for _ in range(_TRIES):
            with xtables._table(key) as table:
                edits = edit(*_read(version, table))
                if edits is None:
                    return
                for rule in sorted(edits.delete, key=lambda rule: rule.handle, reverse=True):
                    table._iptc.iptc_delete_num_entry(
                        rule.chain.encode(), rule.handle, table._handle
                    )
                for place, text in enumerate(edits.insert, edits.place):
                    table.insert_entry(edits.chain, entry_of(key, text), place)
                for chain in filter(table.builtin_chain, xtables._chains(table)):
                    # Setting the policy keeps its counters, which libiptc resets otherwise.
                    table.set_policy(chain, *table.get_policy(chain))
                if table._iptc.iptc_commit(table._handle) == 1:
                    return
                number = xtables._errno()
            # EAGAIN: another program changed the table without taking the lock
            if number != errno.EAGAIN:
                raise OSError(number, f"{title(key)}: {sentence(number)}")
    raise OSError(errno.EAGAIN, f"{title(key)}: another program keeps changing it")


def _read(version: int, table: Any) -> tuple[bool, Chains]:
    there = set(xtables._chains(table))

    @cache
    def rules(name: str) -> Sequence[KernelRule]:
        return _rules(version, table, name) if name in there else ()

    return table.get_policy("FORWARD")[0].name == "DROP", rules


def _rules(version: int, table: Any, chain: str) -> list[KernelRule]:
    rules: list[KernelRule] = []
    entry = table.first_rule(chain)
    while entry:
        raw = ctypes.string_at(ctypes.addressof(entry), entry.next_offset)
        goto, words = unpacked_header(version, raw)
        target = table.get_target(entry).decode()
        verdict = _VERDICTS.get(target, "goto" if goto else "jump")
        bare = not words and all(name == "comment" for name, _, _ in extensions_of(entry, raw))
        header = {option: value for option, _, value in (word.partition(" ") for word in words)}
        comment = comment_of(entry, raw).encode() + b"\0"
        rules.append(
            KernelRule(
                chain,
                len(rules),
                verdict,
                target,
                bare,
                header.get("-i", ""),
                header.get("-o", ""),
                comment,
            )
        )
        entry = table.next_rule(entry)
    return rules
