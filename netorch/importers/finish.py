"""Turns a draft into the text of a topology file, and tells what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from netorch.errors import FileError, Problem, printable
from netorch.immutable import Value
from netorch.importers.draft import Draft, Remark
from netorch.importers.shorten import shorten
from netorch.render import yaml_text
from netorch.render.applied_file import escaped


class Imported(Value):
    """A source as a topology file."""

    text: str
    losses: tuple[Remark, ...]
    """What the file could not express."""
    problems: tuple[Problem, ...]
    """The errors of the file, for which the user has to change it before netorch can apply it."""

    @property
    def is_faithful(self) -> bool:
        """Whether the nodes of the file reach each other as in the source."""
        return not self.problems and not any(one.matters for one in self.losses)


def finish(draft: Draft) -> Imported:
    """Return the topology file of a draft. The draft changes.

    Values of the source that a topology file refuses are losses.
    """
    from netorch.importers.refused import has_ranges, load_without_errors

    if has_ranges(draft.tree):
        load_without_errors(draft)
    tree, remarks = deepcopy(draft.tree), {path: [*one] for path, one in draft.remarks.items()}
    result = _written(draft)
    if not result.problems:
        return result
    draft.tree, draft.remarks = tree, remarks
    load_without_errors(draft)
    return _written(draft)


def _written(draft: Draft) -> Imported:
    """Return the topology file of a draft, with all its errors."""
    from netorch.resolve.loader import load

    losses = tuple(draft.losses)
    draft.tree = {
        key: escaped(value)
        for key, value in draft.tree.items()
        if value or value is False or key == "name"
    }
    draft.tree.setdefault("nodes", {})
    shorten(draft)
    comments = {path: _comments(remarks) for path, remarks in draft.remarks.items()}
    comments.setdefault((), []).insert(0, f"imported from {printable(draft.source)} ({draft.tool})")
    text = yaml_text.document(draft.tree, comments)
    problems: tuple[Problem, ...] = ()
    try:
        load(text.encode(), "the new file")
    except FileError as error:
        problems = error.problems
    return Imported(text, losses, problems)


def _comments(remarks: Iterable[Remark]) -> list[str]:
    """Return the comments of an entry, those with the same reason together."""
    texts: list[str] = []
    reasons: dict[str, list[Remark]] = {}
    for remark in remarks:
        if remark.is_loss:
            reasons.setdefault(remark.why, []).append(remark)
        else:
            texts.append(printable(remark.text))
    for why, losses in reasons.items():
        words = "; ".join(dict.fromkeys(printable(one.text) for one in losses))
        texts.append(f"not carried over: {words}{_places(losses)}: {why}")
    return texts


def _places(losses: Iterable[Remark]) -> str:
    """Return ` (compose.yaml:12, 14)`, and "" without places."""
    lines: dict[str, list[str]] = {}
    for place in dict.fromkeys(place for one in losses for place in one.where):
        file, _, line = place.rpartition(":")
        lines.setdefault(printable(file), []).append(line)
    texts = [f"{file}:{', '.join(numbers)}" for file, numbers in lines.items()]
    return f" ({'; '.join(texts)})" if texts else ""


def loss_lines(losses: Iterable[Remark]) -> list[str]:
    """Return a line for each kind of loss, those that matter first, with its places."""
    groups: dict[tuple[bool, str, str], list[Remark]] = {}
    for one in losses:
        groups.setdefault((not one.matters, one.why, one.text), []).append(one)
    lines: list[str] = []
    for (_, why, text), group in sorted(groups.items(), key=lambda item: item[0][0]):
        lines.append(f"not carried over: {printable(text)}{_places(group)}: {why}")
    return lines
