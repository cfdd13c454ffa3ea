"""destroy: hints for names that are not live, and the question before it removes everything."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.kernel.host import Host
from tests.kernel.terminal import on_a_terminal


@pytest.fixture
def two(host: Host) -> Host:
    for name in ("shop", "store"):
        host.write(f"{name}.yaml", f"name: {name}\nnodes: {{{name}1: {{}}}}\n")
        host.netorch("apply", "-q", f"{name}.yaml")
    return host


def namespaces(host: Host) -> set[str]:
    return set(host.run("ip", "netns", "list").stdout.split())


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("shpo", "live topologies: shop, store. Did you mean 'shop'?"),
        ("qqq", "live topologies: shop, store."),
    ],
)
def test_a_name_that_is_not_live(two: Host, name: str, hint: str) -> None:
    done = two.netorch("destroy", name)
    assert (done.returncode, done.stdout) == (0, f"{name}: nothing to destroy\n")
    assert done.stderr == f"{hint}\n"
    assert two.netorch("destroy", "-q", name).stderr == ""
    row = json.loads(two.netorch("destroy", name, "-o", "json").stdout)["topologies"][0]
    assert (row["changed"], row["notes"]) == (False, [hint])
    two.write("other.yaml", f"name: {name}\nnodes: {{x: {{}}}}\n")
    assert two.netorch("destroy", "other.yaml").stderr == f"{hint}\n"
    assert {"shop1", "store1"} <= namespaces(two)


def test_a_name_that_cannot_be_one(two: Host) -> None:
    done = two.netorch("destroy", "SHOP", check=False)
    assert done.returncode == 1
    assert "Live here: shop, store. Did you mean 'shop'?" in done.stderr


def test_there_is_no_hint_where_nothing_is_live(host: Host) -> None:
    done = host.netorch("destroy", "shop")
    assert (done.stdout, done.stderr) == ("shop: nothing to destroy\n", "")


class User:
    """Answers the question with these keys as soon as it appears."""

    def __init__(self, keys: bytes) -> None:
        self.keys = keys
        self.asked = False

    def __call__(self, process: subprocess.Popen[bytes], output: bytes) -> None:
        if b"[y/N] " in output and not self.asked:
            self.asked = True
            # the test's process has the other end of the terminal
            os.write(process.leader, self.keys)  # type: ignore[attr-defined]


@pytest.mark.parametrize("keys", [b"n\n", b"\n", b"\x04", b"what\n"])
def test_no_leaves_everything(two: Host, keys: bytes) -> None:
    user = User(keys)
    output = on_a_terminal(two, "destroy", "--all", observe=user)
    assert user.asked
    assert "This removes 2 topologies: shop, store. Go on? [y/N]" in output
    assert "nothing was removed: the answer was no." in output
    assert {"shop1", "store1"} <= namespaces(two)


@pytest.mark.parametrize("keys", [b"y\n", b"Yes\n"])
def test_yes_removes_everything(two: Host, keys: bytes) -> None:
    user = User(keys)
    output = on_a_terminal(two, "destroy", "--all", observe=user)
    assert user.asked
    assert "shop: 1 removed" in output
    assert namespaces(two) == set()
    assert "no topology is live here" in on_a_terminal(two, "destroy", "--all")


@pytest.mark.parametrize("words", [["--yes"], ["-y"]])
def test_yes_as_an_option_skips_the_question(two: Host, words: list[str]) -> None:
    assert "[y/N]" not in on_a_terminal(two, "destroy", "--all", *words)
    assert namespaces(two) == set()


def test_it_asks_no_script_and_about_no_single_one(two: Host) -> None:
    assert "[y/N]" not in on_a_terminal(two, "destroy", "shop")
    done = two.netorch("destroy", "--all")
    assert "[y/N]" not in done.stdout + done.stderr
    assert namespaces(two) == set()


def test_it_asks_about_the_only_one_that_nothing_names(host: Host) -> None:
    host.write("shop.yaml", "name: shop\nnodes: {shop1: {}}\n")
    host.netorch("apply", "-q", "shop.yaml")
    user = User(b"n\n")
    output = on_a_terminal(host, "destroy", observe=user)
    assert "This removes 1 topology: shop. Go on? [y/N]" in output
    assert namespaces(host) == {"shop1"}
    assert "shop: 1 removed" in host.netorch("destroy").stdout
    # a file of this folder names it
    host.write("topo.yaml", "name: shop\nnodes: {shop1: {}}\n")
    host.netorch("apply", "-q")
    assert "[y/N]" not in on_a_terminal(host, "destroy")
    assert namespaces(host) == set()
