"""Start threads of netorch's own."""

from __future__ import annotations

import threading

from netorch.errors import KernelRefused, Problem


def start(thread: threading.Thread) -> None:
    """Start a thread. Raise KernelRefused if the limit on processes does not allow another one."""
    try:
        thread.start()
    except RuntimeError:
        raise KernelRefused(
            Problem(
                "process-limit",
                "netorch cannot start a thread: the limit of processes is reached.",
                remedy="Raise it: `ulimit -u`, or pids.max of the control group.",
                command="ulimit -u",
            )
        ) from None
