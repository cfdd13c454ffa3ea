"""Rules that keep packets from the translations after them, for which `nat` has no word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from netorch.firewall.chains import UNKNOWN, Clause, ListedRule
from netorch.importers.chain_steps import DEPTH, JUMPS, Chains, Step

_EXEMPTS = "`nat` has no word for a rule that keeps packets from the translations after it"
_EXEMPTS_NOTHING = "no translation that is carried over comes after it and has its packets"


class Exemptions:
    """The rules of a chain of translations that keep packets as they are.

    `nat` has no word for them. So a translation after them would hold for their packets too.
    """

    def __init__(self, chains: Chains) -> None:
        self._chains = chains
        self._steps: list[Step] = []
        self._needed: set[int] = set()
        """The `id` of each rule without which a later translation would be another one."""
        self._expressed: set[int] = set()
        """The `id` of each rule that a later translation says with its interface."""

    def add(self, step: Step) -> bool:
        """Add a rule if it may keep packets from later translations. Return whether it does."""
        is_one = not step.is_unfolded and _may_exempt(step.rule, step.verdict, self._chains)
        if is_one:
            self._steps.append(step)
        return is_one

    def interface(self, step: Step) -> str:
        """Return the one interface that a translation has to spare, "" if there is none.

        Raise SparesMore if it has to spare more than that.
        """
        rule = step.rule
        field = "iif" if rule.verdict in ("dnat", "redirect") else "oif"
        is_free = all(clause.field != field for clause in rule.clauses)
        spared: dict[str, list[ListedRule]] = {}
        for one in self._before(step):
            if can_meet(one.clauses, rule.clauses):
                name = _interface(one, rule, field) if is_free else ""
                if not name or (spared and name not in spared):
                    self._needed.add(id(one))
                    raise SparesMore(one.text)
                spared.setdefault(name, []).append(one)
        self._expressed |= {id(one) for many in spared.values() for one in many}
        return next(iter(spared), "")

    def reason(self, rule: ListedRule) -> tuple[str, bool] | None:
        """Return why a rule that was added is lost, and whether that matters.

        Return None if the translations after it say the same.
        """
        if id(rule) in self._needed:
            return _EXEMPTS, True
        return None if id(rule) in self._expressed else (_EXEMPTS_NOTHING, False)

    def _before(self, step: Step) -> Iterator[ListedRule]:
        """Yield the rules that may exempt packets from a step."""
        for one in self._steps:
            # what returns from a chain goes on with the rules after the jump to it
            if one.verdict != "return" or step.path[: len(one.path)] == one.path:
                yield one.rule


class SparesMore(Exception):
    """Raised for a translation before which another rule keeps packets as they are."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"without `{text}`, which is not carried over, it would translate too much"
        )


def sparing(entry: dict[str, Any], interface: str) -> dict[str, Any]:
    """Return an entry of `nat` that does not hold for packets of an interface, "" for none."""
    if not interface:
        return entry
    ((word, words),) = entry.items()
    return {word: {**words, "in" if word == "dnat" else "out": f"!{interface}"}}


def _may_exempt(rule: ListedRule, verdict: str, chains: Chains, depth: int = 0) -> bool:
    if rule.cases:
        return any(_may_exempt(case, case.verdict, chains, depth) for case in rule.cases)
    if verdict in JUMPS and depth < DEPTH and str(rule.target) in chains:
        inner = chains[str(rule.target)].rules
        ends = verdict == "goto" and depth == 0
        return ends or any(_may_exempt(one, one.verdict, chains, depth + 1) for one in inner)
    return verdict in ("accept", UNKNOWN) or (verdict == "return" and depth == 0)


def _interface(one: ListedRule, rule: ListedRule, field: str) -> str:
    """Return the interface without which a translation has no packets of another rule.

    It is "" if the rule has other conditions, which not all packets of the translation meet.
    """
    name = ""
    for clause in one.clauses:
        if clause.field == field:
            match clause.values:
                case (str(only),) if not (clause.negated or name or only.endswith("*")):
                    name = only
                    continue
            return ""
        if not any(_implies(each, clause) for each in rule.clauses):
            return ""
    return name if one.verdict in ("accept", "return") else ""


def _implies(narrow: Clause, wide: Clause) -> bool:
    if narrow == wide and narrow.field != UNKNOWN:
        return True
    if narrow.field != wide.field or narrow.negated or wide.negated or not narrow.values:
        return False
    return narrow.field != UNKNOWN and _contains(wide.values, narrow.values)


def can_meet(one: Iterable[Clause], other: Iterable[Clause]) -> bool:
    """Return whether a packet can meet both the conditions of one rule and those of another."""
    others = [*other]
    return not any(_excludes(here, there) for here in one for there in others)


def _excludes(one: Clause, other: Clause) -> bool:
    if one.field != other.field or one.field == UNKNOWN or (one.negated and other.negated):
        return False
    if one.negated:
        return _contains(one.values, other.values)
    if other.negated:
        return _contains(other.values, one.values)
    return not any(_overlap(here, there) for here in one.values for there in other.values)


def _contains(wide: Sequence[object], narrow: Sequence[object]) -> bool:
    """Return whether each value of `narrow` is certainly in a value of `wide`."""
    return all(any(_is_in(value, each) for each in wide) for value in narrow)


def _is_in(value: object, wide: object) -> bool:
    match value, wide:
        case IPv4Network() as inner, IPv4Network() as outer:
            return inner.subnet_of(outer)
        case IPv6Network() as inner6, IPv6Network() as outer6:
            return inner6.subnet_of(outer6)
        case str(), str():
            return value == wide or (wide.endswith("*") and value.startswith(wide[:-1]))
    numbers, others = _range(value), _range(wide)
    if numbers is None or others is None:
        return value == wide
    return others[0] <= numbers[0] and numbers[1] <= others[1]


def _overlap(one: object, other: object) -> bool:
    """Return whether a packet may have both values."""
    match one, other:
        case (IPv4Network() | IPv6Network(), IPv4Network() | IPv6Network()):
            return one.version == other.version and one.overlaps(other)
        case str(), str():
            return _is_in(one, other) or _is_in(other, one)
    numbers, others = _range(one), _range(other)
    if numbers is None or others is None:
        return True
    return numbers[0] <= others[1] and others[0] <= numbers[1]


def _range(value: object) -> tuple[int, int] | None:
    match value:
        case int():
            return value, value
        case (int(first), int(last)):
            return first, last
    return None
