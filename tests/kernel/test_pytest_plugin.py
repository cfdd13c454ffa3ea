"""Test the pytest plugin as a project uses it."""

from __future__ import annotations

import gc
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# pytester unloads the modules that are imported while it runs, and the binding of libyaml cannot be
# imported twice.
import netorch.api.running  # noqa: F401
from tests.kernel.host import SOURCE, Host, diff_snapshots
from tests.kernel.nobody import HOME, let_nobody_in

pytest_plugins = ["pytester"]

PAGE = (SOURCE / "docs/pytest.md").read_text()
EXAMPLE_TOPOLOGY = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)[0]
EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]
QUIET = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-W", "error")


@pytest.fixture
def project(pytester: pytest.Pytester, host: Host) -> pytest.Pytester:
    """Return a project with the topology of the page.

    The fixture depends on `host`, which skips the test if this user may not run it. Processes that
    an earlier test started are collected first, because Python warns of their open pipes at any
    time later, and the tests of the project turn warnings into errors.
    """
    gc.collect()
    deadline = time.monotonic() + 5
    while subprocess._active and time.monotonic() < deadline:
        subprocess._cleanup()
        time.sleep(0.05)
    pytester.path.joinpath("topo.yaml").write_text(EXAMPLE_TOPOLOGY)
    return pytester


def test_what_the_page_shows(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=EXAMPLE)
    project.runpytest_inprocess(*QUIET).assert_outcomes(passed=1)


def test_a_ping_without_an_answer_says_why(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest
        @pytest.mark.topology("topo.yaml", scope="module")
        def test_fails(topology):
            client, server = topology.node("client"), topology.node("server")
            client.run(["ip", "addr", "flush", "dev", "eth0"])
            assert not server.ping("10.0.0.1", timeout=0.1)
            topology.apply()
            assert server.ping("10.0.0.1")
            server.run(["ip", "link", "set", "eth0", "down"])
            assert client.ping("server", timeout=0.1)
        @pytest.mark.topology("topo.yaml", scope="module")
        def test_fails_later(topology):
            assert 0
        @pytest.mark.topology("{name: one, nodes: {a: {}}}")
        def test_text_of_one_line(topology):
            assert [node.name for node in topology.nodes] == ["a"]
    """)
    done = project.runpytest_inprocess(*QUIET)
    done.assert_outcomes(passed=1, failed=2)
    text = str(done.stdout)
    assert text.count("topology shop: pings without an answer") == 1
    done.stdout.fnmatch_lines(["client → 10.0.0.2:", "  *"])
    assert "server → 10.0.0.1" not in text


def test_a_failing_test_describes_its_network(project: pytest.Pytester) -> None:
    with project.path.joinpath("topo.yaml").open("a") as file:
        file.write("checks: [{from: client, to: server}]\n")
    project.makepyfile("""
        import pytest
        pytestmark = pytest.mark.topology("topo.yaml")
        def test_fails(topology):
            assert topology.node("client").ping("server")
            topology.node("client").run(["ip", "link", "set", "eth0", "down"])
            assert 0
        def test_passes(topology):
            assert topology.node("client").ping("server")
        @pytest.fixture
        def broken(topology):
            raise ValueError
        @pytest.mark.topology("topo.yaml", name="other", pcap="there")
        def test_set_up(broken): pass
    """)
    done = project.runpytest_inprocess(*QUIET, "--topology-pcap", "captures")
    done.assert_outcomes(passed=1, failed=1, errors=1)
    done.stdout.fnmatch_lines([
        "*-- topology other: diff --*", "other: in sync", "*-- topology other: packets --*",
        f"{project.path}/there/test_*-test_set_up/client.pcapng",
        "*-- topology shop: diff --*", "~ link client/eth0  state down → up*[[]update[]]", "shop: 1 to update",
        "*-- topology shop: failed checks --*", "FAILED  client  server  ping  client has no route to 10.0.0.2*",
        "*-- topology shop: packets --*", f"{project.path}/captures/test_*-test_fails/client.pcapng", f"{project.path}/captures/*/server.pcapng",
    ])  # fmt: skip
    captures = {
        str(path.relative_to(project.path)).partition("-")[2]
        for path in project.path.rglob("*.pcapng")
    }
    assert captures == {
        f"test_{test}/{node}.pcapng"
        for test in ("fails", "set_up")
        for node in ("client", "server")
    }
    assert b"netorch" in next(project.path.glob("captures/*/server.pcapng")).read_bytes()


def test_packets_of_tests_with_names_alike(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest
        @pytest.mark.topology("topo.yaml")
        @pytest.mark.parametrize("word", ["a/b", "a-b", pytest.param("", id="e" * 300), "a b"])
        def test_it(topology, word): assert word == "a b"
    """)
    done = project.runpytest_inprocess(*QUIET, "--topology-pcap", "captures")
    done.assert_outcomes(passed=1, failed=3)
    assert len({path.parent for path in project.path.rglob("client.pcapng")}) == 3
    assert [path.name for path in project.path.glob("captures/*-a-b")] == [
        "test_packets_of_tests_with_names_alike.py-test_it-a-b"
    ]


