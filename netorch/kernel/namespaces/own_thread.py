"""A thread for one call that moves between namespaces: the thread ends there, and the caller stays where it was."""

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
    """What `function` returns or raises, called in a new thread that ends with it.

    Ctrl-C while it runs waits for its end and takes the result back with `undo`: nobody else has it.
    """
    found: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            found.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="netorch-aside", daemon=True)
    threads.start(thread)
    try:
        thread.join()
    except BaseException:
        thread.join()
        for result in found:
            undo(result)
        raise
    if errors:
        raise errors[0]
    return found[0]


def open_namespace_of(how: str, what: str) -> int:
    """The network namespace that a place is, open; KernelRefused if it is not there."""
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
    """What `function` returns in the network namespace of a place."""

    def work() -> Result:
        with open(open_namespace_of(how, what), "rb", closefd=True) as namespace:
            setns(namespace.fileno())
        return function()

    return run_in_new_thread(work, undo)
