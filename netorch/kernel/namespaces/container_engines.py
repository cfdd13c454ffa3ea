"""Finds the network namespaces of Docker and Podman containers by name.

It asks the engine's HTTP API over a unix socket (docs.docker.com/reference/api/engine).
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from netorch.errors import Problem, did_you_mean, printable
from netorch.immutable import Value
from netorch.kernel.namespaces.attach import NotAttached
from netorch.kernel.system.nsfs import netns_fd

PATIENCE = 5.0
"""Seconds that an engine has to answer all requests about one container."""
TRIES = 4
"""How many times a container is looked up again if it was restarted meanwhile."""
LARGEST = 16_000_000
"""The largest answer that is read, in bytes."""

_REMEDIES = {
    "created": ("has not been started", "start"),
    "configured": ("has not been started", "start"),
    "paused": ("is paused", "unpause"),
    "restarting": ("is restarting", "logs"),
}
"""Status of a container → its description, and the engine's command that helps."""


class Engine(Value):
    """A container engine: Docker or Podman."""

    name: str
    command: str
    """The engine's command line program."""
    variable: str
    """The environment variable that names the engine's socket."""
    unit: str
    """The systemd unit that starts the engine."""
    usual: tuple[str, ...]
    """The usual paths of its socket."""
    own: str
    """The path of a user's own socket below `XDG_RUNTIME_DIR`."""

    def sockets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Return the paths to try, in order.

        Raise NotAttached if the environment names an address that is not a unix socket.
        """
        address = environment.get(self.variable, "")
        if not address:
            runtime = environment.get("XDG_RUNTIME_DIR", "")
            return self.usual + ((f"{runtime}/{self.own}",) if runtime.startswith("/") else ())
        scheme, separator, path = address.partition("://")
        if scheme == "unix" and separator and path.startswith("/"):
            return (path,)
        remote = "a container on another machine has no namespace here"
        what = f"{self.variable} is {printable(address)!r}, which is not a unix socket: {remote}."
        remedy = f"Set {self.variable}=unix:///PATH, or unset it."
        problem = Problem("remote-engine", what, remedy=remedy, object=self.variable)
        raise NotAttached(problem, unsure=True)


ENGINES = {
    "docker": Engine(
        name="Docker",
        command="docker",
        variable="DOCKER_HOST",
        unit="docker.service",
        usual=("/var/run/docker.sock", "/run/docker.sock"),
        own="docker.sock",
    ),
    "podman": Engine(
        name="Podman",
        command="podman",
        variable="CONTAINER_HOST",
        unit="podman.socket",
        usual=("/run/podman/podman.sock",),
        own="podman/podman.sock",
    ),
}


class Container(Value):
    """A container as its engine describes it."""

    id: str
    name: str
    status: str
    """The status, such as `running`, `paused` or `exited`."""
    pid: int
    """PID of its first process; 0 if it does not run."""
    sandbox: str
    """The path of its network namespace; empty if the engine names none."""
    network: str
    """Its network mode, such as `host`."""


class Engines:
    """The engines of this machine.

    Each is asked through the first of its sockets that accepts a connection. An engine that fails
    is not asked again.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, patience: float = PATIENCE
    ) -> None:
        """Prepare to ask the engines.

        `environment` is the environment of the process if it is None. `patience` is the number of
        seconds that an engine has for one container.
        """
        self._environment = os.environ if environment is None else environment
        self._patience = patience
        self._failed: dict[str, NotAttached] = {}
        self._sockets: dict[str, str] = {}

    def open(self, engine: str, name: str) -> int:
        """Open the network namespace of a container and return the file descriptor.

        Raise NotAttached if the container does not run or has no namespace of its own.
        """
        if engine in self._failed:
            raise self._failed[engine]
        try:
            return self._open(ENGINES[engine], name, time.monotonic() + self._patience)
        except _EngineFailed as failed:
            self._failed[engine] = failed
            raise

    def _open(self, engine: Engine, name: str, deadline: float) -> int:
        container = self._container(engine, name, deadline)
        for _ in range(TRIES):
            _check(engine, container)
            fd = _namespace_of(container)
            try:
                # ask again, because its process may have ended and another one may have the PID
                again = self._container(engine, container.id, deadline)
            except NotAttached:
                if fd is not None:
                    os.close(fd)
                raise
            if again == container and fd is not None:
                return fd
            if fd is not None:
                os.close(fd)
            elif again == container:
                what = (
                    f"container {container.name!r} runs as process {container.pid} according to "
                    f"{engine.name}, but this machine has no such process."
                )
                remedy = f"Does {engine.name} run on another machine, or in a virtual one?"
                raise NotAttached(
                    Problem("remote-engine", what, remedy=remedy, object=container.name)
                )
            container = again
        logs = f"{engine.command} logs {container.name}"
        raise _not_running(container, "does not stay up", f"See why: `{logs}`.", logs)

    def _container(self, engine: Engine, name: str, deadline: float) -> Container:
        status, answer = self._ask(engine, f"/containers/{name}/json", deadline)
        if status == 404:
            close = did_you_mean(name, self._names(engine, deadline))
            command = f"{engine.command} ps --all"
            what = f"{engine.name} has no container {name!r}."
            remedy = close or f"`{command}` lists them."
            raise NotAttached(
                Problem("no-such-container", what, remedy=remedy, object=name, command=command)
            )
        if status != 200:
            message = answer.get("message") if isinstance(answer, dict) else None
            why = _text(message) or f"HTTP status {status}"
            what = f"{engine.name} does not describe container {name!r}: {why}."
            raise NotAttached(Problem("engine-failed", what, object=name), unsure=True)
        try:
            return _read(answer)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._failure(engine, "its answer does not describe a container") from None

    def _names(self, engine: Engine, deadline: float) -> list[str]:
        """Return the names of all containers, to suggest one for a misspelled name."""
        with suppress(_EngineFailed):
            _, answer = self._ask(engine, "/containers/json?all=1", deadline)
            entries = answer if isinstance(answer, list) else []
            lists = [
                entry["Names"]
                for entry in entries
                if isinstance(entry, dict) and isinstance(entry.get("Names"), list)
            ]
            return [
                name.removeprefix("/") for names in lists for name in names if isinstance(name, str)
            ]
        return []

    def _ask(self, engine: Engine, path: str, deadline: float) -> tuple[int, Any]:
        """Send a GET request. Return the HTTP status and the decoded JSON."""
        # imported here, because it takes longer than most commands, and few topologies need it
        from http.client import HTTPConnection, HTTPException

        connection = HTTPConnection("engine")
        try:
            connection.sock = self._connect(engine, deadline)
            connection.request(
                "GET", path, headers={"Host": engine.command, "Accept": "application/json"}
            )
            response = connection.getresponse()
            body = response.read(LARGEST + 1)
            if len(body) > LARGEST:
                raise self._failure(engine, "its answer does not end")
            return response.status, json.loads(body)
        except TimeoutError:
            raise self._failure(
                engine, f"it did not answer within {self._patience:g} seconds"
            ) from None
        except (HTTPException, ValueError, RecursionError):
            raise self._failure(engine, "its answer is not JSON over HTTP") from None
        except OSError as error:
            raise self._failure(engine, _reason(error)) from None
        finally:
            connection.close()

    def _connect(self, engine: Engine, deadline: float) -> _Timed:
        if engine.name in self._sockets:
            return _connected(self._sockets[engine.name], deadline)
        tried: dict[str, OSError] = {}
        for path in engine.sockets(self._environment):
            try:
                connection = _connected(path, deadline)
            except OSError as error:
                tried[path] = error
            else:
                self._sockets[engine.name] = path
                return connection
        raise _unreachable(engine, tried)

    def _failure(self, engine: Engine, why: str) -> _EngineFailed:
        place = printable(self._sockets.get(engine.name, "its socket"))
        command = f"{engine.command} ps"
        what, remedy = (
            f"{engine.name} at {place}: {why}.",
            f"Check whether `{command}` works.",
        )
        problem = Problem("engine-failed", what, remedy=remedy, object=engine.name, command=command)
        return _EngineFailed(problem, unsure=True)