def test_networks_that_tests_share_or_do_not(project: pytest.Pytester) -> None:
    project.path.joinpath("sub").mkdir()
    project.path.joinpath("sub/topo.yaml").write_text("nodes: {n$(size): {}}\nvars: {size: 1}\n")
    shared = """
        import netorch, pytest
        THREE = netorch.Topology("three", nodes={"n[1-3]": {}})
        @pytest.mark.topology("topo.yaml", scope="module")
        class TestShared:
            def test_one(self, topology): topology.node("client").run(["ip", "link", "set", "eth0", "down"])
            def test_two(self, topology): assert topology.diff() and topology.apply() and not topology.diff()
        @pytest.mark.topology("topo.yaml", scope="module", name="else")
        def test_another(topology): assert not topology.diff()
        @pytest.mark.topology("topo.yaml")
        def test_its_own(topology): assert not topology.diff()
        @pytest.mark.parametrize("topology", [THREE, "sub/topo.yaml", "name: text\\nnodes: {a: {}}\\n"], indirect=True)
        def test_parameter(topology): assert topology.name in ("three", "topo", "text")
    """
    project.makepyfile(test_shared=shared)
    project.path.joinpath("sub/test_sub.py").write_text(
        "import pytest\n@pytest.mark.topology('topo.yaml', variables={'size': 7})\n"
        "def test_in_the_folder(topology): topology.node('n7')\n"
    )
    project.runpytest_inprocess(*QUIET).assert_outcomes(passed=8)


def test_mistakes_end_in_clear_messages(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest
        @pytest.mark.topology("none.yaml")
        def test_no_file(topology): pass
        @pytest.mark.topology("nodes: {a: {}}\\n")
        def test_no_name(topology): pass
        @pytest.mark.topology("topo.yaml", variabels={})
        def test_no_word(topology): pass
        @pytest.mark.topology("topo.yaml", scope="file")
        def test_no_scope(topology): pass
        def test_no_mark(topology): pass
        @pytest.mark.topology("topo.yaml", pcap="/proc/no")
        def test_no_folder(topology): pass
    """)
    done = project.runpytest_inprocess(*QUIET)
    done.assert_outcomes(errors=6)
    assert (
        "Traceback" not in (output := done.stdout.str())
        and "During handling" not in output
        and "diff" not in output
    )
    for line in (
        f"no topology for this test: {project.path}/none.yaml: No such file or directory.",
        "no topology for this test: <text>: the topology comes from a text, "
        "so it has no file name that could be its name. Give it a `name:`.",
        "the packets of this test cannot be written: /proc/no: No such file or directory.",
        "@pytest.mark.topology: got an unexpected keyword argument 'variabels'",
        "@pytest.mark.topology: scope='file': write 'function', 'class', 'module', 'session'",
        'the fixture `topology` needs `@pytest.mark.topology("topo.yaml")` on the test, '
        "its class or its module",
    ):
        assert line in output


MANY = """
import os, time, pytest
@pytest.mark.topology("topo.yaml")
@pytest.mark.parametrize("number", range(6))
def test_one(topology, number):
    client = topology.node("client")
    client.popen(["sh", "-c", "setsid sleep 7532 & wait"])
    assert client.ping("server")
    client.run(["ip", "address", "add", f"10.9.0.{number}/24", "dev", "eth0"])
    assert str(topology.diff()).count("- address client/eth0") == 1
    assert client.run(["pgrep", "-cxf", "sleep 7532"]).stdout == "1\\n"
    open("running", "w").close()
    time.sleep(float(os.environ.get("WAIT", "0")))
"""


def test_in_parallel_without_rights(host: Host) -> None:
    python = let_nobody_in(host)
    for name, text in (("topo.yaml", EXAMPLE_TOPOLOGY), ("test_many.py", MANY)):
        (host.root / HOME.relative_to("/") / name).write_text(text)
    before = host.snapshot()
    out = host.run(*python, "-m", "pytest", *QUIET, "-n2", "-q").stdout
    assert "6 passed" in out, out
    assert diff_snapshots(before, host.snapshot()) == []
    assert host.run("pgrep", "-xf", "sleep 7532", check=False).returncode == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_one_that_is_killed_leaves_nothing(host: Host, number: signal.Signals) -> None:
    host.write("topo.yaml", EXAMPLE_TOPOLOGY)
    host.write("test_many.py", MANY)
    before = host.snapshot()
    run = host.start(sys.executable, "-m", "pytest", *QUIET, "-q", env={"WAIT": "60"})
    while not Path(host.directory, "running").exists():
        assert run.poll() is None, run.communicate()
    run.signal(number)
    out = run.communicate()[0]
    assert number == signal.SIGKILL or "KeyboardInterrupt" in out
    for _ in range(200):
        # a killed process needs a moment to end
        if not (
            left := [
                line
                for line in host.run("ps", "-eo", "args").stdout.splitlines()
                if "netorch" in line or "sleep 7532" in line
            ]
        ):
            break
        time.sleep(0.05)
    assert left == []
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_network_that_leads_out(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest
        @pytest.mark.parametrize("mode", ["nat", "routed"])
        def test_lan(request, mode):
            text = f"name: lab\\nnodes: {{a: {{networks: [lan]}}}}\\nnetworks: {{lan: {{mode: {mode}, subnet: 10.0.0.0/24}}}}\\n"
            request.node.add_marker(pytest.mark.topology(text))
            topology = request.getfixturevalue("topology")
            assert topology.node("a").ping("10.0.0.1")
    """)
    project.runpytest_inprocess(*QUIET).assert_outcomes(passed=2)
