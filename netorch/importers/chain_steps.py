"""The rules of a base chain in the order in which packets meet them, without jumps where possible.

The importers of a live machine and of shell lines share it, so both understand chains alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netorch.firewall.chains import ListedChain, ListedRule
from netorch.immutable import Value

Chains = Mapping[str, ListedChain]
"""The chains to which a chain can jump, by their names."""
DEPTH = 5
"""The depth to which chains may jump."""
JUMPS = frozenset(("jump", "goto"))


class Step(Value):
    """A rule of a base chain, or of a chain to which that always jumps."""

    rule: ListedRule
    verdict: str
    """The verdict of the rule. In place of a `return` that ends the base chain it is the policy."""
    path: tuple[str, ...]
    """The names of the chains that lead to the rule, from the base chain on."""
    is_unfolded: bool = False
    """Whether the steps of another chain follow in place of this jump."""


def steps(base: ListedChain, chains: Chains, *, with_returns: bool = False) -> Iterator[Step]:
    """Yield the rules of a base chain.

    A jump without conditions is followed by the rules of its chain. Without `with_returns`, it is
    not if some of them return to rules that come after it.
    """
    yield from _steps(base, chains, base.policy, (base.name,), with_returns)


def _steps(
    chain: ListedChain, chains: Chains, at_end: str, path: tuple[str, ...], with_returns: bool
) -> Iterator[Step]:
    """Yield the rules of a chain.

    `at_end` is the verdict at the end of the chain, "" if other rules follow there.
    """
    for place, rule in enumerate(chain.rules):
        is_last = place == len(chain.rules) - 1
        inner = chains.get(str(rule.target)) if rule.verdict in JUMPS else None
        if inner is not None and _can_unfold(
            rule, inner, path, is_last=is_last, may_return=with_returns or bool(is_last and at_end)
        ):
            after = at_end if is_last else ""
            yield Step(rule, rule.verdict, path, is_unfolded=True)
            yield from _steps(inner, chains, after, (*path, inner.name), with_returns)
        elif rule.verdict == "return" and at_end:
            yield Step(rule, at_end, path)
        else:
            yield Step(rule, rule.verdict, path)


def _can_unfold(
    rule: ListedRule,
    inner: ListedChain,
    path: tuple[str, ...],
    *,
    is_last: bool,
    may_return: bool,
) -> bool:
    """Return whether the rules of the chain to which a rule jumps can take its place."""
    if rule.clauses or inner.name in path or len(path) > DEPTH:
        return False
    if rule.verdict == "goto" and not is_last:
        return False
    return may_return or not any(one.verdict in ("return", "goto") for one in inner.rules)


def may_accept(rule: ListedRule, verdict: str, chains: Chains, depth: int = 0) -> bool:
    """Return whether a packet may pass by a rule that later rules would drop."""
    if rule.cases:
        return any(may_accept(case, case.verdict, chains, depth) for case in rule.cases)
    if verdict == "return":
        return depth == 0
    if verdict == "jump" and depth < DEPTH and str(rule.target) in chains:
        inner = chains[str(rule.target)].rules
        return any(may_accept(one, one.verdict, chains, depth + 1) for one in inner)
    return verdict not in ("", "drop", "reject")