class _EngineFailed(NotAttached):
    """The engine itself failed, so netorch does not ask it for another container."""


def _unreachable(engine: Engine, tried: Mapping[str, OSError]) -> _EngineFailed:
    reasons: dict[str, list[str]] = {}
    for path, error in tried.items():
        reasons.setdefault(_reason(error), []).append(printable(path))
    listed = "; ".join(f"{', '.join(paths)}: {reason}" for reason, paths in reasons.items())
    command = f"systemctl start {engine.unit}"
    start = f"Start it (`{command}`)"
    if any(isinstance(error, PermissionError) for error in tried.values()):
        start, command = "Run netorch as root", ""
    remedy = f"{start}, or set the path of its socket: {engine.variable}=unix:///PATH."
    what = f"{engine.name} cannot be reached ({listed})."
    problem = Problem(
        "engine-unreachable", what, remedy=remedy, object=engine.name, command=command
    )
    return _EngineFailed(problem, unsure=True)


class _Timed(socket.socket):
    """A socket whose reads raise TimeoutError after `deadline`.

    The timeout of a plain socket would begin again with each piece of an answer.
    """

    deadline = 0.0
    """The deadline, in seconds of the monotonic clock."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        self.settimeout(left)
        return super().recv_into(*args, **kwargs)


def _connected(path: str, deadline: float) -> _Timed:
    connected = _Timed(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.deadline = deadline
    connected.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        connected.connect(path)
    except OSError:
        connected.close()
        raise
    return connected


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such socket"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return error.strerror or str(error)


def _read(answer: Any) -> Container:
    """Read a container from an engine's answer. Podman omits empty fields."""
    state, settings, config = (
        answer["State"],
        answer.get("NetworkSettings") or {},
        answer.get("HostConfig") or {},
    )
    if (
        not isinstance(answer["Id"], str)
        or not answer["Id"].isalnum()
        or not isinstance(state["Pid"], int)
    ):
        raise ValueError(answer)
    running = "running" if state.get("Running") else "exited"
    status = (
        "paused"
        if state.get("Paused")
        else "restarting"
        if state.get("Restarting")
        else state.get("Status") or running
    )
    sandbox = _text(settings.get("SandboxKey"))
    return Container(
        id=answer["Id"],
        name=_text(answer.get("Name")).removeprefix("/") or answer["Id"][:12],
        status=_text(status),
        pid=state["Pid"],
        sandbox=sandbox if sandbox.startswith("/") and "\0" not in sandbox else "",
        network=_text(config.get("NetworkMode")),
    )


