"""Opens namespaces that already exist, by `netns`, `pid`, `path` or the name of a container."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from netorch.errors import Position, Problem, did_you_mean
from netorch.immutable import replace
from netorch.kernel.system.nsfs import RUN_NETNS, netns_fd
from netorch.values.requests import Attachment

if TYPE_CHECKING:
    from netorch.kernel.namespaces.container_engines import Engines

_BY_ENGINE = ("docker", "podman")


class NotAttached(Exception):
    """A namespace could not be attached."""

    def __init__(self, problem: Problem, *, unsure: bool = False) -> None:
        """Make the error. `unsure` is true if it is unknown whether the namespace exists."""
        self.problem, self.unsure = problem, unsure
        super().__init__(f"{problem.what} {problem.remedy}".rstrip())

    @property
    def what(self) -> str:
        """The sentence that says what is wrong."""
        return self.problem.what

    def of_node(self, node: str, where: Position | None = None) -> Problem:
        """Return the problem with the node's name in front."""
        return replace(self.problem, what=f"node {node}: {self.what}", where=where)


def open_namespace(how: str, what: str, engines: Engines | None = None) -> int:
    """Open a namespace and return the file descriptor, which keeps it alive.

    Raise NotAttached if that fails.
    """
    if how in _BY_ENGINE:
        return (engines or _engines()).open(how, what)
    path = {"netns": f"{RUN_NETNS}/{what}", "pid": f"/proc/{what}/ns/net"}.get(how, what)
    try:
        return netns_fd(path, follow=True)
    except OSError as error:
        raise _why(how, what, path, error) from None


def open_all(
    attachments: Mapping[str, Attachment],
) -> tuple[dict[str, int], dict[str, NotAttached]]:
    """Open namespaces. Return label → file descriptor, and label → the error for the others."""
    engines = _engines() if any(how in _BY_ENGINE for how, _ in attachments.values()) else None
    opened: dict[str, int] = {}
    missing: dict[str, NotAttached] = {}
    for label, (how, what) in attachments.items():
        try:
            opened[label] = open_namespace(how, what, engines)
        except NotAttached as error:
            missing[label] = error
    return opened, missing


def _engines() -> Engines:
    from netorch.kernel.namespaces.container_engines import Engines

    return Engines()


def _why(how: str, what: str, path: str, error: OSError) -> NotAttached:
    if error.errno in (errno.EACCES, errno.EPERM):
        denied = f"{path}: {error.strerror}."
        return NotAttached(
            Problem("not-root", denied, remedy="netorch needs root.", object=path), unsure=True
        )
    if how == "pid" and error.errno in (errno.ENOENT, errno.ESRCH):
        gone = f"there is no process {what}."
        remedy = "Start it first, and write its current PID."
        return NotAttached(Problem("no-such-process", gone, remedy=remedy, object=what))
    if how == "netns" and error.errno == errno.ENOENT:
        try:
            known = os.listdir(RUN_NETNS)
        except OSError:
            known = []
        gone = f"there is no namespace {what!r}."
        close = did_you_mean(what, known)
        remedy, command = (
            (close, "") if close else ("`ip netns list` shows the namespaces.", "ip netns list")
        )
        return NotAttached(
            Problem("no-such-namespace", gone, remedy=remedy, object=what, command=command)
        )
    remedy = "Start the program that it belongs to first, or correct `attach`."
    other = f"{path} is not a network namespace."
    return NotAttached(Problem("not-a-namespace", other, remedy=remedy, object=path))


__all__ = ["NotAttached", "open_all", "open_namespace"]
