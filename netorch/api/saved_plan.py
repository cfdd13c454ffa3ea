"""A plan as a file: what was to be done, readable, with what it was made from and a digest of each thing that it looked at.

It is not a list of orders: `apply --plan` makes the plan anew from the file's text that is in it, and refuses if it comes out otherwise or
if anything that the first one saw of this topology looks different now.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from json import dumps
from typing import Any

from msgspec import ValidationError, convert

from netorch.converge.compare import Difference
from netorch.errors import NetorchError, Problem
from netorch.immutable import NODEFAULT, Value, defaults
from netorch.kernel.files.records import Record
from netorch.render import json as rendered
from netorch.render.changes import changes
from netorch.values.typed_json import decode, encode
from netorch.version import __version__

FORMAT = "netorch plan"
VERSION = 2
LISTED_DIFFERENCES = 5
"""Differences that a refusal names."""


class Document(Value, kw_only=True):
    """The file, field by field."""

    format: str
    version: int
    netorch: str
    """The version that wrote it."""
    topology: str
    changes: Any = None
    digest: str
    """Of the changes."""
    looked_at: Mapping[str, str]
    source: str
    folder: str = ""
    name: str | None
    """The word after `--name`."""
    variables: Mapping[str, str]
    saved: float
    text: str


class Saved(Value):
    """A plan that was read back. `looked_at`: object → digest; `planned` is the digest of the changes."""

    topology: str
    record: Record
    looked_at: Mapping[str, str]
    planned: str


def document(topology: str, record: Record, difference: Difference) -> str:
    """The text of the file."""
    report = rendered.changes(changes(difference.plan))
    document = Document(
        format=FORMAT,
        version=VERSION,
        netorch=__version__,
        topology=topology,
        changes=report,
        digest=_digest(dumps(report, sort_keys=True)),
        looked_at=_looked_at(difference),
        source=record.source,
        folder=record.folder,
        name=record.override,
        variables=record.variables,
        saved=record.applied,
        text=record.text,
    )
    return encode(document, indent=1)


def read(data: bytes, file: str) -> Saved:
    """NetorchError for what is not a plan of ours."""
    try:
        return _saved(_document(decode(data, Any)))
    except ValueError as error:
        raise NetorchError(
            Problem("bad-plan", f"this is not a saved plan: {error}.", object=file), file
        ) from None


def _document(content: object) -> Document:
    """Return the document that JSON holds. Raises ValueError, in a person's words, for others."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("it was not written by `netorch diff --out`")
    version = content.get("version")
    if version != VERSION:
        remedy = "make it anew with `netorch diff --out`"
        raise ValueError(f"its version is {version!r}, and this netorch reads {VERSION}: {remedy}")
    for name in Document.__struct_fields__:
        if name not in content and defaults(Document)[name] is NODEFAULT:
            raise ValueError(f"{name!r} is missing")
    try:
        return convert(content, Document)
    except ValidationError:
        raise ValueError("values of the wrong type") from None


def _saved(document: Document) -> Saved:
    record = Record(
        text=document.text,
        source=document.source,
        variables=document.variables,
        override=document.name,
        applied=document.saved,
        version=document.netorch,
        folder=document.folder,
    )
    return Saved(document.topology, record, document.looked_at, document.digest)


def verify(saved: Saved, difference: Difference, file: str) -> None:
    """NetorchError, naming what moved, unless the kernel still is what the plan was made for."""
    now = _looked_at(difference)
    moved = [
        f"{name} {'is gone' if name not in now else 'was not there' if name not in saved.looked_at else 'has changed'}"
        for name in sorted({*now, *saved.looked_at})
        if now.get(name) != saved.looked_at.get(name)
    ]
    if (
        not moved
        and _digest(dumps(rendered.changes(changes(difference.plan)), sort_keys=True))
        != saved.planned
    ):
        moved = ["the plan comes out otherwise"]
    if moved:
        more = (
            f", and {len(moved) - LISTED_DIFFERENCES} more"
            if len(moved) > LISTED_DIFFERENCES
            else ""
        )
        raise NetorchError(
            Problem(
                "plan-outdated",
                f"the kernel has moved since this plan was saved: {'; '.join(moved[:LISTED_DIFFERENCES])}{more}.",
                None,
                "Make it anew with `netorch diff --out`.",
                object=file,
                command="netorch diff --out",
            ),
            file,
        )


def _looked_at(difference: Difference) -> dict[str, str]:
    return {
        str(key): _digest(repr(resource)) for key, resource in difference.observed.state.items()
    }


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
