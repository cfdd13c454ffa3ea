"""Read and change the legacy tables of iptables through python-iptables, in the network namespace
of the calling thread.

Rules are text in the form of iptables-save; netorch/firewall/iptables.py describes it. The library
is imported at the first use, because that takes 0.2 s and starts processes.

This module undoes or avoids the library's effects on the whole process. The library

- caches tables beyond setns(2),
- commits when an object is garbage-collected,
- opens, and so makes, every table of the kernel to look for one chain,
- takes no lock.

This module does not use the library's own way to make a rule. The library

- shares structures between rules,
- prints rules through file descriptor 1 to read them,
- compares one bit of each character of an IPv6 interface,
- cannot load NAT for both families (iptables 1.8.8 and later).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn

from netorch.errors import KernelRefused, Problem
from netorch.firewall.iptables import Lines, TableKey
from netorch.kernel.firewall.iptc_library import library, title
from netorch.kernel.firewall.xt_entry import (
    MATCHES,
    comment_of,
    entry_of,
    extension,
    extensions_of,
    quoted,
    unpacked_header,
    unpacked_target,
)
from netorch.kernel.system import threads
from netorch.kernel.system.error_text import sentence
from netorch.kernel.system.syscalls import CLONE_NEWNET, unshare
from netorch.values.marks import NOT_OURS

KEYS: tuple[TableKey, ...] = ((4, "filter"), (4, "nat"), (6, "filter"), (6, "nat"))

_MARK = "netorch:"
_AHEAD = "DOCKER-USER"
"""The administrator's own chain, which Docker puts first. It may stay ahead of netorch's rules."""

_LOCK = "/run/xtables.lock"
_LOCK_SECONDS = 30.0
_TRIES = 10

_busy = threading.RLock()
_errno_location = ctypes.CDLL(None).__errno_location
_errno_location.restype = ctypes.POINTER(ctypes.c_int)


def available(version: int = 4) -> str | None:
    """Return why rules of this IP version cannot be written, or None if they can.

    They are tried in a new namespace, so that nothing remains.
    """
    answers: list[str | None] = []

    def attempt() -> None:
        try:
            library()
            unshare(CLONE_NEWNET)
            for key, lines in _sample(version).items():
                _write(key, "", frozenset({"netorch"}), lines, lambda *_: False)
            answers.append(None)
        except Exception as error:  # any error is a reason why rules cannot be written
            answers.append(str(error))

    with _busy:
        thread = threading.Thread(target=attempt, name="netorch-xtables")
        try:
            threads.start(thread)
        except KernelRefused as refused:
            return str(refused)
        thread.join()
    return answers[0]


IsClaimed = Callable[[TableKey, str, bool], bool]
"""Returns whether an unmarked chain is the topology's own nevertheless.

