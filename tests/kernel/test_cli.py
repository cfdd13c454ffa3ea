"""The command line: exit statuses, streams, forms of output, sources of the file, terminals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netorch.cli import main
from netorch.version import __version__
from tests.kernel.host import SOURCE, Host, diff_snapshots, sentences
from tests.kernel.terminal import on_a_terminal

FILE = "name: lab\nvars: {n: 1}\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:eth0, b:eth0], subnet: 10.$(n).0.0/24}]\n"
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


def nodes(host: Host) -> list[str]:
    place = host.root / "run/netns"
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


# statuses and streams


def test_the_life_of_a_topology_in_statuses(host: Host) -> None:
    host.write("topo.yaml", FILE)
    for words, status in (
        (["validate"], 0),
        (["diff"], 2),
        (["apply", "--dry-run"], 2),
        (["apply"], 0),
        (["diff"], 0),
        (["apply", "--dry-run"], 0),
        (["apply"], 0),
        (["list"], 0),
        (["show"], 0),
        (["show", "nobody"], 1),
        (["destroy"], 0),
        (["destroy"], 0),
        (["show"], 1),
        (["diff"], 2),
    ):
        process = host.netorch(*words, check=False)
        assert process.returncode == status, (words, process.stdout, process.stderr)
        assert bool(process.stderr) == (status == 1), (words, process.stderr)


WRONG = [
    [],
    ["aply"],
    ["apply", "--no-such-option"],
    ["apply", "one", "two"],
    ["diff", "-o", "xml"],
    ["destroy", "--lock-timeout", "soon"],
    ["destroy", "--lock-timeout", "-1"],
    ["destroy", "--lock-timeout", "nan"],
    ["exec"],
    ["exec", "--"],
    ["show", "one", "two", "three"],
    ["list", "one"],
    ["--set", "a=b"],
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_usage_is_64_and_never_2(words: list[str]) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "netorch", *words],
        capture_output=True,
        text=True,
        cwd=SOURCE,
        check=False,
    )
    assert process.returncode == 64, process.stderr
    assert process.stdout == ""
    assert process.stderr.startswith("netorch")
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "netorch: a command is missing."),
        (["aply"], "netorch: there is no command 'aply'. Did you mean 'apply'?"),
        (
            ["apply", "--dry-rum", "x.yaml"],
            "netorch apply: there is no option --dry-rum. Did you mean '--dry-run'?\nusage: netorch apply ",
        ),
        (["diff", "a", "b", "c"], "netorch diff: too many arguments: c\n"),
    ],
)
def test_a_wrong_word_gets_a_guess_and_the_usage_of_its_command(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 64
    assert capsys.readouterr().err.startswith(text)


@pytest.mark.parametrize(
    "words",
    [
        ["exec", "a"],
        ["apply", "--set", "n"],
        ["apply", "--set", "=1"],
        ["apply", "nowhere.yaml"],
        ["apply", "."],
        ["apply", "--name", "No_Name"],
        ["apply", ""],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_1_and_one_line(host: Host, words: list[str]) -> None:
    host.write("topo.yaml", FILE)
    process = host.netorch(*words, check=False)
    assert process.returncode in (1, 64)
    assert process.stdout == ""
    assert process.stderr.strip()
    assert "Traceback" not in process.stderr
    assert "internal error" not in process.stderr
    assert nodes(host) == []


def test_all_errors_of_a_file_are_reported_with_their_places(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  a: {netwroks: [lan]}\n  b: {}\nlinks:\n  - [a:eth0, c:eth0]\n  - [a:eth1]\n",
    )
    process = host.netorch("validate", check=False)
    assert process.returncode == 1
    assert process.stdout == ""
    lines = sentences(process.stderr)
    assert lines[0].startswith("topo.yaml:3:7: ")
    assert "Did you mean 'networks'?" in lines[0]
    assert any(line.startswith("topo.yaml:6:") for line in lines)
    assert any(line.startswith("topo.yaml:7:") for line in lines)


# forms of output


def document(process: subprocess.CompletedProcess[str]) -> dict[str, object]:
    result = json.loads(process.stdout)
    assert isinstance(result, dict)
    assert result["version"] == 1
    return result


def test_json_on_every_command_is_one_document(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.write("other.yaml", FILE.replace("n: 1", "n: 2"))
    assert document(host.netorch("validate", "-o", "json"))["files"]
    assert document(host.netorch("diff", "-o", "json", check=False))["in_sync"] is False
    assert (
        document(host.netorch("apply", "--dry-run", "-o", "json", check=False))["in_sync"] is False
    )
    applied = document(host.netorch("apply", "-o", "json"))
    assert applied["changed"] is True
    assert applied["topology"] == "lab"
    assert document(host.netorch("apply", "-o", "json"))["changed"] is False
    assert document(host.netorch("diff", "topo.yaml", "other.yaml", "-o", "json", check=False))[
        "changes"
    ]
    assert document(host.netorch("list", "-o", "json"))["topologies"]
    result = document(host.netorch("show", "-o", "json"))
    assert result["name"] == "lab"
    assert result["resources"]
    assert document(host.netorch("destroy", "-o", "json"))["topologies"]
    assert document(host.netorch("list", "-o", "json"))["topologies"] == []
    assert document(host.netorch("destroy", "--all", "-o", "json"))["topologies"] == []


def test_json_of_failures_is_one_document_too(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.write("wrong.yaml", "nodes: {a: {x: 1}}\n")
    host.run("ip", "netns", "add", "a")
    for words in (
        ["apply"],
        ["diff"],
        ["apply", "wrong.yaml"],
        ["validate", "wrong.yaml"],
        ["diff", "topo.yaml", "wrong.yaml"],
        ["show", "no"],
        ["destroy", "NO"],
    ):
        process = host.netorch(*words, "-o", "json", check=False)
        assert process.returncode == 1, words
        assert document(process), words
        assert process.stderr.strip() or words[0] == "validate", words


def test_text_of_results_goes_to_stdout_and_nothing_else_does(host: Host) -> None:
    host.write("topo.yaml", FILE)
    (host.root / "etc/netns/a").mkdir()
    (host.root / "etc/netns/a/hosts").write_text("precious\n")
    process = host.netorch("apply")
    assert "warning" not in process.stdout
    assert (
        process.stderr == "warning: /etc/netns/a/hosts exists and netorch did not write it: "
        "netorch leaves it as it is\n"
    )
    assert "+ netns a" in process.stdout
    assert process.stdout.splitlines()[-1].startswith("lab: ")
    for text in (process.stdout, process.stderr):
        assert "\x1b" not in text
        assert "\r" not in text


def test_quiet_says_nothing_and_verbose_says_where(host: Host) -> None:
    host.write("topo.yaml", FILE)
    for words in (["validate"], ["diff"], ["apply"], ["apply"], ["diff"], ["destroy"], ["destroy"]):
        process = host.netorch(*words, "-q", check=False)
        assert (process.stdout, process.stderr) == ("", ""), words
    verbose = host.netorch("diff", "-v", check=False).stdout
    assert "# topo.yaml:" in verbose
    assert "mac 02:" in verbose
    assert host.netorch("diff", "wrong", "-q", check=False).stderr != "", (
        "-q does not suppress errors"
    )


# where the file comes from


def test_standard_input(host: Host) -> None:
    assert host.netorch("validate", "-", stdin=FILE).stdout.startswith("-: ok, topology lab")
    host.netorch("apply", "-", stdin=FILE)
    assert nodes(host) == ["a", "b"]
    assert host.netorch("diff", "-", stdin=FILE).returncode == 0
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("destroy", "-", stdin=FILE)
    assert nodes(host) == []
    process = host.netorch("apply", "-", stdin="nodes: {a: {}}\n", check=False)
    assert process.returncode == 1
    assert "name" in process.stderr
    process = host.netorch("apply", "-", stdin="nodes: {a: {x: 1}}\nname: lab\n", check=False)
    assert process.stderr.startswith("-:1:")


def test_the_file_left_out(host: Host) -> None:
    for words in (["apply"], ["diff"], ["destroy"], ["show"], ["validate"]):
        process = host.netorch(*words, check=False)
        assert process.returncode == 1, words
        assert "topo.yaml" in process.stderr, words
        assert len(sentences(process.stderr)) == 1
    # the topology that is live here
    host.write("first.yaml", FILE)
    host.netorch("apply", "first.yaml")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert host.netorch("show").stdout.startswith("lab: ")
    host.run("ip", "-n", "a", "addr", "flush", "dev", "eth0")
    assert host.netorch("diff", check=False).returncode == 2
    assert host.netorch("apply", check=False).returncode == 1, (
        "apply needs a file before it changes anything"
    )
    # several live topologies: an error lists them
    host.write("second.yaml", "nodes: {x: {}}\n")
    host.netorch("apply", "second.yaml")
    for words in (["diff"], ["destroy"], ["show"]):
        process = host.netorch(*words, check=False)
        assert process.returncode == 1
        assert "lab, second" in process.stderr
    # the name of a live topology stands for its file
    assert host.netorch("diff", "lab", check=False).stdout.splitlines()[-1] == "lab: 1 to create"
    # topo.yaml has precedence over both
    host.write("topo.yaml", "name: lab\nnodes: {a: {}}\n")
    assert "- netns b" in host.netorch("diff", check=False).stdout
    host.netorch("apply")
    assert nodes(host) == ["a", "x"]
    host.netorch("destroy")
    assert nodes(host) == ["x"]
    host.netorch("destroy", "--all")


def test_variables_and_who_has_the_last_word(host: Host) -> None:
    host.write("topo.yaml", FILE)

    def subnet(*words: str, env: dict[str, str] | None = None) -> str:
        out = host.netorch("diff", *words, check=False, env=env).stdout
        return next(line.split()[-1] for line in out.splitlines() if "address a/eth0" in line)

    assert subnet() == "10.1.0.1/24"
    assert subnet(env={"NETORCH_VAR_n": "2"}) == "10.2.0.1/24"
    assert subnet("--set", "n=3", env={"NETORCH_VAR_n": "2"}) == "10.3.0.1/24"
    assert subnet("--set", "n=3", "--set", "n=4") == "10.4.0.1/24"
    host.netorch("apply", "--set", "n=5")
    (host.directory / "topo.yaml").unlink()
    assert host.netorch("diff").stdout == "lab: in sync\n", (
        "the record has the values of its variables"
    )
    host.netorch("destroy")


def test_instances(host: Host) -> None:
    host.write("topo.yaml", FILE)
    for name in ("one", "two"):
        host.netorch("apply", "--name", name)
        assert host.netorch("diff", "--name", name).returncode == 0
    assert nodes(host) == ["one-a", "one-b", "two-a", "two-b"]
    assert host.netorch("diff", check=False).returncode == 2, "`lab` itself is not live"
    host.netorch("destroy", "--name", "one")
    assert nodes(host) == ["two-a", "two-b"]
    host.netorch("destroy", "two")
    assert nodes(host) == []


def test_dry_run_changes_nothing(host: Host) -> None:
    host.write("topo.yaml", FILE)
    before = host.snapshot()
    process = host.netorch("apply", "--dry-run", check=False)
    assert process.returncode == 2
    assert process.stdout == host.netorch("diff", check=False).stdout
    assert diff_snapshots(before, host.snapshot()) == []


def test_two_files_are_compared_by_anybody_without_a_kernel(host: Host) -> None:
    host.write("old.yaml", FILE)
    host.write("new.yaml", FILE.replace("b: {}", "b: {}, c: {}"))
    for path in (host.directory, *host.directory.parents):
        if path.stat().st_uid == os.getuid() and str(path) not in ("/", "/tmp"):
            path.chmod(path.stat().st_mode | 0o055)
    for words, status in ((["old.yaml", "new.yaml"], 2), (["old.yaml", "old.yaml"], 0)):
        process = host.run(*AS_NOBODY, sys.executable, "-m", "netorch", "diff", *words, check=False)
        assert process.returncode == status, process.stderr
        assert ("+ netns c" in process.stdout) == (status == 2)
    assert (
        host.run(*AS_NOBODY, sys.executable, "-m", "netorch", "validate", "old.yaml").returncode
        == 0
    )
    assert "- netns c" in host.netorch("diff", "new.yaml", "old.yaml", check=False).stdout


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.yaml",
        "☃.yaml".encode(),
        b"a b.yaml",
        b"-x.yaml",
        b"new\nline.yaml",
        b"\xff/topo.yaml",
        b"\x1b[31mred.yaml",
    ],
    ids=repr,
)
def test_names_of_files_that_are_no_plain_words(host: Host, name: bytes) -> None:
    path = host.directory / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(FILE)
    word = os.fsdecode(b"./" + name)
    for words in (["validate"], ["apply"], ["diff"], ["list"], ["destroy"]):
        process = host.netorch(*words, *([word] if words != ["list"] else []))
        assert "Traceback" not in process.stderr
        assert "\x1b" not in process.stdout + process.stderr
    path.write_text("nodes: {a: {x: 1}}\nname: lab\n")
    process = host.netorch("validate", word, check=False)
    assert process.returncode == 1
    assert "\x1b" not in process.stderr
    assert len(sentences(process.stderr)) == 1
    assert len(process.stderr.splitlines()) == 3
    assert ":1:13: " in process.stderr


def test_a_files_name_that_cannot_be_a_topologys_hides_no_other_error(host: Host) -> None:
    host.write("No Name.yaml", "nodes: {a: {x: 1}}\n")
    process = host.netorch("validate", "No Name.yaml", check=False)
    assert process.returncode == 1
    assert "No Name.yaml:1:13: " in process.stderr
    assert "--name" in process.stderr


# a terminal


MANY = (
    "name: many\nnodes: {'n[1-150]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/16}}\n"
)


def test_colour_and_progress_on_a_terminal(host: Host) -> None:
    host.write("topo.yaml", MANY)
    output = on_a_terminal(host, "apply")
    assert "\x1b[32m+ 151 namespaces  n1 … netorch-many\x1b[0m" in output
    assert "\r\x1b[K[" in output, "a progress bar"
    assert output.splitlines()[-1].startswith(("many: ", "\x1b[Kmany: ")), repr(output[-200:])
    assert "(-v lists each of them)" in output
    output = on_a_terminal(host, "destroy", env={"NO_COLOR": "1"})
    assert "\x1b[3" not in output
    assert "\x1b[3" not in on_a_terminal(host, "diff", env={"TERM": "dumb"})
    assert "\x1b[32m" in on_a_terminal(host, "diff", env={"NO_COLOR": ""})
    output = on_a_terminal(host, "diff", "-o", "json")
    assert "\x1b" not in output
    assert json.loads(output)["version"] == 1
    assert on_a_terminal(host, "apply", "-q") == ""


def test_a_terminal_without_a_size(host: Host) -> None:
    """A terminal of 0 columns, as with expect, in CI and on serial lines."""
    host.write("topo.yaml", MANY)
    output = on_a_terminal(host, "apply", columns=0)
    assert "Traceback" not in output
    assert "internal error" not in output


# exec and shell


def test_exec_passes_the_status_on_and_names_resolve(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    for script, status in (
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 2", 2),
        ("exit 42", 42),
        ("exit 255", 255),
    ):
        assert host.netorch("exec", "a", "sh", "-c", script, check=False).returncode == status
    missing = host.netorch("exec", "a", "no-such-command", check=False)
    assert missing.returncode == 127
    assert missing.stderr == "netorch: no-such-command: command not found\n"
    assert host.netorch("exec", "a", "/etc/passwd", check=False).returncode == 126
    assert host.netorch("exec", "a", "/", check=False).returncode == 126
    assert host.netorch("exec", "a", "ping", "-c1", "-w5", "b").returncode == 0
    assert "10.1.0.2" in host.netorch("exec", "a", "getent", "ahostsv4", "b").stdout
    assert host.netorch("exec", "a", "cat", stdin="through\n").stdout == "through\n"
    assert host.netorch("exec", "a", "--", "echo", "-v", "--name", "x").stdout == "-v --name x\n"
    assert host.netorch("exec", "a", "echo", "-q", "--debug").stdout == "-q --debug\n"
    assert "eth0" in host.netorch("exec", "a", "ls", "/sys/class/net").stdout
    wrong = host.netorch("exec", "c", "true", check=False)
    assert wrong.returncode == 1
    assert "'c'" in wrong.stderr
    assert "There are a" in host.netorch("exec", "aa", "true", check=False).stderr


def test_exec_of_a_command_that_a_signal_ends(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    process = host.start(sys.executable, "-m", "netorch", "exec", "a", "sleep", "600")
    deadline = time.monotonic() + 10
    # the process enters the namespace a moment before it executes the command
    while (
        "sleep"
        not in host.run(
            "sh", "-c", "cat $(ip netns pids a | sed 's|.*|/proc/&/comm|') </dev/null"
        ).stdout
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.signal(signal.SIGTERM)
    assert process.wait(timeout=10) in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert "Traceback" not in process.communicate()[1]


def test_exec_among_several_topologies(host: Host) -> None:
    host.write("topo.yaml", FILE)
    for name in ("one", "two"):
        host.netorch("apply", "--name", name)
    process = host.netorch("exec", "a", "true", check=False)
    assert process.returncode == 1
    assert "one, two" in process.stderr
    assert "--name" in process.stderr
    assert (
        host.netorch("exec", "--name", "two", "a", "hostname", "-I")
        .stdout.strip()
        .startswith("10.1.0.1")
    )
    assert host.netorch("exec", "one-a", "true").returncode == 0


def test_exec_in_the_host_and_in_an_attached_namespace(host: Host) -> None:
    host.run("ip", "netns", "add", "box")
    host.run("ip", "link", "add", "mark9", "type", "ifb")
    host.write(
        "topo.yaml",
        "name: lab\nnodes: {host: {}, box: {attach: 'netns:box'}, a: {}}\nlinks: [[a:eth0, box:inbox], [a:eth1, host:inhost]]\n",
    )
    host.netorch("apply")
    assert "mark9" in host.netorch("exec", "host", "ls", "/sys/class/net").stdout
    assert host.netorch("exec", "box", "ls", "/sys/class/net").stdout.split() == ["inbox", "lo"]


def test_shell(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    process = host.netorch(
        "shell",
        "a",
        stdin="echo $NETORCH_NODE; cat /sys/class/net/eth0/address; exit 7\n",
        check=False,
        env={"SHELL": "/bin/sh"},
    )
    assert process.returncode == 7
    assert process.stdout.splitlines()[0] == "a"
    assert process.stdout.splitlines()[1].startswith("02:")
    assert host.netorch("shell", "a", check=False, env={"SHELL": "/no/shell"}).returncode == 127


# other


def test_a_reader_that_goes_away(host: Host) -> None:
    host.write("topo.yaml", MANY)
    for words in ("diff -v", "apply -v", "apply -q", "show", "diff -o json", "destroy -v"):
        script = f"{sys.executable} -m netorch {words} 2>errors | head -n 1 >/dev/null; cat errors"
        assert host.run("sh", "-c", script).stdout == "", words
    closed = host.run("sh", "-c", f"{sys.executable} -m netorch diff -v >/dev/full", check=False)
    assert closed.returncode == 1
    assert "Traceback" not in closed.stderr
    assert closed.stderr == "netorch: standard output: No space left on device\n"


def test_a_reader_that_goes_away_in_the_middle_of_apply_leaves_no_half(host: Host) -> None:
    host.write("topo.yaml", MANY)
    host.run("sh", "-c", f"{sys.executable} -m netorch apply -v | true")
    assert host.netorch("diff", "-q", check=False).returncode in (0, 2)
    count = len(nodes(host))
    assert count in (0, 151), "either all of it or nothing"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(host: Host, closed: str) -> None:
    host.write("topo.yaml", FILE)
    host.run("sh", "-c", f"{sys.executable} -m netorch apply {closed}", check=False)
    for name in ("a", "b"):
        content = (host.root / f"etc/netns/{name}/hosts").read_text()
        assert content.startswith("# netorch:lab")
        assert "+ netns" not in content
    assert host.netorch("diff").returncode == 0


def test_debug_shows_a_traceback_and_nothing_else_does(host: Host) -> None:
    host.write("topo.yaml", "nodes: {a: {x: 1}}\n")
    plain = host.netorch("apply", check=False)
    debug = host.netorch("apply", "--debug", check=False)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert debug.returncode == plain.returncode == 1


def test_version_and_help() -> None:
    for words, needle in (
        (["--version"], f"netorch {__version__}"),
        (["--help"], "exit status"),
        (["apply", "--help"], "--keep-partial"),
    ):
        process = subprocess.run(
            [sys.executable, "-m", "netorch", *words],
            capture_output=True,
            text=True,
            cwd=SOURCE,
            check=True,
        )
        assert needle in process.stdout
        assert process.stderr == ""


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["apply", "--help"], ["nonsense"]], ids=" ".join
)
def test_help_loads_nothing_that_costs_time(words: list[str]) -> None:
    script = (
        "import sys\nfrom netorch.cli import main\n"
        f"main({words!r})\n"
        "heavy = [name for name in sys.modules if name.split('.')[0] in ('pydantic', 'yaml') or name.startswith('netorch.kernel')]\n"
        "print(heavy, file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=SOURCE, check=True
    )
    assert process.stderr.splitlines()[-1] == "[]"


def test_a_folder_that_is_gone(host: Host) -> None:
    script = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m netorch"
    for words in ("validate", "diff", "apply x.yaml", "list"):
        process = host.run("sh", "-c", f"{script} {words}", check=False)
        assert "Traceback" not in process.stderr, words
        assert "internal error" not in process.stderr, words


ODD: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null\n",
    "a list": b"- a\n",
    "a word": b"hello\n",
    "zeros": b"\0" * 100,
    "no text": b"\xff\xfe\xfd",
    "two documents": b"nodes: {a: {}}\n---\nnodes: {b: {}}\n",
    "a tab": b"nodes:\n\ta: {}\n",
    "a tag": b"nodes: !!python/object/apply:os.system [id]\n",
    "a loop": b"nodes: &a {b: *a}\n",
    "deep": b"[" * 5000,
    "an endless range": b"nodes: {'n[1-999999999]': {}}\n",
    "a long name": b"nodes: {" + b"x" * 300 + b": {}}\n",
    "a way out": b"nodes: {'../../etc/x': {}}\n",
    "an option": b"nodes: {'-h': {}}\n",
    "a number": b"nodes: {7: {}}\n",
    "an escape": b'nodes: {"\\e[31mred": {}}\n',
    "a bidi name": "nodes: {'a\u202eb': {}}\n".encode(),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_files_change_nothing_and_break_nothing(host: Host, what: str) -> None:
    (host.directory / "topo.yaml").write_bytes(ODD[what])
    before = host.snapshot()
    for words in (["validate"], ["diff"], ["apply"]):
        process = host.netorch(*words, check=False, timeout=20)
        assert "Traceback" not in process.stderr, process.stderr
        assert "internal error" not in process.stderr, process.stderr
        assert "\x1b" not in process.stderr
        assert "\u202e" not in process.stderr
        assert process.returncode != 1 or process.stderr.strip()
    host.netorch("destroy", "topo")
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_file_larger_than_allowed(host: Host) -> None:
    (host.directory / "topo.yaml").write_bytes(b"#" * 10_000_001)
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "10 MB" in process.stderr
    assert Path(host.directory / "topo.yaml").exists()


def test_the_live_state_as_a_file_keeps_the_order_of_addresses(host: Host) -> None:
    host.write(
        "topo.yaml",
        """
