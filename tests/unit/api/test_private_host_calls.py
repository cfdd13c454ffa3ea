"""Calls into a private host: values arrive unchanged, and values that cannot be sent are errors."""

from __future__ import annotations

import inspect
import json
import os
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import netorch
from netorch.api import operations
from netorch.api.operations import Changes, Checks
from netorch.api.private_host_calls import CALLS, CHANGES, CHECKS, LOOK, TOPOLOGY
from netorch.checks.probes import Outcome, Try
from netorch.errors import (
    CommandError,
    ConflictError,
    FileError,
    InCode,
    KernelRefused,
    LockedError,
    NetorchError,
    Position,
    Problem,
)
from netorch.kernel.private_host.calls import Call, Calls, Files, Raised, ValueForm
from netorch.kernel.probe.probes import Reply, Sort
from netorch.render.changes import Change, changes
from netorch.state.planner import plan
from netorch.values.secret import Secret
from netorch.values.snapshot import AddressRecord, LinkRecord

SOURCE = Path(__file__).parents[3]


def crossed(form: ValueForm[Any], value: Any) -> Any:
    """Send a value as an argument and as a result, and return the result that arrives."""
    call = Call(lambda: None, (form,), form)
    assert call.decode_arguments(json.loads(json.dumps(call.encode_arguments([value])))) == [value]
    return call.decode_result(call.encode_result(value))


@pytest.mark.parametrize(
    "file", sorted((SOURCE / "topologies").glob("*.yaml")), ids=lambda file: file.stem
)
def test_every_topology_and_its_changes(file: Path) -> None:
    topology = netorch.load(file)
    arrived = crossed(TOPOLOGY, topology)
    assert (
        arrived == topology
        and arrived.origin() == topology.origin()
        and arrived.loaded.tree == topology.loaded.tree
    )
    made = Changes(
        topology.name,
        tuple(changes(plan({}, topology.loaded.desired.state))),
        ("careful",),
        ("ended process 7",),
    )
    bare = Changes(
        made.topology,
        tuple(_without_steps(change) for change in made.changes),
        made.warnings,
        made.notes,
    )
    arrived = CHANGES.unpack(CHANGES.pack(made))
    assert arrived == bare == crossed(CHANGES, bare) and str(arrived) == str(made)


def _without_steps(change: Change) -> Change:
    return Change(
        change.disruption,
        change.key,
        change.title,
        change.values,
        change.because,
        change.added,
        change.removed,
    )


def test_a_topology_with_variables_and_bytes_that_are_not_utf8() -> None:
    # long, so that the schema is not tried on it, because its reader accepts only UTF-8
    data = ("name: lab\nvars: {count: 1}\nnodes: {'n[1-$(count)]': {}}\n" + "#\n" * 10_000).encode(
        "utf-16"
    )
    topology = netorch.load(data, variables={"count": 3}, name="copy")
    arrived = crossed(TOPOLOGY, topology)
    assert arrived.nodes == ("n1", "n2", "n3") and arrived.name == "copy"
    assert (arrived.origin(), arrived.record().text) == (topology.origin(), topology.record().text)


def test_a_built_topology_keeps_its_places() -> None:
    built = netorch.Topology(
        "lab",
        nodes={"h[1-2]": {"sysctls": {"net.ipv4.ip_forward": 1}}},
        links=[["h1:a", "h2:a"]],
        variables={"x": "012"},
    )
    arrived = crossed(TOPOLOGY, built)
    for path in (("nodes", "h1"), ("nodes", "h2", "sysctls"), ("links", 0)):
        here, there = built.loaded.where(path), arrived.loaded.where(path)
        assert (
            isinstance(here, InCode)
            and isinstance(there, InCode)
            and (here, here.path) == (there, there.path)
        )
    assert arrived.loaded.file == built.loaded.file and arrived.yaml == built.yaml


def test_checks() -> None:
    replies = (
        Reply(Sort.ANSWERED, 0.25),
        Reply(Sort.UNREACHABLE, icmp=(3, 1), sender="10.0.0.1", own=True),
    )
    tries = (
        Try(ip_address("10.0.0.2"), True, "", replies[0], 0.25),
        Try(ip_address("fe80::1"), False, "no route", replies[1]),
    )
    checks = Checks(
        "lab",
        (
            Outcome(
                0,
                "a",
                "b",
                False,
                reason="no",
                seconds=0.25,
                tries=tries,
                why=("so",),
                where=InCode(3, 9, "checks.0"),
            ),
            Outcome(1, "a", "b", True, False, "lan", 80, 1500, where=Position(4, 1)),
        ),
        "a → b: no",
    )
    arrived = crossed(CHECKS, checks)
    assert (
        arrived == checks
        and arrived.outcomes[0].where.path == "checks.0"
        and type(arrived.outcomes[1].where) is Position
    )