The arguments are the table, the name of the chain, and whether the chain is empty.
"""


def read(
    mark: str, chains: Container[str], is_claimed: IsClaimed = lambda *_: False
) -> dict[TableKey, tuple[Lines, Lines]]:
    """Read table → the topology's own lines and its foreign chains.

    The own lines are those of its own chains, of the rules with the comment `mark` in foreign
    chains, and of the rules there that jump to its own chains. A chain is its own if it is one of
    `chains` and a rule in it, or a rule that leads to it, has the comment `mark`. The foreign
    chains are lines `-N CHAIN` of those of `chains` that are not its own.

    Tables without any of these are left out. A table that the kernel has not made yet is not read,
    because reading would make it.
    """
    tables = {}
    with _busy:
        for key in KEYS:
            if _exists(key):
                with _table(key) as table:
                    own = _OwnRules(key, table, mark, chains, is_claimed)
                if own.lines or own.foreign:
                    tables[key] = own.lines, own.foreign
    return tables


def read_all() -> dict[TableKey, Lines]:
    """Read the rules of all programs in each table that exists.

    A table has lines `-P CHAIN POLICY`, `-N CHAIN`, and `-A CHAIN …` as iptables-save writes them.
    """
    tables: dict[TableKey, Lines] = {}
    with _busy:
        for key in filter(
            _exists,
            (
                (version, name)
                for version in (4, 6)
                for name in ("raw", "mangle", "nat", "filter", "security")
            ),
        ):
            with _table(key) as table:
                rules, chains = _OwnRules(key, table, "", (), lambda *_: False), _chains(table)
                heads = [
                    f"-P {chain} {table.get_policy(chain)[0].name}"
                    if table.builtin_chain(chain)
                    else f"-N {chain}"
                    for chain in chains
                ]
                tables[key] = (
                    *heads,
                    *(line for chain in chains for line in rules.rules_of(chain)),
                )
    return tables


def replace(
    mark: str,
    chains: Container[str],
    desired: Mapping[TableKey, Lines],
    is_claimed: IsClaimed = lambda *_: False,
) -> tuple[TableKey, ...]:
    """Make the topology's own rules equal to `desired`, and return the tables that changed.

    Each table changes in one commit. Tables that are equal already are not touched. Foreign rules
    keep their place and their counters. Raise KernelRefused at the first refusal; the tables before
    it in KEYS have changed by then.
    """
    with _busy, _locked():
        return tuple(
            key for key in KEYS if _write(key, mark, chains, desired.get(key, ()), is_claimed)
        )


# The library


@contextmanager
def _table(key: TableKey) -> Iterator[Any]:
    """Open a table, and close it without a commit.

    As long as it is open, the library knows no other table.
    """
    version, name = key
    iptc = library()
    kind = iptc.Table if version == 4 else iptc.Table6
    before = kind._cache, kind.existing_table_names
    kind._cache, kind.existing_table_names = {}, {other: other == name for other in kind.ALL}
    try:
        table = kind(name, autocommit=False)
        try:
            yield table
        finally:
            table.close()
    except iptc.IPTCError as error:
        raise KernelRefused(
            Problem("iptables-refused", f"{title(key)}: {_words(error)}.", object=title(key))
        ) from error
    finally:
        kind._cache, kind.existing_table_names = before


def _exists(key: TableKey) -> bool:
    try:
        with open(
            f"/proc/thread-self/net/ip{'' if key[0] == 4 else '6'}_tables_names", encoding="ascii"
        ) as names:
            return key[1] in names.read().split()
    except FileNotFoundError:
        return False


@contextmanager
def _locked() -> Iterator[None]:
    """Take the lock of iptables, because a commit without it may undo another program's commit.

    Go on without it if the lock file cannot be opened.
    """
    try:
        fd = os.open(_LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise KernelRefused(
                        Problem(
                            "iptables-locked",
                            f"{_LOCK} has been locked for {_LOCK_SECONDS:.0f} seconds."
                            " Check whether an iptables process hangs.",
                            object=_LOCK,
                        )
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def _words(error: Exception) -> str:
    """Return the library's message without the b'…' around C strings."""
    return re.sub(r"\bb(['\"])(.*?)\1", r"\2", str(error)).rstrip(".")


# Writing


def _write(
    key: TableKey, mark: str, chains: Container[str], desired: Lines, is_claimed: IsClaimed
) -> bool:
    """Make the table's own rules equal to `desired`. Return whether the table had to change."""
    if not desired and not _exists(key):
        return False
    for _ in range(_TRIES):
        with _table(key) as table:
            current = _OwnRules(key, table, mark, chains, is_claimed)
            if current.lines == desired:
                return False
            if conflicts := sorted(set(current.foreign) & set(desired)):
                _refuse(key, conflicts[0])
            _change(key, table, current, desired)
            if table._iptc.iptc_commit(table._handle) == 1:
                return True
            number = _errno()
        # EAGAIN: another program changed the table without taking the lock
        if number != errno.EAGAIN:
            used = sorted({name for line in desired for name in re.findall(r" -[mj] (\w+)", line)})
            remedy = (
                f"Does the kernel support all of {', '.join(used)}?"
                if number in (errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP)
                else ""
            )
            raise KernelRefused(
                Problem(
                    "iptables-refused",
                    f"{title(key)}: {sentence(number)}.",
                    remedy=remedy,
                    object=title(key),
                )
            )
    raise KernelRefused(
        Problem(
            "iptables-locked",
            f"{title(key)}: another program keeps changing it.",
            object=title(key),
        )
    )


