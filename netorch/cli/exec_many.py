"""Runs one command in several nodes at a time, for `exec` with a pattern."""

from __future__ import annotations

import selectors
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from netorch.cli.nodes import LiveNodes
from netorch.cli.streams import put, tell
from netorch.errors import NetorchError, Problem
from netorch.kernel.namespaces.attach import NotAttached
from netorch.kernel.processes import spawn
from netorch.render.compact import natural

if TYPE_CHECKING:
    from netorch.converge.attached import NodePlace

AT_ONCE = 16
"""The number of nodes in which the command runs at a time."""


def run(pattern: str, topology: str | None, argv: Sequence[str]) -> int:
    """Run a command in all nodes whose names match the pattern.

    Each line of its output begins with the name of the node. Return 0, or the first exit status
    that is not 0, in the order of the nodes.
    """
    nodes = LiveNodes(topology)
    names = sorted((name for name in nodes.names() if fnmatchcase(name, pattern)), key=natural)
    if not names:
        raise NetorchError(
            Problem(
                "unknown-node",
                f"no live topology has a node whose name matches {pattern!r}.",
                remedy="`netorch list` shows the live topologies.",
                object=pattern,
            )
        )
    width = max(map(len, names))
    status = 0
    for start in range(0, len(names), AT_ONCE):
        batch = names[start : start + AT_ONCE]
        places = [nodes.place(name, "netorch exec {} CMD") for name in batch]
        for ended in _run_batch(batch, places, argv, width):
            status = status or ended
    return status


def _run_batch(
    names: Sequence[str], places: Sequence[NodePlace], argv: Sequence[str], width: int
) -> list[int]:
    """Run the command in some nodes at the same time. Return its exit statuses."""
    processes: list[Any] = []
    try:
        with selectors.DefaultSelector() as selector:
            for name, place in zip(names, places, strict=True):
                process = _start(name, place, argv)
                processes.append(process)
                for stream, write in ((process.stdout, put), (process.stderr, tell)):
                    prefix = f"{name.ljust(width)} | "
                    selector.register(stream, selectors.EVENT_READ, _Lines(prefix, write))
            while selector.get_map():
                for key, _ in selector.select():
                    data = key.fileobj.read1()  # type: ignore[union-attr]
                    key.data.take(data)
                    if not data:
                        selector.unregister(key.fileobj)
        return [_status(process.wait()) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                with suppress(OSError):
                    process.kill()
                process.wait()
            process.stdout.close()
            process.stderr.close()


def _start(name: str, place: NodePlace, argv: Sequence[str]) -> Any:
    try:
        files = spawn.entrance(*place)
    except NotAttached as error:
        raise NetorchError(error.of_node(name)) from None
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    try:
        return spawn.popen(spawn.namespaces_of(files), argv, options)
    finally:
        spawn.close_all(files)


def _status(code: int) -> int:
    """Return the exit status that a shell would return."""
    return 128 - code if code < 0 else code


class _Lines:
    """Writes a stream in whole lines, each after the name of its node."""

    def __init__(self, prefix: str, write: Any) -> None:
        self._prefix, self._write, self._rest = prefix, write, b""

    def take(self, data: bytes) -> None:
        """Take the next part of the stream. It is empty at the end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            text = line.decode("utf-8", "backslashreplace").rstrip("\r")
            self._write(self._prefix + text)
