"""The chain FORWARD of iptables' legacy tables: read rule by rule, and accepts put into it or taken away."""

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
"""The rules of a chain by its name, numbered from 0; none where there is no such chain."""

T = TypeVar("T")


class Edit(NamedTuple):
    """Rules to delete, and rules in iptables' words to insert into a chain, at a place that counts without the deleted."""

    delete: Sequence[KernelRule]
    chain: str
    place: int
    insert: Sequence[str]


def missing() -> str:
    """Why the tables cannot be looked into, and what to install; empty if they can."""
    try:
        library()
    except NetorchError as error:
        return str(error)
    return ""


def read(version: int, look: Callable[[bool, Chains], T]) -> T:
    """What `look` makes of the table: it is told whether FORWARD's policy is to drop, and the chains."""
    with xtables._busy, xtables._table((version, "filter")) as table:
        return look(*_read(version, table))


def change(version: int, edit: Callable[[bool, Chains], Edit | None]) -> None:
    """What `edit` makes of the policy and the chains, in one commit; OSError if it is refused."""
    key = (version, "filter")
    with xtables._busy, xtables._locked():
        for _ in range(_TRIES):
            with xtables._table(key) as table:
                wanted = edit(*_read(version, table))
                if wanted is None:
                    return
                for rule in sorted(wanted.delete, key=lambda rule: rule.handle, reverse=True):
                    table._iptc.iptc_delete_num_entry(
                        rule.chain.encode(), rule.handle, table._handle
                    )
                for place, text in enumerate(wanted.insert, wanted.place):
                    table.insert_entry(wanted.chain, entry_of(key, text), place)
                for chain in filter(table.builtin_chain, xtables._chains(table)):
                    # else its counters start anew
                    table.set_policy(chain, *table.get_policy(chain))
                if table._iptc.iptc_commit(table._handle) == 1:
                    return
                number = xtables._errno()
            # somebody without the lock changed the table since it was read
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
    found: list[KernelRule] = []
    entry = table.first_rule(chain)
    while entry:
        raw = ctypes.string_at(ctypes.addressof(entry), entry.next_offset)
        goto, words = unpacked_header(version, raw)
        target = table.get_target(entry).decode()
        verdict = _VERDICTS.get(target, "goto" if goto else "jump")
        bare = not words and all(name == "comment" for name, _, _ in extensions_of(entry, raw))
        said = {option: value for option, _, value in (word.partition(" ") for word in words)}
        comment = comment_of(entry, raw).encode() + b"\0"
        found.append(
            KernelRule(
                chain,
                len(found),
                verdict,
                target,
                bare,
                said.get("-i", ""),
                said.get("-o", ""),
                comment,
            )
        )
        entry = table.next_rule(entry)
    return found