def _check(engine: Engine, container: Container) -> None:
    """Raise NotAttached unless the container runs and has a network namespace of its own."""
    if container.status != "running" or container.pid <= 0:
        state, verb = _REMEDIES.get(
            container.status,
            (
                f"is {container.status if container.status != 'running' else 'without a process'}",
                "start",
            ),
        )
        command = f"{engine.command} {verb} {container.name}"
        if verb == "logs":
            remedy = f"Look for the cause with `{command}`, and apply again when it runs."
        else:
            remedy = f"{'Resume it' if verb == 'unpause' else 'Start it'} with `{command}`."
        raise _not_running(container, state, remedy, command)
    if container.network == "host":
        shared = "it has the host's network, not one of its own"
        what = f"container {container.name!r} was started with `--network host`: {shared}."
        remedy = "Use the node `host` instead."
        raise NotAttached(Problem("container-on-host", what, remedy=remedy, object=container.name))


def _not_running(container: Container, state: str, remedy: str, command: str) -> NotAttached:
    what = f"container {container.name!r} {state}."
    return NotAttached(
        Problem("container-not-running", what, None, remedy, container.name, command)
    )


def _candidates(container: Container) -> Iterator[str]:
    if container.sandbox:
        yield container.sandbox
    yield f"/proc/{container.pid}/ns/net"


def _namespace_of(container: Container) -> int | None:
    for path in _candidates(container):
        with suppress(OSError):
            return netns_fd(path, follow=True)
    return None


def _text(value: object) -> str:
    return printable(value) if isinstance(value, str) else ""
