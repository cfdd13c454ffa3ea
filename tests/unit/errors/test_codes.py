"""Tests of the error codes: each is in the table, raised somewhere, documented, and in JSON."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import pytest

from netorch.cli.status import FAILED, USAGE
from netorch.converge.hazards import Hazard
from netorch.converge.preflight import lacking
from netorch.doctor import Diagnosis
from netorch.doctor.checks import look
from netorch.doctor.findings import Situation
from netorch.errors import FileError, Position, Problem
from netorch.errors.codes import AREAS, table
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.machine.facts import Machine
from netorch.language.python_values import tree_of
from netorch.render import doctor
from netorch.render import json as rendered
from netorch.resolve.loader import load, load_tree
from netorch.state.key import HOST, Key
from netorch.values.requests import Feature
from tests.pages import ROOT

PLACES = {
    "Problem": 0,
    "Obstacle": 0,
    "BadHop": 0,
    "Remedy": 0,
    "Complaint": 0,
    "Wrong": 0,
    "Unknown": 0,
    "complain": 0,
    "warn": 0,
    "unknown": 0,
    "add": 0,
    "stop": 0,
    "wrong": 0,
    "forbid": 0,
    "require": 0,
    "Hazard": 1,
    "Shortage": 0,
    "Finding": 1,
    "Damage": 1,
}
"""Callable → the position of the code among its arguments."""

SAME_NAME = {
    "add": {"findings.add", "self.findings.add"},
    "stop": {"findings.stop", "self.findings.stop", "self.stop"},
    "wrong": {"self.wrong"},
}
"""Callables whose names other functions have too → the expressions that call the right one."""

NAMES = {"code", "TAKEN"}
"""Variables and fields whose value is a code."""


def raised() -> dict[str, str]:
    """Return each code with a place in the source that raises it."""
    places: dict[str, str] = {}
    for path in sorted((ROOT / "netorch").rglob("*.py")):
        if path.parent.name != "codes":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                places |= dict.fromkeys(codes_of(node), place)
    return places


def codes_of(node: ast.AST) -> Iterator[str]:
    """Yield the codes that a call, an assignment or a function's default contains."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            function = ast.unparse(node.func)
            takes_code = name not in SAME_NAME or function in SAME_NAME[name]
            place = PLACES.get(name if takes_code else "", 99)
            if len(node.args) > place:
                assert not isinstance(node.args[place], ast.JoinedStr), ast.unparse(node)
                yield from texts_of(node.args[place])
            if function == "wrong" and len(node.args) > 1:
                yield from texts_of(node.args[1])
            for keyword in node.keywords:
                if keyword.arg in NAMES:
                    yield from texts_of(keyword.value)
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=name), *_])], value=value):
            if name in NAMES and isinstance(value, ast.Tuple):
                yield from texts_of(value.elts[0])
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            if name in NAMES and node.value is not None:
                yield from texts_of(node.value)
        case ast.FunctionDef(args=ast.arguments(args=arguments, defaults=[*_, last])):
            if arguments[-1].arg in NAMES:
                yield from texts_of(last)


def texts_of(node: ast.expr) -> Iterator[str]:
    """Yield the non-empty text constants that an expression can evaluate to."""
    match node:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from (*texts_of(one), *texts_of(other))


def test_each_code_that_is_raised_is_in_the_table() -> None:
    known = table()
    unknown = {code: place for code, place in raised().items() if code not in known}
    assert unknown == {}, "add them to a table in netorch/errors/codes, or correct them"


def test_each_code_of_the_table_is_raised() -> None:
    assert sorted(table().keys() - raised().keys()) == []


def test_a_code_is_in_the_table_once_and_says_cause_and_cure() -> None:
    codes = [code for area in AREAS for code in area.codes]
    assert len({code.name for code in codes}) == len(codes)
    for code in codes:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code.name), code
        assert code.title and not code.title.endswith("."), code
        assert code.cause.endswith(".") and code.cure.endswith("."), code


def test_the_page_has_a_heading_for_each_code() -> None:
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == list(table())
    for page in ("index.md", "json.md", "python.md", "howto/troubleshooting.md"):
        assert "errors.md" in (ROOT / "docs" / page).read_text(encoding="utf-8"), page


def test_nobody_imports_the_table_when_netorch_runs() -> None:
    for path in (ROOT / "netorch").rglob("*.py"):
        if path.parent.name != "codes":
            assert "netorch.errors.codes import" not in path.read_text(encoding="utf-8"), path