def _refuse(key: TableKey, line: str) -> NoReturn:
    chain = line.removeprefix("-N ")
    what = f"{title(key)}: the chain {chain} exists, and {NOT_OURS}."
    raise KernelRefused(Problem("name-taken", what, object=chain))


def _change(key: TableKey, table: Any, current: _OwnRules, desired: Lines) -> None:
    """Change the table chain by chain, so that unchanged chains keep their counters.

    Rules that jump to a chain are deleted before the chain.
    """
    present, expected = _by_chain(current.lines), _by_chain(desired)
    foreign_chains = [
        chain
        for command, chain in {**present, **expected}
        if command == "-I" and present.get((command, chain)) != expected.get((command, chain))
    ]
    for chain in foreign_chains:
        for number in reversed(current.places.get(chain, [])):
            # The rule is deleted by its number, because Table.delete_entry looks for a rule with
            # the same contents, and takes the first of two equal ones.
            if table._iptc.iptc_delete_num_entry(chain.encode(), number - 1, table._handle) != 1:
                raise KernelRefused(
                    Problem(
                        "iptables-refused",
                        f"{title(key)}: rule {number} of {chain} cannot be deleted:"
                        f" {sentence(_errno())}.",
                        object=title(key),
                    )
                )
    own_chains = {chain for command, chain in present if command == "-N"}
    desired_chains = {chain for command, chain in expected if command == "-N"}
    changed = sorted(
        chain
        for chain in desired_chains
        if present.get(("-A", chain)) != expected.get(("-A", chain))
    )
    stale = sorted(own_chains - desired_chains)
    for chain in (*stale, *changed):
        if chain in own_chains:
            table.flush_entries(chain)
    for chain in stale:
        table.delete_chain(chain)
    for chain in sorted(desired_chains - own_chains):
        table.create_chain(chain)
    for chain in changed:
        for rule in expected.get(("-A", chain), ()):
            table.append_entry(chain, entry_of(key, rule))
    for chain in foreign_chains:
        for position, rule in enumerate(expected.get(("-I", chain), ())):
            table.insert_entry(chain, entry_of(key, rule), position)
    for chain in _chains(table):
        if table.builtin_chain(chain):
            # Setting the policy keeps its counters, which libiptc, and so iptables itself, resets
            # otherwise.
            table.set_policy(chain, *table.get_policy(chain))


def _chains(table: Any) -> list[str]:
    # This does not use Table.chains, which would change the Chain objects of other users of the
    # library in this process.
    names = []
    name = table._iptc.iptc_first_chain(table._handle)
    while name:
        names.append(name.decode())
        name = table._iptc.iptc_next_chain(table._handle)
    return names


