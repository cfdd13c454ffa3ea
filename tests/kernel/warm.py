"""A process that has imported netorch and forks for each command.

It saves the start of Python and of the models, which takes longer than most tests.

    python -m tests.kernel.warm

reads jobs, one line of JSON each, and prints the exit status of each.

Each command is a process of its own in the namespaces of a private host. It begins with the parsed
command line. Tests that start the real program cover the part before that: the interpreter's start
and the entry point.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import netorch
from netorch.kernel.system.syscalls import setns
from netorch.language.validation import adapter
from netorch.resolve import loader, stored
from netorch.topology import TopologyFile

LEFT_OUT = ("netorch.__main__", "netorch.pytest_plugin", "netorch.render.graph")
"""Modules that few commands use, and that import large packages."""
FILE = """
name: lab
nodes: {a: {networks: [lan]}, b: {networks: [lan], routes: [{to: 10.9.0.0/16, via: 10.0.0.1}]}}
networks: {lan: {}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: 10.0.0.0/30}]
checks: [{from: a, to: b}]
"""


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
        program: str = "",
    ) -> tuple[int, str, str] | None:
        """Run `netorch ARGV`, or a Python program with `ARGV`, in the namespaces of process `pid`.

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
                        "program": program,
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


def prepare() -> None:
    """Do what each command does at its first use of a module, so that no child does it again.

    It imports all modules, and loads a file, because models make their readers at the first use, as
    pydantic makes its validators.
    """
    for module in pkgutil.walk_packages(netorch.__path__, "netorch."):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)
    loaded = loader.load(FILE.encode(), "topo.yaml")
    adapter(TopologyFile)
    stored.decode(*stored.encode(loaded), "topo.yaml", lambda: loaded.source)
    # because the collector would write into the memory that the children share with this process
    gc.collect()
    gc.freeze()


def serve() -> None:
    """Run jobs from standard input until it ends."""
    prepare()
    for line in sys.stdin:
        try:
            status = _fork(json.loads(line))
        except OSError:  # the private host has ended
            traceback.print_exc()
            status = 255
        print(status, flush=True)


def _fork(job: dict[str, Any]) -> int:
    """Run a job in a child, and return its exit status as a shell does."""
    # this process stays in its own PID namespace, and its next child begins in the other one
    _join(job["pid"], "pid")
    child = os.fork()
    if child == 0:
        try:
            _run(job)
        except BaseException:
            traceback.print_exc()
        os._exit(255)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def _join(pid: int, *kinds: str) -> None:
    for kind in kinds:
        fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
        setns(fd, 0)
        os.close(fd)


def _run(job: dict[str, Any]) -> None:
    """Run the job in its namespaces."""
    streams = [
        os.open(file, os.O_RDONLY if index == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        for index, file in enumerate(job["files"])
    ]
    _join(job["pid"], "net", "mnt")
    os.chdir(job["folder"])
    for fd, stream in enumerate(streams):
        os.dup2(stream, fd)
    sys.stdin = open(0, encoding="utf-8")
    sys.stdout = open(1, "w", encoding="utf-8")
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    os.environ.clear()
    os.environ.update(job["env"])
    argv = job["argv"]
    sys.argv = ["-c" if job["program"] else "netorch", *argv]
    try:
        status = _execute(job["program"], argv)
    except Exception:
        traceback.print_exc()
        status = 1
    for file in (sys.stdout, sys.stderr):
        file.flush()
    os._exit(status)


def _execute(program: str, argv: list[str]) -> int:
    from netorch.cli import main

    if not program:
        return main(argv)
    try:
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


if __name__ == "__main__":
    serve()
