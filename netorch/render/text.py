"""Plans and reports as lines of text, with colour where the caller says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from netorch.errors import printable
from netorch.render.changes import AttributeChanges, Change, summary
from netorch.state.resource import Disruption

SIGNS = {
    Disruption.CREATE: ("+", "32"),
    Disruption.UPDATE: ("~", "33"),
    Disruption.FLAP: ("!", "35"),
    Disruption.REPLACE: ("±", "35"),
    Disruption.DELETE: ("-", "31"),
}
NEWLINE = "\n"
_VERBS = {
    "create": "to create",
    "update": "to update",
    "flap": "to flap",
    "replace": "to replace",
    "delete": "to delete",
}
_DONE = {
    "create": "created",
    "update": "updated",
    "flap": "flapped",
    "replace": "replaced",
    "delete": "deleted",
}
_QUIET = {
    "mac",
    "ipv4 forwarding",
    "ipv6 forwarding",
    "hosts",
    "resolv.conf",
    "state",
    "address",
    "scope",
}
"""Attributes of a new object that only the detailed listing shows; they are always shown where they change."""


def paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def change_lines(
    found: Sequence[Change],
    *,
    colour: bool = False,
    verbose: bool = False,
    place: Callable[[Change], str] = lambda _: "",
    commands: Callable[[Change], Sequence[str]] = lambda _: (),
) -> Iterator[str]:
    """One line a change: sign, object, values, and what it does to traffic where that is not plain from the sign.

    Under it, indented, the lines that come and go of what is made of lines, and the commands that would do the same. `place` says
    where in the file it stands.
    """
    for change in found:
        sign, code = SIGNS[change.disruption]
        words = [f"{sign} {change.title}", *values(change, verbose)]
        if change.disruption in {Disruption.UPDATE, Disruption.FLAP, Disruption.REPLACE}:
            words.append(f"[{change.disruption.value}]")
        if change.because:
            words.append(f"(goes with {change.because})")
        if where := place(change):
            words.append(f"# {where}")
        yield paint(printable("  ".join(words)), code, colour)
        if verbose or change.disruption in {Disruption.UPDATE, Disruption.FLAP}:
            yield from (
                paint(printable(f"    - {line}"), SIGNS[Disruption.DELETE][1], colour)
                for line in change.removed
            )
            yield from (
                paint(printable(f"    + {line}"), SIGNS[Disruption.CREATE][1], colour)
                for line in change.added
            )
        # what a here-document holds is said by the lines above
        yield from (
            printable(f"    $ {command.partition(NEWLINE)[0]}") for command in commands(change)
        )


def summarize(found: Sequence[Change], *, done: bool = False) -> str:
    """`3 to create, 1 to update`, or the same in the past."""
    verbs = _DONE if done else _VERBS
    return ", ".join(f"{count} {verbs[sort]}" for sort, count in summary(found).items())


def values(change: Change, verbose: bool) -> Iterator[str]:
    """`mtu 1500 → 9000` of each attribute that is worth a word."""
    for name, (old, new) in change.values.items():
        if change.disruption is Disruption.DELETE:
            continue
        if old is None and change.disruption in {Disruption.CREATE, Disruption.REPLACE}:
            if verbose or not _is_plain(name, (old, new)):
                yield f"{name} {new}"
        else:
            yield f"{name} {old if old is not None else 'none'} → {new if new is not None else 'none'}"


def _is_plain(name: str, values: AttributeChanges) -> bool:
    if name in {"ipv4 forwarding", "ipv6 forwarding"}:
        return values[1] == "off"
    return name in _QUIET or (name, values[1]) == ("mtu", "1500")


def count_text(number: int, thing: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
