"""A process that has imported netorch and forks for each command.

It saves the start of Python and of the models, which takes longer than most tests.

    python -m tests.kernel.warm

reads jobs, one line of JSON each, and prints the exit status of each.

Each command is a process of its own in the namespaces of a private host. It begins with the parsed
command line. Tests that start the real program cover the part before that: the interpreter's start
and the entry point.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from netorch.kernel.system.syscalls import setns

KINDS = ("net", "mnt", "pid")


class Warm:
    """The server, started with the first command. Each process that runs tests has one."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def run(
        self,
        pid: int,
        folder: Path,
        argv: Sequence[str],
        stdin: str,
        env: dict[str, str],
        timeout: float,
    ) -> tuple[int, str, str] | None:
        """Run `netorch ARGV` in the namespaces of process `pid`.

        Returns (exit status, stdout, stderr), or None if it takes longer than `timeout` seconds.
        """
        process = self._server()
        assert process.stdin is not None and process.stdout is not None
        with tempfile.TemporaryDirectory(prefix="netorch-warm-") as place:
            files = [str(Path(place) / name) for name in ("in", "out", "err")]
            Path(files[0]).write_text(stdin, encoding="utf-8", errors="surrogateescape")
            process.stdin.write(
                json.dumps(
                    {
                        "pid": pid,
                        "folder": str(folder),
                        "argv": list(argv),
                        "files": files,
                        "env": env,
                    }
                )
                + "\n"
            )
            process.stdin.flush()
            if not select.select([process.stdout], [], [], timeout)[0]:
                process.kill()
                self._process = None
                return None
            status = int(process.stdout.readline())
            out, err = (
                Path(file).read_text(encoding="utf-8", errors="surrogateescape")
                for file in files[1:]
            )
            return status, out, err

    def _server(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            argv = [sys.executable, "-m", "tests.kernel.warm"]
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
            )
        return self._process


def serve() -> None:
    """Run jobs from standard input until it ends."""
    import netorch.checks.run
    import netorch.cli.diff_report
    import netorch.cli.dispatch
    import netorch.cli.enter
    import netorch.cli.parser
    import netorch.converge.orchestrator
    import netorch.doctor
    import netorch.kernel.probe.run
    import netorch.render.checks
    import netorch.render.doctor
    import netorch.render.live_table
    import netorch.render.topology_file
    import netorch.render.tree  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _enter(json.loads(line))
            except BaseException:
                traceback.print_exc()
            os._exit(255)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _enter(job: dict[str, object]) -> None:
    """Run the job in its namespaces.

    Forks once more, because only children of the process that enters a PID namespace are in it.
    """
    streams = [
        os.open(str(file), os.O_RDONLY if index == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        for index, file in enumerate(job["files"])
    ]  # type: ignore[arg-type]
    namespaces = [os.open(f"/proc/{job['pid']}/ns/{kind}", os.O_RDONLY) for kind in KINDS]
    for fd in namespaces:
        setns(fd, 0)
        os.close(fd)
    os.chdir(str(job["folder"]))
    child = os.fork()
    if child != 0:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(status if status >= 0 else 128 - status)
    for fd, stream in enumerate(streams):
        os.dup2(stream, fd)
    sys.stdin = open(0, encoding="utf-8")
    sys.stdout = open(1, "w", encoding="utf-8")
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    os.environ.clear()
    os.environ.update(job["env"])  # type: ignore[arg-type]
    argv = [str(word) for word in job["argv"]]  # type: ignore[attr-defined]
    sys.argv = ["netorch", *argv]

    from netorch.cli import main

    try:
        status = main(argv)
    except Exception:
        traceback.print_exc()
        status = 1
    for file in (sys.stdout, sys.stderr):
        file.flush()
    os._exit(status)


if __name__ == "__main__":
    serve()
