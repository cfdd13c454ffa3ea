"""The time of each phase of `netorch apply`, measured in the real command line.

    python -m tests.benchmarks.phases FILE     applies FILE

It prints a JSON object: phase → milliseconds. The environment variable BENCHMARK_BEGAN has the time
at which the process was started. The starter of the process measures its end, after the last line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

FIRST_LINE = time.perf_counter()

PHASES = (
    "start",
    "imports",
    "load",
    "read",
    "plan",
    "record",
    "execute",
    "verify",
    "finish",
    "exit",
)
"""The phases in order.

`read` and `plan` are those before the first change, and `verify` is both of them after it. `exit`
is the end of the process.
"""


class Clock:
    """Adds the time since its last mark to a phase."""

    def __init__(self, began: float) -> None:
        self.milliseconds = dict.fromkeys(PHASES, 0.0)
        self._mark = began

    def spend(self, phase: str) -> None:
        now = time.perf_counter()
        self.milliseconds[phase] += (now - self._mark) * 1000
        self._mark = now

    def around(
        self, call: Callable[..., Any], before: Callable[[], str], phase: Callable[[], str]
    ) -> Callable[..., Any]:
        """Return `call` with a clock around it.

        The time before the call counts for the phase `before()`, the call itself for `phase()`.
        """

        def clocked(*words: Any, **named: Any) -> Any:
            self.spend(before())
            try:
                return call(*words, **named)
            finally:
                self.spend(phase())

        return clocked


def main(file: str) -> int:
    gc.disable()  # the command line does so before its imports
    clock = Clock(float(os.environ["BENCHMARK_BEGAN"]))
    clock.spend("start")
    from netorch.cli import main as command_line
    from netorch.cli.output import Output
    from netorch.kernel.files import records
    from netorch.kernel.linux import LinuxKernel

    clock.spend("imports")
    # the phase until the command line reports the next one
    here = ["load"]
    following = {
        "reading the file": "load",
        "waiting for the lock": "load",
        "reading": "plan",
        "making": "execute",
        "verifying": "verify",
    }
    say = Output.phase

    def phase(self: Output, name: str) -> None:
        clock.spend(here[0])
        here[0] = following[name]
        say(self, name)

    Output.phase = phase  # type: ignore[method-assign]
    reading = clock.around(
        LinuxKernel.read, lambda: here[0], lambda: "read" if here[0] == "plan" else here[0]
    )
    LinuxKernel.read = reading  # type: ignore[method-assign]
    for name in ("write_record", "write_sysctls"):
        setattr(
            records, name, clock.around(getattr(records, name), lambda: here[0], lambda: "record")
        )
    close = clock.around(LinuxKernel.close, lambda: here[0], lambda: "finish")
    LinuxKernel.close = close  # type: ignore[method-assign]
    status = command_line(["apply", "--quiet", file])
    clock.spend("finish")
    clock.milliseconds["ended"] = time.perf_counter()
    print(json.dumps(clock.milliseconds))
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
