"""`--set` on the command line and `variables` in Python: an unknown variable is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

import netorch
from netorch.cli import main
from netorch.errors import FileError
from netorch.language.variables import names_in
from netorch.language.yaml_tree import Findings, parse

SIZED = """\
name: lab
vars: {size: 2, mask: $(bits)}
nodes:
  "h[1-$(size)]":
    interfaces:
      d0: {kind: dummy, mtu: $(mtu:-1500), description: "$$(price) $((a + b) * c)"}
  "$(first:-x)": {}
"""
PLAIN = "name: plain\nnodes: {a: {}}\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sized.yaml").write_text(
        SIZED.replace(" $((a + b) * c)", "").replace(", mask: $(bits)", "")
    )
    Path("plain.yaml").write_text(PLAIN)


def test_names_that_a_file_knows() -> None:
    names = names_in(parse(SIZED.encode(), Findings()))
    assert names == {"size", "mask", "bits", "mtu", "first", "a", "b", "c"}


@pytest.mark.parametrize("setting", ["size=3", "mtu=1400", "first=y"])
def test_a_variable_that_is_declared_or_used_is_accepted(setting: str) -> None:
    assert main(["validate", "-q", "sized.yaml", "--set", setting]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["validate", "sized.yaml", "--set", "sise=5"], "Did you mean 'size'?"),
        (["validate", "sized.yaml", "--set", "qqq=5"], "It has first, mtu, size."),
        (["validate", "sized.yaml", "--set", "i=5"], "It has first, mtu, size."),
        (["validate", "sized.yaml", "--set", "price=5"], "It has first, mtu, size."),
        (
            ["validate", "plain.yaml", "--set", "size=5"],
            "It has no variables: declare one under vars",
        ),
        (["diff", "plain.yaml", "sized.yaml", "--set", "siz=3"], "Did you mean 'size'?"),
        (["graph", "sized.yaml", "--set", "sise=5"], "Did you mean 'size'?"),
        (["explain", "sized.yaml", "--set", "sise=5"], "Did you mean 'size'?"),
    ],
)
def test_another_variable_is_an_error(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    assert message in capsys.readouterr().err


def test_of_several_files_one_has_to_have_it() -> None:
    assert main(["validate", "-q", "plain.yaml", "sized.yaml", "--set", "size=3"]) == 0
    assert main(["diff", "-q", "plain.yaml", "sized.yaml", "--set", "size=3"]) == 2


def test_the_environment_may_have_those_of_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETORCH_VAR_sise", "3")
    assert main(["validate", "-q", "sized.yaml"]) == 0


def test_python_programs_too() -> None:
    assert netorch.load("sized.yaml", variables={"size": 3}).nodes[:3] == ("h1", "h2", "h3")
    with pytest.raises(FileError, match="Did you mean 'size'") as caught:
        netorch.load("sized.yaml", variables={"sise": 3})
    assert [problem.code for problem in caught.value.problems] == ["unknown-variable"]


def test_it_is_reported_with_the_other_problems() -> None:
    with pytest.raises(FileError) as caught:
        netorch.load("name: x\nnodes: {a: {mtuu: 3}}\n", variables={"sise": 3})
    assert {problem.code for problem in caught.value.problems} == {
        "unknown-variable",
        "unknown-key",
    }
