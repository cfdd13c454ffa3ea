"""The legacy tables of iptables, through python-iptables, in the network namespace of the calling thread.

Rules are text in the form of iptables-save, as netorch/firewall/iptables.py describes it. The library is imported at the first use: that
takes 0.2 s and starts processes. What it does to the whole process is undone or kept out: it caches tables beyond setns(2), commits
when an object is collected, opens (and so makes) every table of the kernel to look for one chain, and takes no lock. Its own
way to make a rule is not used: it lends structures from one rule to the next, prints rules through file descriptor 1 to read them,
compares one bit of each character of an IPv6 interface, and cannot load NAT for both families (iptables 1.8.8 and later).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
    unpacked_nat,
)
from netorch.kernel.system.error_text import sentence
from netorch.kernel.system.syscalls import CLONE_NEWNET, unshare
from netorch.values.marks import NOT_OURS

KEYS: tuple[TableKey, ...] = ((4, "filter"), (4, "nat"), (6, "filter"), (6, "nat"))

_MARK = "netorch:"
_AHEAD = "DOCKER-USER"
"""The administrator's own chain, which Docker puts first: it may stay ahead of ours."""

_LOCK = "/run/xtables.lock"
_LOCK_SECONDS = 30.0
_TRIES = 10

_busy = threading.RLock()
_errno_location = ctypes.CDLL(None).__errno_location
_errno_location.restype = ctypes.POINTER(ctypes.c_int)


def available(version: int = 4) -> str | None:
    """Why rules of this IP version cannot be written, or None. Tried in a namespace made for it, so that nothing is left behind."""
    answers: list[str | None] = []

    def attempt() -> None:
        try:
            library()
            unshare(CLONE_NEWNET)
            for key, lines in _sample(version).items():
                _write(key, "", frozenset({"netorch"}), lines, lambda *_: False)
            answers.append(None)
        except Exception as error:  # whatever it is, it is the reason
            answers.append(str(error))

    with _busy:
        thread = threading.Thread(target=attempt, name="netorch-xtables")
        try:
            thread.start()
        except RuntimeError as error:
            return str(error)
        thread.join()
    return answers[0]


IsClaimed = Callable[[TableKey, str, bool], bool]
"""Of a table, the name of a chain that nothing marks, and whether it is empty: whether it is ours all the same."""


def read(
    mark: str, chains: Collection[str], is_claimed: IsClaimed = lambda *_: False
) -> dict[TableKey, tuple[Lines, Lines]]:
    """What is there of ours: those of `chains` that are ours, the rules commented `mark` in others' chains, and whatever jumps
    to ours. Behind it the `-N CHAIN` of those of `chains` that are not.

    A chain is ours if a rule in it, or one that leads to it, is commented `mark`. Tables where nothing is are left out. A table
    that the kernel has not made yet is not made by looking.
    """
    found = {}
    with _busy:
        for key in KEYS:
            if _exists(key):
                with _table(key) as table:
                    own = _OwnRules(key, table, mark, chains, is_claimed)
                if own.lines or own.strangers:
                    found[key] = own.lines, own.strangers
    return found


def read_all() -> dict[TableKey, Lines]:
    """Everybody's rules, of each table that is there: `-P CHAIN POLICY`, `-N CHAIN`, and `-A CHAIN …` as iptables-save writes it."""
    found: dict[TableKey, Lines] = {}
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
                look, chains = _OwnRules(key, table, "", (), lambda *_: False), _chains(table)
                heads = [
                    f"-P {chain} {table.get_policy(chain)[0].name}"
                    if table.builtin_chain(chain)
                    else f"-N {chain}"
                    for chain in chains
                ]
                found[key] = (*heads, *(line for chain in chains for line in look.rules_of(chain)))
    return found


