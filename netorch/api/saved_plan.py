"""A plan as a file: what was to be done, readable, with what it was made from and a digest of each thing that it looked at.

It is no list of orders: `apply --plan` makes the plan anew from the file's text that is in it, and refuses if it comes out otherwise or
if anything that the first one saw of this topology looks different now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from netorch import __version__
from netorch.converge.compare import Difference
from netorch.errors import NetorchError, Problem
from netorch.kernel.files.records import Record
from netorch.render import json as rendered
from netorch.render.changes import changes
from netorch.values.frozen import frozen

FORMAT = "netorch plan"
VERSION = 1
TOLD = 5
"""Differences that a refusal names."""


@frozen
class Saved:
    """A plan that was read back. `looked_at`: object → digest; `planned` is the digest of the changes."""

    topology: str
    record: Record
    looked_at: Mapping[str, str]
    planned: str


def document(topology: str, record: Record, difference: Difference) -> str:
    """The text of the file."""
    told = rendered.changes(changes(difference.plan))
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "netorch": __version__,
            "topology": topology,
            "changes": told,
            "digest": _digest(json.dumps(told, sort_keys=True)),
            "looked_at": _looked_at(difference),
            "source": record.source,
            "folder": record.folder,
            "name": record.override,
            "variables": dict(record.variables),
            "saved": record.applied,
            "text": record.text,
        },
        indent=1,
        ensure_ascii=True,
    )


def read(data: bytes, file: str) -> Saved:
    """NetorchError for what is no plan of ours."""
    try:
        found = json.loads(data)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError("it was not written by `netorch diff --out`")
        if found.get("version") != VERSION:
            raise ValueError(
                f"its version is {found.get('version')!r}, and this netorch reads {VERSION}: make it anew with `netorch diff --out`"
            )
        return _read(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise NetorchError(
            Problem("bad-plan", f"this is no saved plan: {why}.", object=file), file
        ) from None


def _read(found: Mapping[str, Any]) -> Saved:
    texts = {key: found[key] for key in ("topology", "digest", "source", "netorch", "text")}
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(
        found["name"], str | None
    ):
        raise ValueError("values of the wrong type")
    variables = {str(name): str(value) for name, value in found["variables"].items()}
    folder = str(found.get("folder", ""))
    record = Record(
        texts["text"],
        texts["source"],
        variables,
        found["name"],
        float(found["saved"]),
        texts["netorch"],
        folder,
    )
    return Saved(
        texts["topology"],
        record,
        {str(key): str(digest) for key, digest in found["looked_at"].items()},
        texts["digest"],
    )


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
        and _digest(json.dumps(rendered.changes(changes(difference.plan)), sort_keys=True))
        != saved.planned
    ):
        moved = ["the plan comes out otherwise"]
    if moved:
        more = f", and {len(moved) - TOLD} more" if len(moved) > TOLD else ""
        raise NetorchError(
            Problem(
                "plan-outdated",
                f"the kernel has moved since this plan was saved: {'; '.join(moved[:TOLD])}{more}.",
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
