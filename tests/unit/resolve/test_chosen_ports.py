"""Published ports for which netorch chooses the port of the owner."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.language.publish import PublishModel, publish_words
from netorch.resolve.loader import load

NETWORKS = "networks: {lan: {mode: nat}, other: {mode: nat, node: box}}"


def chosen(*nodes: str) -> dict[str, tuple[str, ...]]:
    """Return the chosen ports of nodes a, b … that publish these in the network lan."""
    entries = "".join(
        f"  {name}: {{networks: [lan], publish: [{ports}]}}\n"
        for name, ports in zip("abcdef", nodes, strict=False)
    )
    return dict(
        load(
            f"nodes:\n{entries}{NETWORKS.replace(', other: {mode: nat, node: box}', '')}".encode(),
            "lab.yaml",
        ).desired.chosen_ports
    )


@pytest.mark.parametrize(
    ("text", "address", "port", "to", "proto"),
    [
        (3000, None, None, (3000, 3000), "tcp"),
        ("3000", None, None, (3000, 3000), "tcp"),
        ("3000/udp", None, None, (3000, 3000), "udp"),
        ("3000-3005", None, None, (3000, 3005), "tcp"),
        ("8000-9000:80", None, (8000, 9000), (80, 80), "tcp"),
        ("8000-8010:9000-9010/TCP", None, (8000, 8010), (9000, 9010), "tcp"),
        (":80:80", None, (80, 80), (80, 80), "tcp"),
        (":80", None, None, (80, 80), "tcp"),
        ("::80", None, None, (80, 80), "tcp"),
        ("127.0.0.1::8005", "127.0.0.1", None, (8005, 8005), "tcp"),
        ("::1:6000:6000", "::1", (6000, 6000), (6000, 6000), "tcp"),
        ("[::1]:6000:6000/udp", "::1", (6000, 6000), (6000, 6000), "udp"),
        ("::1::6000", "::1", None, (6000, 6000), "tcp"),
        ("[::1]::6000", "::1", None, (6000, 6000), "tcp"),
        ("1:2:3:4:5:6:7:8:53:53", "1:2:3:4:5:6:7:8", (53, 53), (53, 53), "tcp"),
        ("fd00::1:53:53/udp", "fd00::1", (53, 53), (53, 53), "udp"),
    ],
)
def test_forms_of_docker(
    text: object, address: str | None, port: object, to: object, proto: str
) -> None:
    model = PublishModel.model_validate(publish_words(text))
    assert (str(model.address) if model.address else None) == address
    assert (model.port, model.to, model.proto) == (port, to, proto)


@pytest.mark.parametrize(
    "text",
    [
        '"[]:80:80"',
        '"[::1]:80"',
        '"::1:80"',
        '"web:80:80"',
        '"80:81:82:83"',
        '"80-81:80-82"',
        "0",
        "65536",
        "true",
        '"80/http"',
        '"3-1"',
    ],
)
def test_other_forms_are_errors(text: str) -> None:
    with pytest.raises(FileError):
        chosen(text)


def test_the_port_of_the_node_is_the_first_choice() -> None:
    assert chosen("3000, 53/udp, 4000-4002, '127.0.0.1::8005'") == {
        "a": ("3000:3000/tcp", "53:53/udp", "4000-4002:4000-4002/tcp", "127.0.0.1:8005:8005/tcp")
    }


def test_ports_that_others_publish_are_skipped_wherever_they_stand() -> None:
    assert chosen("80", "80", "80/udp", '"80:8080", "82:1"') == {
        "a": ("81:80/tcp",),
        "b": ("83:80/tcp",),
        "c": ("80:80/udp",),
    }


def test_a_range_for_one_port_gives_its_first_free_port() -> None:
    ports = chosen('"8000-8002:80"', '"8000-8002:80"', '"8001:1"')
    assert ports == {"a": ("8000:80/tcp",), "b": ("8002:80/tcp",)}


def test_a_block_moves_as_a_whole() -> None:
    assert chosen("4000-4002", "4000-4002", '"4004:1"') == {
        "a": ("4000-4002:4000-4002/tcp",),
        "b": ("4005-4007:4000-4002/tcp",),
    }


@pytest.mark.parametrize(
    ("nodes", "what"),
    [
        (('"8000-8001:80"',) * 3, "no port among 8000-8001 is free"),
        (("65535", "65535"), "no port is free"),
    ],
)
def test_no_free_port_is_an_error(nodes: tuple[str, ...], what: str) -> None:
    with pytest.raises(FileError) as error:
        chosen(*nodes)
    assert [problem.code for problem in error.value.problems] == ["no-free-port"]
    assert what in str(error.value)


def test_ports_of_another_owner_do_not_count() -> None:
    text = (
        "nodes: {box: {}, a: {networks: [lan], publish: 80}, b: {networks: [other], publish: 80}}\n"
        f"{NETWORKS}"
    )
    assert load(text.encode(), "lab.yaml").desired.chosen_ports == {
        "a": ("80:80/tcp",),
        "b": ("80:80/tcp",),
    }


def test_the_long_form_needs_no_port() -> None:
    assert chosen("{to: 80, proto: udp}", "{to: 80, port: 80-90, proto: udp}") == {
        "a": ("80:80/udp",),
        "b": ("81:80/udp",),
    }
