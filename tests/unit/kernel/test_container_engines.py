"""The sockets of container engines, and the decoding of their answers."""

from __future__ import annotations

from typing import Any

import pytest

from netorch.kernel.namespaces.container_engines import (
    ENGINES,
    Container,
    Engines,
    NotAttached,
    _check,
    _read,
)

ID = "0123456789abcdef"


def answer(**more: Any) -> dict[str, Any]:
    return {
        "Id": ID,
        "Name": "/web",
        "State": {"Status": "running", "Running": True, "Pid": 7},
        **more,
    }


@pytest.mark.parametrize(
    ("engine", "environment", "paths"),
    [
        ("docker", {}, ("/var/run/docker.sock", "/run/docker.sock")),
        ("docker", {"DOCKER_HOST": ""}, ("/var/run/docker.sock", "/run/docker.sock")),
        (
            "docker",
            {"XDG_RUNTIME_DIR": "/run/user/7"},
            ("/var/run/docker.sock", "/run/docker.sock", "/run/user/7/docker.sock"),
        ),
        ("docker", {"XDG_RUNTIME_DIR": "here"}, ("/var/run/docker.sock", "/run/docker.sock")),
        (
            "docker",
            {"DOCKER_HOST": "unix:///x/y.sock", "XDG_RUNTIME_DIR": "/run/user/7"},
            ("/x/y.sock",),
        ),
        (
            "docker",
            {"CONTAINER_HOST": "unix:///x/y.sock"},
            ("/var/run/docker.sock", "/run/docker.sock"),
        ),
        ("podman", {"CONTAINER_HOST": "unix:///x/y.sock"}, ("/x/y.sock",)),
        (
            "podman",
            {"XDG_RUNTIME_DIR": "/run/user/7"},
            ("/run/podman/podman.sock", "/run/user/7/podman/podman.sock"),
        ),
    ],
)
def test_where_the_socket_is(
    engine: str, environment: dict[str, str], paths: tuple[str, ...]
) -> None:
    assert ENGINES[engine].sockets(environment) == paths


@pytest.mark.parametrize(
    "value",
    [
        "tcp://192.0.2.1:2375",
        "ssh://there",
        "http+unix:///x",
        "unix://x",
        "unix:",
        "/x/y.sock",
        "\x1b",
    ],
)
def test_an_engine_on_another_machine_is_not_attached(value: str) -> None:
    with pytest.raises(NotAttached, match="which is not a unix socket") as caught:
        Engines({"DOCKER_HOST": value}).open("docker", "web")
    assert caught.value.unsure
    assert caught.value.what.isprintable()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, Container(ID, "web", "running", 7, "", "")),
        ({"NetworkSettings": None, "HostConfig": None}, Container(ID, "web", "running", 7, "", "")),
        (
            {"NetworkSettings": {"SandboxKey": "/run/x"}, "HostConfig": {"NetworkMode": "host"}},
            Container(ID, "web", "running", 7, "/run/x", "host"),
        ),
        (
            {"NetworkSettings": {"SandboxKey": "x\0"}, "Name": ""},
            Container(ID, ID[:12], "running", 7, "", ""),
        ),
        ({"State": {"Running": False, "Pid": 0}}, Container(ID, "web", "exited", 0, "", "")),
        (
            {"State": {"Status": "running", "Running": True, "Paused": True, "Pid": 7}},
            Container(ID, "web", "paused", 7, "", ""),
        ),
        (
            {"State": {"Status": "restarting", "Running": True, "Restarting": True, "Pid": 0}},
            Container(ID, "web", "restarting", 0, "", ""),
        ),
    ],
)
def test_container_is_read(more: dict[str, Any], expected: Container) -> None:
    assert _read(answer(**more)) == expected


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        [],
        "web",
        {},
        {"Id": ID},
        answer(State=None),
        answer(State=[]),
        answer(State={"Pid": "7"}),
        answer(Id="../x"),
        answer(NetworkSettings="x"),
        answer(HostConfig=[1]),
    ],
)
def test_nonsense_is_not_a_container(nonsense: object) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        _read(nonsense)


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("created", "docker start web"),
        ("exited", "docker start web"),
        ("dead", "docker start web"),
        ("paused", "docker unpause web"),
    ],
)
def test_a_stopped_container_gets_a_remedy(status: str, command: str) -> None:
    with pytest.raises(NotAttached, match=f"`{command}`") as caught:
        _check(ENGINES["docker"], Container(ID, "web", status, 0, "", ""))
    assert not caught.value.unsure