def replace(
    mark: str,
    chains: Collection[str],
    desired: Mapping[TableKey, Lines],
    is_claimed: IsClaimed = lambda *_: False,
) -> tuple[TableKey, ...]:
    """Make what `read` finds equal to `desired`, one commit a table; the tables written. What is equal is not touched.

    Rules of others stay as they are and where they are, with their counters. KernelRefused at the first refusal; the tables before
    it in KEYS are written by then.
    """
    with _busy, _locked():
        return tuple(
            key for key in KEYS if _write(key, mark, chains, desired.get(key, ()), is_claimed)
        )


# the library


@contextmanager
def _table(key: TableKey) -> Iterator[Any]:
    """A table as it is now; closed without a commit. Meanwhile the library knows of this one alone."""
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
    """The lock of iptables itself; without it a commit may undo somebody else's."""
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
                            f"{_LOCK} is held for {_LOCK_SECONDS:.0f} seconds now: is an iptables hanging?",
                            object=_LOCK,
                        )
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def _words(error: Exception) -> str:
    """The library's message, in which C strings stand as b'…'."""
    return re.sub(r"\bb(['\"])(.*?)\1", r"\2", str(error)).rstrip(".")


# writing


def _write(
    key: TableKey, mark: str, chains: Collection[str], wanted: Lines, is_claimed: IsClaimed
) -> bool:
    """Whether the table had to change."""
    if not wanted and not _exists(key):
        return False
    for _ in range(_TRIES):
        with _table(key) as table:
            look = _OwnRules(key, table, mark, chains, is_claimed)
            if look.lines == wanted:
                return False
            if taken := sorted(set(look.strangers) & set(wanted)):
                _refuse(key, taken[0])
            _change(key, table, look, wanted)
            if table._iptc.iptc_commit(table._handle) == 1:
                return True
            number = _errno()
        # somebody without the lock changed the table since it was read
        if number != errno.EAGAIN:
            used = sorted({name for line in wanted for name in re.findall(r" -[mj] (\w+)", line)})
            remedy = (
                f"Does the kernel have all of {', '.join(used)}?"
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
    what = f"{title(key)}: the chain {chain} is there, and {NOT_OURS}."
    raise KernelRefused(Problem("name-taken", what, object=chain))


def _change(key: TableKey, table: Any, look: _OwnRules, wanted: Lines) -> None:
    """Chain by chain, so that what stays keeps its counters. Whatever jumps to a chain goes before the chain does."""
    have, want = _by_chain(look.lines), _by_chain(wanted)
    others = [
        chain
        for act, chain in {**have, **want}
        if act == "-I" and have.get((act, chain)) != want.get((act, chain))
    ]
    for chain in others:
        for number in reversed(look.places.get(chain, [])):
            # Table.delete_entry finds a rule by its contents, and of two equal ones the first
            if table._iptc.iptc_delete_num_entry(chain.encode(), number - 1, table._handle) != 1:
                raise KernelRefused(
                    Problem(
                        "iptables-refused",
                        f"{title(key)}: rule {number} of {chain} cannot be deleted: {sentence(_errno())}.",
                        object=title(key),
                    )
                )
    there = {chain for act, chain in have if act == "-N"}
    to_be = {chain for act, chain in want if act == "-N"}
    changed = sorted(chain for chain in to_be if have.get(("-A", chain)) != want.get(("-A", chain)))
    stale = sorted(there - to_be)
    for chain in (*stale, *changed):
        if chain in there:
            table.flush_entries(chain)
    for chain in stale:
        table.delete_chain(chain)
    for chain in sorted(to_be - there):
        table.create_chain(chain)
    for chain in changed:
        for rule in want.get(("-A", chain), ()):
            table.append_entry(chain, entry_of(key, rule))
    for chain in others:
        for position, rule in enumerate(want.get(("-I", chain), ())):
            table.insert_entry(chain, entry_of(key, rule), position)
    for chain in _chains(table):
        if table.builtin_chain(chain):
            # else libiptc, and iptables with it, starts the policy's counters anew
            table.set_policy(chain, *table.get_policy(chain))


def _chains(table: Any) -> list[str]:
    # Table.chains would lay hands on the Chain objects of whoever else uses the library in this process
    names = []
    name = table._iptc.iptc_first_chain(table._handle)
    while name:
        names.append(name.decode())
        name = table._iptc.iptc_next_chain(table._handle)
    return names


def _by_chain(lines: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Command and chain → the rest of each line."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        act, chain, *rest = line.split(" ", 2)
        found.setdefault((act, chain), []).extend(rest)
    return found


def _errno() -> int:
    # ctypes keeps none for functions that were loaded without use_errno
    return int(_errno_location()[0])


# reading


class _RuleOutside(NamedTuple):
    """A rule in a chain of others that has the mark, or leads to a chain of a name of ours."""

    chain: str
    number: int
    marked: bool
    target: str
    line: str


class _OwnRules:
    """What is there of ours in a table: the lines, and where they stand in others' chains (name → numbers from 1).

    `strangers`: the `-N CHAIN` of chains that only have the name of one of ours.
    """

    def __init__(
        self,
        key: TableKey,
        table: Any,
        mark: str,
        chains: Collection[str],
        is_claimed: IsClaimed,
    ) -> None:
        self._version, self._table, self._mark = key[0], table, mark
        self.places: dict[str, list[int]] = {}
        there = sorted(_chains(table))
        outside = [
            rule
            for chain in there
            if chain not in chains
            for rule in self._in_others(chain, chains)
        ]
        led_to = {rule.target for rule in outside if rule.marked}
        named = [chain for chain in there if chain in chains]
        own = [
            chain
            for chain in named
            if chain in led_to
            or self._carries_mark(chain)
            or is_claimed(key, chain, not self._table.first_rule(chain))
        ]
        self.strangers: Lines = tuple(f"-N {chain}" for chain in named if chain not in own)
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

    def _in_others(self, chain: str, chains: Collection[str]) -> Iterator[_RuleOutside]:
        ahead = True
        for number, (entry, raw) in enumerate(self._entries(chain), 1):
            comment = comment_of(entry, raw)
            target = self._table.get_target(entry).decode()
            if (marked := self._is_marked(comment)) or target in chains:
                line = f"-I {chain} {'' if ahead else f'{number} '}{self._text(entry, raw)}"
                yield _RuleOutside(chain, number, marked, target, line)
            elif not comment.startswith(_MARK) and target != _AHEAD:
                ahead = False

    def _entries(self, chain: str) -> Iterator[tuple[Any, bytes]]:
        entry = self._table.first_rule(chain)
        while entry:
            yield entry, ctypes.string_at(ctypes.addressof(entry), entry.next_offset)
            entry = self._table.next_rule(entry)

    def _text(self, entry: Any, raw: bytes) -> str:
        """A rule as iptables-save writes it, without `-A CHAIN`."""
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
            options = unpacked_nat(self._version, name, revision, data)
            words.append(self._library_text(entry, -1, data) if options is None else options)
        return " ".join(filter(None, words))

    def _library_text(self, entry: Any, number: int, data: bytes) -> str:
        """The options of a match, or of the target (-1), that netorch itself never writes."""
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
        except Exception:  # the library lacks the extension; its bytes tell two rules apart as well
            return f"[{data.hex()}]"


def _sample(version: int) -> dict[TableKey, Lines]:
    """What `available` tries."""
    address = "192.0.2.1" if version == 4 else "2001:db8::1"
    return {
        (version, "filter"): (
            "-N netorch",
            "-A netorch -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment netorch -j ACCEPT",
        ),
        (version, "nat"): (
            "-N netorch",
            f"-A netorch -p tcp -m tcp --dport 80 -m addrtype --dst-type LOCAL -j DNAT --to-destination {address}",
            f"-A netorch -j SNAT --to-source {address}",
            "-A netorch -j MASQUERADE",
        ),
    }