def test_links_and_texts_that_are_not_utf8() -> None:
    link = LinkRecord(
        2,
        "eth\udcff0",
        3,
        1500,
        b"\2\0\0\0\0\1",
        "veth",
        0,
        9,
        -1,
        5,
        "alias \ud800",
        1000,
        ("x",),
        {1: b"\0\xff"},
        {},
        "tbf",
    )
    links_and_addresses = [link], [AddressRecord(2, 2, b"\12\0\0\2", b"\12\0\0\2", 24, 0, 128, 130)]
    assert crossed(LOOK, links_and_addresses) == links_and_addresses


def test_the_table_fits_its_functions() -> None:
    for call in CALLS._calls.values():
        parameters = inspect.signature(call.function).parameters.values()
        needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
        assert len(needed) <= len(call._arguments) <= len(parameters)


# From one end of a socket to the other


def here() -> Files:
    return Files(os.pipe())


def fails(kind: str) -> str:
    raise ERRORS[kind]


def returns_a_secret() -> object:
    return Secret(b"\1")


TABLE = Calls(
    here=Call(here, (), None),
    fails=Call(fails, (ValueForm(str),), ValueForm(str)),
    secret=Call(returns_a_secret, (), ValueForm(object)),
    index=Call(len, (ValueForm(list[int]),), ValueForm(int)),
)

ERRORS: dict[str, BaseException] = {
    "several": FileError(
        [
            Problem("bad-name", "bad", InCode(3, 9, "nodes.a"), "Do.", "nodes.a", "ip link"),
            Problem("bad-value", "worse", Position(1, 2)),
            Problem("bad-key", "x"),
        ],
        "lab.py",
    ),
    "conflict": ConflictError(Problem("name-taken", "x \udcff")),
    "locked": LockedError(Problem("locked", "x")),
    "command": CommandError(Problem("no-such-command", "no"), 127),
    "refused": KernelRefused([Problem("kernel-refused", "a"), Problem("rolled-back", "b")]),
    "missing": FileNotFoundError(2, "No such file or directory", "/x"),
    "number": PermissionError(1, "Operation not permitted"),
    "address": socket.gaierror(-2, "Name or service not known"),
    "timeout": TimeoutError("timed out"),
    "value": ValueError("what"),
}


def ask(function: Callable[..., Any], *arguments: object) -> Any:
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=TABLE.answer, args=(theirs,))
    thread.start()
    try:
        with ours:
            return TABLE.ask(ours, function, arguments)
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("kind", ERRORS)
def test_errors(kind: str) -> None:
    with pytest.raises(Raised) as caught:
        ask(fails, kind)
    error, again = ERRORS[kind], caught.value.error
    assert type(again) is type(error) and str(again) == str(error)
    if isinstance(error, NetorchError) and isinstance(again, NetorchError):
        assert (
            again.lines() == error.lines()
            and again.problems == error.problems
            and getattr(again, "status", 0) == getattr(error, "status", 0)
        )
        assert [type(problem.where) for problem in again.problems] == [
            type(problem.where) for problem in error.problems
        ]
    if isinstance(error, OSError) and isinstance(again, OSError):
        assert (again.errno, again.filename) == (error.errno, error.filename)


def test_an_error_of_another_type_is_named() -> None:
    ERRORS["odd"] = ZeroDivisionError("division by zero")
    with pytest.raises(Raised) as caught:
        ask(fails, "odd")
    assert (
        type(caught.value.error) is NetorchError
        and str(caught.value.error) == "ZeroDivisionError: division by zero"
    )


def test_open_files() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    reader, writer = ask(here).fds
    os.write(writer, b"x")
    assert os.read(reader, 9) == b"x" and not os.get_inheritable(reader)
    os.close(reader)
    os.close(writer)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_what_cannot_cross() -> None:
    with pytest.raises(Raised) as caught:
        ask(returns_a_secret)
    assert isinstance(caught.value.error, TypeError)
    with pytest.raises(Raised) as caught:
        ask(len, ["no number"])
    assert "Expected `int`, got `str`" in str(caught.value.error)
    with pytest.raises(KeyError):
        ask(operations.diff)