UNKNOWN_KEY = "nodes: {a: {forwrding: true}}\n"
FILES = [
    (UNKNOWN_KEY, "unknown-key", "nodes.a.forwrding"),
    ("links: 3\n", "not-a-list", "links"),
    ("name: t\nlinks: [[a:x, b:y, c:z]]\n", "not-two-ends", "links.0.endpoints"),
    (
        "name: t\nnodes: {a: {interfaces: {x: {kind: dummy, addresses: [10.0.0.1]}}}}\n",
        "bad-address",
        None,
    ),
    (
        "name: t\nnodes: {a: {interfaces: {x: {kind: dumy}}}}\n",
        "unknown-kind",
        "nodes.a.interfaces.x",
    ),
    ("name: t\nchecks: [{to: a}]\nnodes: {a: {}}\n", "check-needs-ends", "checks.0"),
    ("name: t\nlinks: [[a:x, b:y]]\nnodes: {a: {}}\n", "unknown-node", "links.0.endpoints.1"),
    ("name: t\nnodes: {a: {interfaces: {x: {}}}}\n", "unmade-interface", "nodes.a.interfaces.x"),
    ("name: t\nname: u\n", "duplicate-key", "name"),
    ("nodes: {$(x): {}}\n", "unknown-variable", None),
    ("nodes: {'h[3-1]': {}}\n", "bad-range", None),
    ("name: t\nnodes: {a: {profile: p}}\n", "unknown-profile", "p"),
    ("name: [\n", "not-yaml", None),
]


@pytest.mark.parametrize(("text", "code", "about"), FILES, ids=[case[1] for case in FILES])
def test_an_error_of_a_file(text: str, code: str, about: str | None) -> None:
    with pytest.raises(FileError) as caught:
        load(text.encode(), "topo.yaml")
    first = json.loads(rendered.failure(caught.value))["problems"][0]
    assert first["code"] == code, first
    assert about is None or first["object"] == about, first
    assert first["command"] is None


COMMANDS = [
    (["validate", "topo.yaml"], "unknown-key", "nodes.a.forwrding"),
    (["diff", "topo.yaml", "topo.yaml"], "unknown-key", "nodes.a.forwrding"),
    (["explain", "topo.yaml"], "unknown-key", "nodes.a.forwrding"),
    (["explain", "nowhere.yaml"], "file-not-found", "nowhere.yaml"),
    (["diff", "--no-such-option"], "usage", None),
    (["exec", "a"], "usage", None),
    (["diff", "topo.yaml", "topo.yaml", "--out", "x"], "usage", None),
    (["validate", "topo.yaml", "--set", "x"], "usage", None),
]


@pytest.mark.parametrize(
    ("words", "code", "about"), COMMANDS, ids=[" ".join(case[0]) for case in COMMANDS]
)
def test_a_command_that_fails(
    words: list[str], code: str, about: str | None, tmp_path: Path
) -> None:
    (tmp_path / "topo.yaml").write_text(UNKNOWN_KEY)
    command = [sys.executable, "-m", "netorch", words[0], "-o", "json", *words[1:]]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode in {FAILED, USAGE}, done
    document = json.loads(done.stdout)
    problems = document["files"][0]["problems"] if "files" in document else document["problems"]
    assert (problems[0]["code"], problems[0]["object"]) == (code, about), document
    assert {"file", "line", "column", "what", "remedy", "command"} < problems[0].keys()


def test_a_remedy_that_is_a_command() -> None:
    text = (
        b"name: t\nnodes: {a: {interfaces: {v: {kind: vrf, table: 10}, w: {kind: vrf, table: 11}}}}"
    )
    loaded = load(text, "topo.yaml")

    class Kernel:
        def lacking(self, features: Iterable[Feature]) -> list[Feature]:
            return [feature for feature in features if feature.module == "vrf"]

    [lack] = lacking(cast("LinuxKernel", Kernel()), loaded.desired, loaded)
    problem = lack.problem()
    assert (problem.code, problem.object, problem.command) == (
        "kernel-lacks",
        "vrf links",
        "modprobe vrf",
    )
    assert "`modprobe vrf`" in problem.remedy
    assert problem.what == "this kernel has no vrf links: vrf a/v and 1 more cannot be made."


def test_a_hazard_as_a_problem() -> None:
    hazard = Hazard(
        Key("address", HOST, "x"),
        "subnet-taken",
        "address host/x 10.0.0.1/24",
        "no",
        "Take another.",
        "ip route",
    )
    where = Position(3, 4)
    problem = hazard.problem(where)
    assert problem == Problem(
        "subnet-taken", "no.", where, "Take another.", "address host/x 10.0.0.1/24", "ip route"
    )


def test_a_finding_has_its_code() -> None:
    [finding] = look(Situation(Machine(release="4.19.0-9-amd64")))
    diagnosis = Diagnosis("4.19.0-9-amd64", True, "", (), (finding,))
    [entry] = doctor.document(diagnosis)["findings"]
    assert (entry["check"], entry["code"], entry["object"]) == ("kernel", "old-kernel", None)


def test_a_place_in_a_program_is_named_once() -> None:
    with pytest.raises(FileError) as caught:
        load_tree(
            tree_of({"name": "t", "nodes": {"a": {"forwarding": 3, "mtu": 1}}}, 7),
            "lab.py",
            {},
            None,
            "",
        )
    assert caught.value.lines() == [
        "lab.py:7: nodes.a.forwarding: 3 is neither true nor false",
        "lab.py:7: nodes.a.mtu: unknown key 'mtu' in nodes.a. " + caught.value.problems[1].remedy,
    ]
