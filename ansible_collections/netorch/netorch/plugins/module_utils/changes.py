"""Shows changes of netorch in the form of Ansible's diff mode: two texts, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def before_and_after(topology: str, changes: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the value of a module's result `diff`.

    Both texts have only the objects that change, each with the attributes that change.
    """
    before: list[str] = []
    after: list[str] = []
    for change in changes:
        if change["action"] != "create":
            before += _block(change, "old", change["removed"])
        if change["action"] != "delete":
            after += _block(change, "new", change["added"])
    return {
        "before_header": f"{topology} on this machine",
        "after_header": f"{topology} in the file",
        "before": "".join(before),
        "after": "".join(after),
    }


def _block(change: dict[str, Any], side: str, lines: Sequence[str]) -> list[str]:
    values = [
        f"  {name}: {value[side]}\n"
        for name, value in change["values"].items()
        if value[side] is not None
    ]
    return [f"{change['title']}\n", *values, *(f"  {line}\n" for line in lines)]


def resources_before(topology: str, resources: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the same for a topology whose objects are all deleted."""
    blocks = [
        "".join(
            [
                f"{resource['title']}\n",
                *(f"  {name}: {value}\n" for name, value in resource["attributes"].items()),
            ]
        )
        for resource in resources
    ]
    return {
        "before_header": f"{topology} on this machine",
        "after_header": f"{topology} in the file",
        "before": "".join(blocks),
        "after": "",
    }
