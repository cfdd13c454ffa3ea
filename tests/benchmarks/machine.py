"""A private host to measure in, seen from outside."""

from __future__ import annotations

import json
import select
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kernel.host import Background, Host

TIMEOUT = 900.0
"""Seconds that one command may take."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that succeeded. `began`: of time.perf_counter(), which all processes share. `processor_milliseconds`: what it computed,
    in its own code and in the kernel for it.
    """

    began: float
    milliseconds: float
    processor_milliseconds: float
    peak_kilobytes: int
    out: str


class CommandFailed(Exception):
    """A command of a measurement did not do what it should; its words and what it printed."""


class Machine:
    """A private host, with a runner in it."""

    def __init__(self, host: Host, runner: Background) -> None:
        self.host = host
        self._runner = runner

    def run(self, *argv: str, settled: bool = False) -> Ran:
        """Run a command to its end, when the kernel is through with what was before. CommandFailed where its status is not 0.

        `settled`: it ends when the kernel has torn down all that it gave up.
        """
        assert self._runner.stdin is not None and self._runner.stdout is not None
        self._runner.stdin.write(json.dumps({"argv": argv, "settled": settled}) + "\n")
        self._runner.stdin.flush()
        if not select.select([self._runner.stdout], [], [], TIMEOUT)[0]:
            raise CommandFailed(f"{' '.join(argv)}: took more than {TIMEOUT:.0f} s")
        line = self._runner.stdout.readline()
        if not line:
            raise CommandFailed(
                f"{' '.join(argv)}: its runner died\n{self._runner.stderr.read() if self._runner.stderr else ''}"
            )
        answer = json.loads(line)
        if answer["status"] != 0:
            raise CommandFailed(
                f"{' '.join(argv)}: exit status {answer['status']}\n{answer['out'][-2000:]}{answer['err'][-2000:]}"
            )
        return Ran(
            answer["began"],
            answer["milliseconds"],
            answer["processor_milliseconds"],
            answer["peak_kilobytes"],
            answer["out"],
        )

    def python(self, module: str, *words: str, settled: bool = False) -> Ran:
        """Run a module with the Python that runs this."""
        return self.run(sys.executable, "-m", module, *words, settled=settled)


@contextmanager
def machine(files: Sequence[tuple[str, str]] = ()) -> Iterator[Machine]:
    """A machine of its own with these files (name, text) where its commands run; gone at the end, however that comes."""
    with tempfile.TemporaryDirectory(prefix="netorch-benchmark-") as folder:
        host = Host(Path(folder))
        try:
            for name, text in files:
                host.write(name, text)
            runner = host.start(sys.executable, "-m", "tests.benchmarks.runner")
            try:
                yield Machine(host, runner)
            finally:
                for stream in (runner.stdin, runner.stdout, runner.stderr):
                    if stream is not None:
                        stream.close()
        finally:
            host.close()
            if "runner" in locals():
                runner.wait()
