"""Processes of a node, started from any process and any thread of it: subprocess.Popen from a thread that has moved there.

A process is born into the namespaces of the thread that forks it. So nothing of the caller moves, and no Python code runs between
fork and exec, which a process with several threads could not afford.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from netorch.errors import CommandError, CommandFailed, CommandTimeout, NetorchError, Problem
from netorch.immutable import Value
from netorch.kernel.namespaces.own_thread import open_namespace_of, run_in_new_thread
from netorch.kernel.private_host.calls import Files
from netorch.kernel.processes import launch
from netorch.kernel.processes.enter import move
from netorch.kernel.system.syscalls import (
    CLONE_FS,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    setns,
    unshare,
)

Process = subprocess.Popen
Completed = subprocess.CompletedProcess


class Launched(subprocess.Popen[Any]):
    """A command for which `launch` stands. Killed by itself, that would leave the command to whoever reaps orphans, if anybody does."""

    def send_signal(self, sig: int) -> None:
        super().send_signal(launch.KILL if sig == signal.SIGKILL else sig)


Entrance = tuple[tuple[int, int], ...]
"""The namespaces that a process is to live in, in the order in which to enter them: (CLONE_NEW…, file descriptor) each."""


class CommandOptions(Value):
    """How a command is run: `timeout` in seconds."""

    check: bool
    capture: bool
    text: bool
    timeout: float | None


def entrance(how: str, what: str, etc_name: str | None) -> Files:
    """Mounts and network of a node, open. The mounts are a copy of ours with the node's files in /etc."""

    def work() -> Files:
        network = open_namespace_of(how, what)
        try:
            move(os.dup(network), etc_name)
            return Files((os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC), network))
        except BaseException:
            os.close(network)
            raise

    return run_in_new_thread(work, close_all)


def close_all(files: Files) -> None:
    for fd in files.fds:
        os.close(fd)


def opened(node: Files, outer: Entrance = ()) -> Entrance:
    """The way into a node by its two namespaces; `outer`: the user and process namespaces of the host that it is on, if not this one."""
    user = tuple(entry for entry in outer if entry[0] == CLONE_NEWUSER)
    return (
        *user,
        (CLONE_NEWNS, node.fds[0]),
        (CLONE_NEWNET, node.fds[1]),
        *(entry for entry in outer if entry not in user),
    )


def popen(way: Entrance, argv: Sequence[str], options: dict[str, Any]) -> Process[Any]:
    """A process at the end of the way. `options` are subprocess.Popen's. CommandError if the command cannot be run."""
    __tracebackhide__ = True
    if not argv:
        raise CommandError(Problem("no-command", "there is no command to run"), 127)
    cwd = options.pop("cwd", None)
    cwd = _here() if cwd is None else os.fspath(cwd)
    try:
        if any(kind == CLONE_NEWUSER for kind, _ in way):
            return _launched(way, argv, cwd, options)

        def start() -> Process[Any]:
            unshare(CLONE_FS)
            for kind, fd in way:
                setns(fd, kind)
            return subprocess.Popen(argv, cwd=cwd, **options)

        return run_in_new_thread(start, _discard)
    except (FileNotFoundError, NotADirectoryError) as error:
        if error.filename is not None and os.fsdecode(error.filename) != argv[0]:
            raise NetorchError(
                Problem(
                    "file-not-found",
                    f"{os.fsdecode(error.filename)}: {error.strerror}.",
                    object=os.fsdecode(error.filename),
                )
            ) from None
        raise CommandError(
            Problem("command-not-found", f"{argv[0]}: command not found", object=argv[0]), 127
        ) from None
    except OSError as error:
        raise CommandError(
            Problem("command-not-runnable", f"{argv[0]}: {error.strerror}", object=argv[0]), 126
        ) from None


def _here() -> str:
    with suppress(OSError):
        return os.getcwd()
    return "/"


def _launched(
    way: Entrance, argv: Sequence[str], cwd: str, options: dict[str, Any]
) -> Process[Any]:
    """By a process between, since a thread cannot enter a user namespace (setns(2)): `launch` goes there and stands for the command."""
    reader, writer = os.pipe()
    try:
        words = [f"{kind}:{fd}" for kind, fd in way]
        line = [
            sys.executable,
            "-I",
            "-S",
            launch.__file__,
            str(writer),
            ",".join(words),
            cwd,
            *argv,
        ]
        options["pass_fds"] = (*options.get("pass_fds", ()), writer, *(fd for _, fd in way))
        process = Launched(line, **options)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        with open(reader, "rb") as errors:
            told = errors.read().decode()
    except BaseException:
        _discard(process)
        raise
    if told:
        _discard(process)
        number, _, file = told.partition(" ")
        raise OSError(int(number), os.strerror(int(number)), file or None)
    return process


def _discard(process: Process[Any]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def run(
    start: Callable[[Sequence[str], dict[str, Any]], Process[Any]],
    argv: Sequence[str],
    node: str,
    given: str | bytes | None,
    wanted: CommandOptions,
) -> Completed[Any]:
    """Run a command to its end. CommandFailed, CommandTimeout; one that is not waited for any more is killed."""
    __tracebackhide__ = True
    title = f"{node}: {shlex.join(argv)}"
    stream = subprocess.PIPE if wanted.capture else None
    source = subprocess.DEVNULL if given is None else subprocess.PIPE
    process = start(
        argv, {"stdin": source, "stdout": stream, "stderr": stream, "text": wanted.text}
    )
    try:
        out, err = process.communicate(given, timeout=wanted.timeout)
    except subprocess.TimeoutExpired as late:
        # what it started may hold the pipes for longer: they are not read to the end
        _discard(process)
        out, err = (_as_wanted(part, wanted) for part in (late.stdout, late.stderr))
        raise CommandTimeout(
            Problem(
                "command-timeout",
                f"{title} did not end within {wanted.timeout:g} s.{_last(err or out)}",
                object=node,
            ),
            process.returncode,
            out,
            err,
        ) from None
    except BaseException:
        _discard(process)
        raise
    if wanted.check and process.returncode != 0:
        how = (
            f"exit status {process.returncode}"
            if process.returncode > 0
            else f"ended by signal {-process.returncode}"
        )
        raise CommandFailed(
            Problem("command-failed", f"{title}: {how}.{_last(err or out)}", object=node),
            process.returncode,
            out,
            err,
        )
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def _as_wanted(output: bytes | None, wanted: CommandOptions) -> str | bytes | None:
    return output.decode(errors="replace") if output is not None and wanted.text else output


def _last(output: str | bytes | None) -> str:
    """The end of what a command said, as a part of a sentence."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f" It said: {' / '.join(lines[-3:])}" if lines else ""


def end(processes: Sequence[Process[Any]], grace: float) -> None:
    """End and reap those that still run: SIGTERM, after `grace` seconds SIGKILL."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + grace
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
    for process in running:
        process.wait()


def program(argv: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The words of a command, paths among them; CommandError for one word that was meant to be several."""
    __tracebackhide__ = True
    if isinstance(argv, (str, bytes, Path)):
        raise CommandError(
            Problem(
                "bad-command",
                f"{str(argv)!r} is not a list of words: give ['ping', '-c', '1', 'r2'], or ['sh', '-c', 'a | b'].",
            ),
            127,
        )
    return [os.fspath(word) for word in argv]
