"""Where the time of `netorch apply` goes: the real command line, with a clock at its phases.

    python -m tests.benchmarks.phases FILE     applies FILE

Prints a JSON object: phase → milliseconds. BENCHMARK_BEGAN says when the process was started. What comes after the last line, the end of
the process, its starter knows.
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
"""In their order. `read` and `plan` are those before the first change, `verify` both of them after it; `exit` is the end of the process."""


class Clock:
    """Spends the time since its last mark on a phase."""

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
        """`call`, the time until it spent on the one phase, and its own on the other."""

        def clocked(*words: Any, **named: Any) -> Any:
            self.spend(before())
            try:
                return call(*words, **named)
            finally:
                self.spend(phase())

        return clocked


def main(file: str) -> int:
    gc.disable()  # as the command line does, and before its imports
    clock = Clock(float(os.environ["BENCHMARK_BEGAN"]))
    clock.spend("start")
    from netorch.cli import main as command_line
    from netorch.cli.output import Output
    from netorch.kernel.files import records
    from netorch.kernel.linux import LinuxKernel

    clock.spend("imports")
    # what is spent until the command line says that something else begins
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
