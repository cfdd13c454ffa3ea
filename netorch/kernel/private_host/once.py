"""Calls one function in a new private host, which ends with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from netorch.errors import NetorchError, Problem
from netorch.kernel.files.topology_files import read_file
from netorch.kernel.private_host.isolate import (
    enter_new_namespaces,
    mount_and_bring_up,
    needs_user_namespace,
)


def call_in_private_host(work: Callable[[], int]) -> int:
    """Call `work` in a new private host, and return its result, from 0 to 255.

    `work` runs in a process of its own. Whatever it starts ends with it. A NetorchError of `work`,
    or of making the host, is printed to standard error, and the result is then 1. The caller must
    have flushed its output, because the new process has a copy of what is not written yet.
    """
    user = needs_user_namespace()
    outer = os.fork()
    if outer == 0:
        _leave(lambda: _outer(user, work))
    return os.waitstatus_to_exitcode(os.waitpid(outer, 0)[1])


def _outer(user: bool, work: Callable[[], int]) -> int:
    enter_new_namespaces(user)
    first = os.fork()  # because only a child is in the new PID namespace
    if first == 0:
        _leave(lambda: _first(user, work))
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def _first(user: bool, work: Callable[[], int]) -> int:
    mount_and_bring_up(user)
    return work()


def _leave(work: Callable[[], int]) -> None:
    """End this process with the result of `work`, and with nothing that the caller would do."""
    status = 1
    try:
        status = work()
    except NetorchError as error:
        print("\n".join(error.lines()), file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status & 255)


def run_script(path: str) -> str:
    """Run a shell script, whose output goes to standard error, and return its text.

    Raise NetorchError if it fails. Its first line names the shell, and without one it is `sh`.
    """
    text = read_file(path).decode("utf-8", "replace")
    first = text.partition("\n")[0].strip()
    words = first[2:].split() if first.startswith("#!") else ["sh"]
    if not words or shutil.which(words[0]) is None:
        what = f"{path}: there is no program {words[0] if words else ''!r} to run it."
        raise NetorchError(Problem("script-failed", what, object=path))
    done = subprocess.run(
        [*words, path], stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), check=False
    )
    if done.returncode:
        how = (
            f"ended with status {done.returncode}"
            if done.returncode > 0
            else f"was ended by signal {-done.returncode}"
        )
        what = f"{path} {how}, in a private host that has only lo."
        remedy = "Let it end with status 0: `set -x` in it shows the command that fails."
        raise NetorchError(Problem("script-failed", what, None, remedy, path))
    return text
