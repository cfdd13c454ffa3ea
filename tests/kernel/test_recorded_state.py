"""The resolved state beside the record: it saves loading the file, and it is never a truth."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.host import Host

FILE = """\
name: lab
vars: {net: 10.0.0}
nodes:
  n[1-3]: {networks: [lan]}
networks:
  lan: {subnet: $(net).0/24, mode: segment}
"""
LISTS = Path(__file__).resolve().parents[1] / "recorded" / "modules"
STATE = "/run/netorch/lab/state"


def loaded(host: Host, *words: str | Path) -> set[str]:
    """Return the modules that a netorch of its own imports for a command line."""
    done = host.run(sys.executable, "-X", "importtime", "-m", "netorch", *words, check=False)
    assert done.returncode in (0, 2), done.stderr
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.M))


def loads_the_file(host: Host, *words: str | Path) -> bool:
    return not loaded(host, *words).isdisjoint({"pydantic", "yaml"})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("version", ["--version"]),
        ("exec", ["exec", "n1", "true"]),
        ("diff", ["diff", "lab.yaml"]),
        ("apply", ["apply", "lab.yaml"]),
        ("repeated", ["diff", "lab.yaml"]),
        ("repeated", ["apply", "lab.yaml"]),
    ],
)
def test_a_command_imports_only_modules_on_its_list(
    host: Host, name: str, words: list[str]
) -> None:
    """Each module takes a fifth of a millisecond or more. Add one to the list if it is needed."""
    host.netorch("apply", host.write("lab.yaml", FILE))
    if name == "repeated":
        time.sleep(2.5)  # until the kernel has examined its own IPv6 addresses
        host.netorch("apply", "lab.yaml")
    allowed = set((LISTS / f"{name}.txt").read_text().split())
    modules = loaded(host, *words)
    own = {module for module in modules if module.split(".")[0] == "netorch"}
    assert sorted(own - allowed) == []
    # most of the list is really needed: a list that only grows would allow everything
    assert len(allowed - own) <= len(allowed) // 10, sorted(allowed - own)
    heavy = {"pydantic", "yaml", "inspect", "pathlib", "socket", "dataclasses"}
    heavy |= {"subprocess", "tempfile", "shutil", "random", "hashlib", "email", "difflib"}
    if name in ("version", "exec", "repeated"):
        heavy |= {"msgspec"}
    if name in ("version", "exec"):
        heavy |= {"typing"}
    assert sorted(modules & heavy) == []


def test_commands_on_an_unchanged_file_do_not_load_it(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    assert loads_the_file(host, "apply", file)
    for words in (
        ["diff", file],
        ["diff", "lab.yaml"],
        ["diff", "lab"],
        ["apply", file],
        ["list"],
        ["show", "lab"],
        ["exec", "n2", "true"],
        ["check", file],
        ["validate", file],
        ["diff", file, "--set", "net=10.0.0"],
        ["destroy", file],
    ):
        # a variable that is set makes another state, even if it has the default value
        assert loads_the_file(host, *words) == ("--set" in words), words


@pytest.mark.parametrize(
    ("change", "words", "title"),
    [
        (lambda text: text.replace("n[1-3]", "n[1-2]"), [], "netns n3"),
        (lambda text: text, ["--set", "net=10.9.9"], "address n1/eth0 10.9.9.1/24"),
        (lambda text: text, ["--name", "copy"], "netns copy-n1"),
    ],
    ids=["text", "variable", "name"],
)
def test_what_changes_the_state_is_loaded(
    host: Host, change: Callable[[str], str], words: list[str], title: str
) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)
    host.write("lab.yaml", change(FILE))
    done = host.netorch("diff", "-o", "json", file, *words, check=False)
    titles = [entry["title"] for entry in json.loads(done.stdout)["changes"]]
    assert done.returncode == 2
    assert title in titles


def test_a_variable_that_the_file_does_not_have_is_still_an_error(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file, env={"NETORCH_VAR_typo": "1"})
    # the environment may hold variables of other files; `--set` may not
    for command in ("diff", "destroy"):
        done = host.netorch(command, file, "--set", "typo=1", check=False)
        assert done.returncode == 1
        assert "typo" in done.stderr
    assert host.netorch("diff", file).stdout == "lab: in sync\n"


def test_another_version_does_not_use_the_state(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)
    host.run("sed", "-Ei", f"1s/^.{{64}}/{'0' * 64}/", STATE)
    assert loads_the_file(host, "diff", file)
    # an apply, even one without a change, writes it again
    assert loads_the_file(host, "apply", file)
    assert not loads_the_file(host, "diff", file)


@pytest.mark.parametrize(
    "damage",
    [
        f"rm {STATE}",
        f": > {STATE}",
        f"head -c 300 {STATE} > /run/half && cp /run/half {STATE}",
        f"head -n 2 {STATE} > /run/half && cp /run/half {STATE}",
        f"sed -i '2s/.*/[]/' {STATE}",
        f"rm {STATE} && mkfifo {STATE}",
        f"rm {STATE} && ln -s /etc/passwd {STATE}",
        f"printf '%064d\\n{{}}\\n' 0 > {STATE}",
        # of the same length: a cache that still decodes must not become a truth
        f"sed -i s/loopback/loopbqck/g {STATE}",
        f'sed -i \'s/"n1": "n1"/"n1": "n2"/\' {STATE}',
    ],
)
def test_a_damaged_state_is_ignored(host: Host, damage: str) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)
    host.run("sh", "-ec", damage)
    assert host.netorch("diff", file).stdout == "lab: in sync\n"
    assert host.netorch("exec", "n1", "--", "echo", "hello").stdout == "hello\n"
    assert "in sync" in host.netorch("list").stdout
    assert host.netorch("destroy", "lab").returncode == 0
    assert host.run("sh", "-c", "ls /run/netns /run/netorch 2>/dev/null", check=False).stdout == ""


def test_positions_come_from_the_file(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)
    host.run("ip", "-n", "n1", "address", "flush", "dev", "eth0", "scope", "global")
    (change,) = json.loads(host.netorch("diff", "-o", "json", file, check=False).stdout)["changes"]
    assert (change["title"], change["line"]) == ("address n1/eth0 10.0.0.1/24", 4)
    assert "# lab.yaml:4" in host.netorch("diff", "-v", "lab.yaml", check=False).stdout


def test_a_rollback_leaves_the_state_of_the_record(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)
    before = host.run("sha256sum", STATE).stdout
    host.write("lab.yaml", FILE.replace("n[1-3]: {", "n[1-3]: {sysctls: {net.ipv4.no_such: 1}, "))
    assert host.unforeseen("apply", "lab.yaml", check=False).returncode == 1
    assert host.run("sha256sum", STATE).stdout == before
    host.write("lab.yaml", FILE)
    assert not loads_the_file(host, "diff", file)


@pytest.mark.parametrize("how", ["text", "json"])
def test_a_command_that_cannot_be_run_in_a_node(host: Host, how: str) -> None:
    host.netorch("apply", host.write("lab.yaml", FILE))
    done = host.netorch("exec", "-o", how, "n1", "--", "/no/such/program", check=False)
    assert done.returncode == 127
    assert done.stderr == "netorch: /no/such/program: command not found\n"
    if how == "json":
        assert "command-not-found" in done.stdout


def test_an_empty_command_is_not_found(host: Host) -> None:
    host.netorch("apply", host.write("lab.yaml", FILE))
    done = host.netorch("exec", "n1", "--", "", check=False)
    assert (done.returncode, done.stderr) == (127, "netorch: : command not found\n")


def test_a_node_of_two_topologies(host: Host) -> None:
    host.netorch("apply", host.write("lab.yaml", FILE))
    host.netorch("apply", host.write("lab.yaml", FILE), "--name", "copy")
    done = host.netorch("exec", "n1", "true", check=False)
    assert done.returncode == 1
    assert "is in several topologies (copy, lab)" in done.stderr
    assert host.netorch("exec", "--name", "copy", "n1", "--", "true").returncode == 0


def test_a_namespace_that_somebody_deleted(host: Host) -> None:
    host.netorch("apply", host.write("lab.yaml", FILE))
    host.run("ip", "netns", "del", "n1")
    done = host.netorch("exec", "n1", "true", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("netorch: node n1: there is no namespace 'n1'.")
