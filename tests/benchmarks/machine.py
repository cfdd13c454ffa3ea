"""A private host for measurements, and a runner of commands in it."""

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
"""The most seconds that one command may take."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that succeeded."""

    began: float
    """The start by time.perf_counter(), which is the same clock in all processes."""
    milliseconds: float
    processor_milliseconds: float
    """The processor time of the process, including the kernel's work for it."""
    peak_kilobytes: int
    out: str
    """The standard output."""


class CommandFailed(Exception):
    """A measured command did not do what it should. The text has its words and its output."""


class Machine:
    """A private host with a runner in it."""

    def __init__(self, host: Host, runner: Background, quiet: bool) -> None:
        self.host = host
        self._quiet = quiet
        self._runner = runner

    def run(self, *argv: str, settled: bool = False) -> Ran:
        """Run a command to its end, after the kernel has finished the work of earlier commands.

        `settled`: the time ends when the kernel has torn down all namespaces that the command
        released. Raises CommandFailed if the exit status is not 0.
        """
        assert self._runner.stdin is not None and self._runner.stdout is not None
        self._runner.stdin.write(
            json.dumps({"argv": argv, "settled": settled, "quiet": self._quiet}) + "\n"
        )
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
        """Run a module with the Python that runs this program."""
        return self.run(sys.executable, "-m", module, *words, settled=settled)


@contextmanager
def machine(files: Sequence[tuple[str, str]] = (), *, quiet: bool = True) -> Iterator[Machine]:
    """Make a machine with these files (name, text) in the folder where its commands run.

    The machine is removed at the end, also after an error. With `quiet` each command waits until
    the multicasts of new links are over.
    """
    with tempfile.TemporaryDirectory(prefix="netorch-benchmark-") as folder:
        host = Host(Path(folder))
        try:
            for name, text in files:
                host.write(name, text)
            runner = host.start(sys.executable, "-m", "tests.benchmarks.runner")
            try:
                yield Machine(host, runner, quiet)
            finally:
                for stream in (runner.stdin, runner.stdout, runner.stderr):
                    if stream is not None:
                        stream.close()
        finally:
            host.close()
            if "runner" in locals():
                runner.wait()
