"""Runs Ansible on the machines of a test, and returns what each task did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.kernel.host import PATH, SOURCE, Host
from tests.kernel.machines import Machine, Machines

CALLBACKS = Path(__file__).parent / "ansible_callbacks"


class Event(NamedTuple):
    """What one task did on one machine."""

    host: str
    task: str
    status: str
    """`ok`, `failed`, `ignored`, `unreachable` or `skipped`."""
    result: Mapping[str, Any]

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))


class Run(NamedTuple):
    """A run of Ansible that has ended."""

    status: int
    out: str
    events: tuple[Event, ...]

    def of(self, task: str) -> dict[str, Event]:
        """Return machine → event of the task whose name begins so."""
        return {event.host: event for event in self.events if event.task.startswith(task)}

    def statuses(self, task: str) -> dict[str, str]:
        return {host: event.status for host, event in self.of(task).items()}

    def changed(self) -> list[str]:
        """Return the machines on which something changed, as the recap counts it."""
        return sorted({event.host for event in self.events if event.changed})


class Controller:
    """An Ansible controller, whose machines are entered by their shells instead of by ssh."""

    def __init__(self, folder: Path, machines: Machines, here: Host | None = None) -> None:
        self.folder, self.machines = folder, machines
        self.here = here
        """The host that Ansible runs on, if that is not the one of the test."""
        folder.mkdir(exist_ok=True)
        self.netorch = folder / "netorch"
        """The command on all machines."""
        self.write(self.netorch, f'#!/bin/sh\nexec {sys.executable} -m netorch "$@"\n')
        self.inventory = folder / "inventory.yaml"
        self.commands: dict[str, Path] = {}
        """Machine → the command there, if it differs from that of the others."""
        self._runs = 0

    @staticmethod
    def write(path: Path, text: str) -> Path:
        """Write a file that can be run."""
        path.write_text(text)
        path.chmod(0o755)
        return path

    def stop_at(self, machine: Machine, word: str, unless: str = " no option ") -> Path:
        """Let netorch stop on a machine at its command `word`, but not with the option `unless`.

        Returns a path that exists as soon as it stops. It goes on when the path is deleted.
        """
        path = self.folder / f"{machine.name}-stops"
        self.commands[machine.name] = self.write(
            self.folder / f"netorch-{machine.name}",
            f'#!/bin/sh\ncase "$*" in *"{unless}"*) ;; "{word}"*)\n'
            f"touch {path}; while [ -e {path} ]; do sleep 0.05; done;; esac\n"
            f'exec {self.netorch} "$@"\n',
        )
        return path

    def _write_inventory(self) -> None:
        hosts = {
            machine.name: self.connection(machine)
            | {
                "ansible_python_interpreter": sys.executable,
                "ansible_pipelining": True,
                "netorch_executable": str(self.commands.get(machine.name, self.netorch)),
            }
            for machine in self.machines
            if machine is not self.here
        }
        self.inventory.write_text(json.dumps({"hosts": {"hosts": hosts}}))

    def connection(self, machine: Machine) -> dict[str, str]:
        """Return the variables by which Ansible reaches a machine."""
        return {"ansible_connection": "local", "ansible_shell_executable": str(machine.shell)}

    def environment(self) -> dict[str, str]:
        self._runs += 1
        return Host.environment() | {
            "PATH": f"{Path(sys.executable).parent}:{PATH}",
            "HOME": str(self.folder),
            "EVENTS": str(self.folder / f"events{self._runs}.json"),
            "ANSIBLE_COLLECTIONS_PATH": str(SOURCE),
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "events",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_NOCOLOR": "true",
        }

    def start(
        self,
        *words: str | Path,
        program: str = "ansible-playbook",
        inventory: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start Ansible in a session of its own, and return."""
        self._write_inventory()
        environment = self.environment() | dict(env or {})
        chosen = ["-i", str(self.inventory)] if inventory else []
        argv = [
            *(sys.executable, "-c", f"from ansible.cli.{MODULES[program]} import main; main()"),
            *chosen,
            *map(str, words),
        ]
        process = subprocess.Popen(
            argv if self.here is None else self.here.inside(*argv),
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        process.events = Path(environment["EVENTS"])  # type: ignore[attr-defined]
        return process

    def end(self, process: subprocess.Popen[str], timeout: float = 240) -> Run:
        """Wait until a run ends, and return what it did."""
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            out, _ = process.communicate()
            raise AssertionError(f"Ansible did not end:\n{out}") from None
        return Run(process.returncode, out, read_events(process.events))  # type: ignore[attr-defined]

    def run(
        self,
        *words: str | Path,
        program: str = "ansible-playbook",
        inventory: bool = True,
        timeout: float = 240,
        env: Mapping[str, str] | None = None,
    ) -> Run:
        process = self.start(*words, program=program, inventory=inventory, env=env)
        return self.end(process, timeout)

    def play(self, name: str, file: Path, *words: str) -> Run:
        """Run a playbook of the collection with a topology file."""
        return self.run(f"netorch.netorch.{name}", "-e", f"netorch_file={file}", *words)


SSHD = """
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
SetEnv PATH={path} HOME={folder}
Subsystem sftp internal-sftp
"""


def serve_ssh(folder: Path, machines: Machines, here: Machine, path: str) -> None:
    """Start an sshd on all machines but `here`, and wait until they answer.

    The key is `FOLDER/key`. Commands there have `path` as their PATH, and a HOME without the
    files that a shell would read at its start.
    """
    for name in ("key", "host_key"):
        here.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
    for machine in machines:
        if machine is here:
            continue
        config = folder / f"sshd-{machine.name}"
        config.write_text(SSHD.format(address=machine.address, folder=folder, path=path))
        machine.run("mkdir", "-p", "/run/sshd")
        machine.run("/usr/sbin/sshd", "-f", config)  # ends with the machine
        ssh = ["ssh", "-i", folder / "key", *SSH_OPTIONS, f"root@{machine.address}", "true"]
        deadline = time.monotonic() + 30
        while here.run(*ssh, check=False).returncode != 0:
            assert time.monotonic() < deadline, f"sshd of {machine.name} does not answer"
            time.sleep(0.1)


class SshController(Controller):
    """A controller on one of the machines, which reaches the others by ssh."""

    def __init__(self, folder: Path, machines: Machines, here: Machine) -> None:
        super().__init__(folder, machines, here)
        serve_ssh(folder, machines, here, PATH)

    def environment(self) -> dict[str, str]:
        return super().environment() | {"ANSIBLE_SSH_ARGS": SSH_ARGS}

    def connection(self, machine: Machine) -> dict[str, str]:
        return {
            "ansible_host": machine.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.folder / "key"),
            "ansible_ssh_common_args": " ".join(SSH_OPTIONS),
        }


SSH_ARGS = "-o ControlMaster=no"
"""Replaces Ansible's own, because a shared connection would hold the output open for a minute."""

SSH_OPTIONS = [
    *(
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ),
    *("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=5", "-o", "LogLevel=ERROR"),
]

MODULES = {
    "ansible": "adhoc",
    "ansible-playbook": "playbook",
    "ansible-inventory": "inventory",
    "ansible-doc": "doc",
}
"""Program → its module in `ansible.cli`."""


def read_events(path: Path) -> tuple[Event, ...]:
    lines: Sequence[str] = path.read_text().splitlines() if path.exists() else []
    return tuple(Event(**json.loads(line)) for line in lines)
