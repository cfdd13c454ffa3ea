"""Runs a page of the documentation as a reader would, in a clone on a private host."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.ansible_runs import MODULES, SSH_ARGS, SSH_OPTIONS, serve_ssh
from tests.kernel.engine import Engine
from tests.kernel.host import PATH, Background, Host
from tests.kernel.machines import Machines
from tests.pages import (
    HOME,
    PLACE,
    ROOT,
    Command,
    Docker,
    File,
    PageError,
    Script,
    machines,
    same,
    steps,
)

PATIENCE = 60.0
"""Seconds in which a command may print something else, while a background command gets ready."""

ASK = ("netorch exec ", "netorch check")
"""Commands that may be tried again meanwhile, because they change nothing."""

NEEDS_SHELL = re.compile(r"[|&;<>()$`\\\"'*?\[#~=%!{}\n]")


TOOLS = {"python": [], "netorch": ["-m", "netorch"], "pytest": ["-m", "pytest"]} | {
    program: ["-c", f"from ansible.cli.{module} import main; main()"]
    for program, module in MODULES.items()
}
"""Programs in the reader's .venv → the words that the Python of the tests is started with."""

ANSIBLE = {
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT),
    "ANSIBLE_FORKS": "1",  # so that the machines have an order in the output
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    "ANSIBLE_PIPELINING": "true",
    "ANSIBLE_SSH_ARGS": SSH_ARGS,
}


@contextmanager
def stage(text: str, place: Path) -> Iterator[Host]:
    """Make the host on which a page is run, and the machines that it reaches from there."""
    count = machines(text)
    if not count:
        host = Host(place)
        try:
            yield host
        finally:
            host.close()
        return
    racks = Machines(place, count + 1)
    try:
        here = racks[count]
        serve_ssh(place, racks, here, f"{here.directory}/.venv/bin:{PATH}")
        yield here
    finally:
        racks.close()


def replay(text: str, host: Host) -> Iterator[tuple[Command, str]]:
    """Yield each command of the page with the text that it printed, on both streams.

    The host's directory must be empty.
    """
    directory = host.directory
    for name in ("topologies", "docs/examples"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, directory / name)
    tools = directory / ".venv/bin"
    tools.mkdir(parents=True)
    for name, words in TOOLS.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *words])} "$@"\n')
        (tools / name).chmod(0o755)
    home = directory / ".home"
    (home / ".config").mkdir(parents=True)
    if machines(text):
        options = shlex.join(["-i", str(directory.parent / "key"), *SSH_OPTIONS])
        (tools / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh {options} "$@"\n')
        (tools / "ssh").chmod(0o755)
    env = {"PATH": f"{tools}:{PATH}", "HOME": str(home), **ANSIBLE}
    background: list[Background] = []
    engine: Engine | None = None
    for step in steps(text):
        match step:
            case File(name, content):
                path = directory / name
                if (
                    path.exists()
                    and name.startswith(("topologies/", "docs/"))
                    and path.read_text() != content
                ):
                    raise PageError(f"the page differs from the file {name} that it shows")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
            case Script(script):
                host.run("sh", "-ec", script, env=env)
            case Docker(verb, names):
                engine = engine or Engine(host)
                for name in names:
                    engine.run(name) if verb == "run" else engine(verb, name)
            case Command(typed) if typed.endswith("&"):
                background.append(
                    host.start(
                        "sh", "-c", f"exec {typed.removesuffix('&')} >/dev/null 2>&1", env=env
                    )
                )
                yield step, ""
            case Command(typed):
                until = time.monotonic() + PATIENCE
                printed = _once(host, typed, env)
                while (
                    background
                    and typed.startswith(ASK)
                    and not same(step.output, printed)
                    and time.monotonic() < until
                ):
                    time.sleep(0.1)
                    printed = _once(host, typed, env)
                yield step, printed.replace(str(home), HOME).replace(str(directory), PLACE)


def _once(host: Host, typed: str, env: dict[str, str]) -> str:
    """Return the text that the command prints.

    The warm server runs netorch if the shell would add only a pipe or the exit status. Most
    commands are such, and this saves most of the time.
    """
    first, pipe, rest = typed.removesuffix("; echo $?").partition(" | ")
    if first.startswith("netorch ") and not NEEDS_SHELL.search(first):
        done = host.netorch(*shlex.split(first)[1:], check=False)
        status = f"{done.returncode}\n" if typed.endswith("; echo $?") else ""
        if pipe:
            return (
                done.stderr
                + host.run(
                    "sh", "-c", f"exec 2>&1\n{rest}", check=False, env=env, input=done.stdout
                ).stdout
            )
        return done.stdout + done.stderr + status
    done = host.run("sh", "-c", f"exec 2>&1\n{typed}", check=False, env=env)
    return done.stdout