def _by_chain(lines: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Return (command, chain) → the rest of each line."""
    rests: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        command, chain, *rest = line.split(" ", 2)
        rests.setdefault((command, chain), []).extend(rest)
    return rests


def _errno() -> int:
    # because ctypes saves errno only for functions that were loaded with use_errno
    return int(_errno_location()[0])


# Reading


class _ForeignRule(NamedTuple):
    """A rule in a foreign chain that has the mark, or that leads to a chain of netorch's."""

    chain: str
    number: int
    """The position in the chain, from 1."""
    marked: bool
    target: str
    """The chain or the target that the rule leads to."""
    line: str


class _OwnRules:
    """The topology's own rules in a table."""

    def __init__(
        self,
        key: TableKey,
        table: Any,
        mark: str,
        chains: Container[str],
        is_claimed: IsClaimed,
    ) -> None:
        self._version, self._table, self._mark = key[0], table, mark
        self.places: dict[str, list[int]] = {}
        """Foreign chain → positions of the topology's rules in it, from 1."""
        all_chains = sorted(_chains(table))
        outside = [
            rule
            for chain in all_chains
            if chain not in chains
            for rule in self._in_foreign(chain, chains)
        ]
        targets = {rule.target for rule in outside if rule.marked}
        named_chains = [chain for chain in all_chains if chain in chains]
        own = [
            chain
            for chain in named_chains
            if chain in targets
            or self._carries_mark(chain)
            or is_claimed(key, chain, not self._table.first_rule(chain))
        ]
        self.foreign: Lines = tuple(f"-N {chain}" for chain in named_chains if chain not in own)
        """`-N CHAIN` of the foreign chains that have the name of one of the topology's."""
        jumps = [rule for rule in outside if rule.marked or rule.target in own]
        for rule in jumps:
            self.places.setdefault(rule.chain, []).append(rule.number)
        self.lines: Lines = (
            *(f"-N {chain}" for chain in own),
            *(rule.line for rule in jumps),
            *(line for chain in own for line in self.rules_of(chain)),
        )

    def _carries_mark(self, chain: str) -> bool:
        return any(self._is_marked(comment_of(*rule)) for rule in self._entries(chain))

    def _is_marked(self, comment: str) -> bool:
        return bool(self._mark) and comment == self._mark

    def rules_of(self, chain: str) -> Iterator[str]:
        return (f"-A {chain} {self._text(entry, raw)}" for entry, raw in self._entries(chain))

    def _in_foreign(self, chain: str, chains: Container[str]) -> Iterator[_ForeignRule]:
        ahead = True
        for number, (entry, raw) in enumerate(self._entries(chain), 1):
            comment = comment_of(entry, raw)
            target = self._table.get_target(entry).decode()
            if (marked := self._is_marked(comment)) or target in chains:
                line = f"-I {chain} {'' if ahead else f'{number} '}{self._text(entry, raw)}"
                yield _ForeignRule(chain, number, marked, target, line)
            elif not comment.startswith(_MARK) and target != _AHEAD:
                ahead = False

    def _entries(self, chain: str) -> Iterator[tuple[Any, bytes]]:
        entry = self._table.first_rule(chain)
        while entry:
            yield entry, ctypes.string_at(ctypes.addressof(entry), entry.next_offset)
            entry = self._table.next_rule(entry)

    def _text(self, entry: Any, raw: bytes) -> str:
        """Return a rule as iptables-save writes it, without `-A CHAIN`."""
        goto, words = unpacked_header(self._version, raw)
        for number, (name, revision, data) in enumerate(extensions_of(entry, raw)):
            match = MATCHES.get(name)
            options = match.decode(data) if match and match.revision == revision else None
            words += [
                f"-m {name}",
                self._library_text(entry, number, data) if options is None else options,
            ]
        target = self._table.get_target(entry).decode()
        if target:
            words.append(f"-{'g' if goto else 'j'} {target}")
        name, revision, data = extension(raw, entry.target_offset)
        if name:
            options = unpacked_target(self._version, name, revision, data)
            words.append(self._library_text(entry, -1, data) if options is None else options)
        return " ".join(filter(None, words))

    def _library_text(self, entry: Any, number: int, data: bytes) -> str:
        """Return the options of a match, or of the target (-1), that netorch never writes."""
        try:
            rule = self._table.create_rule(entry, SimpleNamespace(table=self._table))
            part = rule.target if number < 0 else rule.matches[number]
            words = []
            for name, values in part.get_all_parameters().items():
                negated = values[:1] == ["!"]
                words += ["!"] * negated + [f"--{name}"]
                words += (
                    value if re.fullmatch(r"[^\s\"'\\]+", value) else quoted(value)
                    for value in values[negated:]
                )
            return " ".join(words)
        except Exception:  # the library lacks the extension; its bytes identify the rule as well
            return f"[{data.hex()}]"


def _sample(version: int) -> dict[TableKey, Lines]:
    """Return the rules that `available` tries."""
    address = "192.0.2.1" if version == 4 else "2001:db8::1"
    return {
        (version, "filter"): (
            "-N netorch",
            "-A netorch -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment netorch"
            " -j ACCEPT",
        ),
        (version, "nat"): (
            "-N netorch",
            "-A netorch -p tcp -m tcp --dport 80 -m addrtype --dst-type LOCAL"
            f" -j DNAT --to-destination {address}",
            f"-A netorch -j SNAT --to-source {address}",
            "-A netorch -j MASQUERADE",
        ),
    }
