"""Containers of Docker and Podman by name: their engine's HTTP API over a unix socket (docs.docker.com/reference/api/engine)."""

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
from netorch.kernel.namespaces.netns import netns_fd

PATIENCE = 5.0
"""Seconds that an engine has to say all about one container."""
TRIES = 4
"""Times that a container is looked at which another one takes the place of meanwhile."""
LARGEST = 16_000_000
"""Bytes of an answer that are read."""

_REMEDIES = {
    "created": ("has not been started", "start"),
    "configured": ("has not been started", "start"),
    "paused": ("is paused", "unpause"),
    "restarting": ("is restarting", "logs"),
}


class Engine(Value):
    """What is to know of one make of engines. `usual`: where its socket is, `own`: where below `XDG_RUNTIME_DIR` a user's is."""

    name: str
    command: str
    variable: str
    unit: str
    usual: tuple[str, ...]
    own: str

    def sockets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Paths to try in order; NotAttached if the environment names what is not a unix socket."""
        said = environment.get(self.variable, "")
        if not said:
            runtime = environment.get("XDG_RUNTIME_DIR", "")
            return self.usual + ((f"{runtime}/{self.own}",) if runtime.startswith("/") else ())
        scheme, separator, path = said.partition("://")
        if scheme == "unix" and separator and path.startswith("/"):
            return (path,)
        remote = "a container on another machine has no namespace here"
        what = f"{self.variable} is {printable(said)!r}, which is not a unix socket: {remote}."
        remedy = f"Say {self.variable}=unix:///PATH, or unset it."
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
    """What an engine says of a container. `sandbox`: the path of its namespace, empty where the engine gives none."""

    id: str
    name: str
    status: str
    pid: int
    sandbox: str
    network: str


class Engines:
    """The engines of this machine, each asked through the first of its sockets that answers; one that fails is not asked again."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, patience: float = PATIENCE
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self._patience = patience
        self._failed: dict[str, NotAttached] = {}
        self._sockets: dict[str, str] = {}

    def open(self, engine: str, name: str) -> int:
        """A file descriptor of the container's network namespace; NotAttached if it has none of its own."""
        if engine in self._failed:
            raise self._failed[engine]
        try:
            return self._open(ENGINES[engine], name, time.monotonic() + self._patience)
        except _EngineFailed as failed:
            self._failed[engine] = failed
            raise

    def _open(self, engine: Engine, name: str, deadline: float) -> int:
        found = self._container(engine, name, deadline)
        for _ in range(TRIES):
            _check(engine, found)
            fd = _namespace_of(found)
            try:
                # its process may have ended since, and another one have the number
                again = self._container(engine, found.id, deadline)
            except NotAttached:
                if fd is not None:
                    os.close(fd)
                raise
            if again == found and fd is not None:
                return fd
            if fd is not None:
                os.close(fd)
            elif again == found:
                what = f"container {found.name!r} runs as process {found.pid}, says {engine.name}, but there is none here."
                remedy = f"Does {engine.name} run on another machine, or in a virtual one?"
                raise NotAttached(Problem("remote-engine", what, remedy=remedy, object=found.name))
            found = again
        logs = f"{engine.command} logs {found.name}"
        raise _not_running(found, "does not stay up", f"See why: `{logs}`.", logs)

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
            said = answer.get("message") if isinstance(answer, dict) else None
            why = _text(said) or f"HTTP status {status}"
            what = f"{engine.name} does not tell of container {name!r}: {why}."
            raise NotAttached(Problem("engine-failed", what, object=name), unsure=True)
        try:
            return _read(answer)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._failure(engine, "what it answers describes no container") from None

    def _names(self, engine: Engine, deadline: float) -> list[str]:
        """What its containers are called, for a guess at what was meant."""
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
        """(HTTP status, what the JSON says) of a GET."""
        # imported here: it takes longer than most commands, and few topologies have containers
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
            raise self._failure(engine, "what it answers is not JSON over HTTP") from None
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
                found = _connected(path, deadline)
            except OSError as error:
                tried[path] = error
            else:
                self._sockets[engine.name] = path
                return found
        raise _unreachable(engine, tried)

    def _failure(self, engine: Engine, why: str) -> _EngineFailed:
        place = printable(self._sockets.get(engine.name, "its socket"))
        command = f"{engine.command} ps"
        what, remedy = (
            f"{engine.name} at {place}: {why}.",
            f"Is it well? `{command}` should answer.",
        )
        problem = Problem("engine-failed", what, remedy=remedy, object=engine.name, command=command)
        return _EngineFailed(problem, unsure=True)


class _EngineFailed(NotAttached):
    """The engine itself is at fault: asking it for another container would be no better."""


def _unreachable(engine: Engine, tried: Mapping[str, OSError]) -> _EngineFailed:
    reasons: dict[str, list[str]] = {}
    for path, error in tried.items():
        reasons.setdefault(_reason(error), []).append(printable(path))
    told = "; ".join(f"{', '.join(paths)}: {reason}" for reason, paths in reasons.items())
    command = f"systemctl start {engine.unit}"
    start = f"Start it (`{command}`)"
    if any(isinstance(error, PermissionError) for error in tried.values()):
        start, command = "Run netorch as root", ""
    remedy = f"{start}, or say where its socket is: {engine.variable}=unix:///PATH."
    what = f"{engine.name} cannot be reached ({told})."
    problem = Problem(
        "engine-unreachable", what, remedy=remedy, object=engine.name, command=command
    )
    return _EngineFailed(problem, unsure=True)


class _Timed(socket.socket):
    """A socket on which nothing takes longer than until `deadline`, in however small pieces it comes."""

    deadline = 0.0

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
    """The container as documented; Podman leaves out what is empty."""
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


def _check(engine: Engine, found: Container) -> None:
    if found.status != "running" or found.pid <= 0:
        state, verb = _REMEDIES.get(
            found.status,
            (f"is {found.status if found.status != 'running' else 'without a process'}", "start"),
        )
        command = f"{engine.command} {verb} {found.name}"
        if verb == "logs":
            remedy = f"`{command}` may say why; apply again when it runs."
        else:
            remedy = f"{'Let it go on' if verb == 'unpause' else 'Start it'} with `{command}`."
        raise _not_running(found, state, remedy, command)
    if found.network == "host":
        shared = "it has no network of its own, but the host's"
        what = f"container {found.name!r} was started with `--network host`: {shared}."
        remedy = "Take the node `host` in its place."
        raise NotAttached(Problem("container-on-host", what, remedy=remedy, object=found.name))


def _not_running(found: Container, state: str, remedy: str, command: str) -> NotAttached:
    what = f"container {found.name!r} {state}."
    return NotAttached(Problem("container-not-running", what, None, remedy, found.name, command))


def _candidates(found: Container) -> Iterator[str]:
    if found.sandbox:
        yield found.sandbox
    yield f"/proc/{found.pid}/ns/net"


def _namespace_of(found: Container) -> int | None:
    for path in _candidates(found):
        with suppress(OSError):
            return netns_fd(path, follow=True)
    return None


def _text(value: object) -> str:
    return printable(value) if isinstance(value, str) else ""
