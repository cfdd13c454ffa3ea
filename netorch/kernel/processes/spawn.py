"""Starts processes in a node: a thread enters the node's namespaces and calls subprocess.Popen.

A new process is in the namespaces of the thread that forked it. So the caller's thread stays where
it is, and no Python code runs between fork and exec, which would not be safe in a process with
several threads.
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
    """A command that runs below `launch`, which forwards signals to it.

    SIGKILL is replaced by `launch.KILL`, because killing `launch` itself would leave the command an
    orphan.
    """

    def send_signal(self, sig: int) -> None:
        """Send a signal to the command."""
        super().send_signal(launch.KILL if sig == signal.SIGKILL else sig)


Entrance = tuple[tuple[int, int], ...]
"""The namespaces for a process, in the order to enter them: (CLONE_NEW…, file descriptor) each."""


class CommandOptions(Value):
    """How a command is run."""

    check: bool
    """Whether a command that fails raises CommandFailed."""
    capture: bool
    """Whether to return the command's output instead of letting it through."""
    text: bool
    """Whether input and output are text, not bytes."""
    timeout: float | None
    """The number of seconds that the command may take, or None for no limit."""


def entrance(how: str, what: str, etc_name: str | None) -> Files:
    """Open a node's mount namespace and network namespace.

    The mount namespace is a copy of the caller's, with the node's files in /etc.
    """

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
    """Close open files."""
    for fd in files.fds:
        os.close(fd)


def namespaces_of(node: Files, outer: Entrance = ()) -> Entrance:
    """Return the namespaces to enter for a process in a node.

    `node` is the result of `entrance`. `outer` are the user and PID namespaces of the private host
    that the node is on, if any.
    """
    user = tuple(entry for entry in outer if entry[0] == CLONE_NEWUSER)
    return (
        *user,
        (CLONE_NEWNS, node.fds[0]),
        (CLONE_NEWNET, node.fds[1]),
        *(entry for entry in outer if entry not in user),
    )


def popen(namespaces: Entrance, argv: Sequence[str], options: dict[str, Any]) -> Process[Any]:
    """Start a process in the namespaces. `options` are those of subprocess.Popen.

    Raise CommandError if the command cannot be run.
    """
    __tracebackhide__ = True
    if not argv:
        raise CommandError(Problem("no-command", "there is no command to run"), 127)
    cwd = options.pop("cwd", None)
    cwd = _here() if cwd is None else os.fspath(cwd)
    try:
        if any(kind == CLONE_NEWUSER for kind, _ in namespaces):
            return _launched(namespaces, argv, cwd, options)

        def start() -> Process[Any]:
            unshare(CLONE_FS)
            for kind, fd in namespaces:
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
    namespaces: Entrance, argv: Sequence[str], cwd: str, options: dict[str, Any]
) -> Process[Any]:
    """Start a process by way of `launch`, a process that enters the namespaces.

    A thread of this process cannot do that, because threads cannot enter a user namespace
    (setns(2)).
    """
    reader, writer = os.pipe()
    try:
        words = [f"{kind}:{fd}" for kind, fd in namespaces]
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
        options["pass_fds"] = (*options.get("pass_fds", ()), writer, *(fd for _, fd in namespaces))
        process = Launched(line, **options)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        with open(reader, "rb") as errors:
            message = errors.read().decode()
    except BaseException:
        _discard(process)
        raise
    if message:
        _discard(process)
        number, _, file = message.partition(" ")
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
    options: CommandOptions,
) -> Completed[Any]:
    """Run a command to its end.

    Raise CommandFailed if it fails, CommandTimeout if it takes too long. A command whose end is no
    longer waited for is killed. `given` is the input of the command, or None if it has none.
    """
    __tracebackhide__ = True
    title = f"{node}: {shlex.join(argv)}"
    stream = subprocess.PIPE if options.capture else None
    source = subprocess.DEVNULL if given is None else subprocess.PIPE
    process = start(
        argv, {"stdin": source, "stdout": stream, "stderr": stream, "text": options.text}
    )
    try:
        out, err = process.communicate(given, timeout=options.timeout)
    except subprocess.TimeoutExpired as late:
        # not read to the end, because processes that the command started may keep the pipes open
        _discard(process)
        out, err = (_decoded(part, options) for part in (late.stdout, late.stderr))
        raise CommandTimeout(
            Problem(
                "command-timeout",
                f"{title} did not end within {options.timeout:g} s.{_last(err or out)}",
                object=node,
            ),
            process.returncode,
            out,
            err,
        ) from None
    except BaseException:
        _discard(process)
        raise
    if options.check and process.returncode != 0:
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


def _decoded(output: bytes | None, options: CommandOptions) -> str | bytes | None:
    return output.decode(errors="replace") if output is not None and options.text else output


def _last(output: str | bytes | None) -> str:
    """Return a sentence with the last lines of a command's output."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f" Its last output: {' / '.join(lines[-3:])}" if lines else ""


def end(processes: Sequence[Process[Any]], grace: float) -> None:
    """End the processes that still run: SIGTERM, and SIGKILL after `grace` seconds. Reap them."""
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
    """Return the words of a command as texts. They may be paths.

    Raise CommandError for a single text or path instead of a list.
    """
    __tracebackhide__ = True
    if isinstance(argv, (str, bytes, Path)):
        raise CommandError(
            Problem(
                "bad-command",
                f"{str(argv)!r} is not a list of words: write ['ping', '-c', '1', 'r2'], "
                "or ['sh', '-c', 'a | b'].",
            ),
            127,
        )
    return [os.fspath(word) for word in argv]
