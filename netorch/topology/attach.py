"""The key `attach` of a node, which names an existing namespace."""

import re
from typing import Literal

from netorch.errors import did_you_mean
from netorch.language import schema_shapes
from netorch.language.constraints import Condition
from netorch.language.model import Model
from netorch.language.scalars import NODE, integer, node_name, wrong
from netorch.language.schema_shapes import OPEN, Shape, accepts


class Attach(Model):
    """An existing namespace, or that of another node, and the way to find it."""

    how: Literal["docker", "podman", "netns", "pid", "path", "node"]
    """The way to find it, the part of the text before the colon."""
    what: str
    """The container, the namespace, the process ID, the path or the node, after the colon."""


class SharesNamespace(Condition):
    """The node shares the namespace of another node."""

    def shape(self, model: type[Model], sure: bool) -> Shape:
        shares: Shape = {"type": "string", "pattern": "^node:"}
        return {
            "properties": {"attach": shares if sure else {"anyOf": [shares, OPEN]}},
            "required": ["attach"],
        }

    def holds(self, instance: Model) -> bool:
        attach: Attach | None = getattr(instance, "attach", None)
        return attach is not None and attach.how == "node"

    def needs(self, model: type[Model]) -> frozenset[str]:
        return frozenset(("attach",))


_CONTAINER = "[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"
_FORMS = "docker:NAME, podman:NAME, netns:NAME, pid:NUMBER, path:/run/… or node:NAME"


_PLACE = (
    rf"(?:docker|podman):{_CONTAINER}|pid:(?:{schema_shapes.numeral(1, 2**22)})"
    r"|netns:(?!\.\.?$)[^/\x00]+|path:/(?:[^$\x00]|\$\$)*"
    rf"|node:{NODE}"
)


@accepts(schema_shapes.text(_PLACE, f"namespace: {_FORMS}", "docker:web", "node:web"))
def existing_namespace(value: object) -> object:
    """Parse `HOW:WHAT` into the values of an `Attach`."""
    if isinstance(value, Attach):
        return value
    how, _, what = str(value).partition(":")
    ways = {"docker", "podman", "netns", "pid", "path", "node"}
    if how not in ways or not what:
        close = did_you_mean(how, sorted(ways)) if what and how not in ways else ""
        guess = f". {close}" if close else ""
        wrong(f"{value!r} is not a namespace: write {_FORMS}{guess}", "bad-attach")
    if how in {"docker", "podman"} and not re.fullmatch(_CONTAINER, what):
        wrong(
            f"{what!r} is not a container name: write letters, digits, `_`, `.` and `-`,"
            " and begin with a letter or a digit",
            "bad-attach",
        )
    if how == "pid":
        what = str(integer(1, 2**22)(what))
    if how == "node":
        what = node_name(what)
    if how == "netns" and ("/" in what or what in {".", ".."} or "\0" in what):
        wrong(f"{what!r} is not a network namespace name", "bad-attach")
    if how == "path" and (not what.startswith("/") or "\0" in what):
        wrong(f"{what!r} is not an absolute path", "bad-attach")
    return {"how": how, "what": what}
