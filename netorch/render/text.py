"""Writes changes as lines of text, in colour if the caller asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from netorch.errors import printable
from netorch.render.changes import AttributeChanges, Change, summary, with_same_lines
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
_DETAILS = {
    "mac",
    "ipv4 forwarding",
    "ipv6 forwarding",
    "hosts",
    "resolv.conf",
    "state",
    "address",
    "scope",
}
"""Attributes of a new object that only the detailed listing shows.

Every listing shows a change of them.
"""


def paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def change_lines(
    changes: Sequence[Change],
    *,
    colour: bool = False,
    verbose: bool = False,
    place: Callable[[Change], str] = lambda _: "",
    commands: Callable[[Change], Sequence[str]] = lambda _: (),
) -> Iterator[str]:
    """Yield one line for each change: its sign, object and values, and its disruption.

    A created or deleted object has no disruption in its line, because the sign shows it. Below the
    line, indented, are the added and removed lines of a file, unless an earlier change has the same
    ones, and the commands that would make the same change. `place` returns the position of a change
    in the topology file.
    """
    for change, same in with_same_lines(changes):
        sign, code = SIGNS[change.disruption]
        words = [f"{sign} {change.title}", *values(change, verbose)]
        if change.disruption in {Disruption.UPDATE, Disruption.FLAP, Disruption.REPLACE}:
            words.append(f"[{change.disruption.value}]")
        if change.because:
            words.append(f"(goes with {change.because})")
        if where := place(change):
            words.append(f"# {where}")
        yield paint(printable("  ".join(words)), code, colour)
        shows_lines = verbose or change.disruption in {Disruption.UPDATE, Disruption.FLAP}
        if shows_lines and same:
            yield printable(f"    (the same lines as {same})")
        elif shows_lines:
            yield from (
                paint(printable(f"    - {line}"), SIGNS[Disruption.DELETE][1], colour)
                for line in change.removed
            )
            yield from (
                paint(printable(f"    + {line}"), SIGNS[Disruption.CREATE][1], colour)
                for line in change.added
            )
        # only the first line, because the added lines above show the text of a here-document
        yield from (
            printable(f"    $ {command.partition(NEWLINE)[0]}") for command in commands(change)
        )


def summarize(changes: Sequence[Change], *, done: bool = False) -> str:
    """Return `3 to create, 1 to update`, or with `done`, `3 created, 1 updated`."""
    verbs = _DONE if done else _VERBS
    return ", ".join(f"{count} {verbs[sort]}" for sort, count in summary(changes).items())


def values(change: Change, verbose: bool) -> Iterator[str]:
    """Yield `mtu 1500 → 9000` for each attribute that a listing shows."""
    for name, (old, new) in change.values.items():
        if change.disruption is Disruption.DELETE:
            continue
        if old is None and change.disruption in {Disruption.CREATE, Disruption.REPLACE}:
            if verbose or not _is_plain(name, (old, new)):
                yield f"{name} {new}"
        else:
            before, after = ("none" if value is None else value for value in (old, new))
            yield f"{name} {before} → {after}"


def _is_plain(name: str, values: AttributeChanges) -> bool:
    """Whether an attribute of a new object has its usual value, or is a detail."""
    if name in {"ipv4 forwarding", "ipv6 forwarding"}:
        return values[1] == "off"
    return name in _DETAILS or (name, values[1]) == ("mtu", "1500")


def count_text(number: int, thing: str) -> str:
    """Return `1 node` or `2 nodes`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
