"""Runs a call in a new thread, which may enter other namespaces while the caller's thread stays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from netorch.errors import KernelRefused
from netorch.kernel.namespaces.attach import NotAttached, open_namespace
from netorch.kernel.system import threads
from netorch.kernel.system.syscalls import setns

Result = TypeVar("Result")


def run_in_new_thread(
    function: Callable[[], Result], undo: Callable[[Result], None] = lambda _: None
) -> Result:
    """Run `function` in a new thread, and return or raise what it does.

    Ctrl-C waits for the end of the call, and then calls `undo` with the result.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="netorch-aside", daemon=True)
    threads.start(thread)
    try:
        thread.join()
    except BaseException:
        thread.join()
        for result in results:
            undo(result)
        raise
    if errors:
        raise errors[0]
    return results[0]


def open_namespace_of(how: str, what: str) -> int:
    """Open a network namespace (see `open_namespace`). Raise KernelRefused if that fails."""
    try:
        return open_namespace(how, what)
    except NotAttached as error:
        raise KernelRefused(error.problem) from None


def run_within(
    how: str,
    what: str,
    function: Callable[[], Result],
    undo: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Run `function` in a network namespace, and return or raise what it does.

    `run_in_new_thread` describes `undo`.
    """

    def work() -> Result:
        with open(open_namespace_of(how, what), "rb", closefd=True) as namespace:
            setns(namespace.fileno())
        return function()

    return run_in_new_thread(work, undo)