nodes:
  a: {interfaces: {eth0: {addresses: ["fd97::1/64", "fd96::2/64", 10.4.0.1/24]}, lo: {addresses: ["fd01::1/128", 10.1.1.1/32]}}}
  b: {}
links: [{endpoints: [a:eth0, b:eth0], subnet: 10.0.0.0/24}]
""",
    )
    host.netorch("apply")
    result = host.netorch("show", "-o", "yaml")
    assert result.stderr == ""
    host.write("again.yaml", result.stdout)
    assert host.netorch("diff", "again.yaml").stdout == "topo: in sync\n"


def test_the_live_state_as_a_file_says_what_it_leaves_out(host: Host) -> None:
    host.write(
        "topo.yaml",
        "nodes: {a: {networks: [lan]}}\nnetworks: {lan: {mode: host-only, subnet: 10.0.0.0/24}}\n",
    )
    host.netorch("apply")
    assert "mode: host-only" in host.netorch("show", "-o", "yaml").stdout
    host.run("rm", "-r", "/run/netorch/topo")
    assert (
        "warning: networks of mode nat, routed and host-only are written as bridges"
        in host.netorch("show", "-o", "yaml").stderr
    )


# completion


def test_completion_knows_what_is_live(host: Host) -> None:
    host.write("other.yaml", 'name: lab\nnodes: {"node[1-3]": , gw: {}}\n')
    host.netorch("apply", "other.yaml")

    def offered(line: str, *who: str) -> list[str]:
        asked = f"COMP_LINE='{line}' COMP_POINT={len(line)} _ARGCOMPLETE=1 _ARGCOMPLETE_SHELL=fish _ARGCOMPLETE_IFS=' '"
        ask = f"{asked} exec {sys.executable} -m netorch 8>&1 9>/dev/null"
        return host.run(*who, "sh", "-c", ask, check=False).stdout.split()

    assert offered("netorch destroy la") == ["lab"]
    assert offered("netorch confirm ") == ["lab"]
    assert offered("netorch show l") == ["lab"]
    assert offered("netorch exec node") == ["node1", "node2", "node3"]
    assert offered("netorch shell --name lab g") == ["gw"]
    # without the right to read the state, there are neither suggestions nor an error
    assert offered("netorch exec node", *AS_NOBODY) == []
    assert offered("netorch destroy la", *AS_NOBODY) == []
