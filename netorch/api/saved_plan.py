"""Saves a plan to a file, and reads it back.

The file has the changes in a readable form, the text of the topology file, and a digest of each
observed object. `apply --plan` does not carry out the saved changes. It plans again from the text,
and refuses if the plan differs or if an object of this topology has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from typing import Any

from msgspec import ValidationError, convert

from netorch.converge.compare import Difference
from netorch.errors import NetorchError, Problem
from netorch.immutable import NODEFAULT, Value, defaults
from netorch.kernel.files.records import Record
from netorch.render import json as rendered
from netorch.render.changes import changes
from netorch.values.digest import blake2b
from netorch.values.typed_json import decode, encode
from netorch.version import __version__

FORMAT = "netorch plan"
VERSION = 2
LISTED_DIFFERENCES = 5
"""The number of differences that the error of `verify` lists."""


class Document(Value, kw_only=True):
    """The content of a saved plan's file."""

    format: str
    version: int
    netorch: str
    """The version of netorch that wrote the file."""
    topology: str
    changes: Any = None
    """The changes as in the JSON output of `diff`, for readers."""
    digest: str
    """The digest of `changes`."""
    looked_at: Mapping[str, str]
    """Observed object → the digest of its state."""
    source: str
    """The path of the topology file, or `-` for standard input."""
    folder: str = ""
    """The folder from which relative paths in the topology file count."""
    name: str | None
    """The value of `--name`."""
    variables: Mapping[str, str]
    saved: float
    """When the plan was saved, in seconds since the epoch."""
    text: str
    """The text of the topology file."""
    machine: str = ""
    """The machine whose changes the plan has, "" if the file has no `hosts`."""


class Saved(Value):
    """A saved plan that was read back."""

    topology: str
    record: Record
    looked_at: Mapping[str, str]
    """Observed object → the digest of its state."""
    planned: str
    """The digest of the changes."""


def document(topology: str, record: Record, difference: Difference) -> str:
    """Return the text of a saved plan's file."""
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
        machine=record.machine,
    )
    return encode(document, indent=1)


def read(data: bytes, file: str) -> Saved:
    """Read a saved plan. Raise NetorchError if `data` is not one."""
    try:
        return _saved(_document(_content(data)))
    except ValueError as error:
        raise NetorchError(
            Problem(
                "bad-plan",
                f"this is not a saved plan: {error}.",
                remedy="Save one with `netorch diff FILE --out PLAN`.",
                object=file,
            ),
            file,
        ) from None


def _content(data: bytes) -> object:
    """Decode JSON. Raise ValueError, with a reason for the user, if `data` is not JSON."""
    try:
        return decode(data, Any)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None


def _document(content: object) -> Document:
    """Convert decoded JSON to a Document.

    Raise ValueError, with a reason for the user, if it does not have the form of one.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("it was not written by `netorch diff --out`")
    version = content.get("version")
    if version != VERSION:
        raise ValueError(f"its version is {version!r}, and this netorch reads version {VERSION}")
    for name in Document.__struct_fields__:
        if name not in content and defaults(Document)[name] is NODEFAULT:
            raise ValueError(f"{name!r} is missing")
    try:
        return convert(content, Document)
    except ValidationError:
        raise ValueError("a value has the wrong type") from None


def _saved(document: Document) -> Saved:
    record = Record(
        text=document.text,
        source=document.source,
        variables=document.variables,
        override=document.name,
        applied=document.saved,
        version=document.netorch,
        folder=document.folder,
        machine=document.machine,
    )
    return Saved(document.topology, record, document.looked_at, document.digest)


def check_machine(saved: Saved, machine: str, file: str) -> None:
    """Raise NetorchError if the plan is not for this machine."""
    planned = saved.record.machine
    if planned and planned != machine:
        raise NetorchError(
            Problem(
                "plan-elsewhere",
                f"this plan is for {planned}, and this machine is {machine}.",
                None,
                f"Apply it on {planned}, or save one here with `netorch diff FILE --out PLAN`.",
                object=file,
            ),
            file,
        )


def verify(saved: Saved, difference: Difference, file: str) -> None:
    """Raise NetorchError, with the changed objects, if a new plan would not equal the saved one."""
    now = _looked_at(difference)
    differences = [
        f"{name} "
        + (
            "no longer exists"
            if name not in now
            else "did not exist"
            if name not in saved.looked_at
            else "has changed"
        )
        for name in sorted({*now, *saved.looked_at})
        if now.get(name) != saved.looked_at.get(name)
    ]
    if (
        not differences
        and _digest(dumps(rendered.changes(changes(difference.plan)), sort_keys=True))
        != saved.planned
    ):
        differences = ["the new plan differs from the saved one"]
    if differences:
        more = (
            f", and {len(differences) - LISTED_DIFFERENCES} more"
            if len(differences) > LISTED_DIFFERENCES
            else ""
        )
        raise NetorchError(
            Problem(
                "plan-outdated",
                "the kernel has changed since this plan was saved: "
                f"{'; '.join(differences[:LISTED_DIFFERENCES])}{more}.",
                None,
                "Save it again with `netorch diff --out`.",
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
